//! Integrations: one entry of a receiver's configuration, its secrets by reference, and what came
//! of an attempt to reach it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stentor_lang::model::Duration;

/// Which kind of service an integration speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// PagerDuty's Events API.
    PagerDuty,
    /// Slack's incoming webhooks.
    Slack,
    /// Alertmanager's generic webhook.
    Webhook,
}

impl Kind {
    /// The word in metrics and keys, Alertmanager's names of integrations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PagerDuty => "pagerduty",
            Self::Slack => "slack",
            Self::Webhook => "webhook",
        }
    }
}

/// Names an integration: `pagerduty_configs[0]` of receiver `oncall` is `oncall/pagerduty[0]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IntegrationKey {
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// The kind of service.
    pub kind: Kind,
    /// The place in the receiver's list of that kind.
    pub index: u32,
}

impl fmt::Display for IntegrationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}[{}]",
            self.receiver,
            self.kind.as_str(),
            self.index
        )
    }
}

/// Where a secret's text is found; the text itself never enters the engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretRef {
    /// Written in the configuration: the name under which the shell holds it.
    Inline(String),
    /// In a file that is read at each use.
    File(String),
}

/// Names one version of an integration's secrets in the store. Equal secrets have the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretId(pub u64);

/// The texts of an integration's secrets, by the configuration's field name (`routing_key`).
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SecretBundle(pub BTreeMap<String, String>);

impl fmt::Debug for SecretBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A request, ready to be sent; all of it may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The whole URL.
    pub url: String,
    /// Headers besides those that the transport adds.
    pub headers: Vec<(String, String)>,
    /// The body of the POST.
    pub body: String,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// Not now: try again, not before `after` where the receiver named a time.
    Retry {
        /// The receiver's own wish (`Retry-After`).
        after: Option<Duration>,
        /// Whether it may have arrived all the same (a time-out, a reset, a 5xx).
        maybe_delivered: bool,
        /// What happened, without secrets.
        why: String,
    },
    /// Never in this form.
    Refused {
        /// What the receiver said, without secrets.
        why: String,
    },
}

/// One entry of a receiver: where it sends and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Integration {
    /// Its name.
    pub key: IntegrationKey,
    /// Whether it wants to know that alerts ended.
    pub send_resolved: bool,
    /// The limit of one attempt.
    pub timeout: Duration,
    /// Requests that the service takes within [`Integration::rate_window`]; the engine sends no more.
    pub rate_limit: u32,
    /// The window of `rate_limit`.
    pub rate_window: Duration,
    /// The service's own settings, as `config` read them, without secrets.
    pub settings: super::Settings,
}

/// A receiver: a name and its integrations.
#[derive(Debug, Clone, PartialEq)]
pub struct Receiver {
    /// The name that routes use.
    pub name: Arc<str>,
    /// Its integrations, in the order of the configuration.
    pub integrations: Vec<Arc<Integration>>,
}
