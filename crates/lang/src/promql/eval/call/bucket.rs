//! Functions of histograms, classic and native: `histogram_quantile`, `histogram_fraction`.
//!
//! The series are grouped once per query by their labels without `le`; the steps then only gather
//! counts.

use std::sync::Arc;

use super::dropped;
use super::monotonic::ForcedInfo;
use crate::model::histogram::Histogram;
use crate::model::labels::quote;
use crate::model::{LabelMap, Labels, METRIC_NAME, Span, number};
use crate::promql::ast::{Call, Expr};
use crate::promql::eval::column::{Column, Rows, Series};
use crate::promql::eval::evaluator::Evaluator;
use crate::promql::eval::quantile::{NanEffect, histogram_fraction, histogram_quantile};
use crate::promql::eval::quantile_classic::{self as classic, ClassicBucket};
use crate::promql::eval::{EvalError, Severity};
use crate::promql::store::is_stale;

/// The label that holds the upper bound of a classic bucket.
const BUCKET_LABEL: &str = "le";

/// The histograms of one label set.
#[derive(Default)]
struct Group {
    labels: Labels,
    /// The counts of each classic bucket, sorted by bound.
    buckets: Vec<(f64, Vec<f64>)>,
    /// The native histogram of each step; empty where there is none at all.
    native: Vec<Option<Arc<Histogram>>>,
}

/// What a group holds at one step.
enum AtStep<'g> {
    Classic(&'g mut Vec<ClassicBucket>),
    Native(&'g Histogram),
    /// Both, so that neither counts.
    Mixed,
    Nothing,
}

impl Group {
    /// The histogram of a step; the classic buckets are put into the buffer.
    fn at<'g>(&'g self, step: usize, buffer: &'g mut Vec<ClassicBucket>) -> AtStep<'g> {
        buffer.clear();
        for (upper, counts) in &self.buckets {
            let count = counts[step];
            if !is_stale(count) {
                let upper = *upper;
                buffer.push(ClassicBucket { upper, count });
            }
        }
        let native = self.native.get(step).and_then(Option::as_deref);
        match (buffer.is_empty(), native) {
            (true, None) => AtStep::Nothing,
            (true, Some(histogram)) => AtStep::Native(histogram),
            (false, None) => AtStep::Classic(buffer),
            (false, Some(_)) => AtStep::Mixed,
        }
    }
}

/// `histogram_quantile(q, v)`
pub(super) fn quantile<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let quantiles = ev.scalar(&call.args[0])?;
    let arg = &call.args[1];
    warn_of_quantiles(ev, &quantiles, &call.args[0]);
    let notes = Notes::new(ev, arg);
    let mut forced = ForcedInfo::new(notes.span);
    let rows: Vec<_> = groups(&notes, arg)?
        .into_iter()
        .map(|group| {
            let column = quantile_column(&notes, &group, &quantiles, &mut forced);
            Ok(unnamed(group.labels, column))
        })
        .collect();
    forced.note(ev);
    dropped(ev, arg, rows.into_iter(), call.at.0)
}

/// `histogram_quantiles(v, label, q...)`: each quantile has the value of the label that says which it is.
pub(super) fn quantiles<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let arg = &call.args[0];
    let label = ev.text(&call.args[1])?;
    let mut all = Vec::new();
    for q in &call.args[2..] {
        let quantiles = ev.scalar(q)?;
        warn_of_quantiles(ev, &quantiles, q);
        all.push(quantiles);
    }
    let notes = Notes::new(ev, arg);
    let mut forced = ForcedInfo::new(notes.span);
    let groups = groups(&notes, arg)?;
    let mut rows = Vec::new();
    for quantiles in &all {
        for group in &groups {
            let column = quantile_column(&notes, group, quantiles, &mut forced);
            let mut series = unnamed(group.labels.clone(), column);
            ev.settle(&mut series);
            for (q, column) in by_quantile(quantiles, series.column) {
                let mut labels = series.labels.to_builder();
                labels.set(&label, &open_metrics(q));
                rows.push(Series {
                    labels: labels.build(),
                    drop_name: series.drop_name,
                    column,
                });
                if rows.len().saturating_mul(ev.steps.count) > ev.options.max_samples {
                    return Err(EvalError {
                        message: "query processing would load too many samples into memory in query execution"
                            .into(),
                        span: call.at.0,
                    });
                }
            }
        }
    }
    forced.note(ev);
    Ok(Box::new(ev.merge(rows, call.at.0)?.into_iter().map(Ok)))
}

/// A column for each of the quantiles that the steps ask for: mostly one.
fn by_quantile(quantiles: &[f64], column: Column) -> Vec<(f64, Column)> {
    let Some(&first) = quantiles.first() else {
        return Vec::new();
    };
    if quantiles.iter().all(|q| q.to_bits() == first.to_bits()) {
        return vec![(first, column)];
    }
    let mut columns: indexmap::IndexMap<u64, (f64, Column)> = indexmap::IndexMap::new();
    for (step, (&q, &value)) in quantiles.iter().zip(&column.floats).enumerate() {
        if !is_stale(value) {
            let absent = || (q, Column::absent(quantiles.len()));
            let (_, column) = columns.entry(q.to_bits()).or_insert_with(absent);
            column.floats[step] = value;
        }
    }
    columns.into_values().collect()
}

/// How `OpenMetrics` writes a float: with a point or an exponent (upstream's `FormatOpenMetricsFloat`).
fn open_metrics(value: f64) -> String {
    let text = number::format_g(value);
    if value.is_finite() && !text.contains(['e', '.']) {
        text + ".0"
    } else {
        text
    }
}

/// `histogram_fraction(lower, upper, v)`
pub(super) fn fraction<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let lower = ev.scalar(&call.args[0])?;
    let upper = ev.scalar(&call.args[1])?;
    let arg = &call.args[2];
    let notes = Notes::new(ev, arg);
    let rows = groups(&notes, arg)?.into_iter().map(|group| {
        let column = column(&notes, &group, |step, value| match value {
            Ok(buckets) => classic::fraction(lower[step], upper[step], buckets),
            Err(histogram) => {
                let (fraction, has_nan) = histogram_fraction(lower[step], upper[step], histogram);
                if has_nan {
                    let message = "input to histogram_fraction has NaN observations, which are \
                        excluded from all fractions";
                    notes.add(Severity::Info, message, &group.labels);
                }
                fraction
            }
        });
        Ok(unnamed(group.labels, column))
    });
    let rows: Vec<_> = rows.collect();
    dropped(ev, arg, rows.into_iter(), call.at.0)
}

fn quantile_column(
    notes: &Notes<'_>,
    group: &Group,
    quantiles: &[f64],
    forced: &mut ForcedInfo,
) -> Column {
    let name = notes.name(&group.labels);
    column(notes, group, |step, value| match value {
        Ok(buckets) => {
            let (value, raised) = classic::quantile(quantiles[step], buckets);
            if let Some(raised) = raised {
                forced.add(name, notes.ev.steps.at(step), raised);
            }
            value
        }
        Err(histogram) => {
            let (value, effect) = histogram_quantile(quantiles[step], histogram);
            let told = match effect {
                None => return value,
                Some(NanEffect::Result) => "result is NaN",
                Some(NanEffect::Skew) => "result is skewed higher",
            };
            let message = format!("input to histogram_quantile has NaN observations, {told}");
            notes.add(Severity::Info, &message, &group.labels);
            value
        }
    })
}

/// One number for each histogram of a group: a function of classic buckets or a native histogram.
fn column(
    notes: &Notes<'_>,
    group: &Group,
    mut function: impl FnMut(usize, Result<&mut Vec<ClassicBucket>, &Histogram>) -> f64,
) -> Column {
    let count = notes.ev.steps.count;
    let mut column = Column::absent(count);
    let mut buffer = Vec::with_capacity(group.buckets.len());
    for step in 0..count {
        let value = match group.at(step, &mut buffer) {
            AtStep::Classic(buckets) => Ok(buckets),
            AtStep::Native(histogram) => Err(histogram),
            AtStep::Nothing => continue,
            AtStep::Mixed => {
                let message = "vector contains a mix of classic and native histograms";
                notes.add(Severity::Warning, message, &group.labels);
                continue;
            }
        };
        column.floats[step] = function(step, value);
    }
    column
}

fn unnamed(labels: Labels, column: Column) -> Series {
    Series {
        labels,
        drop_name: true,
        column,
    }
}

/// The histograms of an expression, by label set.
fn groups(notes: &Notes<'_>, arg: &Expr) -> Result<Vec<Group>, EvalError> {
    let mut groups: LabelMap<Group> = LabelMap::default();
    for series in notes.ev.rows(arg)? {
        let mut series = series?;
        notes.ev.settle(&mut series);
        let Series { labels, column, .. } = series;
        if column.floats.iter().any(|value| !is_stale(*value)) {
            let label = labels.get(BUCKET_LABEL);
            if let Some(bound) = parse_bound(label) {
                let group = groups.entry(labels.without(BUCKET_LABEL)).or_default();
                group.buckets.push((bound, column.floats));
            } else {
                let message = "bucket label \"le\" is missing or has a malformed value of ";
                let message = format!("{message}{}", quote(label));
                notes.add(Severity::Warning, &message, &labels);
            }
        }
        if !column.histograms.is_empty() {
            let native = &mut groups.entry(labels).or_default().native;
            native.resize(column.histograms.len(), None);
            for (slot, histogram) in native.iter_mut().zip(column.histograms) {
                *slot = histogram.or(slot.take());
            }
        }
    }
    let sorted = groups.into_iter().map(|(labels, mut group)| {
        group.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        group.labels = labels;
        group
    });
    Ok(sorted.collect())
}

/// A bound as Go reads a float; hexadecimal ones, which nobody writes, are not read.
fn parse_bound(text: &str) -> Option<f64> {
    let bound: f64 = text.parse().ok()?;
    let too_large = bound.is_infinite() && text.contains(|c: char| c.is_ascii_digit());
    (!too_large).then_some(bound)
}

fn warn_of_quantiles(ev: Evaluator<'_>, quantiles: &[f64], arg: &Expr) {
    let span = arg.unwrap_parens().span();
    let mut last = None;
    for &q in quantiles {
        if (0.0..=1.0).contains(&q) || last == Some(q.to_bits()) {
            continue;
        }
        last = Some(q.to_bits());
        let message = "quantile value should be between 0 and 1, got ";
        let message = format!("{message}{}", number::format_g(q));
        ev.shared.note(Severity::Warning, message, span);
    }
}

/// Where annotations about the histograms of a call go.
struct Notes<'e> {
    ev: Evaluator<'e>,
    span: Span,
}

impl<'e> Notes<'e> {
    fn new(ev: Evaluator<'e>, arg: &Expr) -> Self {
        let span = arg.unwrap_parens().span();
        Self { ev, span }
    }

    /// The metric name as annotations tell it: only where names are dropped at the end of the query.
    fn name<'l>(&self, labels: &'l Labels) -> &'l str {
        if self.ev.options.delayed_name_removal {
            labels.get(METRIC_NAME)
        } else {
            ""
        }
    }

    fn add(&self, severity: Severity, message: &str, labels: &Labels) {
        let message = with_name(message, self.name(labels));
        self.ev.shared.note(severity, message, self.span);
    }
}

/// A message with the name of the metric, where there is one.
pub(super) fn with_name(message: &str, name: &str) -> String {
    if name.is_empty() {
        message.to_owned()
    } else {
        format!("{message} for metric name {}", quote(name))
    }
}
