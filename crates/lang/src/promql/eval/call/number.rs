//! Functions that return a number for each step.

use std::f64::consts::PI;

use crate::promql::ast::Call;
use crate::promql::eval::EvalError;
use crate::promql::eval::evaluator::{Evaluator, misplaced};
use crate::promql::store::is_stale;

pub(super) fn scalar(ev: Evaluator<'_>, call: &Call) -> Result<Vec<f64>, EvalError> {
    let constant = |value| Ok(vec![value; ev.steps.count]);
    let query = ev.query;
    match call.function.name {
        "pi" => constant(PI),
        "start" => constant(seconds(query.start.millis())),
        "end" => constant(seconds(query.end.millis())),
        "range" => constant(seconds(query.end.since(query.start).millis())),
        "step" if query.start == query.end => constant(0.0),
        "step" => constant(seconds(query.step.millis())),
        "time" => Ok((0..ev.steps.count)
            .map(|step| seconds(ev.steps.at(step)))
            .collect()),
        "scalar" => of_vector(ev, call),
        "max_of" => pairs(ev, call, go_max),
        "min_of" => pairs(ev, call, go_min),
        name => Err(misplaced(name, call.at.0)),
    }
}

/// Milliseconds as seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "times of queries are far below 2^53 milliseconds"
)]
pub(super) fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// `scalar(v)`: the number of the only series that has one, else NaN.
fn of_vector(ev: Evaluator<'_>, call: &Call) -> Result<Vec<f64>, EvalError> {
    let mut found = vec![0_u8; ev.steps.count];
    let mut values = vec![f64::NAN; ev.steps.count];
    for series in ev.rows(&call.args[0])? {
        for (step, value) in series?.column.floats.into_iter().enumerate() {
            if is_stale(value) {
                continue;
            }
            values[step] = if found[step] == 0 { value } else { f64::NAN };
            found[step] = 1;
        }
    }
    Ok(values)
}

fn pairs(
    ev: Evaluator<'_>,
    call: &Call,
    function: fn(f64, f64) -> f64,
) -> Result<Vec<f64>, EvalError> {
    let mut left = ev.scalar(&call.args[0])?;
    let right = ev.scalar(&call.args[1])?;
    for (a, b) in left.iter_mut().zip(right) {
        *a = function(*a, b);
    }
    Ok(left)
}

/// Go's `math.Max`: infinity wins over NaN, NaN over numbers, 0 over -0.
pub(super) fn go_max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else if a > b {
        a
    } else {
        b
    }
}

/// Go's `math.Min`: negative infinity wins over NaN, NaN over numbers, -0 over 0.
pub(super) fn go_min(a: f64, b: f64) -> f64 {
    -go_max(-a, -b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_go() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        assert_eq!(go_max(inf, nan), inf);
        assert_eq!(go_min(nan, -inf), -inf);
        assert!(go_max(-inf, nan).is_nan());
        assert!(go_min(1.0, nan).is_nan());
        assert_eq!(go_max(1.0, 2.0), 2.0);
        assert_eq!(go_min(1.0, 2.0), 1.0);
        assert!(go_max(-0.0, 0.0).is_sign_positive());
        assert!(go_min(-0.0, 0.0).is_sign_negative());
    }
}
