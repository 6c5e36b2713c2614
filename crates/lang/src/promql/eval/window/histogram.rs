//! Native histograms over ranges: their rates, sums and means.

use std::sync::Arc;

use super::super::annotation::Severity;
use super::ranges::{Context, Histograms};
use super::rate::{is_reset, overlap};
use crate::model::histogram::{Histogram, HistogramError, Merged, ResetHint};

pub(super) const NOT_COUNTER: &str = "this native histogram metric is not a counter:";
pub(super) const NOT_GAUGE: &str = "this native histogram metric is not a gauge:";
pub(super) const MIXED_BUCKETS: &str = "vector contains a mix of histograms with exponential and custom buckets schemas for metric name";
const OVERLAP: &str =
    "sample has start time that overlaps with previous sample timestamp for metric";

impl Context<'_> {
    pub(super) fn warn_overlap(&self) {
        self.warn(OVERLAP);
    }

    /// Notes that only common bounds were left. `doing`: `addition`, `subtraction`, `aggregation`.
    pub(super) fn hint_reconciled(&self, doing: &str) {
        let message = format!("mismatched custom buckets were reconciled during {doing}");
        self.shared.note(Severity::Info, message, self.span);
    }

    /// Adds to a histogram; none if that can not be done, which is noted.
    pub(super) fn add(&self, base: &mut Histogram, other: &Histogram) -> Option<()> {
        let merged = base.add(other);
        self.note_merged(merged, "addition")
    }

    /// Subtracts from a histogram; none if that can not be done, which is noted.
    pub(super) fn subtract(&self, base: &mut Histogram, other: &Histogram) -> Option<()> {
        let merged = base.sub(other);
        self.note_merged(merged, "subtraction")
    }

    fn note_merged(&self, merged: Result<Merged, HistogramError>, doing: &str) -> Option<()> {
        match merged {
            Err(_) => {
                self.warn(MIXED_BUCKETS);
                None
            }
            Ok(merged) => {
                if merged.bounds_reconciled {
                    self.hint_reconciled(doing);
                }
                Some(())
            }
        }
    }
}

/// How much histograms change from the first to the last of at least two (upstream's `histogramRate`). None
/// if they do not fit each other, which is noted.
pub(super) fn change(
    points: &Histograms<'_>,
    is_counter: bool,
    context: &Context<'_>,
) -> Option<Histogram> {
    let (first, last) = (&points.values[0], &points.values[points.values.len() - 1]);
    let is_gauge = |histogram: &Histogram| histogram.reset_hint == ResetHint::Gauge;
    let mut notes = Notes::default();
    if is_counter && (is_gauge(first) || is_gauge(last)) {
        notes.not_counter = true;
    }
    // Where the counter began anew right behind the first one, that one need not fit the others.
    let mut base: &Histogram = first;
    let blank;
    if is_counter && begins_anew(points, 1, first) {
        let second = &points.values[1];
        blank = Histogram {
            schema: second.schema,
            custom_values: second.custom_values.clone(),
            ..Histogram::default()
        };
        base = &blank;
    }
    let custom = base.has_custom_buckets();
    if last.has_custom_buckets() != custom {
        notes.write(context);
        context.warn(MIXED_BUCKETS);
        return None;
    }
    let mut schema = last.schema.min(base.schema);
    if is_counter {
        for histogram in &points.values[1..points.values.len() - 1] {
            notes.not_counter |= is_gauge(histogram);
            schema = schema.min(histogram.schema);
            if histogram.has_custom_buckets() != custom {
                context.warn(MIXED_BUCKETS);
                return None;
            }
        }
    }
    let mut change = Histogram::clone(last);
    if schema < change.schema {
        change.reduce_resolution(schema).ok()?;
    }
    let Ok(merged) = change.sub(base) else {
        context.warn(MIXED_BUCKETS);
        return None;
    };
    notes.subtracted = merged.bounds_reconciled;
    if is_counter {
        add_resets(points, base, &mut change, &mut notes, context)?;
    } else if !is_gauge(first) || !is_gauge(last) {
        notes.not_gauge = true;
    }
    notes.write(context);
    change.reset_hint = ResetHint::Gauge;
    change.compact(0);
    Some(change)
}

/// What was noticed on the way. A failure later on forgets it, as upstream.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each annotation")]
struct Notes {
    not_counter: bool,
    not_gauge: bool,
    subtracted: bool,
    added: bool,
    overlap: bool,
}

impl Notes {
    fn write(&self, context: &Context<'_>) {
        if self.not_counter {
            context.warn(NOT_COUNTER);
        }
        if self.not_gauge {
            context.warn(NOT_GAUGE);
        }
        if self.overlap {
            context.warn_overlap();
        }
        if self.subtracted {
            context.hint_reconciled("subtraction");
        }
        if self.added {
            context.hint_reconciled("addition");
        }
    }
}

/// Whether a histogram begins anew after `before`, which is the one in front of it.
fn begins_anew(points: &Histograms<'_>, index: usize, before: &Histogram) -> bool {
    starts_anew(points, index) || points.values[index].detect_reset(before)
}

fn starts_anew(points: &Histograms<'_>, index: usize) -> bool {
    let (starts, times) = (points.starts, points.times);
    !starts.is_empty()
        && is_reset(
            starts[index - 1],
            times[index - 1],
            starts[index],
            times[index],
        )
}

/// Adds what a counter was before each reset.
fn add_resets<'h>(
    points: &Histograms<'h>,
    base: &'h Histogram,
    change: &mut Histogram,
    notes: &mut Notes,
    context: &Context<'_>,
) -> Option<()> {
    let mut before = base;
    for index in 1..points.values.len() {
        if let Some(&start) = points.starts.get(index) {
            notes.overlap |= overlap(points.starts[index - 1], points.times[index - 1], start);
        }
        if begins_anew(points, index, before) {
            let Ok(merged) = change.add(before) else {
                context.warn(MIXED_BUCKETS);
                return None;
            };
            notes.added |= merged.bounds_reconciled;
        }
        before = &points.values[index];
    }
    Some(())
}

/// Which hints there were, and whether bounds differed.
#[derive(Default)]
struct Seen {
    reset: bool,
    no_reset: bool,
    reconciled: bool,
}

impl Seen {
    fn track(&mut self, histogram: &Histogram) {
        self.reset |= histogram.reset_hint == ResetHint::Reset;
        self.no_reset |= histogram.reset_hint == ResetHint::NotReset;
    }

    fn finish(
        self,
        result: Result<Histogram, HistogramError>,
        context: &Context<'_>,
    ) -> Option<Arc<Histogram>> {
        let Ok(histogram) = result else {
            context.warn(MIXED_BUCKETS);
            return None;
        };
        if self.reset && self.no_reset {
            let message = "conflicting counter resets during histogram aggregation";
            context
                .shared
                .note(Severity::Warning, message, context.span);
        }
        if self.reconciled {
            context.hint_reconciled("aggregation");
        }
        Some(Arc::new(histogram))
    }
}

/// The sum of at least one histogram.
pub(super) fn sum(all: &[Arc<Histogram>], context: &Context<'_>) -> Option<Arc<Histogram>> {
    let mut seen = Seen::default();
    let result = try_sum(all, &mut seen);
    seen.finish(result, context)
}

fn try_sum(all: &[Arc<Histogram>], seen: &mut Seen) -> Result<Histogram, HistogramError> {
    let mut sum = Histogram::clone(&all[0]);
    seen.track(&sum);
    let mut lost = None;
    for histogram in &all[1..] {
        seen.track(histogram);
        seen.reconciled |= sum.kahan_add(histogram, &mut lost)?.bounds_reconciled;
    }
    if let Some(lost) = lost {
        seen.reconciled |= sum.add(&lost)?.bounds_reconciled;
    }
    Ok(sum)
}

/// The mean of at least one histogram.
pub(super) fn mean(all: &[Arc<Histogram>], context: &Context<'_>) -> Option<Arc<Histogram>> {
    let mut seen = Seen::default();
    let result = try_mean(all, &mut seen);
    seen.finish(result, context)
}

#[expect(clippy::cast_precision_loss, reason = "counts, as upstream")]
fn try_mean(all: &[Arc<Histogram>], seen: &mut Seen) -> Result<Histogram, HistogramError> {
    for histogram in all {
        seen.track(histogram);
    }
    let mut sum = Histogram::clone(&all[0]);
    let mut lost: Option<Histogram> = None;
    for (index, histogram) in all.iter().enumerate().skip(1) {
        let (mut next, mut next_lost) = (sum.clone(), lost.clone());
        let merged = next.kahan_add(histogram, &mut next_lost)?;
        seen.reconciled |= merged.bounds_reconciled;
        if next.has_overflow() {
            return moving_mean(&all[index..], index as f64, sum, lost, seen);
        }
        (sum, lost) = (next, next_lost);
    }
    let count = all.len() as f64;
    sum.div(count);
    if let Some(mut lost) = lost {
        lost.div(count);
        sum.add(&lost)?;
    }
    Ok(sum)
}

/// Goes on with histograms that the sum of the `count` before them cannot take in.
fn moving_mean(
    rest: &[Arc<Histogram>],
    mut count: f64,
    mut mean: Histogram,
    mut lost: Option<Histogram>,
    seen: &mut Seen,
) -> Result<Histogram, HistogramError> {
    mean.div(count);
    if let Some(lost) = &mut lost {
        lost.div(count);
    }
    for histogram in rest {
        count += 1.0;
        let part = (count - 1.0) / count;
        if let Some(lost) = &mut lost {
            lost.mul(part);
        }
        let mut share = Histogram::clone(histogram);
        share.div(count);
        mean.mul(part);
        seen.reconciled |= mean.kahan_add(&share, &mut lost)?.bounds_reconciled;
    }
    if let Some(lost) = lost {
        mean.add(&lost)?;
    }
    Ok(mean)
}
