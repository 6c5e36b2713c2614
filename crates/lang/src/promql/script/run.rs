//! Runs scripts: loads, evaluates, compares.

use super::load::Loader;
use super::{Command, Eval, Expected, Script, TextMatch, When, at, compare};
use crate::model::span::LineIndex;
use crate::model::{Duration, SourceText, Span, Timestamp};
use crate::promql::ast::Expr;
use crate::promql::eval::{
    self, Annotations, Answer, EvalError, EvalOptions, RangeSeries, SampleValue, Severity, Value,
    VectorSample,
};
use crate::promql::memory::MemoryStore;
use crate::promql::{self, ParseOptions};

/// What came of a script.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// One for each evaluation, in order. A `load` that fails stands here as well, and ends the script.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// How many evaluations gave what was expected.
    pub fn passed(&self) -> usize {
        self.outcomes.iter().filter(|o| o.failure.is_none()).count()
    }

    /// Those that did not.
    pub fn failures(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|o| o.failure.is_some())
    }
}

/// What came of one command.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Where the command stands.
    pub span: Span,
    /// Its line, from 1.
    pub line: usize,
    /// The expression that was evaluated; of a `load` that failed, `load`.
    pub expr: String,
    /// Why it failed.
    pub failure: Option<String>,
}

/// The options of upstream's test engine.
fn options() -> EvalOptions {
    EvalOptions {
        delayed_name_removal: true,
        start_timestamps: true,
        ..EvalOptions::default()
    }
}

pub(super) fn script(text: &str, script: Script) -> Report {
    let lines = LineIndex::new(text);
    let options = options();
    let mut loader = Loader::default();
    let mut report = Report::default();
    for (command, span) in script.commands {
        let (expr, failure) = match command {
            Command::Clear => {
                loader.clear();
                continue;
            }
            Command::Load(load) => match loader.load(load, span) {
                Ok(()) => continue,
                Err(error) => ("load".to_owned(), Some(error.message)),
            },
            Command::Eval(eval) => {
                let run = Run {
                    store: loader.store(),
                    options: &options,
                    eval: &eval,
                };
                let failure = run.eval().err();
                (eval.text, failure)
            }
        };
        let is_load = expr == "load" && failure.is_some();
        report.outcomes.push(Outcome {
            span,
            line: lines.line(span.start),
            expr,
            failure,
        });
        if is_load {
            break;
        }
    }
    report
}

/// One evaluation.
#[derive(Clone, Copy)]
struct Run<'a> {
    store: &'a MemoryStore,
    options: &'a EvalOptions,
    eval: &'a Eval,
}

/// An expression that is evaluated: of one `eval`, there are several forms.
#[derive(Clone, Copy)]
struct Form<'a> {
    text: &'a str,
    expr: &'a Expr,
}

impl Run<'_> {
    fn eval(&self) -> Result<(), String> {
        let expr = match (&self.eval.expr, &self.eval.expected.fail) {
            (Ok(expr), _) => expr,
            // Prometheus fails as well, later and in other words.
            (Err(_), Some(_)) => return Ok(()),
            (Err(error), _) => return Err(error.clone()),
        };
        let form = Form {
            text: &self.eval.text,
            expr,
        };
        let at = match self.eval.when {
            When::Range(start, end, step) => return self.range(form, start, end, step),
            When::Instant(at) => at,
        };
        self.instant(form, at)?;
        let Some(fixed) = at::fixed(expr, at) else {
            return Ok(());
        };
        let text = fixed.to_string();
        let expr = promql::parse(&text, ParseOptions::all()).map_err(|errors| {
            let why = errors.first().map_or("", |e| e.message.as_str());
            format!("{text} cannot be read again: {why}")
        })?;
        let form = Form {
            text: &text,
            expr: &expr,
        };
        let ts = at.millis();
        let times = if ts == 0 {
            vec![-1000, 0, 1000]
        } else {
            vec![-10 * ts, 0, ts / 5, ts, 10 * ts]
        };
        for time in times {
            let time = Timestamp::from_millis(time);
            self.instant(form, time)
                .map_err(|why| format!("{why} (as {text} at {}ms)", time.millis()))?;
        }
        Ok(())
    }

    fn range(
        &self,
        form: Form<'_>,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<(), String> {
        let answer = eval::range(form.expr, self.store, start, end, step, self.options);
        match self.checked(form, answer)? {
            Some(value) => compare::value(self.eval, &value),
            None => Ok(()),
        }
    }

    /// Evaluates at an instant, and in the middle of a range around it.
    fn instant(&self, form: Form<'_>, at: Timestamp) -> Result<(), String> {
        let answer = eval::instant(form.expr, self.store, at, self.options);
        let Some(value) = self.checked(form, answer)? else {
            return Ok(());
        };
        compare::value(self.eval, &value)?;
        let expected = &self.eval.expected;
        if expected.range_vector || expected.string.is_some() || at::uses_query_range(form.text) {
            return Ok(());
        }
        let minute = Duration::from_mins(1);
        let answer = eval::range(
            form.expr,
            self.store,
            at - minute,
            at + minute,
            minute,
            self.options,
        );
        let answer = answer.map_err(|error| format!("error in range mode: {error}"))?;
        if expected.ordered {
            return Ok(());
        }
        let Value::Matrix(matrix) = answer.value else {
            return Err("a range query did not give a matrix".to_owned());
        };
        compare::sorted(&matrix)?;
        let vector: Vec<_> = matrix.into_iter().filter_map(|s| at_step(s, at)).collect();
        let middle = match (&value, vector.first()) {
            (Value::Scalar(_), Some(sample)) => match sample.value {
                SampleValue::Float(value) => Value::Scalar(crate::model::Sample { at, value }),
                SampleValue::Histogram(_) => Value::Vector(vector),
            },
            _ => Value::Vector(vector),
        };
        compare::value(self.eval, &middle).map_err(|why| format!("{why} (range mode)"))
    }

    /// The value of an answer that has what is expected of errors and annotations; none where an
    /// error is what is expected.
    fn checked(
        &self,
        form: Form<'_>,
        answer: Result<Answer, EvalError>,
    ) -> Result<Option<Value>, String> {
        let expected = &self.eval.expected;
        match (answer, &expected.fail) {
            (Err(error), Some(wanted)) if wanted.is_match(&error.message) => Ok(None),
            (Err(error), Some(wanted)) => Err(format!(
                "expected error {}, but got: {error}",
                wanted.describe()
            )),
            (Err(error), None) => Err(format!("error evaluating query: {error}")),
            (Ok(_), Some(_)) => Err("expected an error, but got none".to_owned()),
            (Ok(answer), None) => {
                annotations(expected, form.text, &answer.annotations)?;
                Ok(Some(answer.value))
            }
        }
    }
}

/// The sample of a series at one time.
fn at_step(series: RangeSeries, at: Timestamp) -> Option<VectorSample> {
    let float = series.floats.iter().find(|sample| sample.at == at);
    let histogram = series.histograms.iter().find(|(time, _)| *time == at);
    let value = match (float, histogram) {
        (Some(sample), _) => SampleValue::Float(sample.value),
        (None, Some((_, histogram))) => SampleValue::Histogram(histogram.clone()),
        (None, None) => return None,
    };
    let labels = series.labels;
    Some(VectorSample { labels, at, value })
}

fn annotations(expected: &Expected, text: &str, found: &Annotations) -> Result<(), String> {
    let source = SourceText::new("", text);
    let of = |severity| -> Vec<String> {
        let found = found.iter().filter(|a| a.severity == severity);
        found.map(|a| a.text(&source)).collect()
    };
    for (name, found, wanted) in [
        ("warning", of(Severity::Warning), &expected.warnings),
        ("info", of(Severity::Info), &expected.infos),
    ] {
        if found.is_empty() && (wanted.some || !wanted.texts.is_empty()) {
            return Err(format!("expected {name} annotations, but got none"));
        }
        if wanted.none && !found.is_empty() {
            return Err(format!("unexpected {name} annotations: {found:?}"));
        }
        let wanted = &wanted.texts;
        if wanted.is_empty() {
            continue;
        }
        let is_found = |wanted: &&TextMatch| found.iter().any(|text| wanted.is_match(text));
        if let Some(missing) = wanted.iter().find(|w| !is_found(w)) {
            return Err(format!(
                "expected {name} annotation {}, but got {found:?}",
                missing.describe()
            ));
        }
        let is_wanted = |text: &&String| wanted.iter().any(|wanted| wanted.is_match(text));
        if let Some(surplus) = found.iter().find(|text| !is_wanted(text)) {
            return Err(format!("unexpected {name} annotation {surplus:?}"));
        }
    }
    Ok(())
}

impl TextMatch {
    fn describe(&self) -> String {
        match self {
            Self::Any => "of any text".to_owned(),
            Self::Message(message) => format!("{message:?}"),
            Self::Regex(regex) => format!("matching {:?}", regex.as_str()),
        }
    }
}
