//! What the parser must know of regular expressions in matchers: whether they are ones, and whether
//! they match the empty text.

use crate::model::{MatchOp, Matcher};
use crate::regex::Regex;

/// Refuses what is no regular expression.
pub(super) fn check_regex(pattern: &str) -> Result<(), String> {
    Regex::check_anchored(pattern).map_err(|error| error.to_string())
}

/// Whether a series without the label matches.
pub(super) fn matches_empty(matcher: &Matcher) -> bool {
    let regex_matches = |pattern| Regex::anchored_matches_empty(pattern) == Ok(true);
    match matcher.op {
        MatchOp::Equal => matcher.value.is_empty(),
        MatchOp::NotEqual => !matcher.value.is_empty(),
        MatchOp::Regex => regex_matches(&matcher.value),
        MatchOp::NotRegex => !regex_matches(&matcher.value),
    }
}
