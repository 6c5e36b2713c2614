//! A flush: what a group has to tell at a tick, stage by stage. Routing and grouping happen on
//! arrival, muting here, so that an alert which is muted no more is still in its group.

use std::sync::Arc;

use stentor_lang::model::Timestamp;

use super::Notify;
use super::numbers::{AlertNo, Alerts, GroupNo};
use super::record::{Effect, Event, LaneKey, Record};

/// One flush on its way through the stages.
#[derive(Debug)]
struct Flush {
    group: GroupNo,
    firing: Alerts,
    resolved: Alerts,
    now: Timestamp,
}

/// The stages of a flush, in their order.
struct Pipeline;

impl Pipeline {
    /// Returns whether all that is to be told found room.
    fn flush(notify: &mut Notify, group: GroupNo, now: Timestamp, out: &mut Vec<Effect>) -> bool {
        let flush = Self::collect(notify, group, now, out);
        let flush = Self::mute(flush);
        Self::queue(notify, &flush, out)
    }

    fn collect(
        notify: &mut Notify,
        group: GroupNo,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Flush {
        let (firing, resolved) = notify.members(group);
        if let Some(live) = notify.groups.get_mut(&group) {
            live.unflushed.clear();
            if let Some(row) = &live.row {
                out.push(Effect::Event(Event::Flushed {
                    group_key: Arc::clone(&live.key),
                    receiver: Arc::clone(&row.receiver),
                    firing: firing.len(),
                    resolved: resolved.len(),
                }));
            }
        }
        Flush {
            group,
            firing,
            resolved,
            now,
        }
    }

    /// Where alerts are muted: by inhibition, by time intervals, by silences. None of these can be
    /// configured yet, so nothing is.
    fn mute(flush: Flush) -> Flush {
        flush
    }

    /// Deduplicates for each lane, and queues what its receiver does not know.
    fn queue(notify: &mut Notify, flush: &Flush, out: &mut Vec<Effect>) -> bool {
        let mut fits = true;
        for lane in notify.lanes_of(flush.group) {
            let state = notify.state_for(flush.group, &lane, &flush.firing, &flush.resolved);
            fits &= notify.queue_state(flush.group, &lane, &state, flush.now, out);
            notify.pump(flush.group, &lane, flush.now, out);
        }
        fits
    }
}

impl Notify {
    /// Flushes a group; its next tick is an interval from now.
    pub(super) fn flush(&mut self, no: GroupNo, now: Timestamp, out: &mut Vec<Effect>) {
        let row = self.groups.get(&no).and_then(|group| group.row.clone());
        let Some(mut row) = row else {
            self.set_timer(no, None);
            return;
        };
        let fits = Pipeline::flush(self, no, now, out);
        row.next_flush = now + row.interval;
        row.flushed = true;
        row.dirty = !fits;
        self.commit(Record::Group { no, row: Some(row) }, out);
        self.settle(no, out);
        self.retime(no, now);
    }

    /// The alerts of a group that fire, and those that have ended.
    pub(super) fn members(&self, no: GroupNo) -> (Alerts, Alerts) {
        let Some(group) = self.groups.get(&no) else {
            return (Arc::from([]), Arc::from([]));
        };
        let firing: Vec<AlertNo> = if group.ended.is_empty() {
            group.members.iter().copied().collect()
        } else {
            group.members.difference(&group.ended).copied().collect()
        };
        let ended = group.ended.difference(&group.ghosts).copied().collect();
        (firing.into(), ended)
    }

    /// The lanes of a group: its current integrations, and whoever else was told.
    pub(super) fn lanes_of(&self, no: GroupNo) -> Vec<LaneKey> {
        let Some(group) = self.groups.get(&no) else {
            return Vec::new();
        };
        let mut lanes: Vec<LaneKey> = group.told.keys().cloned().collect();
        lanes.extend(group.lanes.keys().cloned());
        if let (Some(_), Some(row)) = (group.route, &group.row) {
            let current = self.routing.integrations(&row.receiver).iter();
            lanes.extend(current.map(|integration| LaneKey::current(&integration.key)));
        }
        lanes.sort();
        lanes.dedup();
        lanes
    }
}
