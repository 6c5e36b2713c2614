//! The rows of the report's tables, in words.

use std::collections::BTreeMap;

use stentor_core::receiver::{IntegrationKey, Kind, Status};
use stentor_core::report::Report;
use stentor_core::timeline::{Episode, Notification, Transition};
use stentor_lang::model::{Duration, Labels, Timestamp};

use super::said::{self, Said};
use crate::web::{tone, words};

/// A label and its value.
pub(super) type Pair = (String, String);

/// A number on top of the page.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) note: String,
    pub(super) tone: &'static str,
}

/// An incident and how it was noticed.
pub(super) struct Incident {
    pub(super) name: String,
    pub(super) when: String,
    pub(super) lasted: String,
    /// Empty where it was missed.
    pub(super) detected: String,
    pub(super) by: String,
    /// Empty where nobody was paged.
    pub(super) paged: String,
    pub(super) whom: String,
}

/// The life of an alert.
pub(super) struct Life {
    pub(super) alert: String,
    pub(super) severity: String,
    pub(super) tone: &'static str,
    pub(super) labels: Vec<Pair>,
    pub(super) state: &'static str,
    pub(super) state_tone: &'static str,
    pub(super) pending: String,
    pub(super) fired: String,
    pub(super) ended: String,
    pub(super) lasted: String,
    pub(super) value: String,
    pub(super) why: String,
}

/// How a receiver fared.
pub(super) struct Receiver {
    pub(super) name: String,
    pub(super) service: &'static str,
    pub(super) pages_people: bool,
    pub(super) pages: String,
    pub(super) at_night: String,
    pub(super) messages: String,
    pub(super) flaps: String,
    pub(super) storm: String,
}

/// What a receiver got.
pub(super) struct Inbox {
    pub(super) name: String,
    pub(super) service: &'static str,
    pub(super) count: String,
    pub(super) rows: Vec<Told>,
    pub(super) more: usize,
}

/// A notification.
pub(super) struct Told {
    pub(super) at: String,
    pub(super) status: &'static str,
    pub(super) tone: &'static str,
    pub(super) reason: String,
    pub(super) alerts: String,
    pub(super) group: Vec<Pair>,
    pub(super) said: Said,
}

/// How a rule behaved.
pub(super) struct Rule {
    pub(super) alert: String,
    pub(super) group: String,
    pub(super) severity: String,
    pub(super) tone: &'static str,
    pub(super) hold: String,
    pub(super) fired: String,
    pub(super) firing_for: String,
    pub(super) never_fired: String,
    pub(super) expr: String,
    pub(super) quiet: bool,
}

/// A rule that failed in a slot.
pub(super) struct RuleFailure {
    pub(super) at: String,
    pub(super) rule: String,
    pub(super) message: String,
}

pub(super) fn figures(report: &Report) -> Vec<Figure> {
    let pagers = || {
        report
            .receivers
            .iter()
            .filter(|figures| figures.pages_people)
    };
    let pages: usize = pagers().map(|figures| figures.pages).sum();
    let at_night: usize = pagers().map(|figures| figures.pages_at_night).sum();
    let messages: usize = report
        .receivers
        .iter()
        .map(|figures| figures.messages)
        .sum();
    let flaps: usize = report.receivers.iter().map(|figures| figures.flaps).sum();
    let fired = report
        .episodes
        .iter()
        .filter(|life| life.fired_at.is_some());
    let never: usize = report.rules.iter().map(|rule| rule.never_fired).sum();
    let mut figures = vec![
        Figure::new("Pages", words::count(pages), String::new()),
        Figure::new("Pages at night", words::count(at_night), String::new()),
        Figure::new(
            "Messages",
            words::count(messages),
            format!("flaps: {}", words::count(flaps)),
        ),
        Figure::new(
            "Alerts that fired",
            words::count(fired.count()),
            format!("pending, never fired: {}", words::count(never)),
        ),
    ];
    if !report.incidents.is_empty() {
        figures.push(incidents_seen(report));
        figures.push(slowest(report));
    }
    if report.timeline.error_count > 0 {
        let count = words::count(report.timeline.error_count);
        let mut errors = Figure::new("Errors of rules", count, String::new());
        errors.tone = "critical";
        figures.push(errors);
    }
    figures
}

impl Figure {
    fn new(name: &'static str, value: String, note: String) -> Self {
        Self {
            name,
            value,
            note,
            tone: "",
        }
    }
}

fn incidents_seen(report: &Report) -> Figure {
    let all = report.incidents.len();
    let detected = report.incidents.iter().filter(|i| i.detected.is_some());
    let missed = all - detected.count();
    Figure {
        name: "Incidents detected",
        value: format!("{} of {}", words::count(all - missed), words::count(all)),
        note: match missed {
            0 => String::new(),
            _ => format!("missed: {}", words::count(missed)),
        },
        tone: if missed == 0 { "good" } else { "critical" },
    }
}

/// The slowest, because a mean hides it.
fn slowest(report: &Report) -> Figure {
    let detected = report.incidents.iter().filter_map(|i| i.detected.as_ref());
    let paged = report.incidents.iter().filter_map(|i| i.paged.as_ref());
    let longest = |span: Option<Duration>| span.map_or_else(|| "–".to_owned(), words::span);
    let detected = longest(detected.map(|(span, _)| *span).max());
    let paged = longest(paged.map(|(span, _)| *span).max());
    let name = match report.incidents.len() {
        1 => "Time to detect",
        _ => "Slowest to detect",
    };
    Figure::new(name, detected, format!("to page: {paged}"))
}

pub(super) fn incidents(report: &Report) -> Vec<Incident> {
    let row = |figures: &stentor_core::report::IncidentFigures| {
        let incident = &figures.incident;
        let detected = figures.detected.as_ref();
        let paged = figures.paged.as_ref();
        Incident {
            name: incident.name.clone(),
            when: format!(
                "{} – {}",
                moment(report, incident.start),
                moment(report, incident.end)
            ),
            lasted: words::span(incident.end - incident.start),
            detected: detected.map_or_else(String::new, |(span, _)| words::span(*span)),
            by: detected.map_or_else(String::new, |(_, labels)| {
                labels.get("alertname").to_owned()
            }),
            paged: paged.map_or_else(String::new, |(span, _)| words::span(*span)),
            whom: paged.map_or_else(String::new, |(_, key)| key.receiver.to_string()),
        }
    };
    report.incidents.iter().map(row).collect()
}

pub(super) fn lives(report: &Report, most: usize) -> Vec<Life> {
    let timeline = &report.timeline;
    let key = |change: &Transition| (change.rule, change.at, change.labels.clone());
    let changes: BTreeMap<(usize, Timestamp, Labels), &Transition> = timeline
        .transitions
        .iter()
        .map(|change| (key(change), change))
        .collect();
    let why = |life: &Episode, at: Timestamp| {
        let change = changes.get(&(life.rule, at, life.labels.clone()));
        change.map_or_else(String::new, |change| change.why.to_string())
    };
    let row = |life: &Episode| {
        let rule = &timeline.rules[life.rule];
        let last = life.ended_at.or(life.fired_at).unwrap_or(life.active_at);
        let severity = severity(report, life);
        let (state, state_tone) = match (life.fired_at, life.ended_at) {
            (Some(_), None) => ("firing", "critical"),
            (Some(_), Some(_)) => ("resolved", "good"),
            (None, None) => ("pending", "pending"),
            (None, Some(_)) => ("never fired", "quiet"),
        };
        let moment = |at: Option<Timestamp>| at.map_or_else(String::new, |at| moment(report, at));
        Life {
            alert: rule.rule.alert.to_string(),
            tone: tone(&severity),
            severity,
            labels: pairs(&life.labels),
            state,
            state_tone,
            pending: moment((life.fired_at != Some(life.active_at)).then_some(life.active_at)),
            fired: moment(life.fired_at),
            ended: moment(life.ended_at),
            lasted: words::span(
                life.ended_at.unwrap_or(timeline.end) - life.fired_at.unwrap_or(life.active_at),
            ),
            value: words::reading(life.value),
            why: why(life, last),
        }
    };
    report.episodes.iter().take(most).map(row).collect()
}

/// The severity of an alert: its own label, else what its rule says.
fn severity(report: &Report, life: &Episode) -> String {
    let own = life.labels.get("severity");
    let of_rule = || report.timeline.rules[life.rule].severity();
    let text = if own.is_empty() {
        of_rule().unwrap_or("")
    } else {
        own
    };
    text.to_owned()
}

pub(super) fn receivers(report: &Report) -> Vec<Receiver> {
    let rows = report.receivers.iter().map(|figures| Receiver {
        name: name(&figures.integration),
        service: service(figures.integration.kind),
        pages_people: figures.pages_people,
        pages: words::count(figures.pages),
        at_night: words::count(figures.pages_at_night),
        messages: words::count(figures.messages),
        flaps: words::count(figures.flaps),
        storm: match figures.storm {
            Some((count, at)) if count > 1 => {
                format!("{} from {}", words::count(count), moment(report, at))
            }
            _ => String::new(),
        },
    });
    rows.collect()
}

pub(super) fn inboxes(report: &Report, most: usize) -> Vec<Inbox> {
    let mut by_receiver: BTreeMap<&IntegrationKey, Vec<&Notification>> = BTreeMap::new();
    for notification in &report.timeline.notifications {
        let theirs = by_receiver.entry(&notification.integration).or_default();
        theirs.push(notification);
    }
    let inbox = |(key, theirs): (&IntegrationKey, Vec<&Notification>)| Inbox {
        name: name(key),
        service: service(key.kind),
        count: words::plural(theirs.len(), "notification"),
        more: theirs.len().saturating_sub(most),
        rows: theirs.iter().take(most).map(|n| told(report, n)).collect(),
    };
    by_receiver.into_iter().map(inbox).collect()
}

fn told(report: &Report, notification: &Notification) -> Told {
    let (firing, all) = (notification.firing(), notification.alerts.len());
    let counts = [(firing, "firing"), (all - firing, "resolved")];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(count, word)| format!("{} {word}", words::count(*count)))
        .collect();
    Told {
        at: moment(report, notification.at),
        status: notification.status.as_str(),
        tone: match notification.status {
            Status::Firing => "critical",
            Status::Resolved => "good",
        },
        reason: notification.reason.to_string(),
        alerts: counts.join(", "),
        group: pairs_with_name(&notification.group_labels),
        said: said::of(notification),
    }
}

pub(super) fn rules(report: &Report) -> Vec<Rule> {
    let both = report.timeline.rules.iter().zip(&report.rules);
    let row = |(rule, figures): (
        &stentor_core::timeline::TimelineRule,
        &stentor_core::report::RuleFigures,
    )| {
        let severity = rule.severity().unwrap_or("").to_owned();
        Rule {
            alert: rule.rule.alert.to_string(),
            group: rule.group.to_string(),
            tone: tone(&severity),
            severity,
            hold: words::span(rule.rule.hold),
            fired: words::count(figures.fired),
            firing_for: if figures.firing_for.is_zero() {
                String::new()
            } else {
                words::span(figures.firing_for)
            },
            never_fired: words::count(figures.never_fired),
            expr: rule.rule.expr.text.to_string(),
            quiet: figures.fired == 0 && figures.never_fired == 0,
        }
    };
    both.map(row).collect()
}

pub(super) fn failures(report: &Report) -> Vec<RuleFailure> {
    let errors = report.timeline.errors.iter().map(|error| RuleFailure {
        at: moment(report, error.at),
        rule: error.rule.to_string(),
        message: error.message.clone(),
    });
    errors.collect()
}

/// A time, with its day where the run has several.
pub(super) fn moment(report: &Report, at: Timestamp) -> String {
    let timeline = &report.timeline;
    if words::day(timeline.start) == words::day(timeline.end) {
        words::clock(at)
    } else {
        words::moment(at)
    }
}

pub(super) fn name(key: &IntegrationKey) -> String {
    match key.index {
        0 => key.receiver.to_string(),
        index => format!("{} [{index}]", key.receiver),
    }
}

pub(super) const fn service(kind: Kind) -> &'static str {
    match kind {
        Kind::PagerDuty => "PagerDuty",
        Kind::Slack => "Slack",
        Kind::Webhook => "webhook",
    }
}

fn pairs(labels: &Labels) -> Vec<Pair> {
    let own = words::own_labels(labels).into_iter();
    own.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn pairs_with_name(labels: &Labels) -> Vec<Pair> {
    let all = labels.iter();
    all.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
