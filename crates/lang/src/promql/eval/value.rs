//! What a query answers.

use std::sync::Arc;

use super::Annotations;
use crate::model::histogram::Histogram;
use crate::model::{Labels, Sample, Timestamp};

/// The answer to a query.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What the expression evaluates to.
    pub value: Value,
    /// What the evaluation noticed.
    pub annotations: Annotations,
    /// What it cost.
    pub stats: Stats,
}

/// What an evaluation cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Series read, one for each selector that reads it.
    pub series: usize,
    /// Samples read (`totalQueryableSamples` counts otherwise: once for each step).
    pub samples: usize,
}

/// The value of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// One number.
    Scalar(Sample),
    /// A text, with the time of the query.
    String(Timestamp, String),
    /// One sample for each series; in no promised order, except after a sorting function.
    Vector(Vec<VectorSample>),
    /// Many samples for each series, sorted by labels.
    Matrix(Vec<RangeSeries>),
}

/// A series of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSample {
    /// Which series.
    pub labels: Labels,
    /// The time of the query.
    pub at: Timestamp,
    /// Its value.
    pub value: SampleValue,
}

/// A number or a histogram.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleValue {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

/// A series of a matrix; numbers and histograms each in order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeSeries {
    /// Which series.
    pub labels: Labels,
    /// Its numbers.
    pub floats: Vec<Sample>,
    /// Its histograms.
    pub histograms: Vec<(Timestamp, Arc<Histogram>)>,
}
