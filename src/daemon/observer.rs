//! Turns the engine's events into log lines and metrics, on a thread of its own. Each phase change
//! and each delivery is one line; a rule that fails is told once, and once when it is well again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use stentor_core::engine::{Event, GroupName};
use stentor_core::notify;
use stentor_core::receiver::IntegrationKey;

use super::metrics::{Metrics, OfFailure, OfGroup, OfIntegration, OfKind, observe};

/// Starts the thread; it ends when the sender is gone.
pub(crate) fn start(metrics: Arc<Metrics>) -> std::io::Result<Sender<Vec<Event>>> {
    let (sender, receiver) = channel();
    std::thread::Builder::new()
        .name("observer".to_owned())
        .spawn(move || Observer::new(metrics).run(&receiver))?;
    Ok(sender)
}

/// As many lines a minute tell of failing rules: when a data source of thousands of rules is down,
/// the rest says nothing new. Metrics and API have them all.
const FAILURE_LINES: u32 = 50;

/// Longer label sets are cut: a line is for people.
const LABEL_BYTES: usize = 2000;

struct Observer {
    /// Since when lines of failing rules are counted, and how many there were.
    failure_lines: (Instant, u32),
    metrics: Arc<Metrics>,
    groups: HashMap<Arc<GroupName>, GroupCounters>,
    /// Rules whose last evaluation failed, and how.
    failing: HashMap<(Arc<GroupName>, Arc<str>), Arc<str>>,
}

struct GroupCounters {
    evaluations: Counter,
    failures: Counter,
    iterations: Counter,
    missed: Counter,
}

impl Observer {
    fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            failure_lines: (Instant::now(), 0),
            metrics,
            groups: HashMap::new(),
            failing: HashMap::new(),
        }
    }

    fn run(&mut self, events: &Receiver<Vec<Event>>) {
        for batch in events {
            for event in batch {
                self.observe(event);
            }
        }
    }

    fn observe(&mut self, event: Event) {
        match event {
            Event::Evaluated {
                group,
                rule,
                took,
                error,
                over_limit: _,
            } => {
                let counters = self.group(&group);
                counters.evaluations.inc();
                if error.is_some() {
                    counters.failures.inc();
                }
                observe(&self.metrics.rules.evaluation_seconds, took);
                self.tell_failure(group, rule, error);
            }
            Event::SlotDone { group, .. } => drop(self.group(&group).iterations.inc()),
            Event::SlotsMissed { group, count } => {
                let counters = self.group(&group);
                counters.iterations.inc_by(count);
                counters.missed.inc_by(count);
                tracing::warn!(
                    datasource = &*group.datasource,
                    group = &*group.group,
                    count,
                    "slots were missed"
                );
            }
            Event::Transition {
                rule,
                labels,
                value: _,
                from,
                to,
                at,
                why,
            } => {
                let kind = OfKind { kind: to };
                self.metrics.own.transitions.get_or_create(&kind).inc();
                tracing::info!(
                    datasource = &*rule.group.datasource,
                    group = &*rule.group.group,
                    labels = %cut(&labels.to_string()),
                    %at,
                    "{from} => {to}: {why}"
                );
            }
            Event::Notify(event) => self.notification(&event),
            Event::UnknownId { kind } => {
                self.metrics
                    .own
                    .unknown_ids
                    .get_or_create(&OfKind { kind })
                    .inc();
                tracing::debug!(kind, "an answer came that nobody waited for any more");
            }
        }
    }

    fn group(&mut self, name: &Arc<GroupName>) -> &GroupCounters {
        let metrics = &self.metrics;
        self.groups.entry(Arc::clone(name)).or_insert_with(|| {
            let labels = OfGroup::new(name);
            GroupCounters {
                evaluations: metrics.rules.evaluations.get_or_create_owned(&labels),
                failures: metrics
                    .rules
                    .evaluation_failures
                    .get_or_create_owned(&labels),
                iterations: metrics.rules.iterations.get_or_create_owned(&labels),
                missed: metrics.rules.iterations_missed.get_or_create_owned(&labels),
            }
        })
    }

    fn tell_failure(&mut self, group: Arc<GroupName>, rule: Arc<str>, error: Option<Arc<str>>) {
        if error.is_none() && self.failing.is_empty() {
            return;
        }
        let key = (group, rule);
        if self.failing.get(&key) == error.as_ref() {
            return;
        }
        let told = self.failure_line();
        let (group, rule) = (&*key.0.group, &*key.1);
        let datasource = &*key.0.datasource;
        match error {
            Some(error) => {
                if told {
                    tracing::warn!(datasource, group, rule, "evaluation failed: {error}");
                }
                self.failing.insert(key, error);
            }
            None => {
                if told {
                    tracing::info!(datasource, group, rule, "evaluation is good again");
                }
                self.failing.remove(&key);
            }
        }
    }

    /// Whether one more line about a failing rule may be written now.
    fn failure_line(&mut self) -> bool {
        let (since, lines) = &mut self.failure_lines;
        if since.elapsed() > Duration::from_mins(1) {
            (*since, *lines) = (Instant::now(), 0);
        }
        *lines += 1;
        if *lines == FAILURE_LINES + 1 {
            tracing::warn!("more rules fail or are good again: see /api/v1/rules and /metrics");
        }
        *lines <= FAILURE_LINES
    }

    fn notification(&self, event: &notify::Event) {
        let metrics = &self.metrics;
        match event {
            notify::Event::Flushed {
                group_key,
                receiver,
                firing,
                resolved,
            } => {
                tracing::debug!(
                    group = &**group_key,
                    receiver = &**receiver,
                    firing,
                    resolved,
                    "flush"
                );
            }
            notify::Event::Queued {
                integration,
                group_key,
                reason,
                firing,
                resolved,
            } => {
                tracing::debug!(receiver = %integration, group = &**group_key, reason = reason.to_string(), firing, resolved, "queued");
            }
            notify::Event::Superseded {
                integration,
                group_key,
            } => {
                let labels = OfIntegration::new(integration);
                metrics.notify.superseded.get_or_create(&labels).inc();
                tracing::info!(receiver = %integration, group = &**group_key, "superseded by a newer state");
            }
            notify::Event::Delivered {
                integration,
                group_key,
                reason,
                status,
                alerts,
                attempts,
                latency,
            } => {
                let labels = OfIntegration::new(integration);
                metrics.notify.sent.get_or_create(&labels).inc();
                observe(&metrics.notify.seconds.get_or_create(&labels), *latency);
                tracing::info!(
                    receiver = %integration,
                    group = &**group_key,
                    status = status.as_str(),
                    reason = reason.to_string(),
                    alerts,
                    attempts,
                    %latency,
                    "delivered"
                );
            }
            notify::Event::Failed {
                integration,
                group_key,
                why,
                retry_at,
            } => {
                self.failed(integration, "retried");
                tracing::warn!(receiver = %integration, group = &**group_key, %retry_at, "delivery failed: {why}");
            }
            notify::Event::Refused {
                integration,
                group_key,
                why,
                fallback,
                ..
            } => {
                self.failed(integration, "refused");
                tracing::error!(receiver = %integration, group = &**group_key, fallback, "delivery refused for good: {why}");
            }
            notify::Event::UnknownAttempt { .. } => {
                let kind = OfKind { kind: "delivery" };
                metrics.own.unknown_ids.get_or_create(&kind).inc();
                tracing::debug!("an outcome came of an attempt that is over already");
            }
            notify::Event::LimitReached {
                integration,
                group_key,
                ..
            } => {
                let kind = OfKind { kind: "queue" };
                metrics.own.limits_reached.get_or_create(&kind).inc();
                tracing::error!(receiver = %integration, group = &**group_key, "too much waits for this receiver; tried again at the next tick");
            }
        }
    }

    fn failed(&self, integration: &IntegrationKey, reason: &'static str) {
        let metrics = &self.metrics;
        metrics
            .notify
            .sent
            .get_or_create(&OfIntegration::new(integration))
            .inc();
        let labels = OfFailure::new(integration, reason);
        metrics.notify.failed.get_or_create(&labels).inc();
    }
}

/// A text of at most so many bytes, with a mark where it was cut.
fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= LABEL_BYTES {
        return Cow::Borrowed(text);
    }
    let kept = &text[..text.floor_char_boundary(LABEL_BYTES)];
    Cow::Owned(format!("{kept}… (cut, {} bytes)", text.len()))
}
