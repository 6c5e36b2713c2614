//! What rules write, put into the series in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use stentor_lang::model::{Shape, Timestamp};
use stentor_lang::promql::memory::{AppendError, MemoryStore};
use stentor_lang::promql::store::{SeriesId, stale};

use crate::engine::Written;

/// Shapes whose series are remembered; when there are more, all are forgotten and looked up anew.
const MAX_KNOWN: usize = 10_000;

/// Where the series of shapes are in the store, so that a rule that writes the same series again
/// looks none up.
#[derive(Debug, Default)]
pub(super) struct Writes {
    /// By the address of the shape, which lives as long as its entry.
    known: BTreeMap<usize, (Arc<Shape>, Vec<SeriesId>)>,
}

impl Writes {
    /// Adds what a rule wrote; says what was refused last, which is the rule's error as in
    /// Prometheus. Marks that end series are refused without a word there too.
    pub(super) fn add(
        &mut self,
        store: &mut MemoryStore,
        written: &Written,
        now: Timestamp,
    ) -> Result<(), AppendError> {
        let mut result = Ok(());
        let series = self.series(store, &written.shape);
        for (index, id) in series.iter().enumerate() {
            let histogram = written.histograms.get(index).and_then(Option::as_ref);
            let value = written.values[index];
            if let Err(error) = store.append(*id, written.at, value, histogram, now) {
                result = Err(error);
            }
        }
        for labels in &written.stale {
            let id = store.series(labels);
            let _ = store.append(id, written.at, stale(), None, now);
        }
        result
    }

    fn series(&mut self, store: &mut MemoryStore, shape: &Arc<Shape>) -> &[SeriesId] {
        let key = Arc::as_ptr(shape).addr();
        if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&key) {
            self.known.clear();
        }
        let (_, series) = self.known.entry(key).or_insert_with(|| {
            let series = shape.series.iter().map(|labels| store.series(labels));
            (Arc::clone(shape), series.collect())
        });
        series
    }
}
