//! A timeline in a terminal.
//!
//! Labels come from foreign systems: what a terminal would obey is never sent.

use std::fmt::Write as _;

use stentor_core::timeline::{Notification, State, Timeline, Transition};
use stentor_lang::model::number::format_g;

use super::clock::Clock;
use super::setting::Setting;
use crate::cli::diagnostics::visible;

/// The timeline, a line for each event.
pub(super) fn show(timeline: &Timeline, setting: &Setting, clock: Clock, color: bool) -> String {
    let mut out = String::new();
    let (start, end) = (clock.time(timeline.start), clock.time(timeline.end));
    let _ = writeln!(out, "{start} to {end} {}", clock.zone());
    if setting.routing.is_none() {
        out.push_str(
            "nobody is told: there are no routes, name a configuration by --config.file\n",
        );
    }
    out.push('\n');
    let mut told = timeline.notifications.iter().peekable();
    for transition in &timeline.transitions {
        while let Some(notification) = told.next_if(|told| told.at < transition.at) {
            line_of_notification(&mut out, notification, clock);
        }
        line_of_transition(&mut out, timeline, transition, clock, color);
    }
    for notification in told {
        line_of_notification(&mut out, notification, clock);
    }
    out
}

fn line_of_transition(
    out: &mut String,
    timeline: &Timeline,
    transition: &Transition,
    clock: Clock,
    color: bool,
) {
    let (word, paint) = match (transition.from, transition.to) {
        (_, State::Firing) => ("firing", "31"),
        (_, State::Pending) => ("pending", "33"),
        (State::Firing, State::Inactive) => ("resolved", "32"),
        (_, State::Inactive) => ("ended", "2"),
    };
    let name = &timeline.rules[transition.rule].rule.alert;
    let labels = transition.labels.without("alertname").to_string();
    let (on, off) = if color {
        (format!("\u{1b}[{paint}m"), "\u{1b}[0m")
    } else {
        (String::new(), "")
    };
    let (time, value) = (clock.time(transition.at), format_g(transition.value));
    let (name, labels) = (visible(name), visible(&labels));
    let _ = writeln!(out, "{time}  {on}{word:8}{off}  {name} {labels} {value}");
}

fn line_of_notification(out: &mut String, told: &Notification, clock: Clock) {
    let (time, to, reason) = (
        clock.time(told.at),
        told.integration.to_string(),
        told.reason,
    );
    let firing = told.firing();
    let resolved = told.alerts.len() - firing;
    let to = visible(&to);
    let _ = writeln!(
        out,
        "{time}  {:8}  {to}: {reason}, {firing} firing, {resolved} resolved",
        "told"
    );
}
