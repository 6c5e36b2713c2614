//! `histogram-le`: `histogram_quantile` over buckets whose bounds are gone.
//!
//! The bounds of classic buckets are in the label `le`. Where an aggregation drops it, all buckets become
//! one number and the quantile is `NaN` or nothing: the alert never fires.
//!
//! ```yaml
//! expr: histogram_quantile(0.99, sum by (job) (rate(request_seconds_bucket[5m]))) > 1
//! ```
//!
//! Keep it: `sum by (job, le) (...)`.

use stentor_lang::model::Diagnostic;
use stentor_lang::promql::Expr;
use stentor_lang::promql::ast::{Aggregate, AggregateOp};

use super::written::Rules;

pub(super) const CODE: &str = "check/histogram-le";

pub(super) fn lint(rules: &Rules<'_>, findings: &mut Vec<Diagnostic>) {
    for (rule, expr) in rules.expressions() {
        expr.walk(&mut |node| {
            let Expr::Call(call) = node else { return };
            if !call.function.name.starts_with("histogram_") {
                return;
            }
            for arg in &call.args {
                let Some(aggregate) = aggregation(arg) else {
                    continue;
                };
                if keeps_le(aggregate) || !reads_buckets(arg) {
                    continue;
                }
                let message = format!(
                    "`{}` needs the label `le` of the buckets, and `{}` drops it",
                    call.function.name,
                    aggregate.op.as_str()
                );
                let finding = Diagnostic::warning(CODE, rule.in_expr(aggregate.op_at.0), message);
                findings.push(
                    finding.with_hint("add `le` to `by (...)`, or take it out of `without (...)`"),
                );
            }
        });
    }
}

/// The aggregation whose result the function sees.
fn aggregation(expr: &Expr) -> Option<&Aggregate> {
    match expr {
        Expr::Paren(paren) => aggregation(&paren.expr),
        Expr::Aggregate(aggregate) => Some(aggregate),
        Expr::Call(call) => call.args.iter().find_map(aggregation),
        Expr::Subquery(subquery) => aggregation(&subquery.expr),
        Expr::Binary(binary) => aggregation(&binary.lhs),
        _ => None,
    }
}

fn keeps_le(aggregate: &Aggregate) -> bool {
    let named = aggregate.grouping.iter().any(|label| label.name == "le");
    named != aggregate.without
        || matches!(
            aggregate.op,
            AggregateOp::TopK
                | AggregateOp::BottomK
                | AggregateOp::LimitK
                | AggregateOp::LimitRatio
        )
}

/// Classic buckets by their name; a native histogram has no `le`.
fn reads_buckets(expr: &Expr) -> bool {
    let selectors = expr.selectors();
    selectors.iter().any(|selector| {
        selector
            .metric_name()
            .is_some_and(|name| name.ends_with("_bucket"))
    })
}
