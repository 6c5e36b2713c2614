//! An operator between two columns, step by step.

use std::sync::Arc;

use super::super::annotation::Severity;
use super::super::column::Column;
use super::super::evaluator::Shared;
use super::bits::{Bits, both};
use crate::model::Span;
use crate::model::histogram::{self, Histogram, ResetHint};
use crate::promql::ast::BinaryOp;
use crate::promql::store::{is_stale, stale};

/// What a comparison gives where it holds; arithmetic ignores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// The value of the column that is changed.
    Own,
    /// The value of the left operand.
    Left,
    /// 1, and 0 where it does not hold (`bool`).
    Truth,
}

/// An operator and how it is applied.
#[derive(Clone, Copy)]
pub(super) struct Rule<'e> {
    pub op: BinaryOp,
    pub keep: Keep,
    /// Whether the column that is changed is the right operand.
    pub swapped: bool,
    /// The whole operation, for annotations.
    pub span: Span,
    pub shared: &'e Shared,
}

/// One operand at one step.
#[derive(Debug, Clone, Copy)]
enum Operand<'a> {
    Float(f64),
    Histogram(&'a Arc<Histogram>),
}

impl<'a> Operand<'a> {
    fn of(column: &'a Column, step: usize) -> Option<Self> {
        match column.histogram(step) {
            Some(histogram) => Some(Self::Histogram(histogram)),
            None if is_stale(column.floats[step]) => None,
            None => Some(Self::Float(column.floats[step])),
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Float(_) => "float",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// What an operator gives at one step.
enum Outcome {
    Float(f64),
    Histogram(Arc<Histogram>),
    /// A comparison: whether it holds.
    Test(bool),
    /// The operands do not go together; the operator has not met them.
    Refused,
}

impl Rule<'_> {
    /// Applies the operator to `own` and `other`, where both have a value, into `own`. The steps at which
    /// the operands went together, whether or not a comparison let the value pass, are put into `met`.
    pub(super) fn combine(&self, own: &mut Column, other: &Column, met: Option<&mut Bits>) {
        let only_numbers = own.histograms.is_empty() && other.histograms.is_empty();
        if !only_numbers || is_trim(self.op) {
            self.mixed(own, other, met);
            return;
        }
        if let Some(met) = met {
            met.add_both(&own.floats, &other.floats);
        }
        numbers(
            self.op,
            self.keep,
            self.swapped,
            &mut own.floats,
            &other.floats,
        );
    }

    fn mixed(&self, own: &mut Column, other: &Column, mut met: Option<&mut Bits>) {
        for step in 0..own.floats.len() {
            let (a, b) = (Operand::of(own, step), Operand::of(other, step));
            let (Some(a), Some(b)) = (a, b) else {
                own.clear(step);
                continue;
            };
            let (left, right) = if self.swapped { (b, a) } else { (a, b) };
            let outcome = self.outcome(left, right);
            if !matches!(outcome, Outcome::Refused)
                && let Some(met) = &mut met
            {
                met.add(step);
            }
            match (outcome, self.keep) {
                (Outcome::Refused, _) => own.clear(step),
                // `bool` makes a number of whatever the operator gives.
                (Outcome::Test(holds), Keep::Truth) => own.set_float(step, truth(holds)),
                (Outcome::Test(false), _) => own.clear(step),
                (Outcome::Test(true), Keep::Left) if self.swapped => match b {
                    Operand::Float(value) => own.set_float(step, value),
                    Operand::Histogram(histogram) => own.set_histogram(step, histogram.clone()),
                },
                (Outcome::Test(true), _) => {}
                (Outcome::Float(value), _) => own.set_float(step, value),
                (Outcome::Histogram(histogram), _) => own.set_histogram(step, histogram),
            }
        }
    }

    fn outcome(&self, left: Operand<'_>, right: Operand<'_>) -> Outcome {
        use Operand::{Float, Histogram};
        if let (Float(mut value), Float(other)) = (left, right)
            && !is_trim(self.op)
        {
            if self.op.is_comparison() {
                return Outcome::Test(holds(self.op, value, other));
            }
            let value = std::slice::from_mut(&mut value);
            numbers(self.op, Keep::Own, false, value, &[other]);
            return Outcome::Float(value[0]);
        }
        match (left, right, self.op) {
            (Float(factor), Histogram(histogram), BinaryOp::Mul)
            | (Histogram(histogram), Float(factor), BinaryOp::Mul) => {
                changed(histogram, |histogram| histogram.mul(factor))
            }
            (Histogram(histogram), Float(divisor), BinaryOp::Div) => {
                changed(histogram, |histogram| histogram.div(divisor))
            }
            (Histogram(histogram), Float(at), BinaryOp::TrimUpper) => {
                trimmed(histogram, at, histogram::Keep::Below)
            }
            (Histogram(histogram), Float(at), BinaryOp::TrimLower) => {
                trimmed(histogram, at, histogram::Keep::Above)
            }
            (Histogram(left), Histogram(right), BinaryOp::Add | BinaryOp::Sub) => {
                self.sum(left, right)
            }
            (Histogram(left), Histogram(right), BinaryOp::Equal) => {
                Outcome::Test(left.equals(right))
            }
            (Histogram(left), Histogram(right), BinaryOp::NotEqual) => {
                Outcome::Test(!left.equals(right))
            }
            _ => {
                let op = self.op.as_str();
                let (left, right) = (left.kind(), right.kind());
                self.note(
                    Severity::Info,
                    format!(
                        "incompatible sample types encountered for binary operator \"{op}\": \
                         {left} {op} {right}"
                    ),
                );
                Outcome::Refused
            }
        }
    }

    /// The sum or difference of histograms. Where one says that there was a reset before and the other
    /// that there was none, there is no result.
    fn sum(&self, left: &Histogram, right: &Histogram) -> Outcome {
        let mut result = left.clone();
        let (merged, name) = if self.op == BinaryOp::Add {
            (result.add(right), "addition")
        } else {
            let merged = result.sub(right);
            result.reset_hint = ResetHint::Gauge;
            (merged, "subtraction")
        };
        let Ok(merged) = merged else {
            let op = self.op.as_str();
            self.note(
                Severity::Warning,
                format!("incompatible bucket layout encountered for binary operator {op}"),
            );
            return Outcome::Refused;
        };
        if merged.reset_collision {
            self.note(
                Severity::Warning,
                format!("conflicting counter resets during histogram {name}"),
            );
            return Outcome::Refused;
        }
        if merged.bounds_reconciled {
            self.note(
                Severity::Info,
                format!("mismatched custom buckets were reconciled during {name}"),
            );
        }
        result.compact(0);
        Outcome::Histogram(Arc::new(result))
    }

    fn note(&self, severity: Severity, message: String) {
        self.shared.note(severity, message, self.span);
    }
}

fn changed(histogram: &Histogram, change: impl FnOnce(&mut Histogram)) -> Outcome {
    let mut result = histogram.clone();
    change(&mut result);
    result.compact(0);
    Outcome::Histogram(Arc::new(result))
}

fn trimmed(histogram: &Histogram, at: f64, keep: histogram::Keep) -> Outcome {
    let mut result = histogram.clone();
    result.trim(at, keep);
    Outcome::Histogram(Arc::new(result))
}

const fn is_trim(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::TrimUpper | BinaryOp::TrimLower)
}

const fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

fn holds(op: BinaryOp, left: f64, right: f64) -> bool {
    match op {
        BinaryOp::Equal => left == right,
        BinaryOp::NotEqual => left != right,
        BinaryOp::Less => left < right,
        BinaryOp::LessOrEqual => left <= right,
        BinaryOp::Greater => left > right,
        _ => left >= right,
    }
}

/// An operator between numbers, into `own`, at the steps at which both have one.
pub(super) fn numbers(op: BinaryOp, keep: Keep, swapped: bool, own: &mut [f64], other: &[f64]) {
    match op {
        BinaryOp::Add => each(swapped, own, other, |a, b| a + b),
        BinaryOp::Sub => each(swapped, own, other, |a, b| a - b),
        BinaryOp::Mul => each(swapped, own, other, |a, b| a * b),
        BinaryOp::Div => each(swapped, own, other, |a, b| a / b),
        BinaryOp::Mod => each(swapped, own, other, |a, b| a % b),
        BinaryOp::Pow => each(swapped, own, other, f64::powf),
        BinaryOp::Atan2 => each(swapped, own, other, f64::atan2),
        BinaryOp::Equal => test(keep, swapped, own, other, |a, b| a == b),
        BinaryOp::NotEqual => test(keep, swapped, own, other, |a, b| a != b),
        BinaryOp::Less => test(keep, swapped, own, other, |a, b| a < b),
        BinaryOp::LessOrEqual => test(keep, swapped, own, other, |a, b| a <= b),
        BinaryOp::Greater => test(keep, swapped, own, other, |a, b| a > b),
        BinaryOp::GreaterOrEqual => test(keep, swapped, own, other, |a, b| a >= b),
        BinaryOp::Or
        | BinaryOp::And
        | BinaryOp::Unless
        | BinaryOp::TrimUpper
        | BinaryOp::TrimLower => unreachable!("invariant: set operators and trims go other ways"),
    }
}

fn test(
    keep: Keep,
    swapped: bool,
    own: &mut [f64],
    other: &[f64],
    holds: impl Fn(f64, f64) -> bool,
) {
    match keep {
        Keep::Truth => each(swapped, own, other, |a, b| truth(holds(a, b))),
        Keep::Own if swapped => each(
            swapped,
            own,
            other,
            |a, b| {
                if holds(a, b) { b } else { stale() }
            },
        ),
        Keep::Own | Keep::Left => each(
            swapped,
            own,
            other,
            |a, b| {
                if holds(a, b) { a } else { stale() }
            },
        ),
    }
}

#[inline]
fn each(swapped: bool, own: &mut [f64], other: &[f64], f: impl Fn(f64, f64) -> f64) {
    let pairs = own.iter_mut().zip(other);
    if swapped {
        for (own, &other) in pairs {
            let value = f(other, *own);
            *own = if both(*own, other) { value } else { stale() };
        }
    } else {
        for (own, &other) in pairs {
            let value = f(*own, other);
            *own = if both(*own, other) { value } else { stale() };
        }
    }
}
