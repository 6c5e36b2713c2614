//! A sequence as the samples that a database hands back: what scripts and unit tests load.

use std::sync::Arc;

use super::read::CODE;
use super::{Entry, Sequence};
use crate::model::histogram::{Buckets, CUSTOM_BUCKETS, Histogram, ResetHint};
use crate::model::{Diagnostic, Duration, Timestamp};
use crate::promql::store::{SampleBuffer, is_stale};

impl Sequence {
    /// The samples with their times, the first at `start`. `starts` are the start timestamps, in
    /// milliseconds relative to the samples.
    ///
    /// # Errors
    /// The sequence has more than `limit` positions, and the error points at the item that goes beyond;
    /// or a histogram is one that the database does not take.
    pub fn samples(
        &self,
        start: Timestamp,
        step: Duration,
        starts: Option<&Self>,
        limit: u64,
    ) -> Result<SampleBuffer, Diagnostic> {
        self.within(limit)?;
        self.first_samples(start, step, starts, limit)
    }

    /// The same for the first `count` positions alone.
    ///
    /// # Errors
    /// One of them is a histogram that the database does not take.
    pub fn first_samples(
        &self,
        start: Timestamp,
        step: Duration,
        starts: Option<&Self>,
        count: u64,
    ) -> Result<SampleBuffer, Diagnostic> {
        let mut samples = SampleBuffer::default();
        let has_histograms = !self.is_numeric();
        let mut starts = starts.map(Self::iter);
        let mut previous: Option<Arc<Histogram>> = None;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        for (index, entry) in (0..).zip(self.iter()).take(count) {
            let offset = starts.as_mut().map(Iterator::next);
            let (value, histogram) = match entry {
                Entry::Gap => continue,
                Entry::Float(value) => (value, None),
                Entry::Histogram(histogram, _) => {
                    self.check(&histogram, index)?;
                    let hint = stored_hint(previous.as_deref(), &histogram);
                    (0.0, Some(with_hint(histogram, hint)))
                }
            };
            let at = start + step.times(index);
            samples.times.push(at.millis());
            samples.values.push(value);
            if has_histograms {
                samples.histograms.push(histogram.clone());
                previous = histogram;
            }
            if let Some(offset) = offset {
                samples.starts.push(start_time(at, offset.as_ref()));
            }
        }
        Ok(samples)
    }

    /// Refuses a histogram, the one at that position, that the database refuses.
    fn check(&self, histogram: &Histogram, position: i64) -> Result<(), Diagnostic> {
        histogram.validate().map_err(|why| {
            let message = format!("histogram at position {position}: {why}");
            Diagnostic::error(CODE, self.place(position.unsigned_abs()), message)
        })
    }
}

/// Zero where none is known.
#[expect(clippy::cast_possible_truncation, reason = "was whole milliseconds")]
fn start_time(at: Timestamp, offset: Option<&Entry>) -> i64 {
    match offset {
        Some(Entry::Float(offset)) => (at + Duration::from_millis(*offset as i64)).millis(),
        _ => 0,
    }
}

fn with_hint(histogram: Arc<Histogram>, hint: ResetHint) -> Arc<Histogram> {
    if histogram.reset_hint == hint {
        return histogram;
    }
    let mut histogram = Arc::unwrap_or_clone(histogram);
    histogram.reset_hint = hint;
    Arc::new(histogram)
}

/// The counter reset hint that Prometheus' database hands back. It holds histograms in chunks without
/// resets: the first of a chunk has an unknown hint, whatever it was written with, and the others have none
/// before them (`tsdb/chunkenc`, `counterResetHint` and `appendable`).
pub fn stored_hint(previous: Option<&Histogram>, next: &Histogram) -> ResetHint {
    if next.reset_hint == ResetHint::Gauge {
        return ResetHint::Gauge;
    }
    if is_stale(next.sum) {
        return ResetHint::Unknown;
    }
    match previous {
        Some(previous) if continues(previous, next) => ResetHint::NotReset,
        _ => ResetHint::Unknown,
    }
}

/// Whether a histogram can stand in one chunk with the one before it.
fn continues(previous: &Histogram, next: &Histogram) -> bool {
    let same_layout = previous.schema == next.schema
        && previous.zero_threshold == next.zero_threshold
        && (next.schema != CUSTOM_BUCKETS || previous.custom_values == next.custom_values);
    let is_smaller = next.count < previous.count || next.zero_count < previous.zero_count;
    let kinds_fit = previous.reset_hint != ResetHint::Gauge && next.reset_hint != ResetHint::Reset;
    same_layout
        && kinds_fit
        && !is_stale(previous.sum)
        && !is_smaller
        && grow(&previous.positive, &next.positive)
        && grow(&previous.negative, &next.negative)
}

/// Whether no bucket became smaller.
fn grow(previous: &Buckets, next: &Buckets) -> bool {
    let mut later = next.cells().peekable();
    let mut populated = previous.cells().filter(|(_, count)| *count != 0.0);
    populated.all(|(index, count)| {
        while later.next_if(|(at, _)| *at < index).is_some() {}
        later
            .next_if(|(at, _)| *at == index)
            .is_some_and(|(_, now)| now >= count)
    })
}
