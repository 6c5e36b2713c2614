//! The evaluator: instant and range queries over a [`SeriesStore`].
//!
//! A query is evaluated node by node over all its steps at once: each node yields series, and a
//! series holds one value for each step. So a range query passes over the samples of each series once, and an
//! instant query is one with a single step. Nothing here does I/O or reads a clock.

mod aggregate;
mod annotation;
mod binary;
mod blocks;
mod call;
mod column;
mod duration;
mod evaluator;
mod names;
mod outline;
mod quantile;
mod quantile_classic;
mod select;
mod unary;
mod value;
mod window;

pub use annotation::{Annotation, Annotations, Severity};
pub use value::{Answer, RangeSeries, SampleValue, Stats, Value, VectorSample};

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::ast::{DurationValue, Expr};
use super::store::SeriesStore;
use crate::model::{Duration, Span, Timestamp};

/// What a query may assume and use.
#[derive(Debug, Clone)]
pub struct EvalOptions {
    /// How old a sample may be to count as the current one (`--query.lookback-delta`).
    pub lookback: Duration,
    /// The step of subqueries that name none (`global.evaluation_interval`).
    pub subquery_step: Duration,
    /// The most samples a query may hold at a time (`--query.max-samples`).
    pub max_samples: usize,
    /// Names are dropped at the end of the query instead of at each function
    /// (`promql-delayed-name-removal`).
    pub delayed_name_removal: bool,
    /// Series may differ in `__type__` and `__unit__` alone (`type-and-unit-labels`): where these go with
    /// the name, which they always do, equal label sets are looked for.
    pub type_and_unit_labels: bool,
    /// `rate` and its like use the samples' start timestamps (`use-start-timestamps`).
    pub start_timestamps: bool,
    /// Once somebody sets it, the query soon ends with the error [`CANCELED`].
    pub cancel: Option<Arc<AtomicBool>>,
}

/// The message of a query that was canceled.
pub const CANCELED: &str = "query was canceled in expression evaluation";

impl Default for EvalOptions {
    fn default() -> Self {
        Self {
            lookback: Duration::from_millis(5 * 60 * 1000),
            subquery_step: Duration::from_millis(60 * 1000),
            max_samples: 50_000_000,
            delayed_name_removal: false,
            type_and_unit_labels: false,
            start_timestamps: false,
            cancel: None,
        }
    }
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// What went wrong, in the words of Prometheus where it has words for it.
    pub message: String,
    /// The part of the expression that it is about.
    pub span: Span,
}

/// Evaluates an expression at one instant.
pub fn instant(
    expr: &Expr,
    store: &dyn SeriesStore,
    at: Timestamp,
    options: &EvalOptions,
) -> Result<Answer, EvalError> {
    evaluator::instant(expr, store, at, options)
}

/// Evaluates an expression of type scalar or instant vector at each step from `start` to `end`. The
/// answer is a matrix sorted by labels.
pub fn range(
    expr: &Expr,
    store: &dyn SeriesStore,
    start: Timestamp,
    end: Timestamp,
    step: Duration,
    options: &EvalOptions,
) -> Result<Answer, EvalError> {
    evaluator::range(expr, store, start, end, step, options)
}

/// What a range, a step or an offset is in a query at one instant, where `step()` and `range()` are
/// nothing. Only an offset may be `negative`.
///
/// # Errors
/// It is computed and has no value, or one that it must not have: the query fails.
pub fn instant_duration(value: &DurationValue, negative: bool) -> Result<Duration, EvalError> {
    let query = evaluator::Bounds {
        start: Timestamp::EPOCH,
        end: Timestamp::EPOCH,
        step: Duration::ZERO,
    };
    duration::resolve(query, value, negative).map(Duration::from_millis)
}

#[cfg(test)]
mod tests;
