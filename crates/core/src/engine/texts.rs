//! Texts of alerts: labels and annotations from their templates, and the queries that templates
//! ask. Nothing waits for these: a notification whose texts need answers is started when they are
//! there, or with the words that say what was missing when their time is up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stentor_lang::model::{ALERT_NAME, Duration, Labels, METRIC_NAME, Shape, Timestamp};
use stentor_lang::template::{AlertData, Expansion, QueryAnswers, Template};

use super::evaluate::Source;
use super::group::Asked;
use super::io::{Action, Answer, AnswerData, EvalId, Query, QueryError, QueryTime};
use super::rules::{Definition, RuleNo};
use super::{Engine, MAX_QUERY_TIME};
use crate::alert::{Instance, RuleState};
use crate::notify::{self, AlertNo, JobNo, Notify, Ready};
use crate::receiver::Annotations;

/// How often the queries of one text may depend on the answers of earlier ones.
pub(super) const MAX_QUERY_ROUNDS: u32 = 4;
/// Queries that the texts of one notification, or the labels of one rule in one slot, may ask in a
/// round: more is a template that asks for each alert, and would flood the data source.
pub(super) const MAX_TEXT_QUERIES: usize = 100;

/// Instants whose answers are kept while some notification always waits; those that none needs go
/// then.
const MAX_KEPT_INSTANTS: usize = 1000;

/// The answers that templates of one instant have so far.
#[derive(Debug, Clone, Default)]
pub(super) struct TextAnswers {
    answers: QueryAnswers,
}

impl TextAnswers {
    /// Keeps an answer, or the words for its failure.
    pub(super) fn set(&mut self, expr: String, answer: Result<Answer, QueryError>) {
        let answer = match answer {
            Ok(Answer {
                data: AnswerData::Vector { shape, values, .. },
                ..
            }) => Ok(shape.series.iter().cloned().zip(values).collect()),
            Ok(Answer {
                data: AnswerData::Matrix(_),
                ..
            }) => Err("the data source answered with a range vector".to_owned()),
            Err(error) => Err(error.message),
        };
        self.answers.insert(expr, answer);
    }

    /// The queries that the labels of these results ask and that have no answer yet.
    pub(super) fn label_needs(
        &self,
        def: &Definition,
        shape: &Shape,
        values: &[f64],
        at: Timestamp,
    ) -> Vec<String> {
        let mut needs = BTreeSet::new();
        for (series, value) in shape.series.iter().zip(values) {
            for (_, template) in &def.rule.labels {
                self.text(def, template, series, *value, at, &mut needs);
            }
        }
        needs.into_iter().take(MAX_TEXT_QUERIES).collect()
    }

    /// The labels of the alerts of an answer, index by index: those of the result without its
    /// name, then the rule's, then the alert's name (Prometheus' `AlertingRule.Eval`). Made anew
    /// only where the answer has a new shape or a label's text depends on more than labels.
    pub(super) fn labels(
        &self,
        def: &Definition,
        state: &RuleState,
        shape: &Arc<Shape>,
        values: &[f64],
        at: Timestamp,
    ) -> Arc<[Labels]> {
        let changes = def.labels_use_value();
        let old = state.shape();
        if !changes && old.is_some_and(|old| Arc::ptr_eq(old, shape)) {
            return Arc::clone(state.shape_labels());
        }
        let old = old.map_or(&[][..], |old| &old.series);
        let known = state.shape_labels();
        let mut next = 0;
        let mut made = Vec::with_capacity(shape.series.len());
        for (series, value) in shape.series.iter().zip(values) {
            // Answers come in the order of the last one, with a few series more or less.
            let ahead = old[next.min(old.len())..].iter().take(LOOK_AHEAD);
            let same = if changes {
                None
            } else {
                ahead.clone().position(|old| old == series)
            };
            made.push(match same {
                Some(skipped) => {
                    next += skipped + 1;
                    known[next - 1].clone()
                }
                None => self.alert_labels(def, series, *value, at),
            });
        }
        if made[..] == known[..] {
            Arc::clone(known)
        } else {
            made.into()
        }
    }

    fn alert_labels(&self, def: &Definition, series: &Labels, value: f64, at: Timestamp) -> Labels {
        let mut labels = series.to_builder();
        labels.set(METRIC_NAME, "");
        for (name, template) in &def.rule.labels {
            match template.plain() {
                Some(text) => labels.set(name, text),
                None => {
                    let needs = &mut BTreeSet::new();
                    labels.set(name, &self.text(def, template, series, value, at, needs))
                }
            };
        }
        labels.set(ALERT_NAME, &def.rule.alert);
        labels.build()
    }

    /// The annotations of an alert, and the queries that these still need; where they need some,
    /// the texts say so in the place of what is missing.
    pub(super) fn annotations(
        &self,
        def: &Definition,
        instance: &Instance,
        at: Timestamp,
    ) -> (Annotations, BTreeSet<String>) {
        let mut needs = BTreeSet::new();
        let mut texts = Vec::with_capacity(def.rule.annotations.len());
        for (name, template) in &def.rule.annotations {
            let text = self.text(
                def,
                template,
                &instance.series,
                instance.value,
                at,
                &mut needs,
            );
            texts.push((name.clone(), text));
        }
        (texts.into(), needs)
    }

    fn text(
        &self,
        def: &Definition,
        template: &Template,
        series: &Labels,
        value: f64,
        at: Timestamp,
        needs: &mut BTreeSet<String>,
    ) -> String {
        if let Some(text) = template.plain() {
            return text.to_owned();
        }
        let data = AlertData {
            labels: series,
            value,
            external_labels: &def.datasource.external_labels,
            external_url: &def.datasource.external_url,
            path_prefix: def
                .datasource
                .url_functions
                .then(|| path_of(&def.datasource.external_url)),
        };
        match template.expand(&data, at, &self.answers) {
            Ok(Expansion::Done(text)) => text,
            Ok(Expansion::Needs(queries)) => {
                let text = format!(
                    "<error expanding template: no answer to {}>",
                    queries.join(", ")
                );
                needs.extend(queries);
                text
            }
            Err(error) => error.placeholder(),
        }
    }
}

/// The path of a URL, without a slash at its end.
fn path_of(url: &str) -> &str {
    let behind = url.split_once("://").map_or("", |(_, rest)| rest);
    behind
        .find('/')
        .map_or("", |at| behind[at..].trim_end_matches('/'))
}

/// How many series of the last answer are looked at to find the one that a new answer has next.
const LOOK_AHEAD: usize = 8;

/// Notifications whose texts wait for answers.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// The answers by data source and instant.
    answers: BTreeMap<(Arc<str>, Timestamp), TextAnswers>,
    asked: BTreeMap<EvalId, TextKey>,
    waiting: BTreeMap<JobNo, Waiting>,
}

/// One query at one instant: asked once, for whatever needs it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct TextKey {
    datasource: Arc<str>,
    at: Timestamp,
    expr: String,
}

#[derive(Debug)]
struct Waiting {
    alerts: Vec<(AlertNo, Labels)>,
    open: BTreeSet<TextKey>,
    asked_for: Instants,
    round: u32,
    deadline: Timestamp,
}

/// For which slot the texts of each rule are asked: the newest one when a notification was handed
/// out. Slots that go by while it waits change nothing, or slow answers would never be of use.
type Instants = BTreeMap<RuleNo, Timestamp>;

impl Texts {
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.waiting.values().map(|waiting| waiting.deadline).min()
    }

    pub(super) fn clock_stepped(&mut self, by: Duration) {
        for waiting in self.waiting.values_mut() {
            waiting.deadline += by;
        }
    }
}

impl Engine {
    /// Starts the notifications that may go out now.
    pub(super) fn start_ready_jobs(&mut self, now: Timestamp) {
        let late: Vec<JobNo> = self
            .texts
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.deadline <= now)
            .map(|(job, _)| *job)
            .collect();
        for job in late {
            if let Some(mut waiting) = self.texts.waiting.remove(&job) {
                waiting.round = MAX_QUERY_ROUNDS;
                self.prepare(job, waiting, now);
            }
        }
        for Ready { job, alerts } in self.notify.ready(now) {
            // One that waits and is handed out again has changed meanwhile.
            self.texts.waiting.remove(&job);
            let waiting = Waiting {
                alerts,
                open: BTreeSet::new(),
                asked_for: Instants::new(),
                round: 0,
                deadline: now,
            };
            self.prepare(job, waiting, now);
        }
        if self.texts.waiting.is_empty() {
            self.texts.answers.clear();
            if !self.texts.asked.is_empty() {
                self.texts.asked.clear();
                self.forget_queries(|asked| *asked == Asked::Text);
            }
        } else if self.texts.answers.len() > MAX_KEPT_INSTANTS {
            let waiting = self.texts.waiting.values();
            let needed: BTreeSet<Timestamp> = waiting
                .flat_map(|waiting| waiting.asked_for.values().copied())
                .collect();
            self.texts.answers.retain(|(_, at), _| needed.contains(at));
        }
    }

    /// Starts a notification, or asks first what its texts need.
    fn prepare(&mut self, job: JobNo, mut waiting: Waiting, now: Timestamp) {
        let mut needs = BTreeSet::new();
        let mut told = Vec::new();
        let asked_for = &mut waiting.asked_for;
        let views: Vec<notify::AlertView> = waiting
            .alerts
            .iter()
            .map(|(_, labels)| self.view(labels, asked_for, &mut needs, &mut told))
            .collect();
        if needs.is_empty() || waiting.round >= MAX_QUERY_ROUNDS {
            for (source, annotations) in told {
                self.remember_told(source, annotations);
            }
            let start = |notify: &mut Notify, effects: &mut Vec<_>| {
                // A notification that was superseded meanwhile does not start; its successor is
                // handed out by itself.
                let _ = notify.start(job, views, now, effects);
            };
            self.with_notify(start, now);
            return;
        }
        waiting.open = needs.into_iter().take(MAX_TEXT_QUERIES).collect();
        waiting.deadline = now + MAX_QUERY_TIME;
        for key in &waiting.open {
            self.ask_text(key, waiting.deadline);
        }
        self.texts.waiting.insert(job, waiting);
    }

    fn ask_text(&mut self, key: &TextKey, deadline: Timestamp) {
        if self.texts.asked.values().any(|asked| asked == key) {
            return;
        }
        let eval = EvalId(self.next_eval);
        self.next_eval += 1;
        self.asked.insert(eval, Asked::Text);
        self.texts.asked.insert(eval, key.clone());
        self.out.push(Action::Query(Query {
            eval,
            datasource: Arc::clone(&key.datasource),
            expr: key.expr.as_str().into(),
            parsed: None,
            rule: None,
            time: QueryTime::Instant(key.at),
            deadline,
            known_shape: None,
        }));
    }

    pub(super) fn text_answered(
        &mut self,
        eval: EvalId,
        answer: Result<Answer, QueryError>,
        now: Timestamp,
    ) {
        let Some(key) = self.texts.asked.remove(&eval) else {
            return;
        };
        let place = (Arc::clone(&key.datasource), key.at);
        self.texts
            .answers
            .entry(place)
            .or_default()
            .set(key.expr.clone(), answer);
        let mut complete = Vec::new();
        for (job, waiting) in &mut self.texts.waiting {
            if waiting.open.remove(&key) && waiting.open.is_empty() {
                complete.push(*job);
            }
        }
        for job in complete {
            if let Some(mut waiting) = self.texts.waiting.remove(&job) {
                waiting.round += 1;
                self.prepare(job, waiting, now);
            }
        }
    }

    /// An alert as its notification shows it.
    fn view(
        &self,
        labels: &Labels,
        asked_for: &mut Instants,
        needs: &mut BTreeSet<TextKey>,
        told: &mut Vec<(Source, Annotations)>,
    ) -> notify::AlertView {
        if let Some(alert) = self.meta.by_labels(labels) {
            return notify::AlertView {
                annotations: Arc::clone(&alert.annotations),
                value: None,
                generator_url: Arc::from(""),
            };
        }
        let source = self
            .sources
            .get(labels)
            .map(|s| s.firing.first().copied().unwrap_or(s.last));
        let known = source.and_then(|source| {
            Some((
                source,
                self.rules.get(&source.rule)?,
                self.instance(source)?,
            ))
        });
        let Some((source, rule, instance)) = known else {
            return notify::AlertView {
                annotations: Arc::new([]),
                value: None,
                generator_url: Arc::from(""),
            };
        };
        let newest = || rule.last_evaluation.unwrap_or(instance.phase.since());
        let at = *asked_for.entry(source.rule).or_insert_with(newest);
        let datasource = &rule.def.datasource.name;
        let (annotations, open) = match self.texts.answers.get(&(Arc::clone(datasource), at)) {
            Some(answers) => answers.annotations(&rule.def, instance, at),
            None => TextAnswers::default().annotations(&rule.def, instance, at),
        };
        needs.extend(open.into_iter().map(|expr| TextKey {
            datasource: Arc::clone(datasource),
            at,
            expr,
        }));
        if rule.def.annotations_query() {
            told.push((source, Arc::clone(&annotations)));
        }
        notify::AlertView {
            annotations,
            value: Some(instance.value),
            generator_url: Arc::clone(&rule.generator_url),
        }
    }

    /// Keeps texts that took queries, for readers, who ask none.
    fn remember_told(&mut self, source: Source, annotations: Annotations) {
        if let Some(rule) = self.rules.get_mut(&source.rule) {
            Arc::make_mut(&mut rule.told).insert(source.instance, annotations);
        }
    }

    /// Forgets the texts of alerts that are gone.
    pub(super) fn forget_told(&mut self, no: RuleNo) {
        if let Some(rule) = self.rules.get_mut(&no)
            && !rule.told.is_empty()
        {
            let state = Arc::clone(&rule.state);
            Arc::make_mut(&mut rule.told).retain(|instance, _| state.get(*instance).is_some());
        }
    }
}
