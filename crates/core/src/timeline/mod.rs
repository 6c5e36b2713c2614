//! What a run of the engine brought about, in order of time: every change of phase, every
//! notification, every error of a rule.
//!
//! It only writes down what the engine says; whether that is good or bad is for `report` and for tests.

mod episode;
mod recorder;

use std::sync::Arc;

use serde::{Serialize, Serializer};
use stentor_lang::model::{Duration, Labels, Timestamp};

use crate::receiver::{IntegrationKey, NotifyReason, Status};
use crate::rulefile::AlertingRule;

pub use episode::Episode;
pub use recorder::{Bodies, Recorder};

/// All that happened between two instants.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    /// The first instant.
    pub start: Timestamp,
    /// The last instant.
    pub end: Timestamp,
    /// The alerting rules, in the order of the groups.
    pub rules: Vec<TimelineRule>,
    /// Changes of phase, in the order in which they happened.
    pub transitions: Vec<Transition>,
    /// What was delivered, in the order in which it was.
    pub notifications: Vec<Notification>,
    /// The first errors of rules; there may be thousands.
    pub errors: Vec<crate::replay::RuleError>,
    /// How many errors there were.
    pub error_count: usize,
}

/// An alerting rule of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineRule {
    /// The data source.
    pub datasource: Arc<str>,
    /// The group's name.
    pub group: Arc<str>,
    /// The time between two slots of the group.
    pub interval: Duration,
    /// What the user wrote.
    pub rule: Arc<AlertingRule>,
}

/// The state of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The condition does not hold.
    Inactive,
    /// It holds, and not yet for long enough.
    Pending,
    /// It fires.
    Firing,
}

/// An alert changed its phase.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// The slot.
    pub at: Timestamp,
    /// Whose alert: an index into [`Timeline::rules`].
    pub rule: usize,
    /// Its labels before external ones.
    pub labels: Labels,
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// The newest value.
    pub value: f64,
    /// How it came to that.
    pub why: Arc<str>,
}

/// A notification that a receiver got.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// The pipeline clock at the attempt.
    pub at: Timestamp,
    /// Who got it.
    pub integration: IntegrationKey,
    /// The aggregation group: Alertmanager's group key.
    pub group_key: Arc<str>,
    /// The labels by which the group was formed.
    pub group_labels: Labels,
    /// Why it went out.
    pub reason: NotifyReason,
    /// Whether something still fires.
    pub status: Status,
    /// The alerts that it names.
    pub alerts: Vec<ToldAlert>,
    /// The body of the request, with every secret unreadable, where the run keeps bodies.
    pub body: Option<Arc<str>>,
}

/// An alert as a notification names it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldAlert {
    /// Firing or resolved.
    pub status: Status,
    /// The final label set, after external labels.
    pub labels: Labels,
    /// When it began to fire.
    pub starts_at: Timestamp,
    /// When it ended; `None` while it fires.
    pub ends_at: Option<Timestamp>,
}

impl State {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

impl Notification {
    /// How many of its alerts fire.
    pub fn firing(&self) -> usize {
        let firing = |alert: &&ToldAlert| alert.status == Status::Firing;
        self.alerts.iter().filter(firing).count()
    }
}

impl TimelineRule {
    /// The rule's own `severity`, where it is written without a template.
    pub fn severity(&self) -> Option<&str> {
        self.rule.severity()
    }
}

/// Writes an instant as RFC 3339, for reports.
pub fn rfc3339<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

#[cfg(test)]
mod tests;
