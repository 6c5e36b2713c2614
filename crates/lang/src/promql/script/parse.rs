//! Reads scripts. A blank line or a comment ends the lines of a command; behind an error reading goes on
//! at the next command.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use super::{Command, Eval, Expected, Load, LoadedSeries, Script, TextMatch, When};
use crate::model::labels::quote;
use crate::model::{Diagnostic, Duration, LabelMap, Labels, Span, Timestamp};
use crate::promql::notation::{self, Sequence, Series};
use crate::promql::{self, ParseOptions, literal};
use crate::regex::Regex;

const CODE: &str = "promqltest/syntax";

/// Whoever has more to mend does not read on.
const MAX_ERRORS: usize = 100;

type Read<T> = Result<T, Vec<Diagnostic>>;

/// A line without the blanks around it; empty if it is a comment.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> Line<'a> {
    fn span(self) -> Span {
        Span::new(self.start, self.start + self.text.len())
    }

    fn error(self, message: impl Into<String>) -> Vec<Diagnostic> {
        vec![Diagnostic::error(CODE, self.span(), message)]
    }

    /// The first word.
    fn word(self) -> &'a str {
        self.text.split([' ', '\t']).next().unwrap_or_default()
    }

    /// Moves errors from the line to the whole text, and from a part of the line to it.
    fn lift(self, part_start: usize, mut errors: Vec<Diagnostic>) -> Vec<Diagnostic> {
        for error in &mut errors {
            error.span = error.span.shifted(self.start + part_start);
        }
        errors
    }
}

/// The lines of a text, which can be looked at before they are taken.
#[derive(Debug)]
struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<Line<'a>> {
        let rest = self.text.get(self.at..)?;
        let end = rest.find('\n').unwrap_or(rest.len());
        let (whole, start) = (&rest[..end], self.at);
        self.at += end + 1;
        let text = whole.trim_start();
        let start = start + whole.len() - text.len();
        let text = text.trim_end();
        let text = if text.starts_with('#') { "" } else { text };
        Some(Line { text, start })
    }

    /// The next line of a command.
    fn next_of_block(&mut self) -> Option<Line<'a>> {
        self.next().filter(|line| !line.text.is_empty())
    }

    fn skip_block(&mut self) {
        while self.next_of_block().is_some() {}
    }
}

/// Compiled once: that takes longer than reading a small script.
static PATTERNS: LazyLock<Patterns> = LazyLock::new(Patterns::new);

/// How upstream recognizes commands.
#[derive(Debug)]
struct Patterns {
    instant: Regex,
    range: Regex,
    expect: Regex,
    range_vector: Regex,
}

impl Patterns {
    fn new() -> Self {
        let regex = |pattern| Regex::new(pattern).expect("invariant: a valid pattern");
        Self {
            instant: regex(
                r"^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$",
            ),
            range: regex(
                r"^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$",
            ),
            expect: regex(
                r"^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$",
            ),
            range_vector: regex(r"^expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$"),
        }
    }
}

pub(super) fn script(text: &str) -> Read<Script> {
    let mut lines = Lines { text, at: 0 };
    let (mut commands, mut errors) = (Vec::new(), Vec::new());
    while let Some(line) = lines.next() {
        if line.text.is_empty() {
            continue;
        }
        let word = line.word().to_lowercase();
        let command = if word == "clear" {
            Ok(Command::Clear)
        } else if word.starts_with("load") {
            load(line, &mut lines).map(Command::Load)
        } else if word.starts_with("eval") {
            eval(line, &mut lines).map(|eval| Command::Eval(Box::new(eval)))
        } else {
            Err(line.error(format!("invalid command {}", quote(line.text))))
        };
        match command {
            Ok(command) => commands.push((command, line.span())),
            Err(found) => {
                errors.extend(found);
                if errors.len() >= MAX_ERRORS {
                    break;
                }
                lines.skip_block();
            }
        }
    }
    if errors.is_empty() {
        Ok(Script { commands })
    } else {
        Err(errors)
    }
}

/// Reads one `load` command alone.
pub(super) fn load_command(text: &str) -> Read<Load> {
    let mut lines = Lines { text, at: 0 };
    let line = lines.next().unwrap_or(Line { text: "", start: 0 });
    load(line, &mut lines)
}

fn load(line: Line<'_>, lines: &mut Lines<'_>) -> Read<Load> {
    let rest = line.text.strip_prefix("load").unwrap_or_default();
    let nhcb = rest.strip_prefix("_with_nhcb");
    let step = nhcb.unwrap_or(rest);
    if step.trim_start() == step || step.trim().is_empty() {
        return Err(line.error("invalid load command. (load[_with_nhcb] <step:duration>)"));
    }
    let step = duration(line, "step", step.trim())?;
    let mut series = LabelMap::default();
    let mut pending: Option<(Line<'_>, Labels, Sequence)> = None;
    while let Some(line) = lines.next_of_block() {
        if let Some((metric, starts)) = line.text.split_once([' ', '\t'])
            && let Some(metric) = metric.strip_suffix("@st")
        {
            if let Some((before, ..)) = pending {
                return Err(before.error("@st line has no following sample line"));
            }
            let labels = promql::parse_metric_labels(metric).map_err(|e| line.lift(0, e))?;
            pending = Some((line, labels, super::load::starts(starts, line.span())?));
            continue;
        }
        let Series { labels, values } =
            notation::parse_series(line.text).map_err(|e| line.lift(0, e))?;
        let starts = match pending.take() {
            None => None,
            Some((before, metric, _)) if metric != labels => {
                let message = "@st metric does not match the following sample line metric";
                return Err(before.error(message));
            }
            Some((before, _, starts)) if starts.len() != values.len() => {
                let (starts, values) = (starts.len(), values.len());
                return Err(before.error(format!(
                    "@st line has {starts} values but sample line has {values}"
                )));
            }
            Some((.., starts)) => Some(starts),
        };
        let span = line.span();
        series.insert(
            labels,
            LoadedSeries {
                values,
                starts,
                span,
            },
        );
    }
    if let Some((before, ..)) = pending {
        return Err(before.error("@st line has no following sample line"));
    }
    Ok(Load {
        step,
        with_nhcb: nhcb.is_some(),
        series,
    })
}

fn duration(line: Line<'_>, what: &str, text: &str) -> Read<Duration> {
    Duration::parse(text)
        .map_err(|why| line.error(format!("invalid {what} definition {}: {why}", quote(text))))
}

fn bounds(
    line: Line<'_>,
    from: &str,
    to: &str,
    step: &str,
) -> Read<(Timestamp, Timestamp, Duration)> {
    let start = duration(line, "start timestamp", from)?;
    let end = duration(line, "end timestamp", to)?;
    if end < start {
        return Err(line.error(format!(
            "invalid test definition, end timestamp ({to}) is before start timestamp ({from})"
        )));
    }
    let step = duration(line, "step", step)?;
    Ok((Timestamp::EPOCH + start, Timestamp::EPOCH + end, step))
}

fn eval(line: Line<'_>, lines: &mut Lines<'_>) -> Read<Eval> {
    let mut expected = Expected::default();
    let (when, points, mode, text) = if let Some(parts) = PATTERNS.instant.captures(line.text) {
        let at = Timestamp::EPOCH + duration(line, "timestamp", parts.get(2).unwrap_or_default())?;
        let points = (at, at, Duration::ZERO);
        (When::Instant(at), points, parts.get(1), parts.get(3))
    } else if let Some(parts) = PATTERNS.range.captures(line.text) {
        let part = |index| parts.get(index).unwrap_or_default();
        let points = bounds(line, part(2), part(3), part(4))?;
        let when = When::Range(points.0, points.1, points.2);
        (when, points, parts.get(1), parts.get(5))
    } else {
        let message = "invalid evaluation command. Must be either 'eval[_fail|_warn|_ordered] instant [at <offset:duration>] <query>' or 'eval[_fail|_warn] range from <from> to <to> step <step> <query>'";
        return Err(line.error(message));
    };
    match mode {
        Some("ordered") => expected.ordered = true,
        Some("fail") => expected.fail = Some(TextMatch::Any),
        Some("warn") => expected.warnings.some = true,
        Some("info") => expected.infos.some = true,
        _ => {}
    }
    let text = text.unwrap_or_default();
    let expr = match promql::parse(text, ParseOptions::all()) {
        Ok(expr) => Ok(expr),
        // Prometheus reads it, and fails when it evaluates it.
        Err(errors) if errors[0].code == promql::NOT_UTF8 => Err(errors[0].message.clone()),
        Err(errors) => return Err(line.lift(line.text.len() - text.len(), errors)),
    };
    let eval = Eval {
        text: text.to_owned(),
        expr,
        when,
        points,
        expected,
    };
    let mut reader = Expectations {
        eval,
        legacy_fail: mode == Some("fail"),
        expected_failures: 0,
    };
    while let Some(line) = lines.next_of_block() {
        if reader.take(line)?.is_break() {
            break;
        }
    }
    Ok(reader.eval)
}

/// Reads the lines below an `eval`.
#[derive(Debug)]
struct Expectations {
    eval: Eval,
    /// It is an `eval_fail`, which has lines of its own.
    legacy_fail: bool,
    /// The `expect fail` lines so far.
    expected_failures: usize,
}

impl Expectations {
    /// Takes one line; some must be the last.
    fn take(&mut self, line: Line<'_>) -> Read<ControlFlow<()>> {
        let text = line.text;
        let expected = &mut self.eval.expected;
        if self.legacy_fail {
            if let Some(message) = text.strip_prefix("expected_fail_message") {
                expected.fail = Some(TextMatch::Message(message.trim().to_owned()));
                return Ok(ControlFlow::Break(()));
            }
            if let Some(pattern) = text.strip_prefix("expected_fail_regexp") {
                expected.fail = Some(text_match(line, "regex", pattern)?);
                return Ok(ControlFlow::Break(()));
            }
        }
        if text.starts_with("expect range vector") {
            self.range_vector(line)?;
        } else if let Some(string) = text.strip_prefix("expect string") {
            expected.string = Some(string_literal(line, string)?);
        } else if text.split(' ').next() == Some("expect") {
            self.expect(line)?;
        } else if let Some(number) = number(text) {
            expected.scalar = Some(number);
            return Ok(ControlFlow::Break(()));
        } else {
            self.series(line)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn range_vector(&mut self, line: Line<'_>) -> Read<()> {
        let parts = PATTERNS.range_vector.captures(line.text);
        let parts = parts.ok_or_else(|| {
            line.error(format!(
                "invalid range vector definition {}",
                quote(line.text)
            ))
        })?;
        let part = |index| parts.get(index).unwrap_or_default();
        let (start, end, step) = bounds(line, part(1), part(2), part(3))?;
        self.eval.points = (start, end, step);
        self.eval.when = match self.eval.when {
            When::Instant(_) => When::Instant(end),
            When::Range(..) => When::Range(start, end, step),
        };
        self.eval.expected.range_vector = true;
        Ok(())
    }

    fn series(&mut self, line: Line<'_>) -> Read<()> {
        let Series { labels, values } =
            notation::parse_series(line.text).map_err(|e| line.lift(0, e))?;
        let is_instant = matches!(self.eval.when, When::Instant(_));
        let expected = &mut self.eval.expected;
        if values.len() > 1 && is_instant && !expected.range_vector {
            let message = "expecting multiple values in instant evaluation not allowed. consider using 'expect range vector' directive to enable a range vector result for an instant query";
            return Err(line.error(message));
        }
        expected.series.insert(labels, values);
        Ok(())
    }

    fn expect(&mut self, line: Line<'_>) -> Read<()> {
        let parts = PATTERNS.expect.captures(line.text).ok_or_else(|| {
            line.error(
                "invalid expect statement, must match `expect <type> <match_type>: <string>` format",
            )
        })?;
        let wanted = match parts.get(2) {
            Some(kind) => text_match(line, kind, parts.get(3).unwrap_or_default())?,
            None => TextMatch::Any,
        };
        let expected = &mut self.eval.expected;
        match parts.get(1).unwrap_or_default() {
            "ordered" => expected.ordered = true,
            "warn" => expected.warnings.texts.push(wanted),
            "info" => expected.infos.texts.push(wanted),
            "no_warn" => expected.warnings.none = true,
            "no_info" => expected.infos.none = true,
            _ => {
                self.expected_failures += 1;
                expected.fail = Some(wanted);
            }
        }
        if self.expected_failures > 1 {
            let message = "invalid expect lines, multiple expect fail lines are not allowed";
            return Err(line.error(message));
        }
        for (noticed, name) in [(&expected.infos, "info"), (&expected.warnings, "warn")] {
            if noticed.none && !noticed.texts.is_empty() {
                return Err(line.error(format!(
                    "invalid expect lines, {name} and no_{name} cannot be used together"
                )));
            }
        }
        Ok(())
    }
}

fn text_match(line: Line<'_>, kind: &str, text: &str) -> Read<TextMatch> {
    let text = text.trim();
    if kind == "msg" {
        return Ok(TextMatch::Message(text.to_owned()));
    }
    let regex =
        Regex::new(text).map_err(|why| line.error(format!("invalid regex {text}: {why}")))?;
    Ok(TextMatch::Regex(regex))
}

fn string_literal(line: Line<'_>, text: &str) -> Read<String> {
    let refuse = |why: &str| line.error(format!("expected string literal not valid - {why}"));
    let text = text.strip_prefix(' ').unwrap_or(text);
    if text.is_empty() {
        return Err(refuse("a quoted string literal is required"));
    }
    let quoted = text.len() >= 2
        && text.starts_with(['"', '`', '\''])
        && text.ends_with(&text[..1])
        && !ends_escaped(text);
    if !quoted {
        return Err(refuse("check that the string is correctly quoted"));
    }
    literal::unquote(text).map_err(|why| refuse(&why))
}

/// Whether the quote at the end is escaped, or another stands before it.
fn ends_escaped(text: &str) -> bool {
    let quote = text.as_bytes()[0];
    let inner = &text.as_bytes()[1..text.len() - 1];
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        if byte == quote || (byte == b'\\' && quote != b'`' && bytes.next().is_none()) {
            return true;
        }
    }
    false
}

/// A number that stands alone, in Go's notations, with or without a sign.
fn number(text: &str) -> Option<f64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.starts_with(['-', '+']) {
        return None;
    }
    let value = literal::number(digits).ok()?;
    Some(if negative { -value } else { value })
}
