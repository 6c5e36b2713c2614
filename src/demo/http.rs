//! The demo over HTTP: its page, Prometheus' query API over the simulated series, and its APIs of rules and
//! alerts. Nothing can be changed here, so any address may be listened on.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::get;
use stentor_lang::promql::ParseOptions;
use stentor_lang::promql::eval::EvalOptions;
use tokio::net::TcpListener;

use super::live::Live;
use super::page;
use crate::daemon::{alerts_of, rules_of};
use crate::query_api::{self, App, Language, Series};
use crate::web::live::{fragment, render};

/// Samples that a query may hold at a time: whoever asks for more asks for all series at every second.
const MAX_SAMPLES: usize = 50_000_000;

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, live: Arc<Live>) -> std::io::Result<()> {
    axum::serve(listener, router(live)).await
}

fn router(live: Arc<Live>) -> Router {
    let language = Language {
        syntax: ParseOptions::all(),
        options: EvalOptions {
            max_samples: MAX_SAMPLES,
            ..EvalOptions::default()
        },
    };
    let series = {
        let live = Arc::clone(&live);
        move || {
            let view = live.view();
            Series {
                store: Arc::clone(&view.store),
                now: view.now,
            }
        }
    };
    let own = Router::new()
        .route("/", get(whole))
        .route("/fragment", get(part))
        .route("/graph", get(graph))
        .route("/api/v1/rules", get(rules))
        .route("/api/v1/alerts", get(alerts))
        .with_state(live);
    query_api::complete(own.merge(query_api::routes(&Arc::new(App::new(series, language)))))
}

async fn whole(State(live): State<Arc<Live>>) -> Response {
    html(live, render).await
}

async fn part(State(live): State<Arc<Live>>) -> Response {
    html(live, fragment).await
}

/// Makes a page on a thread that may take its time.
async fn html(live: Arc<Live>, make: fn(&crate::web::live::Page) -> String) -> Response {
    let made = tokio::task::spawn_blocking(move || {
        let view = live.view();
        make(view.page.get_or_init(|| page::page(&view, live.speed())))
    });
    let Ok(made) = made.await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    // The page itself says what it may do; only this can be said in no page.
    let frames = HeaderValue::from_static("frame-ancestors 'none'");
    ([(header::CONTENT_SECURITY_POLICY, frames)], Html(made)).into_response()
}

/// The links to expressions in notifications lead here, as they would lead to Prometheus' own page.
async fn graph(Query(params): Query<Vec<(String, String)>>) -> Redirect {
    let expr = params.iter().find(|(name, _)| name == "g0.expr");
    let mut url = reqwest::Url::parse("http://demo/api/v1/query").expect("invariant: a URL");
    let expr = expr.map_or("up", |(_, expr)| expr);
    url.query_pairs_mut().append_pair("query", expr);
    let query = url.query().unwrap_or_default();
    Redirect::temporary(&format!("{}?{query}", url.path()))
}

async fn rules(
    State(live): State<Arc<Live>>,
    Query(params): Query<Vec<(String, String)>>,
) -> Response {
    match look(live).await {
        Some(snapshot) => rules_of(snapshot, &params).await,
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn alerts(State(live): State<Arc<Live>>) -> Response {
    match look(live).await {
        Some(snapshot) => alerts_of(snapshot).await,
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// It may have to wait for a step of the simulation.
async fn look(live: Arc<Live>) -> Option<stentor_core::engine::Snapshot> {
    let looked = tokio::task::spawn_blocking(move || live.view().snapshot.clone());
    looked.await.ok()
}
