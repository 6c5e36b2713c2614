//! The words in which a terminal, Markdown and a comparison tell the same things.

use stentor_core::report::{IncidentFigures, ReceiverFigures, Report, RuleFigures};
use stentor_core::timeline::{Notification, State, Transition};

use stentor_lang::model::number::format_g;

use super::clock::{Clock, span};

/// A table of texts: its heads, and its rows.
pub(super) struct Table {
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// What a change of phase is called.
pub(super) fn change(transition: &Transition) -> &'static str {
    match (transition.from, transition.to) {
        (_, State::Firing) => "firing",
        (_, State::Pending) => "pending",
        (State::Firing, State::Inactive) => "resolved",
        (_, State::Inactive) => "ended",
    }
}

/// The value that brought it about, behind a blank; none where the condition no longer holds.
pub(super) fn value(transition: &Transition) -> String {
    match transition.to {
        State::Inactive => String::new(),
        _ => format!(" {}", format_g(transition.value)),
    }
}

/// Why a notification went out, and what it holds: `first notification: 2 firing, 1 resolved`.
pub(super) fn told(told: &Notification) -> String {
    let firing = told.firing();
    let resolved = told.alerts.len() - firing;
    let mut parts = Vec::new();
    if firing > 0 {
        parts.push(format!("{firing} firing"));
    }
    if resolved > 0 {
        parts.push(format!("{resolved} resolved"));
    }
    format!("{}: {}", told.reason, parts.join(", "))
}

/// Pages and messages.
pub(super) fn receivers(report: &Report, clock: Clock) -> Table {
    let night = report.options.night.is_some();
    let row = |found: &ReceiverFigures| {
        let pages = |count: usize| {
            if found.pages_people {
                count.to_string()
            } else {
                "-".to_owned()
            }
        };
        let mut row = vec![found.integration.to_string(), pages(found.pages)];
        if night {
            row.push(pages(found.pages_at_night));
        }
        row.extend([found.messages.to_string(), found.flaps.to_string()]);
        row.push(match found.storm {
            Some((count, at)) => format!("{count} from {}", clock.time(at)),
            None => "-".to_owned(),
        });
        row
    };
    let mut head = vec!["receiver", "pages"];
    if night {
        head.push("at night");
    }
    head.extend(["messages", "flaps", "worst 10 minutes"]);
    Table {
        head,
        rows: report.receivers.iter().map(row).collect(),
    }
}

/// How rules behaved.
pub(super) fn rules(report: &Report) -> Table {
    let row = |(rule, found): (&stentor_core::timeline::TimelineRule, &RuleFigures)| {
        vec![
            rule.rule.alert.to_string(),
            rule.severity().unwrap_or("-").to_owned(),
            rule.group.to_string(),
            found.fired.to_string(),
            span(found.firing_for),
            found.never_fired.to_string(),
            found.active_at_end.to_string(),
        ]
    };
    let rules = report.timeline.rules.iter().zip(&report.rules);
    Table {
        head: vec![
            "rule",
            "severity",
            "group",
            "fired",
            "firing for",
            "pending, never fired",
            "active at the end",
        ],
        rows: rules.map(row).collect(),
    }
}

/// How incidents were noticed.
pub(super) fn incidents(report: &Report, clock: Clock) -> Table {
    let row = |found: &IncidentFigures| {
        let incident = &found.incident;
        let mut row = vec![incident.name.clone(), clock.time(incident.start)];
        match &found.detected {
            Some((after, labels)) => {
                row.extend([span(*after), labels.get("alertname").to_owned()]);
            }
            None => row.extend(["missed".to_owned(), "-".to_owned()]),
        }
        match &found.paged {
            Some((after, to)) => row.extend([span(*after), to.to_string()]),
            None => row.extend(["nobody paged".to_owned(), "-".to_owned()]),
        }
        row
    };
    Table {
        head: vec![
            "incident",
            "start",
            "time to detect",
            "by",
            "time to page",
            "whom",
        ],
        rows: report.incidents.iter().map(row).collect(),
    }
}

/// `1 rule`, `2 rules`.
pub(super) fn count(count: usize, what: &str) -> String {
    let plural = match (count, what.strip_suffix('y')) {
        (1, _) => return format!("1 {what}"),
        _ if what == "series" => what.to_owned(),
        (_, Some(stem)) => format!("{stem}ies"),
        (_, None) => format!("{what}s"),
    };
    format!("{count} {plural}")
}

/// What was read and run.
pub(super) fn summary(report: &Report, clock: Clock) -> Vec<String> {
    let (data, timeline) = (&report.data, &report.timeline);
    let (start, end) = (clock.time(timeline.start), clock.time(timeline.end));
    let mut lines = vec![
        format!("{start} to {end} {}", clock.zone()),
        format!(
            "{} over {} with {}: {}",
            count(timeline.rules.len(), "alerting rule"),
            count(data.series, "series"),
            count(data.samples, "sample"),
            data.source
        ),
    ];
    if let Some(night) = report.options.night {
        lines.push(format!("night: {night} {}", report.options.timezone.name()));
    }
    if report.receivers.is_empty() {
        lines.push(
            "nobody is told: there are no routes, name a configuration by --config.file".to_owned(),
        );
    }
    lines.extend(data.notes.iter().map(|note| format!("note: {note}")));
    lines
}

/// Errors of rules, the first of them.
pub(super) fn errors(report: &Report, clock: Clock) -> Vec<String> {
    let timeline = &report.timeline;
    let errors = timeline.errors.iter();
    let mut lines: Vec<String> = errors
        .map(|error| {
            let (time, rule) = (clock.time(error.at), &error.rule);
            format!(
                "{time} rule {rule} of group {}: {}",
                error.group.group, error.message
            )
        })
        .collect();
    let more = timeline.error_count - timeline.errors.len();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}
