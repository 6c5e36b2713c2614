//! What all parts of the reading share: where inline secrets go, where the file stands, and the
//! fields that need the same care everywhere.

use std::collections::BTreeMap;
use std::path::Path;

use stentor_lang::model::{Diagnostic, SourceText, Span};
use stentor_lang::yaml::{Fields, Node, Scalar, Spanned};

use super::Options;
use crate::receiver::{REDACTED, SecretRef, is_web_url};

/// What stands in a stored configuration where an inline secret stood.
pub(super) const STORED: &str = "<stored>";

/// A file that holds a secret. It is read at each use; whoever reads the configuration looks
/// whether it can be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// The field that the secret stands for, such as `routing_key`.
    field: &'static str,
    /// Its path, and the place in the configuration that names it.
    pub path: Spanned<String>,
}

impl SecretFile {
    /// What is wrong with the text of the file, without any of it.
    #[must_use]
    pub fn problem(&self, text: &str) -> Option<&'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Some("it is empty");
        }
        if matches!(self.field, "ca" | "cert" | "key") {
            return None;
        }
        if text.chars().any(char::is_control) {
            return Some("expected one line of text");
        }
        let url = self.field.ends_with("url");
        (url && !is_web_url(text)).then_some("expected a URL that begins with http:// or https://")
    }
}

/// The reading of one file.
pub(super) struct Context<'a> {
    pub(super) source: &'a SourceText,
    pub(super) options: &'a Options,
    /// What the names of this file's secrets begin with.
    prefix: &'static str,
    /// Inline secrets, by name.
    pub(super) secrets: BTreeMap<String, String>,
    /// Where they stand.
    places: Vec<Span>,
    /// The files that hold other secrets.
    pub(super) files: Vec<SecretFile>,
}

impl<'a> Context<'a> {
    pub(super) fn new(source: &'a SourceText, options: &'a Options, prefix: &'static str) -> Self {
        Self {
            source,
            options,
            prefix,
            secrets: BTreeMap::new(),
            places: Vec::new(),
            files: Vec::new(),
        }
    }

    /// The text with its secrets replaced.
    pub(super) fn durable(&self) -> SourceText {
        self.replaced(self.places.clone(), |secret| {
            // A block of lines ends with its line break and the next line's indentation.
            let end = secret.trim_end().len();
            format!("{STORED}{}", &secret[end..])
        })
    }

    /// The text for people to see, with its secrets made unreadable, and whatever else is named
    /// like one: a misspelt field holds its secret too. All else stays in its place.
    pub(super) fn masked(&self) -> SourceText {
        let mut places = self.places.clone();
        let parsed = stentor_lang::yaml::parse(&self.source.text);
        if !parsed.diagnostics.is_empty() {
            // What did not become a part of the tree cannot be looked for by its name.
            let text = masked_values(&self.source.text);
            return SourceText::new(self.source.name.clone(), text);
        }
        for document in &parsed.documents {
            suspects(document, false, &mut places);
        }
        self.replaced(places, |secret| {
            let masked = |byte| if byte == b'\n' { '\n' } else { '*' };
            secret.bytes().map(masked).collect()
        })
    }

    fn replaced(&self, mut places: Vec<Span>, by: impl Fn(&str) -> String) -> SourceText {
        places.sort();
        places.dedup();
        let text = &self.source.text;
        let mut changed = String::with_capacity(text.len());
        let mut from = 0;
        for place in places {
            // An alias brings a place twice, or out of order.
            if place.start < from {
                continue;
            }
            changed.push_str(&text[from..place.start]);
            changed.push_str(&by(&text[place.range()]));
            from = place.end;
        }
        changed.push_str(&text[from..]);
        SourceText::new(self.source.name.clone(), changed)
    }

    /// A path as it counts for the process: relative ones begin at the file's folder.
    pub(super) fn path(&self, path: &str) -> String {
        beside(&self.source.name, path)
    }

    /// A secret that is written inline under `name`, or stands in the file that `name_file` names.
    /// `path` is the place of the mapping, for the secret's name. What is written inline is
    /// returned too, for checks.
    pub(super) fn secret(
        &mut self,
        fields: &mut Fields<'_, '_>,
        path: &str,
        name: &'static str,
        file: &'static str,
    ) -> Option<(SecretRef, Option<Spanned<String>>)> {
        let inline = filled(fields.scalar(name));
        let in_file = filled(fields.scalar(file));
        if let (Some(inline), Some(_)) = (inline, in_file) {
            let message = format!("at most one of `{name}` and `{file}` may be set");
            fields.error("config/secret", inline.span, message);
        }
        if let Some(inline) = inline {
            let secret = format!("{}{path}.{name}", self.prefix);
            let text = self.inline(inline, &secret, fields.sink())?;
            return Some((SecretRef::Inline(secret), Some(text)));
        }
        let file = in_file.filter(|file| no_template(file, fields.sink()))?;
        Some((self.file(name, file.text(), file.span), None))
    }

    /// A secret that stands in a file.
    pub(super) fn file(&mut self, field: &'static str, path: &str, span: Span) -> SecretRef {
        let path = Spanned {
            value: self.path(path),
            span,
        };
        let secret = SecretRef::File(path.value.clone());
        self.files.push(SecretFile { field, path });
        secret
    }

    /// Keeps an inline secret under a name.
    pub(super) fn inline(
        &mut self,
        scalar: &Scalar,
        name: &str,
        sink: &mut Vec<Diagnostic>,
    ) -> Option<Spanned<String>> {
        let mut text = scalar.text().to_owned();
        self.hide(scalar);
        if text.trim() == REDACTED {
            let message = format!("`{REDACTED}` stands for a secret that was left out");
            let hint = "write the secret itself, or name a file that holds it";
            let found = Diagnostic::error("config/secret", scalar.span, message).with_hint(hint);
            sink.push(found);
            return None;
        }
        if let (STORED, Some(stored)) = (text.trim(), &self.options.stored) {
            let Some(secret) = stored.get(name) else {
                let message = format!("the stored secret `{name}` is not there");
                sink.push(Diagnostic::error("config/secret", scalar.span, message));
                return None;
            };
            text.clone_from(secret);
        }
        if !no_template_in(&text, scalar.span, sink) {
            return None;
        }
        self.secrets.insert(name.to_owned(), text.clone());
        Some(Spanned {
            value: text,
            span: scalar.span,
        })
    }

    /// Notes that a text must not be stored as it stands.
    pub(super) fn hide(&mut self, scalar: &Scalar) {
        self.places.push(scalar.span);
    }
}

/// The scalars under keys that sound like secrets, and addresses under keys that do not: the key
/// may be misspelt.
fn suspects(node: &Node, suspect: bool, places: &mut Vec<Span>) {
    const SOUNDS: [&str; 6] = ["key", "token", "password", "secret", "credential", "url"];
    match node {
        Node::Scalar(scalar) if suspect => places.push(scalar.span),
        Node::Scalar(_) => {}
        Node::Sequence(sequence) => {
            for item in &sequence.items {
                suspects(item, suspect, places);
            }
        }
        Node::Mapping(mapping) => {
            for entry in &mapping.entries {
                let name = entry.key.text();
                // Addresses of datasources are shown; receivers' are secrets.
                let open = name.ends_with("_file") || matches!(name, "url" | "external_url");
                let sounds = SOUNDS.iter().any(|sound| name.contains(sound));
                let address = entry
                    .value
                    .as_scalar()
                    .is_some_and(|s| s.value.contains("://"));
                suspects(&entry.value, (sounds || address) && !open, places);
            }
        }
    }
}

/// The text with nothing readable in its lines but what stands before the first colon; all stays
/// in its place.
fn masked_values(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let indented = line.len() - line.trim_start_matches([' ', '-']).len();
        let shown = line.find(':').map_or(indented, |colon| colon + 1);
        masked.push_str(&line[..shown]);
        let rest = line[shown..].bytes();
        masked.extend(rest.map(|byte| {
            if byte.is_ascii_whitespace() {
                char::from(byte)
            } else {
                '*'
            }
        }));
    }
    masked
}

/// A path from the folder of another file.
pub(super) fn beside(file: &str, path: &str) -> String {
    match Path::new(file).parent() {
        Some(folder) => folder.join(path).to_string_lossy().into_owned(),
        None => path.to_owned(),
    }
}

/// A scalar that says something; an empty text is the same as none, as in Go.
pub(super) fn filled(scalar: Option<&Scalar>) -> Option<&Scalar> {
    scalar.filter(|scalar| !scalar.text().is_empty())
}

/// A text field of a receiver, in which templates cannot be used yet.
pub(super) fn plain(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<String> {
    let scalar = filled(fields.scalar(name))?;
    no_template(scalar, fields.sink()).then(|| scalar.text().to_owned())
}

/// Whether a text is no template; else that is noted.
pub(super) fn no_template(scalar: &Scalar, sink: &mut Vec<Diagnostic>) -> bool {
    no_template_in(scalar.text(), scalar.span, sink)
}

fn no_template_in(text: &str, span: Span, sink: &mut Vec<Diagnostic>) -> bool {
    if !text.contains("{{") {
        return true;
    }
    let message = "templates in receiver fields are not supported yet";
    let hint = "leave the field out: the default text names summary, description, value and links";
    sink.push(Diagnostic::error("config/template", span, message).with_hint(hint));
    false
}

/// A URL of the web, without a password in it: it is shown in logs and pages.
pub(super) fn open_url(
    fields: &mut Fields<'_, '_>,
    context: &mut Context<'_>,
    name: &'static str,
) -> Option<Spanned<String>> {
    let scalar = filled(fields.scalar(name))?;
    let url = scalar.text();
    if !is_web_url(url) {
        context.hide(scalar);
        let message = format!("field `{name}`: not a URL that begins with http:// or https://");
        fields.error("config/url", scalar.span, message);
        return None;
    }
    if has_user(url) {
        context.hide(scalar);
        let message = format!("field `{name}`: a URL with a user or password in it");
        let hint = "set `basic_auth`, where the password is kept secret";
        let found = Diagnostic::error("config/url", scalar.span, message).with_hint(hint);
        fields.sink().push(found);
        return None;
    }
    Some(Spanned {
        value: url.to_owned(),
        span: scalar.span,
    })
}

fn has_user(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    host.contains('@')
}

/// Refuses a field by name where it holds anything: an empty list or mapping says nothing.
pub(super) fn refuse_filled(fields: &mut Fields<'_, '_>, name: &'static str, why: &str) {
    let Some(value) = fields.take(name) else {
        return;
    };
    let empty = match value {
        Node::Sequence(sequence) => sequence.items.is_empty(),
        Node::Mapping(mapping) => mapping.entries.is_empty(),
        Node::Scalar(scalar) => scalar.text().is_empty() || scalar.boolean() == Some(false),
    };
    if !empty {
        fields.refuse(name, why);
    }
}
