//! `receivers`: PagerDuty, Slack and webhooks, in Alertmanager's words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use stentor_lang::model::{Diagnostic, Duration};
use stentor_lang::yaml::{Fields, Node, Scalar, Style};

use super::context::{Context, no_template, open_url, plain, refuse_filled};
use super::global::NotifyDefaults;
use super::{http, shared};
use crate::receiver::{
    Field, Image, Integration, IntegrationKey, Kind, Link, PagerDuty, Receiver, SEVERITIES,
    Settings, Slack, Webhook,
};

/// How long one attempt may take where the configuration does not say: services that are well
/// answer within a second, and a slow one is tried again.
pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// All receivers, and the names of those too that could not be read.
#[derive(Debug, Default)]
pub(super) struct Receivers {
    pub(super) list: Vec<Receiver>,
    pub(super) names: BTreeSet<String>,
}

/// The kinds that Alertmanager has and Stentor does not.
const UNBUILT: [&str; 15] = [
    "discord_configs",
    "email_configs",
    "incidentio_configs",
    "jira_configs",
    "mattermost_configs",
    "msteams_configs",
    "msteamsv2_configs",
    "opsgenie_configs",
    "pushover_configs",
    "rocketchat_configs",
    "sns_configs",
    "telegram_configs",
    "victorops_configs",
    "webex_configs",
    "wechat_configs",
];

pub(super) fn read_all(
    fields: &mut Fields<'_, '_>,
    context: &mut Context<'_>,
    defaults: &NotifyDefaults,
) -> Receivers {
    let mut receivers = Receivers::default();
    for node in fields.list("receivers") {
        let Some(mut fields) = Fields::new(node, "the receiver", fields.sink()) else {
            continue;
        };
        let name = fields.required_string("name");
        let text = name
            .as_ref()
            .map(|name| name.value.clone())
            .unwrap_or_default();
        let mut reader = Reader {
            context: &mut *context,
            defaults,
            receiver: shared(&text),
        };
        let integrations = reader.integrations(&mut fields);
        if let Some(name) = name {
            if name.value.is_empty() {
                fields.error("config/receiver", name.span, "a receiver needs a name");
            } else if !receivers.names.insert(name.value.clone()) {
                let message = format!("receiver name `{}` is not unique", name.value);
                fields.error("config/receiver", name.span, message);
            }
        }
        fields.finish();
        receivers.list.push(Receiver {
            name: shared(&text),
            integrations,
        });
    }
    receivers
}

struct Reader<'a, 'c> {
    context: &'a mut Context<'c>,
    defaults: &'a NotifyDefaults,
    receiver: Arc<str>,
}

impl Reader<'_, '_> {
    fn integrations(&mut self, fields: &mut Fields<'_, '_>) -> Vec<Arc<Integration>> {
        for name in UNBUILT {
            if fields.take(name).is_some_and(|value| !is_empty_list(value)) {
                refuse_kind(fields, name);
            }
        }
        refuse_filled(
            fields,
            "labels",
            "receivers cannot be filtered by labels yet",
        );
        let kinds = [
            (Kind::PagerDuty, "pagerduty_configs"),
            (Kind::Slack, "slack_configs"),
            (Kind::Webhook, "webhook_configs"),
        ];
        let mut integrations = Vec::new();
        for (kind, name) in kinds {
            for (index, node) in (0..).zip(fields.list(name)) {
                let path = format!("receivers[{}].{name}[{index}]", self.receiver);
                let key = IntegrationKey {
                    receiver: Arc::clone(&self.receiver),
                    kind,
                    index,
                };
                let read = self.integration(node, key, &path, fields.sink());
                integrations.extend(read.map(Arc::new));
            }
        }
        integrations
    }

    fn integration(
        &mut self,
        node: &Node,
        key: IntegrationKey,
        path: &str,
        sink: &mut Vec<Diagnostic>,
    ) -> Option<Integration> {
        let what = match key.kind {
            Kind::PagerDuty => "the PagerDuty receiver",
            Kind::Slack => "the Slack receiver",
            Kind::Webhook => "the webhook receiver",
        };
        let mut fields = Fields::new(node, what, sink)?;
        // Slack is the exception in Alertmanager too.
        let send_resolved = http::flag(&mut fields, "send_resolved", key.kind != Kind::Slack);
        let timeout = fields.duration("timeout").map(|timeout| timeout.value);
        let http = http::section(&mut fields, self.context, path);
        let settings = match key.kind {
            Kind::PagerDuty => self.pagerduty(&mut fields, path),
            Kind::Slack => self.slack(&mut fields, path),
            Kind::Webhook => self.webhook(&mut fields, path),
        };
        fields.finish();
        let (rate_limit, rate_window) = key.kind.rate_limit();
        Some(Integration {
            key,
            send_resolved,
            timeout: timeout
                .filter(|timeout| !timeout.is_zero())
                .unwrap_or(DEFAULT_ATTEMPT_TIMEOUT),
            rate_limit,
            rate_window,
            http: http.unwrap_or_else(|| self.defaults.http.clone()),
            settings: settings?,
        })
    }

    fn pagerduty(&mut self, fields: &mut Fields<'_, '_>, path: &str) -> Option<Settings> {
        let mut old = false;
        for name in ["service_key", "service_key_file"] {
            old |= fields.take(name).is_some();
            fields.refuse(
                name,
                "use `routing_key`, of PagerDuty's Events API version 2",
            );
        }
        let routing_key = self
            .context
            .secret(fields, path, "routing_key", "routing_key_file");
        if routing_key.is_none() && !old {
            missing_one(fields, "routing_key", "routing_key_file");
        }
        let url = open_url(fields, self.context, "url").map(|url| url.value);
        let settings = PagerDuty {
            url: url.unwrap_or_else(|| self.defaults.pagerduty_url.clone()),
            description: plain(fields, "description"),
            severity: severity(fields),
            source: plain(fields, "source"),
            client: plain(fields, "client"),
            client_url: plain(fields, "client_url"),
            class: plain(fields, "class"),
            component: plain(fields, "component"),
            group: plain(fields, "group"),
            details: details(fields),
            images: images(fields),
            links: links(fields),
            routing_key: routing_key?.0,
        };
        Some(Settings::PagerDuty(Box::new(settings)))
    }

    fn slack(&mut self, fields: &mut Fields<'_, '_>, path: &str) -> Option<Settings> {
        let why = "Stentor posts to Slack's incoming webhooks: set `api_url`";
        for name in ["app_token", "app_token_file", "app_url", "update_message"] {
            refuse_filled(fields, name, why);
        }
        refuse_filled(fields, "actions", "buttons are not built yet");
        let own = self.context.secret(fields, path, "api_url", "api_url_file");
        let own = own.map(|(secret, text)| {
            http::check_secret_url(text.as_ref(), "api_url", fields.sink());
            if let Some(text) = text.filter(|text| text.value.contains("/api/chat.")) {
                let message = "Slack's method chat.postMessage is not supported yet: \
                               use an incoming webhook";
                fields.error("config/slack", text.span, message);
            }
            secret
        });
        let api_url = own.or_else(|| self.defaults.slack_api_url.clone());
        if api_url.is_none() {
            missing_one(fields, "api_url", "api_url_file");
        }
        let short = http::flag(fields, "short_fields", false);
        let settings = Slack {
            channel: plain(fields, "channel"),
            username: plain(fields, "username"),
            icon_emoji: plain(fields, "icon_emoji"),
            icon_url: plain(fields, "icon_url"),
            link_names: http::flag(fields, "link_names", false),
            color: plain(fields, "color"),
            title: plain(fields, "title"),
            title_link: plain(fields, "title_link"),
            pretext: plain(fields, "pretext"),
            text: plain(fields, "text"),
            fallback: plain(fields, "fallback"),
            footer: plain(fields, "footer"),
            image_url: plain(fields, "image_url"),
            thumb_url: plain(fields, "thumb_url"),
            callback_id: plain(fields, "callback_id"),
            message_text: plain(fields, "message_text"),
            mrkdwn_in: fields
                .strings("mrkdwn_in")
                .into_iter()
                .map(|part| part.value)
                .collect(),
            fields: slack_fields(fields, short),
            api_url: api_url?,
        };
        Some(Settings::Slack(Box::new(settings)))
    }

    fn webhook(&mut self, fields: &mut Fields<'_, '_>, path: &str) -> Option<Settings> {
        fields.refuse("payload", "the body is Alertmanager's, version 4");
        let url = self.context.secret(fields, path, "url", "url_file");
        if let Some((_, text)) = &url {
            http::check_secret_url(text.as_ref(), "url", fields.sink());
        } else if fields.take("url").is_none() {
            missing_one(fields, "url", "url_file");
        }
        let max_alerts = fields.unsigned("max_alerts").map_or(0, |limit| limit.value);
        Some(Settings::Webhook(Webhook {
            url: url?.0,
            max_alerts,
        }))
    }
}

fn missing_one(fields: &mut Fields<'_, '_>, name: &str, file: &str) {
    let place = fields.head();
    let message = format!("one of `{name}` and `{file}` must be set");
    fields.error("config/secret", place, message);
}

fn is_empty_list(value: &Node) -> bool {
    value.as_sequence().is_some_and(<[Node]>::is_empty)
}

fn refuse_kind(fields: &mut Fields<'_, '_>, name: &'static str) {
    let Some(entry) = fields.entry(name) else {
        return;
    };
    let message = format!(
        "{name} is not supported; Stentor has pagerduty_configs, slack_configs, webhook_configs"
    );
    fields.error("config/receiver", entry.key.span, message);
}

fn severity(fields: &mut Fields<'_, '_>) -> Option<String> {
    let severity = plain(fields, "severity")?;
    if !SEVERITIES.contains(&severity.as_str()) {
        let span = fields
            .scalar("severity")
            .map_or(fields.head(), |scalar| scalar.span);
        let message = format!(
            "PagerDuty knows no severity `{severity}`: the alerts' label counts, or else `error`"
        );
        let hint = format!("one of {}", SEVERITIES.join(", "));
        let found = Diagnostic::warning("config/severity", span, message).with_hint(hint);
        fields.sink().push(found);
    }
    Some(severity)
}

fn details(fields: &mut Fields<'_, '_>) -> BTreeMap<String, Value> {
    let Some(mapping) = fields.mapping("details") else {
        return BTreeMap::new();
    };
    mapping
        .entries
        .iter()
        .map(|entry| {
            (
                entry.key.text().to_owned(),
                json(&entry.value, fields.sink()),
            )
        })
        .collect()
}

/// A detail as Alertmanager sends it: numbers and truths as such, even where they are quoted.
fn json(node: &Node, sink: &mut Vec<Diagnostic>) -> Value {
    match node {
        Node::Sequence(sequence) => sequence.items.iter().map(|item| json(item, sink)).collect(),
        Node::Mapping(mapping) => mapping
            .entries
            .iter()
            .map(|entry| (entry.key.text().to_owned(), json(&entry.value, sink)))
            .collect(),
        Node::Scalar(scalar) => {
            no_template(scalar, sink);
            let bare = Scalar {
                style: Style::Plain,
                tag: None,
                ..scalar.clone()
            };
            if bare.text().is_empty() {
                return Value::Null;
            }
            let whole = bare.integer().map(Value::from);
            let number = || bare.number().and_then(serde_json::Number::from_f64);
            whole
                .or_else(|| number().map(Value::Number))
                .or_else(|| bare.boolean().map(Value::from))
                .unwrap_or_else(|| Value::from(scalar.text()))
        }
    }
}

fn images(fields: &mut Fields<'_, '_>) -> Vec<Image> {
    let mut images = Vec::new();
    for node in fields.list("images") {
        let Some(mut item) = Fields::new(node, "the image", fields.sink()) else {
            continue;
        };
        let mut text = |name| plain(&mut item, name).unwrap_or_default();
        images.push(Image {
            src: text("src"),
            alt: text("alt"),
            href: text("href"),
        });
        item.finish();
    }
    images.retain(|image| !image.src.is_empty());
    images
}

fn links(fields: &mut Fields<'_, '_>) -> Vec<Link> {
    let mut links = Vec::new();
    for node in fields.list("links") {
        let Some(mut item) = Fields::new(node, "the link", fields.sink()) else {
            continue;
        };
        let mut text = |name| plain(&mut item, name).unwrap_or_default();
        links.push(Link {
            href: text("href"),
            text: text("text"),
        });
        item.finish();
    }
    links.retain(|link| !link.href.is_empty());
    links
}

fn slack_fields(fields: &mut Fields<'_, '_>, short: bool) -> Vec<Field> {
    let mut list = Vec::new();
    for node in fields.list("fields") {
        let Some(mut item) = Fields::new(node, "the field", fields.sink()) else {
            continue;
        };
        for name in ["title", "value"] {
            item.required(name);
        }
        let title = plain(&mut item, "title").unwrap_or_default();
        let value = plain(&mut item, "value").unwrap_or_default();
        let short = http::flag(&mut item, "short", short);
        list.push(Field {
            title,
            value,
            short,
        });
        item.finish();
    }
    list
}
