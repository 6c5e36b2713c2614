//! Binary operators, between numbers, vectors and both.

mod bits;
mod element;
mod join;
mod set;
mod signature;

use super::EvalError;
use super::column::{Column, Rows};
use super::evaluator::Evaluator;
use crate::promql::ast::{Binary, BinaryOp, Expr, ValueType};
use element::{Keep, Rule};

/// Where one side or both are vectors.
pub(super) fn rows<'e>(ev: Evaluator<'e>, binary: &'e Binary) -> Result<Rows<'e>, EvalError> {
    let is_number = |expr: &Expr| expr.value_type() == ValueType::Scalar;
    if is_number(&binary.lhs) {
        with_numbers(ev, binary, &binary.rhs, &binary.lhs)
    } else if is_number(&binary.rhs) {
        with_numbers(ev, binary, &binary.lhs, &binary.rhs)
    } else if binary.op.is_set() {
        set::rows(ev, binary)
    } else {
        join::rows(ev, binary)
    }
}

/// Where both sides are numbers.
pub(super) fn scalar(ev: Evaluator<'_>, binary: &Binary) -> Result<Vec<f64>, EvalError> {
    let mut values = ev.scalar(&binary.lhs)?;
    let others = ev.scalar(&binary.rhs)?;
    let keep = Keep::Truth;
    element::numbers(binary.op, keep, false, &mut values, &others);
    Ok(values)
}

/// A vector on one side, a number on the other. Of a comparison that filters, what stays is the value of
/// the vector, on whichever side it stands.
fn with_numbers<'e>(
    ev: Evaluator<'e>,
    binary: &'e Binary,
    vector: &'e Expr,
    number: &'e Expr,
) -> Result<Rows<'e>, EvalError> {
    let swapped = std::ptr::eq(vector, &raw const binary.rhs);
    let rule = Rule {
        op: binary.op,
        keep: if binary.return_bool {
            Keep::Truth
        } else {
            Keep::Own
        },
        swapped,
        span: binary.at.0,
        shared: ev.shared,
    };
    let drops_name = changes_meaning(binary.op) || binary.return_bool;
    let numbers = Column {
        floats: ev.scalar(number)?,
        histograms: Vec::new(),
    };
    let rows = ev.rows(vector)?.map(move |series| {
        let mut series = series?;
        rule.combine(&mut series.column, &numbers, None);
        series.drop_name |= drops_name;
        Ok(series)
    });
    let rows = Box::new(rows.filter(|series| !matches!(series, Ok(s) if s.column.is_empty())));
    if drops_name {
        ev.apart(rows, vector, binary.at.0)
    } else {
        Ok(rows)
    }
}

/// Whether the result is another quantity than the operands, so that their name is not its name.
const fn changes_meaning(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Add
            | BinaryOp::Sub
            | BinaryOp::Mul
            | BinaryOp::Div
            | BinaryOp::Mod
            | BinaryOp::Pow
            | BinaryOp::Atan2
    )
}

#[cfg(test)]
mod tests;
