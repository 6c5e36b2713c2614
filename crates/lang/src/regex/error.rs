//! Why a regular expression is refused, in Go's words.

use std::fmt;

use crate::model::Span;

/// What is wrong with a regular expression: Go's `regexp/syntax.ErrorCode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegexErrorKind {
    /// A class such as `[b-a]` or `\p{Nope}`.
    CharRange,
    /// An escape that RE2 does not know, such as `\1` or `\y`.
    Escape,
    /// `(?P<...` without a valid name.
    NamedCapture,
    /// `(?` followed by something that RE2 does not know.
    PerlOperator,
    /// `a**`, `a*+`, `a{2}{3}`.
    NestedRepetition,
    /// A count above [`super::MAX_REPEAT`], alone or multiplied by nesting, or `a{3,2}`.
    RepeatSize,
    /// `[` is not closed.
    MissingBracket,
    /// `(` is not closed.
    MissingParen,
    /// A repetition with nothing before it.
    MissingRepeatArgument,
    /// A backslash ends the expression.
    TrailingBackslash,
    /// `)` without `(`.
    UnexpectedParen,
    /// Nested deeper than [`super::MAX_DEPTH`].
    NestingDepth,
    /// The compiled form would be larger than [`super::MAX_COMPILED_BYTES`].
    TooLarge,
}

impl RegexErrorKind {
    /// Go's text of the kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CharRange => "invalid character class range",
            Self::Escape => "invalid escape sequence",
            Self::NamedCapture => "invalid named capture",
            Self::PerlOperator => "invalid or unsupported Perl syntax",
            Self::NestedRepetition => "invalid nested repetition operator",
            Self::RepeatSize => "invalid repeat count",
            Self::MissingBracket => "missing closing ]",
            Self::MissingParen => "missing closing )",
            Self::MissingRepeatArgument => "missing argument to repetition operator",
            Self::TrailingBackslash => "trailing backslash at end of expression",
            Self::UnexpectedParen => "unexpected )",
            Self::NestingDepth => "expression nests too deeply",
            Self::TooLarge => "expression too large",
        }
    }
}

/// A regular expression that was refused. It displays as Go's error does:
/// ``error parsing regexp: missing closing ): `a(` ``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegexError {
    /// What is wrong.
    pub kind: RegexErrorKind,
    /// The part of the expression that Go quotes.
    pub fragment: String,
    /// The bytes of the expression that are wrong: for an unclosed bracket or parenthesis the
    /// bracket itself, though Go quotes more.
    pub span: Span,
}

impl fmt::Display for RegexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "error parsing regexp: {}: `{}`",
            self.kind.as_str(),
            self.fragment
        )
    }
}

impl std::error::Error for RegexError {}
