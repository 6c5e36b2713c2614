//! Functions of histograms, classic and native: `histogram_quantile`, `histogram_fraction`.
//!
//! The series are grouped once per query by their labels without `le`; the steps then only gather
//! counts.

use std::sync::Arc;

use super::dropped;
use super::monotonic::ForcedInfo;
use crate::model::histogram::Histogram;
use crate::model::{LabelMap, Labels, METRIC_NAME, number};
use crate::promql::ast::{Call, Expr};
use crate::promql::eval::column::{Column, Rows, Series};
use crate::promql::eval::evaluator::{Evaluator, not_built};
use crate::promql::eval::quantile_classic::{self as classic, ClassicBucket};
use crate::promql::eval::{EvalError, Severity};
use crate::promql::store::is_stale;

/// The label that holds the upper bound of a classic bucket.
const BUCKET_LABEL: &str = "le";

/// The histograms of one label set.
#[derive(Default)]
struct Group {
    labels: Labels,
    /// Sorted by bound.
    buckets: Vec<(f64, Vec<f64>)>,
    native: Option<Column>,
}

/// What a group holds at one step.
enum AtStep<'g> {
    Classic,
    Native(&'g Arc<Histogram>),
    /// Both: neither counts.
    Mixed,
    Nothing,
}

impl Group {
    /// Puts the classic buckets of a step into the buffer, and says what there is.
    fn gather(&self, step: usize, buffer: &mut Vec<ClassicBucket>) -> AtStep<'_> {
        buffer.clear();
        for (upper, counts) in &self.buckets {
            let count = counts[step];
            if !is_stale(count) {
                let upper = *upper;
                buffer.push(ClassicBucket { upper, count });
            }
        }
        let native = self.native.as_ref().and_then(|n| n.histogram(step));
        match (buffer.is_empty(), native) {
            (true, None) => AtStep::Nothing,
            (true, Some(histogram)) => AtStep::Native(histogram),
            (false, None) => AtStep::Classic,
            (false, Some(_)) => AtStep::Mixed,
        }
    }
}

/// `histogram_quantile(q, v)`
pub(super) fn quantile<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let quantiles = ev.scalar(&call.args[0])?;
    warn_of_quantiles(ev, &quantiles, &call.args[0]);
    let arg = &call.args[1];
    let mut forced = ForcedInfo::new(arg.span());
    let mut rows = Vec::new();
    for group in groups(ev, arg)? {
        let name = name_of(ev, &group.labels);
        let column = each_step(ev, arg, &group, |step, value| match value {
            AtStepValue::Classic(buckets) => {
                let (value, raised) = classic::quantile(quantiles[step], buckets);
                if let Some(raised) = raised {
                    forced.add(name, ev.steps.at(step), raised);
                }
                Ok(value)
            }
            AtStepValue::Native(_) => Err(not_built(&call.function.name, call.at.0)),
        })?;
        rows.push(Ok(unnamed(group.labels.clone(), column)));
    }
    forced.note(ev);
    dropped(ev, arg, rows.into_iter(), call.at.0)
}

/// `histogram_fraction(lower, upper, v)`
pub(super) fn fraction<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let lower = ev.scalar(&call.args[0])?;
    let upper = ev.scalar(&call.args[1])?;
    let arg = &call.args[2];
    let mut rows = Vec::new();
    for group in groups(ev, arg)? {
        let column = each_step(ev, arg, &group, |step, value| match value {
            AtStepValue::Classic(buckets) => {
                Ok(classic::fraction(lower[step], upper[step], buckets))
            }
            AtStepValue::Native(_) => Err(not_built(&call.function.name, call.at.0)),
        })?;
        rows.push(Ok(unnamed(group.labels.clone(), column)));
    }
    dropped(ev, arg, rows.into_iter(), call.at.0)
}

/// A histogram at a step.
enum AtStepValue<'g> {
    Classic(&'g mut Vec<ClassicBucket>),
    Native(&'g Histogram),
}

/// One number for each histogram of a group.
fn each_step(
    ev: Evaluator<'_>,
    arg: &Expr,
    group: &Group,
    mut function: impl FnMut(usize, AtStepValue<'_>) -> Result<f64, EvalError>,
) -> Result<Column, EvalError> {
    let mut column = Column::absent(ev.steps.count);
    let mut buffer = Vec::with_capacity(group.buckets.len());
    for step in 0..ev.steps.count {
        let value = match group.gather(step, &mut buffer) {
            AtStep::Nothing => continue,
            AtStep::Classic => AtStepValue::Classic(&mut buffer),
            AtStep::Native(histogram) => AtStepValue::Native(histogram),
            AtStep::Mixed => {
                let message = "vector contains a mix of classic and native histograms";
                let message = with_name(message, name_of(ev, &group.labels));
                ev.shared.note(Severity::Warning, message, arg.span());
                continue;
            }
        };
        column.floats[step] = function(step, value)?;
    }
    Ok(column)
}

fn unnamed(labels: Labels, column: Column) -> Series {
    Series {
        labels,
        drop_name: true,
        column,
    }
}

/// The histograms of an expression, by label set.
fn groups(ev: Evaluator<'_>, arg: &Expr) -> Result<Vec<Group>, EvalError> {
    let mut groups: LabelMap<Group> = LabelMap::default();
    for series in ev.rows(arg)? {
        let mut series = series?;
        ev.settle(&mut series);
        let Series { labels, column, .. } = series;
        let has_floats = column.floats.iter().any(|value| !is_stale(*value));
        if has_floats {
            match parse_bound(labels.get(BUCKET_LABEL)) {
                Some(bound) => {
                    let group = groups.entry(labels.without(BUCKET_LABEL)).or_default();
                    group.buckets.push((bound, column.floats));
                }
                None => warn_of_label(ev, &labels, arg),
            }
        }
        if !column.histograms.is_empty() {
            groups.entry(labels).or_default().native = Some(Column {
                floats: Vec::new(),
                histograms: column.histograms,
            });
        }
    }
    let sorted = groups.into_iter().map(|(labels, mut group)| {
        // NaN is no bound that anybody writes; where it stands does not matter.
        group.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        group.labels = labels;
        group
    });
    Ok(sorted.collect())
}

/// A bound as Go reads a float; hexadecimal ones are not read.
fn parse_bound(text: &str) -> Option<f64> {
    let bound: f64 = text.parse().ok()?;
    let too_large = bound.is_infinite() && text.contains(|c: char| c.is_ascii_digit());
    (!too_large).then_some(bound)
}

fn warn_of_label(ev: Evaluator<'_>, labels: &Labels, arg: &Expr) {
    let value = crate::model::labels::quote(labels.get(BUCKET_LABEL));
    let message = format!("bucket label \"le\" is missing or has a malformed value of {value}");
    let message = with_name(&message, name_of(ev, labels));
    ev.shared.note(Severity::Warning, message, arg.span());
}

fn warn_of_quantiles(ev: Evaluator<'_>, quantiles: &[f64], arg: &Expr) {
    let mut last = None;
    for &q in quantiles {
        if (0.0..=1.0).contains(&q) || last == Some(q.to_bits()) {
            continue;
        }
        last = Some(q.to_bits());
        let message = format!(
            "quantile value should be between 0 and 1, got {}",
            number::format_g(q)
        );
        ev.shared.note(Severity::Warning, message, arg.span());
    }
}

/// The metric name as annotations tell it: only where names are dropped at the end of the query.
fn name_of<'l>(ev: Evaluator<'_>, labels: &'l Labels) -> &'l str {
    if ev.options.delayed_name_removal {
        labels.get(METRIC_NAME)
    } else {
        ""
    }
}

/// A message with the name of the metric, where there is one.
pub(super) fn with_name(message: &str, name: &str) -> String {
    if name.is_empty() {
        message.to_owned()
    } else {
        format!(
            "{message} for metric name {}",
            crate::model::labels::quote(name)
        )
    }
}
