//! `range`: a range too short to hold two samples.
//!
//! A rate needs two samples in its range. With a range shorter than two intervals one late or missing scrape
//! leaves it without an answer, and the alert flaps or stays silent.
//!
//! ```yaml
//! - name: api
//!   interval: 30s
//!   rules:
//!   - alert: ManyErrors
//!     expr: rate(errors_total[45s]) > 1
//! ```
//!
//! Four intervals are usual: `[2m]` here. The time between samples is taken to be the group's interval, and at most
//! a minute; nothing is said where the interval is not known.

use stentor_lang::model::{Diagnostic, Duration};
use stentor_lang::promql::Expr;
use stentor_lang::promql::ast::DurationValue;

use super::written::Rules;

pub(super) const CODE: &str = "check/range";

pub(super) fn lint(rules: &Rules<'_>, findings: &mut Vec<Diagnostic>) {
    for (rule, expr) in rules.expressions() {
        let Some(interval) = rule.scrape_interval() else {
            continue;
        };
        expr.walk(&mut |node| {
            let Expr::Call(call) = node else { return };
            let name = call.function.name;
            if !matches!(
                name,
                "rate" | "irate" | "increase" | "delta" | "idelta" | "deriv" | "predict_linear"
            ) {
                return;
            }
            let Some(Expr::Matrix(matrix)) = call.args.first().map(Expr::unwrap_parens) else {
                return;
            };
            let DurationValue::Literal { value, at } = &matrix.range else {
                return;
            };
            if *value >= interval.times(2) || matrix.selector.extended.is_some() {
                return;
            }
            let message = format!(
                "`{name}` needs two samples, and {value} may hold one: samples are {interval} apart"
            );
            let finding = Diagnostic::warning(CODE, rule.in_expr(at.0), message);
            findings
                .push(finding.with_hint(format!("use at least {}", Duration::times(interval, 4))));
        });
    }
}
