//! Samples, series, and shapes: the label sets of an answer, shared between evaluations.

use super::labels::Labels;
use super::time::Timestamp;

/// A value at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When.
    pub at: Timestamp,
    /// What.
    pub value: f64,
}

/// A label set with its samples in order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Which series.
    pub labels: Labels,
    /// Its samples, oldest first.
    pub samples: Vec<Sample>,
}

/// The label sets of a query's answer, in the order of the answer.
///
/// Two answers of the same query usually have the same label sets; a decoder that sees them again
/// hands out the same `Arc<Shape>`, and everything derived from the labels is reused by index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    /// The label sets; the data source may send equal ones, so uniqueness is not promised.
    pub series: Vec<Labels>,
}
