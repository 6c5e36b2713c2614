//! `count`, `group`, `min` and `max`.

use super::super::column::{Column, Series};
use super::fold::{Context, Fold};
use crate::promql::store::{is_stale, stale};

/// How many series have a value.
pub(super) struct Count(Vec<f64>);

impl Fold for Count {
    fn first(series: Series, context: &Context<'_>) -> Self {
        let mut count = Self(vec![stale(); series.column.floats.len()]);
        count.add(&series, context);
        count
    }

    fn add(&mut self, series: &Series, _: &Context<'_>) {
        let column = &series.column;
        let grown = |count: f64| if is_stale(count) { 1.0 } else { count + 1.0 };
        if column.histograms.is_empty() {
            for (count, value) in self.0.iter_mut().zip(&column.floats) {
                *count = if is_stale(*value) {
                    *count
                } else {
                    grown(*count)
                };
            }
        } else {
            for (step, count) in self.0.iter_mut().enumerate() {
                if column.is_present(step) {
                    *count = grown(*count);
                }
            }
        }
    }

    fn finish(self, _: &Context<'_>) -> Column {
        numbers(self.0)
    }
}

/// 1 where any series has a value.
pub(super) struct Group(Count);

impl Fold for Group {
    fn first(series: Series, context: &Context<'_>) -> Self {
        Self(Count::first(series, context))
    }

    fn add(&mut self, series: &Series, context: &Context<'_>) {
        self.0.add(series, context);
    }

    fn finish(self, context: &Context<'_>) -> Column {
        let mut column = self.0.finish(context);
        for value in &mut column.floats {
            if !is_stale(*value) {
                *value = 1.0;
            }
        }
        column
    }
}

/// The smallest number; NaN only where there is nothing else.
pub(super) struct Min(Vec<f64>);

/// The greatest number; NaN only where there is nothing else.
pub(super) struct Max(Vec<f64>);

impl Fold for Min {
    fn first(series: Series, context: &Context<'_>) -> Self {
        context.ignored(&series.column);
        Self(series.column.floats)
    }

    fn add(&mut self, series: &Series, context: &Context<'_>) {
        context.ignored(&series.column);
        choose(&mut self.0, &series.column, |best, value| best > value);
    }

    fn finish(self, _: &Context<'_>) -> Column {
        numbers(self.0)
    }
}

impl Fold for Max {
    fn first(series: Series, context: &Context<'_>) -> Self {
        context.ignored(&series.column);
        Self(series.column.floats)
    }

    fn add(&mut self, series: &Series, context: &Context<'_>) {
        context.ignored(&series.column);
        choose(&mut self.0, &series.column, |best, value| best < value);
    }

    fn finish(self, _: &Context<'_>) -> Column {
        numbers(self.0)
    }
}

/// The absent value is a NaN too, so it is replaced by any number; it must not replace one.
#[inline]
fn choose(best: &mut [f64], column: &Column, is_worse: impl Fn(f64, f64) -> bool) {
    for (best, &value) in best.iter_mut().zip(&column.floats) {
        let replaces = (is_worse(*best, value) | best.is_nan()) & !is_stale(value);
        *best = if replaces { value } else { *best };
    }
}

fn numbers(floats: Vec<f64>) -> Column {
    Column {
        floats,
        histograms: Vec::new(),
    }
}
