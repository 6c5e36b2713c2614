//! Selectors: the newest sample of each series at each step, and ranges of samples.

use super::column::{Column, Rows, Series};
use super::evaluator::Evaluator;
use super::{EvalError, RangeSeries};
use crate::model::{Duration, Span, Timestamp};
use crate::promql::ast::{AtModifier, DurationValue, Expr, VectorSelector};
use crate::promql::store::{SampleBuffer, Samples, is_stale};
use crate::regex::LabelMatcher;

/// `metric{label="value"} offset 5m @ 100`
pub(super) fn vector<'e>(
    ev: Evaluator<'e>,
    selector: &'e VectorSelector,
) -> Result<Rows<'e>, EvalError> {
    let matchers = compile(selector)?;
    let offset = duration(selector.offset.as_ref())?;
    let times: Vec<i64> = (0..ev.steps.count)
        .map(|index| instant_of(&ev, selector.fixed, ev.steps.at(index)) - offset)
        .collect();
    let lookback = ev.options.lookback.millis();
    let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else {
        return Ok(Box::new(std::iter::empty()));
    };
    // The sample exactly `lookback` ago is out of reach.
    let from = Timestamp::from_millis(first - lookback + 1);
    let to = Timestamp::from_millis(*last);
    let found = ev.store.select(&matchers, from, to);
    let rows = found.into_iter().map(move |stored| {
        let mut buffer = SampleBuffer::default();
        let samples = ev.store.samples(stored.id, from, to, &mut buffer);
        ev.shared.count(samples.len());
        Ok(Series {
            labels: stored.labels,
            drop_name: false,
            column: newest(&samples, &times, lookback),
        })
    });
    Ok(Box::new(rows))
}

/// The newest sample at each time, unless it is too old or a staleness marker.
fn newest(samples: &Samples<'_>, times: &[i64], lookback: i64) -> Column {
    let mut column = Column::absent(times.len());
    let mut next = 0;
    for (index, &at) in times.iter().enumerate() {
        while next < samples.len() && samples.times[next] <= at {
            next += 1;
        }
        let Some(newest) = next.checked_sub(1) else {
            continue;
        };
        if samples.times[newest] <= at - lookback {
            continue;
        }
        match samples.histogram(newest) {
            Some(histogram) if !is_stale(histogram.sum) => {
                column.set_histogram(index, histogram.clone());
            }
            Some(_) => {}
            None => column.floats[index] = samples.values[newest],
        }
    }
    column
}

/// `metric[5m]` as the whole of an instant query.
pub(super) fn matrix(_: &Evaluator<'_>, expr: &Expr) -> Result<Vec<RangeSeries>, EvalError> {
    Err(EvalError {
        message: format!("evaluating {expr} is not built yet"),
        span: expr.span(),
    })
}

fn compile(selector: &VectorSelector) -> Result<Vec<LabelMatcher>, EvalError> {
    let compiled = selector.matchers.iter().map(|matcher| {
        LabelMatcher::new(&matcher.matcher).map_err(|error| EvalError {
            message: error.to_string(),
            span: matcher.at.0,
        })
    });
    compiled.collect()
}

fn instant_of(ev: &Evaluator<'_>, fixed: Option<AtModifier>, step: i64) -> i64 {
    match fixed {
        None => step,
        Some(AtModifier::Time(at)) => at.millis(),
        Some(AtModifier::Start) => ev.query.start.millis(),
        Some(AtModifier::End) => ev.query.end.millis(),
    }
}

fn duration(value: Option<&DurationValue>) -> Result<i64, EvalError> {
    match value {
        None => Ok(0),
        Some(DurationValue::Literal { value, .. }) => Ok(Duration::millis(*value)),
        Some(DurationValue::Expr(expr)) => Err(EvalError {
            message: "duration expressions are not built yet".into(),
            span: Span::clone(&expr.at),
        }),
    }
}
