//! Who may change something. Listening on loopback, whoever has an account here may, but no page of
//! another site that an account's browser shows. Listening elsewhere, nobody may: there is no
//! authentication yet.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::App;

/// What is known of the address that is listened on.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    loopback: bool,
    /// The host under which people reach this, from `--web.external-url`.
    external_host: Option<String>,
}

impl Guard {
    pub(crate) fn new(address: SocketAddr, external_url: &str) -> Self {
        let url = reqwest::Url::parse(external_url).ok();
        Self {
            loopback: address.ip().is_loopback(),
            external_host: url.and_then(|url| url.host_str().map(str::to_lowercase)),
        }
    }

    /// Why a request that changes something is refused.
    fn refusal(&self, headers: &HeaderMap) -> Option<&'static str> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if !self.loopback {
            return Some(
                "writes are refused, because this address is not loopback and there is no \
                 authentication; reload by SIGHUP, or listen on 127.0.0.1",
            );
        }
        let host = text(header::HOST).unwrap_or_default();
        if !self.knows(host) {
            return Some("the Host header names neither this machine nor the external URL");
        }
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
            return Some("the request comes from a page of another site");
        }
        let origin = headers.get(header::ORIGIN);
        let own = |origin: &str| {
            origin
                .split_once("://")
                .is_some_and(|(_, rest)| rest == host)
        };
        if origin.is_some_and(|origin| !origin.to_str().is_ok_and(own)) {
            return Some("the Origin header names another site");
        }
        None
    }

    /// A name under which this can be reached: other names may be another site's, bound to this
    /// address to get around the browser's rules.
    fn knows(&self, host: &str) -> bool {
        let name = host_name(host).to_lowercase();
        let address: Option<IpAddr> = name.parse().ok();
        name == "localhost"
            || address.is_some_and(|address| address.is_loopback())
            || self.external_host.as_ref() == Some(&name)
    }
}

/// A `Host` header without its port and without the brackets of IPv6.
fn host_name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

/// Lets reads through, and writes where they are allowed.
pub(super) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if !reads && let Some(why) = app.guard.refusal(request.headers()) {
        return (StatusCode::FORBIDDEN, format!("{why}\n")).into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, headers: &[(&'static str, &'static str)], refused: bool) {
        let guard = Guard::new(
            address.parse().expect("an address"),
            "https://alerts.example",
        );
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        assert_eq!(
            guard.refusal(&map).is_some(),
            refused,
            "{address} {headers:?}"
        );
    }

    #[test]
    fn who_may_write() {
        let here = "127.0.0.1:9095";
        check(here, &[("host", "127.0.0.1:9095")], false);
        check(here, &[("host", "localhost:9095")], false);
        check("[::1]:9095", &[("host", "[::1]:9095")], false);
        check(here, &[("host", "alerts.example")], false);
        check(here, &[("host", "evil.example:9095")], true);
        check(here, &[], true);
        let local = ("host", "localhost:9095");
        check(here, &[local, ("origin", "http://localhost:9095")], false);
        check(here, &[local, ("origin", "https://evil.example")], true);
        check(here, &[local, ("origin", "http://localhost:8080")], true);
        check(here, &[local, ("origin", "null")], true);
        check(here, &[local, ("sec-fetch-site", "same-origin")], false);
        check(here, &[local, ("sec-fetch-site", "none")], false);
        check(here, &[local, ("sec-fetch-site", "cross-site")], true);
        check(here, &[local, ("sec-fetch-site", "same-site")], true);
        check("0.0.0.0:9095", &[local], true);
        check("192.0.2.1:9095", &[("host", "192.0.2.1:9095")], true);
    }
}
