//! Asks a data source whether the selectors of rules match any series, for `stentor check --datasource`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use stentor_core::check::{NO_SERIES, Reads};
use stentor_lang::model::{Diagnostic, METRIC_NAME, MatchOp};
use stentor_lang::promql::matcher_text;
use stentor_lang::yaml::closest;

use crate::daemon::transport::{BodyError, describe, install_crypto, read_body};

/// How far back series count as there: rules also speak of what was there an hour ago.
const BACK: Duration = Duration::from_hours(1);
/// The longest that one answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer: the daemon's own limit for a query.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;

/// A data source, and what it has said so far.
pub(super) struct Source {
    url: String,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    since: String,
    /// Whether there are series, by selector.
    known: BTreeMap<String, bool>,
    /// The values of labels, by path.
    values: BTreeMap<String, Vec<String>>,
}

/// An answer of the API.
#[derive(Deserialize)]
struct Reply<T> {
    #[serde(default = "Vec::new")]
    data: Vec<T>,
    #[serde(default)]
    error: String,
}

impl Source {
    /// A data source at a URL.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        install_crypto();
        let parsed = reqwest::Url::parse(url).map_err(|why| format!("`{url}` is no URL: {why}"))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(format!(
                "`{url}` is no address of a server: write `http://HOST:PORT`"
            ));
        }
        let http = reqwest::Client::builder().timeout(TIMEOUT).build();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            http: http.map_err(|error| describe(&error.without_url()))?,
            runtime: runtime.map_err(|error| error.to_string())?,
            since: now.saturating_sub(BACK).as_secs().to_string(),
            known: BTreeMap::new(),
            values: BTreeMap::new(),
        })
    }

    /// A finding for each selector that matches nothing; an error where the data source does not answer.
    pub(super) fn check(&mut self, reads: &[Reads]) -> Result<Vec<Diagnostic>, String> {
        let mut findings = Vec::new();
        for read in reads {
            if !self.has_series(&read.selector)? {
                findings.push(self.missing(read)?);
            }
        }
        Ok(findings)
    }

    fn has_series(&mut self, selector: &str) -> Result<bool, String> {
        if let Some(known) = self.known.get(selector) {
            return Ok(*known);
        }
        let query = [
            ("match[]", selector),
            ("limit", "1"),
            ("start", &self.since.clone()),
        ];
        let series: Vec<serde::de::IgnoredAny> = self.get("series", &query)?;
        self.known.insert(selector.to_owned(), !series.is_empty());
        Ok(!series.is_empty())
    }

    /// Which part of the selector is to blame, and what comes near it.
    fn missing(&mut self, read: &Reads) -> Result<Diagnostic, String> {
        let finding = |message: String| Diagnostic::warning(NO_SERIES, read.span, message);
        let Some(metric) = &read.metric else {
            return Ok(finding(format!("no series matches `{}`", read.selector)));
        };
        let names = self.label_values(METRIC_NAME, None)?;
        if !names.contains(metric) {
            let finding = finding(format!("there are no series of `{metric}`"));
            return Ok(match closest(metric, names.iter().map(String::as_str)) {
                Some(near) => finding.with_hint(format!("there are some of `{near}`")),
                None => finding,
            });
        }
        for matcher in &read.matchers {
            if matcher.op != MatchOp::Equal || matcher.name == METRIC_NAME {
                continue;
            }
            let values = self.label_values(&matcher.name, Some(metric))?;
            if values.contains(&matcher.value) || matcher.value.is_empty() {
                continue;
            }
            let finding = finding(format!(
                "no series of `{metric}` has {}",
                matcher_text(matcher)
            ));
            let near = closest(&matcher.value, values.iter().map(String::as_str));
            return Ok(match near.or(values.first().map(String::as_str)) {
                Some(near) => {
                    finding.with_hint(format!("there are some with {}=\"{near}\"", matcher.name))
                }
                None => finding.with_hint(format!("none has a label `{}`", matcher.name)),
            });
        }
        let hint = format!("there are series of `{metric}` with other labels");
        Ok(finding(format!("no series matches `{}`", read.selector)).with_hint(hint))
    }

    fn label_values(&mut self, label: &str, metric: Option<&str>) -> Result<Vec<String>, String> {
        let key = format!("{label}\0{}", metric.unwrap_or_default());
        if let Some(values) = self.values.get(&key) {
            return Ok(values.clone());
        }
        let selector = metric.map(|name| format!("{{__name__={name:?}}}"));
        let mut query = vec![("start", &*self.since)];
        if let Some(selector) = &selector {
            query.push(("match[]", selector));
        }
        let values: Vec<String> = self.get(&format!("label/{}/values", escaped(label)), &query)?;
        self.values.insert(key, values.clone());
        Ok(values)
    }

    fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, String> {
        let url = format!("{}/api/v1/{path}", self.url);
        let url = reqwest::Url::parse_with_params(&url, query).map_err(|why| why.to_string())?;
        let request = self.http.get(url);
        let (status, body) = self.runtime.block_on(async {
            let response = request.send().await;
            let mut response = response.map_err(|error| describe(&error.without_url()))?;
            let body = read_body(&mut response, LONGEST_ANSWER).await;
            let body = body.map_err(|error| match error {
                BodyError::TooLarge => format!("the answer has more than {LONGEST_ANSWER} bytes"),
                BodyError::Broken(why) => format!("the answer was cut: {why}"),
            })?;
            Ok::<_, String>((response.status(), body))
        })?;
        match serde_json::from_slice::<Reply<T>>(&body) {
            Ok(reply) if status.is_success() => Ok(reply.data),
            Ok(reply) if !reply.error.is_empty() => Err(format!("{status}: {}", reply.error)),
            _ => Err(format!("{status}: the answer is none of Prometheus' API")),
        }
    }
}

/// A label name in a path, as Prometheus reads it: what is no plain name is written as `U__...`.
fn escaped(label: &str) -> String {
    if stentor_lang::model::labels::is_legacy_name(label) {
        return label.to_owned();
    }
    let mut out = String::from("U__");
    for c in label.chars() {
        match c {
            '_' => out.push_str("__"),
            c if c.is_ascii_alphanumeric() => out.push(c),
            c => write!(out, "_{:x}_", u32::from(c)).expect("invariant: String"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use expect_test::{Expect, expect};
    use stentor_lang::model::Span;

    use super::*;

    /// A server that knows `up{job="api"}` and answers until the test ends.
    fn server() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut request = [0; 4096];
                let length = stream.read(&mut request).expect("read");
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = request.split(' ').nth(1).expect("a path");
                let data = match path.split('?').next().expect("a part") {
                    "/api/v1/series" if path.contains("%7B__name__%3D%22up%22%7D") => {
                        r#"[{"__name__":"up"}]"#
                    }
                    "/api/v1/series" => "[]",
                    "/api/v1/label/__name__/values" => r#"["up","node_load1"]"#,
                    "/api/v1/label/job/values" => r#"["api"]"#,
                    _ => "[]",
                };
                let body = format!(r#"{{"status":"success","data":{data}}}"#);
                let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:";
                let _ = write!(stream, "{head} {}\r\n\r\n{body}", body.len());
            }
        });
        url
    }

    #[track_caller]
    fn check(selector: &str, expected: &Expect) {
        let matchers = stentor_lang::promql::parse_selector(selector).expect("a selector");
        let texts: Vec<String> = matchers.iter().map(matcher_text).collect();
        let name = matchers.iter().find(|m| m.name == METRIC_NAME);
        let reads = [Reads {
            selector: format!("{{{}}}", texts.join(",")),
            metric: name.map(|m| m.value.clone()),
            matchers,
            span: Span::at(0),
        }];
        let found = Source::new(&server()).expect("a source").check(&reads);
        let lines = found
            .expect("an answer")
            .into_iter()
            .map(|finding| format!("{} ({})", finding.message, finding.hint.unwrap_or_default()));
        expected.assert_eq(&lines.collect::<String>());
    }

    #[test]
    fn the_wrong_part_is_named() {
        check("up", &expect![[""]]);
        check(
            "node_laod1",
            &expect!["there are no series of `node_laod1` (there are some of `node_load1`)"],
        );
        check(
            "somethingelse",
            &expect!["there are no series of `somethingelse` ()"],
        );
        check(
            r#"up{job="apj"}"#,
            &expect![[r#"no series of `up` has job="apj" (there are some with job="api")"#]],
        );
        check(
            r#"up{cluster="a"}"#,
            &expect![[r#"no series of `up` has cluster="a" (none has a label `cluster`)"#]],
        );
        check(
            r#"up{job=~"b.*"}"#,
            &expect![[
                r#"no series matches `{job=~"b.*",__name__="up"}` (there are series of `up` with other labels)"#
            ]],
        );
        check(
            r#"{job="b"}"#,
            &expect![[r#"no series matches `{job="b"}` ()"#]],
        );
    }

    #[test]
    fn who_does_not_answer_is_no_finding() {
        let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", closed.local_addr().expect("an address"));
        drop(closed);
        let mut source = Source::new(&url).expect("a source");
        assert!(source.has_series("{__name__=\"up\"}").is_err());
        assert!(Source::new("localhost:9090").is_err());
        assert!(Source::new("").is_err());
    }
}
