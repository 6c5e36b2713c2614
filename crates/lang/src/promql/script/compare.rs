//! Compares what an evaluation gave with what the script expects, as upstream's `compareResult` does:
//! numbers with a relative tolerance, histograms bucket by bucket.

use super::Eval;
use crate::model::histogram::{Buckets, CUSTOM_BUCKETS, Histogram};
use crate::model::number::format_g;
use crate::model::{Labels, Timestamp};
use crate::promql::eval::{RangeSeries, SampleValue, Value, VectorSample};
use crate::promql::notation::{Entry, Sequence};
use crate::promql::store::is_stale;

/// The relative error allowed.
const EPSILON: f64 = 0.000_001;

type Compared = Result<(), String>;

pub(super) fn value(eval: &Eval, value: &Value) -> Compared {
    let expected = &eval.expected;
    match value {
        Value::Scalar(sample) => match expected.scalar {
            None => Err(format!(
                "expected vector or matrix result, but got scalar {}",
                format_g(sample.value)
            )),
            Some(wanted) if almost_equal(wanted, sample.value) => Ok(()),
            Some(wanted) => {
                let (wanted, value) = (format_g(wanted), format_g(sample.value));
                Err(format!("expected scalar {wanted}, but got {value}"))
            }
        },
        Value::String(_, text) => {
            let wanted = expected.string.as_deref().unwrap_or_default();
            if wanted == text {
                Ok(())
            } else {
                Err(format!("expected string {wanted:?}, but got {text:?}"))
            }
        }
        Value::Vector(_) | Value::Matrix(_) if expected.scalar.is_some() => {
            Err("expected scalar result, but got series".to_owned())
        }
        Value::Vector(samples) => vector(eval, samples),
        Value::Matrix(series) => matrix(eval, series),
    }
}

/// Upstream promises that range queries sort their series.
pub(super) fn sorted(series: &[RangeSeries]) -> Compared {
    match series.windows(2).find(|w| w[0].labels > w[1].labels) {
        None => Ok(()),
        Some(pair) => Err(format!(
            "the series of a range query must be sorted, but {} comes before {}",
            pair[0].labels, pair[1].labels
        )),
    }
}

fn vector(eval: &Eval, samples: &[VectorSample]) -> Compared {
    let expected = &eval.expected.series;
    let mut seen = vec![false; expected.len()];
    for (position, sample) in samples.iter().enumerate() {
        let got = shown(&sample.value);
        let Some((index, labels, wanted)) = expected.get_full(&sample.labels) else {
            return Err(format!(
                "unexpected series {} in result: {got}",
                sample.labels
            ));
        };
        if eval.expected.ordered && index != position {
            return Err(format!(
                "expected series {labels} at position {}, but it was at {}",
                index + 1,
                position + 1
            ));
        }
        let entry = wanted.iter().next().unwrap_or(Entry::Gap);
        if !matches(&entry, &sample.value) {
            let wanted = shown_entry(&entry);
            return Err(format!("expected {wanted} for {labels}, but got {got}"));
        }
        seen[index] = true;
    }
    all_seen(eval, &seen)
}

fn all_seen(eval: &Eval, seen: &[bool]) -> Compared {
    let missing = eval
        .expected
        .series
        .iter()
        .zip(seen)
        .find(|(_, seen)| !**seen);
    match missing {
        None => Ok(()),
        Some(((labels, values), _)) => {
            let first: Vec<_> = values.iter().take(10).map(|e| shown_entry(&e)).collect();
            let values = first.join(" ");
            Err(format!("expected series {labels} not found: {values}"))
        }
    }
}

fn matrix(eval: &Eval, all: &[RangeSeries]) -> Compared {
    if eval.expected.ordered {
        return Err("expected ordered result, but query returned a matrix".to_owned());
    }
    sorted(all)?;
    let mut seen = vec![false; eval.expected.series.len()];
    for series in all {
        let Some((index, labels, wanted)) = eval.expected.series.get_full(&series.labels) else {
            return Err(format!(
                "unexpected series {} in result: {}",
                series.labels,
                shown_points(series)
            ));
        };
        points(eval, labels, wanted, series)?;
        seen[index] = true;
    }
    all_seen(eval, &seen)
}

fn points(eval: &Eval, labels: &Labels, wanted: &Sequence, got: &RangeSeries) -> Compared {
    let (start, end, step) = eval.points;
    let (mut floats, mut histograms) = (got.floats.iter(), got.histograms.iter());
    let fail = |at: Timestamp, entry: &Entry| {
        let (wanted, at) = (shown_entry(entry), at.millis());
        let got = shown_points(got);
        Err(format!(
            "expected {wanted} at {at}ms for {labels}, but the result has {got}"
        ))
    };
    for (index, entry) in (0_i64..).zip(wanted.iter()) {
        let at = start + step.times(index);
        if at > end || (index > 0 && step.is_zero()) {
            let count = wanted.len();
            return Err(format!(
                "expected {count} points for {labels}, but query time range cannot return this many points"
            ));
        }
        let found = match &entry {
            Entry::Gap => continue,
            Entry::Float(_) => floats
                .next()
                .filter(|sample| sample.at == at)
                .map(|sample| SampleValue::Float(sample.value)),
            Entry::Histogram(..) => histograms
                .next()
                .filter(|(time, _)| *time == at)
                .map(|(_, histogram)| SampleValue::Histogram(histogram.clone())),
        };
        if !found.is_some_and(|found| matches(&entry, &found)) {
            return fail(at, &entry);
        }
    }
    if floats.next().is_some() || histograms.next().is_some() {
        let got = shown_points(got);
        return Err(format!("more points than expected for {labels}: {got}"));
    }
    Ok(())
}

fn matches(entry: &Entry, value: &SampleValue) -> bool {
    match (entry, value) {
        (Entry::Float(wanted), SampleValue::Float(value)) => almost_equal(*wanted, *value),
        (Entry::Histogram(wanted, hinted), SampleValue::Histogram(value)) => {
            same_histogram(wanted, value, *hinted)
        }
        // A gap in the place of the only value is a zero to upstream.
        (Entry::Gap, SampleValue::Float(value)) => almost_equal(0.0, *value),
        _ => false,
    }
}

/// Upstream's `compareNativeHistogram`: empty buckets do not count, and the counter reset hint only
/// where the script names it.
fn same_histogram(a: &Histogram, b: &Histogram, hinted: bool) -> bool {
    a.schema == b.schema
        && almost_equal(a.count, b.count)
        && almost_equal(a.sum, b.sum)
        && (a.schema != CUSTOM_BUCKETS || a.custom_values == b.custom_values)
        && a.zero_threshold == b.zero_threshold
        && almost_equal(a.zero_count, b.zero_count)
        && same_buckets(&a.negative, &b.negative)
        && same_buckets(&a.positive, &b.positive)
        && (!hinted || a.reset_hint == b.reset_hint)
}

fn same_buckets(a: &Buckets, b: &Buckets) -> bool {
    let populated = |buckets: &Buckets| -> Vec<_> {
        buckets.cells().filter(|(_, count)| *count != 0.0).collect()
    };
    let (a, b) = (populated(a), populated(b));
    let same = |((i, a), (j, b)): (&(i32, f64), &(i32, f64))| i == j && almost_equal(*a, *b);
    a.len() == b.len() && a.iter().zip(&b).all(same)
}

/// Upstream's `almost.Equal`.
fn almost_equal(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        difference < EPSILON * f64::MIN_POSITIVE
    } else {
        difference / sum.min(f64::MAX) < EPSILON
    }
}

fn shown(value: &SampleValue) -> String {
    match value {
        SampleValue::Float(value) => format_g(*value),
        SampleValue::Histogram(histogram) => histogram.test_expression(),
    }
}

fn shown_entry(entry: &Entry) -> String {
    match entry {
        Entry::Gap => "_".to_owned(),
        Entry::Float(value) if is_stale(*value) => "stale".to_owned(),
        Entry::Float(value) => format_g(*value),
        Entry::Histogram(histogram, _) => histogram.test_expression(),
    }
}

/// The first points of a series, in order of time.
fn shown_points(series: &RangeSeries) -> String {
    let floats = series.floats.iter().map(|s| (s.at, format_g(s.value)));
    let histograms = series.histograms.iter();
    let histograms = histograms.map(|(at, histogram)| (*at, histogram.test_expression()));
    let mut points: Vec<_> = floats.take(20).chain(histograms.take(20)).collect();
    points.sort_by_key(|(at, _)| *at);
    let texts: Vec<_> = points
        .iter()
        .map(|(at, text)| format!("{text}@{}ms", at.millis()))
        .collect();
    let count = series.floats.len() + series.histograms.len();
    format!("{count} points, {}", texts.join(" "))
}
