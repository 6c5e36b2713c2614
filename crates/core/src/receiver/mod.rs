//! Receivers: who can be told, what they are told, and how a request to them is written and its
//! answer read. Rendering and classifying are pure; nothing here sends, waits or decides when.

mod message;
mod target;

use serde::{Deserialize, Serialize};

pub use message::{Alert, Annotations, Message, NotifyReason, Status};
pub use target::{
    Integration, IntegrationKey, Kind, Outcome, Receiver, Request, SecretBundle, SecretId,
    SecretRef,
};

/// What each kind of service needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Settings {
    /// Alertmanager's generic webhook.
    Webhook {},
}
