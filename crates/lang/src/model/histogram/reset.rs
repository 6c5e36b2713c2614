//! Whether a counter was reset between two histograms.

use super::cells::{Cell, reduce};
use super::{Buckets, Histogram, ResetHint};

impl Histogram {
    /// Whether this histogram can not follow upon `before` without a reset: a count fell, a populated bucket
    /// is gone, or the buckets became finer or the zero bucket narrower. The reset hint, where it says
    /// something, decides alone.
    pub fn detect_reset(&self, before: &Self) -> bool {
        match self.reset_hint {
            ResetHint::Reset => return true,
            ResetHint::NotReset => return false,
            ResetHint::Unknown | ResetHint::Gauge => {}
        }
        if self.count < before.count {
            return true;
        }
        if self.has_custom_buckets() {
            if !before.has_custom_buckets() {
                return true;
            }
            if self.custom_values != before.custom_values {
                return self.has_fewer_between_common_bounds(before);
            }
        }
        if self.schema > before.schema || self.zero_threshold < before.zero_threshold {
            return true;
        }
        let (count, threshold) = before.zero_bucket_at(self.zero_threshold);
        if threshold != self.zero_threshold || self.zero_count < count {
            return true;
        }
        self.has_fewer(&self.positive, before, &before.positive)
            || self.has_fewer(&self.negative, before, &before.negative)
    }

    fn has_fewer(&self, own: &Buckets, before: &Self, previous: &Buckets) -> bool {
        let now = self.outside_zero_bucket(own.to_cells(&[]));
        let previous = reduce(
            &previous.to_cells(&[]),
            before.schema,
            self.schema,
            |mut a, b| {
                a.count += b.count;
                a
            },
        );
        let mut now = now.iter().peekable();
        for cell in self.outside_zero_bucket(previous) {
            while now.next_if(|other| other.index < cell.index).is_some() {}
            let fell = match now.peek() {
                Some(other) if other.index == cell.index => other.count < cell.count,
                _ => cell.count != 0.0,
            };
            if fell {
                return true;
            }
        }
        false
    }

    /// The cells from the first one on that reaches beyond the zero bucket.
    fn outside_zero_bucket(&self, mut cells: Vec<Cell>) -> Vec<Cell> {
        if !self.has_custom_buckets() && self.zero_threshold != 0.0 {
            let inside = |cell: &&Cell| {
                super::exponential_bound(cell.index, self.schema) <= self.zero_threshold
            };
            let count = cells.iter().take_while(inside).count();
            cells.drain(..count);
        }
        cells
    }
}
