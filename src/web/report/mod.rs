//! The report of a replay as one page that needs nothing else: no server, no script, no other file. It shows what
//! the report says and computes no figure of its own.

mod chart;
mod said;
mod tables;

use askama::Template;
use stentor_core::report::Report;

use super::{STYLE, words};
use chart::{Lane, Section};
use tables::{Figure, Inbox, Incident, Life, Receiver, Rule, RuleFailure};

/// The most lives of alerts that the page lists: a browser shows so many without a delay.
const MOST_LIVES: usize = 1000;
/// The most notifications of one receiver that the page lists.
const MOST_NOTIFICATIONS: usize = 300;

/// The whole page.
pub(crate) fn page(report: &Report) -> String {
    let timeline = &report.timeline;
    let view = View {
        policy: &super::policy(None),
        style: STYLE,
        source: &report.data.source,
        notes: &report.data.notes,
        range: range(report),
        lasted: words::span(timeline.end - timeline.start),
        series: format!("{} series", words::count(report.data.series)),
        samples: words::plural(report.data.samples, "sample"),
        figures: tables::figures(report),
        incidents: tables::incidents(report),
        lanes: chart::lanes(report),
        lane_axis: chart::lane_axis(report),
        lives: tables::lives(report, MOST_LIVES),
        more_lives: report.episodes.len().saturating_sub(MOST_LIVES),
        sections: chart::sections(report),
        receivers: tables::receivers(report),
        inboxes: tables::inboxes(report, MOST_NOTIFICATIONS),
        rules: tables::rules(report),
        failures: tables::failures(report),
        failure_count: timeline.error_count,
        version: env!("CARGO_PKG_VERSION"),
    };
    words::visible(&super::made(&view))
}

/// The times of the run; the day only once where it is one day.
fn range(report: &Report) -> String {
    let (start, end) = (report.timeline.start, report.timeline.end);
    let (from, to) = (words::day(start), words::day(end));
    let (first, last) = (words::clock(start), words::clock(end));
    if from == to {
        format!("{from}, {first} – {last} UTC")
    } else {
        format!("{from} {first} – {to} {last} UTC")
    }
}

#[derive(Template)]
#[template(path = "report.html")]
struct View<'a> {
    policy: &'a str,
    style: &'static str,
    source: &'a str,
    notes: &'a [String],
    range: String,
    lasted: String,
    series: String,
    samples: String,
    figures: Vec<Figure>,
    incidents: Vec<Incident>,
    lanes: Vec<Lane>,
    lane_axis: String,
    lives: Vec<Life>,
    more_lives: usize,
    sections: Vec<Section>,
    receivers: Vec<Receiver>,
    inboxes: Vec<Inbox>,
    rules: Vec<Rule>,
    failures: Vec<RuleFailure>,
    failure_count: usize,
    version: &'static str,
}

#[cfg(test)]
mod tests;
