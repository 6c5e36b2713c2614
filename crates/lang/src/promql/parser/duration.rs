//! Durations of ranges, steps and offsets: literals, and expressions of them behind their feature
//! flag.

use super::{Parsed, Parser};
use crate::model::{Duration, Span};
use crate::promql::ast::{At, BinaryOp, DurationExpr, DurationKind, DurationValue, NumberLiteral};
use crate::promql::literal;
use crate::promql::token::{Keyword, Kind};

impl Parser<'_> {
    /// The range or the step between brackets.
    pub(super) fn positive_duration(&mut self) -> Parsed<DurationValue> {
        let expr = self.duration_expression(0)?;
        if let DurationKind::Number(number) = &expr.kind
            && number.value <= 0.0
        {
            let message = "duration must be greater than 0";
            self.error("promql/syntax", expr.at.0, message);
        }
        Ok(value(expr))
    }

    /// What follows `offset`; none if it is zero. Operators behind it are operators of durations
    /// only where it begins with a parenthesis: `foo offset 5m + bar` is a sum of vectors.
    pub(super) fn offset_duration(&mut self) -> Parsed<Option<DurationValue>> {
        let mut expr = match self.token.kind {
            Kind::Operator(sign @ (BinaryOp::Add | BinaryOp::Sub)) => {
                let start = self.advance()?.span.start;
                let negative = sign == BinaryOp::Sub;
                match self.token.kind {
                    Kind::Operator(_) => {
                        let operand = self.duration_operand()?;
                        self.duration_rest(signed(negative, operand, start), 0)?
                    }
                    _ => signed(negative, self.duration_primary(false)?, start),
                }
            }
            Kind::LeftParen => self.duration_expression(0)?,
            _ => self.duration_primary(true)?,
        };
        // `(5m) + 3m` loses its parentheses, but is one expression only while it has some
        expr.wrapped |= !stands_alone(&expr);
        let is_zero = |value: &DurationValue| match value {
            DurationValue::Literal { value, .. } => value.is_zero(),
            DurationValue::Expr(_) => false,
        };
        Ok(Some(value(expr)).filter(|value| !is_zero(value)))
    }

    /// A number or duration with an optional sign.
    pub(super) fn signed_number(&mut self) -> Parsed<NumberLiteral> {
        let start = self.token.span.start;
        let negative = self.token.kind == Kind::Operator(BinaryOp::Sub);
        if negative || self.token.kind == Kind::Operator(BinaryOp::Add) {
            self.advance()?;
        }
        if !matches!(self.token.kind, Kind::Number | Kind::Duration) {
            return Err(self.unexpected());
        }
        let number = self.number()?;
        Ok(NumberLiteral {
            value: if negative {
                -number.value
            } else {
                number.value
            },
            is_duration: number.is_duration,
            at: self.since(start),
        })
    }

    fn duration_expression(&mut self, min_precedence: u8) -> Parsed<DurationExpr> {
        self.nested(|parser| {
            let lhs = parser.duration_operand()?;
            parser.duration_rest(lhs, min_precedence)
        })
    }

    /// The operators behind an operand, as far as they bind that tightly.
    fn duration_rest(&mut self, lhs: DurationExpr, min_precedence: u8) -> Parsed<DurationExpr> {
        let mut lhs = lhs;
        while let Kind::Operator(op) = self.token.kind
            && is_arithmetic(op)
            && op.precedence() >= min_precedence
        {
            lhs = self.duration_binary(lhs, op)?;
        }
        Ok(lhs)
    }

    fn duration_binary(&mut self, lhs: DurationExpr, op: BinaryOp) -> Parsed<DurationExpr> {
        self.count_operator()?;
        let operator = self.advance()?;
        self.needs_duration_expressions(lhs.at.0);
        let is_right_associative = op == BinaryOp::Pow;
        let rhs = self.duration_expression(op.precedence() + u8::from(!is_right_associative))?;
        let by_zero = matches!(&rhs.kind, DurationKind::Number(n) if n.value == 0.0);
        if by_zero && matches!(op, BinaryOp::Div | BinaryOp::Mod) {
            let what = if op == BinaryOp::Div {
                "division"
            } else {
                "modulo"
            };
            self.error("promql/syntax", operator.span, format!("{what} by zero"));
        }
        let at = At(lhs.at.to(rhs.at.0));
        Ok(expr(
            DurationKind::Binary(op, Box::new(lhs), Box::new(rhs)),
            at,
        ))
    }

    fn duration_operand(&mut self) -> Parsed<DurationExpr> {
        if let Kind::Operator(sign @ (BinaryOp::Add | BinaryOp::Sub)) = self.token.kind {
            let start = self.advance()?.span.start;
            let operand = self.duration_expression(BinaryOp::Mul.precedence() + 1)?;
            return Ok(signed(sign == BinaryOp::Sub, operand, start));
        }
        self.duration_primary(true)
    }

    /// A number, a word, or an expression in parentheses; `offset -(5m)` needs no feature flag.
    fn duration_primary(&mut self, parens_need_flag: bool) -> Parsed<DurationExpr> {
        match self.token.kind {
            Kind::Number | Kind::Duration => {
                let number = self.number()?;
                if literal::is_out_of_range(number.value) {
                    self.error("promql/syntax", number.at.0, "duration out of range");
                }
                Ok(expr(DurationKind::Number(number), number.at))
            }
            Kind::LeftParen => {
                let start = self.advance()?.span.start;
                let inner = self.duration_expression(0)?;
                self.expect(Kind::RightParen)?;
                if parens_need_flag {
                    self.needs_duration_expressions(inner.at.0);
                }
                Ok(wrapped(inner, self.since(start)))
            }
            Kind::Keyword(
                word @ (Keyword::Step | Keyword::Range | Keyword::MaxOf | Keyword::MinOf),
            ) => self.duration_function(word),
            _ => Err(self.unexpected()),
        }
    }

    fn duration_function(&mut self, word: Keyword) -> Parsed<DurationExpr> {
        let start = self.advance()?.span.start;
        self.expect(Kind::LeftParen)?;
        let kind = match word {
            Keyword::Step => DurationKind::Step,
            Keyword::Range => DurationKind::Range,
            _ => {
                let lhs = Box::new(self.duration_expression(0)?);
                self.expect(Kind::Comma)?;
                let rhs = Box::new(self.duration_expression(0)?);
                match word {
                    Keyword::MaxOf => DurationKind::MaxOf(lhs, rhs),
                    _ => DurationKind::MinOf(lhs, rhs),
                }
            }
        };
        self.expect(Kind::RightParen)?;
        let at = self.since(start);
        self.needs_duration_expressions(at.0);
        Ok(expr(kind, at))
    }

    /// Said once, however many operators there are.
    fn needs_duration_expressions(&mut self, span: Span) {
        const MESSAGE: &str = "experimental duration expression is not enabled";
        let said = self.errors.iter().any(|error| error.message == MESSAGE);
        if !self.options.duration_expressions && !said {
            self.error("promql/experimental", span, MESSAGE);
            self.hinted("enable the feature flag promql-duration-expr");
        }
    }
}

const fn is_arithmetic(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Add
            | BinaryOp::Sub
            | BinaryOp::Mul
            | BinaryOp::Div
            | BinaryOp::Mod
            | BinaryOp::Pow
    )
}

/// Whether the text of an expression is read as a whole behind `offset`: operators belong to it only
/// where it begins with a parenthesis or with two signs.
fn stands_alone(expr: &DurationExpr) -> bool {
    let is_binary = |expr: &DurationExpr| matches!(expr.kind, DurationKind::Binary(..));
    expr.wrapped
        || match &expr.kind {
            DurationKind::Negate(operand) => operand.wrapped || !is_binary(operand),
            DurationKind::Binary(_, lhs, _) => begins_whole(lhs),
            _ => true,
        }
}

fn begins_whole(expr: &DurationExpr) -> bool {
    expr.wrapped
        || match &expr.kind {
            DurationKind::Binary(_, lhs, _) => begins_whole(lhs),
            DurationKind::Negate(operand) => {
                !operand.wrapped && matches!(operand.kind, DurationKind::Negate(_))
            }
            _ => false,
        }
}

const fn expr(kind: DurationKind, at: At) -> DurationExpr {
    DurationExpr {
        kind,
        wrapped: false,
        at,
    }
}

/// A number takes its sign in, also through parentheses.
fn signed(negative: bool, operand: DurationExpr, start: usize) -> DurationExpr {
    let at = At(Span::new(start, operand.at.end));
    match operand.kind {
        DurationKind::Number(mut number) => {
            if negative {
                number.value = -number.value;
            }
            number.at = at;
            expr(DurationKind::Number(number), at)
        }
        _ if negative => expr(DurationKind::Negate(Box::new(operand)), at),
        _ => operand,
    }
}

/// Parentheses are kept but around a single number, where upstream drops them; around a negative
/// one they are kept, since `(-5m) ^ 2` would read back as another expression.
fn wrapped(mut inner: DurationExpr, at: At) -> DurationExpr {
    let is_plain = matches!(&inner.kind, DurationKind::Number(n) if n.value >= 0.0);
    inner.wrapped = !is_plain;
    inner.at = at;
    inner
}

fn value(expr: DurationExpr) -> DurationValue {
    match expr.kind {
        DurationKind::Number(number) => DurationValue::Literal {
            value: from_number(number),
            at: expr.at,
        },
        _ => DurationValue::Expr(Box::new(expr)),
    }
}

fn from_number(number: NumberLiteral) -> Duration {
    literal::from_seconds(number.value)
}
