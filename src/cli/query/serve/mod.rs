//! Serves series by Prometheus' query API (`web/api/v1/api.go`), GET and POST, so that whatever reads
//! a Prometheus reads a recorded incident. Nothing can be written, so any address may be listened on.
//!
//! Two things differ: a query without `time` is evaluated at the last sample, as the present has none; and
//! series, label names and values are those with samples between `start` and `end`, not in the blocks
//! of a database around them.

mod catalog;
mod params;
mod queries;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tower_http::limit::RequestBodyLimitLayer;

use super::input::Fixture;
use super::json::success;
use super::{Exit, Failure, Language, STACK};
use crate::daemon::harden;
use params::Params;

/// A form is a query with its times. The limit is that of Go's form parser, and so of Prometheus.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// Queries evaluated at the same time; others wait. Each may hold `--query.max-samples` samples.
const MAX_CONCURRENT: usize = 8;

/// The longest that a request waits for its answer (`--query.timeout` of Prometheus).
const QUERY_TIMEOUT: Duration = Duration::from_mins(2);

/// How long requests under way may take to end after a signal to stop.
const DRAIN: Duration = Duration::from_secs(2);

/// What the handlers need.
struct App {
    fixture: Fixture,
    language: Language,
    places: Arc<Semaphore>,
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

/// Serves until a signal ends it.
pub(super) fn run(
    address: SocketAddr,
    fixture: Fixture,
    language: Language,
) -> Result<(), Failure> {
    let environment =
        |what: &str, error: &dyn std::fmt::Display| (Exit::Environment, format!("{what}: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .map_err(|error| environment("no threads can be started", &error))?;
    let app = Arc::new(App {
        fixture,
        language,
        places: Arc::new(Semaphore::new(MAX_CONCURRENT)),
    });
    let served = runtime.block_on(async move {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| environment(&address.to_string(), &error))?;
        let own = listener
            .local_addr()
            .map_err(|error| environment(&address.to_string(), &error))?;
        let stop = stopped().map_err(|error| environment("signals", &error))?;
        let _ = writeln!(
            std::io::stderr(),
            "serving {} series with {} samples at http://{own}",
            app.fixture.store.len(),
            app.fixture.samples
        );
        let (heard, hear) = tokio::sync::oneshot::channel();
        let serving = axum::serve(listener, router(&app)).with_graceful_shutdown(async move {
            stop.await;
            let _ = heard.send(());
        });
        let late = async {
            if hear.await.is_ok() {
                tokio::time::sleep(DRAIN).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = std::future::IntoFuture::into_future(serving) => {
                ended.map_err(|error| environment("the HTTP server ended", &error))
            }
            () = late => Ok(()),
        }
    });
    // A query that still runs is not waited for.
    runtime.shutdown_background();
    served
}

/// Ends with the first signal to stop.
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn router(app: &Arc<App>) -> Router {
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
        .route("/", get(page))
        .route("/api/v1/query", both(queries::instant, app))
        .route("/api/v1/query_range", both(queries::range, app))
        .route("/api/v1/series", both(catalog::series, app))
        .route("/api/v1/labels", both(catalog::labels, app))
        .route("/api/v1/label/{name}/values", get(values))
        .route("/api/v1/metadata", get(metadata))
        .route("/api/v1/status/buildinfo", get(build_info))
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

async fn page() -> &'static str {
    "Recorded series, served by `stentor query --listen` with Prometheus' query API below /api/v1/.\n"
}

/// Fixtures do not tell what their metrics mean.
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
