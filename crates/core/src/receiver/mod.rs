//! Receivers: who can be told, what they are told, and how a request to them is written and its
//! answer read. Rendering and classifying are pure; nothing here sends, waits or decides when.

mod answer;
mod http;
mod identity;
mod json;
mod message;
mod pagerduty;
mod slack;
mod target;
mod text;
mod webhook;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use answer::{Failure, Response, classify, classify_failure};
pub use http::{Authorization, BasicAuth, Header, HttpConfig, TlsConfig, TlsVersion, base64};
pub use identity::{dedup_key, fingerprint, group_key};
pub use message::{Alert, Annotations, Message, NotifyReason, Status};
pub use pagerduty::{Image, Link, PagerDuty, SEVERITIES};
pub use slack::{Field, Slack};
pub use target::{
    Integration, IntegrationKey, Kind, Outcome, REDACTED, Receiver, RenderError, Request,
    SecretBundle, SecretId, SecretRef,
};
pub(crate) use text::is_web_url;
pub use webhook::Webhook;

/// What each kind of service needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Settings {
    /// PagerDuty's Events API, version 2.
    PagerDuty(Box<PagerDuty>),
    /// Slack's incoming webhooks.
    Slack(Box<Slack>),
    /// Alertmanager's generic webhook.
    Webhook(Webhook),
}

impl Settings {
    /// The secrets among them, by the configuration's field name.
    fn secret_refs(&self) -> Vec<(String, &SecretRef)> {
        match self {
            Self::PagerDuty(settings) => vec![("routing_key".to_owned(), &settings.routing_key)],
            Self::Slack(settings) => vec![("api_url".to_owned(), &settings.api_url)],
            Self::Webhook(settings) => vec![("url".to_owned(), &settings.url)],
        }
    }
}

/// Writes the request that tells a service of a message.
///
/// # Errors
/// Only where a secret is missing or unusable; whatever the alerts hold, the request is one that
/// the service takes.
pub fn render(
    integration: &Integration,
    message: &Message,
    secrets: &SecretBundle,
) -> Result<Request, RenderError> {
    let (url, body) = match &integration.settings {
        Settings::PagerDuty(settings) => {
            let key = secrets.required("routing_key")?;
            (
                settings.url.clone(),
                pagerduty::body(settings, message, key),
            )
        }
        Settings::Slack(settings) => (url(secrets, "api_url")?, slack::body(settings, message)),
        Settings::Webhook(settings) => (url(secrets, "url")?, webhook::body(settings, message)),
    };
    let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    headers.extend(integration.http.request_headers(secrets)?);
    Ok(Request { url, headers, body })
}

/// A secret that must be the URL of a web service.
fn url(secrets: &SecretBundle, field: &str) -> Result<String, RenderError> {
    let url = secrets.required(field)?;
    let unusable = |why| RenderError::Unusable {
        field: field.to_owned(),
        why,
    };
    if !text::is_web_url(url) {
        return Err(unusable(
            "it is no URL that begins with http:// or https://",
        ));
    }
    Ok(url.to_owned())
}
