//! Whether dropping the metric names of a vector can make label sets equal: where it cannot, its series
//! need not be collected and compared.

use super::evaluator::Evaluator;
use crate::model::{Labels, METRIC_NAME};
use crate::promql::ast::{AggregateOp, BinaryOp, Call, Cardinality, Expr, ValueType};

/// The labels without the name, and without type and unit where they are labels: these belong to it.
pub(super) fn without_name(labels: &Labels) -> Labels {
    let belongs = |name: &str| matches!(name, METRIC_NAME | "__type__" | "__unit__");
    if !labels.iter().any(|(name, _)| belongs(name)) {
        return labels.clone();
    }
    Labels::from_sorted(labels.iter().filter(|(name, _)| !belongs(name)))
        .expect("invariant: a part of a sorted set is sorted")
}

/// Whether two series of the expression may differ in nothing but what is dropped with the name.
pub(super) fn may_collide(ev: &Evaluator<'_>, expr: &Expr) -> bool {
    ev.options.type_and_unit_labels || !has_one_name(expr)
}

/// Whether two series that the evaluator yields for the expression may have the same labels and values at
/// different steps: results of a join whose partner changes, or of `a or b`.
pub(super) fn may_repeat(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::String(_) | Expr::Vector(_) | Expr::Matrix(_) => false,
        Expr::Subquery(_) => false,
        Expr::Paren(node) => may_repeat(&node.expr),
        Expr::Unary(node) => may_repeat(&node.expr),
        Expr::Call(call) => call.args.iter().any(may_repeat),
        Expr::Aggregate(node) => match node.op {
            AggregateOp::TopK
            | AggregateOp::BottomK
            | AggregateOp::LimitK
            | AggregateOp::LimitRatio => may_repeat(&node.expr),
            _ => false,
        },
        Expr::Binary(node) => match node.op {
            BinaryOp::And | BinaryOp::Unless => may_repeat(&node.lhs),
            _ => {
                let is_vector = |side: &Expr| side.value_type() == ValueType::Vector;
                (is_vector(&node.lhs) && is_vector(&node.rhs))
                    || may_repeat(&node.lhs)
                    || may_repeat(&node.rhs)
            }
        },
    }
}

/// Whether all series of the expression have the same metric name, or none has one.
fn has_one_name(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::String(_) => true,
        Expr::Vector(node) => node.metric_name().is_some(),
        Expr::Matrix(node) => node.selector.metric_name().is_some(),
        Expr::Subquery(node) => has_one_name(&node.expr),
        Expr::Paren(node) => has_one_name(&node.expr),
        Expr::Unary(node) => node.negative || has_one_name(&node.expr),
        Expr::Call(call) => call_has_one_name(call),
        Expr::Aggregate(node) => match node.op {
            AggregateOp::TopK
            | AggregateOp::BottomK
            | AggregateOp::LimitK
            | AggregateOp::LimitRatio => has_one_name(&node.expr),
            AggregateOp::CountValues => false,
            _ => {
                let named = node.grouping.iter().any(|label| label.name == METRIC_NAME);
                node.without || !named || has_one_name(&node.expr)
            }
        },
        Expr::Binary(node) => match node.op {
            BinaryOp::Or => false,
            BinaryOp::And | BinaryOp::Unless => has_one_name(&node.lhs),
            op if op.is_comparison() && !node.return_bool => {
                let right =
                    matches!(&node.matching, Some(m) if m.cardinality == Cardinality::OneToMany);
                let includes = node
                    .matching
                    .as_ref()
                    .is_some_and(|m| !m.include.is_empty());
                !includes && !right && has_one_name(&node.lhs) && has_one_name(&node.rhs)
            }
            _ => node.matching.as_ref().is_none_or(|m| m.include.is_empty()),
        },
    }
}

/// Functions that keep names have those of their argument; all others have dropped them.
fn call_has_one_name(call: &Call) -> bool {
    match call.function.name {
        "label_replace" | "label_join" | "histogram_quantiles" => false,
        "first_over_time" | "info" | "last_over_time" | "sort" | "sort_by_label"
        | "sort_by_label_desc" | "sort_desc" => call.args.first().is_none_or(has_one_name),
        _ => true,
    }
}
