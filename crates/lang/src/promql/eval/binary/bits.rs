//! A set of steps.

use super::super::column::Column;
use crate::promql::store::is_stale;

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
        self.add_where(column.floats.len(), |step| column.is_present(step));
    }

    /// Adds the steps below `count` of which a condition holds.
    pub(super) fn add_where(&mut self, count: usize, condition: impl Fn(usize) -> bool) {
        self.0.resize(self.0.len().max(count.div_ceil(64)), 0);
        for (word, bits) in self.0.iter_mut().enumerate() {
            let first = word * 64;
            for bit in 0..count.saturating_sub(first).min(64) {
                *bits |= u64::from(condition(first + bit)) << bit;
            }
        }
    }

    pub(super) fn add(&mut self, step: usize) {
        if self.0.len() <= step / 64 {
            self.0.resize(step / 64 + 1, 0);
        }
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
        for step in 0..column.floats.len() {
            if self.contains(step) != keep {
                column.clear(step);
            }
        }
    }
}

/// Whether two columns of numbers both have a value.
pub(super) fn both(a: f64, b: f64) -> bool {
    !is_stale(a) && !is_stale(b)
}
