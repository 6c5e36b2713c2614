//! `absent(v)`: one series where the vector has none.

use super::one;
use crate::promql::ast::Call;
use crate::promql::eval::EvalError;
use crate::promql::eval::column::{Column, Rows};
use crate::promql::eval::evaluator::Evaluator;
use crate::promql::eval::window::absent_labels;
use crate::promql::store::{is_stale, stale};

pub(super) fn rows<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let mut floats = vec![1.0; ev.steps.count];
    let mut left = floats.len();
    for series in ev.rows(&call.args[0])? {
        let column = series?.column;
        for (step, value) in floats.iter_mut().enumerate() {
            if !is_stale(*value) && column.is_present(step) {
                *value = stale();
                left -= 1;
            }
        }
        if left == 0 {
            return Ok(Box::new(std::iter::empty()));
        }
    }
    let column = Column {
        floats,
        histograms: Vec::new(),
    };
    Ok(one(absent_labels(&call.args[0]), column))
}
