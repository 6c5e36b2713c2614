//! Sums and means of histograms, and what happens where numbers stand among them.

use std::sync::Arc;

use super::super::annotation::Severity;
use super::super::column::{Column, Series};
use super::fold::Context;
use crate::model::histogram::{Histogram, HistogramError, Merged, ResetHint};
use crate::model::labels::quote;
use crate::model::{Labels, METRIC_NAME};
use crate::promql::store::{is_stale, stale};

/// What is made of the histograms of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    Sum,
    Mean,
}

/// The histograms of a group at each step; empty where it has none at all.
#[derive(Default)]
pub(super) struct Cells(Vec<Option<Box<Cell>>>);

/// The histograms of a group at one step.
struct Cell {
    /// The sum, or the running mean; none where a number came first, which spoils the result.
    value: Option<Histogram>,
    /// What rounding lost.
    lost: Option<Histogram>,
    count: f64,
    /// The sum would be infinite, so the mean is kept instead.
    running: bool,
    /// Exponential and custom buckets met, which spoils the result.
    incompatible: bool,
    hints: Hints,
}

/// What the histograms say of resets before them.
#[derive(Default)]
struct Hints {
    reset: bool,
    not_reset: bool,
}

impl Cells {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether nothing that comes can make a result at a step.
    pub(super) fn is_spoiled(&self, step: usize) -> bool {
        matches!(self.0.get(step), Some(Some(cell)) if cell.incompatible)
    }

    /// Takes in the histograms of a series. `sums` are those of the numbers so far: absent where there are
    /// none.
    pub(super) fn add_all(
        &mut self,
        sums: &[f64],
        series: &Series,
        goal: Goal,
        context: &Context<'_>,
    ) {
        let histograms = series.column.histograms.iter().enumerate();
        for (step, histogram) in histograms {
            let Some(histogram) = histogram else {
                continue;
            };
            self.0.resize_with(sums.len(), || None);
            match &mut self.0[step] {
                Some(cell) => cell.take(histogram, goal, context, &series.labels),
                cell => {
                    let value = is_stale(sums[step]).then(|| Histogram::clone(histogram));
                    *cell = Some(Box::new(Cell::new(value)));
                }
            }
        }
    }

    /// The results, given those of the numbers.
    pub(super) fn finish(self, floats: Vec<f64>, goal: Goal, context: &Context<'_>) -> Column {
        let mut column = Column {
            floats,
            histograms: Vec::new(),
        };
        for (step, cell) in self.0.into_iter().enumerate() {
            let Some(cell) = cell else {
                continue;
            };
            if !is_stale(column.floats[step]) {
                context.note(
                    Severity::Warning,
                    "encountered a mix of histograms and floats for aggregation",
                );
                column.floats[step] = stale();
            } else if !cell.incompatible {
                if cell.hints.reset && cell.hints.not_reset {
                    context.note(
                        Severity::Warning,
                        "conflicting counter resets during histogram aggregation",
                    );
                }
                if let Some(histogram) = cell.finish(goal) {
                    column.set_histogram(step, Arc::new(histogram));
                }
            }
        }
        column
    }
}

impl Cell {
    fn new(value: Option<Histogram>) -> Self {
        let mut cell = Self {
            value: None,
            lost: None,
            count: 1.0,
            running: false,
            incompatible: false,
            hints: Hints::default(),
        };
        if let Some(value) = &value {
            cell.look_at(value);
        }
        cell.value = value;
        cell
    }

    fn look_at(&mut self, histogram: &Histogram) {
        self.hints.reset |= histogram.reset_hint == ResetHint::Reset;
        self.hints.not_reset |= histogram.reset_hint == ResetHint::NotReset;
    }

    fn take(&mut self, histogram: &Histogram, goal: Goal, context: &Context<'_>, labels: &Labels) {
        if self.incompatible || self.value.is_none() {
            return;
        }
        self.look_at(histogram);
        match self.add(histogram, goal) {
            Ok(merged) if merged.bounds_reconciled => {
                let message = "mismatched custom buckets were reconciled during aggregation";
                context.note(Severity::Info, message);
            }
            Ok(_) => {}
            Err(error) => {
                if error == HistogramError::IncompatibleSchemas {
                    let name = quote(labels.get(METRIC_NAME));
                    let message = format!(
                        "vector contains a mix of histograms with exponential and custom buckets schemas \
                         for metric name {name}"
                    );
                    context.note(Severity::Warning, message);
                }
                self.incompatible = true;
            }
        }
    }

    fn add(&mut self, histogram: &Histogram, goal: Goal) -> Result<Merged, HistogramError> {
        let Some(value) = &mut self.value else {
            return Ok(Merged::default());
        };
        if goal == Goal::Sum {
            return value.kahan_add(histogram, &mut self.lost);
        }
        self.count += 1.0;
        if !self.running {
            let mut sum = value.clone();
            let mut lost = self.lost.clone();
            let merged = sum.kahan_add(histogram, &mut lost)?;
            if !sum.has_overflow() {
                self.value = Some(sum);
                self.lost = lost;
                return Ok(merged);
            }
            self.running = true;
            value.div(self.count - 1.0);
            if let Some(lost) = &mut self.lost {
                lost.div(self.count - 1.0);
            }
        }
        let before = (self.count - 1.0) / self.count;
        if let Some(lost) = &mut self.lost {
            lost.mul(before);
        }
        value.mul(before);
        let mut part = histogram.clone();
        part.div(self.count);
        value.kahan_add(&part, &mut self.lost)
    }

    fn finish(self, goal: Goal) -> Option<Histogram> {
        let mut value = self.value?;
        let mut lost = self.lost;
        if goal == Goal::Mean && !self.running {
            value.div(self.count);
            if let Some(lost) = &mut lost {
                lost.div(self.count);
            }
        }
        if let Some(lost) = &lost {
            // The two have been added before, so they go together.
            let _ = value.add(lost);
        }
        value.compact(0);
        Some(value)
    }
}
