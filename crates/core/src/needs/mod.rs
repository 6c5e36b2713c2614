//! Which series rules read, and how far around each instant: what has to be there before they can be
//! evaluated over a time range.
//!
//! It looks at expressions only; it fetches nothing.

use stentor_lang::model::{Duration, Matcher, Timestamp};

/// What rules need.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Needs {
    /// The selectors, each once, in the order of the rules.
    pub selectors: Vec<Need>,
    /// Expressions that cannot be looked into, in words: opaque dialects, `query` in a template whose
    /// text is made at run time.
    pub unknown: Vec<String>,
}

/// A selector with its reach.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// What the series match.
    pub matchers: Vec<Matcher>,
    /// The same as a PromQL selector.
    pub text: String,
    /// How far before an evaluation samples are read: look-back, range, subqueries, offsets, query
    /// offset.
    pub before: Duration,
    /// How far after an evaluation: negative offsets.
    pub after: Duration,
    /// Further ranges that do not move with the evaluation, of `@`: from, to.
    pub fixed: Vec<(Timestamp, Timestamp)>,
}

impl Needs {
    /// The farthest that any selector looks back.
    pub fn before(&self) -> Duration {
        let reaches = self.selectors.iter().map(|need| need.before);
        reaches.max().unwrap_or(Duration::ZERO)
    }

    /// The farthest that any selector looks ahead.
    pub fn after(&self) -> Duration {
        let reaches = self.selectors.iter().map(|need| need.after);
        reaches.max().unwrap_or(Duration::ZERO)
    }
}
