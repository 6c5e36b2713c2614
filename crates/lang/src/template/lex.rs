//! Tokens of a template: Go's `text/template/parse` lexer.
//!
//! Trim markers and comments are dealt with here; the parser never sees them.

use crate::model::Span;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The scan ended here; the text says why.
    Error,
    Eof,
    /// Text outside actions, trimmed.
    Text,
    LeftDelim,
    RightDelim,
    Space,
    Pipe,
    LeftParen,
    RightParen,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    /// Any other printable ASCII character, such as `,`.
    Char,
    Variable,
    Field,
    Dot,
    Identifier,
    Bool,
    Nil,
    Number,
    CharConstant,
    QuotedString,
    RawString,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

/// A token: its kind, its place, and its text or the error's message.
#[derive(Debug, Clone)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) span: Span,
    pub(super) text: std::borrow::Cow<'t, str>,
}

impl Token<'_> {
    /// The token as error messages name it.
    pub(super) fn describe(&self) -> String {
        match self.kind {
            Kind::Eof => "EOF".to_owned(),
            Kind::Error => self.text.to_string(),
            kind if is_keyword(kind) => format!("<{}>", self.text),
            _ => {
                let mut chars = self.text.chars();
                let short: String = chars.by_ref().take(10).collect();
                let more = if chars.next().is_some() { "..." } else { "" };
                format!("{}{more}", crate::model::labels::quote(&short))
            }
        }
    }
}

fn is_keyword(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Block
            | Kind::Break
            | Kind::Continue
            | Kind::Define
            | Kind::Dot
            | Kind::Else
            | Kind::End
            | Kind::If
            | Kind::Nil
            | Kind::Range
            | Kind::Template
            | Kind::With
    )
}

/// How many tokens most templates have at most.
const USUAL_TOKENS: usize = 32;

/// All tokens of a text; the last one is `Eof` or `Error`.
pub(super) fn lex(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer {
        text,
        at: 0,
        start: 0,
        parens: 0,
        tokens: Vec::with_capacity(USUAL_TOKENS),
    };
    let end = match lexer.run() {
        Ok(()) => (Kind::Eof, Span::at(text.len()), String::new()),
        Err((span, message)) => (Kind::Error, span, message),
    };
    lexer.tokens.push(Token {
        kind: end.0,
        span: end.1,
        text: end.2.into(),
    });
    lexer.tokens
}

type Failure = (Span, String);

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    start: usize,
    parens: usize,
    tokens: Vec<Token<'t>>,
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Whether a trim marker follows the left delimiter.
fn trims_left(text: &str) -> bool {
    text.strip_prefix('-')
        .is_some_and(|text| text.starts_with(is_space))
}

/// The length of the right delimiter at the start of the text, with its trim marker.
fn right_delim(text: &str) -> Option<usize> {
    if text.starts_with("}}") {
        Some(2)
    } else if text.starts_with(is_space) && text[1..].starts_with("-}}") {
        Some(4)
    } else {
        None
    }
}

impl<'t> Lexer<'t> {
    fn run(&mut self) -> Result<(), Failure> {
        loop {
            let Some(found) = self.rest().find("{{") else {
                self.at = self.text.len();
                self.emit_text(self.at);
                return Ok(());
            };
            self.at += found;
            let inside = self.at + 2;
            let trims = trims_left(&self.text[inside..]);
            let text = &self.text[self.start..self.at];
            let kept = if trims {
                text.trim_end_matches(is_space)
            } else {
                text
            };
            self.emit_text(self.start + kept.len());
            self.start = self.at;
            let marker = if trims { 2 } else { 0 };
            if self.text[inside + marker..].starts_with("/*") {
                self.start = inside + marker;
                self.comment()?;
                continue;
            }
            self.at = inside;
            self.emit(Kind::LeftDelim);
            self.at += marker;
            self.start = self.at;
            self.parens = 0;
            while self.token()? {}
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn emit_text(&mut self, end: usize) {
        if end > self.start {
            self.tokens.push(Token {
                kind: Kind::Text,
                span: Span::new(self.start, end),
                text: self.text[self.start..end].into(),
            });
        }
    }

    fn emit(&mut self, kind: Kind) {
        self.tokens.push(Token {
            kind,
            span: Span::new(self.start, self.at),
            text: self.text[self.start..self.at].into(),
        });
        self.start = self.at;
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, Failure> {
        Err((
            Span::new(self.start, self.at.max(self.start)),
            message.into(),
        ))
    }

    /// A comment, from its `/*` to behind the delimiter.
    fn comment(&mut self) -> Result<(), Failure> {
        self.at = self.start + 2;
        let Some(end) = self.rest().find("*/") else {
            return self.fail("unclosed comment");
        };
        self.at += end + 2;
        let Some(length) = right_delim(self.rest()) else {
            return self.fail("comment ends before closing delimiter");
        };
        self.at += length;
        self.after_delim(length);
        Ok(())
    }

    fn after_delim(&mut self, length: usize) {
        if length > 2 {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(is_space).len();
        }
        self.start = self.at;
    }

    /// One token inside an action; false behind its end.
    fn token(&mut self) -> Result<bool, Failure> {
        if let Some(length) = right_delim(self.rest()) {
            if self.parens > 0 {
                return self.fail("unclosed left paren");
            }
            self.start = self.at + length - 2;
            self.at += length;
            self.emit(Kind::RightDelim);
            self.after_delim(length);
            return Ok(false);
        }
        let Some(c) = self.next() else {
            return self.fail("unclosed action");
        };
        match c {
            c if is_space(c) => self.space(),
            '=' => self.emit(Kind::Assign),
            ':' if self.rest().starts_with('=') => {
                self.at += 1;
                self.emit(Kind::Declare);
            }
            ':' => return self.fail("expected :="),
            '|' => self.emit(Kind::Pipe),
            '"' => self.quoted('"', Kind::QuotedString, "unterminated quoted string")?,
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant")?,
            '`' => match self.rest().find('`') {
                Some(end) => {
                    self.at += end + 1;
                    self.emit(Kind::RawString);
                }
                None => return self.fail("unterminated raw quoted string"),
            },
            '$' => self.field(Kind::Variable, Kind::Variable)?,
            '.' if !self.rest().starts_with(|c: char| c.is_ascii_digit()) => {
                self.field(Kind::Field, Kind::Dot)?;
            }
            '.' | '+' | '-' | '0'..='9' => self.number()?,
            c if is_word(c) => self.word()?,
            '(' => {
                self.parens += 1;
                self.emit(Kind::LeftParen);
            }
            ')' => {
                let Some(parens) = self.parens.checked_sub(1) else {
                    return self.fail("unexpected right paren");
                };
                self.parens = parens;
                self.emit(Kind::RightParen);
            }
            '!'..='~' => self.emit(Kind::Char),
            c => {
                let name = super::format::unicode_name(c);
                return self.fail(format!("unrecognized character in action: {name}"));
            }
        }
        Ok(true)
    }

    /// The rest of a run of spaces, the last of which may belong to a trim marker.
    fn space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        if right_delim(&self.text[self.at - 1..]) == Some(4) {
            self.at -= 1;
            if self.at == self.start {
                return;
            }
        }
        self.emit(Kind::Space);
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Result<(), Failure> {
        loop {
            match self.next() {
                Some('\\') if !matches!(self.peek(), None | Some('\n')) => {
                    self.next();
                }
                None | Some('\\' | '\n') => return self.fail(unterminated),
                Some(c) if c == quote => break,
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    /// What follows `.` or `$`: a name, or nothing.
    fn field(&mut self, named: Kind, bare: Kind) -> Result<(), Failure> {
        if self.at_terminator() {
            self.emit(bare);
            return Ok(());
        }
        self.skip_word();
        self.expect_terminator()?;
        self.emit(named);
        Ok(())
    }

    fn skip_word(&mut self) {
        let rest = self.rest();
        self.at += rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    }

    fn expect_terminator(&mut self) -> Result<(), Failure> {
        if self.at_terminator() {
            return Ok(());
        }
        let name = self
            .peek()
            .map_or_else(String::new, super::format::unicode_name);
        self.next();
        self.fail(format!("bad character {name}"))
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_space(c) || self.rest().starts_with("}}"),
        }
    }

    fn word(&mut self) -> Result<(), Failure> {
        self.skip_word();
        self.expect_terminator()?;
        let kind = match &self.text[self.start..self.at] {
            "block" => Kind::Block,
            "break" => Kind::Break,
            "continue" => Kind::Continue,
            "define" => Kind::Define,
            "else" => Kind::Else,
            "end" => Kind::End,
            "if" => Kind::If,
            "nil" => Kind::Nil,
            "range" => Kind::Range,
            "template" => Kind::Template,
            "true" | "false" => Kind::Bool,
            "with" => Kind::With,
            _ => Kind::Identifier,
        };
        self.emit(kind);
        Ok(())
    }

    /// A number: what is wrong inside it is found by the parser, and complex numbers are refused
    /// there.
    fn number(&mut self) -> Result<(), Failure> {
        self.at = self.start;
        let mut good = self.scan_number();
        if good && matches!(self.peek(), Some('+' | '-')) {
            good = self.scan_number() && self.text[..self.at].ends_with('i');
        }
        if !good {
            let text = crate::model::labels::quote(&self.text[self.start..self.at]);
            return self.fail(format!("bad number syntax: {text}"));
        }
        self.emit(Kind::Number);
        Ok(())
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = match digits.len() {
            11 => "eE",
            23 => "pP",
            _ => "",
        };
        if self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_word) {
            self.next();
            return false;
        }
        true
    }

    fn accept(&mut self, set: &str) -> bool {
        let found = self.peek().is_some_and(|c| set.contains(c));
        if found {
            self.at += 1;
        }
        found
    }

    fn accept_run(&mut self, set: &str) {
        while self.accept(set) {}
    }
}
