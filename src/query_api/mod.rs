//! Series in memory by Prometheus' query API (`web/api/v1/api.go`), GET and POST, so that whatever reads
//! a Prometheus reads a recorded incident, or a simulated one. Nothing can be written.
//!
//! Two things differ: a query without `time` is evaluated at the present of the series, which for recorded
//! ones is their last sample; and series, label names and values are those with samples between `start`
//! and `end`, not in the blocks of a database around them.

mod catalog;
pub(crate) mod json;
mod params;
mod queries;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use stentor_lang::model::Timestamp;
use stentor_lang::promql::ParseOptions;
use stentor_lang::promql::eval::EvalOptions;
use stentor_lang::promql::memory::MemoryStore;
use tokio::sync::Semaphore;
use tower_http::limit::RequestBodyLimitLayer;

use crate::daemon::harden;
use json::success;
use params::Params;

/// A form is a query with its times. The limit is that of Go's form parser, and so of Prometheus.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// Queries evaluated at the same time; others wait. Each may hold `--query.max-samples` samples.
const MAX_CONCURRENT: usize = 8;

/// The longest that a request waits for its answer (`--query.timeout` of Prometheus).
const QUERY_TIMEOUT: Duration = Duration::from_mins(2);

/// An expression may nest as deep as the parser lets it, and each level of it is some calls: what threads
/// that evaluate need.
pub(crate) const STACK: usize = 64 * 1024 * 1024;

/// The language and the options of its evaluation.
#[derive(Debug, Clone)]
pub(crate) struct Language {
    pub(crate) syntax: ParseOptions,
    pub(crate) options: EvalOptions,
}

/// Series as they are at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) store: Arc<MemoryStore>,
    /// The present: when a query without a time is evaluated.
    pub(crate) now: Timestamp,
}

/// What the handlers need.
pub(crate) struct App {
    /// Gives the present series.
    series: Box<dyn Fn() -> Series + Send + Sync>,
    language: Language,
    places: Arc<Semaphore>,
}

impl App {
    /// Asks for the series at each request.
    pub(crate) fn new(
        series: impl Fn() -> Series + Send + Sync + 'static,
        language: Language,
    ) -> Self {
        Self {
            series: Box::new(series),
            language,
            places: Arc::new(Semaphore::new(MAX_CONCURRENT)),
        }
    }
}

/// An error as the API tells it.
#[derive(Debug)]
enum Refusal {
    /// The request is wrong: 400.
    BadData(String),
    /// The query fails: 422.
    Execution(String),
    /// The query takes too long: 503.
    Timeout(String),
    /// There is a bug here: 500.
    Internal(String),
}

impl Refusal {
    /// What is wrong with a parameter.
    fn invalid(name: &str, why: impl std::fmt::Display) -> Self {
        Self::BadData(format!("invalid parameter \"{name}\": {why}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, kind, error) = match self {
            Self::BadData(why) => (StatusCode::BAD_REQUEST, "bad_data", why),
            Self::Execution(why) => (StatusCode::UNPROCESSABLE_ENTITY, "execution", why),
            Self::Timeout(why) => (StatusCode::SERVICE_UNAVAILABLE, "timeout", why),
            Self::Internal(why) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", why),
        };
        let body = serde_json::json!({"status": "error", "errorType": kind, "error": error});
        json(status, body.to_string())
    }
}

/// The body of an answer, or what it is refused for.
type Answered = Result<String, Refusal>;

/// The paths of the API.
pub(crate) fn routes(app: &Arc<App>) -> Router {
    let both = |handler: fn(&App, &Params) -> Answered, app: &Arc<App>| {
        let app = Arc::clone(app);
        let handle = move |params: Params| async move { work(&app, params, handler).await };
        get(handle.clone()).post(handle)
    };
    let values = {
        let app = Arc::clone(app);
        move |axum::extract::Path(name): axum::extract::Path<String>, params: Params| async move {
            work(&app, params, move |app, params| {
                catalog::label_values(app, params, &name)
            })
            .await
        }
    };
    Router::new()
        .route("/api/v1/query", both(queries::instant, app))
        .route("/api/v1/query_range", both(queries::range, app))
        .route("/api/v1/series", both(catalog::series, app))
        .route("/api/v1/labels", both(catalog::labels, app))
        .route("/api/v1/label/{name}/values", get(values))
        .route("/api/v1/metadata", get(metadata))
        .route("/api/v1/status/buildinfo", get(build_info))
}

/// What every server of the API needs besides: probes, an answer to unknown paths, limits and what browsers
/// are told.
pub(crate) fn complete(router: Router) -> Router {
    router
        .route("/-/healthy", get(|| async { "Stentor is Healthy.\n" }))
        .route("/-/ready", get(|| async { "Stentor is Ready.\n" }))
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found\n") })
        .layer(axum::middleware::map_response(harden))
        // axum's own limit is lower.
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
}

/// Cancels a query when it is dropped.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Answers on a thread that may take its time, one of a few.
async fn work(
    app: &Arc<App>,
    params: Params,
    handler: impl FnOnce(&App, &Params) -> Answered + Send + 'static,
) -> Response {
    let limit = match params.duration("timeout") {
        Ok(limit) => limit.map_or(QUERY_TIMEOUT, |limit| limit.to_std().min(QUERY_TIMEOUT)),
        Err(refusal) => return refusal.into_response(),
    };
    // Whether the time is over, the client gone or the server stopping: this future ends, its query too.
    let _cancel = CancelOnDrop(Arc::clone(&params.cancel));
    let app = Arc::clone(app);
    let places = Arc::clone(&app.places);
    let answered = tokio::time::timeout(limit, async move {
        let place = places.acquire_owned().await;
        let worker = tokio::task::spawn_blocking(move || {
            // Held until the work is done, whether somebody still waits for it or not.
            let _place = place;
            handler(&app, &params)
        });
        worker.await
    });
    let answered = match answered.await {
        Err(_) => Err(Refusal::Timeout(
            "query timed out in expression evaluation".to_owned(),
        )),
        Ok(Err(panic)) => Err(Refusal::Internal(format!("unexpected error: {panic}"))),
        Ok(Ok(answered)) => answered,
    };
    match answered {
        Ok(body) => json(StatusCode::OK, body),
        Err(refusal) => refusal.into_response(),
    }
}

fn json(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Series do not tell what their metrics mean.
async fn metadata() -> Response {
    json(StatusCode::OK, success("{}", &[], &[]))
}

async fn build_info() -> Response {
    let data = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "revision": "",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    });
    json(StatusCode::OK, success(&data.to_string(), &[], &[]))
}

#[cfg(test)]
mod tests;
