//! Alerts about Stentor itself: the rule group `stentor`. They are raised and ended by what the
//! engine sees, and are routed, told and shown like any other alert.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stentor_lang::model::{ALERT_NAME, Duration, Labels, LabelsBuilder, Timestamp};

use super::Engine;
use super::group::GroupId;
use super::record::Record;
use super::rules::{Health, RuleNo};
use crate::notify::{Arrival, Change};
use crate::receiver::{Annotations, IntegrationKey};

/// How long a rule or a data source may give no answer before somebody is told, at least; three
/// intervals where these are longer.
pub const BLIND_BOUND: Duration = Duration::from_mins(5);
/// How many intervals a rule may be blind before somebody is told.
const BLIND_INTERVALS: i64 = 3;

/// The name of the rule group that meta-alerts belong to.
pub const META_GROUP: &str = "stentor";

/// Which condition, and of what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MetaKey {
    /// The alert's name.
    pub kind: MetaKind,
    /// The rule's number, the data source's name, or the integration's.
    pub subject: String,
}

/// The meta-alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetaKind {
    /// No rule of a data source gets an answer.
    DatasourceDown,
    /// A rule gets none, or none it can take.
    RuleBlind,
    /// A rule has more alerts than its limit.
    RuleOverLimit,
    /// The last accepted configuration runs instead of the newest.
    ConfigRejected,
    /// A receiver refused a notification for good.
    DeliveryRefused,
}

impl MetaKind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::DatasourceDown,
        Self::RuleBlind,
        Self::RuleOverLimit,
        Self::ConfigRejected,
        Self::DeliveryRefused,
    ];

    /// The alert's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DatasourceDown => "StentorDatasourceDown",
            Self::RuleBlind => "StentorRuleBlind",
            Self::RuleOverLimit => "StentorRuleOverLimit",
            Self::ConfigRejected => "StentorConfigRejected",
            Self::DeliveryRefused => "StentorDeliveryRefused",
        }
    }
}

impl fmt::Display for MetaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A meta-alert that fires, durably.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetaAlert {
    /// Its final label set.
    pub labels: Labels,
    /// Its texts.
    pub annotations: Annotations,
    /// Since when, on the pipeline clock.
    pub fired_at: Timestamp,
}

/// The meta-alerts that fire, and the texts of those that ended.
#[derive(Debug, Default)]
pub(super) struct Meta {
    pub(super) firing: BTreeMap<MetaKey, MetaAlert>,
    pub(super) ended: BTreeMap<Labels, MetaAlert>,
    /// For each data source that does not answer: since which slot.
    silent: BTreeMap<Arc<str>, Timestamp>,
}

impl Meta {
    /// The alert with this label set, firing or ended.
    pub(super) fn by_labels(&self, labels: &Labels) -> Option<&MetaAlert> {
        let firing = self.firing.values().find(|alert| alert.labels == *labels);
        firing.or_else(|| self.ended.get(labels))
    }

    /// Whether one fires. Mostly none does, and nothing is looked up.
    fn speaks(&self, kind: MetaKind, subject: impl fmt::Display) -> bool {
        let key = || MetaKey {
            kind,
            subject: subject.to_string(),
        };
        !self.firing.is_empty() && self.firing.contains_key(&key())
    }

    /// Sets or ends one, the only way in which they change.
    pub(super) fn apply(&mut self, key: &MetaKey, row: Option<&MetaAlert>) {
        match row {
            Some(alert) => {
                self.ended.remove(&alert.labels);
                self.firing.insert(key.clone(), alert.clone());
            }
            None => {
                if let Some(alert) = self.firing.remove(key) {
                    self.ended.insert(alert.labels.clone(), alert);
                }
            }
        }
    }
}

impl Engine {
    /// After a live slot: whether its rules and its data source can see.
    pub(super) fn judge_group(&mut self, id: GroupId, rules: &[RuleNo], now: Timestamp) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let interval = group.schedule.interval();
        let at = self.cursors.get(&group.key).copied().unwrap_or(now);
        let datasource = Arc::clone(&group.name.datasource);
        let silent_from = group.silent_from.unwrap_or(at);
        self.judge_datasource(&datasource, rules, interval, silent_from, at, now);
        let down = self.meta.speaks(MetaKind::DatasourceDown, &*datasource);
        for no in rules {
            let Some(rule) = self.rules.get(no) else {
                continue;
            };
            let blind = rule.sight.blind_since.map(|since| at.since(since));
            // After a restart the spell may look shorter than it is: what speaks goes on.
            let spoke = || self.meta.speaks(MetaKind::RuleBlind, no.0);
            let long = blind.is_some_and(|spell| spell >= bound(interval) || spoke());
            let speaks = long && !down;
            let over = rule.over_limit;
            if !speaks && over == 0 && self.meta.firing.is_empty() {
                continue;
            }
            let name = Arc::clone(&rule.key.alert);
            let why = match &rule.health {
                Health::Err(why) => why.to_string(),
                Health::Unknown | Health::Ok => "no whole answer".to_owned(),
            };
            self.set_rule_alert(MetaKind::RuleBlind, *no, speaks, now, || {
                (
                    format!("rule {name} cannot see"),
                    format!(
                        "It has had no answer that it could rely on for {}; its alerts stay as they were. {why}",
                        blind.unwrap_or_default()
                    ),
                )
            });
            let limit = rule_limit(self, *no);
            self.set_rule_alert(MetaKind::RuleOverLimit, *no, over > 0, now, || {
                (
                    format!("rule {name} has more alerts than its limit of {limit}"),
                    format!("{over} alerts were left out. The first {limit} in the order of their labels fire."),
                )
            });
        }
    }

    fn judge_datasource(
        &mut self,
        datasource: &Arc<str>,
        rules: &[RuleNo],
        interval: Duration,
        silent_from: Timestamp,
        at: Timestamp,
        now: Timestamp,
    ) {
        let asked = || rules.iter().filter_map(|no| self.rules.get(no));
        if asked().next().is_none() {
            return;
        }
        let answers = asked().any(|rule| rule.answered);
        if answers && self.meta.firing.is_empty() {
            self.meta.silent.remove(datasource);
            return;
        }
        let key = MetaKey {
            kind: MetaKind::DatasourceDown,
            subject: datasource.to_string(),
        };
        if answers {
            self.meta.silent.remove(datasource);
            self.lower(&key, now);
            return;
        }
        let error = asked().find_map(|rule| match &rule.health {
            Health::Err(why) => Some(why.to_string()),
            Health::Unknown | Health::Ok => None,
        });
        let silent = self.meta.silent.entry(Arc::clone(datasource));
        let since = *silent.or_insert(silent_from);
        if at.since(since) < bound(interval) {
            return;
        }
        let labels = self.meta_labels(MetaKind::DatasourceDown, datasource, |labels| {
            labels.set("severity", "critical");
        });
        let description = format!(
            "No rule has had an answer since {since}; alerts stay as they were. {}",
            error.unwrap_or_default()
        );
        self.raise(
            key,
            labels,
            format!("data source {datasource} does not answer"),
            description,
            now,
        );
    }

    /// Raises or ends a meta-alert that speaks of a rule, with the rule's own labels.
    fn set_rule_alert(
        &mut self,
        kind: MetaKind,
        no: RuleNo,
        speaks: bool,
        now: Timestamp,
        texts: impl FnOnce() -> (String, String),
    ) {
        let key = MetaKey {
            kind,
            subject: no.0.to_string(),
        };
        if !speaks {
            self.lower(&key, now);
            return;
        }
        if self.meta.firing.contains_key(&key) {
            return;
        }
        let Some(rule) = self.rules.get(&no) else {
            return;
        };
        let def = Arc::clone(&rule.def);
        let labels = self.meta_labels(kind, &def.datasource.name, |labels| {
            for (name, value) in def.plain_labels() {
                labels.set(name, value);
            }
            labels
                .set("rule", &def.rule.alert)
                .set("rule_group", &def.group.group);
        });
        let (summary, description) = texts();
        self.raise(key, labels, summary, description, now);
    }

    pub(super) fn config_rejected(&mut self, why: &str, now: Timestamp) {
        let key = MetaKey {
            kind: MetaKind::ConfigRejected,
            subject: String::new(),
        };
        let labels = self.meta_labels(MetaKind::ConfigRejected, "", |labels| {
            labels.set("severity", "warning");
        });
        let summary = "the configuration was refused, and the last accepted one goes on".to_owned();
        self.raise(key, labels, summary, why.to_owned(), now);
    }

    pub(super) fn config_accepted(&mut self, now: Timestamp) {
        self.lower(
            &MetaKey {
                kind: MetaKind::ConfigRejected,
                subject: String::new(),
            },
            now,
        );
    }

    pub(super) fn delivery_refused(
        &mut self,
        integration: &IntegrationKey,
        why: &str,
        now: Timestamp,
    ) {
        let subject = integration.to_string();
        let labels = self.meta_labels(MetaKind::DeliveryRefused, "", |labels| {
            labels
                .set("severity", "warning")
                .set("integration", &subject);
        });
        let summary = format!("{subject} refused a notification for good");
        let key = MetaKey {
            kind: MetaKind::DeliveryRefused,
            subject,
        };
        self.raise(key, labels, summary, why.to_owned(), now);
    }

    pub(super) fn delivery_succeeded(&mut self, integration: &IntegrationKey, now: Timestamp) {
        if self.meta.firing.is_empty() {
            return;
        }
        let subject = integration.to_string();
        self.lower(
            &MetaKey {
                kind: MetaKind::DeliveryRefused,
                subject,
            },
            now,
        );
    }

    /// Ends what speaks of a rule that is gone.
    pub(super) fn forget_rule_alerts(&mut self, no: RuleNo, now: Timestamp) {
        for kind in [MetaKind::RuleBlind, MetaKind::RuleOverLimit] {
            self.lower(
                &MetaKey {
                    kind,
                    subject: no.0.to_string(),
                },
                now,
            );
        }
    }

    /// Ends what speaks of data sources and integrations that are no longer configured.
    pub(super) fn forget_gone_subjects(&mut self, now: Timestamp) {
        let gone = |key: &&MetaKey| match key.kind {
            MetaKind::DatasourceDown => {
                let mut all = self.setup.rules.datasources.iter();
                !all.any(|d| *d.datasource.name == *key.subject && !d.groups.is_empty())
            }
            MetaKind::DeliveryRefused => {
                let receivers = self.setup.routing.receivers().values();
                let mut all = receivers.flat_map(|receiver| &receiver.integrations);
                !all.any(|integration| integration.key.to_string() == key.subject)
            }
            MetaKind::RuleBlind | MetaKind::RuleOverLimit => key
                .subject
                .parse()
                .map_or(true, |no| !self.rules.contains_key(&RuleNo(no))),
            MetaKind::ConfigRejected => false,
        };
        let gone: Vec<MetaKey> = self.meta.firing.keys().filter(gone).cloned().collect();
        for key in gone {
            self.lower(&key, now);
        }
    }

    fn meta_labels(
        &self,
        kind: MetaKind,
        datasource: &str,
        more: impl FnOnce(&mut LabelsBuilder<'_>),
    ) -> Labels {
        let mut labels = LabelsBuilder::default();
        let mut all = self.setup.rules.datasources.iter();
        if let Some(known) = all.find(|known| *known.datasource.name == *datasource) {
            for (name, value) in &known.datasource.external_labels {
                labels.set(name, value);
            }
        }
        more(&mut labels);
        labels
            .set("datasource", datasource)
            .set(ALERT_NAME, kind.as_str());
        labels.build()
    }

    fn raise(
        &mut self,
        key: MetaKey,
        labels: Labels,
        summary: String,
        description: String,
        now: Timestamp,
    ) {
        let texts = [
            ("description".to_owned(), description),
            ("summary".to_owned(), summary),
        ];
        let known = self.meta.firing.get(&key);
        let fired_at = known.map_or(now, |known| known.fired_at);
        let alert = MetaAlert {
            labels,
            annotations: Arc::new(texts),
            fired_at,
        };
        if known.is_some_and(|known| known.labels == alert.labels) {
            // The same alert with a newer text: nobody is told anew, whoever asks reads it.
            self.meta.firing.insert(key, alert);
            return;
        }
        self.lower(&key, now);
        let arrival = Arrival {
            labels: alert.labels.clone(),
            change: Change::Firing { since: fired_at },
        };
        self.commit(Record::Meta {
            key,
            row: Some(alert),
        });
        self.with_notify(
            |notify, effects| notify.arrive(&[arrival], now, effects),
            now,
        );
    }

    fn lower(&mut self, key: &MetaKey, now: Timestamp) {
        let Some(alert) = self.meta.firing.get(key) else {
            return;
        };
        let labels = alert.labels.clone();
        self.commit(Record::Meta {
            key: key.clone(),
            row: None,
        });
        if self
            .meta
            .firing
            .values()
            .any(|other| other.labels == labels)
        {
            // Rules that differ in nothing but their place speak as one alert.
            return;
        }
        let arrival = Arrival {
            labels,
            change: Change::Ended {
                at: now,
                reason: None,
            },
        };
        self.with_notify(
            |notify, effects| notify.arrive(&[arrival], now, effects),
            now,
        );
    }
}

fn bound(interval: Duration) -> Duration {
    BLIND_BOUND.max(interval.times(BLIND_INTERVALS))
}

fn rule_limit(engine: &Engine, no: RuleNo) -> usize {
    engine.rules.get(&no).map_or(0, |rule| rule.def.limit)
}
