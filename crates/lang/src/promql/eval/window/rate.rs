//! `rate`, `increase`, `delta` over a whole range, `irate` and `idelta` between its last two samples.

use std::sync::Arc;

use super::super::value::SampleValue;
use super::histogram;
use super::over_time::MIXED;
use super::ranges::{Bounds, Context, Floats, OverRange, Ranges, Window};
use crate::model::histogram::{Histogram, ResetHint};
use crate::promql::store::stale;

/// How much a counter or gauge changes over a range, extrapolated to the borders of the range
/// (upstream's `extrapolatedRate`).
pub(super) struct Rate {
    /// A counter only rises, except when it begins anew.
    is_counter: bool,
    /// Per second, rather than over the range.
    is_rate: bool,
}

impl Rate {
    pub(super) const RATE: Self = Self {
        is_counter: true,
        is_rate: true,
    };
    pub(super) const INCREASE: Self = Self {
        is_counter: true,
        is_rate: false,
    };
    pub(super) const DELTA: Self = Self {
        is_counter: false,
        is_rate: false,
    };

    /// What the counter rose by before it fell, at each fall, added to `change`.
    fn add_resets(floats: &Floats<'_>, mut change: f64, context: &Context<'_>) -> f64 {
        if floats.starts.is_empty() {
            for pair in floats.values.windows(2) {
                if pair[1] < pair[0] {
                    change += pair[0];
                }
            }
            return change;
        }
        let mut overlaps = false;
        for index in 1..floats.values.len() {
            let (start, before) = (floats.starts[index], floats.starts[index - 1]);
            let previous = floats.times[index - 1];
            overlaps |= overlap(before, previous, start);
            if floats.values[index] < floats.values[index - 1]
                || is_reset(before, previous, start, floats.times[index])
            {
                change += floats.values[index - 1];
            }
        }
        if overlaps {
            context.warn_overlap();
        }
        change
    }
}

impl Rate {
    /// The value of a range, if it is not empty, without any knowledge of others.
    #[inline(never)]
    fn alone(&self, ranges: &Ranges<'_>, step: usize, context: &mut Context<'_>) -> f64 {
        let window = ranges.window(step);
        window.map_or(stale(), |window| self.floats(&window, context))
    }

    /// The value of a range in whose front the counter may have been zero.
    #[inline(never)]
    fn near_zero(&self, ranges: &Ranges<'_>, step: usize, change: f64) -> f64 {
        let window = ranges.window(step);
        window.map_or(stale(), |window| {
            self.extrapolate(&window, change, range_seconds(&window))
        })
    }

    /// The change from the first to the last number of a range, extended to its borders.
    fn extrapolate(&self, window: &Window<'_>, mut change: f64, seconds: f64) -> f64 {
        let floats = &window.floats;
        let end = floats.values.len() - 1;
        let edges = Edges {
            first: floats.times[0],
            last: floats.times[end],
            gaps: end,
            start: floats.starts.first().copied().unwrap_or(0),
        };
        let first = floats.values[0];
        if self.is_counter && edges.begins_inside(window) {
            change += first;
        } else if end == 0 {
            return stale();
        }
        let zero = (change > 0.0 && first >= 0.0).then(|| first / change);
        change * edges.factor(window, self, zero, seconds)
    }
}

impl OverRange for Rate {
    fn floats(&self, window: &Window<'_>, context: &mut Context<'_>) -> f64 {
        let floats = &window.floats;
        let mut change = floats.values[floats.values.len() - 1] - floats.values[0];
        if self.is_counter {
            change = Self::add_resets(floats, change, context);
        }
        self.extrapolate(window, change, range_seconds(window))
    }

    /// Finds the places where the counter fell once, and no range looks at its other samples.
    fn sweep(&self, ranges: &Ranges<'_>, context: &mut Context<'_>, out: &mut [f64]) {
        let Floats { values, starts, .. } = ranges.floats;
        let mut falls: Vec<usize> = Vec::new();
        if self.is_counter && starts.is_empty() {
            let pairs = values.windows(2).enumerate();
            let fallen = pairs.filter(|(_, pair)| pair[1] < pair[0]);
            falls.extend(fallen.map(|(index, _)| index + 1));
        }
        let times = ranges.floats.times;
        let mut first_fall = 0;
        let mut known = Factor::default();
        for (step, out) in out.iter_mut().enumerate() {
            let bounds = ranges.bounds[step];
            if bounds.len() < 2 || !starts.is_empty() {
                *out = self.alone(ranges, step, context);
                continue;
            }
            let Bounds { first, end } = bounds;
            let mut change = values[end - 1] - values[first];
            while falls.get(first_fall).is_some_and(|&fall| fall <= first) {
                first_fall += 1;
            }
            for &fall in falls[first_fall..].iter().take_while(|&&fall| fall < end) {
                change += values[fall - 1];
            }
            let at_first = values[first];
            // At twice its rise above zero, it was not zero within one more gap: see `Edges::factor`.
            let near_zero =
                self.is_counter && change > 0.0 && at_first >= 0.0 && at_first <= change * 2.0;
            if near_zero {
                *out = self.near_zero(ranges, step, change);
                continue;
            }
            let to = ranges.geometry.end(step);
            let to_first = times[first] - to.saturating_sub(ranges.geometry.length);
            let (span, to_end) = (times[end - 1] - times[first], to - times[end - 1]);
            if !known.fits(to_first, span, to_end, end - first) {
                known = Factor::of(self, ranges, step);
            }
            *out = change * known.value;
        }
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        if !window.floats.values.is_empty() {
            context.warn(MIXED);
            return None;
        }
        let points = &window.histograms;
        let end = points.values.len() - 1;
        let first = &points.values[0];
        let mut change = match end {
            0 => None,
            _ => Some(histogram::change(points, self.is_counter, context)?),
        };
        let edges = Edges {
            first: points.times[0],
            last: points.times[end],
            gaps: end,
            start: points.starts.first().copied().unwrap_or(0),
        };
        if self.is_counter && edges.begins_inside(window) {
            match &mut change {
                None => change = Some(Histogram::clone(first)),
                Some(change) => context.add(change, first)?,
            }
        }
        let mut change = change?;
        let rose = change.count > 0.0 && first.count >= 0.0;
        let zero = rose.then(|| first.count / change.count);
        change.mul(edges.factor(window, self, zero, range_seconds(window)));
        Some(SampleValue::Histogram(Arc::new(change)))
    }
}

/// The factor of a range whose counter was not near zero: it depends on the times alone, and these mostly are the same
/// in each range, as seen from its borders.
#[derive(Default)]
struct Factor {
    /// From the border to the first sample.
    to_first: i64,
    /// From the first sample to the last one.
    span: i64,
    /// From the last sample to the border.
    to_end: i64,
    /// How many samples there are.
    count: usize,
    /// By which the change is multiplied.
    value: f64,
}

impl Factor {
    #[inline]
    fn fits(&self, to_first: i64, span: i64, to_end: i64, count: usize) -> bool {
        let same = self.to_first == to_first && self.span == span;
        same && self.to_end == to_end && self.count == count
    }

    #[inline(never)]
    fn of(rate: &Rate, ranges: &Ranges<'_>, step: usize) -> Self {
        let Some(window) = ranges.window(step) else {
            return Self::default();
        };
        let times = window.floats.times;
        let count = times.len();
        let edges = Edges {
            first: times[0],
            last: times[count - 1],
            gaps: count - 1,
            start: 0,
        };
        Self {
            to_first: edges.first - window.from,
            span: edges.last - edges.first,
            to_end: window.to - edges.last,
            count,
            value: edges.factor(&window, rate, None, range_seconds(&window)),
        }
    }
}

/// The first and the last sample of a range.
struct Edges {
    first: i64,
    last: i64,
    /// How many gaps lie between them: one less than there are samples.
    gaps: usize,
    /// The start timestamp of the first one, or 0.
    start: i64,
}

impl Edges {
    /// Whether the series began inside the range, with zero.
    fn begins_inside(&self, window: &Window<'_>) -> bool {
        self.start != 0 && self.start > window.from && self.start < self.first
    }

    /// What the change between the samples is multiplied by. `zero`: for a counter that rose, by which part
    /// of its rise it is above zero at first. `length`: that of the range, in seconds.
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds and counts, as upstream"
    )]
    fn factor(&self, window: &Window<'_>, rate: &Rate, zero: Option<f64>, length: f64) -> f64 {
        let seconds = |millis: i64| millis as f64 / 1000.0;
        let mut to_start = seconds(self.first - window.from);
        let mut to_end = seconds(window.to - self.last);
        let mut sampled = seconds(self.last - self.first);
        let between = if self.gaps > 0 {
            sampled / self.gaps as f64
        } else {
            0.0
        };
        let threshold = between * 1.1;
        if rate.is_counter && self.begins_inside(window) {
            to_start = 0.0;
            sampled = seconds(self.last - self.start);
        } else {
            if to_start >= threshold {
                to_start = between / 2.0;
            }
            // A counter was not below zero.
            if let Some(part) = zero.filter(|_| rate.is_counter) {
                let to_zero = sampled * part;
                if to_zero < to_start {
                    to_start = to_zero;
                }
            }
        }
        if to_end >= threshold {
            to_end = between / 2.0;
        }
        let mut factor = 1.0;
        if sampled != 0.0 {
            factor = (sampled + to_start + to_end) / sampled;
        }
        if rate.is_rate {
            factor /= length;
        }
        factor
    }
}

/// The length of a range as Go's `Duration.Seconds` rounds it.
#[expect(clippy::cast_precision_loss, reason = "milliseconds, as upstream")]
pub(super) fn range_seconds(window: &Window<'_>) -> f64 {
    let length = window.to - window.from;
    (length / 1000) as f64 + (length % 1000 * 1_000_000) as f64 / 1e9
}

/// Whether a start timestamp says that the counter began anew between two samples.
pub(super) fn is_reset(before: i64, previous: i64, start: i64, at: i64) -> bool {
    if start == 0 || start >= at || start < previous {
        return false;
    }
    if start > previous {
        return true;
    }
    // It points at the sample before: a delta, unless the start of that one is unknown or invalid.
    before <= previous && before != 0 && before != previous
}

/// Whether a sample claims to have begun before the one in front of it was taken.
pub(super) fn overlap(before: i64, previous: i64, start: i64) -> bool {
    start != 0 && start < previous && start != before
}

/// The change between the last two samples of a range (upstream's `instantValue`).
pub(super) struct Instantaneous {
    /// `irate`: per second, and of a counter.
    pub is_rate: bool,
}

impl Instantaneous {
    /// The change between the last two histograms, which are there.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds, as upstream")]
    fn histograms(&self, window: &Window<'_>, context: &Context<'_>) -> Option<Histogram> {
        let points = &window.histograms;
        let first = points.values.len() - 2;
        let (before, last) = (&points.values[first], &points.values[first + 1]);
        let (previous, at) = (points.times[first], points.times[first + 1]);
        let gauges = [before, last].map(|histogram| histogram.reset_hint == ResetHint::Gauge);
        if self.is_rate && gauges.contains(&true) {
            context.warn(histogram::NOT_COUNTER);
        }
        if !self.is_rate && gauges.contains(&false) {
            context.warn(histogram::NOT_GAUGE);
        }
        let start = |index: usize| points.starts.get(index).copied().unwrap_or(0);
        let mut change = Histogram::clone(last);
        let begins_anew = self.is_rate
            && (is_reset(start(first), previous, start(first + 1), at)
                || last.detect_reset(before));
        if !begins_anew {
            context.subtract(&mut change, before)?;
        }
        change.reset_hint = ResetHint::Gauge;
        change.compact(0);
        if self.is_rate {
            change.div((at - previous) as f64 / 1000.0);
        }
        Some(change)
    }
}

impl OverRange for Instantaneous {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds, as upstream")]
    fn floats(&self, window: &Window<'_>, _: &mut Context<'_>) -> f64 {
        let floats = &window.floats;
        let Some(first) = floats.values.len().checked_sub(2) else {
            return stale();
        };
        let (before, value) = (floats.values[first], floats.values[first + 1]);
        let (previous, at) = (floats.times[first], floats.times[first + 1]);
        let start = |index: usize| floats.starts.get(index).copied().unwrap_or(0);
        let fell = value < before || is_reset(start(first), previous, start(first + 1), at);
        if !self.is_rate {
            return value - before;
        }
        let change = if fell { value } else { value - before };
        change / ((at - previous) as f64 / 1000.0)
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        let last = |times: &[i64]| times.len().saturating_sub(2)..times.len();
        let (floats, histograms) = (&window.floats, &window.histograms);
        let floats = last(floats.times).map(|index| (floats.times[index], index, true));
        let histograms =
            last(histograms.times).map(|index| (histograms.times[index], index, false));
        let mut points: Vec<(i64, usize, bool)> = floats.chain(histograms).collect();
        points.sort_unstable();
        let [.., first, second] = points[..] else {
            return None;
        };
        match (first.2, second.2) {
            (true, true) => Some(SampleValue::Float(self.floats(window, context))),
            (false, false) => {
                let change = self.histograms(window, context)?;
                Some(SampleValue::Histogram(Arc::new(change)))
            }
            _ => {
                context.warn(MIXED);
                None
            }
        }
    }
}
