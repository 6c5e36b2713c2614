//! What answers make of a rule's alerts, and what these make of the alerts that receivers know:
//! rules with one final label set are one alert, which fires while any of them does.

use std::collections::BTreeMap;
use std::sync::Arc;

use stentor_lang::model::{Duration, LabelSet, Labels, Series, Shape, Timestamp};

use super::Engine;
use super::gaps::Seen;
use super::io::{Answer, AnswerData, Event, QueryError};
use super::record::{Record, RuleRow};
use super::rules::{Health, RuleNo, Stored};
use super::texts::TextAnswers;
use crate::alert::{Changes, Found, Instance, InstanceNo, Phase, Step};
use crate::notify::{Arrival, Change};

/// Where an alert that receivers know comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) rule: RuleNo,
    pub(super) instance: InstanceNo,
}

/// The alerts of rules that have one final label set.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    /// Those that fire, in the order in which they began.
    pub(super) firing: Vec<Source>,
    /// The one that ended last; it explains the alert while none fires.
    pub(super) last: Source,
    /// Why it ended, where that was not the rule's own result.
    pub(super) end_reason: Option<Arc<str>>,
}

/// Slots that are caught up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missed {
    /// The first one.
    pub(super) from: Timestamp,
    /// The last one.
    pub(super) to: Timestamp,
    pub(super) interval: Duration,
    /// How much earlier than a slot its samples are.
    pub(super) offset: Duration,
}

/// One slot of one rule.
struct Slot<'a> {
    at: Timestamp,
    shape: &'a Arc<Shape>,
    values: &'a [f64],
    partial: bool,
    live: bool,
}

impl Engine {
    /// Applies the answer of a live slot to a rule; says whether the rule could take it.
    pub(super) fn evaluate_live(
        &mut self,
        no: RuleNo,
        answer: Result<Answer, QueryError>,
        texts: &TextAnswers,
        took: Duration,
        at: Timestamp,
        touched: &mut LabelSet,
    ) -> bool {
        let answered = answer.is_ok();
        let mut taken = false;
        let failed = match answer {
            Ok(Answer {
                data: AnswerData::Vector { shape, values, .. },
                partial,
                ..
            }) => {
                let partial_why = partial.clone();
                let slot = Slot {
                    at,
                    shape: &shape,
                    values: &values,
                    partial: partial.is_some(),
                    live: true,
                };
                let failed = self.evaluate(no, &slot, texts, touched).err();
                taken = failed.is_none();
                failed.map(Arc::from).or(partial_why)
            }
            Ok(Answer {
                data: AnswerData::Matrix(_),
                ..
            }) => {
                self.mark_blind(no, at);
                Some(Arc::from("the data source answered with a range vector"))
            }
            Err(error) => {
                self.mark_blind(no, at);
                Some(Arc::from(error.message))
            }
        };
        let Some(rule) = self.rules.get_mut(&no) else {
            return false;
        };
        rule.answered = answered;
        rule.last_evaluation = Some(at);
        rule.evaluation_time = took;
        rule.health = failed.clone().map_or(Health::Ok, Health::Err);
        let event = Event::Evaluated {
            group: Arc::clone(&rule.def.group),
            rule: Arc::clone(&rule.key.alert),
            took,
            error: failed,
            over_limit: (taken && rule.over_limit > 0).then_some((rule.over_limit, rule.def.limit)),
        };
        self.emit(event);
        taken
    }

    /// Applies the answer of a range query over missed slots, slot by slot and without a word:
    /// notification gets what is left at the end.
    pub(super) fn evaluate_missed(
        &mut self,
        no: RuleNo,
        answer: Result<Answer, QueryError>,
        missed: Missed,
        touched: &mut LabelSet,
    ) {
        let Missed {
            from,
            to,
            interval,
            offset,
        } = missed;
        let Ok(Answer {
            data: AnswerData::Matrix(series),
            partial,
            ..
        }) = answer
        else {
            self.mark_blind(no, from);
            return;
        };
        let mut slots = SlotsOf::new(series);
        let mut at = from;
        while at <= to {
            let (shape, values) = slots.at(at - offset);
            let slot = Slot {
                at,
                shape: &shape,
                values: &values,
                partial: partial.is_some(),
                live: false,
            };
            // What a rule cannot take here it cannot take live either, and says so then.
            let _ = self.evaluate(no, &slot, &TextAnswers::default(), touched);
            at += interval;
        }
        if let Some(rule) = self.rules.get_mut(&no) {
            rule.last_evaluation = Some(to);
        }
    }

    /// Applies one slot to a rule, or says why the rule cannot take the answer.
    fn evaluate(
        &mut self,
        no: RuleNo,
        slot: &Slot<'_>,
        texts: &TextAnswers,
        touched: &mut LabelSet,
    ) -> Result<(), String> {
        let Some(rule) = self.rules.get_mut(&no) else {
            return Ok(());
        };
        let labels = texts.labels(&rule.def, &rule.state, slot.shape, slot.values, slot.at);
        let found = Found {
            shape: slot.shape,
            labels: &labels,
            values: slot.values,
        };
        let seen = if slot.partial { Seen::Part } else { Seen::All };
        let sight = rule.sight.after(seen, slot.at);
        let believe = sight.believes_absence(slot.at);
        let (holds, limit) = (rule.def.holds(), rule.def.limit);
        let changes = match rule.state.advance(holds, limit, &found, believe, slot.at) {
            Ok(changes) => changes,
            Err(error) => {
                self.mark_blind(no, slot.at);
                return Err(error.to_string());
            }
        };
        rule.over_limit = changes.over_limit;
        let changed = !changes.steps.is_empty();
        self.take_steps(no, changes, slot, touched);
        if let Some(rule) = self.rules.get_mut(&no) {
            Arc::make_mut(&mut rule.state).observe(&found, changed);
        }
        if changed {
            if let Some(rule) = self.rules.get_mut(&no) {
                rule.phases_changed = true;
            }
            self.forget_told(no);
        }
        self.set_sight(no, sight);
        Ok(())
    }

    /// Makes the changes of a slot true, one record each.
    fn take_steps(
        &mut self,
        no: RuleNo,
        changes: Changes,
        slot: &Slot<'_>,
        touched: &mut LabelSet,
    ) {
        for step in changes.steps {
            let before = self.rules[&no].state.get(step.no).cloned();
            if slot.live {
                self.emit_transition(no, &step, before.as_ref(), slot.at);
            }
            let after = step.after.clone();
            let instance = step.no;
            self.commit(Record::Instance {
                rule: no,
                no: instance,
                row: step.after,
            });
            self.note_source(no, instance, before.as_ref(), after.as_ref(), touched);
        }
    }

    /// Keeps the sources of the alerts that receivers know.
    pub(super) fn note_source(
        &mut self,
        no: RuleNo,
        instance: InstanceNo,
        before: Option<&Instance>,
        after: Option<&Instance>,
        touched: &mut LabelSet,
    ) {
        let fires = |instance: Option<&Instance>| instance.is_some_and(|i| i.phase.is_firing());
        let source = Source { rule: no, instance };
        let (was, is) = (fires(before), fires(after));
        let Some(labels) = after.or(before).map(|instance| &instance.labels) else {
            return;
        };
        if was == is && after.is_some() {
            return;
        }
        let labels = self.rules[&no].def.final_labels(labels);
        if is {
            let sources = self
                .sources
                .entry(labels.clone())
                .or_insert_with(|| Sources {
                    // Nearly always one.
                    firing: Vec::with_capacity(1),
                    last: source,
                    end_reason: None,
                });
            sources.firing.push(source);
            sources.end_reason = None;
        } else if let Some(sources) = self.sources.get_mut(&labels) {
            sources.firing.retain(|other| *other != source);
            if after.is_some() {
                sources.last = source;
            } else if sources.last == source {
                match sources.firing.first() {
                    Some(other) => sources.last = *other,
                    None => drop(self.sources.swap_remove(&labels)),
                }
            }
        }
        if was != is {
            touched.insert(labels);
        }
    }

    fn emit_transition(
        &mut self,
        no: RuleNo,
        step: &Step,
        before: Option<&Instance>,
        at: Timestamp,
    ) {
        let Some(known) = step.after.as_ref().or(before) else {
            return;
        };
        let name = |phase: Option<Phase>| phase.map_or("inactive", |phase| phase.as_str());
        let (from, to) = (
            name(step.before),
            name(step.after.as_ref().map(|after| after.phase)),
        );
        if from == to {
            return;
        }
        let why = match step.after.as_ref().map(|after| after.phase) {
            Some(Phase::Pending { .. }) => "the condition holds".to_owned(),
            Some(Phase::Firing { active_at, .. }) => {
                format!("{} since becoming active", at.since(active_at))
            }
            Some(Phase::Resolved { fired_at, .. }) => {
                format!(
                    "the condition no longer holds, after firing for {}",
                    at.since(fired_at)
                )
            }
            None => "the condition no longer holds".to_owned(),
        };
        let event = Event::Transition {
            rule: Arc::clone(&self.rules[&no].def),
            labels: known.labels.clone(),
            value: known.value,
            from,
            to,
            at,
            why: why.into(),
        };
        self.emit(event);
    }

    /// A slot of a rule brought nothing.
    pub(super) fn mark_blind(&mut self, no: RuleNo, at: Timestamp) {
        let Some(rule) = self.rules.get(&no) else {
            return;
        };
        self.set_sight(no, rule.sight.after(Seen::Nothing, at));
    }

    /// Remembers how a rule sees, and records it where alerts depend on it, those about a blind rule
    /// included.
    fn set_sight(&mut self, no: RuleNo, sight: super::gaps::Sight) {
        let Some(rule) = self.rules.get_mut(&no) else {
            return;
        };
        let changed = std::mem::replace(&mut rule.sight, sight) != sight;
        let needed = !rule.state.is_empty() || sight.blind_since.is_some();
        if needed && (changed || rule.stored != Stored::Current) {
            let row = RuleRow::of(rule);
            self.commit(Record::Rule {
                no,
                row: Some(Box::new(row)),
            });
        } else if !needed && rule.stored != Stored::Nothing {
            self.commit(Record::Rule { no, row: None });
        }
    }

    /// What notification must hear about the alerts with these labels.
    pub(super) fn arrivals(&self, touched: &LabelSet, at: Timestamp) -> Vec<Arrival> {
        let arrival = |labels: &Labels| {
            let sources = self.sources.get(labels);
            let firing = sources.map_or(&[][..], |sources| &sources.firing);
            let fired_at = |source: &Source| match self.instance(*source)?.phase {
                Phase::Firing { fired_at, .. } => Some(fired_at),
                Phase::Pending { .. } | Phase::Resolved { .. } => None,
            };
            let change = match firing.iter().filter_map(fired_at).min() {
                Some(since) => Change::Firing { since },
                None => {
                    let reason = sources.and_then(|sources| sources.end_reason.clone());
                    Change::Ended { at, reason }
                }
            };
            Arrival {
                labels: labels.clone(),
                change,
            }
        };
        touched.iter().map(arrival).collect()
    }

    pub(super) fn instance(&self, source: Source) -> Option<&Instance> {
        self.rules.get(&source.rule)?.state.get(source.instance)
    }

    /// After recovery: the sources of all alerts, made of the rules' states.
    pub(super) fn restore_sources(&mut self) {
        let mut known: BTreeMap<Labels, Sources> = BTreeMap::new();
        for (no, rule) in &self.rules {
            for (instance, state) in rule.state.iter() {
                let source = Source {
                    rule: *no,
                    instance,
                };
                if matches!(state.phase, Phase::Pending { .. }) {
                    continue;
                }
                let labels = rule.def.final_labels(&state.labels);
                let sources = known.entry(labels).or_insert_with(|| Sources {
                    // Nearly always one.
                    firing: Vec::with_capacity(1),
                    last: source,
                    end_reason: None,
                });
                if state.phase.is_firing() {
                    sources.firing.push(source);
                }
            }
        }
        self.sources = known.into_iter().collect();
    }

    /// Ends all alerts of a rule that is no longer asked.
    pub(super) fn end_alerts(
        &mut self,
        no: RuleNo,
        reason: &Arc<str>,
        at: Timestamp,
        touched: &mut LabelSet,
    ) {
        let Some(rule) = self.rules.get(&no) else {
            return;
        };
        let def = Arc::clone(&rule.def);
        let active: Vec<(InstanceNo, Instance)> = rule
            .state
            .iter()
            .filter(|(_, instance)| instance.phase.is_active())
            .map(|(no, instance)| (no, instance.clone()))
            .collect();
        for (instance, before) in active {
            let after = match before.phase {
                Phase::Firing { fired_at, .. } => Some(Instance {
                    phase: Phase::Resolved {
                        fired_at,
                        resolved_at: at,
                    },
                    ..before.clone()
                }),
                Phase::Pending { .. } | Phase::Resolved { .. } => None,
            };
            self.commit(Record::Instance {
                rule: no,
                no: instance,
                row: after.clone(),
            });
            self.note_source(no, instance, Some(&before), after.as_ref(), touched);
            if let Some(sources) = self.sources.get_mut(&def.final_labels(&before.labels))
                && sources.firing.is_empty()
            {
                sources.end_reason = Some(Arc::clone(reason));
            }
        }
    }
}

/// A range answer, read slot by slot.
struct SlotsOf {
    series: Vec<Series>,
    /// For each series its next sample.
    next: Vec<usize>,
    last: Option<(Vec<usize>, Arc<Shape>)>,
}

impl SlotsOf {
    fn new(series: Vec<Series>) -> Self {
        Self {
            next: vec![0; series.len()],
            series,
            last: None,
        }
    }

    /// The instant vector at a time; times must be asked in order.
    fn at(&mut self, at: Timestamp) -> (Arc<Shape>, Vec<f64>) {
        let mut present = Vec::new();
        let mut values = Vec::new();
        for (index, series) in self.series.iter().enumerate() {
            let next = &mut self.next[index];
            while series
                .samples
                .get(*next)
                .is_some_and(|sample| sample.at < at)
            {
                *next += 1;
            }
            if let Some(sample) = series.samples.get(*next).filter(|sample| sample.at == at) {
                present.push(index);
                values.push(sample.value);
            }
        }
        let shape = match &self.last {
            Some((same, shape)) if *same == present => Arc::clone(shape),
            _ => {
                let series = present
                    .iter()
                    .map(|at| self.series[*at].labels.clone())
                    .collect();
                let shape = Arc::new(Shape { series });
                self.last = Some((present, Arc::clone(&shape)));
                shape
            }
        };
        (shape, values)
    }
}
