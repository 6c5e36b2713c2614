//! What a notification says to a person, read from the body of its request where the run kept it.

use serde_json::Value;
use stentor_core::receiver::{Kind, Status};
use stentor_core::timeline::Notification;

/// How many alerts are named where there is no text.
const NAMED: usize = 5;

/// A notification's text.
pub(super) struct Said {
    /// The line that is read first.
    pub(super) title: String,
    /// What stands below it; mostly empty.
    pub(super) text: String,
    /// The body, indented; empty where it was not kept.
    pub(super) body: String,
}

pub(super) fn of(notification: &Notification) -> Said {
    let body = notification.body.as_deref();
    let json: Option<Value> = body.and_then(|body| serde_json::from_str(body).ok());
    let (title, text) = match (&json, notification.integration.kind) {
        (Some(json), Kind::PagerDuty) => (text(json, "/payload/summary"), String::new()),
        (Some(json), Kind::Slack) => {
            let title = text(json, "/attachments/0/title");
            let below = text(json, "/attachments/0/text");
            if title.is_empty() {
                (text(json, "/text"), below)
            } else {
                (title, below)
            }
        }
        _ => Default::default(),
    };
    let pretty = json.as_ref().map(serde_json::to_string_pretty);
    Said {
        title: if title.is_empty() {
            names(notification)
        } else {
            title
        },
        text,
        body: match pretty {
            Some(Ok(pretty)) => pretty,
            _ => body.unwrap_or_default().to_owned(),
        },
    }
}

fn text(json: &Value, pointer: &str) -> String {
    let found = json.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default().trim().to_owned()
}

/// The names of the alerts, those that fire first: a resolve of PagerDuty has no text of its own.
fn names(notification: &Notification) -> String {
    let mut names: Vec<&str> = Vec::new();
    for status in [Status::Firing, Status::Resolved] {
        let theirs = notification.alerts.iter().filter(|a| a.status == status);
        for alert in theirs {
            let name = alert.labels.get("alertname");
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
