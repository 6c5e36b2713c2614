//! Rule files: from the text of a file to groups of rules with parsed expressions and templates,
//! or to everything that is wrong with it, each finding with its place.
//!
//! What Prometheus accepts is accepted with the same meaning, what it refuses is refused
//! (`model/rulefmt` and `rules/manager.go`). Beyond it every document of a file is read,
//! Kubernetes' `PrometheusRule` objects are read as they are, and the extra fields of vmalert,
//! Thanos and Mimir are accepted where they mean something here, and refused by name where not.
//! Nothing here opens a file or knows which data source the rules are for.

mod document;
mod group;
mod rule;
mod stored;

use std::fmt;
use std::sync::Arc;

use stentor_lang::model::span::LineIndex;
use stentor_lang::model::{Diagnostic, Duration, Level, Position, SourceText, Span};
use stentor_lang::promql::{Expr, ParseOptions};
use stentor_lang::template::Template;
use stentor_lang::yaml;

pub use stored::StoredRule;

/// How to read the expressions of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadOptions {
    /// The language of the expressions.
    pub dialect: Dialect,
    /// Which of PromQL's experimental syntax is accepted.
    pub promql: ParseOptions,
    /// Whether fields that mean nothing here are passed over in silence.
    pub ignore_unknown_fields: bool,
}

impl Default for LoadOptions {
    /// PromQL with all experimental syntax: whether it is switched on is the server's affair.
    fn default() -> Self {
        Self {
            dialect: Dialect::PromQl,
            promql: ParseOptions::all(),
            ignore_unknown_fields: false,
        }
    }
}

/// The language of the expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Dialect {
    /// PromQL: expressions are parsed and checked.
    #[default]
    PromQl,
    /// Anything else (MetricsQL, LogsQL): expressions are sent as they are, never parsed.
    Opaque,
}

/// A rule file that was read without an error.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleFile {
    /// Its groups in the order of the file.
    pub groups: Vec<RuleGroup>,
    /// What is accepted and probably not what its writer meant, in the order of the file.
    pub warnings: Vec<Diagnostic>,
}

/// A group of rules that are evaluated at the same instants.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleGroup {
    /// Its name, unique in its document.
    pub name: Arc<str>,
    /// The file it stands in, as it was named to the loader.
    pub file: Arc<str>,
    /// The time between two evaluations; `None` for the data source's own.
    pub interval: Option<Duration>,
    /// How far behind the slot queries look; `None` for the data source's own.
    pub query_offset: Option<Duration>,
    /// How many alerts, or series, each rule may have; 0 for any number.
    pub limit: usize,
    /// Its rules in the order of the file.
    pub rules: Vec<Rule>,
    /// Where it stands.
    pub place: Place,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// Raises alerts.
    Alerting(Arc<AlertingRule>),
    /// Records series.
    Recording(Arc<RecordingRule>),
}

/// A rule whose results are alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertingRule {
    /// The alert's name.
    pub alert: Arc<str>,
    /// What is asked.
    pub expr: Expression,
    /// `for`: how long a result must last before it fires.
    pub hold: Duration,
    /// How long an alert fires on after its result has gone.
    pub keep_firing_for: Duration,
    /// The labels set on each alert, by name: the group's, and the rule's own over them. An empty
    /// text removes the label.
    pub labels: Vec<(String, Template)>,
    /// The annotations, by name.
    pub annotations: Vec<(String, Template)>,
    /// Where it stands.
    pub place: Place,
}

/// A rule whose results are recorded as series.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingRule {
    /// The name of the series.
    pub record: Arc<str>,
    /// What is asked.
    pub expr: Expression,
    /// The labels set on each series, by name: the group's, and the rule's own over them.
    pub labels: Vec<(String, String)>,
    /// Where it stands.
    pub place: Place,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// As it stands in the file.
    pub text: Arc<str>,
    /// What it says; `None` where the data source's dialect is opaque.
    pub parsed: Option<Arc<Expr>>,
}

impl fmt::Display for Expression {
    /// PromQL as Prometheus prints it, anything else as it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.parsed {
            Some(expr) => expr.fmt(f),
            None => f.write_str(&self.text),
        }
    }
}

/// Where a definition stands. All places are equal, so that definitions compare by meaning.
#[derive(Debug, Clone, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<str>,
    /// Line and column.
    pub position: Position,
    /// The bytes of its name.
    pub span: Span,
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Display for Place {
    /// `file:line`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.position.line)
    }
}

impl AlertingRule {
    /// Its `severity`, where that is written without a template.
    pub fn severity(&self) -> Option<&str> {
        let mut labels = self.labels.iter();
        let (_, text) = labels.find(|(name, _)| name == "severity")?;
        text.plain()
    }
}

impl Rule {
    /// The name of the alert or of the recorded series.
    pub fn name(&self) -> &str {
        match self {
            Self::Alerting(rule) => &rule.alert,
            Self::Recording(rule) => &rule.record,
        }
    }

    /// Where it stands.
    pub fn place(&self) -> &Place {
        match self {
            Self::Alerting(rule) => &rule.place,
            Self::Recording(rule) => &rule.place,
        }
    }

    /// What is asked.
    pub fn expr(&self) -> &Expression {
        match self {
            Self::Alerting(rule) => &rule.expr,
            Self::Recording(rule) => &rule.expr,
        }
    }
}

/// Reads a rule file. All errors are found at once, and come with the warnings.
pub fn load(source: &SourceText, options: &LoadOptions) -> Result<RuleFile, Vec<Diagnostic>> {
    let parsed = yaml::parse(&source.text);
    load_documents(source, &parsed, options)
}

/// The same for a file whose YAML has been read already.
pub fn load_documents(
    source: &SourceText,
    parsed: &yaml::Parsed,
    options: &LoadOptions,
) -> Result<RuleFile, Vec<Diagnostic>> {
    let context = Context {
        source,
        lines: LineIndex::new(&source.text),
        options,
    };
    let mut findings = parsed.diagnostics.clone();
    let groups = document::read_all(&context, &parsed.documents, &mut findings);
    if options.ignore_unknown_fields {
        let of_fields = ["yaml/unknown-field", "yaml/unsupported"];
        findings.retain(|finding| !of_fields.contains(&finding.code));
    }
    findings.sort_by_key(|finding| (finding.span.start, finding.level));
    // A text that is repeated by an alias, or by the labels of a group, is wrong only once.
    findings.dedup();
    if findings.iter().any(|finding| finding.level == Level::Error) {
        return Err(findings);
    }
    Ok(RuleFile {
        groups,
        warnings: findings,
    })
}

/// What every part of the reader needs to know.
struct Context<'a> {
    source: &'a SourceText,
    lines: LineIndex,
    options: &'a LoadOptions,
}

impl Context<'_> {
    fn place(&self, span: Span) -> Place {
        Place {
            file: self.source.name.clone(),
            position: self.lines.position(&self.source.text, span.start),
            span,
        }
    }
}

#[cfg(test)]
mod tests;
