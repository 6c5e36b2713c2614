//! Binary operators, between numbers, vectors and both.

use super::EvalError;
use super::column::Rows;
use super::evaluator::{Evaluator, not_built};
use crate::promql::ast::Binary;

/// Where one side or both are vectors.
pub(super) fn rows<'e>(_: Evaluator<'e>, binary: &'e Binary) -> Result<Rows<'e>, EvalError> {
    Err(not_built(&binary.op.as_str(), binary.at.0))
}

/// Where both sides are numbers.
pub(super) fn scalar(_: Evaluator<'_>, binary: &Binary) -> Result<Vec<f64>, EvalError> {
    Err(not_built(&binary.op.as_str(), binary.at.0))
}
