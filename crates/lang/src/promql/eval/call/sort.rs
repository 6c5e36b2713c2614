//! Sorting: only the result of an instant query has an order.

use std::cmp::Ordering;

use super::natural;
use crate::promql::ast::Call;
use crate::promql::eval::column::{Rows, Series};
use crate::promql::eval::evaluator::Evaluator;
use crate::promql::eval::{EvalError, Severity};
use crate::promql::store::is_stale;

/// `sort(v)`, `sort_desc(v)`: histograms are left out, NaN comes last.
pub(super) fn by_value<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    warn_in_range(ev, call);
    let floats = ev.rows(&call.args[0])?.map(|series| {
        let mut series = series?;
        series.column.histograms = Vec::new();
        Ok(series)
    });
    if ev.steps.count != 1 {
        return Ok(Box::new(floats));
    }
    let all: Result<Vec<Series>, EvalError> = floats.collect();
    let mut all = all?;
    all.retain(|series| !is_stale(series.column.floats[0]));
    let descending = call.function.name == "sort_desc";
    all.sort_by(|a, b| {
        let (a, b) = (a.column.floats[0], b.column.floats[0]);
        a.partial_cmp(&b).map_or_else(
            || a.is_nan().cmp(&b.is_nan()),
            |order| if descending { order.reverse() } else { order },
        )
    });
    Ok(Box::new(all.into_iter().map(Ok)))
}

/// `sort_by_label(v, label...)`, `sort_by_label_desc(v, label...)`
pub(super) fn by_label<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    warn_in_range(ev, call);
    if ev.steps.count != 1 {
        return ev.rows(&call.args[0]);
    }
    let names: Result<Vec<String>, EvalError> =
        call.args[1..].iter().map(|arg| ev.text(arg)).collect();
    let names = names?;
    let mut all = ev.collect(&call.args[0])?;
    for series in &mut all {
        ev.settle(series);
    }
    let descending = call.function.name == "sort_by_label_desc";
    all.sort_by(|a, b| {
        let order = names
            .iter()
            .map(|name| (a.labels.get(name), b.labels.get(name)))
            .find(|(a, b)| a != b)
            .map_or(Ordering::Equal, |(a, b)| natural::compare(a, b))
            .then_with(|| a.labels.cmp(&b.labels));
        if descending { order.reverse() } else { order }
    });
    Ok(Box::new(all.into_iter().map(Ok)))
}

fn warn_in_range(ev: Evaluator<'_>, call: &Call) {
    if ev.steps.count > 1 {
        ev.shared.note(
            Severity::Warning,
            "sort is ineffective for range queries since results are always ordered by labels",
            call.at.0,
        );
    }
}
