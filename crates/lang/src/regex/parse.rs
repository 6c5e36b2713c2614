//! RE2 syntax as Go's `regexp/syntax` reads it with its Perl flags, into `regex_syntax`'s HIR.
//!
//! Why not the `regex` crate's own syntax: of 125 edge patterns a third differ, in what is accepted
//! and in what matches (`\d` is ASCII here, `a{,3}` is a literal, `a**` is an error).
//!
//! The parser keeps its own stack of open groups, so that nesting costs heap and not stack.

use regex_syntax::hir::{
    Capture, Class, ClassUnicode, ClassUnicodeRange, Dot, Hir, Look, Repetition,
};

use super::class;
use super::error::{RegexError, RegexErrorKind};
use super::{MAX_DEPTH, MAX_REPEAT};
use crate::model::Span;

/// Letters match both their cases: `(?i)`.
pub(super) const FOLD: u8 = 1;
/// `^` and `$` match at lines: `(?m)`.
pub(super) const MULTI_LINE: u8 = 2;
/// `.` matches the newline too: `(?s)`.
pub(super) const DOT_NEWLINE: u8 = 4;
/// `x*` prefers fewer, `x*?` more: `(?U)`.
pub(super) const SWAP_GREED: u8 = 8;

/// A parsed expression.
pub(super) struct Parsed {
    pub(super) hir: Hir,
    /// The names of the groups; group 0 is the whole match.
    pub(super) names: Vec<Option<Box<str>>>,
}

/// Parses a whole expression, beginning with the given flags.
pub(super) fn parse(pattern: &str, flags: u8) -> Result<Parsed, RegexError> {
    let mut parser = Parser {
        pattern,
        at: 0,
        flags,
        frame: Frame::new(0, flags, GroupKind::Plain),
        outer: Vec::new(),
        names: vec![None],
    };
    parser.run()?;
    let hir = parser.frame.finish(&parser.outer, pattern)?.hir;
    Ok(Parsed {
        hir,
        names: parser.names,
    })
}

/// A piece of the expression with what the limits need to know of it.
struct Node {
    hir: Hir,
    /// Height of its tree.
    depth: usize,
    /// The largest product of nested repeat counts in it.
    repeats: u32,
}

impl Node {
    fn leaf(hir: Hir) -> Self {
        Self {
            hir,
            depth: 1,
            repeats: 1,
        }
    }

    fn join(mut nodes: Vec<Self>, make: fn(Vec<Hir>) -> Hir) -> Self {
        match nodes.len() {
            0 => Self::leaf(Hir::empty()),
            1 => nodes.remove(0),
            _ => Self {
                depth: nodes.iter().map(|n| n.depth).max().unwrap_or(0) + 1,
                repeats: nodes.iter().map(|n| n.repeats).max().unwrap_or(1),
                hir: make(nodes.into_iter().map(|n| n.hir).collect()),
            },
        }
    }
}

enum GroupKind {
    Plain,
    Capture(u32),
}

/// An open group: what has been read of it.
struct Frame {
    /// Where its parenthesis is.
    open: usize,
    /// The flags to restore at its end.
    flags: u8,
    kind: GroupKind,
    alternatives: Vec<Node>,
    items: Vec<Node>,
    /// Literal text behind the items, kept apart so that long texts cost one node.
    literal: String,
}

impl Frame {
    fn new(open: usize, flags: u8, kind: GroupKind) -> Self {
        Self {
            open,
            flags,
            kind,
            alternatives: Vec::new(),
            items: Vec::new(),
            literal: String::new(),
        }
    }

    fn push(&mut self, node: Node) {
        self.flush();
        self.items.push(node);
    }

    fn flush(&mut self) {
        if !self.literal.is_empty() {
            let literal = Hir::literal(std::mem::take(&mut self.literal).into_bytes());
            self.items.push(Node::leaf(literal));
        }
    }

    /// Takes the last item away, which of a literal text is its last character.
    fn pop(&mut self) -> Option<Node> {
        if let Some(last) = self.literal.pop() {
            self.flush();
            return Some(Node::leaf(literal(last)));
        }
        self.items.pop()
    }

    fn end_alternative(&mut self) {
        self.flush();
        let items = std::mem::take(&mut self.items);
        self.alternatives.push(Node::join(items, Hir::concat));
    }

    /// The whole group's node; all outer groups must be closed.
    fn finish(mut self, outer: &[Self], pattern: &str) -> Result<Node, RegexError> {
        if !outer.is_empty() {
            return Err(RegexError {
                kind: RegexErrorKind::MissingParen,
                fragment: pattern.to_owned(),
                span: Span::new(self.open, self.open + 1),
            });
        }
        Ok(self.close())
    }

    fn close(&mut self) -> Node {
        self.end_alternative();
        let node = Node::join(std::mem::take(&mut self.alternatives), Hir::alternation);
        match self.kind {
            GroupKind::Plain => node,
            GroupKind::Capture(index) => Node {
                depth: node.depth + 1,
                repeats: node.repeats,
                hir: Hir::capture(Capture {
                    index,
                    name: None,
                    sub: Box::new(node.hir),
                }),
            },
        }
    }
}

fn literal(c: char) -> Hir {
    Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes())
}

struct Parser<'p> {
    pattern: &'p str,
    at: usize,
    flags: u8,
    frame: Frame,
    outer: Vec<Frame>,
    names: Vec<Option<Box<str>>>,
}

impl<'p> Parser<'p> {
    fn run(&mut self) -> Result<(), RegexError> {
        // Where the repetition just read begins: a second one directly behind it is an error.
        let mut repeated_at = None;
        while let Some(c) = self.peek() {
            let start = self.at;
            let mut repeated = false;
            match c {
                '(' if self.rest().starts_with("(?") => self.perl_group()?,
                '(' => {
                    let index = self.new_capture(None);
                    self.open(GroupKind::Capture(index));
                    self.at += 1;
                }
                '|' => {
                    self.frame.end_alternative();
                    self.at += 1;
                }
                ')' => self.close()?,
                '^' if self.has(MULTI_LINE) => self.single(Hir::look(Look::StartLF)),
                '^' => self.single(Hir::look(Look::Start)),
                '$' if self.has(MULTI_LINE) => self.single(Hir::look(Look::EndLF)),
                '$' => self.single(Hir::look(Look::End)),
                '.' if self.has(DOT_NEWLINE) => self.single(Hir::dot(Dot::AnyChar)),
                '.' => self.single(Hir::dot(Dot::AnyCharExceptLF)),
                '[' => {
                    let class = self.class()?;
                    self.frame
                        .push(Node::leaf(Hir::class(Class::Unicode(class))));
                }
                '*' | '+' | '?' => {
                    self.at += 1;
                    let min = u32::from(c == '+');
                    let max = (c == '?').then_some(1);
                    self.repeat(start, repeated_at, min, max, false)?;
                    repeated = true;
                }
                '{' => match self.counts()? {
                    Some((min, max)) => {
                        self.repeat(start, repeated_at, min, max, true)?;
                        repeated = true;
                    }
                    None => self.bump_literal(c),
                },
                '\\' => self.escape()?,
                c => self.bump_literal(c),
            }
            repeated_at = repeated.then_some(start);
        }
        Ok(())
    }

    fn rest(&self) -> &'p str {
        &self.pattern[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// An error that quotes `start..end`.
    fn error(&self, kind: RegexErrorKind, start: usize, end: usize) -> RegexError {
        RegexError {
            kind,
            fragment: self.pattern[start..end].to_owned(),
            span: Span::new(start, end),
        }
    }

    /// An error that quotes the whole expression, though one place is to blame.
    fn whole(&self, kind: RegexErrorKind, at: usize) -> RegexError {
        RegexError {
            kind,
            fragment: self.pattern.to_owned(),
            span: Span::new(at, (at + 1).min(self.pattern.len())),
        }
    }

    fn single(&mut self, hir: Hir) {
        self.frame.push(Node::leaf(hir));
        self.at += 1;
    }

    fn bump_literal(&mut self, c: char) {
        self.at += c.len_utf8();
        self.push_literal(u32::from(c));
    }

    /// A code point that stands for itself; one that is no character matches nothing.
    fn push_literal(&mut self, code: u32) {
        let ranges: Vec<_> = class::range(code, code).into_iter().collect();
        let folded = self.has(FOLD).then(|| class::class(ranges, true));
        match (folded, char::from_u32(code)) {
            (Some(class), Some(_))
                if class.iter().any(|r| r.len() > 1) || class.ranges().len() > 1 =>
            {
                self.frame
                    .push(Node::leaf(Hir::class(Class::Unicode(class))));
            }
            (_, Some(c)) => self.frame.literal.push(c),
            (_, None) => self.frame.push(Node::leaf(Hir::fail())),
        }
    }

    fn new_capture(&mut self, name: Option<&str>) -> u32 {
        let index =
            u32::try_from(self.names.len()).expect("invariant: a text has fewer than 2^32 groups");
        self.names.push(name.map(Into::into));
        index
    }

    fn open(&mut self, kind: GroupKind) {
        let inner = Frame::new(self.at, self.flags, kind);
        self.outer.push(std::mem::replace(&mut self.frame, inner));
    }

    fn close(&mut self) -> Result<(), RegexError> {
        let Some(outer) = self.outer.pop() else {
            return Err(self.whole(RegexErrorKind::UnexpectedParen, self.at));
        };
        let mut inner = std::mem::replace(&mut self.frame, outer);
        let node = inner.close();
        self.flags = inner.flags;
        self.at += 1;
        self.push_checked(node, self.at - 1)
    }

    fn push_checked(&mut self, node: Node, at: usize) -> Result<(), RegexError> {
        if node.depth > MAX_DEPTH {
            return Err(self.whole(RegexErrorKind::NestingDepth, at));
        }
        self.frame.push(node);
        Ok(())
    }

    /// Applies a repetition, whose text began at `start`, to the last item.
    fn repeat(
        &mut self,
        start: usize,
        repeated_at: Option<usize>,
        min: u32,
        max: Option<u32>,
        counted: bool,
    ) -> Result<(), RegexError> {
        let mut greedy = !self.has(SWAP_GREED);
        if self.rest().starts_with('?') {
            self.at += 1;
            greedy = !greedy;
        }
        if let Some(first) = repeated_at {
            return Err(self.error(RegexErrorKind::NestedRepetition, first, self.at));
        }
        let Some(sub) = self.frame.pop() else {
            let kind = RegexErrorKind::MissingRepeatArgument;
            return Err(self.error(kind, start, self.at));
        };
        let repeats = match max {
            _ if !counted => sub.repeats,
            Some(0) => 1,
            Some(max) => sub.repeats.saturating_mul(max),
            None => sub.repeats.saturating_mul(min.max(1)),
        };
        if counted && (min >= 2 || max.is_some_and(|max| max >= 2)) && repeats > MAX_REPEAT {
            return Err(self.error(RegexErrorKind::RepeatSize, start, self.at));
        }
        let node = Node {
            depth: sub.depth + 1,
            repeats,
            hir: Hir::repetition(Repetition {
                min,
                max,
                greedy,
                sub: Box::new(sub.hir),
            }),
        };
        self.push_checked(node, start)
    }

    /// Reads `{2}`, `{2,}` or `{2,3}`; anything else in braces is literal text.
    fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>, RegexError> {
        let Some((inside, _)) = self.rest()[1..].split_once('}') else {
            return Ok(None);
        };
        let (min, max) = match inside.split_once(',') {
            None => (inside, Some(inside)),
            Some((min, "")) => (min, None),
            Some((min, max)) => (min, Some(max)),
        };
        if !is_number(min) || max.is_some_and(|max| !is_number(max)) {
            return Ok(None);
        }
        let start = self.at;
        self.at += inside.len() + 2;
        // A number too long to be read is too large in any case.
        let read = |text: &str| text.parse().unwrap_or(u32::MAX);
        let (min, max) = (read(min), max.map(read));
        if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || min > max) {
            return Err(self.error(RegexErrorKind::RepeatSize, start, self.at));
        }
        Ok(Some((min, max)))
    }

    /// What begins with `(?`: a named group, flags, or a group without a number.
    fn perl_group(&mut self) -> Result<(), RegexError> {
        let start = self.at;
        let rest = self.rest();
        let name_at = if rest.starts_with("(?P<") && rest.len() > 4 {
            Some(4)
        } else if rest.starts_with("(?<") && rest.len() > 3 {
            Some(3)
        } else {
            None
        };
        if let Some(name_at) = name_at {
            return self.named_group(name_at);
        }
        self.at += 2;
        let mut flags = self.flags;
        let mut negative = false;
        let mut seen = false;
        while let Some(c) = self.next() {
            let flag = match c {
                'i' => FOLD,
                'm' => MULTI_LINE,
                's' => DOT_NEWLINE,
                'U' => SWAP_GREED,
                '-' if !negative => {
                    negative = true;
                    seen = false;
                    continue;
                }
                ':' | ')' if !negative || seen => {
                    if c == ':' {
                        self.open(GroupKind::Plain);
                        self.frame.open = start;
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            };
            seen = true;
            flags = if negative {
                flags & !flag
            } else {
                flags | flag
            };
        }
        Err(self.error(RegexErrorKind::PerlOperator, start, self.at))
    }

    fn named_group(&mut self, name_at: usize) -> Result<(), RegexError> {
        let start = self.at;
        let rest = self.rest();
        let Some(end) = rest.find('>') else {
            return Err(self.error(RegexErrorKind::NamedCapture, start, self.pattern.len()));
        };
        let name = &rest[name_at..end];
        if name.is_empty() || !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
            return Err(self.error(RegexErrorKind::NamedCapture, start, start + end + 1));
        }
        let index = self.new_capture(Some(name));
        self.open(GroupKind::Capture(index));
        self.at += end + 1;
        Ok(())
    }

    /// A backslash outside a class.
    fn escape(&mut self) -> Result<(), RegexError> {
        let start = self.at;
        let look = match self.rest().as_bytes().get(1) {
            Some(b'A') => Look::Start,
            Some(b'b') => Look::WordAscii,
            Some(b'B') => Look::WordAsciiNegate,
            Some(b'z') => Look::End,
            Some(b'C') => return Err(self.error(RegexErrorKind::Escape, start, start + 2)),
            Some(b'Q') => {
                let rest = &self.rest()[2..];
                let quoted = rest.split_once("\\E").map_or(rest, |(quoted, _)| quoted);
                self.at = (start + 2 + quoted.len() + 2).min(self.pattern.len());
                quoted.chars().for_each(|c| self.push_literal(u32::from(c)));
                return Ok(());
            }
            _ => {
                if let Some(class) = self.group_escape()? {
                    self.frame
                        .push(Node::leaf(Hir::class(Class::Unicode(class))));
                } else {
                    let code = self.character_escape()?;
                    self.push_literal(code);
                }
                return Ok(());
            }
        };
        self.at += 2;
        self.frame.push(Node::leaf(Hir::look(look)));
        Ok(())
    }

    /// `\pL`, `\p{Greek}`, `\d` and the like, where the text begins with one.
    fn group_escape(&mut self) -> Result<Option<ClassUnicode>, RegexError> {
        let rest = self.rest();
        let [b'\\', letter, ..] = *rest.as_bytes() else {
            return Ok(None);
        };
        if !matches!(letter, b'p' | b'P') {
            let class = class::perl(letter, self.has(FOLD));
            if class.is_some() {
                self.at += 2;
            }
            return Ok(class);
        }
        let start = self.at;
        let (name, end) = match rest[2..].chars().next() {
            Some('{') => match rest.find('}') {
                Some(end) => (&rest[3..end], start + end + 1),
                None => {
                    return Err(self.error(RegexErrorKind::CharRange, start, self.pattern.len()));
                }
            },
            Some(c) => (&rest[2..2 + c.len_utf8()], start + 2 + c.len_utf8()),
            None => ("", start + 2),
        };
        let (name, inverted) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let Some(mut class) = class::unicode(name, self.has(FOLD)) else {
            return Err(self.error(RegexErrorKind::CharRange, start, end));
        };
        if (letter == b'P') != inverted {
            class.negate();
        }
        self.at = end;
        Ok(Some(class))
    }

    /// An escape that stands for one code point.
    fn character_escape(&mut self) -> Result<u32, RegexError> {
        let start = self.at;
        self.at += 1;
        let Some(c) = self.next() else {
            return Err(RegexError {
                kind: RegexErrorKind::TrailingBackslash,
                fragment: String::new(),
                span: Span::new(start, self.at),
            });
        };
        let code = match c {
            '1'..='7' if !self.rest().starts_with(|c| matches!(c, '0'..='7')) => None,
            '0'..='7' => Some(self.octal(c)),
            'x' => self.hexadecimal(),
            'a' => Some(0x07),
            'f' => Some(0x0c),
            'n' => Some(0x0a),
            'r' => Some(0x0d),
            't' => Some(0x09),
            'v' => Some(0x0b),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
            _ => None,
        };
        code.ok_or_else(|| self.error(RegexErrorKind::Escape, start, self.at))
    }

    fn octal(&mut self, first: char) -> u32 {
        let mut code = first.to_digit(8).unwrap_or(0);
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else {
                break;
            };
            code = code * 8 + digit;
            self.at += 1;
        }
        code
    }

    /// What follows `\x`: two digits, or any number of them in braces.
    fn hexadecimal(&mut self) -> Option<u32> {
        let first = self.next()?;
        if first != '{' {
            let second = self.next()?;
            return Some(first.to_digit(16)? * 16 + second.to_digit(16)?);
        }
        let mut code = 0;
        let mut any = false;
        loop {
            match self.next()? {
                '}' => return any.then_some(code),
                c => code = code * 16 + c.to_digit(16)?,
            }
            any = true;
            if code > u32::from(char::MAX) {
                return None;
            }
        }
    }

    /// A bracket expression.
    fn class(&mut self) -> Result<ClassUnicode, RegexError> {
        let open = self.at;
        self.at += 1;
        let negated = self.rest().starts_with('^');
        self.at += usize::from(negated);
        let fold = self.has(FOLD);
        let mut ranges: Vec<ClassUnicodeRange> = Vec::new();
        let mut groups = ClassUnicode::empty();
        let mut first = true;
        while first || !self.rest().starts_with(']') {
            first = false;
            if let Some(class) = self.posix_group(fold)? {
                groups.union(&class);
                continue;
            }
            if let Some(class) = self.group_escape()? {
                groups.union(&class);
                continue;
            }
            let start = self.at;
            let low = self.class_character(open)?;
            let mut high = low;
            let rest = self.rest().as_bytes();
            if rest.len() >= 2 && rest[0] == b'-' && rest[1] != b']' {
                self.at += 1;
                high = self.class_character(open)?;
                if high < low {
                    return Err(self.error(RegexErrorKind::CharRange, start, self.at));
                }
            }
            ranges.extend(class::range(low, high));
        }
        self.at += 1;
        let mut class = class::class(ranges, fold);
        class.union(&groups);
        if negated {
            class.negate();
        }
        Ok(class)
    }

    fn posix_group(&mut self, fold: bool) -> Result<Option<ClassUnicode>, RegexError> {
        let Some(behind) = self.rest().strip_prefix("[:") else {
            return Ok(None);
        };
        let Some((name, _)) = behind.split_once(":]") else {
            return Ok(None);
        };
        let end = self.at + name.len() + 4;
        let Some(class) = class::posix(name, fold) else {
            return Err(self.error(RegexErrorKind::CharRange, self.at, end));
        };
        self.at = end;
        Ok(Some(class))
    }

    /// One character inside the class that began at `open`.
    fn class_character(&mut self, open: usize) -> Result<u32, RegexError> {
        match self.peek() {
            Some('\\') => self.character_escape(),
            Some(c) => {
                self.at += c.len_utf8();
                Ok(u32::from(c))
            }
            None => Err(RegexError {
                kind: RegexErrorKind::MissingBracket,
                fragment: self.pattern[open..].to_owned(),
                span: Span::new(open, open + 1),
            }),
        }
    }
}

/// Decimal digits without a leading zero.
fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'))
}
