//! Writes an expression byte for byte as Prometheus 3.14's `Expr.String()`, which its API gives as
//! `query`. What is written reads back as the same tree.

use std::fmt::{self, Display, Formatter};

use super::ast::{
    Aggregate, AtModifier, Binary, Cardinality, DurationExpr, DurationKind, DurationValue, Expr,
    Extended, LabelName, NumberLiteral, Subquery, VectorMatching, VectorSelector,
};
use crate::model::labels::{is_legacy_name, quote};
use crate::model::{Duration, METRIC_NAME, MatchOp, Matcher, number};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(node) => node.fmt(f),
            Self::String(node) => f.write_str(&quote(&node.value)),
            Self::Vector(node) => {
                write_matchers(f, node)?;
                write_at(f, node.fixed)?;
                write_extended(f, node.extended)?;
                write_offset(f, node.offset.as_ref())
            }
            Self::Matrix(node) => {
                write_matchers(f, &node.selector)?;
                write!(f, "[{}]", node.range)?;
                // another order than for an instant vector
                write_extended(f, node.selector.extended)?;
                write_at(f, node.selector.fixed)?;
                write_offset(f, node.selector.offset.as_ref())
            }
            Self::Subquery(node) => node.fmt(f),
            Self::Call(node) => {
                f.write_str(node.function.name)?;
                f.write_str("(")?;
                write_list(f, &node.args, |f, arg| arg.fmt(f))?;
                f.write_str(")")
            }
            Self::Aggregate(node) => node.fmt(f),
            Self::Binary(node) => node.fmt(f),
            Self::Unary(node) => {
                f.write_str(if node.negative { "-" } else { "+" })?;
                node.expr.fmt(f)
            }
            Self::Paren(node) => write!(f, "({})", node.expr),
        }
    }
}

impl Display for NumberLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.is_duration {
            return f.write_str(&number::format_f(self.value));
        }
        if self.value < 0.0 {
            f.write_str("-")?;
        }
        seconds_as_duration(self.value.abs()).fmt(f)
    }
}

/// Cut, not rounded, to nanoseconds and then to milliseconds, as upstream does in print.
#[expect(clippy::cast_possible_truncation, reason = "upstream cuts too")]
fn seconds_as_duration(seconds: f64) -> Duration {
    Duration::from_millis((seconds * 1e9) as i64 / 1_000_000)
}

impl Display for DurationValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal { value, .. } => value.fmt(f),
            Self::Expr(expr) => expr.fmt(f),
        }
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.wrapped {
            f.write_str("(")?;
        }
        match &self.kind {
            DurationKind::Number(number) => number.fmt(f),
            DurationKind::Step => f.write_str("step()"),
            DurationKind::Range => f.write_str("range()"),
            DurationKind::Negate(operand) => write!(f, "-{operand}"),
            DurationKind::Binary(op, lhs, rhs) => write!(f, "{lhs} {} {rhs}", op.as_str()),
            DurationKind::MinOf(lhs, rhs) => write!(f, "min_of({lhs}, {rhs})"),
            DurationKind::MaxOf(lhs, rhs) => write!(f, "max_of({lhs}, {rhs})"),
        }?;
        if self.wrapped {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl Display for Subquery {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}:", self.expr, self.range)?;
        if let Some(step) = &self.step {
            step.fmt(f)?;
        }
        f.write_str("]")?;
        write_at(f, self.fixed)?;
        write_offset(f, self.offset.as_ref())
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.op.as_str())?;
        if self.without || !self.grouping.is_empty() {
            f.write_str(if self.without { " without " } else { " by " })?;
            write_labels(f, &self.grouping)?;
            f.write_str(" ")?;
        }
        f.write_str("(")?;
        if let Some(param) = &self.param {
            write!(f, "{param}, ")?;
        }
        write!(f, "{})", self.expr)
    }
}

impl Display for Binary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.lhs, self.op.as_str())?;
        if self.return_bool {
            f.write_str(" bool")?;
        }
        if let Some(matching) = &self.matching {
            matching.fmt(f)?;
        }
        write!(f, " {}", self.rhs)
    }
}

impl Display for VectorMatching {
    /// With a space in front, where there is anything to write.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let group = match self.cardinality {
            Cardinality::ManyToOne => Some(" group_left "),
            Cardinality::OneToMany => Some(" group_right "),
            Cardinality::OneToOne | Cardinality::ManyToMany => None,
        };
        if self.on || !self.labels.is_empty() || group.is_some() {
            f.write_str(if self.on { " on " } else { " ignoring " })?;
            write_labels(f, &self.labels)?;
        }
        if let Some(group) = group {
            f.write_str(group)?;
            write_labels(f, &self.include)?;
        }
        let value = |fill: NumberLiteral| number::format_g(fill.value);
        match (self.fill_left, self.fill_right) {
            (Some(left), Some(right)) if left.value == right.value => {
                write!(f, " fill ({})", value(left))
            }
            (left, right) => {
                if let Some(left) = left {
                    write!(f, " fill_left ({})", value(left))?;
                }
                if let Some(right) = right {
                    write!(f, " fill_right ({})", value(right))?;
                }
                Ok(())
            }
        }
    }
}

fn write_list<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    write: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    Ok(())
}

fn write_labels(f: &mut Formatter<'_>, labels: &[LabelName]) -> fmt::Result {
    f.write_str("(")?;
    write_list(f, labels, |f, label| f.write_str(&quoted_name(&label.name)))?;
    f.write_str(")")
}

fn quoted_name(name: &str) -> std::borrow::Cow<'_, str> {
    if is_legacy_name(name) {
        name.into()
    } else {
        quote(name).into()
    }
}

/// A matcher as it stands between braces: `job="api"`.
pub(super) fn matcher_text(matcher: &Matcher) -> String {
    let Matcher { name, op, value } = matcher;
    format!("{}{op}{}", quoted_name(name), quote(value))
}

/// A selector that reads back as these matchers.
pub(super) fn selector_text(matchers: &[Matcher]) -> String {
    let is_name =
        |m: &&Matcher| m.name == METRIC_NAME && m.op == MatchOp::Equal && is_metric_name(&m.value);
    let name = matchers.iter().find(is_name);
    let others = matchers.iter().filter(|m| Some(*m) != name);
    let mut texts: Vec<String> = others.map(matcher_text).collect();
    texts.sort_unstable();
    let name = name.map_or("", |m| &m.value);
    if texts.is_empty() && !name.is_empty() {
        return name.to_owned();
    }
    format!("{name}{{{}}}", texts.join(","))
}

/// Whether a name can stand in front of the braces; words of the language cannot everywhere.
fn is_metric_name(name: &str) -> bool {
    let metric = super::parse(name, super::ParseOptions::default());
    matches!(metric, Ok(Expr::Vector(selector)) if selector.name() == Some(name))
}

/// The name and the braces; the matchers are sorted by their text.
fn write_matchers(f: &mut Formatter<'_>, selector: &VectorSelector) -> fmt::Result {
    let name = selector.name().unwrap_or("");
    f.write_str(name)?;
    let is_name = |m: &Matcher| {
        m.name == METRIC_NAME && m.op == MatchOp::Equal && m.value == name && !name.is_empty()
    };
    let mut texts: Vec<String> = selector
        .matchers()
        .filter(|m| !is_name(m))
        .map(matcher_text)
        .collect();
    if texts.is_empty() {
        return if name.is_empty() {
            f.write_str("{}")
        } else {
            Ok(())
        };
    }
    texts.sort_unstable();
    write!(f, "{{{}}}", texts.join(","))
}

fn write_at(f: &mut Formatter<'_>, at: Option<AtModifier>) -> fmt::Result {
    match at {
        None => Ok(()),
        Some(AtModifier::Time(time)) => write!(f, " @ {:.3}", time.seconds()),
        Some(AtModifier::Start) => f.write_str(" @ start()"),
        Some(AtModifier::End) => f.write_str(" @ end()"),
    }
}

fn write_extended(f: &mut Formatter<'_>, extended: Option<Extended>) -> fmt::Result {
    match extended {
        None => Ok(()),
        Some(Extended::Anchored) => f.write_str(" anchored"),
        Some(Extended::Smoothed) => f.write_str(" smoothed"),
    }
}

fn write_offset(f: &mut Formatter<'_>, offset: Option<&DurationValue>) -> fmt::Result {
    match offset {
        None => Ok(()),
        Some(offset) => write!(f, " offset {offset}"),
    }
}
