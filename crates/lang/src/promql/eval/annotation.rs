//! What an evaluation notices without failing: warnings and hints, with their place in the expression.
//!
//! The texts are those of Prometheus (`util/annotations/annotations.go`), since users and tests match them.

use std::fmt;

use indexmap::IndexSet;

use crate::model::{SourceText, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The result is probably not what was meant: `PromQL warning: ...`
    Warning,
    /// A hint: `PromQL info: ...`
    Info,
}

/// A warning or a hint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Annotation {
    /// How bad it is.
    pub severity: Severity,
    /// What was noticed, without prefix and place.
    pub message: String,
    /// The part of the expression that it is about.
    pub span: Span,
}

impl Annotation {
    /// As Prometheus writes it: `PromQL warning: ... (1:5)`, the place being where the span begins in
    /// the text of the expression.
    pub fn text(&self, expr: &SourceText) -> String {
        let place = expr.position(self.span.start);
        format!("{self} ({}:{})", place.line, place.column)
    }
}

impl fmt::Display for Annotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.severity {
            Severity::Warning => "PromQL warning",
            Severity::Info => "PromQL info",
        };
        write!(f, "{prefix}: {}", self.message)
    }
}

/// The annotations of a query, each once, in the order in which they were noticed.
///
/// A query over many metric names may make one for each name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations(IndexSet<Annotation, foldhash::fast::RandomState>);

impl Annotations {
    /// Adds one, if it is not there yet.
    pub fn add(&mut self, severity: Severity, message: impl Into<String>, span: Span) {
        self.0.insert(Annotation {
            severity,
            message: message.into(),
            span,
        });
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Annotation> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in others.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}
