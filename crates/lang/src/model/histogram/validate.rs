//! Whether a histogram is one: what its parts have to agree on. In Prometheus' words where it checks the same.

use std::fmt;

use super::{BucketSpan, CUSTOM_BUCKETS, EXPONENTIAL_SCHEMAS, Histogram};
use crate::model::number::format_g;

/// What is wrong with a histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Invalid {
    /// No schema of this number.
    Schema(i32),
    /// The number of observations is negative.
    Count(f64),
    /// The number of observations in the zero bucket is negative.
    ZeroCount(f64),
    /// The buckets of one sign.
    Side(Side, InvalidBuckets),
    /// A custom bound is not a number.
    BoundNaN,
    /// A custom bound is not above the one before.
    BoundOrder {
        /// The one before.
        previous: f64,
        /// The one that is not above it.
        current: f64,
    },
    /// The last custom bound is `+Inf`, which is never written out.
    BoundInfinite,
    /// The spans reach beyond the custom bounds.
    TooFewBounds {
        /// How many bounds there are.
        bounds: usize,
        /// How many buckets the spans reach over.
        buckets: u64,
    },
    /// Custom buckets have no zero bucket.
    CustomZeroCount,
    /// Custom buckets have no zero bucket.
    CustomZeroThreshold,
    /// Custom buckets have no buckets of negative values.
    CustomNegativeSpans,
    /// Custom buckets have no buckets of negative values.
    CustomNegativeBuckets,
    /// Exponential buckets have no custom bounds.
    ExponentialBounds,
}

/// Which buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Those of positive values.
    Positive,
    /// Those of negative values.
    Negative,
    /// Custom ones.
    Custom,
}

/// What is wrong with buckets of one sign. Positions count from one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InvalidBuckets {
    /// A span begins before the one in front of it ends.
    Offset {
        /// Which span.
        span: usize,
        /// Its offset.
        offset: i32,
    },
    /// The spans hold another number of buckets than there are counts.
    Mismatch {
        /// How many buckets the spans hold.
        spans: u64,
        /// How many counts there are.
        counts: usize,
    },
    /// A count is negative.
    Negative {
        /// Which bucket.
        bucket: usize,
        /// Its count.
        count: f64,
    },
    /// A span reaches beyond the largest index.
    Beyond {
        /// Which span.
        span: usize,
    },
}

impl Histogram {
    /// Checks everything that Prometheus checks before it stores a histogram, and that indexes stay within
    /// their range. The cost is that of reading the spans and counts once, whatever they say.
    pub fn validate(&self) -> Result<(), Invalid> {
        match self.schema {
            CUSTOM_BUCKETS => self.validate_custom()?,
            schema if EXPONENTIAL_SCHEMAS.contains(&schema) => self.validate_exponential()?,
            schema => return Err(Invalid::Schema(schema)),
        }
        if self.count < 0.0 {
            return Err(Invalid::Count(self.count));
        }
        check_counts(&self.positive.counts).map_err(|wrong| Invalid::Side(Side::Positive, wrong))
    }

    fn validate_custom(&self) -> Result<(), Invalid> {
        check_bounds(&self.custom_values)?;
        let spans = &self.positive.spans;
        check_spans(spans, self.positive.counts.len(), true)
            .map_err(|wrong| Invalid::Side(Side::Custom, wrong))?;
        let reach =
            |span: &BucketSpan| u64::from(span.offset.unsigned_abs()) + u64::from(span.length);
        let buckets = spans.iter().map(reach).sum();
        let bounds = self.custom_values.len();
        if bounds as u64 + 1 < buckets {
            return Err(Invalid::TooFewBounds { bounds, buckets });
        }
        let rules = [
            (self.zero_count != 0.0, Invalid::CustomZeroCount),
            (self.zero_threshold != 0.0, Invalid::CustomZeroThreshold),
            (
                !self.negative.spans.is_empty(),
                Invalid::CustomNegativeSpans,
            ),
            (
                !self.negative.counts.is_empty(),
                Invalid::CustomNegativeBuckets,
            ),
        ];
        rules
            .into_iter()
            .find(|(broken, _)| *broken)
            .map_or(Ok(()), |(_, wrong)| Err(wrong))
    }

    fn validate_exponential(&self) -> Result<(), Invalid> {
        let sides = [
            (Side::Positive, &self.positive),
            (Side::Negative, &self.negative),
        ];
        for (side, buckets) in sides {
            check_spans(&buckets.spans, buckets.counts.len(), false)
                .map_err(|wrong| Invalid::Side(side, wrong))?;
        }
        check_counts(&self.negative.counts)
            .map_err(|wrong| Invalid::Side(Side::Negative, wrong))?;
        if self.zero_count < 0.0 {
            return Err(Invalid::ZeroCount(self.zero_count));
        }
        if !self.custom_values.is_empty() {
            return Err(Invalid::ExponentialBounds);
        }
        Ok(())
    }
}

fn check_spans(spans: &[BucketSpan], counts: usize, first_too: bool) -> Result<(), InvalidBuckets> {
    let mut total = 0u64;
    let mut index = 0i64;
    for (position, span) in (1..).zip(spans) {
        let offset = span.offset;
        if offset < 0 && (first_too || position > 1) {
            return Err(InvalidBuckets::Offset {
                span: position,
                offset,
            });
        }
        total += u64::from(span.length);
        index += i64::from(offset) + i64::from(span.length);
        if index > i64::from(i32::MAX) {
            return Err(InvalidBuckets::Beyond { span: position });
        }
    }
    if total == counts as u64 {
        Ok(())
    } else {
        Err(InvalidBuckets::Mismatch {
            spans: total,
            counts,
        })
    }
}

fn check_counts(counts: &[f64]) -> Result<(), InvalidBuckets> {
    match (1..).zip(counts).find(|(_, count)| **count < 0.0) {
        Some((bucket, &count)) => Err(InvalidBuckets::Negative { bucket, count }),
        None => Ok(()),
    }
}

fn check_bounds(bounds: &[f64]) -> Result<(), Invalid> {
    let mut previous = None;
    for &current in bounds {
        if current.is_nan() {
            return Err(Invalid::BoundNaN);
        }
        if let Some(previous) = previous.filter(|previous| current <= *previous) {
            return Err(Invalid::BoundOrder { previous, current });
        }
        previous = Some(current);
    }
    if previous == Some(f64::INFINITY) {
        return Err(Invalid::BoundInfinite);
    }
    Ok(())
}

impl std::error::Error for Invalid {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(schema) => write!(
                f,
                "histogram has an invalid schema, which must be between -4 and 8 for exponential \
                 buckets, or -53 for custom buckets, got schema {schema}"
            ),
            Self::Count(count) => write!(
                f,
                "observation count is  {}: histogram's observation count is negative",
                format_g(*count)
            ),
            Self::ZeroCount(count) => write!(
                f,
                "zero bucket has observation count of {}: {NEGATIVE_BUCKET}",
                format_g(*count)
            ),
            Self::Side(Side::Positive, wrong) => write!(f, "positive side: {wrong}"),
            Self::Side(Side::Negative, wrong) => write!(f, "negative side: {wrong}"),
            Self::Side(Side::Custom, wrong) => write!(f, "custom buckets: {wrong}"),
            Self::BoundNaN => {
                f.write_str("custom buckets: histogram custom bounds must not be NaN")
            }
            Self::BoundOrder { previous, current } => write!(
                f,
                "custom buckets: previous bound is {previous:.6} and current is {current:.6}: \
                 histogram custom bounds must be in strictly increasing order"
            ),
            Self::BoundInfinite => f.write_str(
                "custom buckets: last +Inf bound must not be explicitly defined: \
                 histogram custom bounds must be finite",
            ),
            Self::TooFewBounds { bounds, buckets } => write!(
                f,
                "custom buckets: only {bounds} custom bounds defined which is insufficient to cover \
                 total span length of {buckets}: histogram custom bounds are too few"
            ),
            Self::CustomZeroCount => f.write_str("custom buckets: must have zero count of 0"),
            Self::CustomZeroThreshold => {
                f.write_str("custom buckets: must have zero threshold of 0")
            }
            Self::CustomNegativeSpans => {
                f.write_str("custom buckets: must not have negative spans")
            }
            Self::CustomNegativeBuckets => {
                f.write_str("custom buckets: must not have negative buckets")
            }
            Self::ExponentialBounds => {
                f.write_str("histogram with exponential schema must not have custom bounds")
            }
        }
    }
}

const NEGATIVE_BUCKET: &str = "histogram has a bucket whose observation count is negative";

impl fmt::Display for InvalidBuckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset { span, offset } => write!(
                f,
                "span number {span} with offset {offset}: histogram has a span whose offset is negative"
            ),
            Self::Mismatch { spans, counts } => write!(
                f,
                "spans need {spans} buckets, have {counts} buckets: histogram spans specify different \
                 number of buckets than provided"
            ),
            Self::Negative { bucket, count } => write!(
                f,
                "bucket number {bucket} has observation count of {}: {NEGATIVE_BUCKET}",
                format_g(*count)
            ),
            Self::Beyond { span } => write!(
                f,
                "span number {span} reaches beyond the largest bucket index"
            ),
        }
    }
}
