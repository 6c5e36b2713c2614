//! Values of series over the steps of a query: what nodes hand to each other.

use std::sync::Arc;

use super::EvalError;
use crate::model::histogram::Histogram;
use crate::model::{Duration, Labels, Timestamp};
use crate::promql::store::{STALE, is_stale, stale};

/// The instants at which an expression is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steps {
    /// The first one.
    pub start: Timestamp,
    /// From each to the next.
    pub step: Duration,
    /// How many; at least one, except in a subquery whose range holds none.
    pub count: usize,
}

impl Steps {
    /// Only one.
    pub(super) fn one(at: Timestamp) -> Self {
        Self {
            start: at,
            step: Duration::from_millis(1),
            count: 1,
        }
    }

    /// From `start` to `end`, the latter included where a step falls on it.
    pub(super) fn over(start: Timestamp, end: Timestamp, step: Duration) -> Self {
        let length = end.millis().saturating_sub(start.millis());
        let count = if length < 0 {
            0
        } else {
            length / step.millis() + 1
        };
        Self {
            start,
            step,
            count: usize::try_from(count).expect("invariant: not negative"),
        }
    }

    /// The time of a step.
    pub(super) fn at(&self, index: usize) -> i64 {
        let index = i64::try_from(index).expect("invariant: a count of steps");
        self.start.millis() + index * self.step.millis()
    }

    /// The last one; the first if there are none.
    pub(super) fn end(&self) -> i64 {
        self.at(self.count.saturating_sub(1))
    }
}

/// One value, or none, for each step.
///
/// The staleness marker stands for "no value": no series has it as a value, and no computation makes it.
#[derive(Debug, Clone, Default)]
pub(super) struct Column {
    /// The number at each step; [`STALE`] where there is none, or a histogram.
    pub floats: Vec<f64>,
    /// The histogram at each step; empty where the whole column has none.
    pub histograms: Vec<Option<Arc<Histogram>>>,
}

impl Column {
    /// No value at any of `count` steps.
    pub(super) fn absent(count: usize) -> Self {
        Self {
            floats: vec![stale(); count],
            histograms: Vec::new(),
        }
    }

    /// The histogram at a step.
    pub(super) fn histogram(&self, index: usize) -> Option<&Arc<Histogram>> {
        self.histograms.get(index)?.as_ref()
    }

    /// Whether there is a value at a step.
    pub(super) fn is_present(&self, index: usize) -> bool {
        !is_stale(self.floats[index]) || self.histogram(index).is_some()
    }

    /// Whether there is no value at any step.
    pub(super) fn is_empty(&self) -> bool {
        self.floats.iter().all(|v| v.to_bits() == STALE)
            && self.histograms.iter().all(Option::is_none)
    }

    /// Takes the value at a step away.
    pub(super) fn clear(&mut self, index: usize) {
        self.set_float(index, stale());
    }

    /// Sets the number at a step.
    pub(super) fn set_float(&mut self, index: usize, value: f64) {
        self.floats[index] = value;
        if let Some(histogram) = self.histograms.get_mut(index) {
            *histogram = None;
        }
    }

    /// Sets the histogram at a step.
    pub(super) fn set_histogram(&mut self, index: usize, histogram: Arc<Histogram>) {
        if self.histograms.is_empty() {
            self.histograms.resize(self.floats.len(), None);
        }
        self.floats[index] = stale();
        self.histograms[index] = Some(histogram);
    }
}

/// A series with its values at all steps.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// Its labels, with the metric name where that is not dropped yet.
    pub labels: Labels,
    /// Whether the metric name is to be dropped: done where somebody looks at the labels (see
    /// `Evaluator::settle`), since most series of an alert's expression are filtered out before.
    pub drop_name: bool,
    /// Its values.
    pub column: Column,
}

/// Series, one after the other, each computed when it is asked for.
pub(super) type Rows<'a> = Box<dyn Iterator<Item = Result<Series, EvalError>> + 'a>;
