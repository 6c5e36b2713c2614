//! What is wrong with a text that a user wrote: data, rendered elsewhere.

use super::span::{SourceText, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The text is refused.
    Error,
    /// The text is accepted, and probably does not do what its writer meant.
    Warning,
    /// Something to know.
    Note,
}

/// One finding about one text.
///
/// `message` is lower case, has no final dot, and names the thing that is wrong; `hint` says what
/// to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error, warning or note.
    pub level: Level,
    /// A stable name, such as `promql/syntax` or `yaml/duplicate-key`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where, in the source text that was checked.
    pub span: Span,
    /// What to do, or what was expected.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            code,
            message: message.into(),
            span,
            hint: None,
        }
    }

    /// A warning at a place.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            code,
            message: message.into(),
            span,
            hint: None,
        }
    }

    /// A note at a place.
    pub fn note(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            level: Level::Note,
            code,
            message: message.into(),
            span,
            hint: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// `file:line:column: message`, the one-line form.
    pub fn one_line(&self, source: &SourceText) -> String {
        format!("{}: {}", source.place(self.span.start), self.message)
    }
}
