//! What is worth saying about rules that load: one lint a file, each a function from the rules of a
//! file to findings. Nothing here refuses a rule, prints, or looks at what a data source holds.
//!
//! A finding's code is `check/` and the name of its lint. It is switched off by that name, for a run
//! or by a comment in the file that says why (see [`silence`]).

mod written;
mod facts;
mod silence;
mod always;
mod annotations;
mod duplicate;
mod histogram;
mod range;
mod rate;
mod recording;
mod selectors;
mod short_for;
mod summary;
mod value_label;

#[cfg(test)]
mod tests;

use stentor_lang::model::{Diagnostic, Duration, SourceText};
use stentor_lang::yaml::{Parsed, closest};

use crate::rulefile::RuleFile;
use written::Rules;

pub use selectors::{NO_SERIES, Reads, reads};

/// What is known beside the file.
#[derive(Debug, Clone, Default)]
pub struct LintOptions {
    /// The interval of groups that set none; without it, what depends on it is not said of them.
    pub interval: Option<Duration>,
    /// The lints that are switched off, by name.
    pub disabled: Vec<String>,
}

impl LintOptions {
    /// Whether the lint with this code is switched off.
    pub fn is_disabled(&self, code: &'static str) -> bool {
        self.disabled.iter().any(|off| off == name(code))
    }
}

/// A lint: the code of its findings, and what finds.
type Lint = (&'static str, fn(&Rules<'_>, &mut Vec<Diagnostic>));

const LINTS: [Lint; 10] = [
    (always::CODE, always::lint),
    (annotations::CODE, annotations::lint),
    (duplicate::CODE, duplicate::lint),
    (histogram::CODE, histogram::lint),
    (range::CODE, range::lint),
    (rate::CODE, rate::lint),
    (recording::CODE, recording::lint),
    (short_for::CODE, short_for::lint),
    (summary::CODE, summary::lint),
    (value_label::CODE, value_label::lint),
];

/// The names of all lints.
pub fn names() -> impl Iterator<Item = &'static str> {
    LINTS
        .iter()
        .map(|(code, _)| name(code))
        .chain([name(NO_SERIES)])
}

/// The lint most like a name that is none.
pub fn nearest(wrong: &str) -> Option<&'static str> {
    closest(wrong, names())
}

/// All lints over one rule file, in the order of the file. `parsed` is the YAML that `file` was read
/// from, `source` its text; `found` are findings about it that were made elsewhere, for comments to
/// switch off too.
pub fn lint(
    source: &SourceText,
    parsed: &Parsed,
    file: &RuleFile,
    options: &LintOptions,
    found: Vec<Diagnostic>,
) -> Vec<Diagnostic> {
    let rules = Rules::new(source, parsed, file, options.interval);
    let mut findings = found;
    for (code, find) in LINTS {
        if !options.is_disabled(code) {
            find(&rules, &mut findings);
        }
    }
    silence::apply(&rules, &mut findings);
    findings.sort_by_key(|finding| finding.span.start);
    findings
}

fn name(code: &'static str) -> &'static str {
    code.trim_start_matches("check/")
}
