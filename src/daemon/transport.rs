//! HTTP clients as `http_config` asks for them, and answers read up to a limit.
//!
//! Errors never hold a URL: URLs of receivers are secrets.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::{Mutex, PoisonError};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Identity, NoProxy, Proxy, redirect, tls};
use stentor_core::receiver::{Failure, HttpConfig, SecretBundle, TlsVersion};

/// As Stentor names itself to others.
const USER_AGENT: &str = concat!("stentor/", env!("CARGO_PKG_VERSION"));

/// Nobody means more hops than this.
const MOST_REDIRECTS: usize = 5;

/// Whether an answer may send a request elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redirects {
    /// Never: the request holds secrets, and a POST that became a GET is no delivery.
    Never,
    /// To the same host and port, where the method stays (307 and 308).
    SameHost,
}

/// One client for each remote, so that their connections are apart; a client is made anew when
/// its settings or certificates changed.
#[derive(Default)]
pub(crate) struct Transports(Mutex<BTreeMap<String, Made>>);

struct Made {
    config: HttpConfig,
    secrets: BTreeMap<String, String>,
    client: Client,
}

impl Transports {
    /// The client of a remote with this name.
    pub(crate) fn client(
        &self,
        remote: &str,
        config: &HttpConfig,
        secrets: &SecretBundle,
        redirects: Redirects,
    ) -> Result<Client, String> {
        let of_client = |name: &str| name.starts_with("tls_config.") || name == "proxy_url";
        let wanted = || secrets.0.iter().filter(|(name, _)| of_client(name));
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = clients.get(remote)
            && made.config == *config
            && made.secrets.iter().eq(wanted())
        {
            return Ok(made.client.clone());
        }
        let client = build(config, secrets, redirects)?;
        let made = Made {
            config: config.clone(),
            secrets: wanted().map(|(n, v)| (n.clone(), v.clone())).collect(),
            client: client.clone(),
        };
        clients.insert(remote.to_owned(), made);
        Ok(client)
    }
}

/// Chooses the cryptography for the whole process; a second call changes nothing.
pub(crate) fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn build(
    config: &HttpConfig,
    secrets: &SecretBundle,
    redirects: Redirects,
) -> Result<Client, String> {
    install_crypto();
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(policy(redirects, config.follow_redirects))
        .referer(false)
        // Repetition is decided elsewhere, and keeping a copy of each request for it costs time.
        .retry(reqwest::retry::never().max_retries_per_request(0))
        .gzip(true);
    let proxy = match &config.proxy_url {
        Some(_) => Some(secrets.required("proxy_url").map_err(|e| e.to_string())?),
        None => None,
    };
    if let Some(url) = proxy {
        let proxy = Proxy::all(url).map_err(|_| "`proxy_url` is no URL".to_owned())?;
        let except = config.no_proxy.as_deref().and_then(NoProxy::from_string);
        builder = builder.proxy(proxy.no_proxy(except));
    } else if !config.proxy_from_environment {
        builder = builder.no_proxy();
    }
    if !config.enable_http2 {
        builder = builder.http1_only();
    }
    with_tls(builder, config, secrets)?
        .build()
        .map_err(|error| describe(&error.without_url()))
}

/// What the settings ask for and no client can do.
pub(crate) fn unsupported(config: &HttpConfig) -> Option<&'static str> {
    config.tls.server_name.as_ref().map(|_| {
        "`tls_config.server_name` is not built yet: leave it out, and use the certificate's name \
         in the URL"
    })
}

fn with_tls(
    mut builder: reqwest::ClientBuilder,
    config: &HttpConfig,
    secrets: &SecretBundle,
) -> Result<reqwest::ClientBuilder, String> {
    let tls = &config.tls;
    if let Some(why) = unsupported(config) {
        return Err(why.to_owned());
    }
    let pem = |field: &str| secrets.required(field).map_err(|error| error.to_string());
    if tls.ca.is_some() {
        let text = pem("tls_config.ca")?;
        let certificates = Certificate::from_pem_bundle(text.as_bytes())
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or("`tls_config.ca` holds no certificates in PEM form")?;
        builder = builder.tls_certs_only(certificates);
    } else {
        builder = builder.tls_certs_merge(compiled_in_roots());
    }
    if tls.cert.is_some() || tls.key.is_some() {
        let both = format!("{}\n{}", pem("tls_config.cert")?, pem("tls_config.key")?);
        let identity = Identity::from_pem(both.as_bytes()).map_err(|_| {
            "`tls_config.cert` and `tls_config.key` are not a certificate and its key in PEM form"
        })?;
        builder = builder.identity(identity);
    }
    if tls.insecure_skip_verify {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    let version = |version| match version {
        TlsVersion::Tls12 => tls::Version::TLS_1_2,
        TlsVersion::Tls13 => tls::Version::TLS_1_3,
    };
    if let Some(min) = tls.min_version {
        builder = builder.tls_version_min(version(min));
    }
    if let Some(max) = tls.max_version {
        builder = builder.tls_version_max(version(max));
    }
    Ok(builder)
}

/// Mozilla's authorities, beside those of the system: a container has none of its own, and no
/// client could be built there, not even for plain HTTP.
fn compiled_in_roots() -> impl Iterator<Item = Certificate> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
}

fn policy(redirects: Redirects, follow: bool) -> redirect::Policy {
    if redirects == Redirects::Never || !follow {
        return redirect::Policy::none();
    }
    redirect::Policy::custom(|attempt| {
        let from = attempt.previous().last();
        let same = from.is_some_and(|from| from.origin() == attempt.url().origin());
        let keeps_method = matches!(attempt.status().as_u16(), 307 | 308);
        if same && keeps_method && attempt.previous().len() <= MOST_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

/// Header lines as the client takes them; those that hold credentials are marked, so that no
/// debug output shows them.
pub(crate) fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let bad = || format!("the header {name:?} cannot be sent: its name or value is malformed");
        let key = HeaderName::try_from(name).map_err(|_| bad())?;
        let mut value = HeaderValue::try_from(value).map_err(|_| bad())?;
        value.set_sensitive(key != reqwest::header::CONTENT_TYPE);
        map.append(key, value);
    }
    Ok(map)
}

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is longer than the limit, once unpacked.
    TooLarge,
    /// The connection broke, or what was sent cannot be unpacked.
    Broken(String),
}

/// Reads a body of at most `limit` unpacked bytes.
pub(crate) async fn read_body(
    response: &mut reqwest::Response,
    limit: usize,
) -> Result<Vec<u8>, BodyError> {
    let announced = response.content_length().unwrap_or(0);
    if announced > limit as u64 {
        return Err(BodyError::TooLarge);
    }
    // What is announced is not yet sent, so no more than this is set aside for it.
    let mut body = Vec::with_capacity(usize::try_from(announced.min(1 << 20)).unwrap_or(0));
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => return Err(BodyError::TooLarge),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => return Err(BodyError::Broken(describe(&error.without_url()))),
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn describe(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

/// The class of a failed request, as far as the client tells it.
pub(crate) fn failure(error: &reqwest::Error) -> Failure {
    let text = describe(error);
    let lower = text.to_lowercase();
    if error.is_builder() {
        Failure::Malformed
    } else if error.is_timeout() {
        Failure::Timeout
    } else if lower.contains("certificate") || lower.contains("tls") {
        Failure::Tls
    } else if lower.contains("proxy") || lower.contains("tunnel") {
        Failure::Proxy
    } else if error.is_connect() {
        Failure::Connect
    } else {
        Failure::Reset
    }
}
