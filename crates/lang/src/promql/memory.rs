//! A store that holds its series in memory: what tests and fixtures are loaded into, and what rules write
//! their results to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::store::{SampleBuffer, Samples, SeriesId, SeriesStore, StoredSeries};
use crate::model::histogram::Histogram;
use crate::model::{LabelMap, Labels, METRIC_NAME, MatchOp, Timestamp};
use crate::regex::LabelMatcher;

/// Series in memory. Series are only added, never removed.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    series: LabelMap<SampleBuffer>,
    /// The series of each metric name, by index.
    by_name: BTreeMap<String, Vec<usize>>,
}

impl MemoryStore {
    /// Adds a number. A sample that is already there at that time is replaced; one from before the
    /// newest is put where it belongs.
    pub fn push(&mut self, labels: &Labels, at: Timestamp, value: f64) {
        let (buffer, index) = self.slot(labels, at);
        buffer.values[index] = value;
        if let Some(histogram) = buffer.histograms.get_mut(index) {
            *histogram = None;
        }
    }

    /// Adds a histogram, as [`push`](Self::push) does a number.
    pub fn push_histogram(&mut self, labels: &Labels, at: Timestamp, histogram: Arc<Histogram>) {
        let (buffer, index) = self.slot(labels, at);
        buffer.histograms.resize(buffer.times.len(), None);
        buffer.histograms[index] = Some(histogram);
    }

    /// Sets the start timestamp of the sample at that time, which must be there.
    pub fn set_start(&mut self, labels: &Labels, at: Timestamp, start: Timestamp) {
        let (buffer, index) = self.slot(labels, at);
        buffer.starts.resize(buffer.times.len(), 0);
        buffer.starts[index] = start.millis();
    }

    /// All series with their samples, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&Labels, Samples<'_>)> {
        self.series
            .iter()
            .map(|(labels, buffer)| (labels, buffer.as_samples()))
    }

    /// The place of a sample, made if it is not there.
    fn slot(&mut self, labels: &Labels, at: Timestamp) -> (&mut SampleBuffer, usize) {
        if !self.series.contains_key(labels) {
            let name = labels.get(METRIC_NAME).to_owned();
            self.by_name
                .entry(name)
                .or_default()
                .push(self.series.len());
            self.series.insert(labels.clone(), SampleBuffer::default());
        }
        let buffer = self
            .series
            .get_mut(labels)
            .expect("invariant: inserted above");
        let index = match buffer.times.last() {
            Some(&last) if last >= at.millis() => match buffer.times.binary_search(&at.millis()) {
                Ok(index) => return (buffer, index),
                Err(index) => index,
            },
            _ => buffer.times.len(),
        };
        buffer.times.insert(index, at.millis());
        buffer.values.insert(index, 0.0);
        if !buffer.histograms.is_empty() {
            buffer.histograms.insert(index, None);
        }
        if !buffer.starts.is_empty() {
            buffer.starts.insert(index, 0);
        }
        (buffer, index)
    }
}

impl SeriesStore for MemoryStore {
    fn select(&self, matchers: &[LabelMatcher], _: Timestamp, _: Timestamp) -> Vec<StoredSeries> {
        let name = matchers
            .iter()
            .map(LabelMatcher::matcher)
            .find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal);
        let candidates: Box<dyn Iterator<Item = usize>> = match name {
            Some(name) => Box::new(self.by_name.get(&name.value).into_iter().flatten().copied()),
            None => Box::new(0..self.series.len()),
        };
        let mut found = Vec::new();
        for index in candidates {
            let (labels, _) = self
                .series
                .get_index(index)
                .expect("invariant: series stay");
            if matchers.iter().all(|m| m.matches(labels)) {
                let id = SeriesId(index as u64);
                found.push(StoredSeries {
                    labels: labels.clone(),
                    id,
                });
            }
        }
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        found
    }

    fn samples<'a>(
        &'a self,
        series: SeriesId,
        from: Timestamp,
        to: Timestamp,
        _: &'a mut SampleBuffer,
    ) -> Samples<'a> {
        let index = usize::try_from(series.0).expect("invariant: an index of this store");
        let (_, buffer) = self
            .series
            .get_index(index)
            .expect("invariant: series stay");
        let first = buffer.times.partition_point(|&at| at < from.millis());
        let end = buffer.times.partition_point(|&at| at <= to.millis());
        buffer.as_samples().slice(first, end.max(first))
    }
}
