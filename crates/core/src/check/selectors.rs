//! `no-series`: a selector that matches no series of the data source.
//!
//! A name with a slip in it is no error: the expression returns nothing, and the alert never fires.
//!
//! ```yaml
//! expr: rate(http_request_total[5m]) > 100      # the metric is http_requests_total
//! ```
//!
//! Whether there are series is asked elsewhere; here is only what to ask. Series that a recording rule of
//! the same file writes are left out: they may not be there yet. So are `ALERTS` and the like.

use std::collections::BTreeSet;

use stentor_lang::model::{Matcher, SourceText, Span};
use stentor_lang::promql::ast::VectorSelector;
use stentor_lang::promql::matcher_text;
use stentor_lang::yaml::Parsed;

use super::written::Rules;
use crate::rulefile::{Rule, RuleFile};

/// The code of findings about selectors that match nothing.
pub const NO_SERIES: &str = "check/no-series";

/// A selector of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// As it is asked for: `{__name__="up", job="api"}`.
    pub selector: String,
    /// What it says.
    pub matchers: Vec<Matcher>,
    /// The metric name that it gives.
    pub metric: Option<String>,
    /// Where it stands in the file.
    pub span: Span,
}

/// The selectors of all rules of a file whose series must be in the data source.
pub fn reads(source: &SourceText, parsed: &Parsed, file: &RuleFile) -> Vec<Reads> {
    let rules = Rules::new(source, parsed, file, None);
    let written: BTreeSet<&str> = rules
        .iter()
        .filter(|written| matches!(written.rule, Rule::Recording(_)))
        .map(|written| written.rule.name())
        .chain(["ALERTS", "ALERTS_FOR_STATE"])
        .collect();
    let mut found = Vec::new();
    for (rule, expr) in rules.expressions() {
        for selector in expr.selectors() {
            let metric = selector.metric_name();
            if metric.is_some_and(|name| written.contains(name)) {
                continue;
            }
            found.push(Reads {
                selector: text(selector),
                matchers: selector.matchers().cloned().collect(),
                metric: metric.map(str::to_owned),
                span: rule.in_expr(selector.at.0),
            });
        }
    }
    found
}

/// The selector without offset and the like: whether there ever are such series is the question.
fn text(selector: &VectorSelector) -> String {
    let matchers: Vec<String> = selector.matchers().map(matcher_text).collect();
    format!("{{{}}}", matchers.join(","))
}
