//! `sum_over_time` and its like: one number from the samples of a range.

use super::super::value::SampleValue;
use super::histogram;
use super::lanes::{LANES, Sums, side_by_side};
use super::ranges::{Bounds, Context, OverRange, Ranges, Window};
use crate::model::number::kahan_add;

pub(super) const MIXED: &str = "encountered a mix of histograms and floats for metric name";
pub(super) const IGNORED: &str =
    "ignored histograms in a range containing both floats and histograms for metric name";

/// The value of the numbers of a range, with a hint that the histograms are ignored.
pub(super) fn ignoring(
    function: &impl OverRange,
    window: &Window<'_>,
    context: &mut Context<'_>,
) -> Option<SampleValue> {
    if window.floats.values.is_empty() {
        return None;
    }
    context.hint(IGNORED);
    Some(SampleValue::Float(function.floats(window, context)))
}

/// Goes over the steps by as many as there are lanes, as long as no range among them is empty; else, and for the
/// rest, step by step.
#[inline]
fn in_lanes(
    function: &impl OverRange,
    ranges: &Ranges<'_>,
    context: &mut Context<'_>,
    out: &mut [f64],
    mut work: impl FnMut(&[Bounds; LANES], &mut [f64]),
) {
    for (group, out) in out.chunks_mut(LANES).enumerate() {
        if context.shared.is_canceled() {
            break;
        }
        let first = group * LANES;
        let bounds = &ranges.bounds[first..first + out.len()];
        match <&[Bounds; LANES]>::try_from(bounds) {
            Ok(lanes) if lanes.iter().all(|range| range.len() > 0) => work(lanes, out),
            _ => {
                for (step, out) in (first..).zip(out) {
                    if let Some(window) = ranges.window(step) {
                        *out = function.floats(&window, context);
                    }
                }
            }
        }
    }
}

fn total(sum: f64, lost: f64) -> f64 {
    if sum.is_infinite() { sum } else { sum + lost }
}

/// `sum_over_time`
pub(super) struct Sum;

impl OverRange for Sum {
    fn floats(&self, window: &Window<'_>, _: &mut Context<'_>) -> f64 {
        let (mut sum, mut lost) = (0.0, 0.0);
        for &value in window.floats.values {
            (sum, lost) = kahan_add(value, sum, lost);
        }
        total(sum, lost)
    }

    fn sweep(&self, ranges: &Ranges<'_>, context: &mut Context<'_>, out: &mut [f64]) {
        let values = ranges.floats.values;
        in_lanes(self, ranges, context, out, |lanes, out| {
            let mut sums = Sums::from([0.0; LANES]);
            let common = side_by_side(values, lanes, 0, |_, now| sums.add(now));
            for (lane, (range, out)) in lanes.iter().zip(out).enumerate() {
                let (from, (mut sum, mut lost)) = match sums.of(lane) {
                    Some(sums) => (range.first + common, sums),
                    None => (range.first, (0.0, 0.0)),
                };
                for &value in &values[from..range.end] {
                    (sum, lost) = kahan_add(value, sum, lost);
                }
                *out = total(sum, lost);
            }
        });
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        if !window.floats.values.is_empty() {
            context.warn(MIXED);
            return None;
        }
        histogram::sum(window.histograms.values, context).map(SampleValue::Histogram)
    }
}

/// `avg_over_time`: the sum divided by the count; where the sum overflows, a mean that moves.
pub(super) struct Average;

impl OverRange for Average {
    fn floats(&self, window: &Window<'_>, _: &mut Context<'_>) -> f64 {
        mean(window.floats.values)
    }

    #[expect(clippy::cast_precision_loss, reason = "a count, as upstream")]
    fn sweep(&self, ranges: &Ranges<'_>, context: &mut Context<'_>, out: &mut [f64]) {
        let values = ranges.floats.values;
        in_lanes(self, ranges, context, out, |lanes, out| {
            let mut sums = Sums::from(lanes.map(|range| values[range.first]));
            let common = side_by_side(values, lanes, 1, |_, now| sums.add(now));
            for (lane, (range, out)) in lanes.iter().zip(out).enumerate() {
                let rest = &values[range.first + common..range.end];
                *out = match sums.of(lane).and_then(|sums| add_all(rest, sums)) {
                    Some((sum, lost)) => {
                        let count = range.len() as f64;
                        sum / count + lost / count
                    }
                    None => mean(&values[range.first..range.end]),
                };
            }
        });
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        if !window.floats.values.is_empty() {
            context.warn(MIXED);
            return None;
        }
        histogram::mean(window.histograms.values, context).map(SampleValue::Histogram)
    }
}

/// Adds values to a sum and what it lost; none if the sum overflows.
fn add_all(values: &[f64], (mut sum, mut lost): (f64, f64)) -> Option<(f64, f64)> {
    for &value in values {
        (sum, lost) = kahan_add(value, sum, lost);
    }
    sum.is_finite().then_some((sum, lost))
}

#[expect(clippy::cast_precision_loss, reason = "a count, as upstream")]
fn mean(values: &[f64]) -> f64 {
    let (mut sum, mut lost) = (values[0], 0.0);
    for (index, &value) in values.iter().enumerate().skip(1) {
        let (next, next_lost) = kahan_add(value, sum, lost);
        if next.is_infinite() {
            return moving_mean(&values[index..], index as f64, sum, lost);
        }
        (sum, lost) = (next, next_lost);
    }
    let count = values.len() as f64;
    sum / count + lost / count
}

/// Goes on with values that the sum of the `count` before them cannot take in.
fn moving_mean(values: &[f64], mut count: f64, sum: f64, lost: f64) -> f64 {
    let (mut mean, mut lost) = (sum / count, lost / count);
    for value in values {
        count += 1.0;
        let part = (count - 1.0) / count;
        (mean, lost) = kahan_add(value / count, part * mean, part * lost);
    }
    mean + lost
}

/// `count_over_time`
pub(super) struct Count;

impl OverRange for Count {
    #[expect(clippy::cast_precision_loss, reason = "a count, as upstream")]
    fn floats(&self, window: &Window<'_>, _: &mut Context<'_>) -> f64 {
        (window.floats.values.len() + window.histograms.values.len()) as f64
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        Some(SampleValue::Float(self.floats(window, context)))
    }
}

/// `present_over_time`
pub(super) struct Present;

impl OverRange for Present {
    fn floats(&self, _: &Window<'_>, _: &mut Context<'_>) -> f64 {
        1.0
    }

    fn mixed(&self, _: &Window<'_>, _: &mut Context<'_>) -> Option<SampleValue> {
        Some(SampleValue::Float(1.0))
    }
}

/// `first_over_time`, `last_over_time`
pub(super) struct Edge {
    pub last: bool,
}

fn edge<T>(items: &[T], last: bool) -> Option<&T> {
    if last { items.last() } else { items.first() }
}

impl OverRange for Edge {
    fn floats(&self, window: &Window<'_>, _: &mut Context<'_>) -> f64 {
        *edge(window.floats.values, self.last).expect("invariant: a range has samples")
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        let histogram = edge(window.histograms.values, self.last)?;
        let at = edge(window.histograms.times, self.last)?;
        match edge(window.floats.times, self.last) {
            Some(float) if (float < at) != self.last => {
                Some(SampleValue::Float(self.floats(window, context)))
            }
            _ => Some(SampleValue::Histogram(histogram.clone())),
        }
    }
}

/// `ts_of_first_over_time`, `ts_of_last_over_time`
pub(super) struct EdgeTime {
    pub last: bool,
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds, as upstream")]
fn seconds(at: i64) -> f64 {
    at as f64 / 1000.0
}

impl OverRange for EdgeTime {
    fn floats(&self, window: &Window<'_>, _: &mut Context<'_>) -> f64 {
        let times = [window.floats.times, window.histograms.times];
        let times = times.iter().filter_map(|times| edge(times, self.last));
        let at = if self.last { times.max() } else { times.min() };
        seconds(*at.expect("invariant: a range has samples"))
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        Some(SampleValue::Float(self.floats(window, context)))
    }
}

/// `max_over_time`, `min_over_time`: NaN only if there is nothing else.
pub(super) struct Extreme<const MAX: bool>;

impl Extreme<true> {
    pub(super) const MAX: Self = Self;
}

impl Extreme<false> {
    pub(super) const MIN: Self = Self;
}

impl<const MAX: bool> Extreme<MAX> {
    #[inline]
    fn is_better(value: f64, best: f64) -> bool {
        if MAX { value > best } else { value < best }
    }
}

impl<const MAX: bool> OverRange for Extreme<MAX> {
    fn floats(&self, window: &Window<'_>, _: &mut Context<'_>) -> f64 {
        let mut best = window.floats.values[0];
        for &value in window.floats.values {
            if Self::is_better(value, best) || best.is_nan() {
                best = value;
            }
        }
        best
    }

    /// Keeps those that may still become the best of a range: each is better than all behind it, or as good.
    fn sweep(&self, ranges: &Ranges<'_>, _: &mut Context<'_>, out: &mut [f64]) {
        let values = ranges.floats.values;
        let mut candidates: Vec<usize> = Vec::new();
        let (mut head, mut next) = (0, 0);
        for (range, out) in ranges.bounds.iter().zip(out) {
            if range.len() == 0 {
                continue;
            }
            next = next.max(range.first);
            while next < range.end {
                let value = values[next];
                if !value.is_nan() {
                    while candidates.len() > head
                        && Self::is_better(value, values[candidates[candidates.len() - 1]])
                    {
                        candidates.pop();
                    }
                    candidates.push(next);
                }
                next += 1;
            }
            while candidates
                .get(head)
                .is_some_and(|&index| index < range.first)
            {
                head += 1;
            }
            let best = candidates.get(head).copied().unwrap_or(range.end - 1);
            *out = values[best];
        }
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        ignoring(self, window, context)
    }
}

/// `ts_of_max_over_time`, `ts_of_min_over_time`: of several, the last one.
pub(super) struct ExtremeTime<const MAX: bool>;

impl ExtremeTime<true> {
    pub(super) const MAX: Self = Self;
}

impl ExtremeTime<false> {
    pub(super) const MIN: Self = Self;
}

impl<const MAX: bool> OverRange for ExtremeTime<MAX> {
    fn floats(&self, window: &Window<'_>, _: &mut Context<'_>) -> f64 {
        let floats = &window.floats;
        let (mut best, mut at) = (floats.values[0], floats.times[0]);
        for (&value, &time) in floats.values.iter().zip(floats.times) {
            let better = if MAX { value >= best } else { value <= best };
            if better || best.is_nan() {
                (best, at) = (value, time);
            }
        }
        seconds(at)
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        ignoring(self, window, context)
    }
}

/// `stdvar_over_time`, and its root `stddev_over_time`
pub(super) struct Variance {
    pub root: bool,
}

impl OverRange for Variance {
    fn floats(&self, window: &Window<'_>, _: &mut Context<'_>) -> f64 {
        let mut count = 0.0;
        let (mut mean, mut mean_lost) = (0.0, 0.0);
        let (mut squares, mut squares_lost) = (0.0, 0.0);
        for &value in window.floats.values {
            count += 1.0;
            let delta = value - (mean + mean_lost);
            (mean, mean_lost) = kahan_add(delta / count, mean, mean_lost);
            let square = delta * (value - (mean + mean_lost));
            (squares, squares_lost) = kahan_add(square, squares, squares_lost);
        }
        let variance = (squares + squares_lost) / count;
        if self.root { variance.sqrt() } else { variance }
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        ignoring(self, window, context)
    }
}
