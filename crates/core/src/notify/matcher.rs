//! Stands in for `stentor_lang::regex::LabelMatcher` until that is on main: equality only, regular
//! expressions are refused. The names and signatures are the final ones.

use stentor_lang::model::{Labels, MatchOp, Matcher};

/// A matcher that is ready to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMatcher {
    plain: Matcher,
}

impl LabelMatcher {
    /// Compiles a matcher as Alertmanager means it.
    pub fn for_alertmanager(matcher: &Matcher) -> Result<Self, String> {
        match matcher.op {
            MatchOp::Equal | MatchOp::NotEqual => Ok(Self {
                plain: matcher.clone(),
            }),
            MatchOp::Regex | MatchOp::NotRegex => {
                Err("regular expressions are not built yet".to_owned())
            }
        }
    }

    /// The matcher as it was written.
    pub fn matcher(&self) -> &Matcher {
        &self.plain
    }

    /// Whether a label set satisfies the matcher; a label that is not there counts as empty.
    pub fn matches(&self, labels: &Labels) -> bool {
        (labels.get(&self.plain.name) == self.plain.value) == (self.plain.op == MatchOp::Equal)
    }
}
