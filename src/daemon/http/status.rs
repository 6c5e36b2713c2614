//! Probes, reload, metrics, what runs, and the first page.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

use super::{App, stopping};

/// The engine's thread wakes at least each second; one that is later than this is stuck.
const STUCK: Duration = Duration::from_secs(30);

/// Alive: the process answers, and the engine's thread goes on.
pub(super) async fn healthy(State(app): State<Arc<App>>) -> Response {
    probe(&app, "Stentor is Healthy.\n")
}

/// Ready: rules are evaluated. Neither probe asks a data source.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    probe(&app, "Stentor is Ready.\n")
}

fn probe(app: &App, good: &'static str) -> Response {
    let late = app.pulse.late(app.clock.now());
    if late > STUCK {
        let text = format!("the engine has not moved for {} s\n", late.as_secs());
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    good.into_response()
}

/// Reads configuration and rule files anew. Refused as a whole with all that is wrong.
pub(super) async fn reload(State(app): State<Arc<App>>) -> Response {
    match app.reloader.reload().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(errors) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("failed to reload config:\n{errors}"),
        )
            .into_response(),
    }
}

/// All metrics, as OpenMetrics text.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let Some(snapshot) = app.look().await else {
        return stopping();
    };
    let metrics = Arc::clone(&app.metrics);
    let text = tokio::task::spawn_blocking(move || metrics.encode(&snapshot)).await;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, content_type)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The effective configuration, secrets redacted.
pub(super) async fn config(State(app): State<Arc<App>>) -> Response {
    Json(json!({"status": "success", "data": {"yaml": *app.config()}})).into_response()
}

/// Which program this is, in Prometheus' words.
pub(super) async fn build_info() -> Response {
    let data = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "revision": "",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    });
    Json(json!({"status": "success", "data": data})).into_response()
}

/// What is here.
pub(super) async fn page() -> Html<&'static str> {
    Html(concat!(
        "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Stentor</title>",
        "<style>body{font:16px/1.5 system-ui;margin:3em auto;max-width:40em}</style>",
        "<h1>Stentor ",
        env!("CARGO_PKG_VERSION"),
        "</h1><ul>",
        "<li><a href=/api/v1/alerts>Active alerts</a>",
        "<li><a href=/api/v1/rules>Rules</a>",
        "<li><a href=/api/v1/status/config>Configuration</a>",
        "<li><a href=/metrics>Metrics</a>",
        "<li><a href=/-/ready>Readiness</a>",
        "</ul>",
    ))
}
