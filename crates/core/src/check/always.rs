//! `always`: an alert without a condition, or with one that always holds.
//!
//! An alert fires for every series that its expression returns, whatever the value. So an expression
//! without a comparison fires for all there is; so does one with `bool`, which returns 0 instead of
//! nothing; and so does `count(up) > 0`, since nothing is counted where there is nothing.
//!
//! ```yaml
//! - alert: ManyErrors
//!   expr: rate(errors_total[5m]) > bool 10     # fires, with the value 0, while all is well
//! ```
//!
//! Write a comparison that can fail: `rate(errors_total[5m]) > 10`, `absent(up)`.

use stentor_lang::model::number::format_g;
use stentor_lang::model::{Diagnostic, Span};
use stentor_lang::promql::ast::{Binary, BinaryOp};
use stentor_lang::promql::{Expr, ValueType};

use super::facts::{has_condition, least};
use super::written::Rules;

pub(super) const CODE: &str = "check/always";

pub(super) fn lint(rules: &Rules<'_>, findings: &mut Vec<Diagnostic>) {
    for (rule, alerting) in rules.alerting() {
        let Some(expr) = alerting.expr.parsed.as_deref() else {
            continue;
        };
        let mut tell = |span: Span, message: String, hint: &str| {
            let finding = Diagnostic::warning(CODE, rule.in_expr(span), message);
            findings.push(finding.with_hint(hint));
        };
        match expr.unwrap_parens() {
            Expr::Binary(binary) if binary.op.is_comparison() && binary.return_bool => tell(
                binary.op_at.0,
                format!("`{} bool` returns 0 or 1 and never nothing, so the alert always fires", binary.op.as_str()),
                "without `bool` the comparison keeps only the series for which it holds",
            ),
            Expr::Binary(binary) if binary.op.is_comparison() => {
                if let Some(verdict) = constant(binary) {
                    let message = format!("the comparison is {verdict}: {}", known(binary));
                    tell(binary.at.0, message, "compare with a value on either side of which it can be");
                }
            }
            other if other.value_type() == ValueType::Vector && !has_condition(other) && !selects_alerts(other) => tell(
                other.span(),
                "the expression has no condition: the alert fires for every series it returns, whatever its value".into(),
                "compare with a threshold",
            ),
            _ => {}
        }
    }
}

/// `ALERTS{...}` and series recorded by name as conditions are there only while they hold.
fn selects_alerts(expr: &Expr) -> bool {
    let selectors = expr.selectors();
    selectors.is_empty()
        || selectors.iter().any(|selector| {
            selector
                .metric_name()
                .is_none_or(|name| name == "ALERTS" || name.contains(':'))
        })
}

/// Whether a comparison with a number is always or never true. Where the other side has a condition of its
/// own, that one decides.
fn constant(binary: &Binary) -> Option<&'static str> {
    let (Expr::Number(number), false) = (binary.rhs.unwrap_parens(), has_condition(&binary.lhs))
    else {
        return None;
    };
    let (least, bound) = (least(&binary.lhs)?, number.value);
    match binary.op {
        BinaryOp::Greater if bound < least => Some("always true"),
        BinaryOp::GreaterOrEqual if bound <= least => Some("always true"),
        BinaryOp::NotEqual if bound < least => Some("always true"),
        BinaryOp::Less if bound <= least => Some("never true"),
        BinaryOp::LessOrEqual | BinaryOp::Equal if bound < least => Some("never true"),
        _ => None,
    }
}

fn known(binary: &Binary) -> String {
    let least = least(&binary.lhs).map_or_else(String::new, format_g);
    format!("the left side is never less than {least}")
}
