//! What the rules say: alerts begin and end, and take their places in the groups.

use std::sync::Arc;

use stentor_lang::model::{Labels, Timestamp};

use super::numbers::{AlertNo, GroupNo};
use super::record::{AlertRow, Effect, GroupRow, Record};
use super::{Notify, group};

/// A change of one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// Its final label set.
    pub labels: Labels,
    /// What happened.
    pub change: Change,
}

/// What happened to an alert.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It fires; this changes nothing where it did before.
    Firing {
        /// Since when, by the time of evaluations.
        since: Timestamp,
    },
    /// It ended; this changes nothing where it is not known to fire.
    Ended {
        /// When, by the time of evaluations.
        at: Timestamp,
        /// Why, where that was not the rule's own result.
        reason: Option<Arc<str>>,
    },
}

impl Notify {
    /// Takes the changes of one evaluation slot. All are in their groups before any group is
    /// flushed, which only [`Notify::wake`] does.
    pub fn arrive(&mut self, batch: &[Arrival], now: Timestamp, out: &mut Vec<Effect>) {
        // Nearly always one record for each.
        out.reserve(batch.len());
        for arrival in batch {
            let known = self.by_labels.get(&arrival.labels).copied();
            match (&arrival.change, known) {
                (Change::Firing { since }, None) => self.begin(&arrival.labels, *since, now, out),
                (Change::Firing { since }, Some(no)) => self.begin_again(no, *since, now, out),
                (Change::Ended { at, reason }, Some(no)) => {
                    self.end(no, *at, reason.as_ref(), now, out);
                }
                (Change::Ended { .. }, None) => {}
            }
        }
    }

    fn begin(&mut self, labels: &Labels, since: Timestamp, now: Timestamp, out: &mut Vec<Effect>) {
        let no = AlertNo::take(&mut self.counters.alert);
        let groups = self.groups_for(labels, now, out);
        for group in &groups {
            self.join(*group, no, now, out);
        }
        let row = AlertRow {
            labels: labels.clone(),
            starts_at: since,
            ends_at: None,
            end_reason: None,
            groups,
        };
        let row = Some(Arc::new(row));
        self.commit(Record::Alert { no, row }, out);
    }

    fn begin_again(
        &mut self,
        no: AlertNo,
        since: Timestamp,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let Some(row) = self.alerts.get(&no).filter(|row| row.ends_at.is_some()) else {
            return;
        };
        let mut row = AlertRow::clone(row);
        row.starts_at = since;
        row.ends_at = None;
        row.end_reason = None;
        let before = row.groups.clone();
        row.groups = self.place(no, &row, now, out);
        for group in &row.groups {
            if let Some(group) = self.groups.get_mut(group) {
                group.ended.remove(&no);
                group.unflushed.remove(&no);
                group.ghosts.remove(&no);
            }
            self.touch(*group, now, out);
        }
        let left = before
            .into_iter()
            .filter(|group| !row.groups.contains(group));
        let left: Vec<GroupNo> = left.collect();
        let row = Some(Arc::new(row));
        self.commit(Record::Alert { no, row }, out);
        for group in left {
            self.review_group(group, now, out);
        }
    }

    fn end(
        &mut self,
        no: AlertNo,
        at: Timestamp,
        reason: Option<&Arc<str>>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let Some(row) = self.alerts.get(&no).filter(|row| row.ends_at.is_none()) else {
            return;
        };
        let mut row = AlertRow::clone(row);
        row.ends_at = Some(at);
        row.end_reason = reason.cloned();
        for group in &row.groups {
            if let Some(group) = self.groups.get_mut(group) {
                group.ended.insert(no);
                group.unflushed.insert(no);
            }
            self.touch(*group, now, out);
        }
        let row = Some(Arc::new(row));
        self.commit(Record::Alert { no, row }, out);
    }

    /// The groups of a label set by the current routes, sorted; makes those that are missing.
    pub(super) fn groups_for(
        &mut self,
        labels: &Labels,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Vec<GroupNo> {
        let routing = Arc::clone(&self.routing);
        let mut groups: Vec<GroupNo> = routing
            .root()
            .matching(labels)
            .into_iter()
            .map(|route| {
                let identity = (route.index(), route.group_labels(labels));
                match self.by_identity.get(&identity) {
                    Some(group) => *group,
                    None => self.make_group(identity, now, out),
                }
            })
            .collect();
        groups.sort_unstable();
        groups
    }

    fn make_group(
        &mut self,
        identity: (usize, Labels),
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> GroupNo {
        let no = GroupNo::take(&mut self.counters.group);
        let options = &self.options[identity.0];
        let row = GroupRow {
            route_key: Arc::clone(&options.key),
            ordinal: options.ordinal,
            receiver: Arc::clone(&options.receiver),
            labels: identity.1.clone(),
            route_labels: options.labels.clone(),
            interval: options.group_interval,
            next_flush: now + options.group_wait,
            dirty: true,
            flushed: false,
        };
        self.commit(Record::Group { no, row: Some(row) }, out);
        self.attach(no, identity);
        self.retime(no, now);
        no
    }

    fn join(&mut self, no: GroupNo, alert: AlertNo, now: Timestamp, out: &mut Vec<Effect>) {
        if let Some(group) = self.groups.get_mut(&no) {
            group.members.insert(alert);
            group.departed.remove(&alert);
        }
        self.touch(no, now, out);
    }

    /// An alert of the group changed: the next tick has something to look at.
    pub(super) fn touch(&mut self, no: GroupNo, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(row) = self.groups.get(&no).and_then(|group| group.row.as_ref()) else {
            return;
        };
        if row.dirty {
            return;
        }
        let mut row = row.clone();
        row.dirty = true;
        row.next_flush = group::tick_from(row.next_flush, row.interval, now);
        self.commit(Record::Group { no, row: Some(row) }, out);
        self.retime(no, now);
    }

    /// Puts a firing alert into the groups of the current routes. Of its other groups it leaves
    /// those by which nobody was told of it; in the rest it stays, to be resolved there.
    pub(super) fn place(
        &mut self,
        no: AlertNo,
        row: &AlertRow,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Vec<GroupNo> {
        let mut groups = self.groups_for(&row.labels, now, out);
        let wanted = groups.clone();
        for group in &row.groups {
            if wanted.binary_search(group).is_ok() {
                if let Some(group) = self.groups.get_mut(group) {
                    group.departed.remove(&no);
                }
            } else if let Some(old) = self.groups.get_mut(group) {
                if old.is_open(no) {
                    old.departed.insert(no);
                    groups.push(*group);
                } else {
                    old.remove_member(no);
                }
            }
        }
        for group in wanted {
            if row.groups.binary_search(&group).is_err() {
                self.join(group, no, now, out);
            }
        }
        groups.sort_unstable();
        groups
    }
}
