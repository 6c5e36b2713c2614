//! `recording`: recording rules load, and are not evaluated by the daemon.
//!
//! Whoever relies on their series must hear of it: let the server that stores the series evaluate them.

use stentor_lang::model::Diagnostic;

use super::written::Rules;
use crate::rulefile::Rule;

pub(super) const CODE: &str = "check/recording";

pub(super) fn lint(rules: &Rules<'_>, findings: &mut Vec<Diagnostic>) {
    for written in rules.iter() {
        if let Rule::Recording(rule) = written.rule {
            let message = format!(
                "recording rule `{}` loads and is not evaluated here",
                rule.record
            );
            let note = Diagnostic::note(CODE, rule.place.span, message);
            findings.push(note.with_hint("let the server that stores the series evaluate it"));
        }
    }
}
