//! `topk` and `bottomk`: the series with the greatest or smallest numbers of each group at each step.
//!
//! Each group and step has a heap of the best so far, with the worst of them on top, as upstream has it, so
//! that of equal numbers the same ones stay. The heaps of a group lie level by level: the tops of all steps
//! are one run of memory, and most series only pass over that.

use std::cmp::Ordering;

use super::super::EvalError;
use super::super::annotation::Severity;
use super::super::column::{Column, Rows, Series};
use super::super::evaluator::Evaluator;
use super::{Grouping, Parameter};
use crate::model::{LabelMap, Labels, Span};
use crate::promql::ast::{Aggregate, AggregateOp};
use crate::promql::store::{is_stale, stale};

pub(super) fn rows<'e>(ev: Evaluator<'e>, aggregate: &'e Aggregate) -> Result<Rows<'e>, EvalError> {
    let Some(limits) = Parameter::of(&ev, aggregate)?.counts(aggregate)? else {
        return Ok(Box::new(std::iter::empty()));
    };
    if aggregate.op == AggregateOp::TopK {
        rank::<false>(ev, aggregate, &limits)
    } else {
        rank::<true>(ev, aggregate, &limits)
    }
}

/// Steps that are looked at together.
const CHUNK: usize = 64;

/// A series that is among the best at some step, or was.
struct Candidate {
    labels: Labels,
    drop_name: bool,
}

fn rank<'e, const LEAST: bool>(
    ev: Evaluator<'e>,
    aggregate: &Aggregate,
    limits: &[usize],
) -> Result<Rows<'e>, EvalError> {
    let grouping = Grouping::of(aggregate);
    let mut groups: LabelMap<Heaps<LEAST>> = LabelMap::default();
    let mut candidates = Vec::new();
    let mut ignored = false;
    let mut held = 0;
    for series in ev.rows(&aggregate.expr)? {
        let mut series = series?;
        ev.settle(&mut series);
        ignored |= series.column.histograms.iter().any(Option::is_some);
        let group = groups.entry(grouping.group(&series.labels));
        let heaps = group.or_insert_with(|| Heaps::new(limits));
        let levels = heaps.levels.len();
        if heaps.offer(&series.column.floats, candidates.len(), limits) {
            candidates.push(Candidate {
                labels: series.labels,
                drop_name: series.drop_name,
            });
            held += heaps.levels.len() - levels;
            ev.check_held(held.saturating_mul(ev.steps.count), aggregate.at.0)?;
        }
    }
    if ignored {
        let message = format!("ignored histogram in {} aggregation", aggregate.op.as_str());
        ev.shared.note(Severity::Info, message, aggregate.at.0);
    }
    let found = results(groups, candidates, &ev, aggregate.at.0)?;
    Ok(Box::new(found.into_iter().map(Ok)))
}

/// The best series with their numbers at the steps at which they are among the best. Groups come in order,
/// and in an instant query the best series of a group comes first.
fn results<const LEAST: bool>(
    groups: LabelMap<Heaps<LEAST>>,
    candidates: Vec<Candidate>,
    ev: &Evaluator<'_>,
    span: Span,
) -> Result<Vec<Series>, EvalError> {
    let steps = ev.steps.count;
    let mut found: indexmap::IndexMap<usize, Column, foldhash::fast::RandomState> =
        indexmap::IndexMap::default();
    for heaps in groups.into_values() {
        for step in 0..steps {
            for entry in heaps.sorted(step) {
                let column = found
                    .entry(entry.series)
                    .or_insert_with(|| Column::absent(steps));
                column.floats[step] = entry.value;
            }
            ev.check_held(found.len().saturating_mul(steps), span)?;
        }
    }
    let mut candidates: Vec<_> = candidates.into_iter().map(Some).collect();
    let results = found.into_iter().map(|(series, column)| {
        let candidate = candidates[series]
            .take()
            .expect("invariant: each is found once");
        Series {
            labels: candidate.labels,
            drop_name: candidate.drop_name,
            column,
        }
    });
    Ok(results.collect())
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    value: f64,
    series: usize,
}

/// The heaps of a group. `LEAST`: the smallest numbers are the best.
struct Heaps<const LEAST: bool> {
    /// `levels[i][step]` is the entry `i` of the heap of a step.
    levels: Vec<Vec<Entry>>,
    lengths: Vec<usize>,
    /// What a number has to be better than, by step; NaN where anything may be taken. Most series are done
    /// with after a look at these.
    tops: Vec<f64>,
}

impl<const LEAST: bool> Heaps<LEAST> {
    fn new(limits: &[usize]) -> Self {
        let best = if LEAST {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        };
        let tops = limits
            .iter()
            .map(|limit| if *limit > 0 { f64::NAN } else { best });
        Self {
            levels: Vec::new(),
            lengths: vec![0; limits.len()],
            tops: tops.collect(),
        }
    }

    /// Takes the numbers of a series where they are among the best: whether any is.
    fn offer(&mut self, values: &[f64], series: usize, limits: &[usize]) -> bool {
        let mut taken = false;
        for (chunk, values) in values.chunks(CHUNK).enumerate() {
            let first = chunk * CHUNK;
            if may_take::<LEAST>(values, &self.tops[first..]) {
                for (offset, &value) in values.iter().enumerate() {
                    let step = first + offset;
                    taken |= self.offer_one(step, Entry { value, series }, limits[step]);
                }
            }
        }
        taken
    }

    fn offer_one(&mut self, step: usize, entry: Entry, limit: usize) -> bool {
        if is_stale(entry.value) {
            return false;
        }
        if self.lengths[step] < limit {
            self.push(step, entry);
        } else if limit > 0 && is_better::<LEAST>(entry.value, self.levels[0][step].value) {
            self.levels[0][step] = entry;
            self.sink(step);
        } else {
            return false;
        }
        if self.lengths[step] == limit {
            self.tops[step] = self.levels[0][step].value;
        }
        true
    }

    fn push(&mut self, step: usize, entry: Entry) {
        let mut at = self.lengths[step];
        if self.levels.len() == at {
            let none = Entry {
                value: stale(),
                series: 0,
            };
            self.levels.push(vec![none; self.lengths.len()]);
        }
        self.levels[at][step] = entry;
        self.lengths[step] += 1;
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.is_above(step, at, parent) {
                break;
            }
            self.swap(step, at, parent);
            at = parent;
        }
    }

    /// Moves the top to where it belongs.
    fn sink(&mut self, step: usize) {
        let length = self.lengths[step];
        let mut at = 0;
        loop {
            let left = 2 * at + 1;
            if left >= length {
                return;
            }
            let right = left + 1;
            let child = if right < length && self.is_above(step, right, left) {
                right
            } else {
                left
            };
            if !self.is_above(step, child, at) {
                return;
            }
            self.swap(step, child, at);
            at = child;
        }
    }

    /// Whether an entry belongs above another: NaN before everything, then the worse number.
    fn is_above(&self, step: usize, a: usize, b: usize) -> bool {
        is_worse::<LEAST>(self.levels[a][step].value, self.levels[b][step].value)
    }

    fn swap(&mut self, step: usize, a: usize, b: usize) {
        let entry = self.levels[a][step];
        self.levels[a][step] = self.levels[b][step];
        self.levels[b][step] = entry;
    }

    /// The entries of a step, the best first.
    fn sorted(&self, step: usize) -> Vec<Entry> {
        let levels = &self.levels[..self.lengths[step]];
        let mut entries: Vec<_> = levels.iter().map(|level| level[step]).collect();
        entries.sort_by(|a, b| {
            let (first, second) = if LEAST { (a, b) } else { (b, a) };
            let by_value = first.value.partial_cmp(&second.value);
            let by_nan = a.value.is_nan().cmp(&b.value.is_nan());
            by_nan.then(by_value.unwrap_or(Ordering::Equal))
        });
        entries
    }
}

/// Whether any number may be taken, given the tops. Without branches, so that several are compared at once.
fn may_take<const LEAST: bool>(values: &[f64], tops: &[f64]) -> bool {
    let pairs = values.iter().zip(tops);
    pairs.fold(false, |any, (value, top)| {
        let better = if LEAST { top > value } else { top < value };
        any | better | (top.is_nan() & !is_stale(*value))
    })
}

fn is_worse<const LEAST: bool>(a: f64, b: f64) -> bool {
    a.is_nan() || if LEAST { a > b } else { a < b }
}

fn is_better<const LEAST: bool>(value: f64, top: f64) -> bool {
    let better = if LEAST { top > value } else { top < value };
    better || (top.is_nan() && !value.is_nan())
}
