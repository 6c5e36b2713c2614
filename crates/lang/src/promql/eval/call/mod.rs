//! Functions over instant vectors and numbers; those over ranges are in `window`.
//!
//! Each module holds functions of one kind. Functions that look at one series at a time stream; the
//! others collect what they must.

mod absent;
mod bucket;
mod date;
mod float;
mod info;
mod label;
mod monotonic;
mod native;
mod natural;
mod number;
mod sort;
mod timestamp;

use super::EvalError;
use super::column::{Column, Rows, Series};
use super::evaluator::{Evaluator, misplaced};
use super::names;
use crate::model::{Labels, Span};
use crate::promql::ast::{Call, Expr};

/// A function that returns a vector.
pub(super) fn rows<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    if let Some(function) = float::find(call.function.name) {
        return float::simple(ev, call, function);
    }
    if let Some(part) = date::find(call.function.name) {
        return date::rows(ev, call, part);
    }
    match call.function.name {
        "absent" => absent::rows(ev, call),
        "clamp" | "clamp_max" | "clamp_min" => float::clamp(ev, call),
        "histogram_quantile" => bucket::quantile(ev, call),
        "histogram_fraction" => bucket::fraction(ev, call),
        "histogram_quantiles" => bucket::quantiles(ev, call),
        "histogram_avg" | "histogram_count" | "histogram_stddev" | "histogram_stdvar"
        | "histogram_sum" => native::rows(ev, call),
        "info" => info::rows(ev, call),
        "label_join" => label::join(ev, call),
        "label_replace" => label::replace(ev, call),
        "round" => float::round(ev, call),
        "sort" | "sort_desc" => sort::by_value(ev, call),
        "sort_by_label" | "sort_by_label_desc" => sort::by_label(ev, call),
        "start_timestamp" | "timestamp" => timestamp::rows(ev, call),
        "vector" => {
            let column = Column {
                floats: ev.scalar(&call.args[0])?,
                histograms: Vec::new(),
            };
            Ok(one(Labels::default(), column))
        }
        _ => Err(misplaced(call.function.name, call.at.0)),
    }
}

/// A function that returns a number.
pub(super) fn scalar(ev: Evaluator<'_>, call: &Call) -> Result<Vec<f64>, EvalError> {
    number::scalar(ev, call)
}

/// A single series.
fn one<'e>(labels: Labels, column: Column) -> Rows<'e> {
    Box::new(std::iter::once(Ok(Series {
        labels,
        drop_name: false,
        column,
    })))
}

/// Series whose names are to be dropped, put together where that makes their labels equal. Where no
/// two can become equal they stream.
fn dropped<'e>(
    ev: Evaluator<'e>,
    arg: &Expr,
    rows: impl Iterator<Item = Result<Series, EvalError>> + 'e,
    span: Span,
) -> Result<Rows<'e>, EvalError> {
    if ev.options.delayed_name_removal || !names::may_collide(&ev, arg) {
        return Ok(Box::new(rows));
    }
    let all: Result<Vec<Series>, EvalError> = rows.collect();
    Ok(Box::new(ev.merge(all?, span)?.into_iter().map(Ok)))
}

#[cfg(test)]
mod tests;
