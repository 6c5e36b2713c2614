//! `and`, `or`, `unless`: a series stays, or stays away, at the steps at which the other side has
//! one that matches.

use super::super::EvalError;
use super::super::column::{Rows, Series};
use super::super::evaluator::Evaluator;
use super::bits::Bits;
use super::signature::Signer;
use crate::model::LabelMap;
use crate::promql::ast::{Binary, BinaryOp, Expr};

/// The steps at which a side has a series, by what it is matched by.
type Present = LabelMap<Bits>;

pub(super) fn rows<'e>(ev: Evaluator<'e>, binary: &'e Binary) -> Result<Rows<'e>, EvalError> {
    let signer = Signer::new(binary.matching.as_ref());
    if binary.op == BinaryOp::Or {
        union(ev, binary, signer)
    } else {
        filter(ev, binary, signer)
    }
}

/// The series of the left side at the steps at which the right side has a matching one (`and`) or has
/// none (`unless`). The right side is only looked at, not kept.
fn filter<'e>(
    ev: Evaluator<'e>,
    binary: &'e Binary,
    signer: Signer<'e>,
) -> Result<Rows<'e>, EvalError> {
    let keep = binary.op == BinaryOp::And;
    let present = presence(ev, &binary.rhs, &signer)?;
    let none = Bits::default();
    let rows = ev.rows(&binary.lhs)?.filter_map(move |series| {
        let mut series = match series {
            Ok(series) => series,
            Err(error) => return Some(Err(error)),
        };
        ev.settle(&mut series);
        match present.get(&signer.of(&series.labels)) {
            None if keep => return None,
            bits => bits.unwrap_or(&none).filter(&mut series.column, keep),
        }
        (!series.column.is_empty()).then_some(Ok(series))
    });
    Ok(Box::new(rows))
}

fn presence<'e>(
    ev: Evaluator<'e>,
    expr: &'e Expr,
    signer: &Signer<'_>,
) -> Result<Present, EvalError> {
    let mut present = Present::default();
    for series in ev.rows(expr)? {
        let mut series = series?;
        ev.settle(&mut series);
        let bits = present.entry(signer.of(&series.labels)).or_default();
        bits.add_column(&series.column);
    }
    Ok(present)
}

/// All series of the left side, then those of the right side at the steps at which the left side has no
/// matching one.
fn union<'e>(
    ev: Evaluator<'e>,
    binary: &'e Binary,
    signer: Signer<'e>,
) -> Result<Rows<'e>, EvalError> {
    let mut union = Union {
        ev,
        signer,
        left: ev.rows(&binary.lhs)?,
        right: None,
        present: Present::default(),
    };
    Ok(Box::new(std::iter::from_fn(move || {
        union.step(&binary.rhs).transpose()
    })))
}

struct Union<'e> {
    ev: Evaluator<'e>,
    signer: Signer<'e>,
    left: Rows<'e>,
    right: Option<Rows<'e>>,
    present: Present,
}

impl<'e> Union<'e> {
    fn step(&mut self, rhs: &'e Expr) -> Result<Option<Series>, EvalError> {
        if self.right.is_none() {
            if let Some(series) = self.left.next() {
                let mut series = series?;
                self.ev.settle(&mut series);
                let bits = self.present.entry(self.signer.of(&series.labels));
                bits.or_default().add_column(&series.column);
                return Ok(Some(series));
            }
            self.right = Some(self.ev.rows(rhs)?);
        }
        let right = self.right.as_mut().expect("invariant: just set");
        for series in right {
            let mut series = series?;
            self.ev.settle(&mut series);
            let signature = self.signer.of(&series.labels);
            if let Some(bits) = self.present.get(&signature) {
                bits.filter(&mut series.column, false);
            }
            if !series.column.is_empty() {
                return Ok(Some(series));
            }
        }
        Ok(None)
    }
}
