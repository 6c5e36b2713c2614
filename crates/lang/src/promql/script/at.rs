//! An expression whose selectors are all fixed to one instant: evaluated at any time, it must have the
//! same result. Upstream repeats each instant evaluation so (`atModifierTestCases`).

use crate::model::Timestamp;
use crate::promql::ast::{AtModifier, Expr, VectorSelector};

/// Functions whose result depends on the time of the evaluation, whatever their arguments are fixed to
/// (upstream's `AtModifierUnsafeFunctions`).
const UNSAFE: [&str; 15] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "end",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
    "year",
];

/// Functions that depend on the query's range: it says nothing to compare these with other ranges.
pub(super) fn uses_query_range(text: &str) -> bool {
    ["start()", "end()", "range()", "step()"]
        .iter()
        .any(|call| text.contains(call))
}

/// Fixes the selectors that are not fixed yet; inside a subquery, which is fixed itself, none. None where
/// the result may depend on the time of the evaluation all the same.
pub(super) fn fixed(expr: &Expr, at: Timestamp) -> Option<Expr> {
    let mut expr = expr.clone();
    fix(&mut expr, at).then_some(expr)
}

fn fix(expr: &mut Expr, at: Timestamp) -> bool {
    match expr {
        Expr::Number(_) | Expr::String(_) => true,
        Expr::Vector(selector) => fix_selector(selector, at),
        Expr::Matrix(matrix) => fix_selector(&mut matrix.selector, at),
        Expr::Subquery(subquery) => {
            fix_time(&mut subquery.fixed, at);
            true
        }
        Expr::Call(call) => {
            !UNSAFE.contains(&call.function.name) && call.args.iter_mut().all(|arg| fix(arg, at))
        }
        Expr::Aggregate(aggregate) => {
            aggregate.param.as_mut().is_none_or(|param| fix(param, at))
                && fix(&mut aggregate.expr, at)
        }
        Expr::Binary(binary) => fix(&mut binary.lhs, at) && fix(&mut binary.rhs, at),
        Expr::Unary(unary) => fix(&mut unary.expr, at),
        Expr::Paren(paren) => fix(&mut paren.expr, at),
    }
}

fn fix_selector(selector: &mut VectorSelector, at: Timestamp) -> bool {
    fix_time(&mut selector.fixed, at);
    true
}

fn fix_time(fixed: &mut Option<AtModifier>, at: Timestamp) {
    if !matches!(fixed, Some(AtModifier::Time(_))) {
        *fixed = Some(AtModifier::Time(at));
    }
}
