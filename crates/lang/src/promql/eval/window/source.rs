//! Where ranges come from: a range selector, whose samples a store holds, or a subquery, which is
//! evaluated at steps of its own.

use std::sync::Arc;

use super::super::blocks;
use super::super::column::{Rows, Series, Steps};
use super::super::evaluator::{Evaluator, Shared, checked_steps};
use super::super::names::may_collide;
use super::super::select::{self, Instant};
use super::super::{EvalError, RangeSeries, duration};
use super::extended;
use super::ranges::{Bounds, Context, Floats, Geometry, OverRange, Tracks, sweep};
use crate::model::histogram::Histogram;
use crate::model::{Duration, Sample, Span, Timestamp};
use crate::promql::ast::{Expr, Extended, MatrixSelector, Subquery, VectorSelector};
use crate::promql::store::{SampleBuffer, StoredSeries};

/// The series of a range and where in time the ranges are.
pub(super) struct Source<'e> {
    pub ev: Evaluator<'e>,
    pub geometry: Geometry,
    /// Whether its series differ in more than the metric name.
    pub one_name: bool,
    /// Where the range stands in the expression.
    span: Span,
    kind: Kind<'e>,
}

enum Kind<'e> {
    Stored(Vec<StoredSeries>),
    Computed(Rows<'e>, Steps),
}

impl<'e> Source<'e> {
    /// The source of an expression that is a range.
    pub(super) fn of(ev: Evaluator<'e>, expr: &'e Expr) -> Result<Self, EvalError> {
        match expr.unwrap_parens() {
            Expr::Matrix(matrix) => Self::stored(ev, matrix),
            Expr::Subquery(subquery) => Self::computed(ev, subquery),
            other => Err(EvalError {
                message: format!("{other} is not a range"),
                span: other.span(),
            }),
        }
    }

    fn stored(ev: Evaluator<'e>, matrix: &'e MatrixSelector) -> Result<Self, EvalError> {
        let length = duration::positive(&ev, &matrix.range)?;
        let lookback = ev.options.lookback.millis();
        let (before, after) = match matrix.selector.extended {
            None => (0, 0),
            Some(Extended::Anchored) => (lookback, 0),
            Some(Extended::Smoothed) => (lookback, lookback),
        };
        Self::selected(ev, &matrix.selector, matrix.at.0, [length, before, after])
    }

    /// For each step, the samples from `lookback` before until `lookback` after it.
    pub(super) fn around(
        ev: Evaluator<'e>,
        selector: &'e VectorSelector,
    ) -> Result<Self, EvalError> {
        let lookback = ev.options.lookback.millis();
        Self::selected(ev, selector, selector.at.0, [lookback, 0, lookback])
    }

    fn selected(
        ev: Evaluator<'e>,
        selector: &'e VectorSelector,
        span: Span,
        [length, before, after]: [i64; 3],
    ) -> Result<Self, EvalError> {
        let matchers = select::compile(selector)?;
        let instant = Instant::of(&ev, selector.fixed, selector.offset.as_ref())?;
        let geometry = Geometry {
            steps: ev.steps,
            length,
            offset: instant.offset,
            fixed: instant.fixed,
            before,
            after,
        };
        let (first, last) = geometry.reach();
        let (first, last) = (Timestamp::from_millis(first), Timestamp::from_millis(last));
        Ok(Self {
            kind: Kind::Stored(ev.store.select(&matchers, first, last)),
            one_name: selector.metric_name().is_some() && !ev.options.type_and_unit_labels,
            span,
            ev,
            geometry,
        })
    }

    fn computed(ev: Evaluator<'e>, subquery: &'e Subquery) -> Result<Self, EvalError> {
        let instant = Instant::of(&ev, subquery.fixed, subquery.offset.as_ref())?;
        let geometry = Geometry {
            steps: ev.steps,
            length: duration::positive(&ev, &subquery.range)?,
            offset: instant.offset,
            fixed: instant.fixed,
            before: 0,
            after: 0,
        };
        let steps = subquery_steps(&ev, subquery, &geometry)?;
        let rows = if steps.count == 0 {
            Box::new(std::iter::empty())
        } else {
            ev.at_steps(steps).distinct_rows(&subquery.expr)?
        };
        Ok(Self {
            kind: Kind::Computed(rows, steps),
            one_name: !may_collide(&ev, &subquery.expr),
            span: subquery.at.0,
            ev,
            geometry,
        })
    }

    /// What a function makes of the ranges of each series, in a series that keeps its name.
    pub(super) fn rows<F: OverRange + Sync + 'e>(
        self,
        function: F,
        call: Span,
        starts: bool,
        finish: impl Fn(Series, &Shared) -> Series + Sync + 'e,
    ) -> Rows<'e> {
        let Self {
            ev, geometry, span, ..
        } = self;
        let steps = ev.steps.count;
        match self.kind {
            Kind::Stored(found) => {
                let (first, last) = geometry.reach();
                let (first, last) = (Timestamp::from_millis(first), Timestamp::from_millis(last));
                let found = found.into_iter().map(Ok);
                let work = move |stored: StoredSeries, scratch: &mut Scratch, shared: &Shared| {
                    let samples = ev
                        .store
                        .samples(stored.id, first, last, &mut scratch.buffer);
                    shared.count(samples.len());
                    let samples = ev.reading.read(samples, &mut scratch.outlines);
                    let mut context = Context {
                        shared,
                        span,
                        labels: &stored.labels,
                        scratch: &mut scratch.values,
                        bounds: &mut scratch.bounds,
                        error: None,
                    };
                    let split = scratch.tracks.split(&samples, starts);
                    let column = sweep(&function, split, &geometry, &mut context);
                    refuse(context.error, call)?;
                    let series = Series {
                        labels: stored.labels,
                        drop_name: false,
                        column,
                    };
                    Ok(finish(series, shared))
                };
                blocks::rows(found, steps, ev.shared, work)
            }
            Kind::Computed(rows, inner) => {
                let work = move |mut series: Series, scratch: &mut Scratch, shared: &Shared| {
                    ev.settle(&mut series);
                    let mut context = Context {
                        shared,
                        span,
                        labels: &series.labels,
                        scratch: &mut scratch.values,
                        bounds: &mut scratch.bounds,
                        error: None,
                    };
                    let split = scratch.tracks.of_column(&series.column, &inner);
                    let column = sweep(&function, split, &geometry, &mut context);
                    refuse(context.error, call)?;
                    series.column = column;
                    Ok(finish(series, shared))
                };
                blocks::rows(rows, steps, ev.shared, work)
            }
        }
    }
}

/// Memory that is kept from series to series.
#[derive(Default)]
struct Scratch {
    buffer: SampleBuffer,
    outlines: Vec<Option<Arc<Histogram>>>,
    tracks: Tracks,
    values: Vec<f64>,
    bounds: Vec<Bounds>,
}

fn refuse(error: Option<String>, span: Span) -> Result<(), EvalError> {
    error.map_or(Ok(()), |message| Err(EvalError { message, span }))
}

/// The steps of a subquery: multiples of its step, from behind the beginning of the first range up to the
/// end of the last one (upstream's `subqueryTimeRange`).
fn subquery_steps(
    ev: &Evaluator<'_>,
    subquery: &Subquery,
    geometry: &Geometry,
) -> Result<Steps, EvalError> {
    let step = match &subquery.step {
        Some(step) => duration::positive(ev, step)?,
        None => 0,
    };
    // A step of zero is that of the server too.
    let step = match step {
        0 => ev.options.subquery_step.millis(),
        step => step,
    };
    let span = subquery.at.0;
    let before = geometry.end(0).saturating_sub(geometry.length);
    let end = geometry.end(geometry.steps.count.saturating_sub(1));
    let mut start = match step {
        0 => before,
        step => step * (before / step),
    };
    if start <= before {
        start = start.saturating_add(step);
    }
    let (start, end) = (Timestamp::from_millis(start), Timestamp::from_millis(end));
    checked_steps(start, end, Duration::from_millis(step), span)
}

/// A range as the whole of an instant query.
pub(in super::super) fn matrix(
    ev: &Evaluator<'_>,
    expr: &Expr,
) -> Result<Vec<RangeSeries>, EvalError> {
    let extended = match expr.unwrap_parens() {
        Expr::Matrix(matrix) => matrix.selector.extended,
        _ => None,
    };
    let source = Source::of(*ev, expr)?;
    let mut all = match source.kind {
        Kind::Stored(found) => stored_matrix(ev, found, &source.geometry, extended, source.span)?,
        Kind::Computed(rows, steps) => {
            let inner = ev.at_steps(steps);
            let mut computed = Vec::new();
            for series in rows {
                let series = series?;
                if !series.column.is_empty() {
                    computed.push(series);
                    let held = steps.count.saturating_mul(computed.len());
                    ev.check_held(held, source.span)?;
                }
            }
            let finished = inner.finish(computed, source.span)?.into_iter();
            finished.map(|series| inner.range_series(series)).collect()
        }
    };
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(all)
}

fn stored_matrix(
    ev: &Evaluator<'_>,
    found: Vec<StoredSeries>,
    geometry: &Geometry,
    extended: Option<Extended>,
    span: Span,
) -> Result<Vec<RangeSeries>, EvalError> {
    let (first, last) = geometry.reach();
    let (first, last) = (Timestamp::from_millis(first), Timestamp::from_millis(last));
    let to = geometry.end(0);
    let from = to.saturating_sub(geometry.length);
    let (mut buffer, mut tracks) = (SampleBuffer::default(), Tracks::default());
    let (mut all, mut held) = (Vec::new(), 0);
    for stored in found {
        let samples = ev.store.samples(stored.id, first, last, &mut buffer);
        ev.shared.count(samples.len());
        let (floats, histograms) = tracks.split(&samples, false);
        held += floats.times.len() + histograms.times.len();
        ev.check_held(held, span)?;
        let floats = match extended {
            None => plain(&floats),
            Some(_) if floats.times.is_empty() && histograms.times.is_empty() => Vec::new(),
            Some(extended) => {
                if !histograms.times.is_empty() {
                    let (name, _) = extended::functions(extended);
                    let message = format!("{name} modifier is not supported with histograms");
                    return Err(EvalError { message, span });
                }
                extended::extend(&floats, from, to, extended == Extended::Smoothed)
            }
        };
        let histograms = histograms.times.iter().zip(histograms.values);
        let series = RangeSeries {
            labels: stored.labels,
            floats,
            histograms: histograms
                .map(|(at, histogram)| (Timestamp::from_millis(*at), histogram.clone()))
                .collect(),
        };
        if !series.floats.is_empty() || !series.histograms.is_empty() {
            all.push(series);
        }
    }
    Ok(all)
}

fn plain(floats: &Floats<'_>) -> Vec<Sample> {
    let samples = floats.times.iter().zip(floats.values);
    let samples = samples.map(|(at, value)| Sample {
        at: Timestamp::from_millis(*at),
        value: *value,
    });
    samples.collect()
}
