//! Histograms as Prometheus writes them: in results, in test scripts, and in the HTTP API.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Bucket, Buckets, Histogram, ResetHint};
use crate::model::number::{format_api, format_g};

/// The most empty buckets that a run of buckets in a test script is filled with: more than there are
/// exponential buckets in all, so it stops only what no valid histogram has.
const MAX_FILLED: i64 = 1 << 20;

/// As Go prints a `FloatHistogram`: the totals, and each populated bucket with its bounds.
impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{count:{}, sum:{}",
            format_g(self.count),
            format_g(self.sum)
        )?;
        let negative = self.negative_buckets().rev();
        let all = negative
            .chain(self.zero_bucket())
            .chain(self.positive_buckets());
        for bucket in all.filter(|bucket| bucket.count != 0.0) {
            write!(f, ", {bucket}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.lower_inclusive { '[' } else { '(' };
        let close = if self.upper_inclusive { ']' } else { ')' };
        let (lower, upper) = (format_g(self.lower), format_g(self.upper));
        write!(f, "{open}{lower},{upper}{close}:{}", format_g(self.count))
    }
}

impl Histogram {
    /// As series notation and test scripts write it: `{{schema:1 count:3 ... buckets:[1 2]}}`.
    pub fn test_expression(&self) -> String {
        let mut parts = Vec::new();
        if self.schema != 0 {
            parts.push(format!("schema:{}", self.schema));
        }
        for (name, value) in [
            ("count", self.count),
            ("sum", self.sum),
            ("z_bucket", self.zero_count),
            ("z_bucket_w", self.zero_threshold),
        ] {
            if value != 0.0 {
                parts.push(format!("{name}:{}", format_g(value)));
            }
        }
        if self.has_custom_buckets() {
            let bounds = self.custom_values.iter().copied();
            parts.push(format!("custom_values:{}", list(bounds)));
        }
        match self.reset_hint {
            ResetHint::Unknown => {}
            ResetHint::Reset => parts.push("counter_reset_hint:reset".to_owned()),
            ResetHint::NotReset => parts.push("counter_reset_hint:not_reset".to_owned()),
            ResetHint::Gauge => parts.push("counter_reset_hint:gauge".to_owned()),
        }
        for (offset, key, buckets) in [
            ("offset", "buckets", &self.positive),
            ("n_offset", "n_buckets", &self.negative),
        ] {
            let Some((first, counts)) = buckets.one_span() else {
                continue;
            };
            if first != 0 {
                parts.push(format!("{offset}:{first}"));
            }
            parts.push(format!("{key}:{}", list(counts.into_iter())));
        }
        format!("{{{{{}}}}}", parts.join(" "))
    }
}

impl Buckets {
    /// The index of the first populated bucket, and the counts from it to the last one.
    fn one_span(&self) -> Option<(i32, Vec<f64>)> {
        let mut populated = self.cells().filter(|(_, count)| *count != 0.0);
        let (first, count) = populated.next()?;
        let mut counts = vec![count];
        let mut last = first;
        for (index, count) in populated {
            let between = i64::from(index) - i64::from(last) - 1;
            let room = MAX_FILLED - i64::try_from(counts.len()).unwrap_or(MAX_FILLED);
            let empty = usize::try_from(between.min(room)).unwrap_or(0);
            counts.resize(counts.len() + empty, 0.0);
            counts.push(count);
            last = index;
        }
        Some((first, counts))
    }
}

fn list(values: impl Iterator<Item = f64>) -> String {
    let mut text = String::from("[");
    for (position, value) in values.enumerate() {
        if position > 0 {
            text.push(' ');
        }
        text.push_str(&format_g(value));
    }
    text.push(']');
    text
}

/// A histogram as the HTTP API of Prometheus writes it: `count`, `sum`, and where any is populated, `buckets` as
/// `[boundaries, lower, upper, count]`, the numbers but the first as texts.
#[derive(Debug, Clone, Copy)]
pub struct ApiHistogram<'a>(pub &'a Histogram);

impl Serialize for ApiHistogram<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("count", &format_api(self.0.count))?;
        map.serialize_entry("sum", &format_api(self.0.sum))?;
        let populated = self.0.buckets().filter(|bucket| bucket.count != 0.0);
        let buckets: Vec<_> = populated.map(api_bucket).collect();
        if !buckets.is_empty() {
            map.serialize_entry("buckets", &buckets)?;
        }
        map.end()
    }
}

/// Which bounds a bucket holds (0: the upper, 1: the lower, 2: none, 3: both), its bounds and count.
fn api_bucket(bucket: Bucket) -> (u8, String, String, String) {
    let boundaries = match (bucket.lower_inclusive, bucket.upper_inclusive) {
        (false, true) => 0,
        (true, false) => 1,
        (false, false) => 2,
        (true, true) => 3,
    };
    (
        boundaries,
        format_api(bucket.lower),
        format_api(bucket.upper),
        format_api(bucket.count),
    )
}
