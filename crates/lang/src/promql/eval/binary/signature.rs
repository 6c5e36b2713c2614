//! By what the series of two sides find each other.

use crate::model::{Labels, METRIC_NAME};
use crate::promql::ast::VectorMatching;

/// The labels that count.
#[derive(Debug, Clone)]
pub(super) struct Signer<'e> {
    names: Vec<&'e str>,
    on: bool,
}

impl<'e> Signer<'e> {
    /// By default all labels count but the name.
    pub(super) fn new(matching: Option<&'e VectorMatching>) -> Self {
        let on = matching.is_some_and(|matching| matching.on);
        let labels = matching.iter().flat_map(|matching| &matching.labels);
        let mut names: Vec<_> = labels.map(|label| label.name.as_str()).collect();
        if !on {
            names.push(METRIC_NAME);
        }
        Self { names, on }
    }

    /// The labels of a series that count.
    pub(super) fn of(&self, labels: &Labels) -> Labels {
        let counts = |(name, _): &(&str, &str)| self.names.contains(name) == self.on;
        Labels::from_sorted(labels.iter().filter(counts))
            .expect("invariant: a part of a sorted set is sorted")
    }
}
