//! The durable rows of notification, and what comes out of its state machine.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stentor_lang::model::{Duration, Labels, Timestamp};

use super::numbers::{AlertNo, Alerts, AttemptId, GroupNo, JobNo, none};
use crate::receiver::{
    Annotations, Integration, IntegrationKey, Message, NotifyReason, SecretId, Status,
};

/// Where the notifications of one group to one integration queue up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LaneKey {
    /// The integration.
    pub integration: IntegrationKey,
    /// Zero for the integration as it is configured. Others are what is left of earlier
    /// definitions or secrets under the same name: incidents that only wait for their resolve.
    pub retired: u32,
}

impl LaneKey {
    /// The lane of an integration as it is configured.
    pub fn current(integration: &IntegrationKey) -> Self {
        Self {
            integration: integration.clone(),
            retired: 0,
        }
    }
}

impl fmt::Display for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retired {
            0 => write!(f, "{}", self.integration),
            number => write!(f, "{} (retired {number})", self.integration),
        }
    }
}

/// An alert that fires, or whose end some receiver still has to hear of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertRow {
    /// Its final labels, after external ones.
    pub labels: Labels,
    /// When it began to fire.
    pub starts_at: Timestamp,
    /// When it ended; `None` while it fires.
    pub ends_at: Option<Timestamp>,
    /// Why it ended, where that was not the rule's own result.
    pub end_reason: Option<Arc<str>>,
    /// The groups that it is in, sorted.
    pub groups: Vec<GroupNo>,
}

/// An aggregation group. Its identity is the first four fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupRow {
    /// Alertmanager's key of the route.
    pub route_key: Arc<str>,
    /// The place among the routes with an equal key.
    pub ordinal: u32,
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// The labels that its alerts share by `group_by`.
    pub labels: Labels,
    /// The labels of its route, as the route was last known.
    pub route_labels: Labels,
    /// The time between ticks, as the route was last known.
    pub interval: Duration,
    /// One of its ticks: all others are whole intervals later. The next one, where `dirty`.
    pub next_flush: Timestamp,
    /// Whether an alert changed since the last flush.
    pub dirty: bool,
    /// Whether it was ever flushed.
    pub flushed: bool,
}

/// What one receiver knows of one group: its entry in the notification log, and the incident that
/// is open there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToldRow {
    /// The integration as it was when it was told.
    pub integration: Arc<Integration>,
    /// The version of the secrets by which it was told.
    pub secret: Option<SecretId>,
    /// The alerts that it believes to fire.
    pub firing: Alerts,
    /// The alerts that it was told have ended, in the last notification.
    pub resolved: Alerts,
    /// The alerts that it may believe to fire: of an attempt to say so nothing was heard.
    pub maybe: Alerts,
    /// When the last notification was delivered.
    pub at: Timestamp,
    /// The state that it refused for good.
    pub refused: Option<Refusal>,
    /// Whom it was told for, where this is the fallback receiver, and why.
    pub fallback_for: Option<Arc<str>>,
    /// Nothing was really sent (`--notify.dry-run`).
    pub dry: bool,
}

/// A state that was refused for good; it is tried again only at the repeat interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// The firing alerts.
    pub firing: Alerts,
    /// The ended ones.
    pub resolved: Alerts,
    /// When it was refused.
    pub at: Timestamp,
}

impl ToldRow {
    /// Nothing told yet.
    pub(super) fn new(integration: Arc<Integration>, dry: bool) -> Self {
        Self {
            integration,
            secret: None,
            firing: none(),
            resolved: none(),
            maybe: none(),
            at: Timestamp::EPOCH,
            refused: None,
            fallback_for: None,
            dry,
        }
    }

    /// Whether the receiver believes, or may believe, that something fires.
    pub fn is_open(&self) -> bool {
        !self.firing.is_empty() || !self.maybe.is_empty()
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_blank(&self) -> bool {
        !self.is_open() && self.resolved.is_empty() && self.refused.is_none()
    }
}

/// A notification that waits for delivery or is under way: one state of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    /// The group.
    pub group: GroupNo,
    /// Whom to tell.
    pub lane: LaneKey,
    /// The alerts to show as firing; none where this is a resolve.
    pub firing: Alerts,
    /// The alerts to show as ended.
    pub resolved: Alerts,
    /// Why, as it was when the job was queued.
    pub reason: NotifyReason,
    /// Since when the receiver is to be told.
    pub created: Timestamp,
    /// How many attempts were made.
    pub attempts: u32,
    /// Not before then.
    pub next_try: Timestamp,
    /// The receiver refused it once: write it plainly.
    pub corrected: bool,
    /// Whom it was meant for and why that failed, where this goes to the fallback receiver.
    pub fallback_for: Option<Arc<str>>,
    /// It goes out whatever the receiver knows: another one refused it.
    pub forced: bool,
}

impl JobRow {
    /// Whether it says that all has ended.
    pub fn is_resolve(&self) -> bool {
        self.firing.is_empty()
    }
}

/// The new value of one durable entity, or its removal. There is one for each alert that changes:
/// what is rare and large is boxed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    /// An alert.
    Alert {
        /// Its number.
        no: AlertNo,
        /// The row, shared with who keeps it; `None` removes it.
        row: Option<Arc<AlertRow>>,
    },
    /// A group.
    Group {
        /// Its number.
        no: GroupNo,
        /// The row; `None` removes it.
        row: Option<GroupRow>,
    },
    /// What a receiver knows.
    Told {
        /// Of this group.
        group: GroupNo,
        /// The receiver's integration.
        lane: LaneKey,
        /// The row; `None` removes it.
        row: Option<Box<ToldRow>>,
    },
    /// An undelivered notification.
    Job {
        /// Its number.
        no: JobNo,
        /// The row; `None` removes it.
        row: Option<Box<JobRow>>,
    },
    /// Nothing refers to this version of a secret any more: the store removes it.
    Secret {
        /// Which.
        id: SecretId,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Make durable, before anything that comes behind it starts.
    Record(Record),
    /// Send now.
    Deliver {
        /// To be named in the outcome.
        attempt: AttemptId,
        /// Whom and how.
        integration: Arc<Integration>,
        /// What.
        message: Arc<Message>,
        /// The version of the secrets to use; the newest where `None`.
        secret: Option<SecretId>,
        /// Without an outcome by then, the attempt has failed.
        deadline: Timestamp,
    },
    /// For logs and metrics.
    Event(Event),
}

/// What happened, for logs, metrics and the meta-alerts.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A group had something to tell, or it was time to look.
    Flushed {
        /// Alertmanager's key of the group.
        group_key: Arc<str>,
        /// Its receiver.
        receiver: Arc<str>,
        /// How many alerts fire.
        firing: usize,
        /// How many have ended.
        resolved: usize,
    },
    /// A notification is to go out.
    Queued {
        /// To whom.
        integration: IntegrationKey,
        /// Of which group.
        group_key: Arc<str>,
        /// Why.
        reason: NotifyReason,
        /// How many alerts fire.
        firing: usize,
        /// How many have ended.
        resolved: usize,
    },
    /// A notification that waited is not needed any more, because the group changed.
    Superseded {
        /// Whom it was for.
        integration: IntegrationKey,
        /// Of which group.
        group_key: Arc<str>,
    },
    /// The receiver has it.
    Delivered {
        /// Who.
        integration: IntegrationKey,
        /// Of which group.
        group_key: Arc<str>,
        /// Why it went out.
        reason: NotifyReason,
        /// Whether something still fires.
        status: Status,
        /// How many alerts it names.
        alerts: usize,
        /// How many attempts it took.
        attempts: u32,
        /// How long after the group wanted it told.
        latency: Duration,
    },
    /// An attempt failed and will be repeated.
    Failed {
        /// Whom it was for.
        integration: IntegrationKey,
        /// Of which group.
        group_key: Arc<str>,
        /// What happened, without secrets.
        why: Arc<str>,
        /// When the next attempt is due.
        retry_at: Timestamp,
    },
    /// Refused for good, after a corrected attempt.
    Refused {
        /// Who refused.
        integration: IntegrationKey,
        /// Of which group.
        group_key: Arc<str>,
        /// What it said, without secrets.
        why: Arc<str>,
        /// Whether this was the fallback receiver itself, of which nothing further follows.
        fallback: bool,
        /// The names of the alerts that it was to be told of.
        alert_names: BTreeSet<Arc<str>>,
    },
    /// Too much waits for one integration; the group tries again at its next tick.
    LimitReached {
        /// Which integration.
        integration: IntegrationKey,
        /// Of which group.
        group_key: Arc<str>,
        /// How many notifications may wait.
        limit: usize,
    },
    /// The outcome of an attempt that is over already.
    UnknownAttempt {
        /// As it was named.
        attempt: AttemptId,
    },
}

/// What the engine knows of an alert beyond its row.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertView {
    /// As expanded at the newest evaluation.
    pub annotations: Annotations,
    /// The link to the expression at its data source; empty where there is none.
    pub generator_url: Arc<str>,
    /// The value of the newest evaluation that had one.
    pub value: Option<f64>,
}

/// A notification that may start now. It is handed out once, and again only where it changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Ready {
    /// To be named at the start.
    pub job: JobNo,
    /// Its alerts, in the order of the message.
    pub alerts: Vec<(AlertNo, Labels)>,
}
