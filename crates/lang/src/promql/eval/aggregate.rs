//! Aggregations: `sum by (job) (...)`.

use super::EvalError;
use super::column::Rows;
use super::evaluator::{Evaluator, not_built};
use crate::promql::ast::Aggregate;

pub(super) fn rows<'e>(_: Evaluator<'e>, aggregate: &'e Aggregate) -> Result<Rows<'e>, EvalError> {
    Err(not_built(&aggregate.op.as_str(), aggregate.at.0))
}
