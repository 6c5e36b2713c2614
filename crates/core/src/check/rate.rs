//! `rate`: the rate of what is no counter.
//!
//! `rate`, `irate`, `increase` and `resets` take every fall of a value for a restart of its process. Of a gauge they
//! make nonsense; and of a sum of counters, one restarting instance makes a spike, since its whole
//! past counts again.
//!
//! ```yaml
//! expr: rate(memory_usage_bytes[5m]) > 1e6        # a gauge
//! expr: rate(sum(requests_total)[5m:]) > 100      # a sum
//! ```
//!
//! For a gauge use `deriv` or `delta`; take the rate first, then the sum: `sum(rate(requests_total[5m]))`.

use stentor_lang::model::Diagnostic;
use stentor_lang::promql::Expr;
use stentor_lang::promql::ast::AggregateOp;

use super::written::Rules;

pub(super) const CODE: &str = "check/rate";

/// Endings of names that only gauges have, by the conventions of Prometheus and its exporters.
const GAUGES: [&str; 14] = [
    "_celsius",
    "_connections",
    "_info",
    "_limit_bytes",
    "_max",
    "_min",
    "_percent",
    "_percentage",
    "_ratio",
    "_size_bytes",
    "_temperature",
    "_timestamp_seconds",
    "_usage_bytes",
    "_utilization",
];

pub(super) fn lint(rules: &Rules<'_>, findings: &mut Vec<Diagnostic>) {
    for (rule, expr) in rules.expressions() {
        expr.walk(&mut |node| {
            let Expr::Call(call) = node else { return };
            let name = call.function.name;
            if !matches!(name, "rate" | "irate" | "increase" | "resets") {
                return;
            }
            let (span, message, hint) = match call.args.first().map(Expr::unwrap_parens) {
                Some(Expr::Matrix(matrix)) => {
                    let metric = matrix.selector.metric_name().unwrap_or_default();
                    if !GAUGES.iter().any(|ending| metric.ends_with(ending)) {
                        return;
                    }
                    let message = format!("`{name}` of `{metric}`, which is a gauge by its name");
                    (
                        matrix.at.0,
                        message,
                        "use `deriv` or `delta`: a falling gauge is no counter reset",
                    )
                }
                Some(Expr::Subquery(subquery)) => match subquery.expr.unwrap_parens() {
                    Expr::Aggregate(sum)
                        if matches!(sum.op, AggregateOp::Sum | AggregateOp::Avg) =>
                    {
                        let message = format!(
                            "`{name}` of a {}: one restarting instance looks like a spike",
                            sum.op.as_str()
                        );
                        (
                            sum.op_at.0,
                            message,
                            "take the rate of each series first, then the sum: `sum(rate(...))`",
                        )
                    }
                    _ => return,
                },
                _ => return,
            };
            findings.push(Diagnostic::warning(CODE, rule.in_expr(span), message).with_hint(hint));
        });
    }
}
