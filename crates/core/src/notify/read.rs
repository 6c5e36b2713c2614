//! What others may read of the state: the APIs, the metrics and the engine.

use std::collections::BTreeSet;
use std::sync::Arc;

use stentor_lang::model::Labels;

use super::Notify;
use super::numbers::{AlertNo, GroupNo, JobNo};
use super::record::{AlertRow, GroupRow, JobRow, LaneKey, ToldRow};
use super::route::Routing;
use crate::receiver::SecretId;

impl Notify {
    /// The routes and receivers in force.
    pub fn routing(&self) -> &Arc<Routing> {
        &self.routing
    }

    /// An alert by its final labels, while it fires or some receiver still has to hear of its end.
    pub fn alert(&self, labels: &Labels) -> Option<(AlertNo, &AlertRow)> {
        let no = *self.by_labels.get(labels)?;
        Some((no, &**self.alerts.get(&no)?))
    }

    /// Whether an alert is known to fire.
    pub fn is_firing(&self, labels: &Labels) -> bool {
        self.alert(labels)
            .is_some_and(|(_, row)| row.ends_at.is_none())
    }

    /// All alerts by number.
    pub fn alerts(&self) -> impl Iterator<Item = (AlertNo, &AlertRow)> {
        self.alerts.iter().map(|(no, row)| (*no, &**row))
    }

    /// The receivers of an alert, in the order of their names.
    pub fn receivers(&self, alert: &AlertRow) -> BTreeSet<&Arc<str>> {
        let groups = alert.groups.iter();
        let rows = groups.filter_map(|no| self.groups.get(no)?.row.as_ref());
        rows.map(|row| &row.receiver).collect()
    }

    /// All groups by number.
    pub fn groups(&self) -> impl Iterator<Item = (GroupNo, &GroupRow)> {
        let rows = self.groups.iter();
        rows.filter_map(|(no, group)| Some((*no, group.row.as_ref()?)))
    }

    /// The alerts of a group.
    pub fn members_of(&self, group: GroupNo) -> impl Iterator<Item = (AlertNo, &AlertRow)> {
        let members = self.groups.get(&group).map(|group| &group.members);
        let members = members.into_iter().flatten();
        members.filter_map(|no| Some((*no, &**self.alerts.get(no)?)))
    }

    /// What the receivers know of each group.
    pub fn log(&self) -> impl Iterator<Item = (GroupNo, &LaneKey, &ToldRow)> {
        self.groups
            .iter()
            .flat_map(|(no, group)| group.told.iter().map(|(lane, row)| (*no, lane, row)))
    }

    /// What waits for delivery or is under way.
    pub fn jobs(&self) -> impl Iterator<Item = (JobNo, &JobRow)> {
        self.jobs.iter().map(|(no, row)| (*no, row))
    }

    /// The secrets that open incidents were opened by; the store needs to keep no others.
    pub fn secrets(&self) -> impl Iterator<Item = SecretId> {
        self.secrets.keys().copied()
    }

    /// How many attempts are under way.
    pub fn in_flight(&self) -> usize {
        self.attempts.len()
    }
}
