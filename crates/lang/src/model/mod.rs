//! Plain data that every other module speaks in: spans and diagnostics, times, numbers as Go
//! prints them, label sets, matchers, series and shapes. Nothing here parses a language or decides.

pub mod diagnostic;
pub mod histogram;
pub mod labels;
pub mod logarithm;
pub mod matcher;
pub mod number;
pub mod serial;
pub mod shape;
pub mod span;
pub mod time;

pub use diagnostic::{Diagnostic, Level};
pub use labels::{LabelMap, LabelSet, Labels, LabelsBuilder};
pub use matcher::{MatchOp, Matcher, MatcherError, ParsedMatchers, parse_matchers};
pub use shape::{Sample, Series, Shape};
pub use span::{Position, SourceText, Span};
pub use time::{Duration, Timestamp};

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";
/// The label that holds an alert's name.
pub const ALERT_NAME: &str = "alertname";
