//! Many expressions from a file, each with a line of statistics.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use stentor_lang::model::SourceText;
use stentor_lang::promql;
use stentor_lang::promql::eval::{Answer, Severity, Value};

use super::input::Fixture;
use super::when::When;
use super::{Exit, Failure, evaluate};
use crate::cli::files::{self, Unread};
use crate::query_api::Language;

/// What an expression cost and gave.
#[derive(Debug, Default, Serialize)]
struct Line<'a> {
    expr: &'a str,
    /// In the evaluator alone.
    seconds: f64,
    /// In the answer.
    series: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    series_read: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples_read: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    infos: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Evaluates each line of the file, one after the other. Failed where one of them fails.
pub(super) fn run(
    file: &Path,
    fixture: &Fixture,
    when: &When,
    language: &Language,
) -> Result<Exit, Failure> {
    let source = files::read(file).map_err(|why| {
        let why = match why {
            Unread::Unopened(why) => format!("cannot read {why}"),
            Unread::NoText(_) => format!("{}: not UTF-8, expected a text", file.display()),
        };
        (Exit::Usage, why)
    })?;
    let mut exit = Exit::Good;
    let lines = source.text.lines().map(str::trim);
    for expr in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let line = one(expr, fixture, when, language);
        if line.error.is_some() {
            exit = Exit::Failed;
        }
        let text = serde_json::to_string(&line);
        let text = text.expect("invariant: texts and finite numbers can be written");
        if writeln!(std::io::stdout().lock(), "{text}").is_err() {
            // Whoever closes the pipe has read enough.
            break;
        }
    }
    Ok(exit)
}

fn one<'a>(expr: &'a str, fixture: &Fixture, when: &When, language: &Language) -> Line<'a> {
    let source = SourceText::new("expression", expr);
    let parsed = match promql::parse(expr, language.syntax) {
        Ok(parsed) => parsed,
        Err(errors) => {
            let first = errors.first().map(|error| error.one_line(&source));
            return Line {
                expr,
                error: Some(first.unwrap_or_default()),
                ..Line::default()
            };
        }
    };
    let begun = Instant::now();
    let answer = evaluate(&parsed, &fixture.store, when, &language.options);
    let seconds = begun.elapsed().as_secs_f64();
    match answer {
        Ok(answer) => {
            let texts = |severity| texts(&answer, severity, &source);
            Line {
                expr,
                seconds,
                series: match &answer.value {
                    Value::Scalar(_) | Value::String(..) => 1,
                    Value::Vector(samples) => samples.len(),
                    Value::Matrix(series) => series.len(),
                },
                series_read: Some(answer.stats.series),
                samples_read: Some(answer.stats.samples),
                warnings: texts(Severity::Warning),
                infos: texts(Severity::Info),
                error: None,
            }
        }
        Err(error) => Line {
            expr,
            seconds,
            error: Some(format!(
                "{}: {}",
                source.place(error.span.start),
                error.message
            )),
            ..Line::default()
        },
    }
}

fn texts(answer: &Answer, severity: Severity, source: &SourceText) -> Vec<String> {
    let of_kind = answer.annotations.iter().filter(|a| a.severity == severity);
    of_kind.map(|annotation| annotation.text(source)).collect()
}

#[cfg(test)]
mod tests {
    use stentor_core::fixture::{self, Format};
    use stentor_lang::model::Timestamp;
    use stentor_lang::promql::ParseOptions;
    use stentor_lang::promql::eval::EvalOptions;
    use stentor_lang::promql::memory::MemoryStore;

    use super::*;

    #[track_caller]
    fn check(expr: &str, expected: &str) {
        let mut store = MemoryStore::default();
        let script = "load 1m\n  a{b=\"1\"} 1 2\n  a{b=\"2\"} 1\n";
        let options = fixture::Options::default();
        fixture::read(script, Format::Script, &options, &mut store).expect("a script");
        let language = Language {
            syntax: ParseOptions::default(),
            options: EvalOptions::default(),
        };
        let when = When::Instant(Timestamp::from_millis(60_000));
        let mut line = one(expr, &Fixture::new(store), &when, &language);
        assert!(line.seconds >= 0.0);
        line.seconds = 0.5;
        // How much of a series is read is the evaluator's affair.
        line.samples_read = line.samples_read.map(|count| count.min(1));
        let shown = serde_json::to_string(&line).expect("JSON");
        assert_eq!(shown, expected);
    }

    #[test]
    fn statistics_of_expressions() {
        check(
            "a",
            r#"{"expr":"a","seconds":0.5,"series":2,"series_read":2,"samples_read":1}"#,
        );
        check(
            "rate(a[5m])",
            r#"{"expr":"rate(a[5m])","seconds":0.5,"series":1,"series_read":2,"samples_read":1,"infos":["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"a\" (1:6)"]}"#,
        );
        check(
            "sum(",
            r#"{"expr":"sum(","seconds":0.5,"series":0,"error":"expression:1:4: unclosed left parenthesis"}"#,
        );
        check(
            "a + on () a",
            r#"{"expr":"a + on () a","seconds":0.5,"series":0,"error":"expression:1:1: found duplicate series for the match group {} on the right hand-side of the operation: [{__name__=\"a\", b=\"1\"}, {__name__=\"a\", b=\"2\"}];many-to-many matching not allowed: matching labels must be unique on one side"}"#,
        );
    }
}
