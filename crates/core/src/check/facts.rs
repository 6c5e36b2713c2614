//! What can be said of an expression's result without any data.

use std::collections::BTreeSet;

use stentor_lang::model::MatchOp;
use stentor_lang::promql::Expr;
use stentor_lang::promql::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, VectorSelector,
};

/// The only labels that the result can have; `None` where that is not known.
pub(super) fn labels(expr: &Expr) -> Option<BTreeSet<&str>> {
    match expr {
        Expr::Number(_) | Expr::String(_) => Some(BTreeSet::new()),
        Expr::Vector(_) | Expr::Matrix(_) => None,
        Expr::Subquery(node) => labels(&node.expr),
        Expr::Unary(node) => labels(&node.expr),
        Expr::Paren(node) => labels(&node.expr),
        Expr::Call(call) => of_call(call),
        Expr::Aggregate(node) => of_aggregate(node),
        Expr::Binary(node) => of_binary(node),
    }
}

fn of_call(call: &Call) -> Option<BTreeSet<&str>> {
    let vector = || {
        let vectors = call.args.iter();
        let mut vectors = vectors.filter(|arg| !matches!(arg, Expr::Number(_) | Expr::String(_)));
        vectors.next().map_or(Some(BTreeSet::new()), labels)
    };
    match call.function.name {
        "vector" | "scalar" | "time" | "pi" => Some(BTreeSet::new()),
        "absent" | "absent_over_time" => match call.args.first()?.unwrap_parens() {
            Expr::Vector(selector) => Some(equal(selector)),
            Expr::Matrix(matrix) => Some(equal(&matrix.selector)),
            _ => Some(BTreeSet::new()),
        },
        "label_replace" | "label_join" => {
            let Expr::String(target) = call.args.get(1)? else {
                return None;
            };
            let mut labels = vector()?;
            labels.insert(&target.value);
            Some(labels)
        }
        "histogram_quantile" | "histogram_fraction" => {
            let mut labels = labels(call.args.last()?)?;
            labels.remove("le");
            Some(labels)
        }
        "histogram_quantiles" | "info" => None,
        _ => vector(),
    }
}

/// The labels that a selector fixes: those that `absent` gives its result.
fn equal(selector: &VectorSelector) -> BTreeSet<&str> {
    let fixed = selector.matchers().filter(|m| m.op == MatchOp::Equal);
    fixed.map(|m| m.name.as_str()).collect()
}

fn of_aggregate(node: &Aggregate) -> Option<BTreeSet<&str>> {
    let grouping = || node.grouping.iter().map(|label| label.name.as_str());
    let inner = labels(&node.expr);
    match node.op {
        AggregateOp::TopK
        | AggregateOp::BottomK
        | AggregateOp::LimitK
        | AggregateOp::LimitRatio => {
            return inner;
        }
        AggregateOp::CountValues => return None,
        _ => {}
    }
    if node.without {
        let mut inner = inner?;
        for label in grouping() {
            inner.remove(label);
        }
        return Some(inner);
    }
    let mut kept: BTreeSet<&str> = grouping().collect();
    if let Some(inner) = inner {
        kept.retain(|label| inner.contains(label));
    }
    Some(kept)
}

fn of_binary(node: &Binary) -> Option<BTreeSet<&str>> {
    let Some(matching) = &node.matching else {
        let (lhs, rhs) = (labels(&node.lhs), labels(&node.rhs));
        // One side is a number, and brings none.
        return match (
            matches!(node.lhs.unwrap_parens(), Expr::Number(_)),
            lhs,
            rhs,
        ) {
            (true, _, rhs) => rhs,
            (false, lhs, Some(rhs)) if rhs.is_empty() => lhs,
            (false, Some(lhs), rhs) if lhs.is_empty() => rhs,
            _ => None,
        };
    };
    let include = || matching.include.iter().map(|label| label.name.as_str());
    match (node.op, matching.cardinality) {
        (BinaryOp::And | BinaryOp::Unless, _) => labels(&node.lhs),
        (BinaryOp::Or, _) => Some(&labels(&node.lhs)? | &labels(&node.rhs)?),
        (_, Cardinality::ManyToOne) => {
            Some(labels(&node.lhs)?.into_iter().chain(include()).collect())
        }
        (_, Cardinality::OneToMany) => {
            Some(labels(&node.rhs)?.into_iter().chain(include()).collect())
        }
        _ if matching.on => Some(matching.labels.iter().map(|l| l.name.as_str()).collect()),
        _ => labels(&node.lhs),
    }
}

/// Whether some series that exist can be missing from the result because of their values or of other
/// series: without such a condition an alert fires for whatever there is.
pub(super) fn has_condition(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |node| {
        found |= match node {
            Expr::Binary(binary) => {
                (binary.op.is_comparison() && !binary.return_bool)
                    || matches!(
                        binary.op,
                        BinaryOp::And
                            | BinaryOp::Unless
                            | BinaryOp::TrimLower
                            | BinaryOp::TrimUpper
                    )
            }
            Expr::Call(call) => matches!(call.function.name, "absent" | "absent_over_time"),
            // A selector by a label's value may itself be the condition: `ALERTS{alertstate="firing"}`.
            _ => false,
        };
    });
    found
}

/// The least value that the result can have, where that is known.
pub(super) fn least(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Paren(node) => least(&node.expr),
        Expr::Aggregate(node) => match node.op {
            AggregateOp::Count | AggregateOp::Group => Some(1.0),
            AggregateOp::CountValues => Some(1.0),
            AggregateOp::Stddev | AggregateOp::Stdvar => Some(0.0),
            AggregateOp::Sum
            | AggregateOp::Avg
            | AggregateOp::Min
            | AggregateOp::Max
            | AggregateOp::TopK
            | AggregateOp::BottomK => {
                // A sum of many may be more than one of them, never less, unless that is negative.
                least(&node.expr).filter(|least| *least >= 0.0)
            }
            _ => None,
        },
        Expr::Call(call) => match call.function.name {
            "count_over_time" | "present_over_time" | "absent" | "absent_over_time" => Some(1.0),
            "rate" | "increase" | "irate" | "resets" | "changes" | "abs" | "sqrt" | "time"
            | "stddev_over_time" | "stdvar_over_time" => Some(0.0),
            _ => None,
        },
        _ => None,
    }
}
