//! Histograms with custom buckets made of classic ones (`load_with_nhcb`; Prometheus' `util/convertnhcb`).

use super::{BucketSpan, Buckets, CUSTOM_BUCKETS, Histogram};
use crate::model::number::format_g;

/// Why classic buckets make no histogram.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassicError {
    /// A bound is not a number.
    #[error("bucket boundary must not be NaN")]
    BoundNaN,
    /// A bucket's count is negative.
    #[error("bucket count must be non-negative: le={bound}, count={count}")]
    NegativeBucket {
        /// Its bound.
        bound: String,
        /// Its count.
        count: String,
    },
    /// A bucket's count is less than that of a lower bound.
    #[error("count is not cumulative: {count} < {before}")]
    NotCumulative {
        /// The bucket's count.
        count: String,
        /// That of the bound before.
        before: String,
    },
    /// The number of observations is negative.
    #[error("count must be non-negative: count={0}")]
    NegativeCount(String),
    /// The bucket of the highest bound holds another number of observations than there are.
    #[error("count mismatch: count={count} != le={bound} count={last}")]
    Mismatch {
        /// The number of observations.
        count: String,
        /// The highest bound.
        bound: String,
        /// What its bucket holds.
        last: String,
    },
}

/// A histogram with custom buckets of a classic one: its buckets (`le`, cumulative count) ordered by `le`, of equal ones the
/// first counts; its number of observations, by default that of the highest bucket; and their sum.
pub fn from_classic(
    buckets: &[(f64, f64)],
    count: Option<f64>,
    sum: f64,
) -> Result<Histogram, ClassicError> {
    let mut cumulative = checked(buckets)?;
    if let Some(count) = count.filter(|count| *count < 0.0) {
        return Err(ClassicError::NegativeCount(format_g(count)));
    }
    let highest = cumulative.last().copied();
    let count = count.or(highest.map(|(_, count)| count)).unwrap_or(0.0);
    let (bound, last) = match highest {
        Some(highest) if highest.0 == f64::INFINITY => highest,
        _ => {
            cumulative.push((f64::INFINITY, count));
            (f64::INFINITY, count)
        }
    };
    if count != last {
        return Err(ClassicError::Mismatch {
            count: format_g(count),
            bound: format_g(bound),
            last: format_g(last),
        });
    }
    let bounds = cumulative.iter().map(|(bound, _)| *bound);
    let custom_values = bounds.filter(|bound| *bound != f64::INFINITY).collect();
    let mut before = 0.0;
    let counts = cumulative.iter().map(|(_, count)| {
        let own = count - before;
        before = *count;
        own
    });
    let counts: Vec<f64> = counts.collect();
    // Whole numbers come from what Prometheus holds as an integer histogram, whose short gaps it leaves filled.
    let whole = cumulative.iter().all(|(_, count)| is_integer(*count)) && is_integer(count);
    let mut histogram = Histogram {
        schema: CUSTOM_BUCKETS,
        count,
        sum,
        positive: Buckets {
            spans: vec![BucketSpan {
                offset: 0,
                length: u32::try_from(counts.len()).unwrap_or(u32::MAX),
            }],
            counts,
        },
        custom_values,
        ..Histogram::default()
    };
    histogram.compact(if whole { 2 } else { 0 });
    Ok(histogram)
}

/// The buckets, each bound once.
fn checked(buckets: &[(f64, f64)]) -> Result<Vec<(f64, f64)>, ClassicError> {
    let mut cumulative: Vec<(f64, f64)> = Vec::with_capacity(buckets.len() + 1);
    for &(bound, count) in buckets {
        if bound.is_nan() {
            return Err(ClassicError::BoundNaN);
        }
        if count < 0.0 {
            return Err(ClassicError::NegativeBucket {
                bound: format_g(bound),
                count: format_g(count),
            });
        }
        match cumulative.last() {
            Some((last, _)) if *last == bound => {}
            Some((_, before)) if count < *before => {
                return Err(ClassicError::NotCumulative {
                    count: format_g(count),
                    before: format_g(*before),
                });
            }
            _ => cumulative.push((bound, count)),
        }
    }
    Ok(cumulative)
}

/// Whether a count is one that Go's int64 holds.
fn is_integer(count: f64) -> bool {
    count.fract() == 0.0 && count.abs() < 9.2e18
}
