//! The section `global`: Prometheus' defaults for rules, and Alertmanager's for receivers.

use stentor_lang::model::{Diagnostic, Duration, Labels};
use stentor_lang::yaml::{Fields, Node};

use super::context::{Context, open_url};
use super::http;
use crate::receiver::{HttpConfig, SecretRef};

/// Prometheus' default.
pub const DEFAULT_EVALUATION_INTERVAL: Duration = Duration::from_mins(1);

/// Alertmanager's default.
const DEFAULT_RESOLVE_TIMEOUT: Duration = Duration::from_mins(5);

/// Where PagerDuty takes events.
const DEFAULT_PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// All of the section.
pub(super) struct Global {
    pub(super) evaluation_interval: Duration,
    pub(super) query_offset: Duration,
    pub(super) external_labels: Labels,
    pub(super) notify: NotifyDefaults,
}

/// Alertmanager's part of it.
pub(super) struct NotifyDefaults {
    pub(super) resolve_timeout: Duration,
    pub(super) http: HttpConfig,
    pub(super) slack_api_url: Option<SecretRef>,
    pub(super) pagerduty_url: String,
}

impl Default for NotifyDefaults {
    fn default() -> Self {
        Self {
            resolve_timeout: DEFAULT_RESOLVE_TIMEOUT,
            http: HttpConfig::default(),
            slack_api_url: None,
            pagerduty_url: DEFAULT_PAGERDUTY_URL.to_owned(),
        }
    }
}

/// The main file's section; Alertmanager's part of it only where it has no file of its own.
pub(super) fn read(fields: &mut Fields<'_, '_>, context: &mut Context<'_>, all: bool) -> Global {
    let mut global = Global {
        evaluation_interval: DEFAULT_EVALUATION_INTERVAL,
        query_offset: Duration::ZERO,
        external_labels: Labels::default(),
        notify: NotifyDefaults::default(),
    };
    let Some(node) = fields.take("global") else {
        return global;
    };
    let Some(mut section) = Fields::new(node, "`global`", fields.sink()) else {
        return global;
    };
    if let Some(interval) = section.duration("evaluation_interval") {
        if interval.value.is_zero() {
            section.error(
                "config/interval",
                interval.span,
                "evaluation_interval cannot be zero",
            );
        } else {
            global.evaluation_interval = interval.value;
        }
    }
    if let Some(offset) = section.duration("rule_query_offset") {
        global.query_offset = offset.value;
    }
    global.external_labels = labels(&mut section, "external_labels");
    if all {
        global.notify = notify_defaults(&mut section, context);
    }
    section.finish();
    global
}

/// The section of Alertmanager's own file.
pub(super) fn read_notify(
    fields: &mut Fields<'_, '_>,
    context: &mut Context<'_>,
) -> NotifyDefaults {
    let Some(node) = fields.take("global") else {
        return NotifyDefaults::default();
    };
    let Some(mut section) = Fields::new(node, "`global`", fields.sink()) else {
        return NotifyDefaults::default();
    };
    let defaults = notify_defaults(&mut section, context);
    section.finish();
    defaults
}

fn notify_defaults(section: &mut Fields<'_, '_>, context: &mut Context<'_>) -> NotifyDefaults {
    let mut defaults = NotifyDefaults::default();
    if let Some(timeout) = section.duration("resolve_timeout") {
        defaults.resolve_timeout = timeout.value;
    }
    if let Some(http) = http::section(section, context, "global") {
        defaults.http = http;
    }
    let url = context.secret(section, "global", "slack_api_url", "slack_api_url_file");
    defaults.slack_api_url = url.map(|(secret, text)| {
        http::check_secret_url(text.as_ref(), "slack_api_url", section.sink());
        secret
    });
    if let Some(url) = open_url(section, context, "pagerduty_url") {
        defaults.pagerduty_url = url.value;
    }
    for name in ["slack_app_token", "slack_app_token_file", "slack_app_url"] {
        section.refuse(
            name,
            "Stentor posts to Slack's incoming webhooks: set `slack_api_url`",
        );
    }
    for name in UNUSED {
        ignore(section, context, name);
    }
    defaults
}

/// Defaults of receivers that Stentor does not have. A receiver of that kind is an error; a
/// default for none is only superfluous.
const UNUSED: [&str; 34] = [
    "jira_api_url",
    "smtp_from",
    "smtp_hello",
    "smtp_smarthost",
    "smtp_auth_username",
    "smtp_auth_password",
    "smtp_auth_password_file",
    "smtp_auth_secret",
    "smtp_auth_secret_file",
    "smtp_auth_identity",
    "smtp_require_tls",
    "smtp_tls_config",
    "smtp_force_implicit_tls",
    "opsgenie_api_url",
    "opsgenie_api_key",
    "opsgenie_api_key_file",
    "wechat_api_url",
    "wechat_api_secret",
    "wechat_api_secret_file",
    "wechat_api_corp_id",
    "victorops_api_url",
    "victorops_api_key",
    "victorops_api_key_file",
    "telegram_api_url",
    "telegram_bot_token",
    "telegram_bot_token_file",
    "webex_api_url",
    "rocketchat_api_url",
    "rocketchat_token",
    "rocketchat_token_file",
    "rocketchat_token_id",
    "rocketchat_token_id_file",
    "mattermost_webhook_url",
    "mattermost_webhook_url_file",
];

fn ignore(section: &mut Fields<'_, '_>, context: &mut Context<'_>, name: &'static str) {
    let Some(entry) = section.entry(name) else {
        return;
    };
    // Some of them are secrets.
    hide_all(&entry.value, context);
    let message = format!("`{name}` has no effect: Stentor has no receiver that uses it");
    let found = Diagnostic::warning("config/unused", entry.key.span, message);
    section.sink().push(found);
}

fn hide_all(node: &Node, context: &mut Context<'_>) {
    match node {
        Node::Scalar(scalar) => context.hide(scalar),
        Node::Sequence(sequence) => sequence
            .items
            .iter()
            .for_each(|item| hide_all(item, context)),
        Node::Mapping(mapping) => {
            for entry in &mapping.entries {
                hide_all(&entry.value, context);
            }
        }
    }
}

/// A mapping of label names to values.
pub(super) fn labels(fields: &mut Fields<'_, '_>, name: &'static str) -> Labels {
    let pairs = fields.map_of_scalars(name);
    for (label, _) in &pairs {
        if label.text().is_empty() {
            fields.error("config/label", label.span, "a label needs a name");
        }
    }
    Labels::from_pairs(
        pairs
            .iter()
            .map(|(name, value)| (name.text(), value.text())),
    )
}
