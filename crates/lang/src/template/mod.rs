//! Go's text/template for the labels and annotations of alerting rules: parsed once with Go's
//! messages, expanded many times with Go's output and run-time errors, with the functions of
//! Prometheus. The whole language but complex numbers: `define`, `template`, `block`, `break` and
//! `continue` too.
//!
//! An expansion never waits: a `query` whose answer is not given is named in [`Expansion::Needs`],
//! and the template is expanded again with the answers. What a missing answer decides is left out
//! meanwhile, so that all queries that do not depend on each other are named at once.
//!
//! Why not a crate: methods with arguments, Go's float format and run-time error positions are
//! missing in those there are, and some accept what Go refuses.

mod builtin;
mod exec;
mod float;
mod format;
mod functions;
mod humanize;
mod layout;
mod lex;
mod literal;
mod methods;
mod parse;
mod printer;
mod prometheus;
mod queries;
#[cfg(test)]
mod tests;
mod time;
mod tree;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::model::{Diagnostic, Labels, Timestamp};
pub use builtin::query_escape;
pub use queries::Queries;
use tree::{List, Node};

/// Nodes, commands and rounds of loops in one expansion, and what functions cost by the size of
/// their texts: about a tenth of a second.
pub const MAX_STEPS: usize = 1_000_000;
/// The text of one expansion. Receivers take a hundredth of this.
pub const MAX_OUTPUT_BYTES: usize = 1 << 20;
/// One text inside an expansion, so that doubling a variable ends soon.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// Blocks, parentheses and `template` calls inside each other while running; Go allows 100,000
/// calls, and its goroutines' stacks grow.
pub const MAX_DEPTH: usize = 200;
/// Different queries of one expansion.
pub const MAX_QUERIES: usize = 32;

/// What Prometheus puts before each template of a rule. Here these variables are there already, and
/// the prefix only counts in the columns of run-time errors, which are Prometheus' own.
const PREFIX: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
                      {{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// The variables of [`PREFIX`], and the data itself.
const VARIABLES: [&str; 5] = ["$", "$labels", "$externalLabels", "$externalURL", "$value"];

/// One series of a query's answer: its labels and its value.
pub type Answered = (Labels, f64);

/// The answers to queries by their text: series, or the text of an error.
pub type QueryAnswers = BTreeMap<String, Result<Vec<Answered>, String>>;

/// What an alert's templates are expanded with.
#[derive(Debug, Clone, Copy)]
pub struct AlertData<'a> {
    /// `$labels`: those of the query's result.
    pub labels: &'a Labels,
    /// `$value`
    pub value: f64,
    /// `$externalLabels`
    pub external_labels: &'a Labels,
    /// `$externalURL`
    pub external_url: &'a str,
    /// The path of the external URL, for `pathPrefix`; nothing where `pathPrefix` and `externalURL`
    /// fail, as in unit tests of rules.
    pub path_prefix: Option<&'a str>,
}

/// A parsed template.
#[derive(Debug, Clone)]
pub struct Template {
    name: Box<str>,
    text: Box<str>,
    root: List,
    defined: BTreeMap<Box<str>, List>,
    /// The constant patterns of `match` and `reReplaceAll`.
    regexes: parse::Regexes,
    uses_value: bool,
    uses_query: bool,
}

impl PartialEq for Template {
    /// Templates are what was written, under a name.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.text == other.text
    }
}

impl Eq for Template {}

/// What came of an expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expansion {
    /// The text.
    Done(String),
    /// These queries must be answered first.
    Needs(Vec<String>),
}

/// A run that failed. It displays as Prometheus' error does: `error executing template __alert_X:
/// template: __alert_X:1:118: executing ...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    name: Box<str>,
    message: Box<str>,
}

impl TemplateError {
    /// What stands in the place of the text that could not be made, as in Prometheus.
    pub fn placeholder(&self) -> String {
        format!("<error expanding template: {self}>")
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "error executing template {}: {}",
            self.name, self.message
        )
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// Parses the template of a rule's label or annotation. The name is the one that errors show,
    /// `__alert_` and the alert's name; the diagnostic's span lies in `text`.
    pub fn parse(name: &str, text: &str) -> Result<Self, Diagnostic> {
        let parsed = parse::parse(text, &VARIABLES)?;
        Ok(Self {
            name: name.into(),
            text: text.into(),
            root: parsed.root,
            defined: parsed.defined,
            regexes: parsed.regexes,
            uses_value: parsed.uses_value,
            uses_query: parsed.uses_query,
        })
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        &self.text
    }

    /// The text that every expansion gives, where there is nothing to expand.
    pub fn plain(&self) -> Option<&str> {
        match self.root.as_slice() {
            [] => Some(""),
            [Node::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether there is nothing to expand.
    pub fn is_plain(&self) -> bool {
        self.plain().is_some()
    }

    /// Whether the text may depend on the value. May be true where it does not.
    pub fn uses_value(&self) -> bool {
        self.uses_value
    }

    /// Whether the text may depend on queries.
    pub fn uses_query(&self) -> bool {
        self.uses_query
    }

    /// The queries that it may ask, as far as their texts stand in it.
    pub fn queries(&self) -> Queries<'_> {
        let lists = self.defined.values().chain([&self.root]);
        queries::of(lists)
    }

    /// Expands the template at an instant, which `now` returns.
    pub fn expand(
        &self,
        data: &AlertData<'_>,
        at: Timestamp,
        answers: &QueryAnswers,
    ) -> Result<Expansion, TemplateError> {
        if let Some(plain) = self.plain() {
            return Ok(Expansion::Done(plain.to_owned()));
        }
        let mut exec = exec::Exec::new(exec::Env {
            template: self,
            data,
            at,
            answers,
            asked: BTreeSet::new(),
            needs: Vec::new(),
            steps: 0,
        });
        let result = exec.run();
        // An error may come of what was left out for want of an answer.
        if !exec.env.needs.is_empty() {
            return Ok(Expansion::Needs(exec.env.needs));
        }
        match result {
            Ok(()) => Ok(Expansion::Done(exec.out)),
            Err(stop) => Err(TemplateError {
                name: self.name.clone(),
                message: stop.0,
            }),
        }
    }

    /// `name:line:column` of a byte of the text as Go counts it: the column in bytes, from 0, and
    /// with the prefix in the first line.
    fn place(&self, byte: usize) -> String {
        let before = &self.text[..byte];
        let line = before.matches('\n').count() + 1;
        let column = match before.rfind('\n') {
            Some(newline) => byte - newline - 1,
            None => byte + PREFIX.len(),
        };
        format!("{}:{line}:{column}", self.name)
    }
}
