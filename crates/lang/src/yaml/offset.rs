//! From a place in a scalar's value to the place in the source.
//!
//! Folding, indentation and chomping change only white space. So the n-th character of the value
//! that is none is the n-th of the source that is none, and the map needs no second scanner; only
//! quotes and escapes are read.

use super::node::{Scalar, Style};
use crate::model::Span;

pub(super) fn source_offset(scalar: &Scalar, source: &str, value_offset: usize) -> usize {
    let value = scalar.text();
    let value_offset = value.floor_char_boundary(value_offset);
    let before = &value[..value_offset];
    let black = before.chars().filter(|c| !c.is_whitespace()).count();
    let at_black = value[value_offset..]
        .chars()
        .next()
        .is_some_and(|c| !c.is_whitespace());
    if at_black {
        return nth_black(scalar, source, black).start;
    }
    // A place in white space, or the end: as far behind the character before as in the value, but
    // on the same line.
    let after = if black == 0 {
        content_start(scalar)
    } else {
        nth_black(scalar, source, black - 1).end
    };
    let white = before.len() - before.trim_end().len();
    let room = source
        .get(after..scalar.span.end.max(after))
        .unwrap_or("")
        .bytes()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    after + white.min(room)
}

pub(super) fn source_span(scalar: &Scalar, source: &str, inner: Span) -> Span {
    let start = source_offset(scalar, source, inner.start);
    let value = scalar.text();
    let inner_end = value.floor_char_boundary(inner.end);
    let inner_start = value.floor_char_boundary(inner.start).min(inner_end);
    let Some(last) = value[inner_start..inner_end]
        .char_indices()
        .rev()
        .find(|(_, c)| !c.is_whitespace())
    else {
        return Span::at(start);
    };
    let black = value[..inner_start + last.0]
        .chars()
        .filter(|c| !c.is_whitespace())
        .count();
    let end = nth_black(scalar, source, black).end;
    Span::new(start, end.max(start))
}

fn content_start(scalar: &Scalar) -> usize {
    match scalar.style {
        Style::SingleQuoted | Style::DoubleQuoted => scalar.span.start + 1,
        Style::Plain | Style::Literal | Style::Folded => scalar.span.start,
    }
}

/// The source's bytes of the n-th character that is not white space; the end of the scalar where
/// there are not so many.
fn nth_black(scalar: &Scalar, source: &str, n: usize) -> Span {
    let end = scalar.span.end;
    let raw = source.get(content_start(scalar)..end).unwrap_or("");
    let mut left = n;
    let mut at = 0;
    while at < raw.len() {
        let (width, black) = unit(&raw[at..], scalar.style);
        if black {
            if left == 0 {
                return Span::new(at, at + width).shifted(content_start(scalar));
            }
            left -= 1;
        }
        at += width;
    }
    Span::at(end)
}

/// The bytes of the first unit of the source, a character or an escape, and whether it stands for
/// something that is not white space.
fn unit(raw: &str, style: Style) -> (usize, bool) {
    let first = raw.chars().next().unwrap_or(' ');
    match (style, first) {
        (Style::SingleQuoted, '\'') if raw.starts_with("''") => (2, true),
        (Style::DoubleQuoted, '\\') => escape(raw),
        _ => (first.len_utf8(), !first.is_whitespace()),
    }
}

/// A double-quoted escape: its bytes, and whether it stands for something that is not white space.
fn escape(raw: &str) -> (usize, bool) {
    let Some(kind) = raw[1..].chars().next() else {
        return (1, true);
    };
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    if digits == 0 {
        let white = matches!(kind, 'n' | 't' | 'r' | 'v' | 'f' | 'N' | '_' | 'L' | 'P')
            || kind.is_whitespace();
        return (1 + kind.len_utf8(), !white);
    }
    let hex = |at: usize| {
        raw.get(at..at + digits)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
    };
    let Some(code) = hex(2) else {
        return (2, true);
    };
    let width = 2 + digits;
    if (0xD800..0xDC00).contains(&code) && raw[width..].starts_with("\\u") {
        return ((2 * width).min(raw.len()), true);
    }
    let white = char::from_u32(code).is_some_and(char::is_whitespace);
    (width, !white)
}
