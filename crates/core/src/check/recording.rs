//! Recording rules load, and are not evaluated: whoever relies on their series must hear of it.

use stentor_lang::model::Diagnostic;

use crate::rulefile::{Rule, RuleFile};

/// The code of the findings.
const CODE: &str = "check/recording";

/// Names each recording rule.
pub(super) fn lint(file: &RuleFile, findings: &mut Vec<Diagnostic>) {
    for rule in file.groups.iter().flat_map(|group| &group.rules) {
        if let Rule::Recording(rule) = rule {
            let message = format!(
                "recording rule `{}` loads and is not evaluated here",
                rule.record
            );
            let note = Diagnostic::note(CODE, rule.place.span, message);
            findings.push(note.with_hint("let the server that stores the series evaluate it"));
        }
    }
}
