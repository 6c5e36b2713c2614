//! `count`, `group`, `min` and `max`.

use super::super::EvalError;
use super::super::column::Column;
use super::fold::{Context, Fold};
use crate::promql::store::{is_stale, stale};

/// How many series have a value.
pub(super) struct Count(Vec<f64>);

impl Fold for Count {
    fn first(column: Column, context: &Context<'_>) -> Result<Self, EvalError> {
        let mut count = Self(vec![stale(); column.floats.len()]);
        count.add(&column, context)?;
        Ok(count)
    }

    fn add(&mut self, column: &Column, _: &Context<'_>) -> Result<(), EvalError> {
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
        Ok(())
    }

    fn finish(self, _: &Context<'_>) -> Result<Column, EvalError> {
        Ok(numbers(self.0))
    }
}

/// 1 where any series has a value.
pub(super) struct Group(Count);

impl Fold for Group {
    fn first(column: Column, context: &Context<'_>) -> Result<Self, EvalError> {
        Count::first(column, context).map(Self)
    }

    fn add(&mut self, column: &Column, context: &Context<'_>) -> Result<(), EvalError> {
        self.0.add(column, context)
    }

    fn finish(self, context: &Context<'_>) -> Result<Column, EvalError> {
        let mut column = self.0.finish(context)?;
        for value in &mut column.floats {
            if !is_stale(*value) {
                *value = 1.0;
            }
        }
        Ok(column)
    }
}

/// The smallest number; NaN only where there is nothing else.
pub(super) struct Min(Vec<f64>);

/// The greatest number; NaN only where there is nothing else.
pub(super) struct Max(Vec<f64>);

impl Fold for Min {
    fn first(column: Column, context: &Context<'_>) -> Result<Self, EvalError> {
        context.ignored(&column);
        Ok(Self(column.floats))
    }

    fn add(&mut self, column: &Column, context: &Context<'_>) -> Result<(), EvalError> {
        context.ignored(column);
        choose(&mut self.0, column, |best, value| best > value);
        Ok(())
    }

    fn finish(self, _: &Context<'_>) -> Result<Column, EvalError> {
        Ok(numbers(self.0))
    }
}

impl Fold for Max {
    fn first(column: Column, context: &Context<'_>) -> Result<Self, EvalError> {
        context.ignored(&column);
        Ok(Self(column.floats))
    }

    fn add(&mut self, column: &Column, context: &Context<'_>) -> Result<(), EvalError> {
        context.ignored(column);
        choose(&mut self.0, column, |best, value| best < value);
        Ok(())
    }

    fn finish(self, _: &Context<'_>) -> Result<Column, EvalError> {
        Ok(numbers(self.0))
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
