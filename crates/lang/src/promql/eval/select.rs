//! Selectors of instant vectors: the newest sample of each series at each step.

use super::column::{Column, Rows, Series};
use super::evaluator::Evaluator;
use super::{EvalError, blocks, duration, window};
use crate::model::Timestamp;
use crate::promql::ast::{AtModifier, DurationValue, Extended, VectorSelector};
use crate::promql::store::{SampleBuffer, Samples, StoredSeries, is_stale};
use crate::regex::LabelMatcher;

pub(super) use window::matrix;

/// What `@` and `offset` make of the time of a step, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instant {
    /// `@`
    pub fixed: Option<i64>,
    /// `offset`
    pub offset: i64,
}

impl Instant {
    pub(super) fn of(
        ev: &Evaluator<'_>,
        fixed: Option<AtModifier>,
        offset: Option<&DurationValue>,
    ) -> Result<Self, EvalError> {
        Ok(Self {
            fixed: fixed.map(|at| match at {
                AtModifier::Time(at) => at.millis(),
                AtModifier::Start => ev.query.start.millis(),
                AtModifier::End => ev.query.end.millis(),
            }),
            offset: match offset {
                Some(offset) => duration::signed(ev, offset)?,
                None => 0,
            },
        })
    }

    /// The time that is looked at.
    pub(super) fn at(&self, step: i64) -> i64 {
        self.fixed.unwrap_or(step).saturating_sub(self.offset)
    }
}

/// `metric{label="value"} offset 5m @ 100`
pub(super) fn vector<'e>(
    ev: Evaluator<'e>,
    selector: &'e VectorSelector,
) -> Result<Rows<'e>, EvalError> {
    if ev.steps.count > 0 && selector.extended == Some(Extended::Smoothed) {
        return window::smoothed(ev, selector);
    }
    let matchers = compile(selector)?;
    let instant = Instant::of(&ev, selector.fixed, selector.offset.as_ref())?;
    Ok(read(ev, &matchers, instant, Part::Value))
}

/// What is read of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Its value.
    Value,
    /// Its time, in milliseconds.
    Time,
    /// The time of a number, in milliseconds; a histogram stays one.
    TimeOfNumber,
    /// Its start timestamp in milliseconds, 0 where it has none.
    Start,
}

/// A part of the newest sample of each series that satisfies the matchers.
pub(super) fn read<'e>(
    ev: Evaluator<'e>,
    matchers: &[LabelMatcher],
    instant: Instant,
    part: Part,
) -> Rows<'e> {
    let steps = ev.steps;
    if steps.count == 0 {
        return Box::new(std::iter::empty());
    }
    let lookback = ev.options.lookback.millis();
    let swept = if instant.fixed.is_some() {
        1
    } else {
        steps.count
    };
    // The sample exactly `lookback` ago is out of reach.
    let first = instant.at(steps.at(0)).saturating_sub(lookback) + 1;
    let from = Timestamp::from_millis(first);
    let to = Timestamp::from_millis(instant.at(steps.end()));
    let found = ev.store.select(matchers, from, to);
    blocks::rows(
        found.into_iter().map(Ok),
        steps.count,
        ev.shared,
        move |stored: StoredSeries, (buffer, outlines): &mut (SampleBuffer, Vec<_>), shared| {
            let samples = ev.store.samples(stored.id, from, to, buffer);
            shared.count(samples.len());
            let samples = ev.reading.read(samples, outlines);
            let mut column = Column::absent(steps.count);
            let times = (0..swept).map(|step| instant.at(steps.at(step)));
            newest(&samples, times, lookback, part, &mut column);
            if swept < steps.count {
                window::repeat_first(&mut column);
            }
            Ok(Series {
                labels: stored.labels,
                drop_name: false,
                column,
            })
        },
    )
}

/// The newest sample at each time, unless it is too old or a staleness marker.
fn newest(
    samples: &Samples<'_>,
    times: impl Iterator<Item = i64>,
    lookback: i64,
    part: Part,
    column: &mut Column,
) {
    let mut next = 0;
    for (index, at) in times.enumerate() {
        while next < samples.len() && samples.times[next] <= at {
            next += 1;
        }
        let Some(newest) = next.checked_sub(1) else {
            continue;
        };
        if samples.times[newest] <= at.saturating_sub(lookback) {
            continue;
        }
        match samples.histogram(newest) {
            Some(histogram) if is_stale(histogram.sum) => {}
            Some(histogram) if matches!(part, Part::Value | Part::TimeOfNumber) => {
                column.set_histogram(index, histogram.clone());
            }
            None if is_stale(samples.values[newest]) => {}
            _ => column.floats[index] = part.of(samples, newest),
        }
    }
}

impl Part {
    #[expect(
        clippy::cast_precision_loss,
        reason = "times are far below 2^53 milliseconds"
    )]
    fn of(self, samples: &Samples<'_>, index: usize) -> f64 {
        match self {
            Self::Value => samples.values[index],
            Self::Time | Self::TimeOfNumber => samples.times[index] as f64,
            Self::Start => samples.starts.get(index).map_or(0.0, |start| *start as f64),
        }
    }
}

/// The matchers of a selector, ready to be asked.
pub(super) fn compile(selector: &VectorSelector) -> Result<Vec<LabelMatcher>, EvalError> {
    let compiled = selector.matchers.iter().map(|matcher| {
        LabelMatcher::new(&matcher.matcher).map_err(|error| EvalError {
            message: error.to_string(),
            span: matcher.at.0,
        })
    });
    compiled.collect()
}
