//! `changes` and `resets`: each sample of a range compared with the one before.

use std::sync::Arc;

use super::super::value::SampleValue;
use super::ranges::{Context, OverRange, Window};
use super::rate::is_reset;
use crate::model::histogram::Histogram;
use crate::promql::store::stale;

/// Counts how often the value becomes another (`changes`) or begins anew (`resets`).
pub(super) struct Comparison {
    /// `resets`
    pub resets: bool,
    /// Samples in front of the range are there; the newest of them is what the first one in the range is
    /// compared with.
    pub anchored: bool,
}

/// A sample with its place in time.
#[derive(Clone, Copy)]
struct Point<'w> {
    at: i64,
    /// 0 where it is unknown.
    start: i64,
    value: f64,
    histogram: Option<&'w Arc<Histogram>>,
}

impl Comparison {
    fn counts(&self, before: &Point<'_>, point: &Point<'_>) -> bool {
        match (before.histogram, point.histogram) {
            (None, None) if self.resets => {
                point.value < before.value
                    || is_reset(before.start, before.at, point.start, point.at)
            }
            (None, None) => {
                point.value != before.value && !(point.value.is_nan() && before.value.is_nan())
            }
            (Some(before_histogram), Some(histogram)) if self.resets => {
                is_reset(before.start, before.at, point.start, point.at)
                    || histogram.detect_reset(before_histogram)
            }
            (Some(before), Some(histogram)) => !histogram.equals(before),
            _ => true,
        }
    }

    /// Counts over points in order of time; none where there is none in the range.
    fn count<'w>(&self, points: impl Iterator<Item = Point<'w>>, from: i64) -> f64 {
        let mut before: Option<Point<'_>> = None;
        let mut count = 0.0;
        for point in points {
            if self.anchored && point.at <= from {
                before = Some(point);
                continue;
            }
            if before.is_some_and(|before| self.counts(&before, &point)) {
                count += 1.0;
            }
            before = Some(point);
        }
        match before {
            Some(last) if !self.anchored || last.at > from => count,
            _ => stale(),
        }
    }
}

impl OverRange for Comparison {
    fn floats(&self, window: &Window<'_>, _: &mut Context<'_>) -> f64 {
        self.count(floats(window), window.from)
    }

    fn mixed(&self, window: &Window<'_>, _: &mut Context<'_>) -> Option<SampleValue> {
        let mut floats = floats(window).peekable();
        let mut histograms = histograms(window).peekable();
        let merged = std::iter::from_fn(move || match (floats.peek(), histograms.peek()) {
            (Some(float), Some(histogram)) if float.at < histogram.at => floats.next(),
            (_, Some(_)) => histograms.next(),
            _ => floats.next(),
        });
        let count = self.count(merged, window.from);
        (!crate::promql::store::is_stale(count)).then_some(SampleValue::Float(count))
    }
}

fn floats<'w>(window: &Window<'w>) -> impl Iterator<Item = Point<'w>> {
    let floats = window.floats;
    (0..floats.values.len()).map(move |index| Point {
        at: floats.times[index],
        start: floats.starts.get(index).copied().unwrap_or(0),
        value: floats.values[index],
        histogram: None,
    })
}

fn histograms<'w>(window: &Window<'w>) -> impl Iterator<Item = Point<'w>> {
    let histograms = window.histograms;
    (0..histograms.values.len()).map(move |index| Point {
        at: histograms.times[index],
        start: histograms.starts.get(index).copied().unwrap_or(0),
        value: 0.0,
        histogram: Some(&histograms.values[index]),
    })
}
