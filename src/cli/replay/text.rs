//! A report in a terminal: the timeline, a line for each event, and the tables of figures.
//!
//! Labels come from foreign systems: what a terminal would obey is never sent.

use std::fmt::Write as _;

use stentor_core::report::Report;
use stentor_core::timeline::{Notification, Transition};

use super::clock::Clock;
use super::words::{self, Table};
use crate::cli::diagnostics::visible;

/// The whole report.
pub(super) fn show(report: &Report, clock: Clock, color: bool) -> String {
    let mut out = String::new();
    for line in words::summary(report, clock) {
        let _ = writeln!(out, "{}", visible(&line));
    }
    out.push('\n');
    events(&mut out, report, clock, color);
    let errors = words::errors(report, clock);
    if !errors.is_empty() {
        let _ = writeln!(out, "\nerrors of rules: {}", report.timeline.error_count);
        for line in errors {
            let _ = writeln!(out, "  {}", visible(&line));
        }
    }
    for table in [
        words::incidents(report, clock),
        words::receivers(report, clock),
        words::rules(report),
    ] {
        if !table.rows.is_empty() {
            out.push('\n');
            out.push_str(&self::table(&table));
        }
    }
    out
}

/// Transitions and notifications by time; at one instant what happened first, then who was told.
fn events(out: &mut String, report: &Report, clock: Clock, color: bool) {
    let timeline = &report.timeline;
    if timeline.transitions.is_empty() {
        out.push_str("no alert was ever pending or firing\n");
    }
    let mut told = timeline.notifications.iter().peekable();
    for transition in &timeline.transitions {
        while let Some(notification) = told.next_if(|told| told.at < transition.at) {
            notified(out, notification, clock, color);
        }
        changed(out, report, transition, clock, color);
    }
    for notification in told {
        notified(out, notification, clock, color);
    }
}

fn changed(out: &mut String, report: &Report, transition: &Transition, clock: Clock, color: bool) {
    let word = words::change(transition);
    let paint = match word {
        "firing" => "31",
        "pending" => "33",
        "resolved" => "32",
        _ => "2",
    };
    let name = &report.timeline.rules[transition.rule].rule.alert;
    let labels = transition.labels.without("alertname").to_string();
    let time = format!(
        "{:width$}",
        clock.time(transition.at),
        width = clock.width()
    );
    let value = words::value(transition);
    let (name, labels) = (visible(name), visible(&labels));
    let word = painted(word, paint, color);
    let _ = writeln!(out, "{time}  {word}  {name} {labels}{value}");
}

fn notified(out: &mut String, told: &Notification, clock: Clock, color: bool) {
    let (time, to, what) = (
        format!("{:width$}", clock.time(told.at), width = clock.width()),
        told.integration.to_string(),
        words::told(told),
    );
    let word = painted("told", "36", color);
    let _ = writeln!(out, "{time}  {word}  {} {what}", visible(&to));
}

fn painted(word: &str, paint: &str, color: bool) -> String {
    if color {
        format!("\u{1b}[{paint}m{word:8}\u{1b}[0m")
    } else {
        format!("{word:8}")
    }
}

/// Columns as wide as their widest text; numbers stand to the right.
pub(super) fn table(table: &Table) -> String {
    let head: Vec<String> = table.head.iter().map(|head| (*head).to_owned()).collect();
    let visible = |row: &Vec<String>| -> Vec<String> {
        row.iter()
            .map(|cell| visible(cell).replace('\n', " "))
            .collect()
    };
    let rows: Vec<Vec<String>> = table.rows.iter().map(visible).collect();
    let wide = |column: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(wide).collect();
    let is_number = |column: usize| {
        rows.iter()
            .all(|row| row[column] == "-" || row[column].parse::<u64>().is_ok())
    };
    let numbers: Vec<bool> = (0..head.len()).map(is_number).collect();
    let mut out = String::new();
    for row in [&head].into_iter().chain(&rows) {
        let mut line = String::new();
        for ((cell, width), number) in row.iter().zip(&widths).zip(&numbers) {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            line += &if *number {
                pad + cell
            } else {
                cell.clone() + &pad
            };
            line += "  ";
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}
