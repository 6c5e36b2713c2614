//! An alerting rule as plain texts, to be written to a record and read back: an open alert keeps
//! the definition it fires by, also when the file no longer has it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stentor_lang::model::{Diagnostic, Duration, Position, Span};
use stentor_lang::promql::{self, ParseOptions};
use stentor_lang::template::Template;

use super::rule::template_name;
use super::{AlertingRule, Expression, Place};

/// An alerting rule as texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRule {
    /// The alert's name.
    pub alert: String,
    /// The expression as it was written.
    pub expr: String,
    /// Whether the expression is not PromQL.
    pub opaque: bool,
    /// `for` in milliseconds.
    pub hold_ms: i64,
    /// `keep_firing_for` in milliseconds.
    pub keep_firing_for_ms: i64,
    /// The labels, templates as they were written.
    pub labels: Vec<(String, String)>,
    /// The annotations, templates as they were written.
    pub annotations: Vec<(String, String)>,
    /// The file.
    pub file: String,
    /// The line in it.
    pub line: usize,
    /// The column in it.
    pub column: usize,
}

impl From<&AlertingRule> for StoredRule {
    fn from(rule: &AlertingRule) -> Self {
        let texts = |pairs: &[(String, Template)]| {
            let pair = |(name, template): &(String, Template)| {
                (name.clone(), template.source().to_owned())
            };
            pairs.iter().map(pair).collect()
        };
        Self {
            alert: rule.alert.to_string(),
            expr: rule.expr.text.to_string(),
            opaque: rule.expr.parsed.is_none(),
            hold_ms: rule.hold.millis(),
            keep_firing_for_ms: rule.keep_firing_for.millis(),
            labels: texts(&rule.labels),
            annotations: texts(&rule.annotations),
            file: rule.place.file.to_string(),
            line: rule.place.position.line,
            column: rule.place.position.column,
        }
    }
}

impl StoredRule {
    /// Reads it back. An expression that this version does not understand any more is kept as an
    /// opaque text: it was asked once, and the alert must not be forgotten. A template that does
    /// not parse is an error, whose span is in the template's text.
    pub fn restore(&self) -> Result<AlertingRule, Diagnostic> {
        let name = template_name(&self.alert);
        let templates = |pairs: &[(String, String)]| {
            let pair = |(label, text): &(String, String)| {
                Template::parse(&name, text).map(|template| (label.clone(), template))
            };
            pairs.iter().map(pair).collect::<Result<Vec<_>, _>>()
        };
        let parsed = promql::parse(&self.expr, ParseOptions::all()).ok();
        Ok(AlertingRule {
            alert: self.alert.as_str().into(),
            expr: Expression {
                text: self.expr.as_str().into(),
                parsed: parsed.filter(|_| !self.opaque).map(Arc::new),
            },
            hold: Duration::from_millis(self.hold_ms),
            keep_firing_for: Duration::from_millis(self.keep_firing_for_ms),
            labels: templates(&self.labels)?,
            annotations: templates(&self.annotations)?,
            place: Place {
                file: self.file.as_str().into(),
                position: Position {
                    line: self.line,
                    column: self.column,
                },
                span: Span::default(),
            },
        })
    }
}
