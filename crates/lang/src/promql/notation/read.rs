//! Reads the notation. What is accepted is what upstream's lexer and grammar accept
//! (`promql/parser/lex.go`, `generated_parser.y`, "Series descriptions"): no hexadecimal numbers, as
//! `0x3` is a zero and three more.

use std::sync::Arc;

use super::{Change, Item, Sequence, Series};
use crate::model::histogram::Histogram;
use crate::model::labels::quote;
use crate::model::{Diagnostic, Span};
use crate::promql::{literal, parse_metric_labels, store};

pub(super) const CODE: &str = "promql/series";

type Read<T> = Result<T, Diagnostic>;

/// Reads a series with its values.
pub(super) fn series(text: &str) -> Result<Series, Vec<Diagnostic>> {
    let end = metric_end(text);
    let labels = parse_metric_labels(&text[..end])?;
    let values = values(text, end).map_err(|error| vec![error])?;
    Ok(Series { labels, values })
}

/// Where the metric ends: at the first blank outside of braces and quotes, but for blanks between the
/// name and the brace.
fn metric_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let start = bytes.iter().take_while(|b| is_space(**b)).count();
    let mut at = start;
    while at < bytes.len() && !is_space(bytes[at]) && bytes[at] != b'{' {
        at += 1;
    }
    let brace = at + bytes[at..].iter().take_while(|b| is_space(**b)).count();
    let is_brace = bytes.get(brace) == Some(&b'{') && bytes.get(brace + 1) != Some(&b'{');
    if is_brace {
        closing_brace(bytes, brace)
    } else {
        at
    }
}

/// The place behind the brace that closes the one at `open`; the end of the text, if there is none.
fn closing_brace(bytes: &[u8], open: usize) -> usize {
    let mut quoted = None;
    let mut at = open + 1;
    while let Some(&byte) = bytes.get(at) {
        match (quoted, byte) {
            (None, b'}') => return at + 1,
            (None, b'"' | b'\'' | b'`') => quoted = Some(byte),
            (Some(b'"' | b'\''), b'\\') => at += 1,
            (Some(quote), _) if quote == byte => quoted = None,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// Reads the values that begin at an offset of the text.
pub(super) fn values(text: &str, start: usize) -> Read<Sequence> {
    let mut reader = Reader { text, at: start };
    let mut sequence = Sequence::default();
    loop {
        let before = reader.at;
        reader.skip_spaces();
        if reader.peek().is_none() {
            return Ok(sequence);
        }
        if reader.at == before && before > 0 {
            return Err(reader.unexpected("a blank between values"));
        }
        if !reader.plain_number(&mut sequence) {
            reader.item(&mut sequence)?;
        }
    }
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn starts_with(&self, text: &str) -> bool {
        self.text.as_bytes()[self.at..].starts_with(text.as_bytes())
    }

    pub(super) fn skip_spaces(&mut self) -> bool {
        let before = self.at;
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        self.at > before
    }

    fn since(&self, start: usize) -> Span {
        Span::new(start, self.at)
    }

    pub(super) fn error(&self, start: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(CODE, self.since(start), message)
    }

    /// The error of a character that cannot stand here.
    pub(super) fn unexpected(&self, expected: &str) -> Diagnostic {
        let (shown, width) = match self.text.get(self.at..).and_then(|t| t.chars().next()) {
            Some(c) => (quote(&c.to_string()), c.len_utf8()),
            None => ("the end".to_owned(), 0),
        };
        let span = Span::new(self.at, self.at + width);
        Diagnostic::error(
            CODE,
            span,
            format!("unexpected {shown} in series values, expected {expected}"),
        )
    }

    /// Takes a number such as `-12.5` that a blank ends and that is exact as a quotient of a whole
    /// number by a power of ten: nearly all of a large file.
    #[inline]
    fn plain_number(&mut self, sequence: &mut Sequence) -> bool {
        let bytes = &self.text.as_bytes()[self.at..];
        let negative = bytes.first() == Some(&b'-');
        let mut at = usize::from(negative);
        let (mut whole, mut digits, mut fraction, mut point) = (0_u64, 0, 0, false);
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'0'..=b'9' => {
                    whole = whole * 10 + u64::from(byte - b'0');
                    digits += 1;
                    fraction += usize::from(point);
                    // A leading zero makes a whole number octal.
                    if digits > 15 || (digits == 2 && whole < 10 && !point) {
                        return false;
                    }
                }
                b'.' if !point && digits > 0 => point = true,
                byte if is_space(byte) => break,
                _ => return false,
            }
            at += 1;
        }
        if digits == 0 || (point && fraction == 0) {
            return false;
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 15 digits")]
        let value = whole as f64 / POWERS[fraction];
        let span = Span::new(self.at, self.at + at);
        self.at += at;
        sequence.push_plain(if negative { -value } else { value }, span);
        true
    }

    /// One item: a gap, a number or a histogram, repeated or not.
    fn item(&mut self, sequence: &mut Sequence) -> Read<()> {
        let start = self.at;
        if self.accept(b'_') {
            let count = if self.accept(b'x') {
                self.repetitions()?
            } else {
                1
            };
            sequence.push_gap(count, self.since(start));
            return Ok(());
        }
        if self.starts_with("{{") {
            let item = self.histograms()?;
            sequence.push(item, self.since(start));
            return Ok(());
        }
        let value = self.value()?;
        let delta = match self.peek() {
            Some(b'+' | b'-') => Some(self.signed_number()?),
            _ => None,
        };
        if self.accept(b'x') {
            let count = self.repetitions()?.saturating_add(1);
            sequence.push_run(value, delta, count, self.since(start));
        } else if delta.is_some() {
            return Err(self.unexpected("'x' and how often"));
        } else {
            sequence.push_plain(value, self.since(start));
        }
        Ok(())
    }

    fn value(&mut self) -> Read<f64> {
        match self.peek() {
            Some(b'+' | b'-') => self.signed_number(),
            Some(byte) if is_alpha(byte) => {
                let start = self.at;
                match self.word() {
                    "stale" => Ok(store::stale()),
                    word => special(word).ok_or_else(|| {
                        let message = format!(
                            "unexpected {} in series values, expected number or \"stale\"",
                            quote(word)
                        );
                        self.error(start, message)
                    }),
                }
            }
            _ => self.number(),
        }
    }

    fn signed_number(&mut self) -> Read<f64> {
        let negative = self.accept(b'-');
        if !negative {
            self.accept(b'+');
        }
        let value = self.number()?;
        Ok(if negative { -value } else { value })
    }

    /// Letters, digits, `_` and `:`.
    pub(super) fn word(&mut self) -> &'a str {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|b| is_alpha(b) || b.is_ascii_digit() || b == b':')
        {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    /// A number without sign.
    pub(super) fn number(&mut self) -> Read<f64> {
        let start = self.at;
        if self.peek().is_some_and(is_alpha) {
            let word = self.word();
            return special(word).ok_or_else(|| {
                self.error(
                    start,
                    format!(
                        "unexpected {} in series values, expected number",
                        quote(word)
                    ),
                )
            });
        }
        if !self.scan_number() {
            if self.at == start {
                return Err(self.unexpected("number, \"stale\", \"_\" or histogram"));
            }
            let text = self.text.get(start..self.at).unwrap_or_default();
            return Err(self.error(start, format!("bad number syntax: {}", quote(text))));
        }
        literal::number(&self.text[start..self.at]).map_err(|why| self.error(start, why))
    }

    /// Goes over a number as upstream's `scanNumber` does in a series.
    fn scan_number(&mut self) -> bool {
        let start = self.at;
        let (mut point, mut exponent) = (false, false);
        while let Some(byte) = self.peek() {
            let next = self.text.as_bytes().get(self.at + 1).copied();
            match byte {
                b'0'..=b'9' => {}
                b'.' if !point && !matches!(next, Some(b'_' | b'.')) => point = true,
                b'e' | b'E' if !exponent && self.at > start => {
                    exponent = true;
                    self.at += usize::from(matches!(next, Some(b'+' | b'-')));
                    let digit = self.text.as_bytes().get(self.at + 1);
                    if !digit.is_some_and(u8::is_ascii_digit) {
                        return false;
                    }
                }
                b'_' if self.at > start && next.is_some_and(|b| b.is_ascii_digit()) => {}
                b'.' | b'_' | b'e' | b'E' => {
                    self.at += 1;
                    return false;
                }
                _ => break,
            }
            self.at += 1;
        }
        let ends = match self.peek() {
            Some(b'x') | None => true,
            Some(byte) => !is_alpha(byte),
        };
        self.at > start && ends
    }

    /// The number behind an `x`.
    fn repetitions(&mut self) -> Read<u64> {
        let start = self.at;
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.unexpected("how often"));
        }
        self.scan_number();
        let text = &self.text[start..self.at];
        text.parse().map_err(|_| {
            let message = format!("invalid repetition in series values: {}", quote(text));
            self.error(start, message)
        })
    }

    pub(super) fn whole(&mut self) -> Read<i64> {
        let start = self.at;
        let negative = self.accept(b'-');
        let count = self.repetitions()?;
        let value = i64::try_from(count).map_err(|_| self.error(start, "number out of range"))?;
        Ok(if negative { -value } else { value })
    }

    /// A histogram, repeated or not.
    fn histograms(&mut self) -> Read<Item> {
        let (start, mut hinted) = self.histogram()?;
        let change = match self.peek() {
            Some(sign @ (b'+' | b'-')) => {
                self.at += 1;
                if !self.starts_with("{{") {
                    return Err(self.unexpected("a histogram"));
                }
                let (other, other_hinted) = self.histogram()?;
                hinted = other_hinted;
                Some(if sign == b'+' {
                    Change::Add(other.into())
                } else {
                    Change::Subtract(other.into())
                })
            }
            _ => None,
        };
        let from = self.at;
        let count = if self.accept(b'x') {
            self.repetitions()?.saturating_add(1)
        } else if change.is_some() {
            return Err(self.unexpected("'x' and how often"));
        } else {
            1
        };
        if let (Some(change), true) = (&change, count > 1) {
            self.try_change(&start, change, from)?;
        }
        Ok(Item::Histograms {
            start: Arc::new(start),
            change,
            count,
            hinted,
        })
    }

    /// Whatever stops a change stops it at its first repetition.
    fn try_change(&self, start: &Histogram, change: &Change, from: usize) -> Read<()> {
        let (Change::Add(other) | Change::Subtract(other)) = change;
        if start.schema > other.schema {
            let (from_schema, to) = (other.schema, start.schema);
            let message = format!(
                "error combining histograms: cannot merge from schema {from_schema} to {to}"
            );
            return Err(self.error(from, message));
        }
        change
            .apply(start)
            .map(drop)
            .map_err(|why| self.error(from, why.to_string()))
    }
}

const fn is_alpha(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn special(word: &str) -> Option<f64> {
    if word.eq_ignore_ascii_case("inf") {
        Some(f64::INFINITY)
    } else if word.eq_ignore_ascii_case("nan") {
        Some(f64::NAN)
    } else {
        None
    }
}

/// The powers of ten that divide a number of at most 15 digits.
const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];
