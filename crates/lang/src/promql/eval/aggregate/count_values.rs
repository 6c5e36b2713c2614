//! `count_values`: how many series of a group have which value.

use std::collections::HashMap;

use super::super::EvalError;
use super::super::column::{Column, Rows, Series};
use super::super::evaluator::Evaluator;
use super::Grouping;
use crate::model::number::format_f;
use crate::model::{LabelMap, Labels, METRIC_NAME, Span};
use crate::promql::ast::{Aggregate, Expr};
use crate::promql::store::is_stale;

pub(super) fn rows<'e>(ev: Evaluator<'e>, aggregate: &'e Aggregate) -> Result<Rows<'e>, EvalError> {
    let label = match &aggregate.param {
        Some(param) => ev.text(param)?,
        None => String::new(),
    };
    if label.is_empty() {
        let message = format!("invalid label name {}", crate::model::labels::quote(&label));
        let span = aggregate.param.as_ref().map(Expr::span).unwrap_or_default();
        return Err(EvalError { message, span });
    }
    let mut counts = Counts {
        is_kept: !aggregate.without || {
            let named = |name: &str| aggregate.grouping.iter().any(|l| l.name == name);
            label != METRIC_NAME && !named(&label)
        },
        label,
        ev,
        span: aggregate.at.0,
        grouping: Grouping::of(aggregate),
        bases: LabelMap::default(),
        known: HashMap::default(),
        results: LabelMap::default(),
    };
    for series in ev.rows(&aggregate.expr)? {
        let mut series = series?;
        ev.settle(&mut series);
        counts.add(&series)?;
    }
    let rows = counts.results.into_iter().map(|(labels, column)| {
        Ok(Series {
            labels,
            drop_name: false,
            column,
        })
    });
    Ok(Box::new(rows))
}

struct Counts<'e> {
    /// The label that gets the value.
    label: String,
    /// Whether results have that label.
    is_kept: bool,
    ev: Evaluator<'e>,
    /// The whole aggregation.
    span: Span,
    grouping: Grouping<'e>,
    /// The labels of groups without the value.
    bases: LabelMap<()>,
    /// Indices of results, by group and bits of the value.
    known: HashMap<(usize, u64), usize, foldhash::fast::RandomState>,
    results: LabelMap<Column>,
}

impl Counts<'_> {
    fn add(&mut self, series: &Series) -> Result<(), EvalError> {
        let group = self.grouping.group(&series.labels);
        let base = group.without(&self.label);
        let (base, _) = self.bases.insert_full(base, ());
        let mut last = None;
        for (step, &value) in series.column.floats.iter().enumerate() {
            if is_stale(value) {
                continue;
            }
            // All that print as `NaN` are one value.
            let bits = if value.is_nan() { f64::NAN } else { value }.to_bits();
            let result = match last {
                Some((last, result)) if last == bits => result,
                _ => self.result(base, bits)?,
            };
            last = Some((bits, result));
            self.count(result, step);
        }
        for (step, histogram) in series.column.histograms.iter().enumerate() {
            if let Some(histogram) = histogram {
                let result = self.new_result(base, &histogram.to_string())?;
                self.count(result, step);
            }
        }
        Ok(())
    }

    fn count(&mut self, result: usize, step: usize) {
        let count = &mut self.results[result].floats[step];
        *count = if is_stale(*count) { 1.0 } else { *count + 1.0 };
    }

    fn result(&mut self, base: usize, bits: u64) -> Result<usize, EvalError> {
        if let Some(result) = self.known.get(&(base, bits)) {
            return Ok(*result);
        }
        let result = self.new_result(base, &format_f(f64::from_bits(bits)))?;
        self.known.insert((base, bits), result);
        Ok(result)
    }

    fn new_result(&mut self, base: usize, value: &str) -> Result<usize, EvalError> {
        let (group, ()) = self.bases.get_index(base).expect("invariant: inserted");
        let labels = self.labels(group, value);
        let steps = self.ev.steps.count;
        let entry = self.results.entry(labels);
        let result = entry.index();
        entry.or_insert_with(|| Column::absent(steps));
        let held = self.results.len().saturating_mul(steps);
        self.ev.check_held(held, self.span)?;
        Ok(result)
    }

    fn labels(&self, group: &Labels, value: &str) -> Labels {
        if !self.is_kept {
            return group.clone();
        }
        let mut builder = group.to_builder();
        builder.set(&self.label, value);
        builder.build()
    }
}
