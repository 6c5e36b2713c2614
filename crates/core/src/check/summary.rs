//! `summary-quantile`: a Summary's quantiles put together over instances.
//!
//! Each instance computes its own percentiles; their average or sum is no percentile of anything: with one slow
//! instance of ten, the average of the 99th percentiles says that nobody is slow.
//!
//! ```yaml
//! expr: avg(rpc_duration_seconds{quantile="0.99"}) > 0.5
//! ```
//!
//! Use a histogram, `histogram_quantile(0.99, sum by (le) (rate(rpc_duration_seconds_bucket[5m])))`, or look
//! at the worst instance: `max(rpc_duration_seconds{quantile="0.99"})`.

use stentor_lang::model::Diagnostic;
use stentor_lang::promql::Expr;
use stentor_lang::promql::ast::AggregateOp;

use super::written::Rules;

pub(super) const CODE: &str = "check/summary-quantile";

pub(super) fn lint(rules: &Rules<'_>, findings: &mut Vec<Diagnostic>) {
    for (rule, expr) in rules.expressions() {
        expr.walk(&mut |node| {
            let Expr::Aggregate(aggregate) = node else {
                return;
            };
            let mixes = matches!(
                aggregate.op,
                AggregateOp::Sum
                    | AggregateOp::Avg
                    | AggregateOp::Quantile
                    | AggregateOp::Stddev
                    | AggregateOp::Stdvar
            );
            if !mixes || !is_quantile(&aggregate.expr) {
                return;
            }
            let message = format!("the {} of quantiles is no quantile", aggregate.op.as_str());
            let finding = Diagnostic::warning(CODE, rule.in_expr(aggregate.op_at.0), message);
            findings.push(finding.with_hint(
                "use `histogram_quantile` over a histogram, or `max` for the worst instance",
            ));
        });
    }
}

/// Whether the values are a Summary's quantiles: a selector by that label, not counted or compared away.
fn is_quantile(expr: &Expr) -> bool {
    match expr {
        Expr::Vector(selector) => selector.matchers().any(|m| m.name == "quantile"),
        Expr::Matrix(matrix) => matrix.selector.matchers().any(|m| m.name == "quantile"),
        Expr::Paren(paren) => is_quantile(&paren.expr),
        Expr::Call(call) => call.args.iter().any(is_quantile),
        _ => false,
    }
}
