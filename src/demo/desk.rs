//! Where all that happens comes together: it watches the engine, hands notifications to the services,
//! and keeps the newest of everything for the page.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use stentor_core::engine::{Definition, Deliver, Event};
use stentor_core::receiver::{Integration, Outcome, SecretBundle, SecretRef, Status};
use stentor_core::replay::{Observer, RuleError};
use stentor_lang::model::{Duration, LabelMap, Labels, Timestamp};

use super::incidents::News;
use super::setup::Secrets;
use super::sinks::{Effect, Sinks};

/// Notifications of alerts that are remembered: far more than those of one incident.
const MOST_TOLD: usize = 500;
/// Alerts that ended that are shown.
const MOST_ENDED: usize = 50;
/// The same error of a rule is told once in this time.
const ERROR_AGAIN: Duration = Duration::from_mins(10);

/// What a line of the terminal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something happens to the fleet.
    Now,
    /// It is over.
    Over,
    /// A condition holds.
    Pending,
    /// An alert fires.
    Firing,
    /// It does not any more.
    Resolved,
    /// A condition did not hold for long enough.
    Cleared,
    /// An incident is opened at PagerDuty.
    Page,
    /// It has news.
    Update,
    /// It is closed.
    Closed,
    /// A message in Slack.
    Slack,
    /// A rule or a delivery failed.
    Error,
}

/// A line of the terminal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Happening {
    pub(crate) at: Timestamp,
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

/// What is remembered of alerts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    /// Since when each alert fires.
    pub(crate) firing: LabelMap<Timestamp>,
    /// Who was told of which alert, the newest last.
    pub(crate) told: VecDeque<Told>,
    /// What ended, the newest first.
    pub(crate) ended: VecDeque<Ended>,
}

/// A notification about an alert.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) labels: Labels,
    pub(crate) at: Timestamp,
    pub(crate) integration: Arc<Integration>,
    pub(crate) reason: String,
    pub(crate) status: Status,
}

/// An alert that fired and ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ended {
    pub(crate) labels: Labels,
    pub(crate) fired_at: Timestamp,
    pub(crate) at: Timestamp,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Desk {
    secrets: Secrets,
    sinks: Sinks,
    book: Book,
    happenings: Vec<Happening>,
    /// When an error was told last, by its text.
    errors: BTreeMap<String, Timestamp>,
}

impl Desk {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self {
            secrets,
            sinks: Sinks::default(),
            book: Book::default(),
            happenings: Vec::new(),
            errors: BTreeMap::new(),
        }
    }

    pub(super) fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    /// What happened since it was asked last.
    pub(super) fn take_happenings(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.happenings)
    }

    /// Something begins or ends for the fleet.
    pub(super) fn happened(&mut self, at: Timestamp, news: &News) {
        let kind = if news.begins { Kind::Now } else { Kind::Over };
        self.tell(at, kind, news.text.clone());
    }

    /// Rules failed.
    pub(super) fn failed(&mut self, errors: Vec<RuleError>) {
        for error in errors {
            let text = format!("rule {}: {}", error.rule, error.message);
            self.complain(error.at, text);
        }
    }

    fn complain(&mut self, at: Timestamp, text: String) {
        self.errors.retain(|_, told| at - *told < ERROR_AGAIN);
        if !self.errors.contains_key(&text) {
            self.errors.insert(text.clone(), at);
            self.tell(at, Kind::Error, text);
        }
    }

    fn tell(&mut self, at: Timestamp, kind: Kind, text: String) {
        self.happenings.push(Happening { at, kind, text });
    }

    fn bundle(&self, integration: &Integration) -> SecretBundle {
        let known = |(field, secret): (String, &SecretRef)| match secret {
            SecretRef::Inline(name) => Some((field, self.secrets.get(name)?.clone())),
            SecretRef::File(_) => None,
        };
        let refs = integration.secret_refs();
        SecretBundle(refs.into_iter().filter_map(known).collect())
    }

    fn note_told(&mut self, now: Timestamp, deliver: &Deliver) {
        for alert in &deliver.message.alerts {
            self.book.told.push_back(Told {
                labels: alert.labels.clone(),
                at: now,
                integration: Arc::clone(&deliver.integration),
                reason: deliver.message.reason.to_string(),
                status: alert.status,
            });
        }
        let too_many = self.book.told.len().saturating_sub(MOST_TOLD);
        self.book.told.drain(..too_many);
    }

    fn tell_effect(&mut self, now: Timestamp, effect: &Effect) {
        let (kind, text) = match effect {
            Effect::Opened(incident) => (
                Kind::Page,
                format!("#{} {}", incident.number, incident.summary),
            ),
            Effect::Updated(incident) => (
                Kind::Update,
                format!("#{} {}", incident.number, incident.summary),
            ),
            Effect::Closed(incident, said) => {
                (Kind::Closed, format!("#{} {said}", incident.number))
            }
            Effect::Posted(post) => (Kind::Slack, format!("{} {}", post.channel, post.title)),
        };
        self.tell(now, kind, text);
    }
}

impl Observer for Desk {
    fn deliver(&mut self, now: Timestamp, deliver: &Deliver) -> Outcome {
        let secrets = self.bundle(&deliver.integration);
        let (outcome, effect) =
            self.sinks
                .deliver(now, &deliver.integration, &deliver.message, &secrets);
        match &outcome {
            Outcome::Delivered => self.note_told(now, deliver),
            Outcome::Retry { why, .. } | Outcome::Refused { why } => {
                self.complain(now, format!("{}: {why}", deliver.integration.key));
            }
        }
        if let Some(effect) = effect {
            self.tell_effect(now, &effect);
        }
        outcome
    }

    fn event(&mut self, _: Timestamp, event: &Event) {
        let Event::Transition {
            rule,
            labels,
            value,
            from,
            to,
            at,
            why,
        } = event
        else {
            return;
        };
        let name = named(rule, labels);
        let value = short(*value);
        match (*from, *to) {
            (_, "pending") => {
                let hold = rule.rule.hold;
                self.tell(*at, Kind::Pending, format!("{name} at {value}, for {hold}"));
            }
            (_, "firing") => {
                self.book.firing.insert(labels.clone(), *at);
                self.tell(*at, Kind::Firing, format!("{name} at {value}: {why}"));
            }
            ("firing", _) => {
                let fired_at = self.book.firing.swap_remove(labels).unwrap_or(*at);
                self.book.ended.push_front(Ended {
                    labels: labels.clone(),
                    fired_at,
                    at: *at,
                });
                self.book.ended.truncate(MOST_ENDED);
                let fired_for = *at - fired_at;
                self.tell(*at, Kind::Resolved, format!("{name} after {fired_for}"));
            }
            _ => self.tell(*at, Kind::Cleared, name),
        }
    }
}

/// An alert's name with its severity and its labels: `ConnectionDrop critical {cluster="eu-1"}`.
fn named(rule: &Definition, labels: &Labels) -> String {
    let severity = labels.get("severity");
    let others = labels.without("alertname").without("severity");
    let name = &rule.rule.alert;
    if severity.is_empty() {
        format!("{name} {others}")
    } else {
        format!("{name} {severity} {others}")
    }
}

/// A value with three digits, or as many as stand before the point.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    let decimals = match magnitude {
        _ if magnitude >= 100.0 => 0,
        _ if magnitude >= 10.0 => 1,
        _ if magnitude >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}
