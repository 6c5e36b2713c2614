//! `-a` and `+a`.

use std::sync::Arc;

use super::EvalError;
use super::column::Rows;
use super::evaluator::Evaluator;
use crate::promql::ast::Unary;
use crate::promql::store::is_stale;

/// The sign of a vector. Only `-` makes another quantity of it, which has no name.
pub(super) fn rows<'e>(ev: Evaluator<'e>, unary: &'e Unary) -> Result<Rows<'e>, EvalError> {
    let rows = ev.rows(&unary.expr)?;
    if !unary.negative {
        return Ok(rows);
    }
    let negated = rows.map(move |series| {
        let mut series = series?;
        for histogram in series.column.histograms.iter_mut().flatten() {
            Arc::make_mut(histogram).mul(-1.0);
        }
        for value in &mut series.column.floats {
            if !is_stale(*value) {
                *value = -*value;
            }
        }
        series.drop_name = true;
        Ok(series)
    });
    ev.apart(Box::new(negated), &unary.expr, unary.at.0)
}

/// The sign of a number.
pub(super) fn scalar(ev: Evaluator<'_>, unary: &Unary) -> Result<Vec<f64>, EvalError> {
    let mut values = ev.scalar(&unary.expr)?;
    if unary.negative {
        for value in &mut values {
            *value = -*value;
        }
    }
    Ok(values)
}
