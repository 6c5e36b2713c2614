//! Scripts in the promqltest language of Prometheus 3.14 (`promql/promqltest`): `load` fills a store,
//! `eval` evaluates an expression and compares the answer with what is expected.
//!
//! Scripts run with the options of upstream's test engine. Nothing here reads files.

mod at;
mod compare;
mod load;
mod nhcb;
mod parse;
mod run;

use super::ast::Expr;
use super::memory::MemoryStore;
use super::notation::Sequence;
use crate::model::{Diagnostic, Duration, LabelMap, Span, Timestamp};
use crate::regex::Regex;

pub use run::{Outcome, Report};

/// The most samples that a script may load altogether: 0.8 GB of numbers. A histogram counts as many
/// (see [`Sequence::weight`]).
pub const MAX_LOADED: u64 = 100_000_000;

/// A script: what is done, in order.
#[derive(Debug, Clone)]
pub struct Script {
    /// The commands with their place: the line that names them.
    pub commands: Vec<(Command, Span)>,
}

/// One step of a script.
#[derive(Debug, Clone)]
pub enum Command {
    /// `clear`: forgets all series.
    Clear,
    /// `load 5m`: adds samples.
    Load(Load),
    /// `eval ...`: evaluates and compares.
    Eval(Box<Eval>),
}

/// `load 5m` and the series below it.
#[derive(Debug, Clone)]
pub struct Load {
    /// The time between two samples; the first is at the epoch.
    pub step: Duration,
    /// Whether native histograms with custom buckets are made of classic ones (`load_with_nhcb`).
    pub with_nhcb: bool,
    /// The series; of a series given twice, the last.
    pub series: LabelMap<LoadedSeries>,
}

/// A series of a `load`.
#[derive(Debug, Clone)]
pub struct LoadedSeries {
    /// Its values.
    pub values: Sequence,
    /// The start timestamps, in milliseconds relative to the samples; as long as the values.
    pub starts: Option<Sequence>,
    /// Its line.
    pub span: Span,
}

/// `eval instant at 5m expr` or `eval range from 0 to 1h step 1m expr`, with what is expected.
#[derive(Debug, Clone)]
pub struct Eval {
    /// The text of the expression.
    pub text: String,
    /// The expression; the error of one whose texts are not UTF-8, which only fails when it is evaluated.
    pub expr: Result<Expr, String>,
    /// When it is evaluated.
    pub when: When,
    /// The times that the samples of an expected range vector have: first, last and step. In an instant
    /// evaluation without `expect range vector`, the step is zero.
    pub points: (Timestamp, Timestamp, Duration),
    /// What is expected.
    pub expected: Expected,
}

/// When an expression is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Once.
    Instant(Timestamp),
    /// From, to, and each step between.
    Range(Timestamp, Timestamp, Duration),
}

/// What an evaluation is expected to give.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// The series must come in the order of the text.
    pub ordered: bool,
    /// It must fail, with that error.
    pub fail: Option<TextMatch>,
    /// What is noticed without failing, and is probably wrong.
    pub warnings: Noticed,
    /// What is noticed without failing, as a hint.
    pub infos: Noticed,
    /// `expect range vector`: the times of the points are written out.
    pub range_vector: bool,
    /// `expect string`
    pub string: Option<String>,
    /// The result is this number.
    pub scalar: Option<f64>,
    /// The result has these series, in this order.
    pub series: LabelMap<Sequence>,
}

/// What is expected of the annotations of one severity.
#[derive(Debug, Clone, Default)]
pub struct Noticed {
    /// Each of them must be among the annotations, and each annotation must match one of them.
    pub texts: Vec<TextMatch>,
    /// There must be some (`eval_warn`).
    pub some: bool,
    /// There must be none (`expect no_warn`).
    pub none: bool,
}

/// Which texts are meant.
#[derive(Debug, Clone)]
pub enum TextMatch {
    /// All.
    Any,
    /// `msg:`
    Message(String),
    /// `regex:`
    Regex(Regex),
}

impl TextMatch {
    fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Message(message) => message == text,
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// Reads a script, or tells all that is wrong with it. Spans are byte ranges of the text.
pub fn parse(text: &str) -> Result<Script, Vec<Diagnostic>> {
    parse::script(text)
}

/// Reads the text of one `load` command, up to its first blank line; what follows is not looked at.
///
/// # Errors
/// What is wrong with it.
pub fn parse_load(text: &str) -> Result<Load, Vec<Diagnostic>> {
    parse::load_command(text)
}

/// Reads and runs a script.
///
/// # Errors
/// What is wrong with the text. What fails when it is run stands in the report.
pub fn run(text: &str) -> Result<Report, Vec<Diagnostic>> {
    Ok(run::script(text, parse(text)?))
}

/// The series that a script leaves behind; its evaluations are read but not made.
///
/// # Errors
/// What is wrong with the text, or more samples than [`MAX_LOADED`].
pub fn load_only(text: &str) -> Result<MemoryStore, Vec<Diagnostic>> {
    let mut store = load::Loader::default();
    for (command, place) in parse(text)?.commands {
        match command {
            Command::Clear => store.clear(),
            Command::Load(load) => store.load(load, place).map_err(|error| vec![error])?,
            Command::Eval(_) => {}
        }
    }
    Ok(store.into_store())
}

#[cfg(test)]
mod tests;
