//! Takes down what an engine in virtual time does, and plays the receivers: each takes what it is sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use stentor_lang::model::{Position, Timestamp};

use super::{Notification, State, Timeline, TimelineRule, ToldAlert, Transition};
use crate::engine::{Definition, Deliver, Event, Snapshot};
use crate::receiver::{Integration, Outcome, SecretBundle, render};
use crate::replay::{Observer, RuleError};
use crate::rulefile::{Rule, RuleGroup};

/// The most errors of rules that are kept; the others are counted.
const MOST_ERRORS: usize = 100;

/// Whether the bodies of requests are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    /// Each notification has its body.
    Keep,
    /// None has: a replay may have many thousands. They are rendered all the same.
    Drop,
}

/// An observer that makes a timeline.
#[derive(Debug)]
pub struct Recorder {
    timeline: Timeline,
    places: BTreeMap<(Arc<str>, Position), usize>,
    bodies: Bodies,
}

impl Recorder {
    /// For a run over these groups, whose rules have slots as often as `snapshot` says.
    pub fn new(
        groups: &[Arc<RuleGroup>],
        snapshot: &Snapshot,
        start: Timestamp,
        bodies: Bodies,
    ) -> Self {
        let mut recorder = Self {
            timeline: Timeline {
                start,
                end: start,
                ..Timeline::default()
            },
            places: BTreeMap::new(),
            bodies,
        };
        for (group, view) in groups.iter().zip(&snapshot.groups) {
            for rule in &group.rules {
                let Rule::Alerting(rule) = rule else { continue };
                let place = (Arc::clone(&rule.place.file), rule.place.position);
                let index = recorder.timeline.rules.len();
                recorder.places.insert(place, index);
                recorder.timeline.rules.push(TimelineRule {
                    datasource: Arc::clone(&view.name.datasource),
                    group: Arc::clone(&group.name),
                    interval: view.interval,
                    rule: Arc::clone(rule),
                });
            }
        }
        recorder
    }

    /// What rules failed with, as [`crate::replay::Run::advance`] returns it.
    pub fn failed(&mut self, errors: Vec<RuleError>) {
        self.timeline.error_count += errors.len();
        let room = MOST_ERRORS.saturating_sub(self.timeline.errors.len());
        self.timeline.errors.extend(errors.into_iter().take(room));
    }

    /// What happened so far.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// What happened up to `end`.
    pub fn finish(mut self, end: Timestamp) -> Timeline {
        self.timeline.end = end;
        self.timeline
    }

    fn place(&self, rule: &Definition) -> Option<usize> {
        let place = &rule.rule.place;
        let key = (Arc::clone(&place.file), place.position);
        self.places.get(&key).copied()
    }
}

impl Observer for Recorder {
    fn deliver(&mut self, now: Timestamp, deliver: &Deliver) -> Outcome {
        let message = &deliver.message;
        let secrets = placeholders(&deliver.integration);
        let request = match render(&deliver.integration, message, &secrets) {
            Ok(request) => request,
            Err(error) => return error.outcome(),
        };
        let told = |alert: &crate::receiver::Alert| ToldAlert {
            status: alert.status,
            labels: alert.labels.clone(),
            starts_at: alert.starts_at,
            ends_at: alert.ends_at,
        };
        self.timeline.notifications.push(Notification {
            at: now,
            integration: deliver.integration.key.clone(),
            group_key: Arc::clone(&message.group_key),
            group_labels: message.group_labels.clone(),
            reason: message.reason,
            status: message.status,
            alerts: message.alerts.iter().map(told).collect(),
            body: (self.bodies == Bodies::Keep).then(|| request.body.into()),
        });
        Outcome::Delivered
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
        let Some(rule) = self.place(rule) else { return };
        let (from, to) = (state(from), state(to));
        if from == to {
            return;
        }
        self.timeline.transitions.push(Transition {
            at: *at,
            rule,
            labels: labels.clone(),
            from,
            to,
            value: *value,
            why: Arc::clone(why),
        });
    }
}

/// `resolved` is inactive too.
fn state(phase: &str) -> State {
    match phase {
        "pending" => State::Pending,
        "firing" => State::Firing,
        _ => State::Inactive,
    }
}

/// What stands for secrets, which no replay has.
fn placeholders(integration: &Integration) -> SecretBundle {
    let text = |field: &str| match field {
        "api_url" | "url" => format!("http://{}.invalid/", integration.key.kind.as_str()),
        _ => format!("<{field}>"),
    };
    let refs = integration.secret_refs();
    SecretBundle(
        refs.into_iter()
            .map(|(field, _)| (field.clone(), text(&field)))
            .collect(),
    )
}
