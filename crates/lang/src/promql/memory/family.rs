//! The series of one metric name, and how those that satisfy matchers are found.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::model::{Labels, METRIC_NAME, MatchOp};
use crate::regex::LabelMatcher;

/// Of fewer series all are looked at: an index would cost more than it saves.
const WORTH_INDEXING: usize = 64;

/// The series of a metric name, by index in their store.
#[derive(Debug, Clone, Default)]
pub(super) struct Family {
    members: Vec<usize>,
    /// Made when it is first asked for after a series came.
    order: OnceLock<Order>,
}

#[derive(Debug, Clone)]
struct Order {
    /// The members by their labels.
    sorted: Vec<usize>,
    /// For each label and value the places in `sorted`; empty where the family is small.
    values: BTreeMap<String, BTreeMap<String, Vec<u32>>>,
}

impl Family {
    /// Takes in a series.
    pub(super) fn add(&mut self, index: usize) {
        self.members.push(index);
        self.order.take();
    }

    /// Makes the order now. `labels` are those of a series of the store.
    pub(super) fn prepare<'l>(&self, labels: impl Fn(usize) -> &'l Labels) {
        self.order(labels);
    }

    /// Hands over each series that satisfies all matchers, in order of labels.
    pub(super) fn select<'l>(
        &self,
        matchers: &[&LabelMatcher],
        labels: impl Fn(usize) -> &'l Labels,
        mut found: impl FnMut(usize, &'l Labels),
    ) {
        let order = self.order(&labels);
        let mut look = |index: usize| {
            let labels = labels(index);
            if matchers.iter().all(|m| m.matches(labels)) {
                found(index, labels);
            }
        };
        match order.fewest(matchers) {
            Some(places) => places
                .iter()
                .for_each(|&at| look(order.sorted[at as usize])),
            None => order.sorted.iter().for_each(|&index| look(index)),
        }
    }

    fn order<'l>(&self, labels: impl Fn(usize) -> &'l Labels) -> &Order {
        self.order.get_or_init(|| {
            let mut sorted = self.members.clone();
            sorted.sort_by(|a, b| labels(*a).cmp(labels(*b)));
            let mut values: BTreeMap<String, BTreeMap<String, Vec<u32>>> = BTreeMap::new();
            if sorted.len() >= WORTH_INDEXING {
                for (place, &index) in (0..).zip(&sorted) {
                    for (name, value) in labels(index) {
                        if name == METRIC_NAME {
                            continue;
                        }
                        if !values.contains_key(name) {
                            values.insert(name.to_owned(), BTreeMap::new());
                        }
                        let of_name = values.get_mut(name).expect("invariant: inserted above");
                        match of_name.get_mut(value) {
                            Some(places) => places.push(place),
                            None => drop(of_name.insert(value.to_owned(), vec![place])),
                        }
                    }
                }
            }
            Order { sorted, values }
        })
    }
}

impl Order {
    /// The shortest list that holds all series wanted: of a matcher that names a value.
    fn fewest(&self, matchers: &[&LabelMatcher]) -> Option<&[u32]> {
        if self.values.is_empty() {
            return None;
        }
        let named = matchers.iter().map(|m| m.matcher());
        let lists = named
            .filter(|m| m.op == MatchOp::Equal && !m.value.is_empty())
            .map(|m| {
                let places = self.values.get(&m.name).and_then(|of| of.get(&m.value));
                places.map_or(&[][..], Vec::as_slice)
            });
        lists.min_by_key(|places| places.len())
    }
}
