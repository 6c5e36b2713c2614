//! Cuts a text into words, one at a time. The rules differ inside braces and inside brackets, as in
//! upstream's `promql/parser/lex.go`, whose messages it gives. It never looks at more than it must
//! to end a word, and never builds a value: see `literal` for these.

use super::ast::BinaryOp;
use super::token::{Keyword, Kind, Token};
use crate::model::Span;
use crate::model::labels::quote;

/// A text that has no next word: what is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LexError {
    pub(super) span: Span,
    pub(super) message: String,
}

type Lexed = Result<Kind, LexError>;

/// What the lexer is inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Braces,
    /// Of a range, where a duration is expected.
    Duration,
}

#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    inside: Inside,
    /// Where the parentheses that are open now begin.
    open_parens: Vec<usize>,
    open_bracket: Option<usize>,
    got_colon: bool,
    got_duration: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            inside: Inside::Nothing,
            open_parens: Vec::new(),
            open_bracket: None,
            got_colon: false,
            got_duration: false,
        }
    }

    /// The next word; at the end of the text, `End` for ever.
    pub(super) fn next(&mut self) -> Result<Token, LexError> {
        self.skip_blanks();
        let start = self.at;
        let kind = match self.inside {
            Inside::Nothing => self.outside(start),
            Inside::Braces => self.inside_braces(start),
            Inside::Duration => self.inside_brackets(start),
        }?;
        Ok(Token {
            kind,
            span: Span::new(start, self.at),
        })
    }

    /// Whether the next character but blanks is `(`.
    fn paren_follows(&self) -> bool {
        self.text[self.at..]
            .trim_start_matches([' ', '\t', '\n', '\r'])
            .starts_with('(')
    }

    /// Comments reach to the end of the line; inside brackets there are none before a duration.
    fn skip_blanks(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b'#' if self.inside != Inside::Duration => {
                    let rest = &self.text[self.at..];
                    self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                }
                _ => break,
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn peek_is(&self, test: impl Fn(u8) -> bool) -> bool {
        self.peek().is_some_and(test)
    }

    /// Whether the byte behind the place is a digit.
    fn digit_follows(&self) -> bool {
        let next = self.text.as_bytes().get(self.at + 1);
        next.is_some_and(u8::is_ascii_digit)
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn accept_any(&mut self, bytes: &[u8]) -> bool {
        let found = self.peek_is(|b| bytes.contains(&b));
        self.at += usize::from(found);
        found
    }

    fn accept_run(&mut self, test: impl Fn(u8) -> bool) {
        while self.peek_is(&test) {
            self.at += 1;
        }
    }

    /// The character at the place, as Go's `%q` shows a rune.
    fn shown_char(&self) -> String {
        let c = self.text[self.at..].chars().next();
        let Some(c) = c else {
            return "'\u{fffd}'".to_owned();
        };
        match c {
            '\'' => "'\\''".to_owned(),
            '"' => "'\"'".to_owned(),
            c => {
                let quoted = quote(c.encode_utf8(&mut [0; 4]));
                format!("'{}'", &quoted[1..quoted.len() - 1])
            }
        }
    }

    /// The error of a character that cannot stand here.
    fn unexpected(&self, what: &str) -> LexError {
        let width = self.text[self.at..]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
        LexError {
            span: Span::new(self.at, self.at + width),
            message: format!("{what}: {}", self.shown_char()),
        }
    }

    fn error(span: Span, message: impl Into<String>) -> LexError {
        LexError {
            span,
            message: message.into(),
        }
    }

    fn outside(&mut self, start: usize) -> Lexed {
        let Some(byte) = self.peek() else {
            return self.end();
        };
        match byte {
            b'0'..=b'9' => return self.number_or_duration(start),
            b'.' if self.digit_follows() => return self.number_or_duration(start),
            b'"' | b'\'' => return self.quoted(start, byte),
            b'`' => return self.raw_string(start),
            b':' | b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                return match self.open_bracket {
                    None => Ok(self.word(start)),
                    Some(_) => self.word_inside_brackets(start),
                };
            }
            _ => {}
        }
        if let Some(kind) = self.operator(byte)? {
            return Ok(kind);
        }
        self.bracketing(byte, start)
    }

    fn end(&self) -> Lexed {
        let unclosed = |open: usize, name: &str| {
            Err(Self::error(
                Span::new(open, open + 1),
                format!("unclosed left {name}"),
            ))
        };
        match (self.open_parens.last(), self.open_bracket) {
            (Some(open), _) => unclosed(*open, "parenthesis"),
            (None, Some(open)) => unclosed(open, "bracket"),
            (None, None) => Ok(Kind::End),
        }
    }

    /// A comma, an operator or `@`, if one is here.
    fn operator(&mut self, byte: u8) -> Result<Option<Kind>, LexError> {
        use BinaryOp::{
            Add, Div, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Mod, Mul, NotEqual, Pow,
            Sub, TrimLower, TrimUpper,
        };
        self.at += 1;
        let op = match byte {
            b',' => return Ok(Some(Kind::Comma)),
            b'@' => return Ok(Some(Kind::At)),
            b'*' => Mul,
            b'/' => Div,
            b'%' => Mod,
            b'+' => Add,
            b'-' => Sub,
            b'^' => Pow,
            b'=' if self.accept(b'=') => Equal,
            b'=' if self.peek() == Some(b'~') => {
                return Err(self.unexpected("unexpected character after '='"));
            }
            b'=' => return Ok(Some(Kind::Assign)),
            b'!' if self.accept(b'=') => NotEqual,
            b'!' => return Err(self.unexpected("unexpected character after '!'")),
            b'<' if self.accept(b'=') => LessOrEqual,
            b'<' if self.accept(b'/') => TrimUpper,
            b'<' => Less,
            b'>' if self.accept(b'=') => GreaterOrEqual,
            b'>' if self.accept(b'/') => TrimLower,
            b'>' => Greater,
            _ => {
                self.at -= 1;
                return Ok(None);
            }
        };
        Ok(Some(Kind::Operator(op)))
    }

    fn bracketing(&mut self, byte: u8, start: usize) -> Lexed {
        let here = Span::new(start, start + 1);
        let kind = match byte {
            b'(' => {
                self.open_parens.push(start);
                Kind::LeftParen
            }
            b')' => {
                if self.open_parens.pop().is_none() {
                    return Err(Self::error(here, "unexpected right parenthesis ')'"));
                }
                Kind::RightParen
            }
            b'{' => {
                self.inside = Inside::Braces;
                Kind::LeftBrace
            }
            b'[' if self.open_bracket.is_some() => {
                return Err(Self::error(here, "unexpected left bracket '['"));
            }
            b'[' => {
                self.open_bracket = Some(start);
                self.got_colon = false;
                self.got_duration = false;
                self.inside = Inside::Duration;
                Kind::LeftBracket
            }
            b']' if self.open_bracket.is_none() => {
                return Err(Self::error(here, "unexpected right bracket ']'"));
            }
            b']' => {
                self.open_bracket = None;
                self.inside = Inside::Nothing;
                Kind::RightBracket
            }
            _ => return Err(self.unexpected("unexpected character")),
        };
        self.at += 1;
        Ok(kind)
    }

    fn word(&mut self, start: usize) -> Kind {
        self.accept_run(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':');
        let kind = Kind::of_word(&self.text[start..self.at]);
        // `fill` is a usual metric name, so it is a keyword only where it can be nothing else
        let is_fill = matches!(
            kind,
            Kind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight)
        );
        if is_fill && !self.paren_follows() {
            return Kind::Identifier;
        }
        kind
    }

    /// Behind the first duration: a colon, or a word of duration expressions.
    fn word_inside_brackets(&mut self, start: usize) -> Lexed {
        if self.accept(b':') {
            if self.got_colon {
                let span = Span::new(start, self.at);
                return Err(Self::error(span, "unexpected colon ':'"));
            }
            self.got_colon = true;
            return Ok(Kind::Colon);
        }
        self.duration_word().ok_or_else(|| {
            let mut error = self.unexpected("unexpected character");
            error.message.push_str(", expected ':'");
            error
        })
    }

    fn duration_word(&mut self) -> Option<Kind> {
        let start = self.at;
        self.accept_run(|b| b.is_ascii_alphabetic() || b == b'_');
        let kind = Kind::of_word(&self.text[start..self.at]);
        let found = matches!(
            kind,
            Kind::Keyword(Keyword::Step | Keyword::Range | Keyword::MaxOf | Keyword::MinOf)
        );
        if !found {
            self.at = start;
        }
        found.then_some(kind)
    }

    /// Directly behind `[` and behind operators: where a duration is expected.
    fn inside_brackets(&mut self, start: usize) -> Lexed {
        let here = Span::new(start, start + 1);
        match self.peek() {
            None => {
                let message = "unexpected end of input in duration expression";
                Err(Self::error(Span::at(start), message))
            }
            Some(b':') if !self.got_duration => {
                let message = "unexpected colon before duration in duration expression";
                Err(Self::error(here, message))
            }
            Some(b':') if self.got_colon => {
                let message = "unexpected repeated colon in duration expression";
                Err(Self::error(here, message))
            }
            Some(b':') => {
                self.at += 1;
                self.got_colon = true;
                Ok(Kind::Colon)
            }
            Some(byte @ (b'(' | b')' | b']')) => self.bracketing(byte, start),
            Some(byte @ (b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b',')) => {
                let kind = self.operator(byte)?;
                Ok(kind.expect("invariant: each of these is an operator"))
            }
            Some(byte) if byte.is_ascii_digit() || (byte == b'.' && self.digit_follows()) => {
                self.got_duration = true;
                self.inside = Inside::Nothing;
                self.number_or_duration(start)
            }
            Some(_) => {
                let message = "unexpected character in duration expression";
                self.duration_word().ok_or_else(|| self.unexpected(message))
            }
        }
    }

    fn inside_braces(&mut self, start: usize) -> Lexed {
        let Some(byte) = self.peek() else {
            let message = "unexpected end of input inside braces";
            return Err(Self::error(Span::at(start), message));
        };
        match byte {
            b'"' | b'\'' => return self.quoted(start, byte),
            b'`' => return self.raw_string(start),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.accept_run(|b| b.is_ascii_alphanumeric() || b == b'_');
                return Ok(Kind::Identifier);
            }
            _ => {}
        }
        self.at += 1;
        match byte {
            b',' => Ok(Kind::Comma),
            b'=' if self.accept(b'~') => Ok(Kind::MatchRegex),
            b'=' => Ok(Kind::Assign),
            b'!' if self.accept(b'~') => Ok(Kind::MatchNotRegex),
            b'!' if self.accept(b'=') => Ok(Kind::Operator(BinaryOp::NotEqual)),
            b'!' => Err(self.unexpected("unexpected character after '!' inside braces")),
            b'}' => {
                self.inside = Inside::Nothing;
                Ok(Kind::RightBrace)
            }
            b'{' => {
                let message = "unexpected left brace '{'";
                Err(Self::error(Span::new(start, start + 1), message))
            }
            _ => {
                self.at -= 1;
                Err(self.unexpected("unexpected character inside braces"))
            }
        }
    }

    /// The escapes are read, and refused, when the text is unquoted.
    fn quoted(&mut self, start: usize, quote: u8) -> Lexed {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'\\') => self.at += 2,
                Some(byte) if byte == quote => break,
                None | Some(b'\n') => {
                    let end = self.at.min(self.text.len());
                    return Err(Self::error(
                        Span::new(start, end),
                        "unterminated quoted string",
                    ));
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(Kind::String)
    }

    fn raw_string(&mut self, start: usize) -> Lexed {
        let Some(length) = self.text[start + 1..].find('`') else {
            let span = Span::new(start, self.text.len());
            return Err(Self::error(span, "unterminated raw string"));
        };
        self.at = start + length + 2;
        Ok(Kind::String)
    }

    fn number_or_duration(&mut self, start: usize) -> Lexed {
        if self.scan_number(start) {
            return Ok(Kind::Number);
        }
        if self.scan_rest_of_duration() {
            return Ok(Kind::Duration);
        }
        let end = self.text.ceil_char_boundary(self.at.min(self.text.len()));
        let shown = quote(&self.text[start..end]);
        let message = format!("bad number or duration syntax: {shown}");
        Err(Self::error(Span::new(start, end), message))
    }

    /// A number in one of Go's notations, as far as the lexer cares: what is left is refused when
    /// the number is read. False with the place behind the digits where a unit may follow.
    fn scan_number(&mut self, start: usize) -> bool {
        let hex = self.accept(b'0') && self.accept_any(b"xX");
        if hex {
            self.accept(b'_');
        }
        let is_digit = |b: u8| {
            if hex {
                b.is_ascii_hexdigit()
            } else {
                b.is_ascii_digit()
            }
        };
        self.accept(b'.');
        if self.peek_is(is_digit) {
            self.at += 1;
        }
        let (mut dot, mut exponent) = (false, false);
        // the letter `e` begins an exponent in hexadecimal numbers too: `0xeee` is refused upstream
        while let Some(byte) = self.peek() {
            match byte {
                b'.' if dot || hex => {
                    self.at += 1;
                    return false;
                }
                b'.' => {
                    dot = true;
                    self.at += 1;
                    if self.accept_any(b"_.") {
                        return false;
                    }
                }
                b'e' | b'E' if exponent => {
                    self.at += 1;
                    return false;
                }
                b'e' | b'E' => {
                    exponent = true;
                    self.at += 1;
                    self.accept_any(b"+-");
                    if self.accept_any(b"._eE") || self.peek().is_none() {
                        return false;
                    }
                }
                b'_' => {
                    self.at += 1;
                    if self.accept_any(b"._eE") || self.peek().is_none() {
                        return false;
                    }
                }
                _ if is_digit(byte) => self.accept_run(is_digit),
                _ => break,
            }
        }
        self.at > start && !self.peek_is(|b| b.is_ascii_alphanumeric())
    }

    /// Behind the first digits: a unit, then digits and a unit as often as may be.
    fn scan_rest_of_duration(&mut self) -> bool {
        if !self.accept_any(b"smhdwy") {
            return false;
        }
        self.accept(b's');
        while self.peek_is(|b| b.is_ascii_digit()) {
            self.accept_run(|b| b.is_ascii_digit());
            if !self.accept_any(b"smhdw") {
                return false;
            }
            self.accept(b's');
        }
        let ends = !self.peek_is(|b| b.is_ascii_alphanumeric() || b == b'_');
        // an error shows the character that does not belong there
        self.at += usize::from(!ends);
        ends
    }
}
