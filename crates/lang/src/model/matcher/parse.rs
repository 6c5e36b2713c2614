//! Matchers as Alertmanager reads them from its configuration and its API: `severity="critical"`,
//! `{a="b", c=~"d.*"}`.
//!
//! Alertmanager has two readers, an older tolerant one and a newer strict one that takes any
//! UTF-8 in names. By default it asks both: where only one understands a text, that one counts;
//! where they understand different things, the older one does (`matcher/compat/parse.go`). Here
//! it is the same, because a route that silently matches something else pages nobody.

use std::fmt;

use super::{MatchOp, Matcher};
use crate::model::Span;

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedMatchers {
    /// All of them must match.
    pub matchers: Vec<Matcher>,
    /// Why the text should be written differently, though it was understood.
    pub warning: Option<String>,
}

/// Why a text holds no matchers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MatcherError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the text.
    pub span: Span,
}

/// Reads a text that holds any number of matchers, with or without braces around them. Regular
/// expressions are not compiled here.
pub fn parse_matchers(text: &str) -> Result<ParsedMatchers, MatcherError> {
    let warned = |matchers: Vec<Matcher>, why: &str| {
        let written: Vec<String> = matchers.iter().map(ToString::to_string).collect();
        let warning = format!("{why}: write it as `{}`", written.join(","));
        Ok(ParsedMatchers {
            matchers,
            warning: Some(warning),
        })
    };
    match (Strict::new(text).matchers(), classic(text)) {
        (Err(error), None) => Err(error),
        (Err(error), Some(matchers)) => {
            let why = format!("read in Alertmanager's older syntax only ({error})");
            warned(matchers, &why)
        }
        (Ok(strict), Some(older)) if strict != older => warned(
            older,
            "read in Alertmanager's older syntax, the newer one means something else",
        ),
        (Ok(matchers), _) => Ok(ParsedMatchers {
            matchers,
            warning: None,
        }),
    }
}

impl fmt::Display for Matcher {
    /// In the syntax that both readers understand alike, as far as it can be: a plain name stands
    /// bare, every value in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() || self.name.contains(is_reserved) {
            let name = crate::model::labels::quote(&self.name);
            return write!(
                f,
                "{name}{}{}",
                self.op,
                crate::model::labels::quote(&self.value)
            );
        }
        write!(f, "{}{}\"", self.name, self.op)?;
        for c in self.value.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

/// What cannot stand in a name or value without quotes.
fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

/// The newer reader (`matcher/parse`).
struct Strict<'t> {
    text: &'t str,
    at: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Comma,
    Op(MatchOp),
    Text(String),
    End,
}

impl<'t> Strict<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn matchers(mut self) -> Result<Vec<Matcher>, MatcherError> {
        let mut matchers = Vec::new();
        let (mut token, mut span) = self.next()?;
        let braces = token == Token::Open;
        if braces {
            (token, span) = self.next()?;
        }
        loop {
            match token {
                Token::Text(name) => {
                    let op = self.operator()?;
                    let value = self.value()?;
                    matchers.push(Matcher { name, op, value });
                }
                Token::Close | Token::End => break,
                _ => return Err(error(span, "expected a label name")),
            }
            (token, span) = self.next()?;
            match token {
                Token::Comma => (token, span) = self.next()?,
                Token::Close | Token::End => break,
                _ => return Err(error(span, "expected a comma or a closing brace")),
            }
        }
        match (braces, token) {
            (true, Token::End) => return Err(error(span, "the closing brace is missing")),
            (false, Token::Close) => {
                return Err(error(span, "a closing brace without an opening one"));
            }
            _ => {}
        }
        match self.next()? {
            (Token::End, _) => Ok(matchers),
            (_, span) => Err(error(span, "expected nothing behind the matchers")),
        }
    }

    fn operator(&mut self) -> Result<MatchOp, MatcherError> {
        match self.next()? {
            (Token::Op(op), _) => Ok(op),
            (_, span) => Err(error(span, "expected one of `=`, `!=`, `=~` and `!~`")),
        }
    }

    fn value(&mut self) -> Result<String, MatcherError> {
        match self.next()? {
            (Token::Text(value), _) => Ok(value),
            (_, span) => Err(error(span, "expected a label value")),
        }
    }

    fn next(&mut self) -> Result<(Token, Span), MatcherError> {
        let rest = &self.text[self.at..];
        let rest = rest.trim_start();
        let start = self.text.len() - rest.len();
        let one = |length: usize, token| Ok((length, token));
        let (length, token) = match rest.chars().next() {
            None => one(0, Token::End),
            Some('{') => one(1, Token::Open),
            Some('}') => one(1, Token::Close),
            Some(',') => one(1, Token::Comma),
            Some('"') => quoted(rest, start),
            Some(_) if rest.starts_with("=~") => one(2, Token::Op(MatchOp::Regex)),
            Some(_) if rest.starts_with("!~") => one(2, Token::Op(MatchOp::NotRegex)),
            Some(_) if rest.starts_with("!=") => one(2, Token::Op(MatchOp::NotEqual)),
            Some('=') => one(1, Token::Op(MatchOp::Equal)),
            Some(c) if is_reserved(c) => {
                let span = Span::new(start, start + c.len_utf8());
                Err(error(
                    span,
                    &format!("`{c}` can stand only inside double quotes"),
                ))
            }
            Some(_) => {
                let length = rest.find(is_reserved).unwrap_or(rest.len());
                Ok((length, Token::Text(rest[..length].to_owned())))
            }
        }?;
        self.at = start + length;
        Ok((token, Span::new(start, self.at)))
    }
}

/// A text in double quotes, read as Go's `strconv.Unquote` does.
fn quoted(rest: &str, start: usize) -> Result<(usize, Token), MatcherError> {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find_map(|(at, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    });
    let Some(end) = end else {
        let span = Span::new(start, start + rest.len());
        return Err(error(span, "the closing quote is missing"));
    };
    let length = end + 1;
    let inside = &rest[1..end];
    let text = unquote(inside).ok_or_else(|| {
        let span = Span::new(start, start + length);
        error(
            span,
            "the quotes hold a line break, an unknown escape or bad UTF-8",
        )
    })?;
    Ok((length, Token::Text(text)))
}

fn unquote(inside: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        let mut put = |c: char| bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        if c == '\n' {
            return None;
        }
        if c != '\\' {
            put(c);
            continue;
        }
        match chars.next()? {
            'a' => put('\x07'),
            'b' => put('\x08'),
            'f' => put('\x0c'),
            'n' => put('\n'),
            'r' => put('\r'),
            't' => put('\t'),
            'v' => put('\x0b'),
            c @ ('\\' | '"') => put(c),
            'x' => {
                let code = digits(&mut chars, 16, 2, 0)?;
                bytes.push(u8::try_from(code).ok()?);
            }
            'u' => put(char::from_u32(digits(&mut chars, 16, 4, 0)?)?),
            'U' => put(char::from_u32(digits(&mut chars, 16, 8, 0)?)?),
            c => {
                let first = c.to_digit(8)?;
                let code = digits(&mut chars, 8, 2, first)?;
                bytes.push(u8::try_from(code).ok()?);
            }
        }
    }
    String::from_utf8(bytes).ok()
}

fn digits(chars: &mut std::str::Chars<'_>, radix: u32, count: usize, first: u32) -> Option<u32> {
    (0..count).try_fold(first, |code, _| {
        let digit = chars.next()?.to_digit(radix)?;
        code.checked_mul(radix)?.checked_add(digit)
    })
}

fn error(span: Span, message: &str) -> MatcherError {
    MatcherError {
        message: message.to_owned(),
        span,
    }
}

/// The older reader (`pkg/labels/parse.go`): braces are optional on each side, and values without
/// quotes may hold nearly anything.
fn classic(text: &str) -> Option<Vec<Matcher>> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let mut parts = Vec::new();
    let mut start = 0;
    let (mut inside_quotes, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            ',' if !inside_quotes => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            '"' if escaped => escaped = false,
            '"' => inside_quotes = !inside_quotes,
            '\\' => escaped = !escaped,
            // A comma lets the mark of an escape stand, upstream too.
            ',' => {}
            _ => escaped = false,
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts.into_iter().map(classic_matcher).collect()
}

fn classic_matcher(text: &str) -> Option<Matcher> {
    let space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0c' | '\r');
    let text = text.trim_matches(space);
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let (name, rest) = text.split_at(text.find(|c| !in_name(c)).unwrap_or(text.len()));
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start_matches(space);
    let ops = [
        MatchOp::Regex,
        MatchOp::Equal,
        MatchOp::NotEqual,
        MatchOp::NotRegex,
    ];
    let (op, value) = ops
        .into_iter()
        .find_map(|op| rest.strip_prefix(op.as_str()).map(|value| (op, value)))?;
    Some(Matcher {
        name: name.to_owned(),
        op,
        value: classic_value(value.trim_start_matches(space))?,
    })
}

/// A value, with quotes around it or without; escapes count in both.
fn classic_value(raw: &str) -> Option<String> {
    let (raw, quoted) = match raw.strip_prefix('"') {
        Some(inside) => (inside, true),
        None => (raw, false),
    };
    let mut value = String::with_capacity(raw.len());
    let mut closed = !quoted;
    let mut chars = raw.char_indices();
    while let Some((at, c)) = chars.next() {
        let is_last = at + 1 == raw.len();
        match c {
            '\\' if !is_last => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('"' | '\\'))) => value.push(c),
                Some((_, c)) => value.extend(['\\', c]),
                None => value.push('\\'),
            },
            '"' if closed || !is_last => return None,
            '"' => closed = true,
            c => value.push(c),
        }
    }
    closed.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(matchers: &[Matcher]) -> String {
        let each: Vec<String> = matchers.iter().map(ToString::to_string).collect();
        each.join(",")
    }

    /// Both readers understand the text alike.
    #[track_caller]
    fn both(text: &str, expected: &str) {
        let parsed = parse_matchers(text).expect(text);
        assert_eq!(written(&parsed.matchers), expected, "{text}");
        assert_eq!(parsed.warning, None, "{text}");
    }

    /// Only the older reader understands the text, or it understands something else.
    #[track_caller]
    fn older(text: &str, expected: &str) {
        let parsed = parse_matchers(text).expect(text);
        assert_eq!(written(&parsed.matchers), expected, "{text}");
        let warning = parsed.warning.expect("a warning");
        assert!(warning.contains(expected), "{warning}");
    }

    #[track_caller]
    fn refused(text: &str, message: &str, span: (usize, usize)) {
        let error = parse_matchers(text).expect_err(text);
        assert_eq!(error.message, message, "{text}");
        assert_eq!((error.span.start, error.span.end), span, "{text}");
    }

    #[test]
    fn what_both_readers_understand() {
        both("", "");
        both("{}", "");
        both("{foo=bar}", r#"foo="bar""#);
        both("{foo=bar,}", r#"foo="bar""#);
        both("foo=bar", r#"foo="bar""#);
        both("foo=bar,", r#"foo="bar""#);
        both(r#"{foo="bar"}"#, r#"foo="bar""#);
        both("{foo=~bar.*}", r#"foo=~"bar.*""#);
        both(r#"{foo!="bar"}"#, r#"foo!="bar""#);
        both("{foo!~[a-z]+}", r#"foo!~"[a-z]+""#);
        both("{foo=🙂bar}", r#"foo="🙂bar""#);
        both(r#"{foo=""}"#, r#"foo="""#);
        both("foo=bar,dings!=bums", r#"foo="bar",dings!="bums""#);
        both(
            r#"{foo = "bar", dings != "bums", }"#,
            r#"foo="bar",dings!="bums""#,
        );
        both(
            r#"{foo="bar,quux", job="job1"}"#,
            r#"foo="bar,quux",job="job1""#,
        );
        both(
            r#"{quote="She said: \"Hi, ladies! That's gender-neutral…\""}"#,
            r#"quote="She said: \"Hi, ladies! That's gender-neutral…\"""#,
        );
        both(
            r#"contains_quote != "\"" , contains_comma !~ "foo,bar" , "#,
            r#"contains_quote!="\"",contains_comma!~"foo,bar""#,
        );
        both(r#"statuscode=~"5..""#, r#"statuscode=~"5..""#);
        both(r#"{"foo"="bar"}"#, r#"foo="bar""#);
        both(r#"{"foo"=~"\\d+"}"#, r#"foo=~"\\d+""#);
        both(r#"foo="a\\b\n""#, r#"foo="a\\b\n""#);
    }

    #[test]
    fn what_only_the_newer_reader_understands() {
        both(r#"{name-with-dashes = "bar"}"#, r#"name-with-dashes="bar""#);
        both(r#""foo bar"="x""#, r#""foo bar"="x""#);
        both(r#"{"foo"="\xf0\x9f\x99\x82"}"#, r#"foo="🙂""#);
        both(r#"{"foo"="\U0001f642\u00e9\101"}"#, r#"foo="🙂éA""#);
        both("köln=1", r#"köln="1""#);
    }

    #[test]
    fn what_only_the_older_reader_understands() {
        older("{foo='}", r#"foo="'""#);
        older("{foo=`}", r#"foo="`""#);
        older(r"{foo=bar\n}", r#"foo="bar\n""#);
        older(r"{foo=\t}", r#"foo="\\t""#);
        older(r"{foo=bar\}", r#"foo="bar\\""#);
        older(r"{foo=bar\\}", r#"foo="bar\\""#);
        older(r#"{foo=\"}"#, r#"foo="\"""#);
        older("tricky=~~~", r#"tricky=~"~~""#);
        older(r#"trickier==\\=\=\""#, r#"trickier="=\\=\\=\"""#);
        older("{foo=bar}}", r#"foo="bar}""#);
        older("{foo=bar}},}", r#"foo="bar}}""#);
        older("{foo=,bar=}}", r#"foo="",bar="}""#);
        older("{", "");
        older("}", "");
        older("job=", r#"job="""#);
        older("{foo=", r#"foo="""#);
        older("{foo=}b", r#"foo="}b""#);
        older("foo=bar}", r#"foo="bar""#);
        older("foo=a b", r#"foo="a b""#);
        older(r#"foo=~"\d+""#, r#"foo=~"\\d+""#);
    }

    #[test]
    fn where_they_disagree_the_older_one_counts() {
        older(r#"foo="\t""#, r#"foo="\\t""#);
        older(r#"foo="\u00e9""#, r#"foo="\\u00e9""#);
    }

    #[test]
    fn what_neither_understands() {
        refused("{,}", "expected a label name", (1, 2));
        refused(",", "expected a label name", (0, 1));
        refused(r#"job="value"#, "the closing quote is missing", (4, 10));
        refused(r#"job=value""#, "the closing quote is missing", (9, 10));
        refused("foo", "expected one of `=`, `!=`, `=~` and `!~`", (3, 3));
        refused("foo>1", "expected one of `=`, `!=`, `=~` and `!~`", (5, 5));
        refused("{{foo=", "expected a label name", (1, 2));
        refused(
            r#""foo="bar"""#,
            "expected one of `=`, `!=`, `=~` and `!~`",
            (6, 9),
        );
        refused("=bar", "expected a label name", (0, 1));
        refused("foo!bar", "`!` can stand only inside double quotes", (3, 4));
    }
}
