//! The alerts of one rule, and what one answer makes of them.
//!
//! Answers usually have the label sets of the last one. So the state keeps, for each index of the
//! last shape, the alert that stands there; an evaluation without news is one pass over an array.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stentor_lang::model::{LabelMap, LabelSet, Labels, Shape, Timestamp};

use super::phase::{Holds, Phase, Presence, step};

/// Names an alert of a rule, durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceNo(pub u32);

impl InstanceNo {
    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One alert of a rule: durable as of its last change of phase, but for the value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// The alert's labels before external ones.
    pub labels: Labels,
    /// The labels of the query's result: what templates see.
    pub series: Labels,
    /// Where it stands.
    pub phase: Phase,
    /// The newest value; in the store, the one at the last change of phase.
    #[serde(with = "stentor_lang::model::serial::float")]
    pub value: f64,
}

/// A change of one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Which alert.
    pub no: InstanceNo,
    /// Its phase before; `None` for a new one.
    pub before: Option<Phase>,
    /// The alert as it is now; `None` where it is forgotten.
    pub after: Option<Instance>,
}

/// What an evaluation changes. Nothing has changed until each step was applied and the answer
/// observed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// The alerts whose phase changes, known ones in order of their numbers, then new ones.
    pub steps: Vec<Step>,
    /// How many new alerts the rule's `limit` kept out.
    pub over_limit: usize,
}

/// Why an answer was not taken; the state is as before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// Two results become one alert.
    #[error(
        "two results of the expression become the same alert {labels}: aggregate them, or keep the label that tells them apart"
    )]
    DuplicateLabels {
        /// The label set that came twice.
        labels: Labels,
    },
    /// More alerts than one rule may have.
    #[error("{count} results are more than a rule may have ({limit})")]
    TooMany {
        /// How many came.
        count: usize,
        /// The limit.
        limit: usize,
    },
}

/// Alerts of one rule. A rule that yields more has lost its aggregation; memory is what it costs.
pub const MAX_ALERTS_PER_RULE: usize = 1_000_000;

/// Stands where an index of the shape has no alert, because the rule's limit kept it out.
const NONE: u32 = u32::MAX;

/// The alerts of one rule.
#[derive(Debug, Clone, Default)]
pub struct RuleState {
    instances: Vec<Option<Instance>>,
    free: Vec<u32>,
    by_labels: LabelMap<u32>,
    /// The label sets of the last answer, and the alerts' labels made of them.
    shape: Option<Arc<Shape>>,
    labels: Arc<[Labels]>,
    /// For each index of the shape its alert.
    slots: Vec<u32>,
    /// The alerts that the last answer did not have.
    absent: Vec<u32>,
}

impl RuleState {
    /// The alerts in order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (InstanceNo, &Instance)> {
        (0..).zip(&self.instances).filter_map(|(no, instance)| {
            instance.as_ref().map(|instance| (InstanceNo(no), instance))
        })
    }

    /// One alert.
    pub fn get(&self, no: InstanceNo) -> Option<&Instance> {
        self.instances.get(no.index())?.as_ref()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_labels.is_empty()
    }

    /// The label sets of the last answer.
    pub fn shape(&self) -> Option<&Arc<Shape>> {
        self.shape.as_ref()
    }

    /// The alerts' labels made of [`RuleState::shape`], index by index.
    pub fn shape_labels(&self) -> &Arc<[Labels]> {
        &self.labels
    }

    /// What an answer makes of the alerts: the label sets of its alerts and their values, index by
    /// index. `believe_absence` is the gap table's word on alerts that the answer lacks.
    pub fn advance(
        &self,
        rule: Holds,
        limit: usize,
        answer: &Found<'_>,
        believe_absence: bool,
        at: Timestamp,
    ) -> Result<Changes, EvalError> {
        let matched;
        let (slots, absent) = if self.has_shape_of(answer) {
            (&self.slots, &self.absent)
        } else {
            matched = self.find(answer)?;
            (&matched.0, &matched.1)
        };
        let mut changes = Changes::default();
        let mut fresh = Vec::new();
        for (index, no) in slots.iter().enumerate() {
            match self.instances.get(*no as usize).and_then(Option::as_ref) {
                Some(known) => {
                    let after = step(rule, Some(known.phase), Presence::Present, at);
                    if after != Some(known.phase) {
                        changes.steps.push(Step {
                            no: InstanceNo(*no),
                            before: Some(known.phase),
                            after: after.map(|phase| answer.instance(index, phase)),
                        });
                    }
                }
                None => fresh.push(index),
            }
        }
        let gone = if believe_absence {
            Presence::Absent
        } else {
            Presence::Unknown
        };
        for no in absent {
            let Some(known) = self.get(InstanceNo(*no)) else {
                continue;
            };
            let after = step(rule, Some(known.phase), gone, at);
            if after != Some(known.phase) {
                changes.steps.push(Step {
                    no: InstanceNo(*no),
                    before: Some(known.phase),
                    after: after.map(|phase| Instance {
                        phase,
                        ..known.clone()
                    }),
                });
            }
        }
        changes.steps.sort_by_key(|step| step.no);
        self.admit(rule, limit, answer, fresh, at, &mut changes);
        Ok(changes)
    }

    /// Gives new alerts their numbers, in order of labels as far as the limit has room for them.
    fn admit(
        &self,
        rule: Holds,
        limit: usize,
        answer: &Found<'_>,
        mut fresh: Vec<usize>,
        at: Timestamp,
        changes: &mut Changes,
    ) {
        if limit > 0 && !fresh.is_empty() {
            let ended = |step: &&Step| step.after.as_ref().is_none_or(|i| !i.phase.is_active());
            let known = self
                .iter()
                .filter(|(_, instance)| instance.phase.is_active())
                .count();
            let active = known.saturating_sub(changes.steps.iter().filter(ended).count());
            let room = limit.saturating_sub(active);
            if fresh.len() > room {
                fresh.sort_by(|a, b| answer.labels[*a].cmp(&answer.labels[*b]));
                changes.over_limit = fresh.len() - room;
                fresh.truncate(room);
            }
        }
        let mut numbers = self.free.iter().rev().copied().chain(self.next_number()..);
        changes.steps.reserve(fresh.len());
        for index in fresh {
            let no = InstanceNo(
                numbers
                    .next()
                    .expect("invariant: fewer alerts than numbers"),
            );
            let after = step(rule, None, Presence::Present, at);
            let after = after.map(|phase| answer.instance(index, phase));
            changes.steps.push(Step {
                no,
                before: None,
                after,
            });
        }
    }

    /// For each index of an answer its alert, and the alerts that it lacks.
    fn find(&self, answer: &Found<'_>) -> Result<(Vec<u32>, Vec<u32>), EvalError> {
        let count = answer.labels.len();
        if count > MAX_ALERTS_PER_RULE {
            return Err(EvalError::TooMany {
                count,
                limit: MAX_ALERTS_PER_RULE,
            });
        }
        let mut seen = vec![false; self.instances.len()];
        let mut fresh = LabelSet::default();
        let mut slots = Vec::with_capacity(count);
        for labels in answer.labels.iter() {
            let again = match self.by_labels.get(labels) {
                Some(no) => {
                    slots.push(*no);
                    std::mem::replace(&mut seen[*no as usize], true)
                }
                None => {
                    slots.push(NONE);
                    !fresh.insert(labels.clone())
                }
            };
            if again {
                return Err(EvalError::DuplicateLabels {
                    labels: labels.clone(),
                });
            }
        }
        let absent = self.iter().map(|(no, _)| no).filter(|no| !seen[no.index()]);
        Ok((slots, absent.map(|no| no.0).collect()))
    }

    fn has_shape_of(&self, answer: &Found<'_>) -> bool {
        self.shape
            .as_ref()
            .is_some_and(|shape| Arc::ptr_eq(shape, answer.shape))
            && Arc::ptr_eq(&self.labels, answer.labels)
    }

    fn next_number(&self) -> u32 {
        u32::try_from(self.instances.len()).expect("invariant: fewer alerts than numbers")
    }

    /// Sets or forgets one alert: the only way in which alerts change, live and in recovery.
    pub fn apply(&mut self, no: InstanceNo, instance: Option<Instance>) {
        if let Some(old) = self.instances.get_mut(no.index()).and_then(Option::take) {
            self.by_labels.swap_remove(&old.labels);
            self.free.push(no.0);
        }
        if let Some(instance) = instance {
            while self.instances.len() <= no.index() {
                self.free.push(self.next_number());
                self.instances.push(None);
            }
            if self.free.last() == Some(&no.0) {
                self.free.pop();
            } else {
                self.free.retain(|free| *free != no.0);
            }
            self.by_labels.insert(instance.labels.clone(), no.0);
            self.instances[no.index()] = Some(instance);
        }
    }

    /// Takes over what an answer said besides phases: values, and its shape for the next time.
    /// `changed` says whether steps of this answer were applied.
    pub fn observe(&mut self, answer: &Found<'_>, changed: bool) {
        let same = self.has_shape_of(answer);
        if changed || !same {
            self.shape = Some(Arc::clone(answer.shape));
            self.labels = Arc::clone(answer.labels);
            let of = |labels| self.by_labels.get(labels).copied().unwrap_or(NONE);
            self.slots = answer.labels.iter().map(of).collect();
            let mut seen = vec![false; self.instances.len()];
            for no in self.slots.iter().filter(|no| **no != NONE) {
                seen[*no as usize] = true;
            }
            let absent = self.iter().map(|(no, _)| no).filter(|no| !seen[no.index()]);
            self.absent = absent.map(|no| no.0).collect();
        }
        for (index, no) in self.slots.iter().enumerate() {
            if let Some(instance) = self
                .instances
                .get_mut(*no as usize)
                .and_then(Option::as_mut)
            {
                instance.value = answer.values[index];
                if !same && instance.series != answer.shape.series[index] {
                    instance.series = answer.shape.series[index].clone();
                }
            }
        }
    }

    /// Forgets the shape of the last answer, where the rule makes other labels of it now.
    pub fn forget_shape(&mut self) {
        self.shape = None;
        self.labels = Arc::default();
        self.slots.clear();
        self.absent.clear();
    }
}

/// The alerts that an answer has: three lists of one length.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The label sets of the results.
    pub shape: &'a Arc<Shape>,
    /// The alerts' labels before external ones.
    pub labels: &'a Arc<[Labels]>,
    /// The values.
    pub values: &'a [f64],
}

impl Found<'_> {
    fn instance(&self, index: usize, phase: Phase) -> Instance {
        Instance {
            labels: self.labels[index].clone(),
            series: self.shape.series[index].clone(),
            phase,
            value: self.values[index],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_lang::model::Duration;

    const RULE: Holds = Holds {
        hold: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
    };

    struct Rule {
        state: RuleState,
        limit: usize,
        at: i64,
        last: Option<(Arc<Shape>, Arc<[Labels]>)>,
    }

    impl Rule {
        fn new(limit: usize) -> Self {
            Self {
                state: RuleState::default(),
                limit,
                at: 0,
                last: None,
            }
        }

        /// Evaluates with one result for each name; says what changed.
        fn eval(&mut self, names: &[&str], believe: bool) -> Result<String, EvalError> {
            let series: Vec<_> = names
                .iter()
                .map(|n| Labels::from_pairs([("a", *n)]))
                .collect();
            let shape = match self.last.take() {
                Some(last) if last.0.series == series => last,
                _ => {
                    let labels = series.clone().into();
                    (Arc::new(Shape { series }), labels)
                }
            };
            let values = vec![1.0; names.len()];
            let found = Found {
                shape: &shape.0,
                labels: &shape.1,
                values: &values,
            };
            self.at += 60_000;
            let at = Timestamp::from_millis(self.at);
            let changes = self.state.advance(RULE, self.limit, &found, believe, at)?;
            let mut said: Vec<_> = changes.steps.iter().map(|step| self.say(step)).collect();
            if changes.over_limit > 0 {
                said.push(format!("{} over limit", changes.over_limit));
            }
            let changed = !changes.steps.is_empty();
            for step in changes.steps {
                self.state.apply(step.no, step.after);
            }
            self.state.observe(&found, changed);
            self.last = Some(shape);
            Ok(said.join(", "))
        }

        fn say(&self, step: &Step) -> String {
            let known = self.state.get(step.no).or(step.after.as_ref());
            let name = known
                .expect("known before or after")
                .labels
                .get("a")
                .to_owned();
            let word = step
                .after
                .as_ref()
                .map_or("gone", |after| after.phase.as_str());
            format!("{name} {word}")
        }
    }

    #[test]
    fn alerts_come_and_go_by_name() {
        let mut rule = Rule::new(0);
        assert_eq!(rule.eval(&["x", "y"], true).unwrap(), "x firing, y firing");
        assert_eq!(rule.eval(&["x", "y"], true).unwrap(), "");
        assert_eq!(rule.eval(&["y"], true).unwrap(), "x inactive");
        assert_eq!(rule.eval(&["y"], true).unwrap(), "");
        assert_eq!(
            rule.eval(&["z", "y", "x"], true).unwrap(),
            "x firing, z firing"
        );
        assert_eq!(
            rule.eval(&[], true).unwrap(),
            "x inactive, y inactive, z inactive"
        );
        rule.at += 16 * 60_000;
        assert_eq!(rule.eval(&[], true).unwrap(), "x gone, y gone, z gone");
        assert!(rule.state.is_empty());
        assert_eq!(rule.eval(&["w"], true).unwrap(), "w firing");
        assert_eq!(rule.state.iter().count(), 1);
    }

    #[test]
    fn absence_that_is_not_believed_changes_nothing() {
        let mut rule = Rule::new(0);
        rule.eval(&["x", "y"], true).unwrap();
        assert_eq!(rule.eval(&["z"], false).unwrap(), "z firing");
        assert_eq!(rule.eval(&["z"], true).unwrap(), "x inactive, y inactive");
    }

    #[test]
    fn duplicates_leave_the_state_whole() {
        let mut rule = Rule::new(0);
        rule.eval(&["x"], true).unwrap();
        for names in [&["y", "y"][..], &["x", "x"], &["x", "y", "x"]] {
            assert!(matches!(
                rule.eval(names, true),
                Err(EvalError::DuplicateLabels { .. })
            ));
        }
        assert_eq!(rule.eval(&["x"], true).unwrap(), "");
    }

    #[test]
    fn over_its_limit_a_rule_keeps_what_it_has_and_takes_the_first_labels() {
        let mut rule = Rule::new(2);
        assert_eq!(rule.eval(&["m"], true).unwrap(), "m firing");
        assert_eq!(
            rule.eval(&["z", "m", "b", "a"], true).unwrap(),
            "a firing, 2 over limit"
        );
        assert_eq!(
            rule.eval(&["z", "m", "b", "a"], true).unwrap(),
            "2 over limit"
        );
        assert_eq!(
            rule.eval(&["z", "b", "a"], true).unwrap(),
            "m inactive, b firing, 1 over limit"
        );
    }
}
