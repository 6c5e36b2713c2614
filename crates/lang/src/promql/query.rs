//! Questions about a tree that its users ask: what it reads, and what it depends on.

use std::collections::BTreeSet;

use super::ast::{
    AtModifier, Call, DurationExpr, DurationKind, DurationValue, Expr, Modifiers, VectorSelector,
};
use crate::model::{METRIC_NAME, MatchOp, Matcher};

/// The metric whose labels `info` adds where its second argument names no other.
const INFO_METRIC: &str = "target_info";

impl Expr {
    /// The nodes directly below, in the order of the text.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Number(_) | Self::String(_) | Self::Vector(_) | Self::Matrix(_) => Vec::new(),
            Self::Subquery(node) => vec![&node.expr],
            Self::Call(node) => node.args.iter().collect(),
            Self::Aggregate(node) => node.param.iter().chain([&node.expr]).collect(),
            Self::Binary(node) => vec![&node.lhs, &node.rhs],
            Self::Unary(node) => vec![&node.expr],
            Self::Paren(node) => vec![&node.expr],
        }
    }

    /// Visits every node, parents before children, in the order of the text.
    pub fn walk<'e>(&'e self, visit: &mut impl FnMut(&'e Expr)) {
        visit(self);
        for child in self.children() {
            child.walk(visit);
        }
    }

    /// All selectors, also those of ranges and of `info`.
    pub fn selectors(&self) -> Vec<&VectorSelector> {
        let mut found = Vec::new();
        self.walk(&mut |expr| match expr {
            Self::Vector(selector) => found.push(&**selector),
            Self::Matrix(matrix) => found.push(&matrix.selector),
            _ => {}
        });
        found
    }

    /// The modifiers of the first selector, and of the subqueries around it from inside out; nothing
    /// where there is no selector.
    pub fn first_modifiers(&self) -> Vec<Modifiers<'_>> {
        self.modifiers_below().unwrap_or_default()
    }

    fn modifiers_below(&self) -> Option<Vec<Modifiers<'_>>> {
        match self {
            Self::Vector(node) => Some(vec![(node.fixed, node.offset.as_ref())]),
            Self::Matrix(node) => Some(vec![(node.selector.fixed, node.selector.offset.as_ref())]),
            Self::Subquery(node) => {
                let mut found = node.expr.modifiers_below()?;
                found.push((node.fixed, node.offset.as_ref()));
                Some(found)
            }
            other => other.children().into_iter().find_map(Self::modifiers_below),
        }
    }

    /// Whether it means something else in a range query than at each of its instants:
    /// `@ start()`, `@ end()`, and `start()`, `end()`, `step()`, `range()`.
    pub fn depends_on_range(&self) -> bool {
        let mut depends = false;
        self.walk(&mut |expr| {
            depends |= match expr {
                Self::Vector(node) => selector_depends(node),
                Self::Matrix(node) => {
                    selector_depends(&node.selector) || duration_depends(Some(&node.range))
                }
                Self::Subquery(node) => {
                    is_border(node.fixed)
                        || duration_depends(Some(&node.range))
                        || duration_depends(node.step.as_ref())
                        || duration_depends(node.offset.as_ref())
                }
                Self::Call(node) => {
                    matches!(node.function.name, "start" | "end" | "step" | "range")
                }
                _ => false,
            };
        });
        depends
    }

    /// Whether a selector may match any metric: its name is not given, or only by a pattern. The
    /// second argument of `info` selects only info metrics and does not count.
    pub fn has_selector_without_name(&self) -> bool {
        match self {
            Self::Vector(node) => node.metric_name().is_none(),
            Self::Matrix(node) => node.selector.metric_name().is_none(),
            Self::Call(node) if node.function.name == "info" => node
                .args
                .iter()
                .take(1)
                .any(Self::has_selector_without_name),
            other => other
                .children()
                .into_iter()
                .any(Self::has_selector_without_name),
        }
    }

    /// The metric names that it reads, as far as they are given; `ALERTS` may be among them.
    pub fn metric_names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.walk(&mut |expr| match expr {
            Self::Vector(node) => names.extend(node.metric_name()),
            Self::Matrix(node) => names.extend(node.selector.metric_name()),
            Self::Call(node) if node.function.name == "info" => {
                let names_metric = node.args.get(1).is_some_and(|arg| {
                    let selectors = arg.selectors();
                    selectors
                        .iter()
                        .any(|s| s.matchers().any(|m| m.name == METRIC_NAME))
                });
                if !names_metric {
                    names.insert(INFO_METRIC);
                }
            }
            _ => {}
        });
        names
    }
}

impl Call {
    /// Of `info`: what the series match whose labels it adds.
    pub fn info_matchers(&self) -> Vec<Matcher> {
        let mut matchers: Vec<Matcher> = match self.args.get(1).map(Expr::unwrap_parens) {
            Some(Expr::Vector(selector)) => selector.matchers().cloned().collect(),
            _ => Vec::new(),
        };
        let names = || matchers.iter().filter(|m| m.name == METRIC_NAME);
        let positive = |m: &Matcher| matches!(m.op, MatchOp::Equal | MatchOp::Regex);
        if !names().any(positive) {
            let (op, value) = if names().next().is_none() {
                (MatchOp::Equal, INFO_METRIC)
            } else {
                (MatchOp::Regex, ".+_info")
            };
            matchers.push(Matcher {
                name: METRIC_NAME.to_owned(),
                op,
                value: value.to_owned(),
            });
        }
        matchers
    }
}

fn selector_depends(selector: &VectorSelector) -> bool {
    is_border(selector.fixed) || duration_depends(selector.offset.as_ref())
}

fn is_border(at: Option<AtModifier>) -> bool {
    matches!(at, Some(AtModifier::Start | AtModifier::End))
}

fn duration_depends(duration: Option<&DurationValue>) -> bool {
    match duration {
        Some(DurationValue::Expr(expr)) => expr_depends(expr),
        Some(DurationValue::Literal { .. }) | None => false,
    }
}

fn expr_depends(expr: &DurationExpr) -> bool {
    match &expr.kind {
        DurationKind::Number(_) => false,
        DurationKind::Step | DurationKind::Range => true,
        DurationKind::Negate(operand) => expr_depends(operand),
        DurationKind::Binary(_, lhs, rhs)
        | DurationKind::MinOf(lhs, rhs)
        | DurationKind::MaxOf(lhs, rhs) => expr_depends(lhs) || expr_depends(rhs),
    }
}
