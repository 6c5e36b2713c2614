//! Ranges of samples at each step: where they begin and end, and one pass over the samples of a series that
//! finds all of them.

use std::sync::Arc;

use super::super::annotation::Severity;
use super::super::column::{Column, Steps};
use super::super::evaluator::Shared;
use super::super::value::SampleValue;
use crate::model::histogram::Histogram;
use crate::model::labels::quote;
use crate::model::{Labels, METRIC_NAME, Span};
use crate::promql::store::{Samples, is_stale, stale};

/// Which range belongs to which step. All times are milliseconds.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Geometry {
    pub steps: Steps,
    /// How far back a range reaches.
    pub length: i64,
    /// `offset`
    pub offset: i64,
    /// `@`: all steps have the same range.
    pub fixed: Option<i64>,
    /// How far samples in front of the range are looked at (`anchored`, `smoothed`).
    pub before: i64,
    /// How far samples behind the range are looked at (`smoothed`).
    pub after: i64,
}

impl Geometry {
    /// Where the range of a step ends, which is in the range.
    pub(super) fn end(&self, step: usize) -> i64 {
        self.fixed
            .unwrap_or_else(|| self.steps.at(step))
            .saturating_sub(self.offset)
    }

    /// The first and the last time that a sample of any range can have.
    pub(super) fn reach(&self) -> (i64, i64) {
        let last = self.steps.count.saturating_sub(1);
        let reach = self.length.saturating_add(self.before);
        let first = self.end(0).saturating_sub(reach).saturating_add(1);
        (first, self.end(last).saturating_add(self.after))
    }
}

/// Numbers in order of time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Floats<'w> {
    pub times: &'w [i64],
    pub values: &'w [f64],
    /// Start timestamps; empty where they are unknown or mean nothing to the function.
    pub starts: &'w [i64],
}

impl<'w> Floats<'w> {
    #[inline]
    pub(super) fn slice(&self, from: usize, to: usize) -> Floats<'w> {
        Floats {
            times: &self.times[from..to],
            values: &self.values[from..to],
            starts: self.starts.get(from..to).unwrap_or_default(),
        }
    }
}

/// Histograms in order of time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Histograms<'w> {
    pub times: &'w [i64],
    pub values: &'w [Arc<Histogram>],
    /// As of [`Floats`].
    pub starts: &'w [i64],
}

impl<'w> Histograms<'w> {
    pub(super) fn slice(&self, from: usize, to: usize) -> Histograms<'w> {
        Histograms {
            times: &self.times[from..to],
            values: &self.values[from..to],
            starts: self.starts.get(from..to).unwrap_or_default(),
        }
    }
}

/// The samples of one range; at least one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'w> {
    pub floats: Floats<'w>,
    pub histograms: Histograms<'w>,
    /// Which step.
    pub step: usize,
    /// When the step is.
    pub at: i64,
    /// Where the range begins, which is not in it.
    pub from: i64,
    /// Where the range ends, which is in it.
    pub to: i64,
}

/// What a function over ranges may note, and where it may work.
pub(super) struct Context<'c> {
    pub shared: &'c Shared,
    /// Where the range stands in the expression.
    pub span: Span,
    pub labels: &'c Labels,
    /// Memory that is kept from range to range.
    pub scratch: &'c mut Vec<f64>,
    /// As well.
    pub bounds: &'c mut Vec<Bounds>,
    /// Why the query must fail.
    pub error: Option<String>,
}

impl Context<'_> {
    /// Notes `text "name"`, with the metric name.
    pub(super) fn warn(&self, text: &str) {
        self.note(Severity::Warning, text, self.span);
    }

    /// Notes a hint in the same form.
    pub(super) fn hint(&self, text: &str) {
        self.note(Severity::Info, text, self.span);
    }

    pub(super) fn note(&self, severity: Severity, text: &str, span: Span) {
        let name = quote(self.labels.get(METRIC_NAME));
        self.shared.note(severity, format!("{text} {name}"), span);
    }
}

/// A function from the samples of a range to a value.
pub(super) trait OverRange {
    /// The value of a range of numbers; the staleness marker for none.
    fn floats(&self, window: &Window<'_>, context: &mut Context<'_>) -> f64;

    /// The value of a range with histograms in it.
    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue>;

    /// The values of the ranges of a whole series of numbers: for functions that can do better than range by
    /// range. What is left out has no value.
    fn sweep(&self, ranges: &Ranges<'_>, context: &mut Context<'_>, out: &mut [f64]) {
        for (step, out) in out.iter_mut().enumerate() {
            if context.shared.is_canceled() {
                break;
            }
            if let Some(window) = ranges.window(step) {
                *out = self.floats(&window, context);
            }
        }
    }

    /// Whether two steps with the same range may have different values.
    fn sees_step(&self) -> bool {
        false
    }
}

/// The samples of a series without staleness markers, numbers and histograms apart.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    times: Vec<i64>,
    values: Vec<f64>,
    starts: Vec<i64>,
    histogram_times: Vec<i64>,
    histograms: Vec<Arc<Histogram>>,
    histogram_starts: Vec<i64>,
}

impl Tracks {
    /// Sorts samples into tracks. Plain numbers stay where they are.
    pub(super) fn split<'s>(
        &'s mut self,
        samples: &Samples<'s>,
        starts: bool,
    ) -> (Floats<'s>, Histograms<'s>) {
        let starts = if starts { samples.starts } else { &[] };
        if samples.histograms.is_empty() && !samples.values.iter().copied().any(is_stale) {
            let floats = Floats {
                times: samples.times,
                values: samples.values,
                starts,
            };
            return (floats, Histograms::default());
        }
        self.clear();
        for index in 0..samples.len() {
            let start = starts.get(index);
            match samples.histogram(index) {
                Some(histogram) if is_stale(histogram.sum) => {}
                Some(histogram) => {
                    self.histogram_times.push(samples.times[index]);
                    self.histograms.push(histogram.clone());
                    self.histogram_starts.extend(start);
                }
                None if is_stale(samples.values[index]) => {}
                None => {
                    self.times.push(samples.times[index]);
                    self.values.push(samples.values[index]);
                    self.starts.extend(start);
                }
            }
        }
        self.view()
    }

    /// The values of a column, at its steps, as samples.
    pub(super) fn of_column(
        &mut self,
        column: &Column,
        steps: &Steps,
    ) -> (Floats<'_>, Histograms<'_>) {
        self.clear();
        for (index, &value) in column.floats.iter().enumerate() {
            if !is_stale(value) {
                self.times.push(steps.at(index));
                self.values.push(value);
            } else if let Some(histogram) = column.histogram(index) {
                self.histogram_times.push(steps.at(index));
                self.histograms.push(super::without_hint(histogram));
            }
        }
        self.view()
    }

    fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
        self.starts.clear();
        self.histogram_times.clear();
        self.histograms.clear();
        self.histogram_starts.clear();
    }

    fn view(&self) -> (Floats<'_>, Histograms<'_>) {
        let floats = Floats {
            times: &self.times,
            values: &self.values,
            starts: &self.starts,
        };
        let histograms = Histograms {
            times: &self.histogram_times,
            values: &self.histograms,
            starts: &self.histogram_starts,
        };
        (floats, histograms)
    }
}

/// The values of a function at all steps, found in one pass over the samples.
pub(super) fn sweep<F: OverRange>(
    function: &F,
    (floats, histograms): (Floats<'_>, Histograms<'_>),
    geometry: &Geometry,
    context: &mut Context<'_>,
) -> Column {
    let count = geometry.steps.count;
    let once = geometry.fixed.is_some() && !function.sees_step();
    let swept = if once { count.min(1) } else { count };
    let mut column = Column::absent(count);
    if histograms.times.is_empty() {
        let mut bounds = std::mem::take(context.bounds);
        fill_bounds(&mut bounds, floats.times, geometry, swept);
        let ranges = Ranges {
            floats,
            geometry,
            bounds: &bounds,
        };
        function.sweep(&ranges, context, &mut column.floats[..swept]);
        *context.bounds = bounds;
    } else {
        sweep_mixed(
            function,
            floats,
            histograms,
            geometry,
            context,
            &mut column,
            swept,
        );
    }
    if once && count > 1 {
        repeat_first(&mut column);
    }
    column
}

fn sweep_mixed<F: OverRange>(
    function: &F,
    floats: Floats<'_>,
    histograms: Histograms<'_>,
    geometry: &Geometry,
    context: &mut Context<'_>,
    column: &mut Column,
    swept: usize,
) {
    let mut bounds = Bounds::default();
    let mut histogram_bounds = Bounds::default();
    for step in 0..swept {
        if context.shared.is_canceled() {
            break;
        }
        let to = geometry.end(step);
        let from = to.saturating_sub(geometry.length);
        let first = from.saturating_sub(geometry.before);
        let last = to.saturating_add(geometry.after);
        bounds.advance(floats.times, first, last);
        histogram_bounds.advance(histograms.times, first, last);
        let window = Window {
            floats: floats.slice(bounds.first, bounds.end),
            histograms: histograms.slice(histogram_bounds.first, histogram_bounds.end),
            step,
            at: geometry.steps.at(step),
            from,
            to,
        };
        if window.histograms.times.is_empty() {
            if !window.floats.times.is_empty() {
                column.floats[step] = function.floats(&window, context);
            }
            continue;
        }
        match function.mixed(&window, context) {
            Some(SampleValue::Float(value)) => column.floats[step] = value,
            Some(SampleValue::Histogram(histogram)) => column.set_histogram(step, histogram),
            None => {}
        }
    }
}

/// The value of the first step at all steps.
pub(in super::super) fn repeat_first(column: &mut Column) {
    let value = column.floats[0];
    column.floats.fill(value);
    if let Some(histogram) = column.histogram(0).cloned() {
        column.floats.fill(stale());
        column.histograms.fill(Some(histogram));
    }
}

/// The ranges of a series of numbers, all steps.
pub(super) struct Ranges<'r> {
    /// The numbers that all ranges are part of.
    pub floats: Floats<'r>,
    pub geometry: &'r Geometry,
    /// The range of each step.
    pub bounds: &'r [Bounds],
}

impl<'r> Ranges<'r> {
    /// The range of a step, unless it is empty.
    #[inline]
    pub(super) fn window(&self, step: usize) -> Option<Window<'r>> {
        let bounds = self.bounds[step];
        if bounds.len() == 0 {
            return None;
        }
        let to = self.geometry.end(step);
        Some(Window {
            floats: self.floats.slice(bounds.first, bounds.end),
            histograms: Histograms::default(),
            step,
            at: self.geometry.steps.at(step),
            from: to.saturating_sub(self.geometry.length),
            to,
        })
    }
}

/// Finds the range of each of the first `count` steps in one pass.
pub(super) fn fill_bounds(
    bounds: &mut Vec<Bounds>,
    times: &[i64],
    geometry: &Geometry,
    count: usize,
) {
    bounds.clear();
    let mut now = Bounds::default();
    bounds.extend((0..count).map(|step| {
        let to = geometry.end(step);
        let from = to.saturating_sub(geometry.length);
        let first = from.saturating_sub(geometry.before);
        now.advance(times, first, to.saturating_add(geometry.after));
        now
    }));
}

/// The samples of a range, by index.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds {
    pub first: usize,
    pub end: usize,
}

impl Bounds {
    /// How many there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.end - self.first
    }

    /// Moves on to the samples with `after` < time <= `last`; neither may go back.
    #[inline]
    fn advance(&mut self, times: &[i64], after: i64, last: i64) {
        while times.get(self.end).is_some_and(|&at| at <= last) {
            self.end += 1;
        }
        while self.first < self.end && times[self.first] <= after {
            self.first += 1;
        }
    }
}
