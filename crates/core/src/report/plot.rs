//! What of an alert's expression is worth drawing: the side that is compared, and the number it is
//! compared with. Nothing is evaluated here.

use stentor_lang::promql::Expr;
use stentor_lang::promql::ast::{Binary, BinaryOp};

/// What an expression measures.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured<'e> {
    /// The side of the comparison that is not the threshold, without parentheses around it; the whole
    /// expression where it compares with no number. Its text is what it prints as.
    pub expr: &'e Expr,
    /// How it is compared, and with what: the operator as it reads with the expression on its left.
    pub threshold: Option<(&'static str, f64)>,
}

/// Finds what an expression measures: `rate(errors[5m]) > 0.8 * 100` measures `rate(errors[5m])`, with the
/// threshold `> 80`. Of parts joined by `and` and `or`, and inside an aggregation, the first that compares
/// with a number speaks for all; what stands behind `unless` says when *not* to fire, and is not looked at.
pub fn measured(expr: &Expr) -> Measured<'_> {
    compared(expr).unwrap_or(Measured {
        expr: expr.unwrap_parens(),
        threshold: None,
    })
}

fn compared(expr: &Expr) -> Option<Measured<'_>> {
    match expr.unwrap_parens() {
        Expr::Aggregate(aggregate) => compared(&aggregate.expr),
        Expr::Binary(binary) => match binary.op {
            BinaryOp::And | BinaryOp::Or => compared(&binary.lhs).or_else(|| compared(&binary.rhs)),
            BinaryOp::Unless => compared(&binary.lhs),
            op if op.is_comparison() => with_number(binary),
            _ => None,
        },
        _ => None,
    }
}

/// A filter by a number. With `bool` it filters nothing, and so it is no threshold.
fn with_number(binary: &Binary) -> Option<Measured<'_>> {
    if binary.return_bool {
        return None;
    }
    let (expr, op, number) = match (number(&binary.lhs), number(&binary.rhs)) {
        (None, Some(number)) => (&binary.lhs, binary.op, number),
        (Some(number), None) => (&binary.rhs, flipped(binary.op), number),
        _ => return None,
    };
    let expr = expr.unwrap_parens();
    // `5 < x < 10` is a filter of a filter; the inner one would cut holes into what is drawn.
    let inner = match expr {
        Expr::Binary(inner) if inner.op.is_comparison() => with_number(inner),
        _ => None,
    };
    Some(inner.unwrap_or(Measured {
        expr,
        threshold: Some((op.as_str(), number)),
    }))
}

/// The operator that says the same with its sides exchanged.
fn flipped(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Less => BinaryOp::Greater,
        BinaryOp::LessOrEqual => BinaryOp::GreaterOrEqual,
        BinaryOp::Greater => BinaryOp::Less,
        BinaryOp::GreaterOrEqual => BinaryOp::LessOrEqual,
        other => other,
    }
}

/// What an expression of numbers alone comes to.
fn number(expr: &Expr) -> Option<f64> {
    match expr.unwrap_parens() {
        Expr::Number(literal) => Some(literal.value),
        Expr::Unary(unary) => {
            let value = number(&unary.expr)?;
            Some(if unary.negative { -value } else { value })
        }
        Expr::Binary(binary) => {
            let (a, b) = (number(&binary.lhs)?, number(&binary.rhs)?);
            match binary.op {
                BinaryOp::Add => Some(a + b),
                BinaryOp::Sub => Some(a - b),
                BinaryOp::Mul => Some(a * b),
                BinaryOp::Div => Some(a / b),
                BinaryOp::Mod => Some(a % b),
                BinaryOp::Pow => Some(a.powf(b)),
                BinaryOp::Atan2 => Some(a.atan2(b)),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use stentor_lang::promql::{ParseOptions, parse};

    use super::*;

    #[track_caller]
    fn check(text: &str, expr: &str, threshold: Option<(&str, f64)>) {
        let tree = parse(text, ParseOptions::all()).expect(text);
        let measured = measured(&tree);
        assert_eq!(measured.expr.to_string(), expr, "{text}");
        assert_eq!(measured.threshold, threshold, "{text}");
    }

    #[test]
    fn the_threshold_is_the_number_on_either_side() {
        check("x > 5", "x", Some((">", 5.0)));
        check("5 > x", "x", Some(("<", 5.0)));
        check("5 <= x", "x", Some((">=", 5.0)));
        check("5 == x", "x", Some(("==", 5.0)));
        check("x != 0", "x", Some(("!=", 0.0)));
        check("((x) < (5))", "x", Some(("<", 5.0)));
        check("x < -5", "x", Some(("<", -5.0)));
        check("a / b * 100 > 1", "a / b * 100", Some((">", 1.0)));
        check("time() - x > 1h", "time() - x", Some((">", 3600.0)));
    }

    #[test]
    fn numbers_alone_are_one_number() {
        check("x > 0.5 * 100", "x", Some((">", 50.0)));
        check("(14.4 * (1 - 0.75)) < x", "x", Some((">", 3.6)));
        check("x > 2 ^ 10 % 1000 + 1", "x", Some((">", 25.0)));
        check("x > 1 / 0", "x", Some((">", f64::INFINITY)));
        check("x > -(1 atan2 0) * 0", "x", Some((">", -0.0)));
    }

    #[test]
    fn the_first_part_that_compares_speaks_for_all() {
        check("x > 5 and y < 3", "x", Some((">", 5.0)));
        check("x and y < 3", "y", Some(("<", 3.0)));
        check("(x or y < 3) unless z > 1", "y", Some(("<", 3.0)));
        check("x unless y > 3", "x unless y > 3", None);
        check("count by (job) (up == 0)", "up", Some(("==", 0.0)));
        check("count(up == 0) > 3", "count(up == 0)", Some((">", 3.0)));
        check("5 < x < 10", "x", Some((">", 5.0)));
        check("(x > 5) < 10", "x", Some((">", 5.0)));
    }

    #[test]
    fn without_a_number_it_is_the_whole() {
        check("(up)", "up", None);
        check("absent(x > 5)", "absent(x > 5)", None);
        check("x > y", "x > y", None);
        check("x > scalar(y)", "x > scalar(y)", None);
        check("x > bool 5", "x > bool 5", None);
        check("1 == bool 1", "1 == bool 1", None);
        check("(x > bool 5) == 1", "x > bool 5", Some(("==", 1.0)));
    }
}
