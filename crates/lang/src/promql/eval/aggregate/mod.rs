//! Aggregations: `sum by (job) (...)`.
//!
//! Series are taken one after the other, in the order in which they come, since that order decides the last
//! digits of a sum. The group of a series is found once; then its column is folded into the group's.

mod count;
mod count_values;
mod fold;
mod histograms;
mod limit;
mod quantile;
mod rank;
mod spread;
mod sum;

use super::EvalError;
use super::column::Rows;
use super::evaluator::Evaluator;
use crate::model::number::format_g;
use crate::model::{Labels, METRIC_NAME};
use crate::promql::ast::{Aggregate, AggregateOp};
use fold::fold;

/// The bounds of what upstream makes an `int64` of.
const MIN_COUNT: f64 = -9_223_372_036_854_775_808.0;
const MAX_COUNT: f64 = 9_223_372_036_854_775_808.0;

pub(super) fn rows<'e>(ev: Evaluator<'e>, aggregate: &'e Aggregate) -> Result<Rows<'e>, EvalError> {
    match aggregate.op {
        AggregateOp::Sum => fold::<sum::Sum>(ev, aggregate),
        AggregateOp::Avg => fold::<sum::Avg>(ev, aggregate),
        AggregateOp::Count => fold::<count::Count>(ev, aggregate),
        AggregateOp::Group => fold::<count::Group>(ev, aggregate),
        AggregateOp::Min => fold::<count::Min>(ev, aggregate),
        AggregateOp::Max => fold::<count::Max>(ev, aggregate),
        AggregateOp::Stddev => fold::<spread::Deviation>(ev, aggregate),
        AggregateOp::Stdvar => fold::<spread::Variance>(ev, aggregate),
        AggregateOp::Quantile => quantile::rows(ev, aggregate),
        AggregateOp::TopK | AggregateOp::BottomK => rank::rows(ev, aggregate),
        AggregateOp::LimitK => limit::first(ev, aggregate),
        AggregateOp::LimitRatio => limit::ratio(ev, aggregate),
        AggregateOp::CountValues => count_values::rows(ev, aggregate),
    }
}

/// Which labels make the groups.
struct Grouping<'e> {
    names: Vec<&'e str>,
    without: bool,
}

impl<'e> Grouping<'e> {
    fn of(aggregate: &'e Aggregate) -> Self {
        let names = aggregate.grouping.iter().map(|label| label.name.as_str());
        Self {
            names: names.collect(),
            without: aggregate.without,
        }
    }

    /// The labels of the group of a series.
    fn group(&self, labels: &Labels) -> Labels {
        if !self.without && self.names.is_empty() {
            return Labels::default();
        }
        let kept = labels.iter().filter(|(name, _)| {
            if self.without {
                *name != METRIC_NAME && !self.names.contains(name)
            } else {
                self.names.contains(name)
            }
        });
        Labels::from_sorted(kept).expect("invariant: a part of a sorted set is sorted")
    }
}

/// The parameter of an aggregation at each step, and what upstream checks of all of them at once.
struct Parameter {
    values: Vec<f64>,
    /// NaN if any is.
    min: f64,
    /// NaN if any is.
    max: f64,
    any_nan: bool,
}

impl Parameter {
    fn of(ev: &Evaluator<'_>, aggregate: &Aggregate) -> Result<Self, EvalError> {
        let values = match &aggregate.param {
            Some(param) => ev.scalar(param)?,
            None => vec![0.0; ev.steps.count],
        };
        let any_nan = values.iter().any(|value| value.is_nan());
        let bound = |start: f64, choose: fn(f64, f64) -> f64| {
            if any_nan {
                f64::NAN
            } else {
                values.iter().copied().fold(start, choose)
            }
        };
        Ok(Self {
            min: bound(f64::MAX, f64::min),
            max: bound(f64::MIN, f64::max),
            any_nan,
            values,
        })
    }

    /// The numbers of series to keep (`topk`, `bottomk`, `limitk`) at each step; none where every step
    /// asks for less than one.
    fn counts(&self, aggregate: &Aggregate) -> Result<Option<Vec<usize>>, EvalError> {
        let error = |message: String| {
            Err(EvalError {
                message,
                span: aggregate.at.0,
            })
        };
        if self.max < 1.0 {
            return Ok(None);
        }
        if self.any_nan {
            return error("Parameter value is NaN".into());
        }
        if self.min <= MIN_COUNT {
            return error(format!(
                "Scalar value {} underflows int64",
                format_g(self.min)
            ));
        }
        if self.max >= MAX_COUNT {
            return error(format!(
                "Scalar value {} overflows int64",
                format_g(self.max)
            ));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a negative count is none"
        )]
        let counts = self.values.iter().map(|value| *value as usize).collect();
        Ok(Some(counts))
    }
}

#[cfg(test)]
mod tests;
