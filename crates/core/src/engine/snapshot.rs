//! What readers see: the engine's state as shared pointers, filtered and written elsewhere, outside
//! of the engine's thread. Taking a snapshot costs a pointer for each rule.

use std::collections::BTreeMap;
use std::sync::Arc;

use stentor_lang::model::{Duration, Labels, Timestamp};

use super::Engine;
use super::group::{Group, Member};
use super::io::{Answer, GroupName, QueryError};
use super::meta::{META_GROUP, MetaAlert, MetaKind};
use super::rules::{Definition, Health, Rule};
use super::texts::{MAX_QUERY_ROUNDS, TextAnswers};
use super::write::Recorder;
use crate::alert::{Instance, InstanceNo, Phase, RuleState};
use crate::receiver::Annotations;
use crate::rulefile::{self, RecordingRule};

/// The engine's state at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The rule groups in the order of the configuration, and then the group `stentor`.
    pub groups: Vec<GroupView>,
}

/// A rule group.
#[derive(Debug, Clone)]
pub struct GroupView {
    /// Its data source, file and name.
    pub name: Arc<GroupName>,
    /// The distance between two slots.
    pub interval: Duration,
    /// How many alerts a rule may have; 0 for no limit.
    pub limit: usize,
    /// The newest live slot.
    pub last_evaluation: Option<Timestamp>,
    /// How long that took.
    pub evaluation_time: Duration,
    /// The rules in the order of the file.
    pub rules: Vec<RuleView>,
}

/// What a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// It alerts.
    Alerting,
    /// It records; it is evaluated only where there is somewhere to write to.
    Recording,
}

/// A rule.
#[derive(Debug, Clone)]
pub struct RuleView {
    /// Alerting or recording.
    pub kind: RuleKind,
    /// The alert's or the record's name.
    pub name: Arc<str>,
    /// The expression as Prometheus prints it.
    pub query: Arc<str>,
    /// `for`.
    pub hold: Duration,
    /// `keep_firing_for`.
    pub keep_firing_for: Duration,
    /// As written, templates unexpanded; one without a text removes the label.
    pub labels: Vec<(String, String)>,
    /// As written, templates unexpanded.
    pub annotations: Vec<(String, String)>,
    /// How the last evaluation went.
    pub health: Health,
    /// The newest live slot.
    pub last_evaluation: Option<Timestamp>,
    /// How long that took.
    pub evaluation_time: Duration,
    source: Source,
}

/// An active alert.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertView {
    /// Before external labels.
    pub labels: Labels,
    /// As expanded with the newest value.
    pub annotations: Annotations,
    /// `pending` or `firing`.
    pub state: &'static str,
    /// Since when the condition holds.
    pub active_at: Timestamp,
    /// Since when only `keep_firing_for` keeps it.
    pub keep_firing_since: Option<Timestamp>,
    /// The newest value.
    pub value: f64,
}

/// Answers a query for an instant.
pub type Ask<'a> = dyn FnMut(&str, Timestamp) -> Result<Answer, QueryError> + 'a;

/// Where a rule's alerts are found.
#[derive(Debug, Clone)]
enum Source {
    Rule {
        def: Arc<Definition>,
        state: Arc<RuleState>,
        told: Arc<BTreeMap<InstanceNo, Annotations>>,
    },
    Meta(Arc<[MetaAlert]>),
    None,
}

impl RuleView {
    /// Its active alerts. Annotations that ask the data source are as they were told last.
    pub fn alerts(&self) -> Vec<AlertView> {
        self.alerts_with(|def, no, instance, at, told| match told.get(&no) {
            Some(told) => Arc::clone(told),
            None => TextAnswers::default().annotations(def, instance, at).0,
        })
    }

    /// Its active alerts, with the queries of their annotations answered for the newest slot.
    pub fn alerts_asking(&self, ask: &mut Ask<'_>) -> Vec<AlertView> {
        let mut answers = TextAnswers::default();
        self.alerts_with(|def, _, instance, at, _| {
            let mut round = 0;
            loop {
                let (texts, needs) = answers.annotations(def, instance, at);
                if needs.is_empty() || round == MAX_QUERY_ROUNDS {
                    return texts;
                }
                for expr in needs {
                    let answer = ask(&expr, at);
                    answers.set(expr, answer);
                }
                round += 1;
            }
        })
    }

    fn alerts_with(
        &self,
        mut annotations: impl FnMut(
            &Definition,
            InstanceNo,
            &Instance,
            Timestamp,
            &BTreeMap<InstanceNo, Annotations>,
        ) -> Annotations,
    ) -> Vec<AlertView> {
        match &self.source {
            Source::Rule { def, state, told } => {
                let at = self.last_evaluation.unwrap_or_default();
                let mut alerts: Vec<AlertView> = state
                    .iter()
                    .filter_map(|(no, instance)| {
                        let (active_at, keep_firing_since) = match instance.phase {
                            Phase::Pending { active_at } => (active_at, None),
                            Phase::Firing {
                                active_at,
                                absent_since,
                                ..
                            } => (active_at, absent_since),
                            Phase::Resolved { .. } => return None,
                        };
                        Some(AlertView {
                            labels: instance.labels.clone(),
                            annotations: annotations(def, no, instance, at, told),
                            state: instance.phase.as_str(),
                            active_at,
                            keep_firing_since,
                            value: instance.value,
                        })
                    })
                    .collect();
                alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
                alerts
            }
            Source::Meta(alerts) => alerts
                .iter()
                .map(|alert| AlertView {
                    labels: alert.labels.clone(),
                    annotations: Arc::clone(&alert.annotations),
                    state: "firing",
                    active_at: alert.fired_at,
                    keep_firing_since: None,
                    value: 1.0,
                })
                .collect(),
            Source::None => Vec::new(),
        }
    }

    /// How many of its alerts fire, and how many are pending.
    pub fn counts(&self) -> (usize, usize) {
        match &self.source {
            Source::Rule { state, .. } => {
                let phases = || state.iter().map(|(_, instance)| instance.phase);
                let firing = phases().filter(Phase::is_firing).count();
                let active = phases().filter(Phase::is_active).count();
                (firing, active - firing)
            }
            Source::Meta(alerts) => (alerts.len(), 0),
            Source::None => (0, 0),
        }
    }

    /// Prometheus' word for the rule: `firing`, `pending`, `inactive`, or `unknown` before the
    /// first evaluation.
    pub fn state(&self) -> &'static str {
        match &self.source {
            Source::Rule { state, .. } => {
                let phases = || state.iter().map(|(_, instance)| instance.phase);
                if phases().any(|phase| phase.is_firing()) {
                    "firing"
                } else if phases().any(|phase| phase.is_active()) {
                    "pending"
                } else if self.health == Health::Unknown {
                    "unknown"
                } else {
                    "inactive"
                }
            }
            Source::Meta(alerts) if !alerts.is_empty() => "firing",
            Source::Meta(_) | Source::None => "inactive",
        }
    }
}

impl Engine {
    /// The present state.
    pub fn snapshot(&self) -> Snapshot {
        let groups = self.order.iter().filter_map(|id| self.groups.get(id));
        let mut groups: Vec<GroupView> = groups
            .map(|group| GroupView {
                name: Arc::clone(&group.name),
                interval: group.schedule.interval(),
                limit: group.def.limit,
                last_evaluation: group.last_evaluation,
                evaluation_time: group.evaluation_time,
                rules: self.rule_views(group),
            })
            .collect();
        groups.push(self.meta_view());
        Snapshot { groups }
    }

    fn rule_views(&self, group: &Group) -> Vec<RuleView> {
        let mut members = group.members.iter().peekable();
        let mut views = Vec::with_capacity(group.def.rules.len());
        for (place, rule) in group.def.rules.iter().enumerate() {
            let member = members.next_if(|member| member.place == place);
            views.extend(match rule {
                rulefile::Rule::Recording(rule) => {
                    Some(recording_view(rule, member.and_then(Member::recorder)))
                }
                rulefile::Rule::Alerting(_) => member
                    .and_then(Member::alerting)
                    .and_then(|no| self.rules.get(&no))
                    .map(rule_view),
            });
        }
        views
    }

    fn meta_view(&self) -> GroupView {
        let rule = |kind: &MetaKind| {
            let firing = self.meta.firing.iter().filter(|(key, _)| key.kind == *kind);
            RuleView {
                kind: RuleKind::Alerting,
                name: Arc::from(kind.as_str()),
                query: Arc::from(""),
                hold: Duration::ZERO,
                keep_firing_for: Duration::ZERO,
                labels: Vec::new(),
                annotations: Vec::new(),
                health: Health::Ok,
                last_evaluation: None,
                evaluation_time: Duration::ZERO,
                source: Source::Meta(firing.map(|(_, alert)| alert.clone()).collect()),
            }
        };
        let name = GroupName {
            datasource: Arc::from(""),
            file: Arc::from(META_GROUP),
            group: Arc::from(META_GROUP),
        };
        GroupView {
            name: Arc::new(name),
            interval: Duration::ZERO,
            limit: 0,
            last_evaluation: None,
            evaluation_time: Duration::ZERO,
            rules: MetaKind::ALL.iter().map(rule).collect(),
        }
    }
}

fn rule_view(rule: &Rule) -> RuleView {
    let written = &rule.def.rule;
    let text = |(name, text): &(String, stentor_lang::template::Template)| {
        (name.clone(), text.source().to_owned())
    };
    RuleView {
        kind: RuleKind::Alerting,
        name: Arc::clone(&written.alert),
        query: written.expr.to_string().into(),
        hold: written.hold,
        keep_firing_for: written.keep_firing_for,
        labels: written.labels.iter().map(text).collect(),
        annotations: written.annotations.iter().map(text).collect(),
        health: rule.health.clone(),
        last_evaluation: rule.last_evaluation,
        evaluation_time: rule.evaluation_time,
        source: Source::Rule {
            def: Arc::clone(&rule.def),
            state: Arc::clone(&rule.state),
            told: Arc::clone(&rule.told),
        },
    }
}

fn recording_view(rule: &RecordingRule, recorder: Option<&Recorder>) -> RuleView {
    RuleView {
        kind: RuleKind::Recording,
        name: Arc::clone(&rule.record),
        query: rule.expr.to_string().into(),
        hold: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
        labels: rule.labels.clone(),
        annotations: Vec::new(),
        health: recorder.map_or(Health::Unknown, |known| known.health.clone()),
        last_evaluation: recorder.and_then(|known| known.last_evaluation),
        evaluation_time: recorder.map_or(Duration::ZERO, |known| known.evaluation_time),
        source: Source::None,
    }
}
