//! A store as it is at a moment: what a run is given at once is seen only when its time has come.

use stentor_lang::model::Timestamp;
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::store::{SampleBuffer, Samples, SeriesId, SeriesStore, StoredSeries};
use stentor_lang::regex::LabelMatcher;

/// The samples up to `now`, included: to a rule that looks ahead (`offset -5m`, `@`) the rest does not
/// exist yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until<'a> {
    pub(super) store: &'a MemoryStore,
    pub(super) now: Timestamp,
}

impl SeriesStore for Until<'_> {
    fn select(
        &self,
        matchers: &[LabelMatcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<StoredSeries> {
        self.store.select(matchers, from, to.min(self.now))
    }

    fn samples<'a>(
        &'a self,
        series: SeriesId,
        from: Timestamp,
        to: Timestamp,
        buffer: &'a mut SampleBuffer,
    ) -> Samples<'a> {
        self.store.samples(series, from, to.min(self.now), buffer)
    }
}
