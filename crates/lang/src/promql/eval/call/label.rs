//! `label_replace` and `label_join`: functions of labels alone, which see series and not samples.

use std::collections::BTreeMap;

use crate::model::{Labels, METRIC_NAME};
use crate::promql::ast::Call;
use crate::promql::eval::EvalError;
use crate::promql::eval::column::{Rows, Series};
use crate::promql::eval::evaluator::Evaluator;
use crate::regex::Regex;

/// The longest value that a label is given: calls inside each other may double a value each time.
const MAX_VALUE: usize = 64 * 1024;

/// `label_replace(v, dst, replacement, src, regex)`
pub(super) fn replace<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let [dst, replacement, src, pattern] = [1, 2, 3, 4].map(|index| ev.text(&call.args[index]));
    let (dst, replacement, src, pattern) = (dst?, replacement?, src?, pattern?);
    let refuse = |message: String| EvalError {
        message,
        span: call.at.0,
    };
    let regex = Regex::anchored(&pattern).map_err(|_| {
        refuse(format!(
            "invalid regular expression in label_replace(): {pattern}"
        ))
    })?;
    if dst.is_empty() {
        let message = format!("invalid destination label name in label_replace(): {dst}");
        return Err(refuse(message));
    }
    // Series of one source value have one result, and there are far fewer values than series.
    let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
    relabel(ev, call, &dst, |labels| {
        let value = labels.get(&src);
        if let Some(result) = known.get(value) {
            return Ok(result.clone());
        }
        let result = match regex.captures(value) {
            None => None,
            Some(captures) => {
                let mut text = String::new();
                let expanded = captures.expand_within(&replacement, &mut text, MAX_VALUE);
                expanded.ok_or_else(|| too_long(call))?;
                Some(text)
            }
        };
        known.insert(value.to_owned(), result.clone());
        Ok(result)
    })
}

/// `label_join(v, dst, separator, src...)`
pub(super) fn join<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let texts: Result<Vec<String>, EvalError> =
        call.args[1..].iter().map(|arg| ev.text(arg)).collect();
    let texts = texts?;
    let (dst, separator, sources) = (&texts[0], &texts[1], &texts[2..]);
    let refuse = |message: &str| {
        Err(EvalError {
            message: message.to_owned(),
            span: call.at.0,
        })
    };
    if sources.iter().any(String::is_empty) {
        return refuse("invalid source label name in label_join(): ");
    }
    if dst.is_empty() {
        return refuse("invalid destination label name in label_join(): ");
    }
    relabel(ev, call, dst, |labels| {
        let values: Vec<&str> = sources.iter().map(|source| labels.get(source)).collect();
        let length = values.iter().fold(0_usize, |sum, value| {
            sum.saturating_add(value.len())
                .saturating_add(separator.len())
        });
        if length > MAX_VALUE {
            return Err(too_long(call));
        }
        Ok(Some(values.join(separator)))
    })
}

fn too_long(call: &Call) -> EvalError {
    EvalError {
        message: format!(
            "{}() makes a label value of more than {MAX_VALUE} bytes",
            call.function.name
        ),
        span: call.at.0,
    }
}

/// Sets a label of each series to what the function says, if it says something.
fn relabel<'e>(
    ev: Evaluator<'e>,
    call: &'e Call,
    dst: &str,
    mut value: impl FnMut(&Labels) -> Result<Option<String>, EvalError>,
) -> Result<Rows<'e>, EvalError> {
    let mut all: Vec<Series> = Vec::new();
    for series in ev.rows(&call.args[0])? {
        let mut series = series?;
        ev.settle(&mut series);
        if let Some(value) = value(&series.labels)? {
            if series.labels.get(dst) != value {
                let mut builder = series.labels.to_builder();
                builder.set(dst, &value);
                series.labels = builder.build();
            }
            if dst == METRIC_NAME {
                series.drop_name = false;
            }
        }
        all.push(series);
    }
    Ok(Box::new(ev.merge(all, call.at.0)?.into_iter().map(Ok)))
}
