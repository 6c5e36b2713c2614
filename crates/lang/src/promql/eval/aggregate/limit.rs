//! `limitk` and `limit_ratio`: some series of each group, whatever their values.

use xxhash_rust::xxh64::xxh64;

use super::super::EvalError;
use super::super::annotation::Severity;
use super::super::column::Rows;
use super::super::evaluator::Evaluator;
use super::{Grouping, Parameter};
use crate::model::number::format_g;
use crate::model::{LabelMap, Labels};
use crate::promql::ast::{Aggregate, Expr};

/// `limitk`: at each step the first series of each group that have a value.
pub(super) fn first<'e>(
    ev: Evaluator<'e>,
    aggregate: &'e Aggregate,
) -> Result<Rows<'e>, EvalError> {
    let Some(limits) = Parameter::of(&ev, aggregate)?.counts(aggregate)? else {
        return Ok(Box::new(std::iter::empty()));
    };
    let grouping = Grouping::of(aggregate);
    let mut taken: LabelMap<Vec<usize>> = LabelMap::default();
    let rows = ev.rows(&aggregate.expr)?.filter_map(move |series| {
        let mut series = match series {
            Ok(series) => series,
            Err(error) => return Some(Err(error)),
        };
        ev.settle(&mut series);
        let taken = taken.entry(grouping.group(&series.labels)).or_default();
        taken.resize(limits.len(), 0);
        for (step, (taken, limit)) in taken.iter_mut().zip(&limits).enumerate() {
            if !series.column.is_present(step) {
                continue;
            }
            if *taken < *limit {
                *taken += 1;
            } else {
                series.column.clear(step);
            }
        }
        (!series.column.is_empty()).then_some(Ok(series))
    });
    Ok(Box::new(rows))
}

/// `limit_ratio`: a sample of the series, the same whenever it is asked for, or its complement where the
/// ratio is negative.
pub(super) fn ratio<'e>(
    ev: Evaluator<'e>,
    aggregate: &'e Aggregate,
) -> Result<Rows<'e>, EvalError> {
    let parameter = Parameter::of(&ev, aggregate)?;
    if parameter.max == 0.0 && parameter.min == 0.0 {
        return Ok(Box::new(std::iter::empty()));
    }
    let span = aggregate.param.as_ref().map(Expr::span).unwrap_or_default();
    if parameter.any_nan {
        let message = "Ratio value is NaN".into();
        return Err(EvalError { message, span });
    }
    for (value, bound) in [(parameter.max, 1.0), (parameter.min, -1.0)] {
        if value * bound > 1.0 {
            let (value, bound) = (format_g(value), format_g(bound));
            let message =
                format!("ratio value should be between -1 and 1, got {value}, capping to {bound}");
            ev.shared.note(Severity::Warning, message, span);
        }
    }
    let rows = ev.rows(&aggregate.expr)?.filter_map(move |series| {
        let mut series = match series {
            Ok(series) => series,
            Err(error) => return Some(Err(error)),
        };
        ev.settle(&mut series);
        let offset = sample_offset(&series.labels);
        for (step, ratio) in parameter.values.iter().enumerate() {
            if !is_sampled(ratio.clamp(-1.0, 1.0), offset) {
                series.column.clear(step);
            }
        }
        (!series.column.is_empty()).then_some(Ok(series))
    });
    Ok(Box::new(rows))
}

fn is_sampled(ratio: f64, offset: f64) -> bool {
    if ratio >= 0.0 {
        offset < ratio
    } else {
        offset >= 1.0 + ratio
    }
}

/// Where a label set is between 0 and 1: the hash of its labels as the default build of Prometheus 3 holds
/// them in memory (`labels_stringlabels.go`), each text behind its length in one byte, or in four.
fn sample_offset(labels: &Labels) -> f64 {
    let mut bytes = Vec::with_capacity(labels.byte_len());
    for (name, value) in labels {
        for text in [name, value] {
            match u8::try_from(text.len()) {
                Ok(length) if length < 255 => bytes.push(length),
                _ => {
                    bytes.push(255);
                    bytes.extend_from_slice(&text.len().to_le_bytes()[..3]);
                }
            }
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "as upstream")]
    let offset = xxh64(&bytes, 0) as f64 / u64::MAX as f64;
    offset
}
