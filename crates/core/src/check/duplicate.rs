//! `duplicate-rule`: rules that are equal in name and labels: their alerts are the same alerts, and nobody
//! can tell which of the two fires (promtool's lint `duplicate-rules`).
//!
//! ```yaml
//! - {alert: Down, expr: up == 0}
//! - {alert: Down, expr: probe_success == 0}
//! ```

use std::collections::BTreeMap;

use stentor_lang::model::Diagnostic;

use super::written::Rules;
use crate::rulefile::{Place, Rule};

pub(super) const CODE: &str = "check/duplicate-rule";

/// What two rules must not have in common: their kind, their name and their labels.
type Said<'r> = (bool, &'r str, Vec<(&'r str, &'r str)>);

/// Reports every rule that repeats an earlier one of the file.
pub(super) fn lint(rules: &Rules<'_>, findings: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<Said<'_>, &Place> = BTreeMap::new();
    for rule in rules.iter().map(|written| written.rule) {
        let (alerting, labels): (bool, Vec<(&str, &str)>) = match rule {
            Rule::Alerting(rule) => {
                let labels = rule.labels.iter();
                (
                    true,
                    labels
                        .map(|(name, text)| (&**name, text.source()))
                        .collect(),
                )
            }
            Rule::Recording(rule) => {
                let labels = rule.labels.iter();
                (
                    false,
                    labels.map(|(name, value)| (&**name, &**value)).collect(),
                )
            }
        };
        let place = rule.place();
        let first = *seen.entry((alerting, rule.name(), labels)).or_insert(place);
        if !std::ptr::eq(first, place) {
            let message = format!(
                "rule `{}` repeats the name and labels of the rule at {}:{}",
                rule.name(),
                first.file,
                first.position
            );
            findings.push(
                Diagnostic::warning(CODE, place.span, message)
                    .with_hint("give one of them another name, or a label that tells them apart"),
            );
        }
    }
}
