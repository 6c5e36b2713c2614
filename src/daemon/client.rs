//! Asks a data source by Prometheus' HTTP query API.
//!
//! What comes back is a whole answer or an error, never something between. Everything about one
//! query ends at its deadline: waiting for a place, connecting, reading, and the one repetition.

use std::sync::{Arc, OnceLock};
use std::time::Duration as Time;

use reqwest::{StatusCode, Url};
use stentor_core::engine::decode::{Caps, decode, decode_error, excerpt};
use stentor_core::engine::{Answer, Query, QueryError, QueryErrorKind, QueryTime};
use stentor_core::receiver::{Failure, HttpConfig};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::secrets::Inline;
use super::transport::{
    BodyError, Redirects, Transports, describe, failure, header_map, read_body,
};

/// How long to wait before the one repetition, where the data source names no time.
const RETRY_PAUSE: Time = Time::from_millis(200);

/// Bodies from this size on are decoded on a thread that may block: a million bytes take about
/// two milliseconds.
const DECODE_INLINE: usize = 1024 * 1024;

/// How a data source is asked.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Its name in the configuration.
    pub(crate) name: Arc<str>,
    /// The URL below which `/api/v1/query` is.
    pub(crate) url: String,
    /// How it is reached.
    pub(crate) http: HttpConfig,
    /// What an answer may hold.
    pub(crate) caps: Caps,
    /// Unpacked bytes of one answer.
    pub(crate) max_bytes: usize,
    /// The longest that a query may take.
    pub(crate) timeout: Time,
    /// Queries at the same time.
    pub(crate) concurrency: usize,
}

/// One data source.
pub(crate) struct Client {
    options: Options,
    instant_url: Url,
    range_url: Url,
    inline: Arc<Inline>,
    transports: Arc<Transports>,
    /// The transport, where it needs no secrets that may change.
    fixed: OnceLock<reqwest::Client>,
    places: Semaphore,
}

/// An attempt that failed, and whether another one may do better.
struct Failed {
    error: QueryError,
    again: Option<Time>,
}

impl Client {
    /// A client for a data source; fails where its settings cannot work. Secrets in files need not
    /// be there yet.
    pub(crate) fn new(
        options: Options,
        inline: Arc<Inline>,
        transports: Arc<Transports>,
    ) -> Result<Self, String> {
        let instant_url = endpoint(&options.url, "query")?;
        let range_url = endpoint(&options.url, "query_range")?;
        Ok(Self {
            places: Semaphore::new(options.concurrency),
            options,
            instant_url,
            range_url,
            inline,
            transports,
            fixed: OnceLock::new(),
        })
    }

    /// Asks, and waits for the answer at most this long.
    pub(crate) async fn query(&self, query: &Query, within: Time) -> Result<Answer, QueryError> {
        let within = within.min(self.options.timeout);
        let deadline = Instant::now() + within;
        let mut before = None;
        let asked = timeout_at(deadline, self.ask(query, deadline, &mut before)).await;
        asked.unwrap_or_else(|_| {
            let after = before.map_or_else(String::new, |error: QueryError| {
                format!("; the attempt before: {error}")
            });
            Err(QueryError {
                kind: QueryErrorKind::Timeout,
                message: format!("no answer within {} ms{after}", within.as_millis()),
            })
        })
    }

    async fn ask(
        &self,
        query: &Query,
        deadline: Instant,
        before: &mut Option<QueryError>,
    ) -> Result<Answer, QueryError> {
        let failed = match self.attempt(query).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        match failed.again {
            // Whatever number the data source names: a sum of times could overflow.
            Some(pause) if pause < deadline.saturating_duration_since(Instant::now()) => {
                *before = Some(failed.error);
                sleep(pause).await;
                self.attempt(query).await.map_err(|failed| failed.error)
            }
            _ => Err(failed.error),
        }
    }

    async fn attempt(&self, query: &Query) -> Result<Answer, Failed> {
        let _place = self
            .places
            .acquire()
            .await
            .expect("invariant: the semaphore is never closed");
        let request = self.request(query).map_err(|message| Failed {
            error: error(QueryErrorKind::Connection, message),
            again: None,
        })?;
        let mut response = request.send().await.map_err(|failed| Failed {
            again: matches!(failure(&failed), Failure::Reset | Failure::Connect)
                .then_some(RETRY_PAUSE),
            error: error(QueryErrorKind::Connection, describe(&failed.without_url())),
        })?;
        let status = response.status();
        let body = read_body(&mut response, self.options.max_bytes).await;
        let body = body.map_err(|failed| match failed {
            BodyError::TooLarge => Failed {
                error: error(
                    QueryErrorKind::TooLarge,
                    format!("the answer has more than {} bytes", self.options.max_bytes),
                ),
                again: None,
            },
            BodyError::Broken(why) => Failed {
                error: error(
                    QueryErrorKind::Connection,
                    format!("the answer was cut: {why}"),
                ),
                again: Some(RETRY_PAUSE),
            },
        })?;
        if !status.is_success() {
            return Err(refusal(status, &body, response.headers()));
        }
        self.decode(query, body)
            .await
            .map_err(|error| Failed { error, again: None })
    }

    fn request(&self, query: &Query) -> Result<reqwest::RequestBuilder, String> {
        let (client, headers) = self.transport()?;
        let request = match query.time {
            QueryTime::Instant(at) => client
                .post(self.instant_url.clone())
                .form(&[("query", &*query.expr), ("time", &seconds(at.millis()))]),
            QueryTime::Range { start, end, step } => client.post(self.range_url.clone()).form(&[
                ("query", &*query.expr),
                ("start", &seconds(start.millis())),
                ("end", &seconds(end.millis())),
                ("step", &seconds(step.millis())),
            ]),
        };
        Ok(if headers.is_empty() {
            request
        } else {
            request.headers(header_map(&headers)?)
        })
    }

    /// How the data source is reached now, and the headers that it wants.
    fn transport(&self) -> Result<(reqwest::Client, Vec<(String, String)>), String> {
        if let Some(client) = self.fixed.get() {
            return Ok((client.clone(), Vec::new()));
        }
        let http = &self.options.http;
        let refs = http.secret_refs();
        let (secrets, _) = self.inline.resolve(&refs);
        let name = &self.options.name;
        let client = self
            .transports
            .client(name, http, &secrets, Redirects::SameHost)?;
        let headers = http.request_headers(&secrets).map_err(|e| e.to_string())?;
        if refs.is_empty() && headers.is_empty() {
            let _ = self.fixed.set(client.clone());
        }
        Ok((client, headers))
    }

    async fn decode(&self, query: &Query, body: Vec<u8>) -> Result<Answer, QueryError> {
        let (time, caps) = (query.time, self.options.caps);
        if body.len() < DECODE_INLINE {
            return decode(&body, time, query.known_shape.as_ref(), caps);
        }
        let known = query.known_shape.clone();
        tokio::task::spawn_blocking(move || decode(&body, time, known.as_ref(), caps))
            .await
            .unwrap_or_else(|failed| {
                Err(error(
                    QueryErrorKind::Malformed,
                    format!("the answer could not be decoded: {failed}"),
                ))
            })
    }
}

/// `/api/v1/NAME` below a URL that may have a path and a query of its own.
pub(crate) fn endpoint(base: &str, name: &str) -> Result<Url, String> {
    let mut url = Url::parse(base).map_err(|error| format!("no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("expected a URL that begins with http:// or https://".to_owned());
    }
    let path = format!("{}/api/v1/{name}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// Milliseconds as Prometheus' API takes times and durations: seconds with a fraction.
pub(crate) fn seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    format!("{sign}{}.{:03}", millis / 1000, millis % 1000)
}

fn error(kind: QueryErrorKind, message: String) -> QueryError {
    QueryError { kind, message }
}

/// What an answer with a bad status says.
fn refusal(status: StatusCode, body: &[u8], headers: &reqwest::header::HeaderMap) -> Failed {
    let mut error = decode_error(body).unwrap_or_else(|| {
        let text = String::from_utf8_lossy(body);
        let shown = match excerpt(text.trim()) {
            text if text.is_empty() => String::new(),
            text => format!(": {text:?}"),
        };
        error(QueryErrorKind::Refused, format!("no query result{shown}"))
    });
    error.message = format!("HTTP status {}: {}", status.as_u16(), error.message);
    let worth_it = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let again = worth_it.then(|| {
        let named = headers.get(reqwest::header::RETRY_AFTER);
        let named = named.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        named.map_or(RETRY_PAUSE, Time::from_secs)
    });
    Failed { error, again }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
