//! Answers as Prometheus' API writes them (`web/api/v1/json_codec.go`, `util/jsonutil`).

use std::fmt::Write as _;

use stentor_lang::model::histogram::{ApiHistogram, Histogram};
use stentor_lang::model::number::{format_api, format_f};
use stentor_lang::model::{Labels, SourceText, Timestamp};
use stentor_lang::promql::eval::{Annotations, Answer, SampleValue, Severity, Value};

/// As many warnings and as many hints an answer has at most.
const MOST_ANNOTATIONS: usize = 10;

/// The whole answer to a query.
pub(crate) fn answer(answer: &Answer, expr: &SourceText) -> String {
    let mut data = String::new();
    query_data(&mut data, &answer.value, None);
    success(
        &data,
        &warnings(&answer.annotations, expr, Severity::Warning),
        &warnings(&answer.annotations, expr, Severity::Info),
    )
}

/// An answer around `data`, which is JSON already.
pub(crate) fn success(data: &str, warnings: &[String], infos: &[String]) -> String {
    let mut out = String::with_capacity(data.len() + 64);
    out.push_str("{\"status\":\"success\",\"data\":");
    out.push_str(data);
    for (name, texts) in [("warnings", warnings), ("infos", infos)] {
        if !texts.is_empty() {
            let _ = write!(out, ",\"{name}\":");
            list(&mut out, texts, |out, one| text(out, one));
        }
    }
    out.push('}');
    out
}

/// The texts of the annotations of a kind; of many, how many more there are.
pub(crate) fn warnings(
    annotations: &Annotations,
    expr: &SourceText,
    severity: Severity,
) -> Vec<String> {
    let mut texts: Vec<String> = annotations
        .iter()
        .filter(|annotation| annotation.severity == severity)
        .map(|annotation| annotation.text(expr))
        .collect();
    if texts.len() > MOST_ANNOTATIONS {
        let kind = match severity {
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        let more = texts.len() - MOST_ANNOTATIONS;
        texts.truncate(MOST_ANNOTATIONS);
        texts.push(format!("{more} more {kind} annotations omitted"));
    }
    texts
}

/// `data` of an answer to a query; `stats` is JSON.
pub(crate) fn query_data(out: &mut String, value: &Value, stats: Option<&str>) {
    let kind = match value {
        Value::Scalar(_) => "scalar",
        Value::String(..) => "string",
        Value::Vector(_) => "vector",
        Value::Matrix(_) => "matrix",
    };
    let _ = write!(out, "{{\"resultType\":\"{kind}\",\"result\":");
    match value {
        Value::Scalar(sample) => {
            pair(out, sample.at, |out| {
                let _ = write!(out, "\"{}\"", format_f(sample.value));
            });
        }
        Value::String(at, value) => pair(out, *at, |out| text(out, value)),
        Value::Vector(samples) => list(out, samples, |out, sample| {
            out.push_str("{\"metric\":");
            labels(out, &sample.labels);
            match &sample.value {
                SampleValue::Float(value) => {
                    out.push_str(",\"value\":");
                    pair(out, sample.at, |out| float(out, *value));
                }
                SampleValue::Histogram(value) => {
                    out.push_str(",\"histogram\":");
                    pair(out, sample.at, |out| histogram(out, value));
                }
            }
            out.push('}');
        }),
        Value::Matrix(all) => list(out, all, |out, series| {
            out.push_str("{\"metric\":");
            labels(out, &series.labels);
            if !series.floats.is_empty() {
                out.push_str(",\"values\":");
                list(out, &series.floats, |out, sample| {
                    pair(out, sample.at, |out| float(out, sample.value));
                });
            }
            if !series.histograms.is_empty() {
                out.push_str(",\"histograms\":");
                list(out, &series.histograms, |out, (at, value)| {
                    pair(out, *at, |out| histogram(out, value));
                });
            }
            out.push('}');
        }),
    }
    if let Some(stats) = stats {
        let _ = write!(out, ",\"stats\":{stats}");
    }
    out.push('}');
}

/// A list of things.
pub(crate) fn list<T>(out: &mut String, items: &[T], mut write: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

/// `{"job":"api"}`
pub(crate) fn labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        text(out, name);
        out.push(':');
        text(out, value);
    }
    out.push('}');
}

/// A text in quotes.
pub(crate) fn text(out: &mut String, text: &str) {
    let quoted = serde_json::to_string(text);
    out.push_str(&quoted.expect("invariant: a text can be written"));
}

/// `[1435781451.781,"1"]`
fn pair(out: &mut String, at: Timestamp, value: impl FnOnce(&mut String)) {
    let millis = at.millis();
    let sign = if millis < 0 { "-" } else { "" };
    let (whole, rest) = (millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000);
    let _ = write!(out, "[{sign}{whole}");
    if rest != 0 {
        let _ = write!(out, ".{rest:03}");
    }
    out.push(',');
    value(out);
    out.push(']');
}

/// A sample value.
fn float(out: &mut String, value: f64) {
    let _ = write!(out, "\"{}\"", format_api(value));
}

fn histogram(out: &mut String, histogram: &Histogram) {
    let json = serde_json::to_string(&ApiHistogram(histogram));
    out.push_str(&json.expect("invariant: texts and numbers can be written"));
}
