//! The HTTP side: Prometheus' API for rules and alerts, probes, reload, metrics, and a first page.
//! Readers get a snapshot of the engine's state, and are served outside of its thread.

mod api;
mod guard;
mod status;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use stentor_core::engine::Snapshot;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use super::clock::Clock;
use super::core::Pulse;
use super::inbox::{Inbox, Letter};
use super::metrics::Metrics;
use super::reload::Reloader;

pub(crate) use api::{alerts_of, rules_of};
pub(crate) use guard::Guard;

/// No request that is served here has a body worth more.
const MAX_BODY: usize = 1024 * 1024;

/// A request that takes longer has a client that is gone, or an engine that is stuck.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What the handlers need.
pub(crate) struct App {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) reloader: Arc<Reloader>,
    /// The effective configuration as YAML, without secrets.
    pub(crate) config: Arc<RwLock<Arc<str>>>,
    pub(crate) guard: Guard,
}

impl App {
    /// The engine's state now; nothing where its thread has ended.
    async fn look(&self) -> Option<Snapshot> {
        let (reply, answer) = oneshot::channel();
        self.inbox.push(Letter::Look(reply));
        answer.await.ok()
    }

    fn config(&self) -> Arc<str> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&config)
    }
}

/// All paths.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(status::page))
        .route("/api/v1/rules", get(api::rules))
        .route("/api/v1/alerts", get(api::alerts))
        .route("/api/v1/status/config", get(status::config))
        .route("/api/v1/status/buildinfo", get(status::build_info))
        .route("/-/healthy", get(status::healthy))
        .route("/-/ready", get(status::ready))
        .route("/-/reload", post(status::reload).put(status::reload))
        .route("/metrics", get(status::metrics))
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found\n") })
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&app),
            guard::check,
        ))
        .layer(axum::middleware::map_response(harden))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            REQUEST_TIMEOUT,
        ))
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .with_state(app)
}

/// Serves until the token is cancelled, and requests under way until they end.
pub(crate) async fn serve(listener: TcpListener, app: Arc<App>, stop: CancellationToken) {
    let served = axum::serve(listener, router(app))
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the HTTP server ended");
    }
}

/// What browsers are told of every answer: it is what it says it is, nothing in it runs, and no
/// other site shows it in a frame.
pub(crate) async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A page with a script of its own says more.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    let policy = HeaderValue::from_static(policy);
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(policy);
    response
}

/// The engine's thread has ended: the process is about to.
fn stopping() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "stentor is stopping\n").into_response()
}
