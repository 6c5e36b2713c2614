//! Results for people: a series in a line, its values behind or below it.

use std::fmt::Write as _;

use stentor_lang::model::labels::quote;
use stentor_lang::model::number::format_g;
use stentor_lang::model::{Labels, METRIC_NAME, Timestamp};
use stentor_lang::promql::eval::{SampleValue, Value};

/// A result as text. `synthetic` times are shown as durations since the epoch.
pub(super) fn show(value: &Value, synthetic: bool) -> String {
    let mut out = String::new();
    match value {
        Value::Scalar(sample) => {
            let _ = writeln!(out, "{}", format_g(sample.value));
        }
        Value::String(_, text) => {
            let _ = writeln!(out, "{}", quote(text));
        }
        Value::Vector(samples) => {
            let names: Vec<String> = samples.iter().map(|s| name(&s.labels)).collect();
            let width = widest(&names);
            for (sample, name) in samples.iter().zip(&names) {
                let value = match &sample.value {
                    SampleValue::Float(value) => format_g(*value),
                    SampleValue::Histogram(histogram) => histogram.test_expression(),
                };
                let pad = width.saturating_sub(name.chars().count());
                let _ = writeln!(out, "{name}{:pad$}  {value}", "");
            }
        }
        Value::Matrix(all) => {
            for series in all {
                let _ = writeln!(out, "{}", name(&series.labels));
                let mut rows: Vec<(Timestamp, String)> = series
                    .floats
                    .iter()
                    .map(|sample| (sample.at, format_g(sample.value)))
                    .collect();
                let histograms = series.histograms.iter();
                rows.extend(histograms.map(|(at, h)| (*at, h.test_expression())));
                rows.sort_by_key(|(at, _)| *at);
                let times: Vec<String> = rows.iter().map(|(at, _)| time(*at, synthetic)).collect();
                let width = widest(&times);
                for (time, (_, value)) in times.iter().zip(&rows) {
                    let _ = writeln!(out, "  {time:width$}  {value}");
                }
            }
        }
    }
    if out.is_empty() {
        out.push_str("no series\n");
    }
    out
}

/// Lines are aligned up to this width: one long name shall not push all values away.
const WIDEST: usize = 100;

fn widest(texts: &[String]) -> usize {
    let widths = texts.iter().map(|text| text.chars().count());
    widths.filter(|width| *width <= WIDEST).max().unwrap_or(0)
}

/// `up{job="api"}`; `{}` without any label.
fn name(labels: &Labels) -> String {
    let name = labels.get(METRIC_NAME);
    let plain = name.replace(':', "_");
    if !stentor_lang::model::labels::is_legacy_name(&plain) {
        return labels.to_string();
    }
    let rest = labels.without(METRIC_NAME);
    if rest.is_empty() {
        name.to_owned()
    } else {
        format!("{name}{rest}")
    }
}

fn time(at: Timestamp, synthetic: bool) -> String {
    if synthetic && at >= Timestamp::EPOCH {
        at.since(Timestamp::EPOCH).to_string()
    } else {
        at.rfc3339()
    }
}
