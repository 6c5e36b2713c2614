//! What came of an attempt: one table of status codes and failures for each kind of service.

use stentor_lang::model::Duration;

use super::target::{Integration, Outcome, SecretBundle};
use super::{Settings, pagerduty, slack, text};

/// A service's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`, as it came.
    pub retry_after: Option<String>,
    /// The body, or its beginning.
    pub body: &'a str,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The name could not be resolved, or nobody listens there.
    Connect,
    /// No secure connection could be made.
    Tls,
    /// The proxy did not let the request through.
    Proxy,
    /// The time of the attempt ended.
    Timeout,
    /// The connection ended after the request began, or the answer was no HTTP.
    Reset,
    /// The request could not be made at all: its URL or a header is malformed.
    Malformed,
}

/// A receiver that asks for more patience than this is not obeyed: the page would be forgotten.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// How much of an answer is shown, in characters.
const ANSWER_SHOWN: usize = 200;

/// What an answer means. `secrets` are those that the request was made with: servers repeat what
/// they were sent, and no secret may stand in what is shown.
pub fn classify(
    integration: &Integration,
    response: &Response<'_>,
    secrets: &SecretBundle,
) -> Outcome {
    let body = secrets.redact(response.body);
    let response = &Response {
        status: response.status,
        retry_after: response.retry_after.clone(),
        body: &body,
    };
    match &integration.settings {
        Settings::PagerDuty(_) => pagerduty::classify(response),
        Settings::Slack(_) => slack::classify(response),
        Settings::Webhook(_) => by_status(response, &shown(response.body)),
    }
}

/// What it means that no answer came; `detail` is the transport's own account of it.
pub fn classify_failure(failure: Failure, detail: &str, secrets: &SecretBundle) -> Outcome {
    let (what, maybe_delivered) = match failure {
        Failure::Connect => ("no connection", false),
        Failure::Tls => ("no secure connection", false),
        Failure::Proxy => ("the proxy let nothing through", false),
        Failure::Timeout => ("no answer in time", true),
        Failure::Reset => ("the connection broke", true),
        Failure::Malformed => ("the request cannot be made", false),
    };
    let why = match shown(&secrets.redact(detail)) {
        detail if detail.is_empty() => what.to_owned(),
        detail => format!("{what}: {detail}"),
    };
    if failure == Failure::Malformed {
        return Outcome::Refused { why };
    }
    Outcome::Retry {
        after: None,
        maybe_delivered,
        why,
    }
}

/// The meaning that a status has for all services: 2xx has arrived; 5xx may have, and is tried
/// again; so are the two of 4xx that say "later"; all others say that this will never be taken.
pub(super) fn by_status(response: &Response<'_>, detail: &str) -> Outcome {
    let status = response.status;
    let mut why = format!("unexpected status code {status}");
    if !detail.is_empty() {
        why = format!("{why}: {detail}");
    }
    match status {
        200..=299 => Outcome::Delivered,
        408 | 500..=599 => Outcome::Retry {
            after: retry_after(response),
            maybe_delivered: true,
            why,
        },
        429 => Outcome::Retry {
            after: retry_after(response),
            maybe_delivered: false,
            why,
        },
        _ => Outcome::Refused { why },
    }
}

/// `Retry-After` in seconds. Its other form, a date, means nothing without the server's clock.
pub(super) fn retry_after(response: &Response<'_>) -> Option<Duration> {
    let seconds: i64 = response.retry_after.as_ref()?.trim().parse().ok()?;
    (seconds >= 0).then(|| Duration::from_secs(seconds.min(LONGEST_RETRY_AFTER.millis() / 1000)))
}

/// The beginning of a foreign text, on one line.
pub(super) fn shown(body: &str) -> String {
    text::clean(body.trim(), ANSWER_SHOWN).trim().to_owned()
}
