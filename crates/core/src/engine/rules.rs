//! The rules that the engine runs: their identity, which survives edits, and what it knows of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stentor_lang::model::{Duration, Labels, Timestamp};
use stentor_lang::template::query_escape;

use super::gaps::Sight;
use super::io::GroupName;
use super::record::RuleRow;
use super::slots::Slots;
use super::write::AlertSeries;
use crate::alert::{Holds, InstanceNo, RuleState};
use crate::receiver::Annotations;
use crate::rulefile::{AlertingRule, RuleGroup, StoredRule};

/// The rules of all data sources, in the order of the configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuleSet {
    /// One entry for each data source, also for one without rules.
    pub datasources: Vec<DatasourceRules>,
}

/// What the engine knows of a data source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Datasource {
    /// Its name.
    pub name: Arc<str>,
    /// Labels that its alerts get where they do not have them.
    pub external_labels: Labels,
    /// Where people reach it: the base of links to expressions.
    pub external_url: Arc<str>,
    /// Whether the templates' functions `externalURL` and `pathPrefix` know it too: promtool runs
    /// unit tests without, and there they fail.
    pub url_functions: bool,
    /// Its expressions are never looked into.
    pub opaque: bool,
}

/// The rules of one data source.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasourceRules {
    /// Where they are asked.
    pub datasource: Arc<Datasource>,
    /// The interval of groups that name none.
    pub interval: Duration,
    /// The query offset of groups that name none.
    pub query_offset: Duration,
    /// Its groups, in the order of the files.
    pub groups: Vec<Arc<RuleGroup>>,
}

impl DatasourceRules {
    /// The first slot that a run evaluates which begins at an instant: each group begins with its newest one.
    pub fn first_slot(&self, start: Timestamp) -> Timestamp {
        let slots = self.groups.iter().map(|group| {
            let interval = group.interval.unwrap_or(self.interval);
            Slots::Spread.of(&group.name, interval).newest(start)
        });
        slots.min().unwrap_or(start)
    }
}

/// Names a rule durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleNo(pub u64);

/// What a rule is known by: an edit of anything else keeps the state of its alerts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleKey {
    /// The data source.
    pub datasource: Arc<str>,
    /// The group's name, without its file.
    pub group: Arc<str>,
    /// The alert's name.
    pub alert: Arc<str>,
    /// The labels as written, templates unexpanded.
    pub labels: Vec<(String, String)>,
    /// The place among rules that are equal in all of the above.
    pub ordinal: u32,
}

/// All that does not change between two reloads.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Where it is asked.
    pub datasource: Arc<Datasource>,
    /// Its group.
    pub group: Arc<GroupName>,
    /// What the user wrote.
    pub rule: Arc<AlertingRule>,
    /// How many alerts it may have; 0 for no limit.
    pub limit: usize,
}

impl Definition {
    /// The times that decide about phases.
    pub fn holds(&self) -> Holds {
        Holds {
            hold: self.rule.hold,
            keep_firing_for: self.rule.keep_firing_for,
        }
    }

    /// Labels whose text holds no template: what meta-alerts about the rule carry.
    pub fn plain_labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.rule.labels.iter();
        labels.filter_map(|(name, value)| value.plain().map(|value| (name.as_str(), value)))
    }

    /// Whether the expression means the same at each step of a range query.
    pub fn can_catch_up(&self) -> bool {
        let parsed = self.rule.expr.parsed.as_ref();
        parsed.is_some_and(|expr| !expr.depends_on_range()) && !self.labels_query()
    }

    /// Whether a label's text depends on the value, so that it is made anew at each slot.
    pub fn labels_use_value(&self) -> bool {
        self.rule
            .labels
            .iter()
            .any(|(_, text)| text.uses_value() || text.uses_query())
    }

    /// Whether a label's text asks the data source.
    pub fn labels_query(&self) -> bool {
        self.rule.labels.iter().any(|(_, text)| text.uses_query())
    }

    /// As a row has it. A text that does not parse any more is left out: the alert must not be
    /// forgotten for it.
    pub(super) fn restored(row: &RuleRow) -> Self {
        let bare = || {
            let texts = Vec::new;
            StoredRule {
                labels: texts(),
                annotations: texts(),
                ..row.rule.clone()
            }
            .restore()
        };
        let rule = row.rule.restore().or_else(|_| bare());
        let group = GroupName {
            datasource: Arc::clone(&row.key.datasource),
            file: row.rule.file.as_str().into(),
            group: Arc::clone(&row.key.group),
        };
        Self {
            datasource: Arc::new(row.datasource.clone()),
            group: Arc::new(group),
            rule: Arc::new(rule.expect("invariant: a rule without templates can be restored")),
            limit: 0,
        }
    }

    /// The link to the expression at its data source, as Prometheus writes it; empty where nobody
    /// knows where people reach it.
    fn link(&self) -> Arc<str> {
        let base = &self.datasource.external_url;
        if base.is_empty() {
            return Arc::from("");
        }
        let expr = query_escape(&self.rule.expr.to_string());
        format!(
            "{}/graph?g0.expr={expr}&g0.tab=1",
            base.trim_end_matches('/')
        )
        .into()
    }

    /// Whether an annotation's text asks the data source.
    pub fn annotations_query(&self) -> bool {
        self.rule
            .annotations
            .iter()
            .any(|(_, text)| text.uses_query())
    }

    /// The final label set of an alert: external labels fill in what it lacks.
    pub fn final_labels(&self, labels: &Labels) -> Labels {
        if self.datasource.external_labels.is_empty() {
            return labels.clone();
        }
        let mut builder = labels.to_builder();
        for (name, value) in &self.datasource.external_labels {
            if builder.get(name).is_empty() {
                builder.set(name, value);
            }
        }
        builder.build()
    }
}

/// How the last evaluation went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Health {
    /// Not evaluated yet.
    #[default]
    Unknown,
    /// Good.
    Ok,
    /// Failed, with these words.
    Err(Arc<str>),
}

/// What the store has of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// No row.
    Nothing,
    /// A row with an older definition; the next evaluation writes it anew.
    Outdated,
    /// A row as the rule is.
    Current,
}

/// A rule with its alerts. A retired rule is no longer in the configuration, and stays until nobody
/// needs to be told of its alerts any more.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) key: RuleKey,
    pub(super) def: Arc<Definition>,
    pub(super) state: Arc<RuleState>,
    pub(super) sight: Sight,
    pub(super) health: Health,
    pub(super) last_evaluation: Option<Timestamp>,
    pub(super) evaluation_time: Duration,
    /// How many new alerts its limit kept out of the last slot.
    pub(super) over_limit: usize,
    /// Whether its last slot had an answer at all, partial or whole, good or refused by the rule.
    pub(super) answered: bool,
    /// What the store has of it.
    pub(super) stored: Stored,
    /// Whether it is no longer configured.
    pub(super) retired: bool,
    /// The link to its expression.
    pub(super) generator_url: Arc<str>,
    /// The series of its alerts, where these are written.
    pub(super) series: Option<AlertSeries>,
    /// Whether a phase has changed since.
    pub(super) phases_changed: bool,
    /// Annotations that took queries, as they were told last.
    pub(super) told: Arc<BTreeMap<InstanceNo, Annotations>>,
}

impl Rule {
    /// A rule that was never evaluated.
    pub(super) fn new(key: RuleKey, def: Arc<Definition>) -> Self {
        Self {
            key,
            generator_url: def.link(),
            def,
            state: Arc::default(),
            sight: Sight::default(),
            health: Health::Unknown,
            last_evaluation: None,
            evaluation_time: Duration::ZERO,
            over_limit: 0,
            answered: false,
            stored: Stored::Nothing,
            retired: false,
            series: None,
            phases_changed: false,
            told: Arc::default(),
        }
    }

    /// A rule of which only alerts were recorded so far: recovery applies rows in any order.
    pub(super) fn unknown() -> Self {
        let empty: Arc<str> = Arc::from("");
        let row = RuleRow {
            key: RuleKey {
                datasource: Arc::clone(&empty),
                group: Arc::clone(&empty),
                alert: Arc::clone(&empty),
                labels: Vec::new(),
                ordinal: 0,
            },
            datasource: Datasource {
                name: Arc::clone(&empty),
                external_labels: Labels::default(),
                external_url: empty,
                url_functions: true,
                opaque: true,
            },
            rule: StoredRule::default(),
            sight: Sight::default(),
        };
        Self::new(row.key.clone(), Arc::new(Definition::restored(&row)))
    }

    /// A rule as a row has it; its alerts have rows of their own.
    pub(super) fn restored(row: &RuleRow) -> Self {
        let mut rule = Self::new(row.key.clone(), Arc::new(Definition::restored(row)));
        rule.restore(row);
        rule
    }

    /// Takes what a row says.
    pub(super) fn restore(&mut self, row: &RuleRow) {
        self.stored = Stored::Current;
        self.sight = row.sight;
        if self.key != row.key {
            self.key = row.key.clone();
            self.def = Arc::new(Definition::restored(row));
            self.generator_url = self.def.link();
        }
    }

    /// Takes a new definition of the same rule.
    pub(super) fn redefine(&mut self, def: Arc<Definition>) {
        // A rule may come back as it was.
        self.retired = false;
        if self.def == def {
            return;
        }
        if self.stored == Stored::Current {
            self.stored = Stored::Outdated;
        }
        self.told = Arc::default();
        self.phases_changed = true;
        // A label's text may read external labels.
        Arc::make_mut(&mut self.state).forget_shape();
        self.generator_url = def.link();
        self.def = def;
    }
}
