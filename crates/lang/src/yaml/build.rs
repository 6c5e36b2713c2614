//! From the parser's events to the tree: aliases are put in, `<<` is merged, keys are compared.

use std::collections::{BTreeMap, BTreeSet};

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError};

use super::node::{Entry, Mapping, Node, Scalar, Sequence, Style, Tag};
use crate::model::span::LineIndex;
use crate::model::{Diagnostic, Span};

/// How deep lists and mappings may stand in each other: no file of people comes near, and readers
/// of the tree may recurse.
pub const MAX_NESTING: usize = 100;

/// How many nodes anchors and aliases may copy: aliases of aliases grow exponentially, and a file
/// of people copies hundreds. A long text counts as one node for each [`BYTES_PER_NODE`].
pub const MAX_EXPANDED_NODES: usize = 250_000;

/// How many bytes of text count as a node of [`MAX_EXPANDED_NODES`].
const BYTES_PER_NODE: usize = 64;

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// Its documents; of a file with a syntax error those before it. A file with nothing but
    /// comments has none.
    pub documents: Vec<Node>,
    /// What is wrong with its syntax: the tree is good for finding more errors, not for use, when
    /// there is an error among them.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads all documents of a text; spans are byte offsets in it.
pub fn parse(text: &str) -> Parsed {
    let mut options = Options::default();
    options.emit_comments = false;
    options.block_scalar_eof_without_line_feed = true;
    options.flow_nesting_limit = MAX_NESTING;
    options.block_nesting_limit = MAX_NESTING;
    let mut builder = Builder::new(text);
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                let range = span.byte_range().unwrap_or(0..0);
                if builder
                    .event(event, Span::new(range.start, range.end))
                    .is_err()
                {
                    break;
                }
            }
            Err(error) => {
                builder.syntax_error(&error);
                break;
            }
        }
    }
    builder.parsed
}

/// An error after which reading on makes no sense; it has been reported.
struct GiveUp;

struct Builder<'t> {
    text: &'t str,
    lines: Option<LineIndex>,
    open: Vec<Open>,
    /// The items and entries of all open lists and mappings, the innermost last: so each gets its
    /// memory once, when its length is known.
    items: Vec<Node>,
    entries: Vec<Entry>,
    /// Anchored nodes that are complete, by the parser's number.
    anchors: BTreeMap<usize, Node>,
    copied: usize,
    parsed: Parsed,
}

/// A list or mapping whose end has not come yet.
struct Open {
    anchor: usize,
    start: usize,
    content: Content,
}

enum Content {
    /// From here on the items are its own.
    Items { from: usize },
    /// From here on the entries are its own.
    Entries { from: usize, key: Pending },
}

/// The key that waits for its value.
enum Pending {
    None,
    Key(Scalar),
    /// It was no text, and was reported; its value is dropped.
    Unusable,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            lines: None,
            open: Vec::new(),
            items: Vec::new(),
            entries: Vec::new(),
            anchors: BTreeMap::new(),
            copied: 0,
            parsed: Parsed::default(),
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), GiveUp> {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let scalar = Scalar {
                    value: value.into_owned(),
                    style: style_of(style),
                    tag: tag.map(|tag| tag_of(&tag)),
                    span,
                };
                self.complete(Node::Scalar(scalar), anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let from = self.items.len();
                self.open(anchor, span, Content::Items { from });
                Ok(())
            }
            Event::MappingStart(_, anchor, _) => {
                let (from, key) = (self.entries.len(), Pending::None);
                self.open(anchor, span, Content::Entries { from, key });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(id) => self.alias(id, span),
            Event::DocumentStart(..) => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, anchor: usize, span: Span, content: Content) {
        self.open.push(Open {
            anchor,
            start: span.start,
            content,
        });
    }

    fn close(&mut self, end: Span) -> Result<(), GiveUp> {
        let Some(Open {
            anchor,
            start,
            content,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        // A block ends where its last value does, not where the parser noticed.
        let end_of = |last: Option<Span>| {
            let inside = last.map_or(start, |last| last.end.max(start));
            if end.is_empty() { inside } else { end.end }
        };
        let node = match content {
            Content::Items { from } => {
                let items: Vec<Node> = self.items.drain(from..).collect();
                let end = end_of(items.last().map(Node::span));
                let span = Span::new(start, end);
                Node::Sequence(Sequence { items, span })
            }
            Content::Entries { from, .. } => {
                let entries: Vec<Entry> = self.entries.drain(from..).collect();
                let end = end_of(entries.last().map(|entry| entry.value.span()));
                let span = Span::new(start, end);
                let entries = self.refuse_duplicates(entries);
                let entries = self.merge(entries);
                Node::Mapping(Mapping { entries, span })
            }
        };
        self.complete(node, anchor)
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<(), GiveUp> {
        let Some(node) = self.anchors.get(&id) else {
            self.error(
                "yaml/alias",
                span,
                "the alias stands inside the value that it repeats".to_owned(),
            );
            return Err(GiveUp);
        };
        let node = node.clone();
        self.count(&node, span)?;
        self.place(node);
        Ok(())
    }

    /// A node is whole: it is kept under its anchor, and put where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), GiveUp> {
        if anchor != 0 {
            self.count(&node, node.head())?;
            self.anchors.insert(anchor, node.clone());
        }
        self.place(node);
        Ok(())
    }

    fn place(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.parsed.documents.push(node);
            return;
        };
        match &mut open.content {
            Content::Items { .. } => self.items.push(node),
            Content::Entries { key, .. } => match std::mem::replace(key, Pending::None) {
                Pending::Key(key) => self.entries.push(Entry { key, value: node }),
                Pending::Unusable => {}
                Pending::None => match node {
                    Node::Scalar(scalar) => *key = Pending::Key(scalar),
                    other => {
                        *key = Pending::Unusable;
                        self.unusable_key(&other);
                    }
                },
            },
        }
    }

    fn unusable_key(&mut self, key: &Node) {
        let message = format!("{} cannot be a key here", key.kind_name());
        let span = key.span();
        let mut diagnostic = Diagnostic::error("yaml/key", span, message);
        if self.text[..span.start].ends_with('{') {
            diagnostic =
                diagnostic.with_hint("a value that begins with `{{` needs quotes around it");
        }
        self.parsed.diagnostics.push(diagnostic);
    }

    /// Counts the nodes of a copy, and its depth, before it is put anywhere.
    fn count(&mut self, node: &Node, span: Span) -> Result<(), GiveUp> {
        let size = size(node);
        self.copied += size.nodes;
        let message = if self.copied > MAX_EXPANDED_NODES {
            format!("anchors and aliases copy more than {MAX_EXPANDED_NODES} nodes")
        } else if self.open.len() + size.depth > MAX_NESTING {
            format!("aliases nest lists and mappings more than {MAX_NESTING} deep")
        } else {
            return Ok(());
        };
        self.error("yaml/expansion", span, message);
        Err(GiveUp)
    }

    /// Reports the keys that stand twice, and leaves out all but the first of each.
    fn refuse_duplicates(&mut self, mut entries: Vec<Entry>) -> Vec<Entry> {
        /// Below this, comparing each with each is faster than a map.
        const FEW: usize = 16;
        let mut twice: Vec<(usize, usize)> = Vec::new();
        if entries.len() <= FEW {
            for (at, entry) in entries.iter().enumerate() {
                let same = |other: &Entry| other.key.value == entry.key.value;
                if let Some(first) = entries[..at].iter().position(same) {
                    twice.push((first, at));
                }
            }
        } else {
            let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
            for (at, entry) in entries.iter().enumerate() {
                let first = *seen.entry(&entry.key.value).or_insert(at);
                if first != at {
                    twice.push((first, at));
                }
            }
        }
        for &(first, at) in &twice {
            let key = &entries[at].key;
            let line = self.line(entries[first].key.span.start);
            let message = format!("key `{}` is already set in line {line}", key.value);
            let diagnostic = Diagnostic::error("yaml/duplicate-key", key.span, message)
                .with_hint("a key may stand only once in a mapping: remove one of the two");
            self.parsed.diagnostics.push(diagnostic);
        }
        if !twice.is_empty() {
            let mut at = 0;
            let mut twice = twice.iter().map(|(_, at)| *at).peekable();
            entries.retain(|_| {
                at += 1;
                twice.next_if_eq(&(at - 1)).is_none()
            });
        }
        entries
    }

    /// Replaces `<<` by the entries of the mapping (or mappings) under it; the mapping's own keys
    /// win, and so does the earlier of several mappings.
    fn merge(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        if !entries.iter().any(|entry| is_merge(&entry.key)) {
            return entries;
        }
        let (merges, mut own): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| is_merge(&entry.key));
        let mut seen: BTreeSet<String> = own.iter().map(|entry| entry.key.value.clone()).collect();
        for merge in merges {
            let sources = match merge.value {
                Node::Sequence(sequence) => sequence.items,
                other => vec![other],
            };
            for source in sources {
                let Node::Mapping(mapping) = source else {
                    let message = format!(
                        "`<<` wants a mapping or a list of mappings, not {}",
                        source.kind_name()
                    );
                    self.error("yaml/merge", source.head(), message);
                    continue;
                };
                for entry in mapping.entries {
                    if seen.insert(entry.key.value.clone()) {
                        own.push(entry);
                    }
                }
            }
        }
        own
    }

    fn line(&mut self, offset: usize) -> usize {
        let text = self.text;
        self.lines
            .get_or_insert_with(|| LineIndex::new(text))
            .line(offset)
    }

    fn error(&mut self, code: &'static str, span: Span, message: String) {
        self.parsed
            .diagnostics
            .push(Diagnostic::error(code, span, message));
    }

    fn syntax_error(&mut self, error: &ScanError) {
        let at = error
            .marker()
            .byte_offset()
            .unwrap_or(0)
            .min(self.text.len());
        let width = self.text[at..].chars().next().map_or(0, char::len_utf8);
        let span = Span::new(at, at + width);
        // A template without quotes breaks first as a key and then as a line: once is enough.
        let template = self.parsed.diagnostics.last();
        if template.is_some_and(|last| {
            last.hint.is_some()
                && last.span.start < at
                && !self.text[last.span.start..at].contains('\n')
        }) {
            return;
        }
        let mut diagnostic = Diagnostic::error("yaml/syntax", span, error.info());
        if let Some(hint) = hint(self.text, at) {
            diagnostic = diagnostic.with_hint(hint);
        }
        self.parsed.diagnostics.push(diagnostic);
    }
}

/// What the writer of a line probably has to do about a syntax error in it.
fn hint(text: &str, at: usize) -> Option<&'static str> {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or("");
    let value = line
        .split_once(": ")
        .map_or(line, |(_, value)| value)
        .trim_start();
    if line.trim_start_matches(' ').starts_with('\t') {
        Some("indent with spaces: YAML allows no tabs there")
    } else if value.starts_with("{{") {
        Some("a value that begins with `{{` needs quotes around it")
    } else if value.starts_with(['@', '%', '`']) {
        Some("a value that begins with this character needs quotes around it")
    } else if value.contains(": ") && !value.starts_with(['"', '\'']) {
        Some("a value that holds `: ` needs quotes around it, or a `|` and a line of its own")
    } else {
        None
    }
}

/// How much there is of a node.
struct Size {
    /// Nodes, with long texts counted as several.
    nodes: usize,
    /// Lists and mappings inside each other.
    depth: usize,
}

fn size(node: &Node) -> Size {
    let text = |scalar: &Scalar| 1 + scalar.value.len() / BYTES_PER_NODE;
    let mut whole = Size { nodes: 1, depth: 0 };
    let mut add = |part: Size| {
        whole.nodes += part.nodes;
        whole.depth = whole.depth.max(part.depth + 1);
    };
    match node {
        Node::Scalar(scalar) => whole.nodes = text(scalar),
        Node::Sequence(sequence) => sequence.items.iter().for_each(|item| add(size(item))),
        Node::Mapping(mapping) => {
            for entry in &mapping.entries {
                let mut part = size(&entry.value);
                part.nodes += text(&entry.key);
                add(part);
            }
        }
    }
    whole
}

fn is_merge(key: &Scalar) -> bool {
    key.value == "<<"
        && (key.tag == Some(Tag::Merge) || (key.tag.is_none() && key.style == Style::Plain))
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
        ScalarStyle::Plain => Style::Plain,
    }
}

fn tag_of(tag: &granit_parser::Tag) -> Tag {
    match tag.core_suffix() {
        Some("merge") => Tag::Merge,
        Some("int" | "float" | "bool" | "null") => Tag::Core,
        _ => Tag::Text,
    }
}
