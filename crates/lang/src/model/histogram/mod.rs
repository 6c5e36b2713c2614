//! Native histograms: their buckets as plain data, and the arithmetic between them.
//!
//! The counts are floats, as in Prometheus' `FloatHistogram`; nothing here knows series or time.

mod arithmetic;
mod bound;
mod cells;
mod classic;
mod compact;
mod custom;
mod reset;
mod text;
mod trim;
mod validate;
mod zero;

pub use bound::{Bucket, EXPONENTIAL_SCHEMAS};
pub use cells::Cells;
pub use classic::{ClassicError, from_classic};
pub use text::ApiHistogram;
pub use trim::Keep;
pub use validate::{Invalid, InvalidBuckets, Side};

use std::sync::Arc;

use bound::exponential_bound;

/// The schema of histograms whose bucket bounds are written out (`custom_values`).
pub const CUSTOM_BUCKETS: i32 = -53;

/// A native histogram.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// What is known about a reset between the histogram before and this one.
    pub reset_hint: ResetHint,
    /// How fine the exponential buckets are (−4 to 8), or [`CUSTOM_BUCKETS`].
    pub schema: i32,
    /// The zero bucket holds values up to this distance from zero.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// The sum of all observations.
    pub sum: f64,
    /// Buckets of positive values; of a histogram with custom buckets, all buckets.
    pub positive: Buckets,
    /// Buckets of negative values.
    pub negative: Buckets,
    /// The upper bounds of custom buckets, without `+Inf`, in order.
    pub custom_values: Arc<[f64]>,
}

/// Buckets of one sign: where they are, and what they hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Buckets {
    /// Runs of consecutive buckets.
    pub spans: Vec<BucketSpan>,
    /// The absolute count of each bucket, in the order of the spans.
    pub counts: Vec<f64>,
}

/// A run of consecutive buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BucketSpan {
    /// The first span: the index of its first bucket; others: how many buckets lie between the spans.
    pub offset: i32,
    /// How many buckets.
    pub length: u32,
}

/// What is known about a counter reset before a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResetHint {
    /// Nothing: the buckets have to be compared.
    #[default]
    Unknown,
    /// There was one.
    Reset,
    /// There was none.
    NotReset,
    /// It is a gauge, which has none.
    Gauge,
}

/// What is odd about two histograms that were added or subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Merged {
    /// One says that there was a reset, the other that there was none.
    pub reset_collision: bool,
    /// Their custom bounds differ, so that only the common ones are left.
    pub bounds_reconciled: bool,
}

/// Why two histograms can not be computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HistogramError {
    /// One has exponential buckets, the other custom ones.
    #[error(
        "cannot apply this operation on histograms with a mix of exponential and custom bucket schemas"
    )]
    IncompatibleSchemas,
    /// Custom buckets have no resolution.
    #[error("cannot reduce resolution when there are custom buckets")]
    ReduceCustom,
    /// Not a coarser schema.
    #[error("cannot reduce resolution from schema {from} to {to}")]
    ReduceTo {
        /// What the histogram has.
        from: i32,
        /// What was asked for.
        to: i32,
    },
}

#[cfg(test)]
pub(crate) mod tests;
