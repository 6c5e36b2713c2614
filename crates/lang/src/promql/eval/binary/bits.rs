//! A set of steps.

use super::super::column::Column;
use crate::promql::store::{is_stale, stale};

/// A set of steps, one bit each. The empty set takes no memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// The steps at which a column has a value.
    pub(super) fn of(column: &Column) -> Self {
        let mut bits = Self::default();
        bits.add_column(column);
        bits
    }

    /// Adds the steps at which a column has a value.
    pub(super) fn add_column(&mut self, column: &Column) {
        self.grow(column.floats.len());
        for (word, values) in self.0.iter_mut().zip(column.floats.chunks(64)) {
            for (bit, value) in values.iter().enumerate() {
                *word |= u64::from(!is_stale(*value)) << bit;
            }
        }
        for (step, histogram) in column.histograms.iter().enumerate() {
            if histogram.is_some() {
                self.add(step);
            }
        }
    }

    /// Adds the steps at which both of two columns have a number.
    pub(super) fn add_both(&mut self, a: &[f64], b: &[f64]) {
        self.grow(a.len());
        let pairs = a.chunks(64).zip(b.chunks(64));
        for (word, (a, b)) in self.0.iter_mut().zip(pairs) {
            for (bit, (a, b)) in a.iter().zip(b).enumerate() {
                *word |= u64::from(both(*a, *b)) << bit;
            }
        }
    }

    fn grow(&mut self, steps: usize) {
        let words = steps.div_ceil(64);
        if self.0.len() < words {
            self.0.resize(words, 0);
        }
    }

    pub(super) fn add(&mut self, step: usize) {
        self.grow(step + 1);
        self.0[step / 64] |= 1 << (step % 64);
    }

    pub(super) fn contains(&self, step: usize) -> bool {
        let word = self.0.get(step / 64).copied().unwrap_or_default();
        word & (1 << (step % 64)) != 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Whether two sets have a step in common.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    /// Adds all steps of another set.
    pub(super) fn add_all(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            *a |= b;
        }
    }

    /// Adds all steps of another set, if the two have none in common.
    pub(super) fn add_disjoint(&mut self, other: &Self) -> bool {
        let disjoint = !self.meets(other);
        if disjoint {
            self.add_all(other);
        }
        disjoint
    }

    /// Takes the values of a column away: those at the steps of the set, or all others.
    pub(super) fn filter(&self, column: &mut Column, keep: bool) {
        let words = self.0.iter().copied().chain(std::iter::repeat(0));
        for (word, values) in words.zip(column.floats.chunks_mut(64)) {
            let kept = if keep { word } else { !word };
            if kept == u64::MAX {
                continue;
            }
            for (bit, value) in values.iter_mut().enumerate() {
                *value = if kept >> bit & 1 == 1 {
                    *value
                } else {
                    stale()
                };
            }
        }
        for (step, histogram) in column.histograms.iter_mut().enumerate() {
            if self.contains(step) != keep {
                *histogram = None;
            }
        }
    }
}

/// Whether there are two numbers.
#[inline]
pub(super) fn both(a: f64, b: f64) -> bool {
    !is_stale(a) && !is_stale(b)
}
