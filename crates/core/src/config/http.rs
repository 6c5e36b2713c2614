//! `http_config`, as prometheus/common reads it. At a datasource the same fields stand beside the
//! others, as in Prometheus.

use stentor_lang::model::Diagnostic;
use stentor_lang::yaml::{Fields, Spanned};

use super::context::{Context, filled, refuse_filled};
use crate::receiver::{
    Authorization, BasicAuth, Header, HttpConfig, SecretRef, TlsConfig, TlsVersion, is_web_url,
};

/// The section `http_config` of a mapping; `None` where it has none.
pub(super) fn section(
    fields: &mut Fields<'_, '_>,
    context: &mut Context<'_>,
    path: &str,
) -> Option<HttpConfig> {
    let node = fields.take("http_config")?;
    let mut section = Fields::new(node, "`http_config`", fields.sink())?;
    let http = read(&mut section, context, &format!("{path}.http_config"));
    section.finish();
    Some(http)
}

/// The fields themselves.
pub(super) fn read(
    fields: &mut Fields<'_, '_>,
    context: &mut Context<'_>,
    path: &str,
) -> HttpConfig {
    let defaults = HttpConfig::default();
    refuse_filled(fields, "oauth2", "use `authorization` or `basic_auth`");
    refuse_filled(
        fields,
        "proxy_connect_header",
        "headers for proxies are not built yet",
    );
    let place = fields.head();
    let basic_auth = basic_auth(fields, context, path);
    let authorization = authorization(fields, context, path);
    let bearer = context.secret(fields, path, "bearer_token", "bearer_token_file");
    let ways = [
        basic_auth.is_some(),
        authorization.is_some(),
        bearer.is_some(),
    ];
    if ways.into_iter().filter(|set| *set).count() > 1 {
        let message = "at most one of `basic_auth`, `authorization` and `bearer_token` may be set";
        fields.error("config/http", place, message);
    }
    let bearer = bearer.map(|(credentials, _)| Authorization {
        scheme: "Bearer".to_owned(),
        credentials,
    });
    let proxy = filled(fields.scalar("proxy_url")).and_then(|url| {
        let name = format!("{path}.proxy_url");
        let text = context.inline(url, &name, fields.sink())?;
        check_proxy(&text, fields.sink());
        Some(SecretRef::Inline(name))
    });
    HttpConfig {
        basic_auth,
        authorization: authorization.or(bearer),
        tls: tls(fields, context, path),
        proxy_url: proxy,
        no_proxy: fields.string("no_proxy").map(|hosts| hosts.value),
        proxy_from_environment: flag(fields, "proxy_from_environment", false),
        follow_redirects: flag(fields, "follow_redirects", defaults.follow_redirects),
        enable_http2: flag(fields, "enable_http2", defaults.enable_http2),
        headers: headers(fields, context, path),
    }
}

pub(super) fn flag(fields: &mut Fields<'_, '_>, name: &'static str, default: bool) -> bool {
    fields.bool(name).map_or(default, |flag| flag.value)
}

fn basic_auth(
    fields: &mut Fields<'_, '_>,
    context: &mut Context<'_>,
    path: &str,
) -> Option<BasicAuth> {
    let node = fields.take("basic_auth")?;
    let mut section = Fields::new(node, "`basic_auth`", fields.sink())?;
    let path = format!("{path}.basic_auth");
    let username = section.string("username");
    let username_file = section.string("username_file");
    if let (Some(_), Some(file)) = (&username, &username_file) {
        let message = "at most one of `username` and `username_file` may be set";
        section.error("config/http", file.span, message);
    }
    let password = context.secret(&mut section, &path, "password", "password_file");
    for name in ["username_ref", "password_ref"] {
        section.refuse(name, "there is no secret manager: name a file");
    }
    section.finish();
    Some(BasicAuth {
        username: username.map(|name| name.value).unwrap_or_default(),
        username_file: username_file.map(|file| context.file("username", &file.value, file.span)),
        password: password.map(|(secret, _)| secret),
    })
}

fn authorization(
    fields: &mut Fields<'_, '_>,
    context: &mut Context<'_>,
    path: &str,
) -> Option<Authorization> {
    let node = fields.take("authorization")?;
    let mut section = Fields::new(node, "`authorization`", fields.sink())?;
    let path = format!("{path}.authorization");
    let scheme = section.string("type");
    let credentials = context.secret(&mut section, &path, "credentials", "credentials_file");
    section.refuse("credentials_ref", "there is no secret manager: name a file");
    let mut name = "Bearer".to_owned();
    if let Some(scheme) = scheme {
        let written = scheme.value.trim();
        if written.eq_ignore_ascii_case("basic") {
            let message = "authorization type cannot be \"basic\": use `basic_auth`";
            section.error("config/http", scheme.span, message);
        } else if written.contains(|c: char| !c.is_ascii_graphic()) {
            let message = "an authorization type is one word";
            section.error("config/http", scheme.span, message);
        } else if !written.is_empty() {
            written.clone_into(&mut name);
        }
    }
    if credentials.is_none() {
        section.missing("credentials");
    }
    section.finish();
    credentials.map(|(credentials, _)| Authorization {
        scheme: name,
        credentials,
    })
}

fn tls(fields: &mut Fields<'_, '_>, context: &mut Context<'_>, path: &str) -> TlsConfig {
    let Some(node) = fields.take("tls_config") else {
        return TlsConfig::default();
    };
    let Some(mut section) = Fields::new(node, "`tls_config`", fields.sink()) else {
        return TlsConfig::default();
    };
    let path = format!("{path}.tls_config");
    let place = section.head();
    let mut pem = |name, file| {
        let secret = context.secret(&mut section, &path, name, file);
        secret.map(|(secret, _)| secret)
    };
    let (ca, cert, key) = (
        pem("ca", "ca_file"),
        pem("cert", "cert_file"),
        pem("key", "key_file"),
    );
    if cert.is_some() != key.is_some() {
        let message = "a client certificate needs both `cert` and `key`, or their files";
        section.error("config/tls", place, message);
    }
    for name in ["ca_ref", "cert_ref", "key_ref"] {
        section.refuse(name, "there is no secret manager: name a file");
    }
    let tls = TlsConfig {
        ca,
        cert,
        key,
        server_name: section.string("server_name").map(|name| name.value),
        insecure_skip_verify: flag(&mut section, "insecure_skip_verify", false),
        min_version: version(&mut section, "min_version"),
        max_version: version(&mut section, "max_version"),
    };
    section.finish();
    tls
}

fn version(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<TlsVersion> {
    let version = fields.string(name)?;
    match (version.value.as_str(), name) {
        ("TLS12", _) => Some(TlsVersion::Tls12),
        ("TLS13", _) => Some(TlsVersion::Tls13),
        // Nothing older than 1.2 is spoken anyway.
        ("TLS10" | "TLS11", "min_version") => None,
        (other, _) => {
            let message = format!("field `{name}`: `{other}` is not one of TLS12 and TLS13");
            fields.error("config/tls", version.span, message);
            None
        }
    }
}

fn headers(fields: &mut Fields<'_, '_>, context: &mut Context<'_>, path: &str) -> Vec<Header> {
    let Some(mapping) = fields.mapping("http_headers") else {
        return Vec::new();
    };
    let mut headers = Vec::new();
    for entry in &mapping.entries {
        let name = entry.key.text();
        if !name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        {
            fields.error("config/http", entry.key.span, "not the name of a header");
            continue;
        }
        if RESERVED
            .iter()
            .any(|reserved| reserved.eq_ignore_ascii_case(name))
        {
            let message = format!("the header `{name}` cannot be set here");
            fields.error("config/http", entry.key.span, message);
            continue;
        }
        let Some(mut section) = Fields::new(&entry.value, "the header", fields.sink()) else {
            continue;
        };
        let mut header = Header {
            name: name.to_owned(),
            values: Vec::new(),
            secrets: Vec::new(),
        };
        for value in section.strings("values") {
            if value.value.chars().any(char::is_control) {
                let message = "the value of a header holds no control characters";
                section.error("config/http", value.span, message);
            }
            header.values.push(value.value);
        }
        for (index, node) in section.list("secrets").iter().enumerate() {
            let secret = format!("{path}.http_headers.{name}[{index}]");
            let text = node.as_scalar();
            if text
                .and_then(|text| context.inline(text, &secret, section.sink()))
                .is_some()
            {
                header.secrets.push(SecretRef::Inline(secret));
            }
        }
        for file in section.strings("files") {
            let secret = context.file("header", &file.value, file.span);
            header.secrets.push(secret);
        }
        section.finish();
        headers.push(header);
    }
    headers
}

/// Headers that the client sets itself, prometheus/common's list.
const RESERVED: [&str; 15] = [
    "Authorization",
    "Host",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "User-Agent",
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Www-Authenticate",
    "Accept-Encoding",
    "Transfer-Encoding",
    "Upgrade",
    "Te",
];

/// A proxy is a URL, or a bare host that is spoken to over HTTP; its text may hold a password.
fn check_proxy(text: &Spanned<String>, sink: &mut Vec<Diagnostic>) {
    let url = text.value.trim();
    let bare = !url.contains("://") && is_web_url(&format!("http://{url}"));
    if !bare && !is_web_url(url) {
        let message = "field `proxy_url`: only proxies at http:// and https:// are supported";
        sink.push(Diagnostic::error("config/url", text.span, message));
    }
}

/// Notes where an inline secret is no URL; its text is not shown.
pub(super) fn check_secret_url(
    text: Option<&Spanned<String>>,
    name: &str,
    sink: &mut Vec<Diagnostic>,
) {
    let Some(text) = text.filter(|text| !is_web_url(text.value.trim())) else {
        return;
    };
    let message = format!("field `{name}`: not a URL that begins with http:// or https://");
    sink.push(Diagnostic::error("config/url", text.span, message));
}
