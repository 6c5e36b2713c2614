//! PagerDuty's Events API, version 2, as far as Stentor speaks to it: events of one `dedup_key` are one
//! incident until it is resolved.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;
use stentor_core::receiver::SEVERITIES;
use stentor_lang::model::Timestamp;

use super::{Effect, Reply, keep};

/// An incident.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Incident {
    /// Counted from 1.
    pub(crate) number: u64,
    /// Whom it woke: the receiver's name.
    pub(crate) receiver: Arc<str>,
    pub(crate) key: String,
    pub(crate) summary: String,
    pub(crate) severity: String,
    pub(crate) triggered_at: Timestamp,
    pub(crate) resolved_at: Option<Timestamp>,
    /// How many events it took in.
    pub(crate) events: usize,
}

/// What PagerDuty shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct PagerDuty {
    /// The newest first.
    pub(crate) incidents: VecDeque<Arc<Incident>>,
    /// How many there ever were.
    pub(crate) total: u64,
}

impl PagerDuty {
    pub(super) fn receive(
        &mut self,
        now: Timestamp,
        receiver: &Arc<str>,
        body: &str,
    ) -> (Reply, Option<Effect>) {
        match self.take(now, receiver, body) {
            Ok(effect) => {
                let reply = r#"{"status":"success","message":"Event processed"}"#;
                (Reply::new(202, reply), effect)
            }
            Err(why) => {
                let reply = serde_json::json!({
                    "status": "invalid event",
                    "message": "Event object is invalid",
                    "errors": [why],
                });
                (Reply::new(400, &reply.to_string()), None)
            }
        }
    }

    fn take(
        &mut self,
        now: Timestamp,
        receiver: &Arc<str>,
        body: &str,
    ) -> Result<Option<Effect>, String> {
        let event: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let text = |value: &Value, field: &str| match value[field].as_str() {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(format!("'{field}' is missing or blank")),
        };
        text(&event, "routing_key")?;
        let key = text(&event, "dedup_key")?;
        let action = text(&event, "event_action")?;
        let mut open = self.incidents.iter_mut();
        let open = open.find(|known| known.key == key && known.resolved_at.is_none());
        match action.as_str() {
            "trigger" => {
                let payload = &event["payload"];
                let summary = text(payload, "summary")?;
                text(payload, "source")?;
                let severity = text(payload, "severity")?;
                if !SEVERITIES.contains(&severity.as_str()) {
                    return Err(format!("'severity' is none of {}", SEVERITIES.join(", ")));
                }
                if let Some(open) = open {
                    let incident = Arc::make_mut(open);
                    incident.events += 1;
                    (incident.summary, incident.severity) = (summary, severity);
                    return Ok(Some(Effect::Updated(Arc::clone(open))));
                }
                self.total += 1;
                let incident = Arc::new(Incident {
                    number: self.total,
                    receiver: Arc::clone(receiver),
                    key,
                    summary,
                    severity,
                    triggered_at: now,
                    resolved_at: None,
                    events: 1,
                });
                keep(&mut self.incidents, Arc::clone(&incident));
                Ok(Some(Effect::Opened(incident)))
            }
            // A resolve of what is not open is taken, and changes nothing.
            "resolve" => Ok(open.map(|open| {
                let said = text(&event["payload"], "summary").unwrap_or_default();
                let incident = Arc::make_mut(open);
                incident.events += 1;
                incident.resolved_at = Some(now);
                Effect::Closed(Arc::clone(open), said)
            })),
            _ => Err("'event_action' must be trigger, acknowledge or resolve".to_owned()),
        }
    }
}
