//! Aggregations that make one series of each group.

use super::super::EvalError;
use super::super::annotation::Severity;
use super::super::column::{Column, Rows, Series};
use super::super::evaluator::{Evaluator, Shared};
use super::Grouping;
use crate::model::{LabelMap, Span};
use crate::promql::ast::Aggregate;

/// What a fold may note.
#[derive(Clone, Copy)]
pub(super) struct Context<'e> {
    pub shared: &'e Shared,
    /// What is aggregated.
    pub span: Span,
    /// The name of the aggregation.
    pub name: &'static str,
}

impl Context<'_> {
    pub(super) fn note(&self, severity: Severity, message: impl Into<String>) {
        self.shared.note(severity, message, self.span);
    }

    /// Notes that an aggregation of numbers met a histogram.
    pub(super) fn ignored(&self, column: &Column) {
        if column.histograms.iter().any(Option::is_some) {
            let message = format!("ignored histogram in {} aggregation", self.name);
            self.note(Severity::Info, message);
        }
    }
}

/// The state of a group over all steps.
pub(super) trait Fold: Sized {
    /// The state after the first series of a group.
    fn first(series: Series, context: &Context<'_>) -> Self;
    /// Takes in another series.
    fn add(&mut self, series: &Series, context: &Context<'_>);
    /// The values of the group.
    fn finish(self, context: &Context<'_>) -> Column;
}

/// The groups in the order in which they first came.
pub(super) fn fold<'e, F: Fold + 'e>(
    ev: Evaluator<'e>,
    aggregate: &'e Aggregate,
) -> Result<Rows<'e>, EvalError> {
    let grouping = Grouping::of(aggregate);
    let context = Context {
        shared: ev.shared,
        span: aggregate.expr.span(),
        name: aggregate.op.as_str(),
    };
    let mut groups: LabelMap<(F, bool)> = LabelMap::default();
    for series in ev.rows(&aggregate.expr)? {
        let mut series = series?;
        if series.column.is_empty() {
            continue;
        }
        ev.settle(&mut series);
        match groups.entry(grouping.group(&series.labels)) {
            indexmap::map::Entry::Vacant(entry) => {
                let drop_name = series.drop_name;
                entry.insert((F::first(series, &context), drop_name));
                let held = groups.len().saturating_mul(ev.steps.count);
                ev.check_held(held, aggregate.at.0)?;
            }
            indexmap::map::Entry::Occupied(mut entry) => {
                let (group, drop_name) = entry.get_mut();
                group.add(&series, &context);
                *drop_name |= series.drop_name;
            }
        }
    }
    let rows = groups
        .into_iter()
        .map(move |(labels, (group, drop_name))| Series {
            labels,
            drop_name,
            column: group.finish(&context),
        });
    Ok(Box::new(
        rows.filter(|series| !series.column.is_empty()).map(Ok),
    ))
}
