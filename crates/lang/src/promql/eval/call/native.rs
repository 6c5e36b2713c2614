//! Functions of one native histogram: `histogram_count`, `histogram_sum`, ...; numbers are left out.

use super::dropped;
use crate::model::METRIC_NAME;
use crate::model::histogram::Histogram;
use crate::promql::ast::Call;
use crate::promql::eval::EvalError;
use crate::promql::eval::column::{Column, Rows};
use crate::promql::eval::evaluator::{Evaluator, misplaced};
use crate::promql::eval::quantile::histogram_variance;

pub(super) fn rows<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let function: fn(&Histogram) -> f64 = match call.function.name {
        "histogram_avg" => |h| h.sum / h.count,
        "histogram_count" => |h| h.count,
        "histogram_stddev" => |h| histogram_variance(h).sqrt(),
        "histogram_stdvar" => histogram_variance,
        "histogram_sum" => |h| h.sum,
        name => return Err(misplaced(name, call.at.0)),
    };
    let arg = &call.args[0];
    let rows = ev.rows(arg)?.map(move |series| {
        let mut series = series?;
        let mut column = Column::absent(ev.steps.count);
        for (step, histogram) in series.column.histograms.iter().enumerate() {
            if let Some(histogram) = histogram {
                column.floats[step] = function(histogram);
            }
        }
        if !ev.options.delayed_name_removal && !series.drop_name {
            // Unlike other functions these leave the labels of type and unit, where names are dropped at once.
            series.labels = series.labels.without(METRIC_NAME);
        }
        series.drop_name |= ev.options.delayed_name_removal;
        series.column = column;
        Ok(series)
    });
    dropped(ev, arg, rows, call.at.0)
}
