//! Zero buckets of different widths.

use super::cells::Cell;
use super::{Buckets, Histogram};
use crate::model::number::kahan_add;

/// What the zero bucket would hold if it were wider.
struct Widened {
    count: f64,
    compensation: f64,
    threshold: f64,
}

impl Histogram {
    /// Widens the zero bucket until it holds those of both histograms and no populated bucket lies across
    /// its threshold in either. The result is what the other histogram's would hold, and its compensation.
    pub(super) fn reconcile_zero_buckets(
        &mut self,
        other: &Self,
        compensation: &mut Option<Self>,
    ) -> (f64, f64) {
        let mut theirs = Widened {
            count: other.zero_count,
            compensation: 0.0,
            threshold: other.zero_threshold,
        };
        loop {
            if self.zero_threshold > theirs.threshold {
                theirs = other.widened(self.zero_threshold, None);
            }
            if theirs.threshold > self.zero_threshold {
                let own = self.widened(theirs.threshold, compensation.as_ref());
                self.zero_count = own.count;
                self.zero_threshold = own.threshold;
                if let Some(c) = compensation {
                    c.zero_count = own.compensation;
                }
                self.drop_buckets_in_zero_bucket(compensation);
            }
            // Not `==`, which a threshold that is not a number never is.
            let larger = self.zero_threshold > theirs.threshold;
            if !larger {
                return (theirs.count, theirs.compensation);
            }
        }
    }

    /// What the zero bucket would hold with a larger threshold, and the threshold it then has.
    pub(super) fn zero_bucket_at(&self, threshold: f64) -> (f64, f64) {
        let widened = self.widened(threshold, None);
        (widened.count, widened.threshold)
    }

    /// What the zero bucket would hold with a larger threshold, which is moved to the far bound of a
    /// populated bucket that it falls into.
    fn widened(&self, threshold: f64, compensation: Option<&Self>) -> Widened {
        let mut widened = Widened {
            count: self.zero_count,
            compensation: compensation.map_or(0.0, |c| c.zero_count),
            threshold,
        };
        if threshold == self.zero_threshold {
            return widened;
        }
        let lost = |side: fn(&Self) -> &Buckets| compensation.map(|c| &*side(c).counts);
        loop {
            widened.count = self.zero_count;
            let positive = self.positive_buckets().map(|b| (b.lower, b.upper, b.count));
            widened.take(positive, lost(|c| &c.positive));
            let negative = self
                .negative_buckets()
                .map(|b| (-b.upper, -b.lower, b.count));
            // A larger threshold on the negative side changes what the positive side gives. The
            // compensation of the first pass stays, as in Prometheus.
            if !widened.take(negative, lost(|c| &c.negative)) {
                return widened;
            }
        }
    }

    fn drop_buckets_in_zero_bucket(&mut self, compensation: &mut Option<Self>) {
        let threshold = self.zero_threshold;
        let schema = self.schema;
        let outside = |cell: &Cell| {
            !cell.is_empty()
                && super::exponential_bound(cell.index.saturating_sub(1), schema) >= threshold
        };
        let side = |own: &mut Buckets, lost: Option<&mut Buckets>| {
            let cells = own.to_cells(lost.as_ref().map_or(&[], |lost| &lost.counts));
            let cells: Vec<Cell> = cells.into_iter().filter(outside).collect();
            let (kept, counts) = Buckets::from_cells(&cells);
            *own = kept;
            if let Some(lost) = lost {
                lost.spans.clone_from(&own.spans);
                lost.counts = counts;
            }
        };
        let mut compensation = compensation.as_mut();
        let lost = compensation.as_mut().map(|c| &mut c.positive);
        side(&mut self.positive, lost);
        let lost = compensation.as_mut().map(|c| &mut c.negative);
        side(&mut self.negative, lost);
    }
}

impl Widened {
    /// Takes in the buckets (distance of the near bound from zero, of the far bound, count) that the
    /// threshold reaches; whether it had to be moved.
    fn take(
        &mut self,
        buckets: impl Iterator<Item = (f64, f64, f64)>,
        lost: Option<&[f64]>,
    ) -> bool {
        for (position, (near, far, count)) in buckets.enumerate() {
            if near >= self.threshold {
                break;
            }
            self.add(count);
            if let Some(lost) = lost {
                self.add(lost.get(position).copied().unwrap_or(0.0));
            }
            if far > self.threshold {
                if count != 0.0 {
                    self.threshold = far;
                    return true;
                }
                break;
            }
        }
        false
    }

    fn add(&mut self, count: f64) {
        (self.count, self.compensation) = kahan_add(count, self.count, self.compensation);
    }
}
