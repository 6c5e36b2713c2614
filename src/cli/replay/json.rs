//! A report as JSON, for programs. Fields are added, never renamed or removed, as long as `version`
//! is 1. Times are RFC 3339 in UTC, spans are seconds, values that are no JSON numbers are texts.

use serde::Serialize;
use stentor_core::receiver::IntegrationKey;
use stentor_core::report::Report;
use stentor_core::timeline::{Episode, Notification, Timeline, ToldAlert, Transition};
use stentor_lang::model::number::format_api;
use stentor_lang::model::{Duration, Labels, Timestamp};

use super::words;

/// The version of the form.
pub(super) const VERSION: u32 = 1;

#[derive(Serialize)]
struct JsonReport<'a> {
    version: u32,
    start: String,
    end: String,
    data: JsonData<'a>,
    receivers: Vec<JsonReceiver>,
    rules: Vec<JsonRule<'a>>,
    incidents: Vec<JsonIncident<'a>>,
    alerts: Vec<JsonEpisode>,
    transitions: Vec<JsonTransition<'a>>,
    notifications: Vec<JsonNotification<'a>>,
    error_count: usize,
    errors: Vec<JsonError<'a>>,
}

#[derive(Serialize)]
struct JsonData<'a> {
    source: &'a str,
    series: usize,
    samples: usize,
    notes: &'a [String],
}

#[derive(Serialize)]
struct JsonReceiver {
    receiver: String,
    integration: String,
    pages_people: bool,
    pages: usize,
    pages_at_night: Option<usize>,
    messages: usize,
    flaps: usize,
    storm_messages: usize,
    storm_start: Option<String>,
}

#[derive(Serialize)]
struct JsonRule<'a> {
    alert: &'a str,
    severity: Option<&'a str>,
    group: &'a str,
    file: &'a str,
    fired: usize,
    firing_seconds: f64,
    pending_never_fired: usize,
    active_at_end: usize,
}

#[derive(Serialize)]
struct JsonIncident<'a> {
    name: &'a str,
    start: String,
    end: String,
    labels: JsonLabels,
    missed: bool,
    detect_seconds: Option<f64>,
    detected_by: Option<JsonLabels>,
    page_seconds: Option<f64>,
    paged: Option<String>,
}

#[derive(Serialize)]
struct JsonEpisode {
    rule: usize,
    labels: JsonLabels,
    active_at: String,
    fired_at: Option<String>,
    ended_at: Option<String>,
    value: String,
}

#[derive(Serialize)]
struct JsonTransition<'a> {
    at: String,
    rule: usize,
    labels: JsonLabels,
    from: &'static str,
    to: &'static str,
    event: &'static str,
    value: String,
    why: &'a str,
}

#[derive(Serialize)]
struct JsonNotification<'a> {
    at: String,
    receiver: &'a str,
    integration: String,
    group_key: &'a str,
    group_labels: JsonLabels,
    status: &'static str,
    reason: String,
    alerts: Vec<JsonTold>,
}

#[derive(Serialize)]
struct JsonTold {
    status: &'static str,
    labels: JsonLabels,
    starts_at: String,
    ends_at: Option<String>,
}

#[derive(Serialize)]
struct JsonError<'a> {
    at: String,
    group: &'a str,
    rule: &'a str,
    message: &'a str,
}

pub(super) type JsonLabels = std::collections::BTreeMap<String, String>;

/// The whole report.
pub(super) fn show(report: &Report) -> String {
    let timeline = &report.timeline;
    let shown = JsonReport {
        version: VERSION,
        start: time(timeline.start),
        end: time(timeline.end),
        data: JsonData {
            source: &report.data.source,
            series: report.data.series,
            samples: report.data.samples,
            notes: &report.data.notes,
        },
        receivers: receivers(report),
        rules: rules(report),
        incidents: incidents(report),
        alerts: report.episodes.iter().map(episode).collect(),
        transitions: timeline.transitions.iter().map(transition).collect(),
        notifications: timeline.notifications.iter().map(notification).collect(),
        error_count: timeline.error_count,
        errors: errors(timeline),
    };
    pretty(&shown)
}

/// Indented JSON with a newline at its end.
pub(super) fn pretty(shown: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(shown);
    text.expect("invariant: texts, numbers and maps with text keys") + "\n"
}

fn receivers(report: &Report) -> Vec<JsonReceiver> {
    let all = report.receivers.iter();
    all.map(|found| JsonReceiver {
        receiver: found.integration.receiver.to_string(),
        integration: found.integration.to_string(),
        pages_people: found.pages_people,
        pages: found.pages,
        pages_at_night: report.options.night.map(|_| found.pages_at_night),
        messages: found.messages,
        flaps: found.flaps,
        storm_messages: found.storm.map_or(0, |(count, _)| count),
        storm_start: found.storm.map(|(_, at)| time(at)),
    })
    .collect()
}

fn rules(report: &Report) -> Vec<JsonRule<'_>> {
    let all = report.timeline.rules.iter().zip(&report.rules);
    all.map(|(rule, found)| JsonRule {
        alert: &rule.rule.alert,
        severity: rule.severity(),
        group: &rule.group,
        file: &rule.rule.place.file,
        fired: found.fired,
        firing_seconds: found.firing_for.seconds(),
        pending_never_fired: found.never_fired,
        active_at_end: found.active_at_end,
    })
    .collect()
}

fn incidents(report: &Report) -> Vec<JsonIncident<'_>> {
    let seconds = |after: &Duration| after.seconds();
    let all = report.incidents.iter();
    all.map(|found| JsonIncident {
        name: &found.incident.name,
        start: time(found.incident.start),
        end: time(found.incident.end),
        labels: labels(&found.incident.labels),
        missed: found.detected.is_none(),
        detect_seconds: found.detected.as_ref().map(|(after, _)| seconds(after)),
        detected_by: found.detected.as_ref().map(|(_, by)| labels(by)),
        page_seconds: found.paged.as_ref().map(|(after, _)| seconds(after)),
        paged: found
            .paged
            .as_ref()
            .map(|(_, to): &(_, IntegrationKey)| to.to_string()),
    })
    .collect()
}

fn episode(episode: &Episode) -> JsonEpisode {
    JsonEpisode {
        rule: episode.rule,
        labels: labels(&episode.labels),
        active_at: time(episode.active_at),
        fired_at: episode.fired_at.map(time),
        ended_at: episode.ended_at.map(time),
        value: format_api(episode.value),
    }
}

fn transition(transition: &Transition) -> JsonTransition<'_> {
    JsonTransition {
        at: time(transition.at),
        rule: transition.rule,
        labels: labels(&transition.labels),
        from: transition.from.as_str(),
        to: transition.to.as_str(),
        event: words::change(transition),
        value: format_api(transition.value),
        why: &transition.why,
    }
}

fn notification(told: &Notification) -> JsonNotification<'_> {
    JsonNotification {
        at: time(told.at),
        receiver: &told.integration.receiver,
        integration: told.integration.to_string(),
        group_key: &told.group_key,
        group_labels: labels(&told.group_labels),
        status: told.status.as_str(),
        reason: told.reason.to_string(),
        alerts: told.alerts.iter().map(alert).collect(),
    }
}

fn alert(told: &ToldAlert) -> JsonTold {
    JsonTold {
        status: told.status.as_str(),
        labels: labels(&told.labels),
        starts_at: time(told.starts_at),
        ends_at: told.ends_at.map(time),
    }
}

fn errors(timeline: &Timeline) -> Vec<JsonError<'_>> {
    let all = timeline.errors.iter();
    all.map(|error| JsonError {
        at: time(error.at),
        group: &error.group.group,
        rule: &error.rule,
        message: &error.message,
    })
    .collect()
}

pub(super) fn time(at: Timestamp) -> String {
    at.to_string()
}

pub(super) fn labels(labels: &Labels) -> JsonLabels {
    let pairs = labels.iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
