//! Functions of one number, for each sample of a vector; histograms are left out.

use std::f64::consts::PI;

use super::dropped;
use super::number::{go_max, go_min};
use crate::promql::ast::{Call, Expr};
use crate::promql::eval::EvalError;
use crate::promql::eval::column::Rows;
use crate::promql::eval::evaluator::Evaluator;
use crate::promql::store::{is_stale, stale};

/// A function of one number.
pub(super) type Simple = fn(f64) -> f64;

/// The function of one number that has this name.
pub(super) fn find(name: &str) -> Option<Simple> {
    Some(match name {
        "abs" => f64::abs,
        "acos" => f64::acos,
        "acosh" => f64::acosh,
        "asin" => f64::asin,
        "asinh" => f64::asinh,
        "atan" => f64::atan,
        "atanh" => f64::atanh,
        "ceil" => f64::ceil,
        "cos" => f64::cos,
        "cosh" => f64::cosh,
        "deg" => |v| v * 180.0 / PI,
        "exp" => f64::exp,
        "floor" => f64::floor,
        "ln" => f64::ln,
        "log10" => f64::log10,
        "log2" => f64::log2,
        "rad" => |v| v * PI / 180.0,
        "sgn" => sign,
        "sin" => f64::sin,
        "sinh" => f64::sinh,
        "sqrt" => f64::sqrt,
        "tan" => f64::tan,
        "tanh" => f64::tanh,
        _ => return None,
    })
}

fn sign(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}

/// `abs(v)`, `sin(v)`, ...
pub(super) fn simple<'e>(
    ev: Evaluator<'e>,
    call: &'e Call,
    function: Simple,
) -> Result<Rows<'e>, EvalError> {
    map(ev, call, &call.args[0], move |_, value| function(value))
}

/// `round(v, to_nearest)`: halves are rounded up.
pub(super) fn round<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let inverse: Vec<f64> = match call.args.get(1) {
        Some(nearest) => ev.scalar(nearest)?.iter().map(|v| 1.0 / v).collect(),
        None => vec![1.0; ev.steps.count],
    };
    map(ev, call, &call.args[0], move |step, value| {
        (value * inverse[step] + 0.5).floor() / inverse[step]
    })
}

/// `clamp(v, min, max)`, `clamp_min(v, min)`, `clamp_max(v, max)`: nothing where the maximum is below
/// the minimum.
pub(super) fn clamp<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let unbounded = |bound| vec![bound; ev.steps.count];
    let first = ev.scalar(&call.args[1])?;
    let (low, high) = match call.function.name {
        "clamp_min" => (first, unbounded(f64::INFINITY)),
        "clamp_max" => (unbounded(f64::NEG_INFINITY), first),
        _ => (first, ev.scalar(&call.args[2])?),
    };
    map(ev, call, &call.args[0], move |step, value| {
        if high[step] < low[step] {
            stale()
        } else {
            go_max(low[step], go_min(high[step], value))
        }
    })
}

/// Each number becomes another, or none; names are dropped.
pub(super) fn map<'e>(
    ev: Evaluator<'e>,
    call: &'e Call,
    arg: &'e Expr,
    function: impl Fn(usize, f64) -> f64 + 'e,
) -> Result<Rows<'e>, EvalError> {
    let rows = ev.rows(arg)?.map(move |series| {
        let mut series = series?;
        series.drop_name = true;
        series.column.histograms = Vec::new();
        for (step, value) in series.column.floats.iter_mut().enumerate() {
            if !is_stale(*value) {
                *value = function(step, *value);
            }
        }
        Ok(series)
    });
    dropped(ev, arg, rows, call.at.0)
}
