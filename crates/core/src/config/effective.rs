//! The configuration as it counts, with all defaults, as YAML for people and for
//! `/api/v1/status/config`. No secret stands in it: inline ones are shown as `<secret>`, those in
//! files by the file's name.

use serde_yaml::{Mapping, Value};
use stentor_lang::model::{Duration, Labels};

use super::{Config, Datasource, Dialect};
use crate::notify::{GroupBy, Route, Routing};
use crate::receiver::{
    HttpConfig, Integration, Kind, PagerDuty, REDACTED, Receiver, SecretRef, Settings, Slack,
    TlsVersion,
};

impl Config {
    /// The effective configuration as YAML, without secrets.
    pub fn to_yaml(&self) -> String {
        let mut global = Fields::default();
        global
            .duration("evaluation_interval", self.evaluation_interval)
            .duration("rule_query_offset", self.query_offset)
            .labels("external_labels", &self.external_labels)
            .duration("resolve_timeout", self.resolve_timeout);
        let mut all = Fields::default();
        all.value("global", global.done());
        let datasources = self.datasources.iter().map(datasource);
        all.value("datasources", datasources.collect::<Vec<_>>());
        if let Some(routing) = &self.routing {
            routes(routing, &mut all);
        }
        serde_yaml::to_string(&all.done()).expect("invariant: keys are texts")
    }
}

/// A mapping being written; what says nothing is left out.
#[derive(Default)]
struct Fields(Mapping);

impl Fields {
    fn value(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.0.insert(name.into(), value.into());
        self
    }

    fn text(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.value(name, text);
        }
        self
    }

    fn duration(&mut self, name: &str, duration: Duration) -> &mut Self {
        self.value(name, duration.to_string())
    }

    fn labels(&mut self, name: &str, labels: &Labels) -> &mut Self {
        if !labels.is_empty() {
            let mut mapping = Fields::default();
            for (label, text) in labels {
                mapping.value(label, text);
            }
            self.value(name, mapping.done());
        }
        self
    }

    /// A secret under its name, or its file under the name with `_file`.
    fn secret(&mut self, name: &str, secret: Option<&SecretRef>) -> &mut Self {
        match secret {
            None => self,
            Some(SecretRef::Inline(_)) => self.value(name, REDACTED),
            Some(SecretRef::File(file)) => self.value(&format!("{name}_file"), file.as_str()),
        }
    }

    fn list(&mut self, name: &str, values: Vec<Value>) -> &mut Self {
        if !values.is_empty() {
            self.value(name, values);
        }
        self
    }

    fn mapping(&mut self, name: &str, fields: Fields) -> &mut Self {
        if !fields.0.is_empty() {
            self.value(name, fields.done());
        }
        self
    }

    fn done(self) -> Value {
        Value::Mapping(self.0)
    }
}

fn datasource(datasource: &Datasource) -> Value {
    let dialect = match datasource.dialect {
        Dialect::Prometheus => "prometheus",
        Dialect::Opaque => "opaque",
    };
    let files = datasource.rule_files.iter();
    let files = files.map(|pattern| Value::from(pattern.value.as_str()));
    let mut fields = Fields::default();
    fields
        .value("name", &*datasource.name)
        .value("url", datasource.url.as_str())
        .value("external_url", datasource.external_url.as_str())
        .labels("external_labels", &datasource.external_labels)
        .list("rule_files", files.collect())
        .value("dialect", dialect)
        .duration("timeout", datasource.timeout)
        .value("max_response_bytes", datasource.max_response_bytes)
        .value("max_series", datasource.max_series)
        .value("max_concurrent_queries", datasource.max_concurrent_queries);
    http(&datasource.http, &mut fields);
    fields.done()
}

fn http(http: &HttpConfig, fields: &mut Fields) {
    if let Some(auth) = &http.basic_auth {
        let mut section = Fields::default();
        section
            .text("username", Some(&auth.username))
            .secret("username", auth.username_file.as_ref())
            .secret("password", auth.password.as_ref());
        fields.mapping("basic_auth", section);
    }
    if let Some(auth) = &http.authorization {
        let mut section = Fields::default();
        section
            .value("type", auth.scheme.as_str())
            .secret("credentials", Some(&auth.credentials));
        fields.mapping("authorization", section);
    }
    let version = |version: TlsVersion| match version {
        TlsVersion::Tls12 => "TLS12",
        TlsVersion::Tls13 => "TLS13",
    };
    let mut tls = Fields::default();
    tls.secret("ca", http.tls.ca.as_ref())
        .secret("cert", http.tls.cert.as_ref())
        .secret("key", http.tls.key.as_ref())
        .text("server_name", http.tls.server_name.as_deref())
        .text("min_version", http.tls.min_version.map(version))
        .text("max_version", http.tls.max_version.map(version));
    if http.tls.insecure_skip_verify {
        tls.value("insecure_skip_verify", true);
    }
    fields
        .mapping("tls_config", tls)
        .secret("proxy_url", http.proxy_url.as_ref())
        .text("no_proxy", http.no_proxy.as_deref());
    if http.proxy_from_environment {
        fields.value("proxy_from_environment", true);
    }
    fields
        .value("follow_redirects", http.follow_redirects)
        .value("enable_http2", http.enable_http2);
    let mut headers = Fields::default();
    for header in &http.headers {
        let values = header
            .values
            .iter()
            .map(|value| Value::from(value.as_str()));
        let mut section = Fields::default();
        section.list("values", values.collect());
        let (mut secrets, mut files) = (Vec::new(), Vec::new());
        for secret in &header.secrets {
            match secret {
                SecretRef::Inline(_) => secrets.push(Value::from(REDACTED)),
                SecretRef::File(file) => files.push(Value::from(file.as_str())),
            }
        }
        section.list("secrets", secrets).list("files", files);
        headers.mapping(&header.name, section);
    }
    fields.mapping("http_headers", headers);
}

fn routes(routing: &Routing, all: &mut Fields) {
    all.value("route", route(routing.root()));
    let receivers = routing.receivers().values().map(receiver);
    all.value("receivers", receivers.collect::<Vec<_>>());
    if let Some(fallback) = routing.fallback() {
        all.value("fallback_receiver", &*fallback.name);
    }
}

fn route(node: &Route) -> Value {
    let matchers = node.matchers.iter();
    let matchers = matchers.map(|matcher| Value::from(matcher.matcher().to_string()));
    let group_by: Vec<Value> = match &node.group_by {
        GroupBy::All => vec!["...".into()],
        GroupBy::Labels(labels) => labels.iter().map(|label| Value::from(&**label)).collect(),
    };
    let mut fields = Fields::default();
    fields
        .value("receiver", &*node.receiver)
        .value("group_by", group_by)
        .list("matchers", matchers.collect());
    if node.continues {
        fields.value("continue", true);
    }
    fields
        .duration("group_wait", node.group_wait)
        .duration("group_interval", node.group_interval)
        .duration("repeat_interval", node.repeat_interval)
        .labels("labels", &node.labels)
        .list("routes", node.routes.iter().map(route).collect());
    fields.done()
}

fn receiver(receiver: &Receiver) -> Value {
    let mut fields = Fields::default();
    fields.value("name", &*receiver.name);
    let kinds = [
        (Kind::PagerDuty, "pagerduty_configs"),
        (Kind::Slack, "slack_configs"),
        (Kind::Webhook, "webhook_configs"),
    ];
    for (kind, name) in kinds {
        let own = receiver
            .integrations
            .iter()
            .filter(|one| one.key.kind == kind);
        fields.list(name, own.map(|one| integration(one)).collect());
    }
    fields.done()
}

fn integration(integration: &Integration) -> Value {
    let mut fields = Fields::default();
    fields
        .value("send_resolved", integration.send_resolved)
        .duration("timeout", integration.timeout);
    match &integration.settings {
        Settings::PagerDuty(settings) => pagerduty(settings, &mut fields),
        Settings::Slack(settings) => slack(settings, &mut fields),
        Settings::Webhook(settings) => {
            fields
                .secret("url", Some(&settings.url))
                .value("max_alerts", settings.max_alerts);
        }
    }
    let mut section = Fields::default();
    http(&integration.http, &mut section);
    fields.mapping("http_config", section);
    fields.done()
}

fn pagerduty(settings: &PagerDuty, fields: &mut Fields) {
    fields
        .secret("routing_key", Some(&settings.routing_key))
        .value("url", settings.url.as_str());
    let texts = [
        ("description", &settings.description),
        ("severity", &settings.severity),
        ("source", &settings.source),
        ("client", &settings.client),
        ("client_url", &settings.client_url),
        ("class", &settings.class),
        ("component", &settings.component),
        ("group", &settings.group),
    ];
    for (name, text) in texts {
        fields.text(name, text.as_deref());
    }
    if !settings.details.is_empty() {
        let details = serde_yaml::to_value(&settings.details);
        fields.value("details", details.expect("invariant: JSON is YAML"));
    }
    let images = settings.images.iter().map(|image| {
        let mut fields = Fields::default();
        fields
            .text("src", Some(&image.src))
            .text("alt", Some(&image.alt))
            .text("href", Some(&image.href));
        fields.done()
    });
    fields.list("images", images.collect());
    let links = settings.links.iter().map(|link| {
        let mut fields = Fields::default();
        fields
            .text("href", Some(&link.href))
            .text("text", Some(&link.text));
        fields.done()
    });
    fields.list("links", links.collect());
}

fn slack(settings: &Slack, fields: &mut Fields) {
    fields.secret("api_url", Some(&settings.api_url));
    let texts = [
        ("channel", &settings.channel),
        ("username", &settings.username),
        ("icon_emoji", &settings.icon_emoji),
        ("icon_url", &settings.icon_url),
        ("color", &settings.color),
        ("title", &settings.title),
        ("title_link", &settings.title_link),
        ("pretext", &settings.pretext),
        ("text", &settings.text),
        ("fallback", &settings.fallback),
        ("footer", &settings.footer),
        ("image_url", &settings.image_url),
        ("thumb_url", &settings.thumb_url),
        ("callback_id", &settings.callback_id),
        ("message_text", &settings.message_text),
    ];
    for (name, text) in texts {
        fields.text(name, text.as_deref());
    }
    if settings.link_names {
        fields.value("link_names", true);
    }
    let parts = settings
        .mrkdwn_in
        .iter()
        .map(|part| Value::from(part.as_str()));
    fields.list("mrkdwn_in", parts.collect());
    let own = settings.fields.iter().map(|field| {
        let mut fields = Fields::default();
        fields
            .value("title", field.title.as_str())
            .value("value", field.value.as_str())
            .value("short", field.short);
        fields.done()
    });
    fields.list("fields", own.collect());
}
