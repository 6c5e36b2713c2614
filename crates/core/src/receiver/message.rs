//! What a receiver is told: one state of one aggregation group.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stentor_lang::model::{Labels, Timestamp};

/// Annotations as expanded, sorted by name; unlike labels, an empty value stays.
pub type Annotations = Arc<[(String, String)]>;

/// Whether something fires, as notifications say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// At least one alert fires.
    Firing,
    /// All have ended.
    Resolved,
}

impl Status {
    /// The word in payloads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// Why a notification goes out, in Alertmanager's words (`notify/dedup_stage.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyReason {
    /// The receiver has not been told of any firing alert of this group.
    FirstNotification,
    /// Alerts fire that it has not been told of.
    NewAlerts,
    /// Some of those it was told of have ended.
    SomeResolved,
    /// All of them have ended.
    AllResolved,
    /// Nothing changed for `repeat_interval`.
    RepeatInterval,
}

impl fmt::Display for NotifyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstNotification => "first notification",
            Self::NewAlerts => "new alerts added",
            Self::SomeResolved => "some alerts resolved",
            Self::AllResolved => "all alerts resolved",
            Self::RepeatInterval => "repeat interval elapsed",
        })
    }
}

/// One alert as a notification shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Firing or resolved.
    pub status: Status,
    /// The final label set, after external labels.
    pub labels: Labels,
    /// As expanded at the newest evaluation.
    pub annotations: Annotations,
    /// When it began to fire.
    pub starts_at: Timestamp,
    /// When it ended; `None` while it fires.
    pub ends_at: Option<Timestamp>,
    /// The link to the expression at its data source; empty where there is none.
    pub generator_url: Arc<str>,
    /// The value of the newest evaluation that had one.
    pub value: Option<f64>,
    /// Why it ended, where it was not the rule's own result: "the rule was removed".
    pub end_reason: Option<Arc<str>>,
}

/// One state of one aggregation group, for one receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// Alertmanager's group key: route key, a colon, and the group's labels.
    pub group_key: Arc<str>,
    /// The labels by which the group was formed.
    pub group_labels: Labels,
    /// Labels that the route adds (`labels:` of a route).
    pub route_labels: Labels,
    /// Why this goes out.
    pub reason: NotifyReason,
    /// Resolved only where every alert is.
    pub status: Status,
    /// The alerts in Alertmanager's order: by the labels `job` and `instance`, then all labels.
    pub alerts: Vec<Alert>,
    /// Where this Stentor is reached by people (`--web.external-url`); empty where unknown.
    pub external_url: Arc<str>,
    /// The pipeline clock at the attempt.
    pub now: Timestamp,
    /// The receiver refused the message as it was written first: write it plainly, without
    /// whatever the configuration or the data could have made unacceptable.
    pub corrected: bool,
    /// Why this goes to a fallback receiver instead of the one that it was meant for.
    pub fallback_for: Option<Arc<str>>,
}
