//! `absent(v)`: one series where the vector has none.

use super::one;
use crate::model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp};
use crate::promql::ast::{Call, Expr};
use crate::promql::eval::EvalError;
use crate::promql::eval::column::{Column, Rows};
use crate::promql::eval::evaluator::Evaluator;
use crate::promql::store::stale;

pub(super) fn rows<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let mut floats = vec![1.0; ev.steps.count];
    for series in ev.rows(&call.args[0])? {
        let column = series?.column;
        for (step, value) in floats.iter_mut().enumerate() {
            if column.is_present(step) {
                *value = stale();
            }
        }
    }
    let column = Column {
        floats,
        histograms: Vec::new(),
    };
    Ok(one(labels_of_selector(&call.args[0]), column))
}

/// The labels that a selector asks for by `=`, each only if it is matched once; none where the
/// expression is no selector.
pub(in super::super) fn labels_of_selector(expr: &Expr) -> Labels {
    let selector = match expr.unwrap_parens() {
        Expr::Vector(selector) => &**selector,
        Expr::Matrix(matrix) => &matrix.selector,
        _ => return Labels::default(),
    };
    let mut labels = LabelsBuilder::default();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in selector.matchers().filter(|m| m.name != METRIC_NAME) {
        if matcher.op == MatchOp::Equal && !seen.contains(&matcher.name.as_str()) {
            labels.set(&matcher.name, &matcher.value);
            seen.push(&matcher.name);
        } else {
            labels.set(&matcher.name, "");
        }
    }
    labels.build()
}
