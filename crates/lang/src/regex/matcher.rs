//! Label matchers, compiled.

use std::fmt;

use super::{Regex, RegexError};
use crate::model::{Labels, MatchOp, Matcher};

/// A matcher that is ready to match. Two are equal where their plain matchers are.
#[derive(Clone)]
pub struct LabelMatcher {
    plain: Matcher,
    /// There for `=~` and `!~`.
    regex: Option<Regex>,
}

impl LabelMatcher {
    /// Compiles a matcher as `PromQL` means it: `.` matches newlines too.
    pub fn new(matcher: &Matcher) -> Result<Self, RegexError> {
        Self::with(matcher, Regex::anchored)
    }

    /// Compiles a matcher as Alertmanager means it: `.` matches no newline.
    pub fn for_alertmanager(matcher: &Matcher) -> Result<Self, RegexError> {
        Self::with(matcher, Regex::anchored_line)
    }

    fn with(
        matcher: &Matcher,
        compile: fn(&str) -> Result<Regex, RegexError>,
    ) -> Result<Self, RegexError> {
        let regex = match matcher.op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(compile(&matcher.value)?),
        };
        Ok(Self {
            plain: matcher.clone(),
            regex,
        })
    }

    /// The matcher as it was written.
    pub fn matcher(&self) -> &Matcher {
        &self.plain
    }

    /// Whether a label set satisfies the matcher; a label that is not there counts as empty.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_value(labels.get(&self.plain.name))
    }

    /// Whether a value of the label satisfies the matcher.
    pub fn matches_value(&self, value: &str) -> bool {
        let positive = match &self.regex {
            Some(regex) => regex.is_match(value),
            None => self.plain.value == value,
        };
        positive == matches!(self.plain.op, MatchOp::Equal | MatchOp::Regex)
    }
}

impl PartialEq for LabelMatcher {
    fn eq(&self, other: &Self) -> bool {
        self.plain == other.plain
    }
}

impl Eq for LabelMatcher {}

impl fmt::Debug for LabelMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}{:?}",
            self.plain.name, self.plain.op, self.plain.value
        )
    }
}
