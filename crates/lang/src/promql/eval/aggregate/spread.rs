//! `stddev` and `stdvar`, by Welford's method as upstream has it.

use super::super::column::{Column, Series};
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
    fn first(series: Series, context: &Context<'_>) -> Self {
        let steps = series.column.floats.len();
        let mut variance = Self {
            means: vec![0.0; steps],
            squares: vec![stale(); steps],
            counts: vec![0.0; steps],
        };
        variance.add(&series, context);
        variance
    }

    fn add(&mut self, series: &Series, context: &Context<'_>) {
        context.ignored(&series.column);
        for (step, &value) in series.column.floats.iter().enumerate() {
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
    }

    fn finish(mut self, _: &Context<'_>) -> Column {
        for (square, count) in self.squares.iter_mut().zip(&self.counts) {
            if !is_stale(*square) {
                *square /= count;
            }
        }
        Column {
            floats: self.squares,
            histograms: Vec::new(),
        }
    }
}

/// The standard deviation of the population.
pub(super) struct Deviation(Variance);

impl Fold for Deviation {
    fn first(series: Series, context: &Context<'_>) -> Self {
        Self(Variance::first(series, context))
    }

    fn add(&mut self, series: &Series, context: &Context<'_>) {
        self.0.add(series, context);
    }

    fn finish(self, context: &Context<'_>) -> Column {
        let mut column = self.0.finish(context);
        for value in &mut column.floats {
            if !is_stale(*value) {
                *value = value.sqrt();
            }
        }
        column
    }
}
