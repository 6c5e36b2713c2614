//! Functions over instant vectors and numbers; those over ranges are in `window`.

use super::EvalError;
use super::column::Rows;
use super::evaluator::{Evaluator, not_built};
use crate::promql::ast::Call;

/// A function that returns a vector.
pub(super) fn rows<'e>(_: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    Err(not_built(&call.function.name, call.at.0))
}

/// A function that returns a number.
pub(super) fn scalar(_: Evaluator<'_>, call: &Call) -> Result<Vec<f64>, EvalError> {
    Err(not_built(&call.function.name, call.at.0))
}
