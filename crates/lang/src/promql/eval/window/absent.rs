//! `absent_over_time`: 1 at each step at which no series has a sample in the range.

use super::over_time::Present;
use super::source::Source;
use super::{Rows, Series};
use crate::model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp};
use crate::promql::ast::{Call, Expr};
use crate::promql::eval::EvalError;

use crate::promql::eval::column::Column;
use crate::promql::eval::evaluator::Evaluator;
use crate::promql::store::{is_stale, stale};

pub(super) fn rows<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let mut missing = Column::absent(ev.steps.count);
    missing.floats.fill(1.0);
    let mut left = ev.steps.count;
    let present =
        Source::of(ev, &call.args[0])?.rows(Present, call.at.0, false, |series, _| series);
    for series in present {
        for (missing, found) in missing.floats.iter_mut().zip(&series?.column.floats) {
            if !is_stale(*found) && !is_stale(*missing) {
                *missing = stale();
                left -= 1;
            }
        }
        if left == 0 {
            return Ok(Box::new(std::iter::empty()));
        }
    }
    let series = Series {
        labels: labels(&call.args[0]),
        drop_name: false,
        column: missing,
    };
    Ok(Box::new(std::iter::once(Ok(series))))
}

/// The labels of what is absent, as far as a selector's matchers name them (upstream's
/// `createLabelsForAbsentFunction`): a label that is named twice is left out, unless the only `=` comes last.
pub(in super::super) fn labels(expr: &Expr) -> Labels {
    let selector = match expr.unwrap_parens() {
        Expr::Vector(selector) => selector.as_ref(),
        Expr::Matrix(matrix) => &matrix.selector,
        _ => return Labels::default(),
    };
    let mut seen: Vec<&str> = Vec::new();
    let mut labels = LabelsBuilder::default();
    for matcher in selector.matchers().filter(|m| m.name != METRIC_NAME) {
        let name = matcher.name.as_str();
        if matcher.op == MatchOp::Equal && !seen.contains(&name) {
            labels.set(name, &matcher.value);
            seen.push(name);
        } else {
            labels.set(name, "");
        }
    }
    labels.build()
}
