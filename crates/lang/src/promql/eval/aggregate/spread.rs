//! `stddev` and `stdvar`, by Welford's method as upstream has it.

use super::super::EvalError;
use super::super::column::Column;
use super::fold::{Context, Fold};
use crate::promql::store::{is_stale, stale};

/// The variance of the population.
pub(super) struct Variance {
    means: Vec<f64>,
    /// The sum of the squared distances from the mean; absent where there is no value.
    squares: Vec<f64>,
    counts: Vec<f64>,
}

impl Fold for Variance {
    fn first(column: Column, context: &Context<'_>) -> Result<Self, EvalError> {
        let steps = column.floats.len();
        let mut variance = Self {
            means: vec![0.0; steps],
            squares: vec![stale(); steps],
            counts: vec![0.0; steps],
        };
        variance.add(&column, context)?;
        Ok(variance)
    }

    fn add(&mut self, column: &Column, context: &Context<'_>) -> Result<(), EvalError> {
        context.ignored(column);
        for (step, &value) in column.floats.iter().enumerate() {
            if is_stale(value) {
                continue;
            }
            if is_stale(self.squares[step]) {
                self.means[step] = value;
                self.counts[step] = 1.0;
                self.squares[step] = if value.is_finite() { 0.0 } else { f64::NAN };
                continue;
            }
            self.counts[step] += 1.0;
            let delta = value - self.means[step];
            self.means[step] += delta / self.counts[step];
            self.squares[step] += delta * (value - self.means[step]);
        }
        Ok(())
    }

    fn finish(mut self, _: &Context<'_>) -> Result<Column, EvalError> {
        for (square, count) in self.squares.iter_mut().zip(&self.counts) {
            if !is_stale(*square) {
                *square /= count;
            }
        }
        Ok(Column {
            floats: self.squares,
            histograms: Vec::new(),
        })
    }
}

/// The standard deviation of the population.
pub(super) struct Deviation(Variance);

impl Fold for Deviation {
    fn first(column: Column, context: &Context<'_>) -> Result<Self, EvalError> {
        Variance::first(column, context).map(Self)
    }

    fn add(&mut self, column: &Column, context: &Context<'_>) -> Result<(), EvalError> {
        self.0.add(column, context)
    }

    fn finish(self, context: &Context<'_>) -> Result<Column, EvalError> {
        let mut column = self.0.finish(context)?;
        for value in &mut column.floats {
            if !is_stale(*value) {
                *value = value.sqrt();
            }
        }
        Ok(column)
    }
}
