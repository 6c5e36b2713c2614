//! One request to a datasource at a time, and its whole answer.

use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use stentor_core::receiver::HttpConfig;

use crate::daemon::client::endpoint;
use crate::daemon::secrets::Inline;
use crate::daemon::transport::{BodyError, Redirects, Transports, describe, header_map, read_body};

/// The longest that one answer may take: as long as Prometheus lets a query run.
const TIMEOUT: Duration = Duration::from_mins(2);

/// The longest answer, unpacked. What a chunk should have is a small part of it; more is asked for again
/// in halves.
pub(super) const LONGEST_ANSWER: usize = 192 * 1024 * 1024;

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

/// No answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) message: String,
    /// Whether less of it may be answered.
    pub(super) less: bool,
}

/// A datasource.
pub(super) struct Client {
    base: String,
    http: HttpConfig,
    inline: Inline,
    transports: Transports,
    runtime: tokio::runtime::Runtime,
    /// Bytes of answers over a loopback address cost less than packing them.
    near: bool,
}

impl Client {
    pub(super) fn new(url: &str, http: HttpConfig, inline: Inline) -> Result<Self, String> {
        let parsed = endpoint(url, "query")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let host = parsed.host_str().unwrap_or_default();
        Ok(Self {
            base: url.to_owned(),
            http,
            inline,
            transports: Transports::default(),
            runtime,
            near: host == "localhost" || host.starts_with("127.") || host == "[::1]",
        })
    }

    /// Asks for a page and waits for it.
    pub(super) fn get(&self, path: &str) -> Result<Reply, Failed> {
        self.send(Method::GET, path, |request| request)
    }

    /// Sends a form and waits for the answer.
    pub(super) fn form(&self, path: &str, form: &[(&str, &str)]) -> Result<Reply, Failed> {
        self.send(Method::POST, path, |request| request.form(form))
    }

    /// Sends bytes and waits for the answer.
    pub(super) fn bytes(
        &self,
        path: &str,
        headers: &HeaderMap,
        body: Vec<u8>,
    ) -> Result<Reply, Failed> {
        self.send(Method::POST, path, |request| {
            request.headers(headers.clone()).body(body)
        })
    }

    /// The URL without secrets.
    pub(super) fn shown(&self) -> String {
        plain(&self.base)
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        with: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Result<Reply, Failed> {
        let failed = |message: String| Failed {
            message,
            less: false,
        };
        let url = endpoint(&self.base, path).map_err(failed)?;
        let (secrets, _) = self.inline.resolve(&self.http.secret_refs());
        let client = self
            .transports
            .client("history", &self.http, &secrets, Redirects::SameHost)
            .map_err(failed)?;
        let headers = self.http.request_headers(&secrets);
        let headers = header_map(&headers.map_err(|error| failed(error.to_string()))?);
        let mut request = with(client.request(method, url)).headers(headers.map_err(failed)?);
        if self.near {
            request = request.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        self.runtime.block_on(async {
            tokio::time::timeout(TIMEOUT, answer(request))
                .await
                .unwrap_or_else(|_| {
                    Err(Failed {
                        message: format!("no answer within {} s", TIMEOUT.as_secs()),
                        less: true,
                    })
                })
        })
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Reply, Failed> {
    let sent = request.send().await;
    let mut response = sent.map_err(|error| Failed {
        message: describe(&error.without_url()),
        less: false,
    })?;
    let content_type = response.headers().get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let status = response.status().as_u16();
    let body = read_body(&mut response, LONGEST_ANSWER).await;
    let body = body.map_err(|error| match error {
        BodyError::TooLarge => Failed {
            message: format!("the answer has more than {LONGEST_ANSWER} bytes"),
            less: true,
        },
        BodyError::Broken(why) => Failed {
            message: format!("the answer was cut: {why}"),
            less: true,
        },
    })?;
    Ok(Reply {
        status,
        content_type,
        body,
    })
}

/// A URL without the name and the password that it may hold.
pub(super) fn plain(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else {
        return "a URL that cannot be read".to_owned();
    };
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.as_str().trim_end_matches('/').to_owned()
}
