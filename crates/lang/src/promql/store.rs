//! Where the evaluator gets its samples from.
//!
//! A store answers selectors and hands out the samples of one series at a time. It never evaluates,
//! and it never filters staleness markers: these are samples to it.

use std::sync::Arc;

use crate::model::histogram::Histogram;
use crate::model::{Labels, Timestamp};
use crate::regex::LabelMatcher;

/// The bits of the value that ends a series: a NaN that no computation makes (Prometheus'
/// `value.StaleNaN`).
pub const STALE: u64 = 0x7ff0_0000_0000_0002;

/// The staleness marker as a value.
pub const fn stale() -> f64 {
    f64::from_bits(STALE)
}

/// Whether a value is the staleness marker.
pub const fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE
}

/// Series with their samples. Stores are read by several threads at once.
pub trait SeriesStore: Sync {
    /// The series that satisfy all matchers, sorted by labels. Their samples, if any, are between
    /// `from` and `to`, both included: a store may leave out series without samples there.
    fn select(
        &self,
        matchers: &[LabelMatcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<StoredSeries>;

    /// The samples of a series from `select` with `from` <= time <= `to`, in order of time. They are
    /// borrowed from the store where it holds them plainly, else put into `buffer`.
    fn samples<'a>(
        &'a self,
        series: SeriesId,
        from: Timestamp,
        to: Timestamp,
        buffer: &'a mut SampleBuffer,
    ) -> Samples<'a>;
}

/// Which series of a store; it means nothing to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u64);

/// A series as `select` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSeries {
    /// Its labels, metric name included.
    pub labels: Labels,
    /// By which its samples are asked for.
    pub id: SeriesId,
}

/// Samples of one series, column by column.
#[derive(Debug, Clone, Copy, Default)]
pub struct Samples<'a> {
    /// Milliseconds since the epoch, strictly rising.
    pub times: &'a [i64],
    /// The values; meaningless where there is a histogram.
    pub values: &'a [f64],
    /// The histograms; empty where the whole series has none, else as long as `times`.
    pub histograms: &'a [Option<Arc<Histogram>>],
    /// Start timestamps in milliseconds, 0 for unknown; empty where the whole series has none, else
    /// as long as `times`.
    pub starts: &'a [i64],
}

/// Samples that are owned: what a store decodes into, and where ranges are put together.
#[derive(Debug, Clone, Default)]
pub struct SampleBuffer {
    /// See [`Samples::times`].
    pub times: Vec<i64>,
    /// See [`Samples::values`].
    pub values: Vec<f64>,
    /// See [`Samples::histograms`].
    pub histograms: Vec<Option<Arc<Histogram>>>,
    /// See [`Samples::starts`].
    pub starts: Vec<i64>,
}

impl SampleBuffer {
    /// Forgets the samples and keeps the memory.
    pub fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
        self.histograms.clear();
        self.starts.clear();
    }

    /// The samples in order of time, one for each time: the last that came.
    #[must_use]
    pub fn in_order(self) -> Self {
        if self.times.windows(2).all(|pair| pair[0] < pair[1]) {
            return self;
        }
        let times = &self.times;
        let mut order: Vec<usize> = (0..times.len()).collect();
        order.sort_by_key(|&index| times[index]);
        let mut kept: Vec<usize> = Vec::with_capacity(order.len());
        for index in order {
            match kept.last_mut() {
                Some(last) if times[*last] == times[index] => *last = index,
                _ => kept.push(index),
            }
        }
        let pick = |column: &[i64]| {
            kept.iter()
                .filter_map(|&i| column.get(i).copied())
                .collect()
        };
        Self {
            times: pick(times),
            values: kept.iter().map(|&i| self.values[i]).collect(),
            histograms: kept
                .iter()
                .filter_map(|&i| self.histograms.get(i).cloned())
                .collect(),
            starts: pick(&self.starts),
        }
    }

    /// Adds samples that come after or between those that are there; of two at the same time the new one
    /// stays.
    pub fn merge(&mut self, mut new: Self) {
        if !self.histograms.is_empty() || !new.histograms.is_empty() {
            self.histograms.resize(self.times.len(), None);
            new.histograms.resize(new.times.len(), None);
        }
        if !self.starts.is_empty() || !new.starts.is_empty() {
            self.starts.resize(self.times.len(), 0);
            new.starts.resize(new.times.len(), 0);
        }
        self.times.append(&mut new.times);
        self.values.append(&mut new.values);
        self.histograms.append(&mut new.histograms);
        self.starts.append(&mut new.starts);
        *self = std::mem::take(self).in_order();
    }

    /// The samples in it.
    pub fn as_samples(&self) -> Samples<'_> {
        Samples {
            times: &self.times,
            values: &self.values,
            histograms: &self.histograms,
            starts: &self.starts,
        }
    }
}

impl<'a> Samples<'a> {
    /// How many.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Those from one index up to another.
    #[must_use]
    pub fn slice(&self, from: usize, to: usize) -> Self {
        let part = from..to;
        Self {
            times: &self.times[part.clone()],
            values: &self.values[part.clone()],
            histograms: if self.histograms.is_empty() {
                &[]
            } else {
                &self.histograms[part.clone()]
            },
            starts: if self.starts.is_empty() {
                &[]
            } else {
                &self.starts[part]
            },
        }
    }

    /// The histogram at an index, if that sample is one.
    pub fn histogram(&self, index: usize) -> Option<&'a Arc<Histogram>> {
        self.histograms.get(index)?.as_ref()
    }
}
