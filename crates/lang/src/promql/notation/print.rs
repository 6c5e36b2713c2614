//! Writes histograms in the notation, as upstream's `FloatHistogram.TestExpression` does.

use std::fmt::Write as _;

use crate::model::histogram::{Buckets, CUSTOM_BUCKETS, Histogram, ResetHint};
use crate::model::number::format_g;

/// A gap between buckets that is longer is not filled with zeros, which hostile offsets could make
/// billions of.
const MAX_GAP: i64 = 10_000;

/// `{{schema:1 count:4 sum:5 buckets:[1 2 1]}}`: what is zero is left out.
pub fn histogram_text(histogram: &Histogram) -> String {
    let mut parts = Vec::new();
    if histogram.schema != 0 {
        parts.push(format!("schema:{}", histogram.schema));
    }
    for (key, value) in [
        ("count", histogram.count),
        ("sum", histogram.sum),
        ("z_bucket", histogram.zero_count),
        ("z_bucket_w", histogram.zero_threshold),
    ] {
        if value != 0.0 {
            parts.push(format!("{key}:{}", short(value)));
        }
    }
    if histogram.schema == CUSTOM_BUCKETS {
        parts.push(format!("custom_values:{}", list(&histogram.custom_values)));
    }
    match histogram.reset_hint {
        ResetHint::Unknown => {}
        ResetHint::Reset => parts.push("counter_reset_hint:reset".to_owned()),
        ResetHint::NotReset => parts.push("counter_reset_hint:not_reset".to_owned()),
        ResetHint::Gauge => parts.push("counter_reset_hint:gauge".to_owned()),
    }
    push_buckets(&mut parts, "", &histogram.positive);
    push_buckets(&mut parts, "n_", &histogram.negative);
    format!("{{{{{}}}}}", parts.join(" "))
}

/// A number as Go's `%g` writes it: like `%v`, but with an exponent from 1e21 on.
fn short(value: f64) -> String {
    format_g(value)
}

fn list(numbers: &[f64]) -> String {
    let mut text = "[".to_owned();
    for (index, number) in numbers.iter().enumerate() {
        let blank = if index > 0 { " " } else { "" };
        write!(text, "{blank}{}", short(*number)).expect("invariant: writing to a String");
    }
    text.push(']');
    text
}

/// The buckets with what is empty between them, without empty ones at the ends.
fn push_buckets(parts: &mut Vec<String>, prefix: &str, buckets: &Buckets) {
    let placed = filled(buckets);
    let Some(first) = placed.first().map(|(index, _)| *index) else {
        return;
    };
    let mut counts = Vec::new();
    let mut next = first;
    for (index, count) in placed {
        let gap = (index - next).clamp(0, MAX_GAP);
        counts.extend((0..gap).map(|_| 0.0));
        counts.push(count);
        next = index + 1;
    }
    if first != 0 {
        parts.push(format!("{prefix}offset:{first}"));
    }
    parts.push(format!("{prefix}buckets:{}", list(&counts)));
}

/// The buckets that are not empty, with their index.
pub(crate) fn filled(buckets: &Buckets) -> Vec<(i64, f64)> {
    let mut placed = Vec::new();
    let mut counts = buckets.counts.iter();
    let mut index = 0_i64;
    for span in &buckets.spans {
        index += i64::from(span.offset);
        for count in counts.by_ref().take(span.length as usize) {
            if *count != 0.0 {
                placed.push((index, *count));
            }
            index += 1;
        }
    }
    placed
}
