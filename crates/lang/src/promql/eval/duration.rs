//! Durations of ranges, steps and offsets: written out, or computed from the query's own range and step
//! (upstream's `durations.go`).

use super::EvalError;
use super::evaluator::{Bounds, Evaluator};
use crate::promql::ast::{BinaryOp, DurationExpr, DurationKind, DurationValue};

/// From this many seconds on, Go's durations overflow.
const TOO_LONG: f64 = 9_223_372_036.854_775;

/// A range or a step in milliseconds.
///
/// # Errors
/// It is computed and not above zero, or not a number.
pub(super) fn positive(ev: &Evaluator<'_>, value: &DurationValue) -> Result<i64, EvalError> {
    resolve(ev.query, value, false)
}

/// An offset in milliseconds; it may be negative.
///
/// # Errors
/// It is computed and not a number.
pub(super) fn signed(ev: &Evaluator<'_>, value: &DurationValue) -> Result<i64, EvalError> {
    resolve(ev.query, value, true)
}

pub(super) fn resolve(
    query: Bounds,
    value: &DurationValue,
    negative: bool,
) -> Result<i64, EvalError> {
    let expr = match value {
        DurationValue::Literal { value, .. } => return Ok(value.millis()),
        DurationValue::Expr(expr) => expr,
    };
    let seconds = evaluate(query, expr)?;
    if !seconds.is_finite() {
        return Err(refuse(expr, "duration is NaN or infinite"));
    }
    if seconds <= 0.0 && !negative {
        return Err(refuse(expr, "duration must be greater than 0"));
    }
    if seconds.abs() > TOO_LONG {
        return Err(refuse(expr, "duration is out of range"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "in range, cut off as upstream"
    )]
    Ok((seconds * 1000.0) as i64)
}

/// The seconds of an expression.
fn evaluate(query: Bounds, expr: &DurationExpr) -> Result<f64, EvalError> {
    Ok(match &expr.kind {
        DurationKind::Number(number) => number.value,
        DurationKind::Step => seconds(query.step.millis()),
        DurationKind::Range => seconds(query.end.millis().saturating_sub(query.start.millis())),
        DurationKind::Negate(inner) => -evaluate(query, inner)?,
        DurationKind::MinOf(a, b) => choose(evaluate(query, a)?, evaluate(query, b)?, f64::min),
        DurationKind::MaxOf(a, b) => choose(evaluate(query, a)?, evaluate(query, b)?, f64::max),
        DurationKind::Binary(op, a, b) => {
            let (a, b) = (evaluate(query, a)?, evaluate(query, b)?);
            match op {
                BinaryOp::Add => a + b,
                BinaryOp::Sub => a - b,
                BinaryOp::Mul => a * b,
                BinaryOp::Div if b == 0.0 => return Err(refuse(expr, "division by zero")),
                BinaryOp::Div => a / b,
                BinaryOp::Mod if b == 0.0 => return Err(refuse(expr, "modulo by zero")),
                BinaryOp::Mod => a % b,
                BinaryOp::Pow => a.powf(b),
                other => {
                    let message = format!("unexpected duration expression operator {other:?}");
                    return Err(refuse(expr, &message));
                }
            }
        }
    })
}

/// As Go, which lets NaN through.
fn choose(a: f64, b: f64, of: fn(f64, f64) -> f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    of(a, b)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds, as upstream")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// In upstream's words, the place in front being bytes of the text.
fn refuse(expr: &DurationExpr, message: &str) -> EvalError {
    EvalError {
        message: format!("{}:{}: {message}", expr.at.start, expr.at.end),
        span: expr.at.0,
    }
}
