//! What rules write: the results of recording rules, and the series of alerts, with the marks that
//! end what a rule wrote in its slot before and writes no more (Prometheus' `rules/group.go`). What
//! fails writes nothing and ends nothing.

use std::sync::Arc;

use stentor_lang::model::{ALERT_NAME, Duration, LabelSet, Labels, METRIC_NAME, Shape, Timestamp};

use super::group::GroupId;
use super::io::{Action, Answer, AnswerData, Event, QueryError, RulePlace, Written};
use super::rules::{Definition, Health, RuleNo};
use super::{Engine, Write};
use crate::alert::{Phase, RuleState};
use crate::rulefile::RecordingRule;

/// The series of active alerts.
pub(super) const ALERTS: &str = "ALERTS";
/// The series that hold since when alerts are active.
pub(super) const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";

/// A recording rule with what it wrote last.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    pub(super) rule: Arc<RecordingRule>,
    pub(super) limit: usize,
    /// The label sets of the last answer, and those of the series made of them.
    known: Option<(Arc<Shape>, Arc<Shape>)>,
    /// The series that it wrote in its slot before.
    written: Arc<Shape>,
    pub(super) health: Health,
    pub(super) last_evaluation: Option<Timestamp>,
    pub(super) evaluation_time: Duration,
}

/// The series of a rule's alerts.
#[derive(Debug, Clone)]
pub(super) struct AlertSeries {
    shape: Arc<Shape>,
    values: Vec<f64>,
}

impl Recorder {
    pub(super) fn new(rule: &Arc<RecordingRule>, limit: usize) -> Self {
        Self {
            rule: Arc::clone(rule),
            limit,
            known: None,
            written: Arc::default(),
            health: Health::Unknown,
            last_evaluation: None,
            evaluation_time: Duration::ZERO,
        }
    }

    /// The label sets of the last answer.
    pub(super) fn known_shape(&self) -> Option<&Arc<Shape>> {
        self.known.as_ref().map(|(answered, _)| answered)
    }

    /// The series that an answer becomes.
    fn series(&mut self, answered: &Arc<Shape>) -> Result<Arc<Shape>, String> {
        if let Some((known, series)) = &self.known
            && Arc::ptr_eq(known, answered)
        {
            return Ok(Arc::clone(series));
        }
        let mut seen = LabelSet::default();
        let mut series = Vec::with_capacity(answered.series.len());
        for labels in &answered.series {
            let labels = recorded_labels(&self.rule, labels);
            if !seen.insert(labels.clone()) {
                return Err(format!(
                    "vector contains metrics with the same labelset after applying rule labels: {labels}"
                ));
            }
            series.push(labels);
        }
        let count = series.len();
        if self.limit > 0 && count > self.limit {
            return Err(format!(
                "exceeded limit of {} with {count} series",
                self.limit
            ));
        }
        let series = Arc::new(Shape { series });
        self.known = Some((Arc::clone(answered), Arc::clone(&series)));
        Ok(series)
    }

    /// What an answer writes, but for its place; nothing where there is nothing to say.
    fn take(&mut self, answer: Answer) -> Result<Option<Draft>, String> {
        let AnswerData::Vector {
            shape,
            values,
            histograms,
        } = answer.data
        else {
            return Err("the data source answered with a range vector".to_owned());
        };
        let series = self.series(&shape)?;
        let gone = gone(&self.written, &series);
        let stale = if answer.partial.is_none() {
            self.written = Arc::clone(&series);
            gone
        } else {
            // What is missing may be missing from the answer only.
            if !gone.is_empty() {
                let all = series.series.iter().cloned().chain(gone);
                self.written = Arc::new(Shape {
                    series: all.collect(),
                });
            }
            Vec::new()
        };
        let empty = series.series.is_empty() && stale.is_empty();
        Ok((!empty).then_some(Draft {
            shape: series,
            values,
            histograms,
            stale,
        }))
    }
}

/// The series that a result of a recording rule becomes.
pub fn recorded_labels(rule: &RecordingRule, result: &Labels) -> Labels {
    let mut labels = result.to_builder();
    labels.set(METRIC_NAME, &rule.record);
    for (name, value) in &rule.labels {
        labels.set(name, value);
    }
    labels.build()
}

/// What is written, but for the rule and the time.
struct Draft {
    shape: Arc<Shape>,
    values: Vec<f64>,
    histograms: Vec<Option<Arc<stentor_lang::model::histogram::Histogram>>>,
    stale: Vec<Labels>,
}

/// The series of one shape that another lacks.
fn gone(before: &Arc<Shape>, now: &Arc<Shape>) -> Vec<Labels> {
    if Arc::ptr_eq(before, now) || before.series == now.series {
        return Vec::new();
    }
    let now: LabelSet = now.series.iter().cloned().collect();
    let before = before.series.iter();
    before
        .filter(|labels| !now.contains(*labels))
        .cloned()
        .collect()
}

impl Engine {
    /// The series that a recording rule wrote in its newest slot that did not fail.
    pub fn last_written(&self, place: RulePlace) -> Option<&Arc<Shape>> {
        let group = self.groups.get(self.order.get(place.group)?)?;
        let mut members = group.members.iter();
        let member = members.find(|member| member.place == place.rule)?;
        Some(&member.recorder()?.written)
    }

    /// Applies the answer of a live slot to a recording rule.
    pub(super) fn record_live(
        &mut self,
        id: GroupId,
        index: usize,
        answer: Result<Answer, QueryError>,
        took: Duration,
        at: Timestamp,
    ) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let time = at - group.query_offset;
        let name = Arc::clone(&group.name);
        let member = &mut group.members[index];
        let Some(recorder) = member.recorder_mut() else {
            return;
        };
        let partial = answer
            .as_ref()
            .ok()
            .and_then(|answer| answer.partial.clone());
        let written = match answer {
            Ok(answer) => recorder.take(answer),
            Err(error) => Err(error.message),
        };
        let (written, error) = match written {
            Ok(written) => (written, partial),
            Err(error) => (None, Some(Arc::from(error))),
        };
        recorder.health = error.clone().map_or(Health::Ok, Health::Err);
        recorder.last_evaluation = Some(at);
        recorder.evaluation_time = took;
        let rule = Arc::clone(&recorder.rule.record);
        if let Some(draft) = written {
            self.write(&name, &rule, time, draft);
        }
        self.emit(Event::Evaluated {
            group: name,
            rule,
            took,
            error,
            over_limit: None,
        });
    }

    /// Writes the series of a rule's alerts as they are after a slot that changed them, or did not.
    pub(super) fn write_alerts(&mut self, id: GroupId, no: RuleNo, at: Timestamp) {
        if self.settings.write == Write::None {
            return;
        }
        let (Some(group), Some(rule)) = (self.groups.get(&id), self.rules.get_mut(&no)) else {
            return;
        };
        let time = at - group.query_offset;
        let name = Arc::clone(&group.name);
        let before = rule.series.take();
        let (series, stale) = match before {
            Some(series) if !rule.phases_changed => (series, Vec::new()),
            before => {
                let series = alert_series(&rule.def, &rule.state);
                let stale = before.map(|before| gone(&before.shape, &series.shape));
                (series, stale.unwrap_or_default())
            }
        };
        rule.phases_changed = false;
        let draft = Draft {
            shape: Arc::clone(&series.shape),
            values: series.values.clone(),
            histograms: Vec::new(),
            stale,
        };
        rule.series = Some(series);
        let alert = Arc::clone(&rule.def.rule.alert);
        if !draft.values.is_empty() || !draft.stale.is_empty() {
            self.write(&name, &alert, time, draft);
        }
    }

    fn write(
        &mut self,
        group: &Arc<super::io::GroupName>,
        rule: &Arc<str>,
        at: Timestamp,
        draft: Draft,
    ) {
        let Draft {
            shape,
            values,
            histograms,
            stale,
        } = draft;
        self.out.push(Action::Write(Written {
            group: Arc::clone(group),
            rule: Arc::clone(rule),
            at,
            shape,
            values,
            histograms,
            stale,
        }));
    }
}

/// `ALERTS` and `ALERTS_FOR_STATE` of a rule's active alerts.
fn alert_series(def: &Definition, state: &RuleState) -> AlertSeries {
    let mut series = Vec::new();
    let mut values = Vec::new();
    for (_, instance) in state.iter() {
        let active_at = match instance.phase {
            Phase::Pending { active_at } | Phase::Firing { active_at, .. } => active_at,
            Phase::Resolved { .. } => continue,
        };
        let word = instance.phase.as_str();
        series.push(alert_labels(def, &instance.labels, ALERTS, Some(word)));
        values.push(1.0);
        series.push(alert_labels(def, &instance.labels, ALERTS_FOR_STATE, None));
        values.push(whole_seconds(active_at));
    }
    AlertSeries {
        shape: Arc::new(Shape { series }),
        values,
    }
}

/// The labels of an alert's series. A label that the rule has and the alert has not, since its text
/// came out empty, stands there as it is written: so does Prometheus (`AlertingRule.sample`).
fn alert_labels(def: &Definition, alert: &Labels, metric: &str, state: Option<&str>) -> Labels {
    let mut labels = alert.to_builder();
    for (name, text) in &def.rule.labels {
        if alert.get(name).is_empty() {
            labels.set(name, text.source());
        }
    }
    labels.set(METRIC_NAME, metric);
    labels.set(ALERT_NAME, &def.rule.alert);
    if let Some(state) = state {
        labels.set("alertstate", state);
    }
    labels.build()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds since the epoch fit into 53 bits"
)]
fn whole_seconds(at: Timestamp) -> f64 {
    at.millis().div_euclid(1000) as f64
}
