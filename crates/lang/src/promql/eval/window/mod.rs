//! Functions over ranges of samples: `rate(x[5m])`, `max_over_time(y[1h:1m])`.

mod absent;
mod compare;
mod extended;
mod histogram;
mod lanes;
mod over_time;
mod quantile;
mod ranges;
mod rate;
mod regression;
mod source;

use std::sync::Arc;

use super::column::{Rows, Series};
use super::evaluator::{Evaluator, Shared, misplaced};
use super::{EvalError, Severity};
use crate::model::histogram::{Histogram, ResetHint};
use crate::model::labels::quote;
use crate::model::{Labels, METRIC_NAME, Span};
use crate::promql::ast::{Call, Expr, Extended, ValueType, VectorSelector};
use crate::promql::store::is_stale;
use compare::Comparison;
use extended::{ExtendedRate, Smoothed};
use over_time::{Average, Count, Edge, EdgeTime, Extreme, ExtremeTime, Present, Sum, Variance};
use quantile::{Deviation, Quantile};
use ranges::OverRange;
use rate::{Instantaneous, Rate};
use regression::{Derivative, Prediction, Smoothing};
use source::Source;

pub(super) use absent::labels as absent_labels;
pub(super) use quantile::quantile;
pub(super) use ranges::repeat_first;
pub(super) use source::matrix;

/// Whether a call has a range among its arguments.
pub(super) fn is_over_range(call: &Call) -> bool {
    range_of(call).is_some()
}

fn range_of(call: &Call) -> Option<&Expr> {
    call.args
        .iter()
        .find(|arg| arg.value_type() == ValueType::Matrix)
}

/// A function over ranges.
pub(super) fn rows<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let extended = extended_of(call);
    if let Some(extended) = extended {
        check_extended(call, extended)?;
    }
    match call.function.name {
        name @ ("rate" | "increase" | "delta") if extended.is_some() => {
            let function = ExtendedRate {
                is_counter: name != "delta",
                is_rate: name == "rate",
                smoothed: extended == Some(Extended::Smoothed),
            };
            over(ev, call, function)
        }
        "rate" => over(ev, call, Rate::RATE),
        "increase" => over(ev, call, Rate::INCREASE),
        "delta" => over(ev, call, Rate::DELTA),
        "irate" => over(ev, call, Instantaneous { is_rate: true }),
        "idelta" => over(ev, call, Instantaneous { is_rate: false }),
        "sum_over_time" => over(ev, call, Sum),
        "avg_over_time" => over(ev, call, Average),
        "count_over_time" => over(ev, call, Count),
        "present_over_time" => over(ev, call, Present),
        "first_over_time" => over(ev, call, Edge { last: false }),
        "last_over_time" => over(ev, call, Edge { last: true }),
        "ts_of_first_over_time" => over(ev, call, EdgeTime { last: false }),
        "ts_of_last_over_time" => over(ev, call, EdgeTime { last: true }),
        "max_over_time" => over(ev, call, Extreme::MAX),
        "min_over_time" => over(ev, call, Extreme::MIN),
        "ts_of_max_over_time" => over(ev, call, ExtremeTime::MAX),
        "ts_of_min_over_time" => over(ev, call, ExtremeTime::MIN),
        "stdvar_over_time" => over(ev, call, Variance { root: false }),
        "stddev_over_time" => over(ev, call, Variance { root: true }),
        "quantile_over_time" => {
            let q = ev.scalar(&call.args[0])?;
            let span = call.args[0].span();
            over(ev, call, Quantile { q, span })
        }
        "mad_over_time" => over(ev, call, Deviation),
        "changes" => over(
            ev,
            call,
            Comparison {
                resets: false,
                anchored: extended.is_some(),
            },
        ),
        "resets" => over(
            ev,
            call,
            Comparison {
                resets: true,
                anchored: extended.is_some(),
            },
        ),
        "deriv" => over(ev, call, Derivative),
        "predict_linear" => {
            let ahead = ev.scalar(&call.args[1])?;
            over(ev, call, Prediction { ahead })
        }
        "double_exponential_smoothing" => {
            let level = ev.scalar(&call.args[1])?;
            let trend = ev.scalar(&call.args[2])?;
            over(ev, call, Smoothing { level, trend })
        }
        "absent_over_time" => absent::rows(ev, call),
        name => Err(misplaced(name, call.at.0)),
    }
}

/// `metric smoothed`: the value of each series at each step, between the samples around it.
pub(super) fn smoothed<'e>(
    ev: Evaluator<'e>,
    selector: &'e VectorSelector,
) -> Result<Rows<'e>, EvalError> {
    let source = Source::around(ev, selector)?;
    Ok(source.rows(Smoothed, selector.at.0, false, |series, _| series))
}

fn extended_of(call: &Call) -> Option<Extended> {
    match range_of(call)?.unwrap_parens() {
        Expr::Matrix(matrix) => matrix.selector.extended,
        _ => None,
    }
}

/// Refuses an extended range where samples outside of the range would count as inside.
fn check_extended(call: &Call, extended: Extended) -> Result<(), EvalError> {
    let (name, functions) = extended::functions(extended);
    if functions.contains(&call.function.name) {
        return Ok(());
    }
    Err(EvalError {
        message: format!(
            "{name} modifier can only be used with: {} - not with {}",
            functions.join(", "),
            call.function.name
        ),
        span: call.at.0,
    })
}

/// The rows of a function.
fn over<'e, F: OverRange + Sync + 'e>(
    ev: Evaluator<'e>,
    call: &'e Call,
    function: F,
) -> Result<Rows<'e>, EvalError> {
    let range = range_of(call).expect("invariant: called with a range");
    let name = call.function.name;
    let keeps_name = matches!(name, "first_over_time" | "last_over_time");
    let starts =
        ev.options.start_timestamps && matches!(name, "rate" | "irate" | "increase" | "resets");
    let source = Source::of(ev, range)?;
    let unique = source.one_name || keeps_name || ev.options.delayed_name_removal;
    let rows = source.rows(function, call.at.0, starts, move |mut series, shared| {
        if matches!(name, "rate" | "increase") {
            note_non_counter(&ev, &series, range.span(), shared);
        }
        series.drop_name |= !keeps_name;
        series
    });
    if unique {
        return Ok(rows);
    }
    Ok(Box::new(
        distinct(&ev, rows, call.at.0)?.into_iter().map(Ok),
    ))
}

/// All series, if no two of those with values have the same labels.
fn distinct(ev: &Evaluator<'_>, rows: Rows<'_>, span: Span) -> Result<Vec<Series>, EvalError> {
    let mut all = Vec::new();
    let mut seen = crate::model::LabelMap::default();
    for series in rows {
        let mut series = series?;
        if series.column.is_empty() {
            continue;
        }
        ev.settle(&mut series);
        if seen.insert(series.labels.clone(), ()).is_some() {
            let message = "vector cannot contain metrics with the same labelset".into();
            return Err(EvalError { message, span });
        }
        all.push(series);
    }
    Ok(all)
}

/// A hint where the name of a metric, or its type label, is not that of a counter.
fn note_non_counter(ev: &Evaluator<'_>, series: &Series, span: Span, shared: &Shared) {
    let name = series.labels.get(METRIC_NAME);
    if name.is_empty() {
        return;
    }
    let counts = |labels: &Labels| matches!(labels.get("__type__"), "counter" | "histogram");
    let suffixes = ["_total", "_sum", "_count", "_bucket"];
    let message = if ev.options.type_and_unit_labels {
        if counts(&series.labels) {
            return;
        }
        let kind = quote(series.labels.get("__type__"));
        format!(
            "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {kind}: {}",
            quote(name)
        )
    } else {
        if suffixes.iter().any(|suffix| name.ends_with(suffix)) {
            return;
        }
        format!(
            "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}",
            quote(name)
        )
    };
    if series.column.floats.iter().any(|value| !is_stale(*value)) {
        shared.note(Severity::Info, message, span);
    }
}

/// A histogram as a subquery hands it on: what its hint says of the sample before it no longer
/// holds between the samples of the subquery.
fn without_hint(histogram: &Arc<Histogram>) -> Arc<Histogram> {
    match histogram.reset_hint {
        ResetHint::Unknown | ResetHint::Gauge => histogram.clone(),
        ResetHint::Reset | ResetHint::NotReset => {
            let mut plain = Histogram::clone(histogram);
            plain.reset_hint = ResetHint::Unknown;
            Arc::new(plain)
        }
    }
}

#[cfg(test)]
mod tests;
