//! Quantiles, fractions and variance of one native histogram.
//!
//! As Prometheus' `promql/quantile.go`: within custom buckets and the zero bucket observations are taken as
//! spread evenly, within exponential buckets evenly on a logarithmic scale. What a
//! query's annotations tell is returned beside the number; nothing here knows the query.

use crate::model::histogram::{Bucket, Histogram};
use crate::model::logarithm::{exp2, log2};
use crate::model::number::kahan_add;

/// What observations of NaN did to a quantile of a native histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NanEffect {
    /// The quantile lies among them: it is NaN.
    Result,
    /// It comes out too high, since they count as larger than everything.
    Skew,
}

/// The quantile `q` of a native histogram.
///
/// NaN for NaN and without observations, an infinity for a `q` outside 0 to 1.
pub(super) fn histogram_quantile(q: f64, histogram: &Histogram) -> (f64, Option<NanEffect>) {
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if histogram.count == 0.0 || q.is_nan() {
        return (f64::NAN, None);
    }
    // NaN observations are in no bucket, so ranks are right only when they are counted from below.
    if histogram.sum.is_nan() || q < 0.5 {
        quantile_in(
            q * histogram.count,
            histogram,
            &mut histogram.buckets(),
            true,
        )
    } else {
        let mut buckets = histogram.buckets().rev();
        quantile_in((1.0 - q) * histogram.count, histogram, &mut buckets, false)
    }
}

/// The quantile at a rank, counted along the buckets as they come.
fn quantile_in(
    rank: f64,
    histogram: &Histogram,
    buckets: &mut dyn Iterator<Item = Bucket>,
    upwards: bool,
) -> (f64, Option<NanEffect>) {
    let mut bucket = NO_BUCKET;
    let mut count = 0.0;
    for next in &mut *buckets {
        bucket = next;
        if bucket.count == 0.0 {
            continue;
        }
        count += bucket.count;
        if count >= rank {
            break;
        }
    }
    if histogram.has_custom_buckets() {
        if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return (bucket.upper, None);
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return (bucket.lower, None);
        }
    } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
        bucket = one_sided(bucket, histogram);
    }
    // Rounding may have made it larger.
    if count > histogram.count {
        count = histogram.count;
    }
    if count < rank {
        return if histogram.sum.is_nan() {
            (f64::NAN, Some(NanEffect::Result))
        } else {
            (bucket.upper, None)
        };
    }
    let rank = if upwards {
        rank - (count - bucket.count)
    } else {
        count - rank
    };
    let mut effect = None;
    if histogram.sum.is_nan() {
        // Prometheus goes on with the last bucket that this walk sees.
        for next in buckets {
            bucket = next;
            count += bucket.count;
        }
        if count < histogram.count {
            effect = Some(NanEffect::Skew);
        }
    }
    (interpolate(bucket, rank / bucket.count, histogram), effect)
}

/// What stands for the current bucket of a histogram that has none.
const NO_BUCKET: Bucket = Bucket {
    lower: 0.0,
    upper: 0.0,
    lower_inclusive: false,
    upper_inclusive: false,
    count: 0.0,
};

/// The zero bucket of a histogram whose other buckets all lie on one side: it does not reach to the other.
fn one_sided(mut zero: Bucket, histogram: &Histogram) -> Bucket {
    let negative = !histogram.negative.counts.is_empty();
    let positive = !histogram.positive.counts.is_empty();
    if positive && !negative {
        zero.lower = 0.0;
    } else if negative && !positive {
        zero.upper = 0.0;
    }
    zero
}

/// The value that a fraction of the bucket's observations lies below.
fn interpolate(bucket: Bucket, fraction: f64, histogram: &Histogram) -> f64 {
    if histogram.has_custom_buckets() || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
        return bucket.lower + (bucket.upper - bucket.lower) * fraction;
    }
    let lower = log2(bucket.lower.abs());
    let upper = log2(bucket.upper.abs());
    if bucket.lower > 0.0 {
        exp2(lower + (upper - lower) * fraction)
    } else {
        -exp2(upper + (lower - upper) * (1.0 - fraction))
    }
}

/// The share of a native histogram's observations between two values, and whether there are observations of
/// NaN, which are in no share.
///
/// NaN without observations or where a bound is NaN.
pub(super) fn histogram_fraction(lower: f64, upper: f64, histogram: &Histogram) -> (f64, bool) {
    if histogram.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return (f64::NAN, false);
    }
    if lower >= upper {
        return (0.0, false);
    }
    let mut ranks = Ranks::new(lower, upper);
    let mut count = 0.0;
    let mut buckets = histogram.buckets();
    for mut bucket in buckets.by_ref() {
        count += bucket.count;
        let zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
        if zero {
            bucket = one_sided(bucket, histogram);
        }
        let linear = histogram.has_custom_buckets() || zero;
        let done = ranks.pass(bucket.lower, bucket.upper, |rank, value| {
            if linear && bucket.lower == f64::NEG_INFINITY {
                bucket.count
            } else {
                rank + bucket.count * bucket.fraction_below(value, linear)
            }
        });
        if done {
            break;
        }
        ranks.before += bucket.count;
    }
    let mut has_nan = false;
    if histogram.sum.is_nan() {
        for bucket in buckets {
            count += bucket.count;
        }
        has_nan = count < histogram.count;
    } else {
        count = histogram.count;
    }
    (ranks.between(count) / histogram.count, has_nan)
}

/// How many observations lie below two values, found by passing over the buckets upwards.
struct Ranks {
    lower: f64,
    upper: f64,
    /// Observations in the buckets passed.
    before: f64,
    lower_rank: Option<f64>,
    upper_rank: Option<f64>,
}

impl Ranks {
    fn new(lower: f64, upper: f64) -> Self {
        Self {
            lower,
            upper,
            before: 0.0,
            lower_rank: None,
            upper_rank: None,
        }
    }

    /// Looks at the bucket from `start` to `end`; `within` gives the observations below a value inside of it.
    /// Whether both ranks are known.
    fn pass(&mut self, start: f64, end: f64, within: impl Fn(f64, f64) -> f64) -> bool {
        let before = self.before;
        let rank_of = |value: f64| {
            if start >= value {
                Some(before)
            } else if start < value && end > value {
                Some(within(before, value))
            } else {
                None
            }
        };
        self.lower_rank = self.lower_rank.or_else(|| rank_of(self.lower));
        self.upper_rank = self.upper_rank.or_else(|| rank_of(self.upper));
        self.lower_rank.is_some() && self.upper_rank.is_some()
    }

    /// The observations between, of `count` in all.
    fn between(&self, count: f64) -> f64 {
        let too_many = |rank: &f64| rank.partial_cmp(&count) == Some(std::cmp::Ordering::Greater);
        let within = |rank: Option<f64>| rank.filter(|rank| !too_many(rank));
        within(self.upper_rank).unwrap_or(count) - within(self.lower_rank).unwrap_or(count)
    }
}

/// The variance of a native histogram's observations, each taken to be in the middle of its bucket.
#[expect(
    clippy::manual_midpoint,
    reason = "an overflow is to come out as in Prometheus"
)]
pub(super) fn histogram_variance(histogram: &Histogram) -> f64 {
    let mean = histogram.sum / histogram.count;
    let (mut variance, mut compensation) = (0.0, 0.0);
    for bucket in histogram.buckets() {
        if bucket.count == 0.0 {
            continue;
        }
        let value = if histogram.has_custom_buckets() {
            (bucket.upper + bucket.lower) / 2.0
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            let middle = (bucket.upper * bucket.lower).sqrt();
            if bucket.upper < 0.0 { -middle } else { middle }
        };
        let delta = value - mean;
        (variance, compensation) = kahan_add(bucket.count * delta * delta, variance, compensation);
    }
    (variance + compensation) / histogram.count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::histogram::tests::{decode, number, rows};
    use crate::model::number::format_g;

    fn quantile(field: &str, histogram: &Histogram) -> String {
        let q = field.split(' ').next().expect("a quantile");
        let (value, effect) = histogram_quantile(number(q), histogram);
        let effect = match effect {
            None => "",
            Some(NanEffect::Result) => "result",
            Some(NanEffect::Skew) => "skew",
        };
        format!("{q} {} {effect}", format_g(value))
    }

    fn fraction(field: &str, histogram: &Histogram) -> String {
        let mut words = field.split(' ');
        let lower = words.next().expect("a bound");
        let upper = words.next().expect("a bound");
        let (value, has_nan) = histogram_fraction(number(lower), number(upper), histogram);
        let nan = if has_nan { "nan" } else { "" };
        format!("{lower} {upper} {} {nan}", format_g(value))
    }

    #[test]
    fn quantiles_and_fractions_are_those_of_prometheus() {
        let mut histogram = Histogram::default();
        for (kind, fields) in rows() {
            let answer = |of: fn(&str, &Histogram) -> String| -> Vec<String> {
                fields.iter().map(|field| of(field, &histogram)).collect()
            };
            let answers = match kind {
                "pair" => {
                    histogram = decode(fields[0]);
                    continue;
                }
                "quantile" => answer(quantile),
                "fraction" => answer(fraction),
                "variance" => vec![format_g(histogram_variance(&histogram))],
                _ => continue,
            };
            assert_eq!(answers, fields, "{kind} of {histogram}");
        }
    }
}
