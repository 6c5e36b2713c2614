//! The parameters of a request: of the form in its body, then of its URL, as Go reads them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use stentor_lang::model::labels::quote;
use stentor_lang::model::{Duration, Timestamp};
use stentor_lang::promql;
use stentor_lang::regex::LabelMatcher;

use super::Refusal;

/// What the API says of an answer that was cut.
pub(super) const TRUNCATED: &str = "results truncated due to limit";

/// The most selectors of a request: each is looked for in all series.
const MAX_SELECTORS: usize = 1000;

/// What is farther from now than any sample.
pub(super) const ALWAYS: (Timestamp, Timestamp) = (
    Timestamp::from_millis(i64::MIN),
    Timestamp::from_millis(i64::MAX),
);

/// Names and values in their order, and whether somebody still waits for the answer.
#[derive(Debug, Default)]
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    /// Set when nobody does.
    pub(super) cancel: Arc<AtomicBool>,
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let content = request.headers().get(header::CONTENT_TYPE);
        let is_form = content.is_some_and(|kind| {
            let kind = kind
                .as_bytes()
                .split(|b| *b == b';')
                .next()
                .unwrap_or_default();
            kind.trim_ascii()
                .eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
        });
        let mut pairs = Vec::new();
        if is_form {
            let body = axum::body::Bytes::from_request(request, state).await;
            let body = body.map_err(axum::response::IntoResponse::into_response)?;
            let text = std::str::from_utf8(&body).map_err(|_| {
                (StatusCode::BAD_REQUEST, "the form is not UTF-8\n").into_response()
            })?;
            pairs.extend(decode(text));
        }
        pairs.extend(decode(&query));
        Ok(Self::from(pairs))
    }
}

/// `a=1&b=%22x+y%22` as pairs.
fn decode(text: &str) -> Vec<(String, String)> {
    let mut url = reqwest::Url::parse("http://form/").expect("invariant: a URL");
    url.set_query(Some(text));
    url.query_pairs().into_owned().collect()
}

impl From<Vec<(String, String)>> for Params {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self {
            pairs,
            cancel: Arc::default(),
        }
    }
}

impl Params {
    #[cfg(test)]
    pub(super) fn of(query: &str) -> Self {
        Self::from(decode(query))
    }

    /// The first value of a name; empty where there is none.
    pub(super) fn first(&self, name: &str) -> &str {
        let mut named = self.pairs.iter().filter(|(key, _)| key == name);
        named.next().map_or("", |(_, value)| value)
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.pairs.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    /// A time that has to be there, unless there is another one for it.
    pub(super) fn time(
        &self,
        name: &str,
        default: Option<Timestamp>,
    ) -> Result<Timestamp, Refusal> {
        let text = self.first(name);
        match default {
            Some(default) if text.is_empty() => Ok(default),
            _ => time(text).ok_or_else(|| {
                let why = format!("cannot parse {} to a valid timestamp", quote(text));
                let why = match default {
                    Some(_) => format!("invalid time value for '{name}': {why}"),
                    None => why,
                };
                Refusal::invalid(name, why)
            }),
        }
    }

    /// `start` and `end`; without them, always.
    pub(super) fn bounds(&self) -> Result<(Timestamp, Timestamp), Refusal> {
        let start = self.time("start", Some(ALWAYS.0))?;
        Ok((start, self.time("end", Some(ALWAYS.1))?))
    }

    /// A duration, if it is there: seconds, or as in `PromQL`.
    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, Refusal> {
        match self.first(name) {
            "" => Ok(None),
            text => duration(text)
                .map(Some)
                .map_err(|why| Refusal::invalid(name, why)),
        }
    }

    /// How much to answer at most; 0 for all.
    pub(super) fn limit(&self) -> Result<usize, Refusal> {
        let text = self.first("limit");
        if text.is_empty() {
            return Ok(0);
        }
        let invalid = |why: String| Refusal::invalid("limit", why);
        let limit: i64 = text.parse().map_err(|_| {
            let quoted = quote(text);
            invalid(format!("strconv.Atoi: parsing {quoted}: invalid syntax"))
        })?;
        usize::try_from(limit).map_err(|_| invalid("limit must be non-negative".to_owned()))
    }

    /// The selectors of `match[]`.
    pub(super) fn selectors(&self) -> Result<Vec<Vec<LabelMatcher>>, String> {
        let mut sets = Vec::new();
        if self.all("match[]").nth(MAX_SELECTORS).is_some() {
            return Err(format!("more than {MAX_SELECTORS} selectors"));
        }
        for text in self.all("match[]") {
            let matchers = promql::parse_selector(text).map_err(|errors| {
                let first = errors.first();
                first
                    .map(|error| parse_error(text, error))
                    .unwrap_or_default()
            })?;
            let compiled = matchers.iter().map(LabelMatcher::new);
            let compiled: Result<Vec<_>, _> = compiled.collect();
            sets.push(compiled.map_err(|error| error.to_string())?);
        }
        let empty = |set: &Vec<LabelMatcher>| set.iter().all(|m| m.matches_value(""));
        if sets.iter().any(empty) {
            return Err("match[] must contain at least one non-empty matcher".to_owned());
        }
        Ok(sets)
    }
}

/// A time, the farthest ones that clients send for "always" included.
fn time(text: &str) -> Option<Timestamp> {
    match text {
        "-292273086-05-16T16:47:06Z" => Some(ALWAYS.0),
        "+292277025-08-18T07:12:54.999999999Z" | "292277025-08-18T07:12:54.999999999Z" => {
            Some(ALWAYS.1)
        }
        _ => Timestamp::parse(text),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    /// As long as Go's durations are.
    const LONGEST: f64 = 9.2e9;
    match text.parse::<f64>() {
        #[expect(clippy::cast_possible_truncation, reason = "bounded by LONGEST")]
        Ok(seconds) if seconds.abs() <= LONGEST => {
            Ok(Duration::from_millis((seconds * 1000.0) as i64))
        }
        Ok(_) => Err(format!(
            "cannot parse {} to a valid duration. It overflows int64",
            quote(text)
        )),
        Err(_) => Duration::parse(text)
            .map_err(|_| format!("cannot parse {} to a valid duration", quote(text))),
    }
}

/// An error of an expression as Prometheus tells it: `1:5: parse error: ...`
pub(super) fn parse_error(text: &str, error: &stentor_lang::model::Diagnostic) -> String {
    if text.is_empty() {
        return format!("unknown position: parse error: {}", error.message);
    }
    let before = &text[..text.floor_char_boundary(error.span.start)];
    let line = before.matches('\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
    format!("{line}:{column}: parse error: {}", error.message)
}
