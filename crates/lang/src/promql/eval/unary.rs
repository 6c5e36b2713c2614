//! `-a` and `+a`.

use super::EvalError;
use super::column::Rows;
use super::evaluator::{Evaluator, not_built};
use crate::promql::ast::Unary;

/// The sign of a vector.
pub(super) fn rows<'e>(_: Evaluator<'e>, unary: &'e Unary) -> Result<Rows<'e>, EvalError> {
    Err(not_built(&"a sign", unary.at.0))
}

/// The sign of a number.
pub(super) fn scalar(_: Evaluator<'_>, unary: &Unary) -> Result<Vec<f64>, EvalError> {
    Err(not_built(&"a sign", unary.at.0))
}
