//! `/api/v1/query` and `/api/v1/query_range`.

use std::sync::Arc;
use std::time::Instant;

use stentor_lang::model::{Duration, SourceText};
use stentor_lang::promql::eval::{self, Answer, EvalError, EvalOptions, Severity, Value};
use stentor_lang::promql::{self, Expr, ValueType};

use super::json::{query_data, success, warnings};
use super::params::{Params, TRUNCATED, duration, parse_error};
use super::{Answered, App, Refusal};

/// The most steps of a range, so that nobody asks for more points than fit on a screen by mistake.
const MAX_STEPS: i64 = 11_000;

pub(super) fn instant(app: &App, params: &Params) -> Answered {
    let limit = params.limit()?;
    let series = (app.series)();
    let at = params.time("time", Some(series.now))?;
    let options = options(app, params)?;
    let (text, expr) = expression(app, params)?;
    respond(params, limit, &text, || {
        eval::instant(&expr, &*series.store, at, &options)
    })
}

pub(super) fn range(app: &App, params: &Params) -> Answered {
    let limit = params.limit()?;
    let start = params.time("start", None)?;
    let end = params.time("end", None)?;
    if end < start {
        let why = "end timestamp must not be before start time";
        return Err(Refusal::invalid("end", why));
    }
    let step = duration(params.first("step")).map_err(|why| Refusal::invalid("step", why))?;
    if step <= Duration::ZERO {
        let why = "zero or negative query resolution step widths are not accepted. \
                   Try a positive integer";
        return Err(Refusal::invalid("step", why));
    }
    if end.since(start).millis() / step.millis() > MAX_STEPS {
        let why = "exceeded maximum resolution of 11,000 points per timeseries. \
                   Try decreasing the query resolution (?step=XX)";
        return Err(Refusal::BadData(why.to_owned()));
    }
    let options = options(app, params)?;
    let (text, expr) = expression(app, params)?;
    let kind = expr.value_type();
    if matches!(kind, ValueType::String | ValueType::Matrix) {
        let kind = match kind {
            ValueType::String => "string",
            _ => "range vector",
        };
        let why = format!(
            "invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector"
        );
        return Err(Refusal::invalid("query", why));
    }
    let store = (app.series)().store;
    respond(params, limit, &text, || {
        eval::range(&expr, &*store, start, end, step, &options)
    })
}

fn options(app: &App, params: &Params) -> Result<EvalOptions, Refusal> {
    let mut options = app.language.options.clone();
    options.cancel = Some(Arc::clone(&params.cancel));
    let text = params.first("lookback_delta");
    if !text.is_empty() {
        let lookback = duration(text).map_err(|why| {
            Refusal::BadData(format!("error parsing lookback delta duration: {why}"))
        })?;
        // As in Prometheus, nothing and less mean the default.
        if lookback > Duration::ZERO {
            options.lookback = lookback;
        }
    }
    Ok(options)
}

fn expression(app: &App, params: &Params) -> Result<(SourceText, Expr), Refusal> {
    let text = params.first("query");
    let expr = promql::parse(text, app.language.syntax).map_err(|errors| {
        let why = errors.first().map(|error| parse_error(text, error));
        Refusal::invalid("query", why.unwrap_or_default())
    })?;
    Ok((SourceText::new("query", text), expr))
}

fn respond(
    params: &Params,
    limit: usize,
    text: &SourceText,
    evaluate: impl FnOnce() -> Result<Answer, EvalError>,
) -> Answered {
    let begun = Instant::now();
    let mut answer = evaluate().map_err(|error| Refusal::Execution(error.message))?;
    let seconds = begun.elapsed().as_secs_f64();
    let mut warned = warnings(&answer.annotations, text, Severity::Warning);
    let infos = warnings(&answer.annotations, text, Severity::Info);
    if limit > 0 {
        let cut = match &mut answer.value {
            Value::Vector(samples) => truncate(samples, limit),
            Value::Matrix(series) => truncate(series, limit),
            Value::Scalar(_) | Value::String(..) => false,
        };
        if cut {
            warned.push(TRUNCATED.to_owned());
        }
    }
    let stats = (!params.first("stats").is_empty()).then(|| stats(&answer, seconds));
    let mut data = String::new();
    query_data(&mut data, &answer.value, stats.as_deref());
    Ok(success(&data, &warned, &infos))
}

fn truncate<T>(all: &mut Vec<T>, limit: usize) -> bool {
    let cut = all.len() > limit;
    all.truncate(limit);
    cut
}

/// What is known of Prometheus' statistics: how long it took, and what was read.
fn stats(answer: &Answer, seconds: f64) -> String {
    serde_json::json!({
        "timings": {"evalTotalTime": seconds, "execTotalTime": seconds},
        "samples": {"samplesRead": answer.stats.samples},
    })
    .to_string()
}
