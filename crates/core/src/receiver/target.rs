//! Integrations: one entry of a receiver's configuration, its secrets by reference, and what came
//! of an attempt to reach it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stentor_lang::model::Duration;

use super::http::HttpConfig;

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

    /// How many requests the service takes in which time: PagerDuty of one key, Slack of one
    /// channel; a webhook names no limit.
    pub const fn rate_limit(self) -> (u32, Duration) {
        match self {
            Self::PagerDuty => (120, Duration::from_secs(60)),
            Self::Slack => (1, Duration::from_secs(1)),
            Self::Webhook => (u32::MAX, Duration::from_secs(1)),
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

impl SecretBundle {
    /// The text of a secret, without the white space around it that editors leave in files.
    pub fn required(&self, field: &str) -> Result<&str, RenderError> {
        match self.0.get(field).map(|text| text.trim()) {
            None => Err(RenderError::Missing {
                field: field.to_owned(),
            }),
            Some("") => Err(RenderError::Unusable {
                field: field.to_owned(),
                why: "it is empty",
            }),
            Some(text) => Ok(text),
        }
    }

    /// A text from elsewhere with every secret in it made unreadable. Servers repeat what they
    /// were sent, often only the path of a URL, so the parts of URLs count as secrets too.
    pub fn redact(&self, text: &str) -> String {
        /// Shorter parts, such as `api`, are no secrets, and hiding them would hide the answer.
        const SHORTEST_PART: usize = 8;
        let mut hidden: Vec<&str> = Vec::new();
        for secret in self.0.values().map(|secret| secret.trim()) {
            hidden.push(secret);
            if let Some((_, rest)) = secret.split_once("://") {
                let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
                hidden.push(path);
                let parts = rest.split(['/', '?', '&', '=', '@', ':']).skip(1);
                hidden.extend(parts.filter(|part| part.len() >= SHORTEST_PART));
            }
        }
        hidden.retain(|part| part.len() > 1);
        hidden.sort_by_key(|part| std::cmp::Reverse(part.len()));
        hidden.iter().fold(text.to_owned(), |text, part| {
            if text.contains(part) {
                text.replace(part, REDACTED)
            } else {
                text
            }
        })
    }
}

impl fmt::Debug for SecretBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What stands where a secret was.
pub const REDACTED: &str = "<secret>";

/// Why a request could not be written. Nothing but a missing or unusable secret can be the reason:
/// whatever is wrong with the alerts, there is a request that tells of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The secret is not in the bundle: its file could not be read.
    #[error("secret `{field}` is missing: is its file there, and readable?")]
    Missing {
        /// The configuration's name of it.
        field: String,
    },
    /// The secret is there and cannot be used.
    #[error("secret `{field}` cannot be used: {why}")]
    Unusable {
        /// The configuration's name of it.
        field: String,
        /// What is wrong with it, without its text.
        why: &'static str,
    },
}

impl RenderError {
    /// What the engine is told of the attempt: secrets in files are read at each use, so the next
    /// attempt may find it.
    pub fn outcome(&self) -> Outcome {
        Outcome::Retry {
            after: None,
            maybe_delivered: false,
            why: self.to_string(),
        }
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
    /// How the service is reached.
    pub http: HttpConfig,
    /// The service's own settings, as `config` read them, without secrets.
    pub settings: super::Settings,
}

impl Integration {
    /// All secrets that a request needs, by the name under which a [`SecretBundle`] holds them.
    pub fn secret_refs(&self) -> Vec<(String, &SecretRef)> {
        let mut refs = self.settings.secret_refs();
        refs.extend(self.http.secret_refs());
        refs
    }
}

/// A receiver: a name and its integrations.
#[derive(Debug, Clone, PartialEq)]
pub struct Receiver {
    /// The name that routes use.
    pub name: Arc<str>,
    /// Its integrations, in the order of the configuration.
    pub integrations: Vec<Arc<Integration>>,
}
