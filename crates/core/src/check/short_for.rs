//! `short-for`: a `for` shorter than the time between two evaluations.
//!
//! Whether the condition lasted is seen at the next evaluation only, so the alert waits for a whole interval,
//! longer than `for` says.
//!
//! ```yaml
//! - name: api
//!   interval: 1m
//!   rules:
//!   - {alert: Down, expr: up == 0, for: 10s}      # fires after one minute
//! ```
//!
//! Leave `for` out to fire at once, or write what will happen.

use stentor_lang::model::Diagnostic;

use super::written::Rules;

pub(super) const CODE: &str = "check/short-for";

pub(super) fn lint(rules: &Rules<'_>, findings: &mut Vec<Diagnostic>) {
    for (rule, alerting) in rules.alerting() {
        let Some(interval) = rule.interval() else {
            continue;
        };
        if alerting.hold.is_zero() || alerting.hold >= interval {
            continue;
        }
        let message = format!(
            "`for` of {} is shorter than the interval of {interval}: the alert fires after {interval}",
            alerting.hold
        );
        let finding = Diagnostic::warning(CODE, rule.at(&["for"]), message);
        findings.push(finding.with_hint("leave `for` out, or make it a multiple of the interval"));
    }
}
