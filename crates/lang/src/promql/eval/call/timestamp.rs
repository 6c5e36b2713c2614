//! `timestamp(v)` and `start_timestamp(v)`: of the samples themselves where `v` is a selector.

use super::dropped;
use super::number::seconds;
use crate::promql::ast::{Call, Expr, VectorSelector};
use crate::promql::eval::EvalError;
use crate::promql::eval::column::Rows;
use crate::promql::eval::evaluator::Evaluator;
use crate::promql::eval::select::{self, Instant, Part};
use crate::promql::store::is_stale;

pub(super) fn rows<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let arg = &call.args[0];
    let starts = call.function.name == "start_timestamp";
    if starts && !ev.options.start_timestamps {
        return Ok(Box::new(std::iter::empty()));
    }
    match arg.unwrap_parens() {
        Expr::Vector(selector) => {
            let part = if starts { Part::Start } else { Part::Time };
            of_samples(ev, call, selector, part)
        }
        _ if starts => Ok(Box::new(std::iter::empty())),
        _ => of_steps(ev, call),
    }
}

/// The times of the samples that a selector finds.
fn of_samples<'e>(
    ev: Evaluator<'e>,
    call: &'e Call,
    selector: &'e VectorSelector,
    part: Part,
) -> Result<Rows<'e>, EvalError> {
    let matchers = select::compile(selector)?;
    let mut instant = Instant::of(&ev, selector.fixed, selector.offset.as_ref())?;
    if instant.fixed.is_some() {
        // As upstream: behind `@` the offset only bounds the samples that are read, so that one into
        // the future changes nothing.
        instant.offset = instant.offset.max(0);
    }
    let rows = select::read(ev, &matchers, instant, part).map(|series| {
        let mut series = series?;
        series.drop_name = true;
        for value in &mut series.column.floats {
            if !is_stale(*value) {
                *value /= 1000.0;
            }
        }
        Ok(series)
    });
    dropped(ev, &call.args[0], rows, call.at.0)
}

/// The time of each step at which there is a value: all that is known of computed ones.
fn of_steps<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let rows = ev.rows(&call.args[0])?.map(move |series| {
        let mut series = series?;
        series.drop_name = true;
        for step in 0..ev.steps.count {
            if series.column.is_present(step) {
                series.column.floats[step] = seconds(ev.steps.at(step));
            }
        }
        series.column.histograms = Vec::new();
        Ok(series)
    });
    dropped(ev, &call.args[0], rows, call.at.0)
}
