//! Answers for many slots at once: a range query over a block of time for each rule, in the order
//! in which rules run, with what recording rules are going to write laid over the series. A slot's
//! query is answered from there.
//!
//! It only answers: phases, samples and errors come from the engine, slot by slot, as without
//! blocks. A rule whose answers may depend on more than the series and on recorded ones that are
//! known is asked slot by slot: one that reads alerts, itself, or what a later rule writes; that
//! looks ahead; or that means something else over a range. So is, within one block, a rule whose
//! range query fails, and a rule that records what the engine will refuse.

use std::collections::BTreeMap;
use std::sync::Arc;

use stentor_lang::model::histogram::Histogram;
use stentor_lang::model::{Duration, LabelSet, Labels, Shape, Timestamp};
use stentor_lang::promql::Expr;
use stentor_lang::promql::ast::{DurationValue, VectorSelector};
use stentor_lang::promql::eval::{self, EvalOptions, RangeSeries, Value};
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::store::{SampleBuffer, stale};

use super::overlay::Overlay;
use crate::engine::{AnswerData, Engine, Reads, RulePlace, Schedule, recorded_labels};
use crate::rulefile::{Rule, RuleGroup};

/// The most slots of a group in a block: enough that what a query costs by itself does not count.
const MAX_SLOTS: i64 = 512;
/// Values that an operator may hold for a block: 32 MB.
const MAX_VALUES: usize = 4_000_000;
/// Values that the answers of all rules may hold for a block; with more, the next block is shorter.
const MAX_ANSWERS: usize = 2_000_000;

/// The blocks of a run.
#[derive(Debug)]
pub(super) struct Blocks {
    groups: Vec<BlockGroup>,
    /// The most slots of the next block.
    slots: i64,
    /// Up to when the present block reaches.
    until: Option<Timestamp>,
}

#[derive(Debug)]
struct BlockGroup {
    def: Arc<RuleGroup>,
    schedule: Schedule,
    offset: Duration,
    rules: Vec<BlockRule>,
}

#[derive(Debug)]
struct BlockRule {
    /// The rules whose samples it reads, if it can be answered by blocks.
    reads: Option<Vec<RulePlace>>,
    answers: Option<Answers>,
}

/// The answers to a rule's queries at regular instants.
#[derive(Debug)]
struct Answers {
    first: Timestamp,
    step: Duration,
    shapes: Vec<Arc<Shape>>,
    /// For each instant its shape, and where its values begin.
    slots: Vec<(usize, usize)>,
    values: Vec<f64>,
    histograms: BTreeMap<usize, Arc<Histogram>>,
}

impl Blocks {
    /// For groups in the order in which they run at one instant, with their slots and query offsets.
    pub(super) fn new(groups: Vec<(Arc<RuleGroup>, Schedule, Duration)>) -> Self {
        let mut writers: BTreeMap<&str, Vec<RulePlace>> = BTreeMap::new();
        for (group, (def, ..)) in groups.iter().enumerate() {
            for (rule, recording) in def.rules.iter().enumerate() {
                if let Rule::Recording(recording) = recording {
                    let place = RulePlace { group, rule };
                    writers.entry(&recording.record).or_default().push(place);
                }
            }
        }
        let offsets: Vec<Duration> = groups.iter().map(|(.., offset)| *offset).collect();
        let rules = |group: usize, def: &RuleGroup| {
            let rules = def.rules.iter().enumerate();
            let rule = |(rule, written): (usize, &Rule)| BlockRule {
                reads: can_read(written, RulePlace { group, rule }, &writers, &offsets),
                answers: None,
            };
            rules.map(rule).collect()
        };
        let rules: Vec<Vec<BlockRule>> = groups
            .iter()
            .enumerate()
            .map(|(group, (def, ..))| rules(group, def))
            .collect();
        let groups = groups.into_iter().zip(rules);
        Self {
            groups: groups
                .map(|((def, schedule, offset), rules)| BlockGroup {
                    def,
                    schedule,
                    offset,
                    rules,
                })
                .collect(),
            slots: MAX_SLOTS,
            until: None,
        }
    }

    /// Makes the block that begins at `now`, if the present one has ended. All slots before must be
    /// done, and their samples in the store.
    pub(super) fn prepare(
        &mut self,
        engine: &Engine,
        store: &MemoryStore,
        options: &EvalOptions,
        now: Timestamp,
        end: Timestamp,
    ) {
        if self.until.is_some_and(|until| now <= until) {
            return;
        }
        let shortest = self
            .groups
            .iter()
            .map(|group| group.schedule.interval())
            .min();
        let Some(shortest) = shortest else { return };
        let most = i64::try_from(MAX_VALUES / store.len().max(1)).unwrap_or(i64::MAX);
        let slots = self.slots.min(most).max(1);
        let until = (now + shortest.times(slots - 1)).min(end.max(now));
        self.until = Some(until);
        let mut overlay = Overlay::new(store);
        let mut held = 0;
        for group in 0..self.groups.len() {
            for rule in 0..self.groups[group].rules.len() {
                let place = RulePlace { group, rule };
                let answers = if held < MAX_ANSWERS {
                    self.answers(place, engine, &mut overlay, options, now, until)
                } else {
                    None
                };
                held += answers.as_ref().map_or(0, |answers| answers.values.len());
                self.groups[group].rules[rule].answers = answers;
            }
        }
        if held >= MAX_ANSWERS {
            self.slots = (slots / 4).max(1);
        }
    }

    /// The answers of one rule, after those of all rules that it reads.
    fn answers(
        &self,
        place: RulePlace,
        engine: &Engine,
        overlay: &mut Overlay<'_>,
        options: &EvalOptions,
        now: Timestamp,
        until: Timestamp,
    ) -> Option<Answers> {
        let group = &self.groups[place.group];
        let reads = group.rules[place.rule].reads.as_ref()?;
        let known =
            |place: &RulePlace| self.groups[place.group].rules[place.rule].answers.is_some();
        if !reads.iter().all(known) {
            return None;
        }
        let before = now - Duration::from_millis(1);
        let (first, last) = (group.schedule.after(before), group.schedule.newest(until));
        if first > last {
            return None;
        }
        let (first, last) = (first - group.offset, last - group.offset);
        let step = group.schedule.interval();
        let rule = &group.def.rules[place.rule];
        let expr = rule.expr().parsed.as_ref()?;
        let Ok(answer) = eval::range(expr, overlay, first, last, step, options) else {
            return None;
        };
        let Value::Matrix(series) = answer.value else {
            return None;
        };
        let count = last.since(first).millis() / step.millis() + 1;
        let answers = Answers::new(&series, first, step, usize::try_from(count).ok()?);
        if let Rule::Recording(recording) = rule {
            let limit = group.def.limit;
            let fits = |shape: &Arc<Shape>| limit == 0 || shape.series.len() <= limit;
            if !answers.shapes.iter().all(fits) {
                return None;
            }
            let labels = |labels: &Labels| recorded_labels(recording, labels);
            let before = engine.last_written(place);
            let written = written(&series, labels, before, first, last, step)?;
            overlay.add(written).ok()?;
        }
        Some(answers)
    }

    /// The answer to a rule's query for an instant, if it is known.
    pub(super) fn answer(&self, place: RulePlace, at: Timestamp) -> Option<AnswerData> {
        self.groups[place.group].rules[place.rule]
            .answers
            .as_ref()?
            .at(at)
    }
}

impl Answers {
    fn new(series: &[RangeSeries], first: Timestamp, step: Duration, count: usize) -> Self {
        let mut next = vec![(0, 0); series.len()];
        let mut answers = Self {
            first,
            step,
            shapes: Vec::new(),
            slots: Vec::with_capacity(count),
            values: Vec::new(),
            histograms: BTreeMap::new(),
        };
        let mut shapes: BTreeMap<Vec<u32>, usize> = BTreeMap::new();
        let mut present: Vec<u32> = Vec::new();
        let mut last: Vec<u32> = Vec::new();
        let mut at = first;
        for _ in 0..count {
            present.clear();
            let begin = answers.values.len();
            for (index, (series, (float, histogram))) in (0..).zip(series.iter().zip(&mut next)) {
                if let Some(sample) = series.floats.get(*float).filter(|s| s.at == at) {
                    *float += 1;
                    answers.values.push(sample.value);
                    present.push(index);
                } else if let Some((_, value)) =
                    series.histograms.get(*histogram).filter(|(t, _)| *t == at)
                {
                    *histogram += 1;
                    let place = answers.values.len();
                    answers.histograms.insert(place, Arc::clone(value));
                    answers.values.push(0.0);
                    present.push(index);
                }
            }
            let shape = match answers.slots.last() {
                Some((shape, _)) if last == present => *shape,
                _ => *shapes.entry(present.clone()).or_insert_with(|| {
                    let labels = |index: &u32| series[*index as usize].labels.clone();
                    answers.shapes.push(Arc::new(Shape {
                        series: present.iter().map(labels).collect(),
                    }));
                    answers.shapes.len() - 1
                }),
            };
            answers.slots.push((shape, begin));
            std::mem::swap(&mut last, &mut present);
            at += step;
        }
        answers
    }

    fn at(&self, at: Timestamp) -> Option<AnswerData> {
        let since = at.since(self.first).millis();
        if since < 0 || since % self.step.millis() != 0 {
            return None;
        }
        let slot = usize::try_from(since / self.step.millis()).ok()?;
        let (shape, begin) = *self.slots.get(slot)?;
        let shape = &self.shapes[shape];
        let end = begin + shape.series.len();
        let histograms = if self.histograms.range(begin..end).next().is_some() {
            (begin..end)
                .map(|index| self.histograms.get(&index).cloned())
                .collect()
        } else {
            Vec::new()
        };
        Some(AnswerData::Vector {
            shape: Arc::clone(shape),
            values: self.values[begin..end].to_vec(),
            histograms,
        })
    }
}

/// The series that a recording rule is going to write, with the marks that end them; none where two
/// results become one series, which the engine will refuse.
fn written(
    series: &[RangeSeries],
    labels: impl Fn(&Labels) -> Labels,
    before: Option<&Arc<Shape>>,
    first: Timestamp,
    last: Timestamp,
    step: Duration,
) -> Option<Vec<(Labels, SampleBuffer)>> {
    let mut all = Vec::with_capacity(series.len());
    let mut seen = LabelSet::default();
    let mut open: LabelSet = before
        .map(|shape| shape.series.iter().cloned().collect())
        .unwrap_or_default();
    for series in series {
        let labels = labels(&series.labels);
        if !seen.insert(labels.clone()) {
            return None;
        }
        let was_there = open.swap_remove(&labels);
        let samples = with_ends(series, was_there, first, last, step);
        all.push((labels, samples));
    }
    for labels in open {
        let mut samples = SampleBuffer::default();
        samples.times.push(first.millis());
        samples.values.push(stale());
        all.push((labels, samples));
    }
    Some(all)
}

/// The samples of a series with a mark wherever it is missing for the first time.
fn with_ends(
    series: &RangeSeries,
    was_there: bool,
    first: Timestamp,
    last: Timestamp,
    step: Duration,
) -> SampleBuffer {
    let mut samples = SampleBuffer::default();
    let mut floats = series.floats.iter().peekable();
    let mut histograms = series.histograms.iter().peekable();
    let mut there = was_there;
    let mut at = first;
    while at <= last {
        let (value, histogram) = if let Some(sample) = floats.next_if(|s| s.at == at) {
            (Some(sample.value), None)
        } else if let Some((_, histogram)) = histograms.next_if(|(t, _)| *t == at) {
            (Some(0.0), Some(Arc::clone(histogram)))
        } else {
            (there.then(stale), None)
        };
        there = value.is_some_and(|value| !stentor_lang::promql::store::is_stale(value));
        if let Some(value) = value {
            samples.times.push(at.millis());
            samples.values.push(value);
            if histogram.is_some() || !samples.histograms.is_empty() {
                samples.histograms.resize(samples.times.len() - 1, None);
                samples.histograms.push(histogram);
            }
        }
        at += step;
    }
    samples
}

/// The rules whose samples a rule reads, if its answers over a range are those at each instant.
fn can_read(
    rule: &Rule,
    place: RulePlace,
    writers: &BTreeMap<&str, Vec<RulePlace>>,
    offsets: &[Duration],
) -> Option<Vec<RulePlace>> {
    let expr = rule.expr().parsed.as_ref()?;
    if expr.depends_on_range() || looks_ahead(expr) {
        return None;
    }
    let Reads::Of(reads) = Reads::of(rule) else {
        return None;
    };
    let mut found = Vec::new();
    for read in &reads {
        if read.is_of_alerts() {
            return None;
        }
        for writer in writers.get(read.name()).into_iter().flatten() {
            // What is written later in a slot, or with samples newer than those that are read, is not
            // there yet when the rule reads.
            if *writer >= place || offsets[place.group] < offsets[writer.group] {
                return None;
            }
            found.push(*writer);
        }
    }
    Some(found)
}

/// Whether it may read samples that are newer than the instant that it is asked for: in virtual time
/// these have not come yet.
fn looks_ahead(expr: &Expr) -> bool {
    let backwards = |offset: &Option<DurationValue>| match offset {
        None => true,
        Some(DurationValue::Literal { value, .. }) => *value >= Duration::ZERO,
        Some(DurationValue::Expr(_)) => false,
    };
    let ahead = |selector: &VectorSelector| {
        selector.fixed.is_some() || selector.extended.is_some() || !backwards(&selector.offset)
    };
    let mut found = false;
    expr.walk(&mut |node| {
        found |= match node {
            Expr::Vector(selector) => ahead(selector),
            Expr::Matrix(matrix) => ahead(&matrix.selector),
            Expr::Subquery(subquery) => subquery.fixed.is_some() || !backwards(&subquery.offset),
            _ => false,
        };
    });
    found
}
