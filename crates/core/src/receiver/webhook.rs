//! The generic webhook: Alertmanager's payload, version 4, field by field and in its order
//! (`template.Data` and `notify/webhook/webhook.go`).
//!
//! Two differences, both where Alertmanager would mislead: the status is the whole group's, also
//! where `max_alerts` leaves firing alerts out; and a body of more than [`MAX_BODY_BYTES`] is cut
//! as if `max_alerts` had been set. Fields that Alertmanager does not know (`fallbackFor`,
//! `endReason`) stand only where they have something to say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stentor_lang::model::Labels;

use super::SecretRef;
use super::identity::fingerprint;
use super::json::to_json;
use super::message::{Alert, Message, Status};
use super::text::{ALERTS_SHOWN, Common};

/// `webhook_configs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Where to post.
    pub url: SecretRef,
    /// How many alerts a payload holds at most; 0 is no limit.
    pub max_alerts: u64,
}

/// What any receiver and proxy may be expected to take: about 20,000 alerts.
const MAX_BODY_BYTES: usize = 16_000_000;

/// When a firing alert ends: Go's zero time.
const NO_END: &str = "0001-01-01T00:00:00Z";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    receiver: String,
    status: &'static str,
    alerts: Vec<PayloadAlert<'a>>,
    #[serde(rename = "notification_reason")]
    notification_reason: String,
    group_labels: &'a Labels,
    common_labels: BTreeMap<&'a str, &'a str>,
    common_annotations: BTreeMap<&'a str, &'a str>,
    route_labels: &'a Labels,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback_for: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PayloadAlert<'a> {
    status: &'static str,
    labels: &'a Labels,
    annotations: BTreeMap<&'a str, &'a str>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_reason: Option<&'a str>,
}

/// The body of the request.
pub(super) fn body(settings: &Webhook, message: &Message) -> String {
    let mut shown = message.alerts.len();
    if settings.max_alerts > 0 {
        shown = shown.min(usize::try_from(settings.max_alerts).unwrap_or(usize::MAX));
    }
    if message.corrected {
        shown = shown.min(ALERTS_SHOWN);
    }
    loop {
        let body = body_of(message, shown);
        if body.len() <= MAX_BODY_BYTES || shown == 0 {
            return body;
        }
        shown /= 2;
    }
}

fn body_of(message: &Message, shown: usize) -> String {
    let alerts = &message.alerts[..shown];
    let Common {
        labels,
        annotations,
    } = Common::of(alerts);
    let payload = Payload {
        receiver: quote_meta(&message.receiver),
        status: message.status.as_str(),
        alerts: alerts.iter().map(payload_alert).collect(),
        notification_reason: message.reason.to_string(),
        group_labels: &message.group_labels,
        common_labels: labels,
        common_annotations: annotations,
        route_labels: &message.route_labels,
        external_url: &message.external_url,
        version: "4",
        group_key: &message.group_key,
        truncated_alerts: message.alerts.len() - shown,
        fallback_for: message.fallback_for.as_deref(),
    };
    let mut body = to_json(&payload);
    // Go's encoder ends each value so.
    body.push('\n');
    body
}

fn payload_alert(alert: &Alert) -> PayloadAlert<'_> {
    let ends_at = match (alert.status, alert.ends_at) {
        (Status::Resolved, Some(end)) => end.rfc3339(),
        _ => NO_END.to_owned(),
    };
    PayloadAlert {
        status: alert.status.as_str(),
        labels: &alert.labels,
        annotations: alert
            .annotations
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect(),
        starts_at: alert.starts_at.rfc3339(),
        ends_at,
        generator_url: &alert.generator_url,
        fingerprint: format!("{:016x}", fingerprint(&alert.labels)),
        end_reason: alert.end_reason.as_deref(),
    }
}

/// Go's `regexp.QuoteMeta`: Alertmanager writes a receiver's name as a pattern that matches it,
/// for the links that its templates make.
fn quote_meta(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}
