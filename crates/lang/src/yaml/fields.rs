//! Taking a mapping apart: typed access to its fields, where every mistake is noted and none ends
//! the reading.

use super::node::{Entry, Mapping, Node, Scalar};
use super::suggest::closest;
use crate::model::{Diagnostic, Duration, Span};

/// A value with its place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the source.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned {
            value: change(self.value),
            span: self.span,
        }
    }
}

/// A mapping being read.
///
/// Every field is asked for by its name; [`Fields::finish`] then reports the ones nobody asked
/// for. A field that is `null` counts as not there, as in Go. Values of the wrong type are reported
/// and counted as not there.
///
/// ```
/// use stentor_lang::yaml::{Fields, parse};
///
/// let parsed = parse("name: node\ninterval: 30s\nlimt: 5\n");
/// let mut problems = Vec::new();
/// let mut fields = Fields::new(&parsed.documents[0], "the group", &mut problems).expect("a mapping");
/// assert_eq!(fields.string("name").expect("is there").value, "node");
/// assert_eq!(fields.duration("interval").expect("is there").value.millis(), 30_000);
/// assert!(fields.integer("limit").is_none());
/// fields.finish();
/// assert_eq!(problems[0].message, "unknown field `limt` in the group");
/// assert_eq!(problems[0].hint.as_deref(), Some("did you mean `limit`?"));
/// ```
#[must_use = "call `finish` to report unknown fields"]
pub struct Fields<'n, 's> {
    what: &'s str,
    entries: &'n [Entry],
    head: Span,
    taken: Vec<bool>,
    known: Vec<&'static str>,
    sink: &'s mut Vec<Diagnostic>,
}

impl<'n, 's> Fields<'n, 's> {
    /// Begins to read a node as a mapping; `what` names it in messages, such as `the route`.
    /// Nothing is a mapping without fields; for anything else a diagnostic is noted.
    pub fn new(node: &'n Node, what: &'s str, sink: &'s mut Vec<Diagnostic>) -> Option<Self> {
        match node {
            Node::Mapping(mapping) => Some(Self::of(mapping, what, sink)),
            node if node.is_null() => Some(Self {
                what,
                entries: &[],
                head: node.span(),
                taken: Vec::new(),
                known: Vec::new(),
                sink,
            }),
            other => {
                let message = format!("{what} must be a mapping, not {}", other.kind_name());
                sink.push(Diagnostic::error("yaml/type", other.head(), message));
                None
            }
        }
    }

    /// Begins to read a mapping.
    pub fn of(mapping: &'n Mapping, what: &'s str, sink: &'s mut Vec<Diagnostic>) -> Self {
        Self {
            what,
            entries: &mapping.entries,
            head: mapping.head(),
            taken: vec![false; mapping.entries.len()],
            known: Vec::with_capacity(USUAL_FIELDS),
            sink,
        }
    }

    /// The place to point at when something is missing.
    pub fn head(&self) -> Span {
        self.head
    }

    /// Where further findings go, such as those of a nested mapping.
    pub fn sink(&mut self) -> &mut Vec<Diagnostic> {
        self.sink
    }

    /// Notes an error at a place.
    pub fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.sink.push(Diagnostic::error(code, span, message));
    }

    /// The value of a field, of any type; nothing where it is left out or null.
    pub fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.entry(name)
            .map(|entry| &entry.value)
            .filter(|value| !value.is_null())
    }

    /// The same with the key and with null values: for fields whose mere presence means something.
    pub fn entry(&mut self, name: &'static str) -> Option<&'n Entry> {
        self.known.push(name);
        let at = self
            .entries
            .iter()
            .position(|entry| entry.key.value == name)?;
        self.taken[at] = true;
        Some(&self.entries[at])
    }

    /// A field that has to be there: its absence is noted.
    pub fn required(&mut self, name: &'static str) -> Option<&'n Node> {
        let value = self.take(name);
        if value.is_none() {
            self.missing(name);
        }
        value
    }

    /// Notes that a field is missing.
    pub fn missing(&mut self, name: &str) {
        let message = format!("{} has no field `{name}`", self.what);
        self.sink
            .push(Diagnostic::error("yaml/missing", self.head, message));
    }

    /// A scalar with all that is known of it, to find places inside its text again.
    pub fn scalar(&mut self, name: &'static str) -> Option<&'n Scalar> {
        let node = self.take(name)?;
        self.expect_scalar(name, node, "a text")
    }

    /// A text: any scalar, as it was written.
    pub fn string(&mut self, name: &'static str) -> Option<Spanned<String>> {
        self.scalar(name).map(text_of)
    }

    /// A text that has to be there.
    pub fn required_string(&mut self, name: &'static str) -> Option<Spanned<String>> {
        let node = self.required(name)?;
        self.expect_scalar(name, node, "a text").map(text_of)
    }

    /// A duration in Prometheus' notation.
    pub fn duration(&mut self, name: &'static str) -> Option<Spanned<Duration>> {
        let node = self.take(name)?;
        let scalar = self.expect_scalar(name, node, "a duration")?;
        match Duration::parse(scalar.text()) {
            Ok(value) => Some(Spanned {
                value,
                span: scalar.span,
            }),
            Err(why) => {
                let message = format!("field `{name}`: {why}");
                let mut diagnostic = Diagnostic::error("yaml/duration", scalar.span, message);
                if let Some(hint) = duration_hint(scalar.text()) {
                    diagnostic = diagnostic.with_hint(hint);
                }
                self.sink.push(diagnostic);
                None
            }
        }
    }

    /// A whole number in any of YAML's notations.
    pub fn integer(&mut self, name: &'static str) -> Option<Spanned<i64>> {
        self.parsed(name, "a whole number", Scalar::integer)
    }

    /// A whole number that is not negative.
    pub fn unsigned(&mut self, name: &'static str) -> Option<Spanned<u64>> {
        self.parsed(name, "a whole number, 0 or more", |scalar| {
            scalar.integer().and_then(|value| u64::try_from(value).ok())
        })
    }

    /// A number.
    pub fn number(&mut self, name: &'static str) -> Option<Spanned<f64>> {
        self.parsed(name, "a number", Scalar::number)
    }

    /// True or false.
    pub fn bool(&mut self, name: &'static str) -> Option<Spanned<bool>> {
        self.parsed(name, "true or false", Scalar::boolean)
    }

    /// The items of a list; none where it is left out.
    pub fn list(&mut self, name: &'static str) -> &'n [Node] {
        match self.take(name) {
            None => &[],
            Some(Node::Sequence(sequence)) => &sequence.items,
            Some(other) => {
                self.wrong_type(name, other, "a list");
                &[]
            }
        }
    }

    /// A list of texts.
    pub fn strings(&mut self, name: &'static str) -> Vec<Spanned<String>> {
        let items = self.list(name);
        let scalar = |item| self.expect_scalar(name, item, "a list of texts");
        items.iter().filter_map(scalar).map(text_of).collect()
    }

    /// A mapping, to be read with [`Fields::of`].
    pub fn mapping(&mut self, name: &'static str) -> Option<&'n Mapping> {
        match self.take(name)? {
            Node::Mapping(mapping) => Some(mapping),
            other => {
                self.wrong_type(name, other, "a mapping");
                None
            }
        }
    }

    /// A mapping of texts to texts, in the order of the file; a null value is the empty text.
    pub fn map_of_scalars(&mut self, name: &'static str) -> Vec<(&'n Scalar, &'n Scalar)> {
        let Some(mapping) = self.mapping(name) else {
            return Vec::new();
        };
        let mut pairs = Vec::with_capacity(mapping.entries.len());
        for entry in &mapping.entries {
            let key = &entry.key;
            if let Node::Scalar(value) = &entry.value {
                pairs.push((key, value));
            } else {
                let kind = entry.value.kind_name();
                let message = format!("`{}` in `{name}` must be a text, not {kind}", key.value);
                self.sink
                    .push(Diagnostic::error("yaml/type", entry.value.head(), message));
            }
        }
        pairs
    }

    /// The same as owned texts.
    pub fn map_of_strings(
        &mut self,
        name: &'static str,
    ) -> Vec<(Spanned<String>, Spanned<String>)> {
        self.map_of_scalars(name)
            .into_iter()
            .map(|(key, value)| (text_of(key), text_of(value)))
            .collect()
    }

    /// Names a field that Stentor knows and does not support: where it is set, that is an error
    /// that says why.
    pub fn refuse(&mut self, name: &'static str, why: &str) {
        let Some(entry) = self.entry(name) else {
            return;
        };
        // What is refused is nothing to suggest.
        self.known.pop();
        let message = format!("field `{name}` in {} is not supported: {why}", self.what);
        self.sink.push(Diagnostic::error(
            "yaml/unsupported",
            entry.key.span,
            message,
        ));
    }

    /// Reports the fields that nobody asked for.
    pub fn finish(self) {
        for (entry, taken) in self.entries.iter().zip(&self.taken) {
            if *taken {
                continue;
            }
            let name = &entry.key.value;
            let message = format!("unknown field `{name}` in {}", self.what);
            let mut diagnostic = Diagnostic::error("yaml/unknown-field", entry.key.span, message);
            if let Some(near) = closest(name, self.known.iter().copied()) {
                diagnostic = diagnostic.with_hint(format!("did you mean `{near}`?"));
            }
            self.sink.push(diagnostic);
        }
    }

    fn parsed<T>(
        &mut self,
        name: &'static str,
        wanted: &str,
        parse: impl FnOnce(&Scalar) -> Option<T>,
    ) -> Option<Spanned<T>> {
        let node = self.take(name)?;
        let scalar = self.expect_scalar(name, node, wanted)?;
        let span = scalar.span;
        let value = parse(scalar).map(|value| Spanned { value, span });
        if value.is_none() {
            let message = format!(
                "field `{name}` must be {wanted}, not `{}`",
                shown(&scalar.value)
            );
            self.sink
                .push(Diagnostic::error("yaml/type", span, message));
        }
        value
    }

    fn expect_scalar(&mut self, name: &str, node: &'n Node, wanted: &str) -> Option<&'n Scalar> {
        let scalar = node.as_scalar();
        if scalar.is_none() {
            self.wrong_type(name, node, wanted);
        }
        scalar
    }

    fn wrong_type(&mut self, name: &str, node: &Node, wanted: &str) {
        let message = format!("field `{name}` must be {wanted}, not {}", node.kind_name());
        self.sink
            .push(Diagnostic::error("yaml/type", node.head(), message));
    }
}

/// How many fields most mappings may have.
const USUAL_FIELDS: usize = 16;

/// A scalar as owned text.
fn text_of(scalar: &Scalar) -> Spanned<String> {
    Spanned {
        value: scalar.text().to_owned(),
        span: scalar.span,
    }
}

/// A text short enough for a message.
fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn duration_hint(text: &str) -> Option<String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        Some(format!("a duration needs a unit: `{text}s` or `{text}m`"))
    } else if text.starts_with('-') {
        Some("a duration cannot be negative here".to_owned())
    } else if text.is_empty() {
        None
    } else {
        Some(
            "durations look like `30s`, `5m` or `1h30m`: whole numbers, larger units first"
                .to_owned(),
        )
    }
}
