//! Quantiles and fractions of classic histograms, one at a time (upstream's `promql/quantile.go`).

use crate::model::number::almost_equal;

/// Differences of counts that are this small, relative to the counts, come from the arithmetic of
/// floats and are ignored.
const SMALL_DELTA: f64 = 1e-12;

/// A bucket of a classic histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ClassicBucket {
    /// The value of its `le`.
    pub upper: f64,
    /// The observations up to that.
    pub count: f64,
}

/// What was done to make counts rise with their bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Forced {
    /// The lowest bound whose count was raised.
    pub min_bucket: f64,
    /// The highest bound whose count was raised.
    pub max_bucket: f64,
    /// By how much a count was raised at most.
    pub max_diff: f64,
}

/// The quantile of buckets that are sorted by bounds, not empty, and are changed on the way; and what
/// had to be forced.
pub(super) fn quantile(q: f64, buckets: &mut Vec<ClassicBucket>) -> (f64, Option<Forced>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if !ends_at_infinity(buckets) {
        return (f64::NAN, None);
    }
    coalesce(buckets);
    let forced = make_monotonic(buckets);
    (interpolate(q, buckets), forced)
}

fn interpolate(q: f64, buckets: &[ClassicBucket]) -> f64 {
    let last = buckets.len() - 1;
    let observations = buckets[last].count;
    if last == 0 || observations == 0.0 {
        return f64::NAN;
    }
    let mut rank = q * observations;
    let found = first_not_below(rank, &buckets[..last]);
    if found == last {
        return buckets[last - 1].upper;
    }
    let ClassicBucket { upper, mut count } = buckets[found];
    if found == 0 && upper <= 0.0 {
        return upper;
    }
    let mut start = 0.0;
    if let Some(below) = found.checked_sub(1).map(|index| buckets[index]) {
        start = below.upper;
        count -= below.count;
        rank -= below.count;
    }
    start + (upper - start) * (rank / count)
}

/// The first bucket whose count is not below a rank: Go's `sort.Search`, also where counts are NaN.
fn first_not_below(rank: f64, buckets: &[ClassicBucket]) -> usize {
    let (mut from, mut to) = (0, buckets.len());
    while from < to {
        let middle = usize::midpoint(from, to);
        if buckets[middle].count >= rank {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    from
}

/// The fraction of the observations between two values, of buckets that are sorted by bounds, not
/// empty, and are changed on the way.
pub(super) fn fraction(lower: f64, upper: f64, buckets: &mut Vec<ClassicBucket>) -> f64 {
    if !ends_at_infinity(buckets) {
        return f64::NAN;
    }
    coalesce(buckets);
    let count = buckets[buckets.len() - 1].count;
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let (lower, upper) = (rank_of(lower, buckets), rank_of(upper, buckets));
    let capped = |rank: Option<f64>| match rank {
        None => count,
        Some(rank) if rank > count => count,
        Some(rank) => rank,
    };
    (capped(upper) - capped(lower)) / count
}

/// How many observations are below a value; none where it is above all buckets.
fn rank_of(value: f64, buckets: &[ClassicBucket]) -> Option<f64> {
    let mut rank = 0.0;
    let mut bound = if buckets[0].upper <= 0.0 {
        f64::NEG_INFINITY
    } else {
        0.0
    };
    for bucket in buckets {
        if bound >= value {
            return Some(rank);
        }
        if bound < value && bucket.upper > value {
            // A bucket without an end is not interpolated.
            return Some(if bound == f64::NEG_INFINITY {
                bucket.count
            } else {
                rank + (bucket.count - rank) * (value - bound) / (bucket.upper - bound)
            });
        }
        rank = bucket.count;
        bound = bucket.upper;
    }
    None
}

fn ends_at_infinity(buckets: &[ClassicBucket]) -> bool {
    buckets.last().is_some_and(|b| b.upper == f64::INFINITY)
}

/// Adds up buckets of the same bound.
fn coalesce(buckets: &mut Vec<ClassicBucket>) {
    buckets.dedup_by(|next, kept| {
        let same = next.upper == kept.upper;
        if same {
            kept.count += next.count;
        }
        same
    });
}

/// Raises counts that are below those of lower bounds; silently where the difference is small.
fn make_monotonic(buckets: &mut [ClassicBucket]) -> Option<Forced> {
    let mut forced: Option<Forced> = None;
    let mut highest = buckets[0].count;
    for bucket in &mut buckets[1..] {
        let count = bucket.count;
        if count == highest {
            continue;
        }
        // Most counts rise by far more, which shows without a division.
        let rises = count - highest > 1e-9 * (count + highest) && highest > 0.0;
        if rises {
            highest = count;
        } else if almost_equal(highest, count, SMALL_DELTA) {
            bucket.count = highest;
        } else if count < highest {
            bucket.count = highest;
            let diff = highest - count;
            let so_far = forced.get_or_insert(Forced {
                min_bucket: bucket.upper,
                max_bucket: bucket.upper,
                max_diff: diff,
            });
            so_far.max_bucket = bucket.upper;
            so_far.max_diff = so_far.max_diff.max(diff);
        } else {
            highest = count;
        }
    }
    forced
}
