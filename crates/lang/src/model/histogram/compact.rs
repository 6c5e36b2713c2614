//! The layout of buckets: removing empty ones, and comparing.

use super::cells::Cell;
use super::{Buckets, Histogram};

impl Histogram {
    /// Removes empty buckets, except runs of at most `max_empty` between populated ones, which join these
    /// to one span instead.
    pub fn compact(&mut self, max_empty: u8) {
        self.positive.compact(max_empty);
        self.negative.compact(max_empty);
    }

    /// Whether both are the same data, bit by bit: buckets that hold nothing count, the reset hint does not.
    pub fn equals(&self, other: &Self) -> bool {
        let same_bits = |a: f64, b: f64| a.to_bits() == b.to_bits();
        self.schema == other.schema
            && same_bits(self.count, other.count)
            && same_bits(self.sum, other.sum)
            && (!self.has_custom_buckets() || self.custom_values == other.custom_values)
            && self.zero_threshold == other.zero_threshold
            && same_bits(self.zero_count, other.zero_count)
            && self.negative.equals(&other.negative)
            && self.positive.equals(&other.positive)
    }
}

impl Buckets {
    fn compact(&mut self, max_empty: u8) {
        if self.is_compact(max_empty) {
            return;
        }
        let mut kept: Vec<Cell> = Vec::with_capacity(self.counts.len());
        for cell in self.to_cells(&[]) {
            if cell.is_empty() {
                continue;
            }
            if let Some(last) = kept.last() {
                let between = i64::from(cell.index) - i64::from(last.index) - 1;
                if (1..=i64::from(max_empty)).contains(&between) {
                    kept.extend((last.index + 1..cell.index).map(|index| Cell {
                        index,
                        count: 0.0,
                        compensation: 0.0,
                    }));
                }
            }
            kept.push(cell);
        }
        *self = Self::from_cells(&kept).0;
    }

    /// Whether there is nothing to remove or to join; most histograms are so.
    fn is_compact(&self, max_empty: u8) -> bool {
        let Some((first, rest)) = self.spans.split_first() else {
            return self.counts.is_empty();
        };
        first.length > 0
            && rest
                .iter()
                .all(|span| span.length > 0 && i64::from(span.offset) > i64::from(max_empty))
            && self.counts.iter().all(|count| *count != 0.0)
    }

    fn equals(&self, other: &Self) -> bool {
        self.counts.len() == other.counts.len()
            && self
                .cells()
                .map(|(index, count)| (index, count.to_bits()))
                .eq(other.cells().map(|(index, count)| (index, count.to_bits())))
    }
}
