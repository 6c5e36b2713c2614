//! How a service is reached over HTTP: Prometheus' `http_config`, with secrets by reference.
//!
//! Headers, credentials among them, are made here, so that a request is complete before it leaves
//! the core; TLS, proxy and redirects are the transport's.

use serde::{Deserialize, Serialize};

use super::{RenderError, SecretBundle, SecretRef};

/// The settings of an HTTP client, as prometheus/common's `HTTPClientConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpConfig {
    /// User and password.
    pub basic_auth: Option<BasicAuth>,
    /// The `Authorization` header in another form, usually a bearer token.
    pub authorization: Option<Authorization>,
    /// Certificates and names.
    pub tls: TlsConfig,
    /// The proxy's URL, which may hold a password.
    pub proxy_url: Option<SecretRef>,
    /// Hosts that are reached without the proxy, as in the variable `NO_PROXY`.
    pub no_proxy: Option<String>,
    /// Whether the proxy is taken from the environment.
    pub proxy_from_environment: bool,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Whether HTTP/2 may be spoken.
    pub enable_http2: bool,
    /// Further headers, in the order of the configuration.
    pub headers: Vec<Header>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            basic_auth: None,
            authorization: None,
            tls: TlsConfig::default(),
            proxy_url: None,
            no_proxy: None,
            proxy_from_environment: false,
            follow_redirects: true,
            enable_http2: true,
            headers: Vec::new(),
        }
    }
}

/// `basic_auth`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasicAuth {
    /// The user, where it is written in the configuration.
    pub username: String,
    /// The file that names the user, instead of `username`.
    pub username_file: Option<SecretRef>,
    /// The password; none is the empty one.
    pub password: Option<SecretRef>,
}

/// `authorization`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// The scheme, usually `Bearer`.
    pub scheme: String,
    /// What follows it.
    pub credentials: SecretRef,
}

/// `tls_config`. Certificates and keys are PEM texts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TlsConfig {
    /// The authorities to trust instead of the usual ones.
    pub ca: Option<SecretRef>,
    /// The client's certificate.
    pub cert: Option<SecretRef>,
    /// The key of that certificate.
    pub key: Option<SecretRef>,
    /// The name that the server's certificate must have, where it is not the URL's.
    pub server_name: Option<String>,
    /// Whether any certificate is taken.
    pub insecure_skip_verify: bool,
    /// Nothing older than this is spoken.
    pub min_version: Option<TlsVersion>,
    /// Nothing newer than this is spoken.
    pub max_version: Option<TlsVersion>,
}

/// The versions that can be spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TlsVersion {
    /// `TLS12`
    Tls12,
    /// `TLS13`
    Tls13,
}

/// One of `http_headers`; each value becomes a header line of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Values written openly.
    pub values: Vec<String>,
    /// Secret values and those in files.
    pub secrets: Vec<SecretRef>,
}

impl HttpConfig {
    /// All secrets that the settings need, by the name under which a [`SecretBundle`] holds them.
    pub fn secret_refs(&self) -> Vec<(String, &SecretRef)> {
        let mut refs = Vec::new();
        if let Some(auth) = &self.basic_auth {
            push(&mut refs, USERNAME, auth.username_file.as_ref());
            push(&mut refs, PASSWORD, auth.password.as_ref());
        }
        if let Some(auth) = &self.authorization {
            push(&mut refs, CREDENTIALS, Some(&auth.credentials));
        }
        push(&mut refs, "tls_config.ca", self.tls.ca.as_ref());
        push(&mut refs, "tls_config.cert", self.tls.cert.as_ref());
        push(&mut refs, "tls_config.key", self.tls.key.as_ref());
        push(&mut refs, "proxy_url", self.proxy_url.as_ref());
        for header in &self.headers {
            for (index, secret) in header.secrets.iter().enumerate() {
                refs.push((header_secret(&header.name, index), secret));
            }
        }
        refs
    }

    /// The headers that the settings ask for, credentials among them.
    pub fn request_headers(
        &self,
        secrets: &SecretBundle,
    ) -> Result<Vec<(String, String)>, RenderError> {
        let mut headers = Vec::new();
        if let Some(auth) = &self.basic_auth {
            let username = match auth.username_file {
                Some(_) => secrets.required(USERNAME)?,
                None => auth.username.as_str(),
            };
            let password = match auth.password {
                Some(_) => secrets.required(PASSWORD)?,
                None => "",
            };
            let encoded = base64(format!("{username}:{password}").as_bytes());
            headers.push(("Authorization".to_owned(), format!("Basic {encoded}")));
        }
        if let Some(auth) = &self.authorization {
            let credentials = header_value(secrets, CREDENTIALS)?;
            let value = format!("{} {credentials}", auth.scheme);
            headers.push(("Authorization".to_owned(), value));
        }
        for header in &self.headers {
            for value in &header.values {
                headers.push((header.name.clone(), value.clone()));
            }
            for index in 0..header.secrets.len() {
                let value = header_value(secrets, &header_secret(&header.name, index))?;
                headers.push((header.name.clone(), value.to_owned()));
            }
        }
        Ok(headers)
    }
}

const USERNAME: &str = "basic_auth.username";
const PASSWORD: &str = "basic_auth.password";
const CREDENTIALS: &str = "authorization.credentials";

fn header_secret(name: &str, index: usize) -> String {
    format!("http_headers.{name}[{index}]")
}

fn push<'a>(refs: &mut Vec<(String, &'a SecretRef)>, name: &str, secret: Option<&'a SecretRef>) {
    refs.extend(secret.map(|secret| (name.to_owned(), secret)));
}

/// A secret that goes into a header line, where a line break would begin another header.
fn header_value<'a>(secrets: &'a SecretBundle, name: &str) -> Result<&'a str, RenderError> {
    let value = secrets.required(name)?;
    if value.chars().all(|c| c == '\t' || !c.is_control()) {
        Ok(value)
    } else {
        Err(RenderError::Unusable {
            field: name.to_owned(),
            why: "it holds control characters",
        })
    }
}

/// Base64 with padding (RFC 4648).
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0_u8; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..4_usize {
            if place <= chunk.len() {
                let six = (bits >> (18 - 6 * place)) & 63;
                out.push(char::from(ALPHABET[six as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn headers_hold_credentials_and_never_a_second_line() {
        let config = HttpConfig {
            authorization: Some(Authorization {
                scheme: "Bearer".to_owned(),
                credentials: SecretRef::File("token".to_owned()),
            }),
            headers: vec![Header {
                name: "X-Tenant".to_owned(),
                values: vec!["a".to_owned()],
                secrets: vec![SecretRef::Inline("b".to_owned())],
            }],
            ..HttpConfig::default()
        };
        let names: Vec<String> = config.secret_refs().into_iter().map(|(n, _)| n).collect();
        assert_eq!(
            names,
            ["authorization.credentials", "http_headers.X-Tenant[0]"]
        );
        let mut secrets = SecretBundle::default();
        secrets.0.insert(names[0].clone(), " abc\n".to_owned());
        secrets.0.insert(names[1].clone(), "b".to_owned());
        let headers = config.request_headers(&secrets).expect("complete");
        assert_eq!(headers[0].1, "Bearer abc");
        assert_eq!(headers[2], ("X-Tenant".to_owned(), "b".to_owned()));

        secrets
            .0
            .insert(names[0].clone(), "abc\r\nX-Evil: 1".to_owned());
        let refused = config.request_headers(&secrets).expect_err("two lines");
        assert!(!refused.to_string().contains("abc"));
        secrets.0.remove(&names[0]);
        assert!(config.request_headers(&secrets).is_err());
    }
}
