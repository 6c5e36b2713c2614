//! Functions over ranges of samples: `rate(x[5m])`, `max_over_time(y[1h:1m])`.

use super::EvalError;
use super::column::Rows;
use super::evaluator::{Evaluator, not_built};
use crate::promql::ast::{Call, ValueType};

/// Whether a call has a range among its arguments.
pub(super) fn is_over_range(call: &Call) -> bool {
    call.args
        .iter()
        .any(|arg| arg.value_type() == ValueType::Matrix)
}

/// A function over ranges.
pub(super) fn rows<'e>(_: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    Err(not_built(&call.function.name, call.at.0))
}
