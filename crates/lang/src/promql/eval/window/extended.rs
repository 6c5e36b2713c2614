//! `anchored` and `smoothed`: ranges with the samples around their borders, and values between samples.

use std::sync::Arc;

use super::super::value::SampleValue;
use super::histogram::{MIXED_BUCKETS, NOT_COUNTER, NOT_GAUGE};
use super::over_time::MIXED;
use super::ranges::{Context, Floats, Histograms, OverRange, Window};
use super::rate::range_seconds;
use crate::model::histogram::{Histogram, ResetHint};
use crate::model::{Sample, Timestamp};
use crate::promql::ast::Extended;
use crate::promql::store::stale;

/// The functions that know ranges of a kind, in the words of upstream's errors.
pub(super) fn functions(extended: Extended) -> (&'static str, &'static [&'static str]) {
    match extended {
        Extended::Anchored => (
            "anchored",
            &["changes", "delta", "increase", "rate", "resets"],
        ),
        Extended::Smoothed => ("smoothed", &["delta", "increase", "rate"]),
    }
}

/// The first and the last sample that count, by index.
#[derive(Debug, Clone, Copy)]
struct Edges {
    first: usize,
    last: usize,
}

impl Edges {
    /// Those of at least one sample; none if all lie in front of or behind the range.
    fn of(times: &[i64], from: i64, to: i64, smoothed: bool) -> Option<Self> {
        let end = times.len().checked_sub(1)?;
        let first = times[..end]
            .partition_point(|&at| at <= from)
            .saturating_sub(1);
        let last = if smoothed {
            times[..end].partition_point(|&at| at < to)
        } else {
            end
        };
        let outside = times[last] <= from || (smoothed && times[first] > to);
        (!outside).then_some(Self { first, last })
    }

    /// The samples that lie between the borders of the range, as a range of indices.
    fn inside(self, times: &[i64], from: i64, to: i64) -> std::ops::Range<usize> {
        let first = self.first + usize::from(times[self.first] <= from);
        let end = self.last + usize::from(times[self.last] < to);
        first..end.max(first)
    }
}

/// `rate`, `increase` and `delta` of an extended range (upstream's `extendedRate`).
pub(super) struct ExtendedRate {
    pub is_counter: bool,
    /// Per second, rather than over the range.
    pub is_rate: bool,
    pub smoothed: bool,
}

impl OverRange for ExtendedRate {
    fn floats(&self, window: &Window<'_>, _: &mut Context<'_>) -> f64 {
        let floats = &window.floats;
        let (from, to) = (window.from, window.to);
        let Some(edges) = Edges::of(floats.times, from, to, self.smoothed) else {
            return stale();
        };
        let (left, right) = borders(floats, edges, from, to, self.smoothed, self.is_counter);
        let mut change = right - left;
        if self.is_counter {
            let inside = edges.inside(floats.times, from, to);
            change += resets(left, right, &floats.values[inside]);
        }
        if self.is_rate {
            change /= range_seconds(window);
        }
        change
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        if !window.floats.values.is_empty() {
            context.warn(MIXED);
            return None;
        }
        let change = self.histograms(window, context)?;
        Some(SampleValue::Histogram(Arc::new(change)))
    }
}

/// The values at the borders of a range: between the samples around them, or those of the nearest samples.
fn borders(
    floats: &Floats<'_>,
    edges: Edges,
    from: i64,
    to: i64,
    smoothed: bool,
    is_counter: bool,
) -> (f64, f64) {
    let Edges { first, last } = edges;
    let left = if smoothed && floats.times[first] < from {
        between(floats, first, from, is_counter)
    } else {
        floats.values[first]
    };
    let right = if smoothed && last > 0 && floats.times[last] > to {
        between(floats, last - 1, to, is_counter)
    } else {
        floats.values[last]
    };
    (left, right)
}

/// The value on the line from a sample to the next one. A counter that fell began from zero.
fn between(floats: &Floats<'_>, index: usize, at: i64, is_counter: bool) -> f64 {
    let (before, after) = (floats.times[index], floats.times[index + 1]);
    let (mut low, high) = (floats.values[index], floats.values[index + 1]);
    if is_counter && high < low {
        low = 0.0;
    }
    low + (high - low) * millis(at - before) / millis(after - before)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds, as upstream")]
fn millis(value: i64) -> f64 {
    value as f64
}

/// What a counter was before each fall.
fn resets(left: f64, right: f64, inside: &[f64]) -> f64 {
    let mut correction = 0.0;
    let mut before = left;
    for &value in inside {
        if value < before {
            correction += before;
        }
        before = value;
    }
    if right < before {
        correction += before;
    }
    correction
}

impl ExtendedRate {
    /// Upstream's `extendedHistogramRate`.
    fn histograms(&self, window: &Window<'_>, context: &Context<'_>) -> Option<Histogram> {
        let points = &window.histograms;
        let (from, to) = (window.from, window.to);
        let edges = Edges::of(points.times, from, to, self.smoothed)?;
        let Edges { first, last } = edges;
        self.check(&points.values[first..=last], context)?;
        let left = if self.smoothed && points.times[first] < from {
            histogram_between(points, first, from, self.is_counter, context)?
        } else {
            Histogram::clone(&points.values[first])
        };
        let right = if self.smoothed && last > 0 && points.times[last] > to {
            histogram_between(points, last - 1, to, self.is_counter, context)?
        } else {
            Histogram::clone(&points.values[last])
        };
        let is_gauge = |histogram: &Histogram| histogram.reset_hint == ResetHint::Gauge;
        if !(self.is_counter || is_gauge(&left) && is_gauge(&right)) {
            context.warn(NOT_GAUGE);
        }
        let mut change = right.clone();
        context.subtract(&mut change, &left)?;
        if self.is_counter {
            let skip = self.smoothed && points.times[first] < from;
            let correction = histogram_resets(points, edges, &left, &right, skip, context)?;
            if let Some(correction) = correction {
                context.add(&mut change, &correction)?;
            }
        }
        if self.is_rate {
            change.div(range_seconds(window));
        }
        change.reset_hint = ResetHint::Gauge;
        change.compact(0);
        Some(change)
    }

    /// Whether the histograms can be computed with; what speaks against it is noted.
    fn check(&self, points: &[Arc<Histogram>], context: &Context<'_>) -> Option<()> {
        let custom = points[0].has_custom_buckets();
        for histogram in points {
            if histogram.has_custom_buckets() != custom {
                context.warn(MIXED_BUCKETS);
                return None;
            }
            if self.is_counter && histogram.reset_hint == ResetHint::Gauge {
                context.warn(NOT_COUNTER);
            }
        }
        Some(())
    }
}

/// The histogram on the line from one to the next. A counter that was reset began from nothing.
fn histogram_between(
    points: &Histograms<'_>,
    index: usize,
    at: i64,
    is_counter: bool,
    context: &Context<'_>,
) -> Option<Histogram> {
    let (before, after) = (points.times[index], points.times[index + 1]);
    let (low, high) = (&points.values[index], &points.values[index + 1]);
    if at == before {
        return Some(Histogram::clone(low));
    }
    let mut result = Histogram::clone(high);
    if at == after {
        return Some(result);
    }
    let fraction = millis(at - before) / millis(after - before);
    if is_counter && high.detect_reset(low) {
        result.mul(fraction);
        return Some(result);
    }
    context.subtract(&mut result, low)?;
    result.mul(fraction);
    context.add(&mut result, low)?;
    Some(result)
}

/// What a counter was before each reset, if there was one (upstream's `correctForCounterResetsHistogram`).
/// `spanned`: the left border was computed between the first two.
#[expect(
    clippy::option_option,
    reason = "outside: whether it could be computed, inside: whether there was a reset"
)]
fn histogram_resets(
    points: &Histograms<'_>,
    edges: Edges,
    left: &Histogram,
    right: &Histogram,
    spanned: bool,
    context: &Context<'_>,
) -> Option<Option<Histogram>> {
    let mut first = edges.first + 1;
    let mut before = left;
    if spanned {
        let second = &points.values[first];
        if second.detect_reset(&points.values[edges.first]) {
            // The left border accounts for that reset.
            before = second;
            first += 1;
        }
    }
    // The last one is compared as the right border.
    if first > edges.last {
        return Some(None);
    }
    let mut correction: Option<Histogram> = None;
    let inside = points.values[first..edges.last].iter().map(Arc::as_ref);
    for histogram in inside.chain([right]) {
        if histogram.detect_reset(before) {
            match &mut correction {
                None => correction = Some(before.clone()),
                Some(correction) => context.add(correction, before)?,
            }
        }
        before = histogram;
    }
    Some(correction)
}

/// The value at an instant, between the samples around it (upstream's `smoothSeries`).
pub(super) struct Smoothed;

impl OverRange for Smoothed {
    fn floats(&self, window: &Window<'_>, _: &mut Context<'_>) -> f64 {
        let floats = &window.floats;
        match place(floats.times, window.to) {
            Place::At(index) | Place::After(index) => floats.values[index],
            Place::Between(index) => between(floats, index, window.to, false),
            Place::Before => stale(),
        }
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        if !window.floats.values.is_empty() {
            context.warn(MIXED);
            return None;
        }
        let points = &window.histograms;
        let histogram = match place(points.times, window.to) {
            Place::At(index) => Histogram::clone(&points.values[index]),
            Place::After(index) => {
                let mut histogram = Histogram::clone(&points.values[index]);
                histogram.reset_hint = ResetHint::Unknown;
                histogram
            }
            Place::Between(index) => {
                let pair = [&points.values[index], &points.values[index + 1]];
                if pair[0].has_custom_buckets() != pair[1].has_custom_buckets() {
                    context.warn(MIXED_BUCKETS);
                    return None;
                }
                let is_counter = pair.iter().any(|h| h.reset_hint != ResetHint::Gauge);
                histogram_between(points, index, window.to, is_counter, context)?
            }
            Place::Before => return None,
        };
        Some(SampleValue::Histogram(Arc::new(histogram)))
    }
}

/// Where an instant lies among samples.
enum Place {
    /// On one.
    At(usize),
    /// Between one and the next.
    Between(usize),
    /// Behind the last one.
    After(usize),
    /// In front of all.
    Before,
}

fn place(times: &[i64], at: i64) -> Place {
    let next = times.partition_point(|&time| time < at);
    if times.get(next) == Some(&at) {
        Place::At(next)
    } else if next == 0 {
        Place::Before
    } else if next < times.len() {
        Place::Between(next - 1)
    } else {
        Place::After(next - 1)
    }
}

/// The samples of a range as the whole of a query: those inside, and one at each border (upstream's
/// `extendFloats`).
pub(super) fn extend(floats: &Floats<'_>, from: i64, to: i64, smoothed: bool) -> Vec<Sample> {
    let Some(edges) = Edges::of(floats.times, from, to, smoothed) else {
        return Vec::new();
    };
    let (left, right) = borders(floats, edges, from, to, smoothed, false);
    let inside = edges.inside(floats.times, from, to);
    let inside = inside.map(|index| (floats.times[index], floats.values[index]));
    let all = std::iter::once((from, left))
        .chain(inside)
        .chain([(to, right)]);
    all.map(|(at, value)| Sample {
        at: Timestamp::from_millis(at),
        value,
    })
    .collect()
}
