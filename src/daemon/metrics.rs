//! Stentor's own metrics: the names that dashboards of Prometheus' ruler and of Alertmanager use,
//! and `stentor_…` for the rest.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use stentor_core::engine::{GroupName, Snapshot};
use stentor_core::receiver::IntegrationKey;
use stentor_lang::model::{Duration as Span, Timestamp};

use super::process;

/// A gauge of any number.
pub(crate) type Float = Gauge<f64, std::sync::atomic::AtomicU64>;

/// The label of rule groups, Prometheus' file and name in one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfGroup {
    rule_group: String,
}

impl OfGroup {
    pub(crate) fn new(name: &GroupName) -> Self {
        Self {
            rule_group: format!("{};{}", name.file, name.group),
        }
    }
}

/// The labels of integrations.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfIntegration {
    integration: &'static str,
    receiver_name: String,
}

impl OfIntegration {
    pub(crate) fn new(key: &IntegrationKey) -> Self {
        Self {
            integration: key.kind.as_str(),
            receiver_name: key.receiver.to_string(),
        }
    }
}

/// The labels of failed notifications.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfFailure {
    integration: &'static str,
    receiver_name: String,
    reason: &'static str,
}

impl OfFailure {
    pub(crate) fn new(key: &IntegrationKey, reason: &'static str) -> Self {
        Self {
            integration: key.kind.as_str(),
            receiver_name: key.receiver.to_string(),
            reason,
        }
    }
}

/// The labels of queries.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfQuery {
    pub(crate) datasource: Arc<str>,
    pub(crate) outcome: &'static str,
}

/// One label with a word of the program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfKind {
    pub(crate) kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

/// All metrics.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) rules: Rules,
    pub(crate) notify: Notify,
    pub(crate) own: Own,
}

/// What Prometheus says of its rules.
pub(crate) struct Rules {
    pub(crate) evaluations: Family<OfGroup, Counter>,
    pub(crate) evaluation_failures: Family<OfGroup, Counter>,
    pub(crate) evaluation_seconds: Histogram,
    pub(crate) iterations: Family<OfGroup, Counter>,
    pub(crate) iterations_missed: Family<OfGroup, Counter>,
    group_seconds: Family<OfGroup, Float>,
    group_evaluated_at: Family<OfGroup, Float>,
    group_interval: Family<OfGroup, Float>,
    group_sizes: Family<OfGroup, Gauge>,
    reload_good: Gauge,
    reload_at: Float,
}

/// What Alertmanager says of its notifications.
pub(crate) struct Notify {
    pub(crate) sent: Family<OfIntegration, Counter>,
    pub(crate) failed: Family<OfFailure, Counter>,
    pub(crate) seconds: Family<OfIntegration, Histogram>,
    alerts: Family<OfState, Gauge>,
    pub(crate) superseded: Family<OfIntegration, Counter>,
}

/// What neither has.
pub(crate) struct Own {
    pub(crate) limits_reached: Family<OfKind, Counter>,
    pub(crate) unknown_ids: Family<OfKind, Counter>,
    pub(crate) transitions: Family<OfKind, Counter>,
    pub(crate) queries: Family<OfQuery, Counter>,
    store_seconds: Histogram,
    store_failing: Gauge,
    pub(crate) store_damage: Gauge,
    process_cpu: Counter<f64, std::sync::atomic::AtomicU64>,
    process_memory: Gauge,
    process_files: Gauge,
}

impl Rules {
    fn register(r: &mut Registry) -> Self {
        Self {
            evaluations: add(
                r,
                "prometheus_rule_evaluations",
                "The total number of rule evaluations",
            ),
            evaluation_failures: add(
                r,
                "prometheus_rule_evaluation_failures",
                "The total number of rule evaluations that failed",
            ),
            evaluation_seconds: add_as(
                r,
                "prometheus_rule_evaluation_duration_seconds",
                "The duration of a rule's evaluation, from query to answer",
                seconds_histogram(),
            ),
            iterations: add(
                r,
                "prometheus_rule_group_iterations",
                "The total number of scheduled evaluations of a rule group, done or missed",
            ),
            iterations_missed: add(
                r,
                "prometheus_rule_group_iterations_missed",
                "The total number of evaluations of a rule group that were missed",
            ),
            group_seconds: add(
                r,
                "prometheus_rule_group_last_duration_seconds",
                "The duration of a rule group's last evaluation",
            ),
            group_evaluated_at: add(
                r,
                "prometheus_rule_group_last_evaluation_timestamp_seconds",
                "The time of a rule group's last evaluation, in seconds since the epoch",
            ),
            group_interval: add(
                r,
                "prometheus_rule_group_interval_seconds",
                "The interval of a rule group",
            ),
            group_sizes: add(
                r,
                "prometheus_rule_group_rules",
                "The number of rules of a group",
            ),
            reload_good: add(
                r,
                "prometheus_config_last_reload_successful",
                "Whether the last attempt to load the configuration succeeded",
            ),
            reload_at: add(
                r,
                "prometheus_config_last_reload_success_timestamp_seconds",
                "The time of the last successful load of the configuration, since the epoch",
            ),
        }
    }
}

impl Notify {
    fn register(r: &mut Registry) -> Self {
        Self {
            sent: add(
                r,
                "alertmanager_notifications",
                "The total number of attempted notifications",
            ),
            failed: add(
                r,
                "alertmanager_notifications_failed",
                "The total number of failed attempts to notify",
            ),
            seconds: add_as(
                r,
                "alertmanager_notification_latency_seconds",
                "The time from the flush of a group until its receiver had the notification",
                Family::new_with_constructor(seconds_histogram as fn() -> Histogram),
            ),
            alerts: add(
                r,
                "alertmanager_alerts",
                "How many alerts there are by state; active ones fire",
            ),
            superseded: add(
                r,
                "stentor_notifications_superseded",
                "The total number of queued notifications that a newer state replaced",
            ),
        }
    }
}

impl Own {
    fn register(r: &mut Registry) -> Self {
        Self {
            limits_reached: add(r, "stentor_limits_reached", "How often a limit was reached"),
            unknown_ids: add(
                r,
                "stentor_late_answers",
                "The total number of answers and outcomes that nobody waited for any more",
            ),
            transitions: add(
                r,
                "stentor_alert_transitions",
                "The total number of alerts that entered a phase",
            ),
            queries: add(
                r,
                "stentor_queries",
                "The total number of queries by datasource and outcome",
            ),
            store_seconds: add_as(
                r,
                "stentor_store_commit_duration_seconds",
                "The time that a commit to the store takes",
                seconds_histogram(),
            ),
            store_failing: add(
                r,
                "stentor_store_failing",
                "Whether the store refuses writes, so that state is kept in memory alone",
            ),
            store_damage: add(
                r,
                "stentor_store_damage",
                "How many findings of damage or loss there were in the store at the last start",
            ),
            process_cpu: add(r, "process_cpu_seconds", "Processor time spent, in seconds"),
            process_memory: add(r, "process_resident_memory_bytes", "Resident memory"),
            process_files: add(r, "process_open_fds", "Open file descriptors"),
        }
    }

    fn read_process(&self) {
        let Some(own) = process::read() else {
            return;
        };
        let spent = own.cpu_seconds - self.process_cpu.get();
        self.process_cpu.inc_by(spent.max(0.0));
        self.process_memory.set(own.resident_bytes);
        self.process_files.set(own.open_files);
    }
}

impl Metrics {
    /// All metrics at zero, of a process that starts now.
    pub(crate) fn new(now: Timestamp) -> Self {
        let mut registry = Registry::default();
        let build: Family<Build, Gauge> = add(
            &mut registry,
            "stentor_build_info",
            "The version of the program",
        );
        let version = env!("CARGO_PKG_VERSION");
        build.get_or_create(&Build { version }).set(1);
        let started: Float = add(
            &mut registry,
            "process_start_time_seconds",
            "The start of the process, in seconds since the epoch",
        );
        started.set(now.seconds());
        Self {
            rules: Rules::register(&mut registry),
            notify: Notify::register(&mut registry),
            own: Own::register(&mut registry),
            registry,
        }
    }

    /// What came of loading the configuration.
    pub(crate) fn loaded(&self, good: bool, now: Timestamp) {
        self.rules.reload_good.set(i64::from(good));
        if good {
            self.rules.reload_at.set(now.seconds());
        }
    }

    /// A commit to the store.
    pub(crate) fn committed(&self, took: Duration) {
        self.own.store_seconds.observe(took.as_secs_f64());
    }

    /// Whether the store fails.
    pub(crate) fn store_fails(&self, fails: bool) {
        self.own.store_failing.set(i64::from(fails));
    }

    /// All metrics as OpenMetrics text, with what the engine's state says.
    pub(crate) fn encode(&self, snapshot: &Snapshot) -> String {
        self.read_groups(snapshot);
        self.own.read_process();
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("invariant: a String takes all text");
        text
    }

    fn read_groups(&self, snapshot: &Snapshot) {
        for family in [
            &self.rules.group_seconds,
            &self.rules.group_evaluated_at,
            &self.rules.group_interval,
        ] {
            family.clear();
        }
        self.rules.group_sizes.clear();
        let (mut firing, mut pending) = (0, 0);
        for group in &snapshot.groups {
            for rule in &group.rules {
                let (f, p) = rule.counts();
                firing += f;
                pending += p;
            }
            // The group of meta-alerts has no slots.
            if group.interval.is_zero() {
                continue;
            }
            let labels = OfGroup::new(&group.name);
            let set = |family: &Family<OfGroup, Float>, value: f64| {
                family.get_or_create(&labels).set(value);
            };
            set(&self.rules.group_seconds, group.evaluation_time.seconds());
            set(&self.rules.group_interval, group.interval.seconds());
            let at = group.last_evaluation.unwrap_or(Timestamp::EPOCH);
            set(&self.rules.group_evaluated_at, at.seconds());
            let rules = i64::try_from(group.rules.len()).unwrap_or(i64::MAX);
            self.rules.group_sizes.get_or_create(&labels).set(rules);
        }
        for (state, count) in [("active", firing), ("pending", pending)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.notify
                .alerts
                .get_or_create(&OfState { state })
                .set(count);
        }
    }

    /// Makes the counters of a group appear, so that their first step is seen as one.
    pub(crate) fn expect_group(&self, name: &GroupName) {
        let labels = OfGroup::new(name);
        for family in [
            &self.rules.evaluations,
            &self.rules.evaluation_failures,
            &self.rules.iterations,
            &self.rules.iterations_missed,
        ] {
            drop(family.get_or_create(&labels));
        }
    }
}

/// A duration for a histogram.
pub(crate) fn observe(histogram: &Histogram, took: Span) {
    histogram.observe(took.seconds());
}

fn seconds_histogram() -> Histogram {
    Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
        600.0,
    ])
}

fn add<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    add_as(registry, name, help, M::default())
}

fn add_as<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}
