//! Regular expressions in RE2 syntax, read as Go reads them and refused with Go's words, run by
//! `regex-automata` in time linear in the text. Back-references and look-around do not exist, so no
//! expression can hang.
//!
//! What Go calls case folding and classes comes from this build's Unicode tables, which may be a
//! version newer than a given Go's.

mod class;
mod error;
mod fast;
mod matcher;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use regex_automata::util::captures::Captures as RawCaptures;
use regex_automata::{Input, Span as RawSpan, meta};
use regex_syntax::hir::{Hir, Look};

pub use error::{RegexError, RegexErrorKind};
pub use matcher::LabelMatcher;

use crate::model::Span;
use fast::Fast;

/// The largest repeat count, alone or multiplied by nesting: Go's limit.
pub const MAX_REPEAT: u32 = 1000;
/// How deep an expression may nest. Go allows 1000; building an automaton is recursive, and this
/// much fits into what is left of a small stack. It is the `regex` crate's own limit.
pub const MAX_DEPTH: usize = 250;
/// The size of a compiled expression. Go allows 128 MiB; rules of many users share a process here,
/// and the largest useful expressions, lists of thousands of words, stay below a tenth of this.
pub const MAX_COMPILED_BYTES: usize = 16 << 20;

/// A compiled regular expression; clones share it.
#[derive(Clone)]
pub struct Regex(Arc<Compiled>);

struct Compiled {
    pattern: Box<str>,
    names: Vec<Option<Box<str>>>,
    fast: Option<Fast>,
    machine: meta::Regex,
}

impl Regex {
    /// Compiles an expression that may match anywhere, as Go's `regexp.Compile`.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        let parsed = parse::parse(pattern, 0)?;
        Self::compile(pattern, &parsed.hir, parsed.names, None)
    }

    /// Compiles an expression that must match a whole text and in which `.` matches newlines too:
    /// Prometheus' `^(?s:...)$`, for matchers and `label_replace`.
    pub fn anchored(pattern: &str) -> Result<Self, RegexError> {
        Self::whole(pattern, parse::DOT_NEWLINE, Fast::of(pattern))
    }

    /// Refuses what [`Self::anchored`] refuses, without building what matches: a parser that reads
    /// thousands of rules has no use for that, and building takes a hundred times longer.
    pub fn check_anchored(pattern: &str) -> Result<(), RegexError> {
        /// So short an expression without counted repeats stays far below the size limit.
        const SURELY_SMALL: usize = 200;
        if pattern.len() > SURELY_SMALL || pattern.contains('{') {
            return Self::anchored(pattern).map(|_| ());
        }
        parse::parse(pattern, parse::DOT_NEWLINE).map(|_| ())
    }

    /// Whether the whole empty text matches, as [`Self::anchored`] matches.
    pub fn anchored_matches_empty(pattern: &str) -> Result<bool, RegexError> {
        let parsed = parse::parse(pattern, parse::DOT_NEWLINE)?;
        let properties = parsed.hir.properties();
        if properties.minimum_len() != Some(0) {
            return Ok(false);
        }
        if properties.look_set().is_empty() {
            return Ok(true);
        }
        Ok(Self::anchored(pattern)?.is_match(""))
    }

    /// Compiles an expression that must match a whole text and in which `.` matches no newline:
    /// Alertmanager's `^(?:...)$`.
    pub fn anchored_line(pattern: &str) -> Result<Self, RegexError> {
        let literal = |fast: &Fast| matches!(fast, Fast::Exact(_) | Fast::OneOf(_));
        Self::whole(pattern, 0, Fast::of(pattern).filter(literal))
    }

    fn whole(pattern: &str, flags: u8, fast: Option<Fast>) -> Result<Self, RegexError> {
        let parsed = parse::parse(pattern, flags)?;
        let (start, end) = (Hir::look(Look::Start), Hir::look(Look::End));
        let hir = Hir::concat(vec![start, parsed.hir, end]);
        Self::compile(pattern, &hir, parsed.names, fast)
    }

    fn compile(
        pattern: &str,
        hir: &Hir,
        names: Vec<Option<Box<str>>>,
        fast: Option<Fast>,
    ) -> Result<Self, RegexError> {
        let config = meta::Config::new()
            .nfa_size_limit(Some(MAX_COMPILED_BYTES))
            .onepass_size_limit(Some(MAX_COMPILED_BYTES / 16));
        let machine = meta::Builder::new()
            .configure(config)
            .build_from_hir(hir)
            .map_err(|_| RegexError {
                kind: RegexErrorKind::TooLarge,
                fragment: pattern.to_owned(),
                span: Span::new(0, pattern.len()),
            })?;
        Ok(Self(Arc::new(Compiled {
            pattern: pattern.into(),
            names,
            fast,
            machine,
        })))
    }

    /// The expression as it was written, without the anchors that were added.
    pub fn as_str(&self) -> &str {
        &self.0.pattern
    }

    /// How many groups there are, the whole match not counted.
    pub fn group_count(&self) -> usize {
        self.0.names.len() - 1
    }

    /// The names of the groups from group 0, which is the whole match and has none.
    pub fn group_names(&self) -> impl Iterator<Item = Option<&str>> {
        self.0.names.iter().map(Option::as_deref)
    }

    /// Whether the text matches.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.0.fast {
            Some(fast) => fast.is_match(text),
            None => self.0.machine.is_match(text),
        }
    }

    /// The first match.
    pub fn find(&self, text: &str) -> Option<Span> {
        self.0
            .machine
            .find(text)
            .map(|m| Span::new(m.start(), m.end()))
    }

    /// The first match and its groups.
    pub fn captures<'r, 't>(&'r self, text: &'t str) -> Option<Captures<'r, 't>> {
        let mut raw = self.0.machine.create_captures();
        self.0.machine.captures(text, &mut raw);
        raw.is_match().then_some(Captures {
            text,
            names: &self.0.names,
            raw,
        })
    }

    /// The text with each match replaced by the expanded template, as Go's `ReplaceAllString`.
    pub fn replace_all(&self, text: &str, template: &str) -> String {
        self.replace_all_within(text, template, usize::MAX)
            .expect("invariant: no text is longer than memory")
    }

    /// The same, or nothing where the result would be longer than a number of bytes.
    pub fn replace_all_within(&self, text: &str, template: &str, limit: usize) -> Option<String> {
        let machine = &self.0.machine;
        // Groups cost several times what the match alone costs, and most templates name none.
        let mut captures = template.contains('$').then(|| Captures {
            text,
            names: &self.0.names,
            raw: machine.create_captures(),
        });
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        let mut from = 0;
        while from <= text.len() {
            let input = Input::new(text).range(from..);
            let found = match &mut captures {
                Some(captures) => {
                    machine.search_captures(&input, &mut captures.raw);
                    captures.raw.get_match()
                }
                None => machine.search(&input),
            };
            let Some(found) = found else {
                break;
            };
            let RawSpan { start, end } = found.span();
            out.push_str(&text[copied..start]);
            // An empty match directly behind the last match is not replaced again.
            if end > copied || start == 0 {
                match &captures {
                    Some(captures) => captures.expand_within(template, &mut out, limit)?,
                    None => out.push_str(template),
                }
            }
            if out.len() > limit {
                return None;
            }
            copied = end;
            let width = text[from..].chars().next().map_or(1, char::len_utf8);
            from = if from + width > end {
                from + width
            } else {
                end
            };
        }
        out.push_str(&text[copied.min(text.len())..]);
        (out.len() <= limit).then_some(out)
    }
}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Regex({:?})", self.as_str())
    }
}

/// One match and its groups.
#[derive(Debug)]
pub struct Captures<'r, 't> {
    text: &'t str,
    names: &'r [Option<Box<str>>],
    raw: RawCaptures,
}

impl<'t> Captures<'_, 't> {
    /// The text of a group by its number; `None` where the group took no part or does not exist.
    pub fn get(&self, group: usize) -> Option<&'t str> {
        self.raw
            .get_group(group)
            .map(|span| &self.text[span.start..span.end])
    }

    /// The text of the first group of this name that took part.
    pub fn name(&self, name: &str) -> Option<&'t str> {
        let named = |at: &usize| self.names[*at].as_deref() == Some(name);
        (0..self.names.len())
            .filter(named)
            .find_map(|at| self.get(at))
    }

    /// Appends the template with `$1`, `$name`, `${name}` and `$$` replaced by Go's rules: the name
    /// is as long as it can be, so `$1x` is the group `1x`; an unknown group is empty; a `$` with
    /// nothing that can follow it stays.
    pub fn expand(&self, template: &str, out: &mut String) {
        self.expand_within(template, out, usize::MAX)
            .expect("invariant: no text is longer than memory");
    }

    /// The same, or nothing where the text becomes longer than a number of bytes.
    pub fn expand_within(&self, template: &str, out: &mut String, limit: usize) -> Option<()> {
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('$') {
            out.push_str(before);
            rest = behind;
            if let Some(behind) = rest.strip_prefix('$') {
                out.push('$');
                rest = behind;
            } else if let Some((name, behind)) = reference(rest) {
                rest = behind;
                let group = match group_number(name) {
                    Some(number) => self.get(number),
                    None => self.name(name),
                };
                out.push_str(group.unwrap_or(""));
            } else {
                out.push('$');
            }
            if out.len() > limit {
                return None;
            }
        }
        out.push_str(rest);
        (out.len() <= limit).then_some(())
    }
}

/// The name of a group at the start of the text behind a `$`, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (inner, braced) = match text.strip_prefix('{') {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let end = inner
        .find(|c: char| c != '_' && !c.is_alphanumeric())
        .unwrap_or(inner.len());
    let (name, rest) = inner.split_at(end);
    if name.is_empty() {
        return None;
    }
    if braced {
        return Some((name, rest.strip_prefix('}')?));
    }
    Some((name, rest))
}

/// The number that a name is, if it is one: without leading zeros, and below Go's bound.
fn group_number(name: &str) -> Option<usize> {
    if !name.bytes().all(|b| b.is_ascii_digit()) || (name.len() > 1 && name.starts_with('0')) {
        return None;
    }
    name.parse().ok().filter(|number| *number < 1_000_000_000)
}
