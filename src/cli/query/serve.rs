//! `stentor query --listen`: recorded series as a Prometheus would serve them. Nothing can be written, so any
//! address may be listened on.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use tokio::net::TcpListener;

use super::super::input::Fixture;
use super::super::signals::stopped;
use super::{Exit, Failure};
use crate::query_api::{self, App, Language, STACK, Series};

/// How long requests under way may take to end after a signal to stop.
const DRAIN: Duration = Duration::from_secs(2);

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
    let (series, samples) = (fixture.store.len(), fixture.samples);
    let now = fixture.last;
    let store = Arc::new(fixture.store);
    let series_of = move || Series {
        store: Arc::clone(&store),
        now,
    };
    let routes = query_api::routes(&Arc::new(App::new(series_of, language)));
    let router = query_api::complete(routes.route("/", get(page)));
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
            "serving {series} series with {samples} samples at http://{own}"
        );
        let (heard, hear) = tokio::sync::oneshot::channel();
        let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
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

async fn page() -> &'static str {
    "Recorded series, served by `stentor query --listen` with Prometheus' query API below /api/v1/.\n"
}
