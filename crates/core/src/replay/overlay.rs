//! Series with what rules are going to write laid over them, so that rules that read these series
//! can be evaluated over many slots at once.

use std::sync::Arc;

use stentor_lang::model::histogram::Histogram;
use stentor_lang::model::{LabelMap, Labels, Timestamp};
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::store::{SampleBuffer, Samples, SeriesId, SeriesStore, StoredSeries};
use stentor_lang::regex::LabelMatcher;

/// Series as they will be after some slots.
#[derive(Debug)]
pub(super) struct Overlay<'a> {
    base: &'a MemoryStore,
    /// The series that get samples: where their earlier ones are, if anywhere, and the new ones.
    over: LabelMap<(Option<SeriesId>, SampleBuffer)>,
}

/// Ids from here on are of series that get samples.
const OVER: u64 = 1 << 63;

/// Earlier samples of a series are later than new ones, or it gets samples from two rules: which
/// of them stay is decided slot by slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conflict;

impl<'a> Overlay<'a> {
    pub(super) fn new(base: &'a MemoryStore) -> Self {
        Self {
            base,
            over: LabelMap::default(),
        }
    }

    /// Adds samples of series that no rule has added samples to.
    pub(super) fn add(&mut self, series: Vec<(Labels, SampleBuffer)>) -> Result<(), Conflict> {
        for (labels, samples) in &series {
            let Some(first) = samples.times.first() else {
                continue;
            };
            let newest = self.base.find(labels).and_then(|id| self.base.newest(id));
            if self.over.contains_key(labels) || newest.is_some_and(|at| at.millis() >= *first) {
                return Err(Conflict);
            }
        }
        for (labels, samples) in series {
            let earlier = self.base.find(&labels);
            self.over.insert(labels, (earlier, samples));
        }
        Ok(())
    }
}

impl SeriesStore for Overlay<'_> {
    fn select(
        &self,
        matchers: &[LabelMatcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<StoredSeries> {
        let mut found = self.base.select(matchers, from, to);
        if self.over.is_empty() {
            return found;
        }
        found.retain(|series| !self.over.contains_key(&series.labels));
        let before = found.len();
        for (index, labels) in self.over.keys().enumerate() {
            if matchers.iter().all(|matcher| matcher.matches(labels)) {
                found.push(StoredSeries {
                    labels: labels.clone(),
                    id: SeriesId(OVER + index as u64),
                });
            }
        }
        if found.len() > before {
            found.sort_by(|a, b| a.labels.cmp(&b.labels));
        }
        found
    }

    fn samples<'b>(
        &'b self,
        series: SeriesId,
        from: Timestamp,
        to: Timestamp,
        buffer: &'b mut SampleBuffer,
    ) -> Samples<'b> {
        let Some(index) = series.0.checked_sub(OVER) else {
            return self.base.samples(series, from, to, buffer);
        };
        let index = usize::try_from(index).expect("invariant: an index of this overlay");
        let (earlier, new) = &self.over[index];
        let first = new.times.partition_point(|at| *at < from.millis());
        let end = new.times.partition_point(|at| *at <= to.millis());
        let new = new.as_samples().slice(first, end.max(first));
        let Some(earlier) = earlier else {
            return new;
        };
        buffer.clear();
        let mut none = SampleBuffer::default();
        append(buffer, &self.base.samples(*earlier, from, to, &mut none));
        append(buffer, &new);
        buffer.as_samples()
    }
}

/// Adds samples behind those of a buffer. What rules write has no start timestamps.
fn append(buffer: &mut SampleBuffer, samples: &Samples<'_>) {
    let before = buffer.times.len();
    buffer.times.extend_from_slice(samples.times);
    buffer.values.extend_from_slice(samples.values);
    if !samples.histograms.is_empty() || !buffer.histograms.is_empty() {
        let none: Option<Arc<Histogram>> = None;
        buffer.histograms.resize(before, none);
        buffer.histograms.extend_from_slice(samples.histograms);
        buffer.histograms.resize(buffer.times.len(), None);
    }
    if !samples.starts.is_empty() || !buffer.starts.is_empty() {
        buffer.starts.resize(before, 0);
        buffer.starts.extend_from_slice(samples.starts);
        buffer.starts.resize(buffer.times.len(), 0);
    }
}
