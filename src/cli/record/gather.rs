//! Keeps of the samples that come what the rules read, and counts it by selector.

use std::collections::BTreeSet;
use std::sync::Arc;

use stentor_core::needs::{Need, Needs};
use stentor_lang::model::{Labels, METRIC_NAME, Timestamp};
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::store::{SampleBuffer, Samples, is_stale};
use stentor_lang::regex::LabelMatcher;

/// What has come so far.
pub(super) struct Gathered {
    pub(super) store: MemoryStore,
    pub(super) samples: usize,
    /// How many of them are staleness markers.
    pub(super) markers: usize,
    wanted: Vec<Wanted>,
    /// Metrics that the rules write: evaluating them makes these series.
    written: BTreeSet<Arc<str>>,
    /// Those of them that were left out.
    pub(super) left_out: BTreeSet<Arc<str>>,
}

/// A selector, ready to be asked.
struct Wanted {
    /// The selector as PromQL.
    text: String,
    matchers: Vec<LabelMatcher>,
    /// Time ranges without their first instants.
    ranges: Vec<(Timestamp, Timestamp)>,
    series: BTreeSet<Labels>,
    samples: usize,
}

impl Gathered {
    pub(super) fn new(
        needs: &Needs,
        written: BTreeSet<Arc<str>>,
        start: Timestamp,
        end: Timestamp,
    ) -> Self {
        let wanted = |need: &Need| Wanted {
            text: need.text.clone(),
            matchers: need
                .matchers
                .iter()
                .filter_map(|matcher| LabelMatcher::new(matcher).ok())
                .collect(),
            ranges: need.ranges(start, end),
            series: BTreeSet::new(),
            samples: 0,
        };
        Self {
            store: MemoryStore::default(),
            samples: 0,
            markers: 0,
            wanted: needs.selectors.iter().map(wanted).collect(),
            written,
            left_out: BTreeSet::new(),
        }
    }

    /// Takes in series, each with samples later than those that it had before.
    pub(super) fn add(&mut self, series: Vec<(Labels, SampleBuffer)>) {
        for (labels, samples) in series {
            self.one(&labels, &samples.as_samples());
        }
    }

    fn one(&mut self, labels: &Labels, samples: &Samples<'_>) {
        if let Some(name) = self.written.get(labels.get(METRIC_NAME)) {
            self.left_out.insert(Arc::clone(name));
            return;
        }
        let mut wanted: Vec<&mut Wanted> = self
            .wanted
            .iter_mut()
            .filter(|wanted| wanted.matchers.iter().all(|m| m.matches(labels)))
            .collect();
        let mut kept = SampleBuffer::default();
        for (index, at) in samples.times.iter().enumerate() {
            let mut is_read = false;
            for wanted in wanted.iter_mut().filter(|wanted| wanted.reads(*at)) {
                is_read = true;
                wanted.samples += 1;
                if !wanted.series.contains(labels) {
                    wanted.series.insert(labels.clone());
                }
            }
            if is_read {
                let histogram = samples.histogram(index);
                let value = histogram.map_or(samples.values[index], |histogram| histogram.sum);
                self.markers += usize::from(is_stale(value));
                if histogram.is_some() || !kept.histograms.is_empty() {
                    kept.histograms.resize(kept.times.len(), None);
                    kept.histograms.push(histogram.cloned());
                }
                kept.times.push(*at);
                kept.values.push(samples.values[index]);
            }
        }
        self.samples += kept.times.len();
        if !kept.times.is_empty() {
            self.store.insert(labels, kept);
        }
    }

    /// For each selector how many series and samples it found.
    pub(super) fn found(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        let of = |wanted: &Wanted| (wanted.series.len(), wanted.samples);
        self.wanted.iter().map(move |wanted| {
            let (series, samples) = of(wanted);
            (wanted.text.as_str(), series, samples)
        })
    }
}

impl Wanted {
    fn reads(&self, at: i64) -> bool {
        let at = Timestamp::from_millis(at);
        self.ranges
            .iter()
            .any(|(after, until)| *after < at && at <= *until)
    }
}
