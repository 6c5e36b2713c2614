//! `annotations`: a template that fails, or speaks of a label that the alert cannot have.
//!
//! A template's mistakes show when it is expanded: at night, as `<error expanding template: ...>` in a page, or as
//! an empty place where the name of the broken host should stand.
//!
//! ```yaml
//! - alert: ManyErrors
//!   expr: sum by (job) (rate(errors_total[5m])) > 1
//!   annotations: {summary: "{{ $labels.instance }} has errors"}      # the sum has no instance
//! ```
//!
//! Each template is expanded here with the labels that the expression can have. `query` is answered with one sample.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use stentor_lang::model::{Diagnostic, Labels, Timestamp};
use stentor_lang::regex::Regex;
use stentor_lang::template::{AlertData, Expansion, QueryAnswers, Template};

use super::facts;
use super::written::Rules;

pub(super) const CODE: &str = "check/annotations";

/// The value of each label: a text that also reads as a number, for functions that want one.
const SAMPLE: &str = "1";
/// Rounds of queries whose answers bring further queries.
const ROUNDS: usize = 4;

static LABELS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(\$labels|\.Labels)\.[a-zA-Z_][a-zA-Z0-9_]*").expect("invariant: a good pattern")
});

pub(super) fn lint(rules: &Rules<'_>, findings: &mut Vec<Diagnostic>) {
    for (rule, alerting) in rules.alerting() {
        let possible = alerting.expr.parsed.as_deref().and_then(facts::labels);
        let labels = alerting.labels.iter().map(|pair| ("labels", pair));
        let all = labels.chain(
            alerting
                .annotations
                .iter()
                .map(|pair| ("annotations", pair)),
        );
        for (field, (name, template)) in all {
            if template.is_plain() {
                continue;
            }
            let mentioned = mentioned(template.source());
            let what = field.trim_end_matches('s');
            let mut tell = |message: String, hint: String| {
                let place = rule.at(&[field, name]);
                findings.push(Diagnostic::warning(CODE, place, message).with_hint(hint));
            };
            if let Some(possible) = &possible
                && let Some(gone) = mentioned
                    .iter()
                    .find(|label| !possible.contains(label.as_str()))
            {
                tell(
                    format!(
                        "{what} `{name}` uses the label `{gone}`, which the expression's result cannot have"
                    ),
                    kept(possible),
                );
            }
            let present = mentioned.iter().filter(|label| {
                possible
                    .as_ref()
                    .is_none_or(|possible| possible.contains(label.as_str()))
            });
            let sample = Labels::from_pairs(present.map(|label| (label, SAMPLE)));
            if let Err(error) = try_out(template, &sample) {
                tell(
                    format!("{what} `{name}` fails: {error}"),
                    "the alert would say so instead".into(),
                );
            }
        }
    }
}

/// The labels that a template names.
fn mentioned(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = text;
    while let Some(whole) = LABELS.find(rest) {
        let (_, name) = rest[..whole.end].rsplit_once('.').unwrap_or_default();
        found.insert(name.to_owned());
        rest = &rest[whole.end..];
    }
    found
}

fn kept(possible: &BTreeSet<&str>) -> String {
    if possible.is_empty() {
        return "the result has no labels".into();
    }
    let names: Vec<&str> = possible.iter().copied().collect();
    format!("the result has only `{}`", names.join("`, `"))
}

/// Expands a template; queries are answered with one sample of value 1.
fn try_out(template: &Template, labels: &Labels) -> Result<(), String> {
    let none = Labels::default();
    let data = AlertData {
        labels,
        value: 1.0,
        external_labels: &none,
        external_url: "http://localhost",
        path_prefix: Some(""),
    };
    let mut answers = QueryAnswers::new();
    for _ in 0..ROUNDS {
        match template.expand(&data, Timestamp::from_millis(0), &answers) {
            Ok(Expansion::Done(_)) => return Ok(()),
            Ok(Expansion::Needs(queries)) => {
                answers.extend(
                    queries
                        .into_iter()
                        .map(|query| (query, Ok(vec![(labels.clone(), 1.0)]))),
                );
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}
