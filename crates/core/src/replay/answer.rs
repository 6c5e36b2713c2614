//! The evaluator's answers in the engine's words.

use std::sync::Arc;

use stentor_lang::model::{Labels, Series, Shape, SourceText, Timestamp};
use stentor_lang::promql::eval::{self, Annotations, EvalError, EvalOptions, SampleValue, Value};
use stentor_lang::promql::store::SeriesStore;
use stentor_lang::promql::{self, Expr, ParseOptions};

use crate::engine::{Answer, AnswerData, Query, QueryError, QueryErrorKind, QueryTime};

/// What a data source that holds the series of a store answers to a query of the engine.
///
/// # Errors
/// As a server refuses the query: it cannot be parsed or evaluated.
pub fn query(
    query: &Query,
    store: &dyn SeriesStore,
    options: &EvalOptions,
) -> Result<Answer, QueryError> {
    let parsed;
    let expr: &Expr = match &query.parsed {
        Some(expr) => expr,
        None => {
            parsed = parse(&query.expr)?;
            &parsed
        }
    };
    let answer = match query.time {
        QueryTime::Instant(at) => eval::instant(expr, store, at, options),
        QueryTime::Range { start, end, step } => {
            eval::range(expr, store, start, end, step, options)
        }
    };
    let answer = answer.map_err(|error| refused(&error))?;
    let data = data(answer.value, query.known_shape.as_ref())?;
    Ok(Answer {
        data,
        partial: None,
        annotations: texts(&answer.annotations, &query.expr),
    })
}

/// Answers a query of a template.
pub(super) fn text(
    expr: &str,
    store: &dyn SeriesStore,
    at: Timestamp,
    options: &EvalOptions,
) -> Result<Answer, QueryError> {
    let parsed = parse(expr)?;
    let answer = eval::instant(&parsed, store, at, options).map_err(|error| refused(&error))?;
    Ok(Answer {
        data: data(answer.value, None)?,
        partial: None,
        annotations: texts(&answer.annotations, expr),
    })
}

fn parse(expr: &str) -> Result<Expr, QueryError> {
    promql::parse(expr, ParseOptions::all()).map_err(|errors| {
        let source = SourceText::new("query", expr);
        let messages: Vec<String> = errors.iter().map(|e| e.one_line(&source)).collect();
        QueryError {
            kind: QueryErrorKind::Refused,
            message: messages.join("; "),
        }
    })
}

fn refused(error: &EvalError) -> QueryError {
    QueryError {
        kind: QueryErrorKind::Refused,
        message: error.message.clone(),
    }
}

fn texts(annotations: &Annotations, expr: &str) -> Arc<[String]> {
    if annotations.is_empty() {
        return Arc::default();
    }
    let source = SourceText::new("query", expr);
    annotations.iter().map(|a| a.text(&source)).collect()
}

/// The samples; an answer with the label sets of the last one shares these.
fn data(value: Value, known: Option<&Arc<Shape>>) -> Result<AnswerData, QueryError> {
    match value {
        Value::Scalar(sample) => Ok(vector(
            [(Labels::default(), SampleValue::Float(sample.value))],
            known,
        )),
        Value::Vector(samples) => Ok(vector(
            samples
                .into_iter()
                .map(|sample| (sample.labels, sample.value)),
            known,
        )),
        Value::Matrix(series) => Ok(AnswerData::Matrix(
            series
                .into_iter()
                .map(|series| Series {
                    labels: series.labels,
                    samples: series.floats,
                })
                .collect(),
        )),
        Value::String(..) => Err(QueryError {
            kind: QueryErrorKind::Malformed,
            message: "rule result is not a vector or scalar".to_owned(),
        }),
    }
}

fn vector(
    samples: impl IntoIterator<Item = (Labels, SampleValue)>,
    known: Option<&Arc<Shape>>,
) -> AnswerData {
    // In the order of a range query's answer.
    let mut samples: Vec<(Labels, SampleValue)> = samples.into_iter().collect();
    if !samples.is_sorted_by(|a, b| a.0 <= b.0) {
        samples.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let mut series = Vec::with_capacity(samples.len());
    let mut values = Vec::new();
    let mut histograms = Vec::new();
    for (labels, value) in samples {
        let index = series.len();
        series.push(labels);
        match value {
            SampleValue::Float(value) => values.push(value),
            SampleValue::Histogram(histogram) => {
                values.push(0.0);
                histograms.resize(index, None);
                histograms.push(Some(histogram));
            }
        }
    }
    if !histograms.is_empty() {
        histograms.resize(series.len(), None);
    }
    let shape = match known {
        Some(known) if known.series == series => Arc::clone(known),
        _ => Arc::new(Shape { series }),
    };
    AnswerData::Vector {
        shape,
        values,
        histograms,
    }
}
