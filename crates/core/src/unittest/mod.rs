//! Unit tests of rules, in the files of `promtool test rules` (`cmd/promtool/unittest.go` of Prometheus
//! 3.14): reading them, running their tests, and comparing.
//!
//! A test runs on the production engine in virtual time ([`crate::replay`]), on promtool's schedule, and
//! is judged as promtool judges it. Nothing here opens a file: whoever runs a test brings its rules.

mod compare;
mod coverage;
mod read;
mod run;
mod sections;

use std::sync::Arc;

use stentor_lang::model::{Diagnostic, Duration, LabelMap, Labels, Span, Timestamp};
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::script::LoadedSeries;
use stentor_lang::promql::{Expr, ParseOptions};
use stentor_lang::yaml::Spanned;

pub use coverage::{RulePlace, Seen, Sight, Watch, rule_place};
pub use read::{load, load_documents};
pub use run::{Given, MAX_STEPS, Options, Outcome, Setting, run, setting};
pub use sections::{
    ExpectedDetection, ExpectedEpisode, ExpectedNotification, Goldens, Listed, NewList, Production,
    Sections, Selector, Update, golden_difference, golden_text, rewrite, update,
};

use crate::rulefile::RuleGroup;

/// A file of unit tests.
#[derive(Debug, Clone)]
pub struct TestFile {
    /// Patterns of the rule files, relative to the file's folder.
    pub rule_files: Vec<Spanned<String>>,
    /// The configuration with routes and receivers, relative to the file's folder.
    pub config_file: Option<Spanned<String>>,
    /// The time between two evaluations of all rules.
    pub evaluation_interval: Duration,
    /// Which groups are evaluated first; those that are not named stand beside the first.
    pub group_eval_order: Vec<String>,
    /// Whether a number may differ by its last bit.
    pub fuzzy_compare: bool,
    /// Its tests in the order of the file.
    pub tests: Vec<Test>,
    /// What is accepted and probably not what its writer meant.
    pub warnings: Vec<Diagnostic>,
}

/// A test: series, and what is expected of them.
#[derive(Debug, Clone)]
pub struct Test {
    /// Its name; empty where it has none.
    pub name: String,
    /// Where it stands: its name, or its first field.
    pub span: Span,
    /// The time between two samples.
    pub interval: Duration,
    /// The time of the first sample and of the first evaluation.
    pub start: Timestamp,
    /// Whether the file says so; else the first sample of its files decides, if it has any.
    pub start_given: bool,
    /// Files of recorded samples, relative to the test file's folder.
    pub input_files: Vec<InputFile>,
    /// Its series; of one given twice, the last.
    pub series: LabelMap<LoadedSeries>,
    /// `$externalLabels`
    pub external_labels: Labels,
    /// `$externalURL`
    pub external_url: Arc<str>,
    /// What is expected of alerts.
    pub alerts: Vec<AlertTest>,
    /// What is expected of expressions.
    pub exprs: Vec<ExprTest>,
    /// What is expected beside promtool's assertions.
    pub sections: Sections,
    /// What is wrong with it: it cannot be run, and fails.
    pub problems: Vec<Diagnostic>,
}

/// A file of recorded samples.
#[derive(Debug, Clone)]
pub struct InputFile {
    /// Relative to the test file's folder.
    pub path: Spanned<String>,
    /// What the file holds the results of, where it holds no samples as they were scraped.
    pub expr: Option<Expr>,
}

/// Which alerts of a name fire at a time.
#[derive(Debug, Clone)]
pub struct AlertTest {
    /// Where it stands.
    pub span: Span,
    /// The time since the start.
    pub eval_time: Duration,
    /// The alerts' name.
    pub alertname: String,
    /// All of them, in any order.
    pub expected: Vec<ExpectedAlert>,
}

/// An alert as a test expects it. Empty values stay: an alert never has them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedAlert {
    /// Its labels by name, `alertname` among them.
    pub labels: Vec<(String, String)>,
    /// Its annotations by name.
    pub annotations: Vec<(String, String)>,
}

/// What an expression gives at a time.
#[derive(Debug, Clone)]
pub struct ExprTest {
    /// Where it stands: the expression.
    pub span: Span,
    /// The time since the start.
    pub eval_time: Duration,
    /// The expression's text.
    pub text: String,
    /// The expression.
    pub expr: Expr,
    /// Its result, in any order.
    pub expected: Vec<ExpectedSample>,
}

/// A sample as a test expects it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedSample {
    /// Its labels, metric name included.
    pub labels: Labels,
    /// Labels without a value, as `{a=""}` has one: no sample has them, so nothing is equal.
    pub empty: Vec<String>,
    /// Its number; 0 for a histogram, unless somebody wrote another.
    pub value: f64,
    /// Its histogram in the series notation; empty for a number.
    pub histogram: String,
}

impl TestFile {
    /// Puts groups into the order in which they are evaluated. Groups that `group_eval_order` does not
    /// name stand beside the first that it names, as in promtool; among equals the order stays.
    pub fn order(&self, groups: &mut [Arc<RuleGroup>]) {
        let rank = |group: &Arc<RuleGroup>| {
            let mut names = self.group_eval_order.iter();
            names.position(|name| **name == *group.name).unwrap_or(0)
        };
        groups.sort_by_cached_key(rank);
    }
}

impl Test {
    /// The same test with its start in recorded samples: the minute in which the first of them lies, if
    /// the file does not name another.
    fn starting_in(&self, samples: &MemoryStore) -> Self {
        let mut test = self.clone();
        let first = samples
            .iter()
            .filter_map(|(_, samples)| samples.times.first());
        if let (Some(first), false) = (first.min(), self.start_given) {
            let minute = Duration::from_mins(1).millis();
            test.start = Timestamp::from_millis(first - first.rem_euclid(minute));
        }
        test
    }

    /// Whether it holds assertions of promtool's.
    fn asserts_as_promtool(&self) -> bool {
        !self.alerts.is_empty() || !self.exprs.is_empty()
    }

    /// The longest time that something is expected at.
    pub fn duration(&self) -> Duration {
        let alerts = self.alerts.iter().map(|test| test.eval_time);
        let exprs = self.exprs.iter().map(|test| test.eval_time);
        alerts.chain(exprs).max().unwrap_or(Duration::ZERO)
    }
}

/// The syntax that promtool accepts without `--enable-feature`.
pub const DEFAULT_SYNTAX: ParseOptions = ParseOptions {
    experimental_functions: false,
    duration_expressions: true,
    extended_range_selectors: false,
    fill_modifiers: false,
};

#[cfg(test)]
mod tests;
