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
use super::{Exit, Failure, Language, evaluate};
use crate::cli::files::{self, Unread};

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
