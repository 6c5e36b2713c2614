//! Aggregation groups: members, ticks, and their end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stentor_lang::model::{Duration, Labels, Timestamp};

use super::Notify;
use super::lane::Lane;
use super::numbers::{AlertNo, GroupNo, has};
use super::record::{AlertRow, Effect, GroupRow, LaneKey, Record, ToldRow};
use crate::receiver::group_key;

/// A group: its rows, and what is rebuilt from them and from the alerts' rows.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// `None` only while recovery has not come to it.
    pub(super) row: Option<GroupRow>,
    /// What each receiver knows.
    pub(super) told: BTreeMap<LaneKey, ToldRow>,
    /// Alertmanager's group key.
    pub(super) key: Arc<str>,
    /// Its route by [`super::Route::index`]; without one it only resolves what it told.
    pub(super) route: Option<usize>,
    pub(super) members: BTreeSet<AlertNo>,
    /// Members that have ended.
    pub(super) ended: BTreeSet<AlertNo>,
    /// Those that ended since the last flush.
    pub(super) unflushed: BTreeSet<AlertNo>,
    /// Those that stay only because a receiver that wants no resolves was told of them; they are
    /// shown no more.
    pub(super) ghosts: BTreeSet<AlertNo>,
    /// Members that the routes send elsewhere now.
    pub(super) departed: BTreeSet<AlertNo>,
    pub(super) lanes: BTreeMap<LaneKey, Lane>,
    /// When it is flushed next, where that is known.
    pub(super) timer: Option<Timestamp>,
}

impl Group {
    /// Whether nothing durable is left of it.
    pub(super) fn is_blank(&self) -> bool {
        self.row.is_none() && self.told.is_empty()
    }

    /// Whether somebody believes, or may believe, that the alert fires.
    pub(super) fn is_open(&self, alert: AlertNo) -> bool {
        self.told
            .values()
            .any(|told| has(&told.firing, alert) || has(&told.maybe, alert))
    }

    pub(super) fn remove_member(&mut self, alert: AlertNo) {
        self.members.remove(&alert);
        self.ended.remove(&alert);
        self.unflushed.remove(&alert);
        self.ghosts.remove(&alert);
        self.departed.remove(&alert);
    }

    /// Whether an alert fires that is still routed here.
    fn has_own_firing(&self) -> bool {
        let elsewhere = self.departed.difference(&self.ended).count();
        self.members.len() > self.ended.len() + elsewhere
    }
}

/// The first tick at or after `from`, where `anchor` is one.
pub(super) fn tick_from(anchor: Timestamp, interval: Duration, from: Timestamp) -> Timestamp {
    let behind = from.since(anchor).millis();
    let interval = interval.millis().max(1);
    if behind <= 0 {
        return anchor;
    }
    let ticks = behind / interval + i64::from(behind % interval > 0);
    anchor + Duration::from_millis(ticks * interval)
}

impl Notify {
    /// Binds a group to its route.
    pub(super) fn attach(&mut self, no: GroupNo, identity: (usize, Labels)) {
        if let Some(group) = self.groups.get_mut(&no) {
            group.route = Some(identity.0);
            if let Some(row) = &group.row {
                group.key = group_key(&row.route_key, &row.labels).into();
            }
            self.by_identity.insert(identity, no);
        }
    }

    pub(super) fn set_timer(&mut self, no: GroupNo, at: Option<Timestamp>) {
        let Some(group) = self.groups.get_mut(&no) else {
            return;
        };
        if group.timer == at {
            return;
        }
        if let Some(old) = group.timer {
            self.timers.remove(&(old, no));
        }
        group.timer = at;
        if let Some(at) = at {
            self.timers.insert((at, no));
        }
    }

    /// Sets a group's timer: its next tick where something changed, else the first tick that
    /// finds a receiver due to be told again. The ticks between would find nothing. A repeat that
    /// is overdue, because the process was down, waits for the next tick.
    pub(super) fn retime(&mut self, no: GroupNo, now: Timestamp) {
        let timer = self.next_flush(no, now);
        self.set_timer(no, timer);
    }

    fn next_flush(&self, no: GroupNo, now: Timestamp) -> Option<Timestamp> {
        let group = self.groups.get(&no)?;
        let row = group.row.as_ref()?;
        if row.dirty {
            return Some(row.next_flush);
        }
        let repeat = self.options[group.route?].repeat_interval;
        if !group.has_own_firing() {
            return None;
        }
        let told = self
            .routing
            .integrations(&row.receiver)
            .iter()
            .filter_map(|integration| {
                let lane = LaneKey::current(&integration.key);
                if group.lanes.get(&lane).is_some_and(Lane::is_busy) {
                    return None;
                }
                let told = group.told.get(&lane)?;
                Some(told.refused.as_ref().map_or(told.at, |refused| refused.at))
            })
            .min()?;
        let due = told + repeat + Duration::from_millis(1);
        Some(tick_from(row.next_flush, row.interval, due.max(now)))
    }

    /// Lets the alerts go whose end is settled, and ends the group with the last of them.
    pub(super) fn settle(&mut self, no: GroupNo, out: &mut Vec<Effect>) {
        let Some(group) = self.groups.get_mut(&no) else {
            return;
        };
        if group.lanes.values().any(Lane::is_busy) {
            return;
        }
        let (mut leaving, mut ghosts) = (Vec::new(), Vec::new());
        for alert in group.ended.difference(&group.unflushed) {
            let mut holders = group
                .told
                .values()
                .filter(|told| has(&told.firing, *alert) || has(&told.maybe, *alert))
                .peekable();
            if holders.peek().is_none() {
                leaving.push(*alert);
            } else if holders.all(|told| !told.integration.send_resolved) {
                ghosts.push(*alert);
            }
        }
        group.ghosts.extend(ghosts);
        let elsewhere = group.departed.difference(&group.ended);
        leaving.extend(elsewhere.filter(|alert| !group.is_open(**alert)));
        for alert in &leaving {
            group.remove_member(*alert);
        }
        for alert in leaving {
            self.leave(alert, no, out);
        }
        self.end_if_empty(no, out);
    }

    /// Takes a group out of an alert's row, and the row away where that was the last group.
    fn leave(&mut self, alert: AlertNo, group: GroupNo, out: &mut Vec<Effect>) {
        let Some(row) = self.alerts.get(&alert) else {
            return;
        };
        let stays = row.ends_at.is_none() || row.groups.iter().any(|other| *other != group);
        let row = stays.then(|| {
            let mut row = AlertRow::clone(row);
            row.groups.retain(|other| *other != group);
            Arc::new(row)
        });
        self.commit(Record::Alert { no: alert, row }, out);
    }

    pub(super) fn end_if_empty(&mut self, no: GroupNo, out: &mut Vec<Effect>) {
        let Some(group) = self.groups.get(&no).filter(|g| g.members.is_empty()) else {
            return;
        };
        let identity = group
            .route
            .zip(group.row.as_ref())
            .map(|(route, row)| (route, row.labels.clone()));
        let jobs: Vec<_> = group.lanes.values().flat_map(Lane::jobs).collect();
        let told: Vec<LaneKey> = group.told.keys().cloned().collect();
        if let Some(identity) = identity {
            self.by_identity.swap_remove(&identity);
        }
        self.set_timer(no, None);
        for job in jobs {
            self.drop_job(job, out);
        }
        for lane in told {
            let row = None;
            let group = no;
            self.commit(Record::Told { group, lane, row }, out);
        }
        self.commit(Record::Group { no, row: None }, out);
    }
}
