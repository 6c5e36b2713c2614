//! Diagnostics as people and programs read them: with the source line and a caret, as JSON, or as
//! annotations of a GitHub workflow.
//!
//! Names, messages and source lines come from foreign files: what a terminal would obey is shown
//! as a symbol, and never sent.

use std::borrow::Cow;
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Level as Shown, Renderer, Snippet};
use serde::Serialize;
use stentor_lang::model::span::LineIndex;
use stentor_lang::model::{Diagnostic, Level, Position, SourceText, Span};

/// The ways to write diagnostics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people: message, source line, caret and hint
    Text,
    /// One array of objects
    Json,
    /// Annotations of a GitHub workflow
    Github,
}

/// A text, and what is wrong with it.
#[derive(Debug, PartialEq)]
pub(crate) struct Findings {
    pub(crate) source: SourceText,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Findings {
    /// Whether the text is refused.
    pub(crate) fn has_errors(&self) -> bool {
        self.count(Level::Error) > 0
    }

    /// How many findings of a level there are.
    pub(crate) fn count(&self, level: Level) -> usize {
        self.diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.level == level)
            .count()
    }
}

/// Writes the findings of several texts, in their order and each text's by place.
pub(crate) fn render<'a>(
    findings: impl IntoIterator<Item = &'a Findings>,
    output: Output,
    color: bool,
) -> String {
    let mut places: Vec<Place<'_>> = Vec::new();
    let findings = findings.into_iter();
    for text in findings.filter(|text| !text.diagnostics.is_empty()) {
        let lines = LineIndex::new(&text.source.text);
        let mut of_text: Vec<&Diagnostic> = text.diagnostics.iter().collect();
        of_text.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.level));
        places.extend(of_text.into_iter().map(|diagnostic| Place {
            source: &text.source,
            start: lines.position(&text.source.text, diagnostic.span.start),
            end: lines.position(&text.source.text, diagnostic.span.end),
            diagnostic,
        }));
    }
    match output {
        Output::Text => places.iter().map(|place| text(place, color)).collect(),
        Output::Json => json(&places),
        Output::Github => places.iter().map(annotation).collect(),
    }
}

/// Writes one finding with its source line, also where it is a note.
pub(crate) fn with_caret(source: &SourceText, diagnostic: &Diagnostic, color: bool) -> String {
    let place = Place {
        source,
        start: source.position(diagnostic.span.start),
        end: source.position(diagnostic.span.end),
        diagnostic,
    };
    snippet(&place, color)
}

struct Place<'a> {
    source: &'a SourceText,
    diagnostic: &'a Diagnostic,
    start: Position,
    end: Position,
}

/// Errors and warnings with their source; notes, of which there may be many, in a line each.
fn text(place: &Place<'_>, color: bool) -> String {
    let diagnostic = place.diagnostic;
    if diagnostic.level != Level::Note {
        return snippet(place, color);
    }
    let (file, message) = (visible(&place.source.name), visible(&diagnostic.message));
    let mut line = format!(
        "note[{}]: {file}:{}: {message}",
        diagnostic.code, place.start
    );
    if let Some(hint) = &diagnostic.hint {
        let _ = write!(line, " ({})", visible(hint));
    }
    line + "\n"
}

/// The form of rustc: title, place, source lines, caret, help. Further lines of the message, such as
/// a difference, follow below.
fn snippet(place: &Place<'_>, color: bool) -> String {
    let diagnostic = place.diagnostic;
    let level = match diagnostic.level {
        Level::Error => Shown::ERROR,
        Level::Warning => Shown::WARNING,
        Level::Note => Shown::NOTE,
    };
    let (excerpt, inside) = excerpt(&place.source.text, diagnostic.span);
    // Symbols are wider in bytes than what they stand for, and shift the caret.
    let shown_to = |at: usize| visible(&excerpt[..at]).len();
    let source = Snippet::source(visible(excerpt))
        .line_start(place.start.line)
        .path(visible(&place.source.name).into_owned())
        .annotation(AnnotationKind::Primary.span(shown_to(inside.start)..shown_to(inside.end)));
    let (title, rest) = match diagnostic.message.split_once('\n') {
        Some((title, rest)) => (title, Some(rest)),
        None => (diagnostic.message.as_str(), None),
    };
    let mut group = level
        .primary_title(visible(title))
        .id(diagnostic.code)
        .element(source);
    // Behind a difference, which stands below the source lines, comes the help by itself.
    if let (Some(hint), None) = (&diagnostic.hint, rest) {
        group = group.element(Shown::HELP.message(visible(hint)));
    }
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut text = renderer.render(&[group]) + "\n";
    for line in rest.iter().flat_map(|rest| rest.lines()) {
        let line = visible(line);
        let _ = match line.as_bytes().first() {
            Some(b'-') if color => writeln!(text, "  \u{1b}[31m{line}\u{1b}[0m"),
            Some(b'+') if color => writeln!(text, "  \u{1b}[32m{line}\u{1b}[0m"),
            _ => writeln!(text, "  {line}"),
        };
    }
    if let (Some(hint), Some(_)) = (&diagnostic.hint, rest) {
        let _ = writeln!(text, "  = help: {}", visible(hint));
    }
    text.push('\n');
    text
}

/// The lines of a text that a span touches, and the span inside them. Of a long span only the
/// first lines are shown.
fn excerpt(text: &str, span: Span) -> (&str, Span) {
    const MOST_LINES: usize = 5;
    let start = text.floor_char_boundary(span.start);
    let first = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text.ceil_char_boundary(span.end.max(start).min(text.len()));
    let last = text[end..]
        .find('\n')
        .map_or(text.len(), |newline| end + newline);
    let whole = &text[first..last];
    let most = whole
        .match_indices('\n')
        .nth(MOST_LINES - 1)
        .map_or(whole.len(), |(newline, _)| newline);
    let shown = whole[..most].trim_end_matches('\r');
    let most = shown.len();
    (
        shown,
        Span::new((start - first).min(most), (end - first).min(most)),
    )
}

/// The same text with symbols in place of what a terminal would obey or be misled by.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let text = text.replace("\r\n", "\n");
    let symbol = |c| if is_control(c) { '\u{fffd}' } else { c };
    Cow::Owned(text.chars().map(symbol).collect())
}

/// Control characters but for newline and tab, and what changes the direction of writing.
fn is_control(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[derive(Serialize)]
struct JsonFinding<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    level: &'static str,
    code: &'static str,
    message: &'a str,
    hint: Option<&'a str>,
}

fn json(places: &[Place<'_>]) -> String {
    let findings: Vec<JsonFinding<'_>> = places
        .iter()
        .map(|place| JsonFinding {
            file: &place.source.name,
            line: place.start.line,
            column: place.start.column,
            end_line: place.end.line,
            end_column: place.end.column,
            level: word(place.diagnostic.level),
            code: place.diagnostic.code,
            message: &place.diagnostic.message,
            hint: place.diagnostic.hint.as_deref(),
        })
        .collect();
    let text = serde_json::to_string_pretty(&findings);
    text.expect("invariant: texts and numbers can be written") + "\n"
}

/// `::error file=…,line=…::message`, as GitHub's workflow commands.
fn annotation(place: &Place<'_>) -> String {
    let diagnostic = place.diagnostic;
    let level = match diagnostic.level {
        Level::Note => "notice",
        level => word(level),
    };
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut line = format!("::{level} file={}", property(&place.source.name));
    let _ = write!(
        line,
        ",line={},col={}",
        place.start.line, place.start.column
    );
    let _ = write!(
        line,
        ",endLine={},endColumn={}",
        place.end.line, place.end.column
    );
    let _ = write!(line, ",title={}::", property(diagnostic.code));
    line.push_str(&data(&diagnostic.message));
    if let Some(hint) = &diagnostic.hint {
        let _ = write!(line, "%0A{}", data(hint));
    }
    line.push('\n');
    line
}

fn data(text: &str) -> String {
    let text = text
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A");
    visible(&text).into_owned()
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(text: &str, span: (usize, usize), output: Output, expected: &Expect) {
        let diagnostic = Diagnostic::error("a/code", Span::new(span.0, span.1), "bad \u{1b}[31m");
        let findings = [Findings {
            source: SourceText::new("dir/\u{1b}]0;x.yml", text),
            diagnostics: vec![diagnostic.with_hint("do\u{7} this, 100%")],
        }];
        let shown = render(&findings, output, false);
        let unsafe_char = shown.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(unsafe_char, None, "{shown:?}");
        expected.assert_eq(&shown);
    }

    #[test]
    fn terminals_get_nothing_to_obey() {
        let text = "a: 1\nb\u{9b}\u{202e}: \u{1b}[31mred\u{1b}[0m\tx\r\n";
        let red = text.find("red").expect("is there");
        for output in [Output::Text, Output::Github, Output::Json] {
            let expected = match output {
                Output::Text => expect![[r#"
                    error[a/code]: bad �[31m
                     --> dir/�]0;x.yml:2:11
                      |
                    2 | b��: �[31mred�[0m    x
                      |           ^^^
                      |
                      = help: do� this, 100%

                "#]],
                Output::Github => expect![[r#"
                    ::error file=dir/�]0;x.yml,line=2,col=11,endLine=2,endColumn=14,title=a/code::bad �[31m%0Ado� this, 100%25
                "#]],
                Output::Json => expect![[r#"
                    [
                      {
                        "file": "dir/\u001b]0;x.yml",
                        "line": 2,
                        "column": 11,
                        "end_line": 2,
                        "end_column": 14,
                        "level": "error",
                        "code": "a/code",
                        "message": "bad \u001b[31m",
                        "hint": "do\u0007 this, 100%"
                      }
                    ]
                "#]],
            };
            check(text, (red, red + 3), output, &expected);
        }
    }

    #[test]
    fn places_at_the_ends() {
        check(
            "",
            (0, 0),
            Output::Text,
            &expect![[r#"
            error[a/code]: bad �[31m
             --> dir/�]0;x.yml:1:1
              |
            1 |
              | ^
              |
              = help: do� this, 100%

        "#]],
        );
        check(
            "a\n",
            (2, 2),
            Output::Text,
            &expect![[r#"
            error[a/code]: bad �[31m
             --> dir/�]0;x.yml:2:1
              |
            2 |
              | ^
              |
              = help: do� this, 100%

        "#]],
        );
        check(
            "a",
            (5, 9),
            Output::Text,
            &expect![[r#"
            error[a/code]: bad �[31m
             --> dir/�]0;x.yml:1:2
              |
            1 | a
              |  ^
              |
              = help: do� this, 100%

        "#]],
        );
        check(
            "ä",
            (1, 2),
            Output::Text,
            &expect![[r#"
            error[a/code]: bad �[31m
             --> dir/�]0;x.yml:1:1
              |
            1 | ä
              | ^
              |
              = help: do� this, 100%

        "#]],
        );
    }

    #[test]
    fn windows_lines_look_like_others() {
        check(
            "a: 1\r\nb: 2\r\n",
            (3, 9),
            Output::Text,
            &expect![[r#"
            error[a/code]: bad �[31m
             --> dir/�]0;x.yml:1:4
              |
            1 |   a: 1
              |  ____^
            2 | | b: 2
              | |___^
              |
              = help: do� this, 100%

        "#]],
        );
    }

    #[test]
    fn of_a_long_place_the_beginning_is_shown() {
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n",
            (0, 15),
            Output::Text,
            &expect![[r#"
                error[a/code]: bad �[31m
                 --> dir/�]0;x.yml:1:1
                  |
                1 | / 1
                2 | | 2
                3 | | 3
                4 | | 4
                5 | | 5
                  | |_^
                  |
                  = help: do� this, 100%

            "#]],
        );
    }
}
