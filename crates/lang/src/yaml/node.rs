//! The tree: scalars, sequences and mappings with their places.

use super::offset;
use super::resolve::{self, Flavor, Resolved};
use crate::model::Span;

/// One node of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A text, a number, `true`, nothing.
    Scalar(Scalar),
    /// A list.
    Sequence(Sequence),
    /// Keys and values.
    Mapping(Mapping),
}

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Its items in order.
    pub items: Vec<Node>,
    /// From its first byte to behind its last item.
    pub span: Span,
}

/// Keys and values in the order of the file; merged ones (`<<`) follow the mapping's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// No key stands here twice.
    pub entries: Vec<Entry>,
    /// From its first byte to behind its last value.
    pub span: Span,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Scalar,
    /// The value.
    pub value: Node,
}

/// A scalar: its value after unfolding and unescaping, and how it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The value; `~` where nothing was written.
    pub value: String,
    /// How it was written.
    pub style: Style,
    /// An explicit tag.
    pub tag: Option<Tag>,
    /// Its bytes in the source: with quotes, without the `|` or `>` line and its indentation.
    pub span: Span,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// An explicit tag that changes what a scalar means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// `!!str`, or a tag of somebody's own: the text as it stands.
    Text,
    /// `!!int`, `!!float`, `!!bool` or `!!null`: what the text says, even if it is quoted.
    Core,
    /// `!!merge`
    Merge,
}

impl Node {
    /// Its bytes in the source.
    pub fn span(&self) -> Span {
        match self {
            Self::Scalar(scalar) => scalar.span,
            Self::Sequence(sequence) => sequence.span,
            Self::Mapping(mapping) => mapping.span,
        }
    }

    /// The place to point at: a scalar whole, of a mapping its first key, of a list its beginning.
    pub fn head(&self) -> Span {
        match self {
            Self::Scalar(scalar) => scalar.span,
            Self::Sequence(sequence) => Span::new(
                sequence.span.start,
                sequence.span.end.min(sequence.span.start + 1),
            ),
            Self::Mapping(mapping) => mapping.head(),
        }
    }

    /// The scalar, if it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The mapping, if it is one.
    pub fn as_mapping(&self) -> Option<&Mapping> {
        match self {
            Self::Mapping(mapping) => Some(mapping),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_sequence(&self) -> Option<&[Self]> {
        match self {
            Self::Sequence(sequence) => Some(&sequence.items),
            _ => None,
        }
    }

    /// Whether it is nothing: left out, `~` or `null`.
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(Scalar::is_null)
    }

    /// What it is, for messages: `a mapping`, `a list`, `a text`, `nothing`.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Mapping(_) => "a mapping",
            Self::Sequence(_) => "a list",
            Self::Scalar(scalar) if scalar.is_null() => "nothing",
            Self::Scalar(_) => "a text",
        }
    }
}

impl Mapping {
    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries
            .iter()
            .find(|entry| entry.key.value == key)
            .map(|entry| &entry.value)
    }

    /// The place to point at: the first key.
    pub fn head(&self) -> Span {
        match self.entries.first() {
            Some(entry) if self.span.start <= entry.key.span.start => entry.key.span,
            _ => Span::new(self.span.start, self.span.end.min(self.span.start + 1)),
        }
    }
}

impl Scalar {
    /// Whether it is nothing: left out, `~` or `null` without quotes.
    pub fn is_null(&self) -> bool {
        self.is_resolvable() && resolve::is_null(&self.value)
    }

    /// The text; empty where it is nothing, as go-yaml leaves a text field.
    pub fn text(&self) -> &str {
        if self.is_null() { "" } else { &self.value }
    }

    /// What go-yaml makes of it where no type is asked for.
    pub fn resolve(&self, flavor: Flavor) -> Resolved {
        if self.is_resolvable() {
            resolve::resolve(&self.value, flavor)
        } else {
            Resolved::Text
        }
    }

    /// The whole number it says, in any of YAML's notations (`1_000`, `0x1F`, `010`, `1e3`).
    pub fn integer(&self) -> Option<i64> {
        if self.is_resolvable() {
            resolve::integer(&self.value)
        } else {
            None
        }
    }

    /// The number it says.
    pub fn number(&self) -> Option<f64> {
        if self.is_resolvable() {
            resolve::number(&self.value)
        } else {
            None
        }
    }

    /// The truth it says, YAML 1.1's `yes` and `off` among the words.
    pub fn boolean(&self) -> Option<bool> {
        if self.is_resolvable() {
            resolve::boolean(&self.value, Flavor::V2)
        } else {
            None
        }
    }

    /// The source's byte offset of a byte offset in the value (or in [`Self::text`]): through
    /// indentation, folding, quotes and escapes. `source` is the text that was parsed.
    pub fn source_offset(&self, source: &str, value_offset: usize) -> usize {
        offset::source_offset(self, source, value_offset)
    }

    /// The source's bytes of a range of the value; it ends behind its last character, and never
    /// reaches over to a line that the range does not touch.
    pub fn source_span(&self, source: &str, inner: Span) -> Span {
        offset::source_span(self, source, inner)
    }

    fn is_resolvable(&self) -> bool {
        match self.tag {
            None => self.style == Style::Plain,
            Some(Tag::Core) => true,
            Some(Tag::Text | Tag::Merge) => false,
        }
    }
}
