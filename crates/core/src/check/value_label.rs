//! `value-label`: the value in a label of an alert.
//!
//! Labels are an alert's identity. With the value among them every change of the value is another alert: the old
//! one resolves, and the new one begins its `for` anew and never fires.
//!
//! ```yaml
//! labels: {current: "{{ $value }}"}
//! ```
//!
//! Put it into an annotation. A label of a few fixed texts (`{{ if gt $value 10.0 }}critical{{ end }}`) changes rarely:
//! where that is meant, switch the lint off beside the rule.

use stentor_lang::model::Diagnostic;

use super::written::Rules;

pub(super) const CODE: &str = "check/value-label";

pub(super) fn lint(rules: &Rules<'_>, findings: &mut Vec<Diagnostic>) {
    for (rule, alerting) in rules.alerting() {
        for (name, template) in &alerting.labels {
            if !template.uses_value() {
                continue;
            }
            let message =
                format!("label `{name}` changes with the value: each change is another alert");
            let place = rule.at(&["labels", name]);
            findings.push(
                Diagnostic::warning(CODE, place, message)
                    .with_hint("put the value into an annotation"),
            );
        }
    }
}
