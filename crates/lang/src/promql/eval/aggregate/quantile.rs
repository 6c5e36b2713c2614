//! `quantile`: the only aggregation that needs all numbers of a group at once.

use super::super::EvalError;
use super::super::annotation::Severity;
use super::super::column::{Column, Rows, Series};
use super::super::evaluator::Evaluator;
use super::super::window::quantile;
use super::fold::Context;
use super::{Grouping, Parameter};
use crate::model::LabelMap;
use crate::model::number::format_g;
use crate::promql::ast::{Aggregate, Expr};
use crate::promql::store::is_stale;

pub(super) fn rows<'e>(ev: Evaluator<'e>, aggregate: &'e Aggregate) -> Result<Rows<'e>, EvalError> {
    let parameter = Parameter::of(&ev, aggregate)?;
    warn(&ev, aggregate, &parameter);
    let grouping = Grouping::of(aggregate);
    let context = Context {
        shared: ev.shared,
        span: aggregate.expr.span(),
        name: aggregate.op.as_str(),
    };
    let mut groups: LabelMap<(Vec<Vec<f64>>, bool)> = LabelMap::default();
    for series in ev.collect(&aggregate.expr)? {
        let mut series = series;
        ev.settle(&mut series);
        context.ignored(&series.column);
        let (columns, drop_name) = groups.entry(grouping.group(&series.labels)).or_default();
        columns.push(series.column.floats);
        *drop_name |= series.drop_name;
    }
    let mut values = Vec::new();
    let rows = groups
        .into_iter()
        .map(move |(labels, (columns, drop_name))| {
            let mut column = Column::absent(ev.steps.count);
            for (step, result) in column.floats.iter_mut().enumerate() {
                let present = columns.iter().map(|column| column[step]);
                values.clear();
                values.extend(present.filter(|value| !is_stale(*value)));
                if !values.is_empty() {
                    *result = quantile(parameter.values[step], &mut values);
                }
            }
            Series {
                labels,
                drop_name,
                column,
            }
        });
    Ok(Box::new(
        rows.filter(|series| !series.column.is_empty()).map(Ok),
    ))
}

fn warn(ev: &Evaluator<'_>, aggregate: &Aggregate, parameter: &Parameter) {
    let span = aggregate.param.as_ref().map(Expr::span).unwrap_or_default();
    let warn = |value: f64| {
        let message = format!(
            "quantile value should be between 0 and 1, got {}",
            format_g(value)
        );
        ev.shared.note(Severity::Warning, message, span);
    };
    if parameter.any_nan {
        warn(f64::NAN);
    }
    if parameter.max > 1.0 {
        warn(parameter.max);
    }
    if parameter.min < 0.0 {
        warn(parameter.min);
    }
}
