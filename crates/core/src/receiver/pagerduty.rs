//! PagerDuty's Events API, version 2: one event for each state of a group, under Alertmanager's
//! `dedup_key`.
//!
//! Whatever the alerts hold, the event is valid: texts are cut to PagerDuty's limits, an unknown
//! severity becomes one that is known, links and images that it would refuse are left out, and a
//! body that is too big loses alerts from its list, never the counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use stentor_lang::model::number::format_g;
use stentor_lang::model::{Duration, Timestamp};

use super::SecretRef;
use super::answer::{Response, by_status, shown};
use super::identity::dedup_key;
use super::json::to_json;
use super::message::{Alert, Message, Status};
use super::target::Outcome;
use super::text::{self, ALERTS_SHOWN, Common, annotation, clean, is_web_url, shorten};

/// The severities that PagerDuty knows.
pub const SEVERITIES: [&str; 4] = ["critical", "error", "warning", "info"];

/// The severity of what has none that PagerDuty knows, as in Alertmanager.
const DEFAULT_SEVERITY: &str = "error";

/// PagerDuty's limit of a summary, in characters.
const MAX_SUMMARY: usize = 1024;

/// For the other short texts of an event no limit is documented; none of them needs more.
const MAX_SHORT: usize = 1024;

/// For a label value or annotation in the details; what is longer, nobody reads in an incident.
const MAX_DETAIL: usize = 2000;

/// PagerDuty's limit of a whole event: 512 KB, in Alertmanager's reading.
const MAX_EVENT_BYTES: usize = 512_000;

/// How many links and images go with an event; no limit is documented.
const MAX_LINKS: usize = 20;

/// PagerDuty names no time in a 429 and asks for thirty seconds between attempts.
const RATE_LIMITED_PAUSE: Duration = Duration::from_secs(30);

/// `pagerduty_configs`, without templates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PagerDuty {
    /// The integration key.
    pub routing_key: SecretRef,
    /// Where events go.
    pub url: String,
    /// The summary, instead of the default one.
    pub description: Option<String>,
    /// The severity, instead of the alerts' label of that name.
    pub severity: Option<String>,
    /// What is affected, instead of the alerts' `instance`.
    pub source: Option<String>,
    /// The name of what sends.
    pub client: Option<String>,
    /// The link to what sends.
    pub client_url: Option<String>,
    /// PagerDuty's `class`.
    pub class: Option<String>,
    /// PagerDuty's `component`.
    pub component: Option<String>,
    /// PagerDuty's `group`.
    pub group: Option<String>,
    /// Details besides the default ones, or instead of one of the same name.
    pub details: BTreeMap<String, Value>,
    /// Pictures.
    pub images: Vec<Image>,
    /// Links besides runbook and source.
    pub links: Vec<Link>,
}

/// A picture beside an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its URL, over HTTPS.
    pub src: String,
    /// Its text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub alt: String,
    /// Where it leads.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub href: String,
}

/// A link beside an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Where it leads.
    pub href: String,
    /// Its text.
    pub text: String,
}

#[derive(Serialize)]
struct Event<'a> {
    routing_key: &'a str,
    dedup_key: String,
    #[serde(rename = "event_action")]
    action: &'static str,
    payload: Payload,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_url: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Payload {
    summary: String,
    source: String,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    custom_details: Map<String, Value>,
}

/// The body of the request.
pub(super) fn body(settings: &PagerDuty, message: &Message, routing_key: &str) -> String {
    let plain = plain_event(settings, message, routing_key);
    if message.corrected {
        return to_json(&plain);
    }
    let mut event = full_event(plain, settings, message);
    for alerts in [ALERTS_SHOWN, 5, 2, 1, 0] {
        event.payload.custom_details = details(settings, message, alerts);
        let body = to_json(&event);
        if body.len() <= MAX_EVENT_BYTES {
            return body;
        }
    }
    // Only what the configuration adds can still be too big.
    event.payload.custom_details = count_details(message);
    let why = format!("details left out: the event was bigger than {MAX_EVENT_BYTES} bytes");
    event
        .payload
        .custom_details
        .insert("error".to_owned(), why.into());
    event.images.clear();
    event.links.clear();
    to_json(&event)
}

/// The least that PagerDuty takes: nothing in it comes from fields it might object to.
fn plain_event<'a>(settings: &PagerDuty, message: &Message, routing_key: &'a str) -> Event<'a> {
    let common = Common::of(&message.alerts);
    let action = match message.status {
        Status::Firing => "trigger",
        Status::Resolved => "resolve",
    };
    Event {
        routing_key,
        dedup_key: dedup_key(&message.group_key),
        action,
        payload: Payload {
            summary: summary(settings, message),
            source: source(settings, &common),
            severity: severity(settings, &common).0,
            timestamp: None,
            class: None,
            component: None,
            group: None,
            custom_details: Map::new(),
        },
        client: None,
        client_url: None,
        images: Vec::new(),
        links: Vec::new(),
    }
}

fn full_event<'a>(plain: Event<'a>, settings: &PagerDuty, message: &Message) -> Event<'a> {
    let text = |text: &Option<String>| text.as_deref().map(short).filter(|text| !text.is_empty());
    let client_url = settings.client_url.as_deref();
    let client_url = client_url.unwrap_or(&message.external_url);
    let since = text::firing_first(message)
        .filter(|alert| alert.status == message.status)
        .map(|alert| alert.starts_at)
        .min();
    Event {
        payload: Payload {
            timestamp: since.map(Timestamp::rfc3339),
            class: text(&settings.class),
            component: text(&settings.component),
            group: text(&settings.group),
            ..plain.payload
        },
        client: Some(client(settings).to_owned()),
        client_url: is_web_url(client_url).then(|| client_url.to_owned()),
        images: images(settings),
        links: links(settings, message),
        ..plain
    }
}

fn summary(settings: &PagerDuty, message: &Message) -> String {
    let own = settings
        .description
        .as_deref()
        .map(|own| clean(own, MAX_SUMMARY));
    let mut summary = match own {
        Some(own) if !own.trim().is_empty() => own.into_owned(),
        _ => text::headline(message),
    };
    if message.corrected {
        summary = format!("(shortened: PagerDuty refused the full event) {summary}");
    }
    if let Some(why) = &message.fallback_for {
        summary = format!("{} (fallback: {})", shorten(&summary, 700), clean(why, 250));
    }
    shorten(&summary, MAX_SUMMARY).into_owned()
}

fn client(settings: &PagerDuty) -> &str {
    match settings.client.as_deref() {
        Some(client) if !client.trim().is_empty() => client,
        _ => "Stentor",
    }
}

fn source(settings: &PagerDuty, common: &Common<'_>) -> String {
    let instance = common.labels.get("instance").copied();
    let candidates = [settings.source.as_deref(), instance, Some(client(settings))];
    candidates
        .into_iter()
        .flatten()
        .map(short)
        .find(|source| !source.trim().is_empty())
        .expect("invariant: the client has a name")
}

/// The severity, and what was wrong with the configured one.
fn severity(settings: &PagerDuty, common: &Common<'_>) -> (&'static str, Option<String>) {
    let known = |text: &str| {
        SEVERITIES
            .into_iter()
            .find(|severity| severity.eq_ignore_ascii_case(text.trim()))
    };
    let label = common.labels.get("severity").and_then(|label| known(label));
    let fallback = label.unwrap_or(DEFAULT_SEVERITY);
    let Some(configured) = &settings.severity else {
        return (fallback, None);
    };
    if let Some(severity) = known(configured) {
        return (severity, None);
    }
    let configured = short(configured);
    let note = format!("PagerDuty knows no severity `{configured}`: sent as {fallback}");
    (fallback, Some(note))
}

fn short(text: &str) -> String {
    clean(text, MAX_SHORT).into_owned()
}

fn images(settings: &PagerDuty) -> Vec<Image> {
    let secure = |image: &&Image| is_web_url(&image.src) && image.src.starts_with("https://");
    let image = |image: &Image| Image {
        src: image.src.clone(),
        alt: short(&image.alt),
        href: Some(&image.href)
            .filter(|href| is_web_url(href))
            .cloned()
            .unwrap_or_default(),
    };
    let images = settings.images.iter().filter(secure);
    images.take(MAX_LINKS).map(image).collect()
}

fn links(settings: &PagerDuty, message: &Message) -> Vec<Link> {
    let link = |href: &str, text: &str| Link {
        href: href.to_owned(),
        text: short(text),
    };
    let own = settings.links.iter().filter(|own| is_web_url(&own.href));
    let mut links: Vec<Link> = own
        .map(|own| {
            let text = if own.text.is_empty() {
                &own.href
            } else {
                &own.text
            };
            link(&own.href, text)
        })
        .collect();
    links.extend(text::runbook(message).map(|url| link(url, "Runbook")));
    links.extend(text::source(message).map(|url| link(url, "Source")));
    links.truncate(MAX_LINKS);
    links
}

/// How many alerts there are: never left out of a full event.
fn count_details(message: &Message) -> Map<String, Value> {
    let (firing, resolved) = text::counts(message);
    let mut details = Map::new();
    details.insert("num_firing".to_owned(), firing.into());
    details.insert("num_resolved".to_owned(), resolved.into());
    details
}

fn details(settings: &PagerDuty, message: &Message, limit: usize) -> Map<String, Value> {
    let common = Common::of(&message.alerts);
    let mut details = count_details(message);
    let mut lists = [("firing", Vec::new()), ("resolved", Vec::new())];
    for alert in text::firing_first(message).take(limit) {
        let list = usize::from(alert.status == Status::Resolved);
        lists[list].1.push(alert_details(alert));
    }
    for (name, list) in lists {
        if !list.is_empty() {
            details.insert(name.to_owned(), list.into());
        }
    }
    let left_out = message.alerts.len().saturating_sub(limit);
    if left_out > 0 {
        details.insert("alerts_not_shown".to_owned(), left_out.into());
    }
    if let Some(description) = common.annotations.get("description") {
        details.insert("description".to_owned(), detail(description));
    }
    let mut notes = text::notes(message);
    notes.extend(severity(settings, &common).1);
    if !notes.is_empty() {
        details.insert("notes".to_owned(), notes.into());
    }
    for (name, value) in &settings.details {
        details.insert(name.clone(), value.clone());
    }
    details
}

fn alert_details(alert: &Alert) -> Value {
    let labels: Map<String, Value> = alert
        .labels
        .iter()
        .map(|(name, text)| (name.to_owned(), detail(text)))
        .collect();
    let annotations: Map<String, Value> = alert
        .annotations
        .iter()
        .filter(|(name, _)| !annotation(alert, name).is_empty())
        .map(|(name, text)| (name.clone(), detail(text)))
        .collect();
    let mut details = json!({
        "labels": labels,
        "annotations": annotations,
        "since": alert.starts_at.rfc3339(),
    });
    let mut add = |name: &str, text: Option<String>| {
        if let Some(text) = text {
            details[name] = detail(&text);
        }
    };
    add("value", alert.value.map(format_g));
    add("resolved", alert.ends_at.map(Timestamp::rfc3339));
    add("end_reason", alert.end_reason.as_deref().map(str::to_owned));
    let source = Some(&*alert.generator_url).filter(|url| !url.is_empty());
    add("source", source.map(str::to_owned));
    details
}

fn detail(text: &str) -> Value {
    Value::String(shorten(text, MAX_DETAIL).into_owned())
}

/// What PagerDuty's answers mean: 202 is taken, 429 and 5xx are for later, the rest is final. A
/// 400 says what is wrong with the event.
pub(super) fn classify(response: &Response<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default)]
        message: String,
        #[serde(default)]
        errors: Vec<String>,
    }
    let refusal = serde_json::from_str::<Refusal>(response.body).ok();
    let detail = match refusal.filter(|refusal| !refusal.message.is_empty()) {
        Some(refusal) if refusal.errors.is_empty() => shown(&refusal.message),
        Some(Refusal { message, errors }) => shown(&format!("{message}: {}", errors.join(", "))),
        None => shown(response.body),
    };
    match by_status(response, &detail) {
        Outcome::Retry {
            after,
            maybe_delivered,
            why,
        } if response.status == 429 => Outcome::Retry {
            after: Some(after.unwrap_or_default().max(RATE_LIMITED_PAUSE)),
            maybe_delivered,
            why,
        },
        outcome => outcome,
    }
}
