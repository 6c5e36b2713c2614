//! The report's plots: a section for each, and an overview with one lane for each rule.

use stentor_core::receiver::{NotifyReason, Status};
use stentor_core::report::{Plot, Report};
use stentor_core::timeline::{Notification, State};
use stentor_lang::model::{Duration, Labels, METRIC_NAME, Timestamp};

use super::tables::{moment, name, service};
use crate::web::plot::{self, Band, Chart, Line, Mark, MarkKind};
use crate::web::{tone, words};

/// A plot with what stands around it.
pub(super) struct Section {
    pub(super) alert: String,
    pub(super) severity: String,
    pub(super) tone: &'static str,
    pub(super) when: String,
    pub(super) hold: String,
    pub(super) expr: String,
    /// What is drawn, where it is not the whole expression.
    pub(super) drawn: String,
    pub(super) svg: String,
}

/// A rule in the overview.
pub(super) struct Lane {
    pub(super) alert: String,
    pub(super) tone: &'static str,
    pub(super) svg: String,
}

pub(super) fn sections(report: &Report) -> Vec<Section> {
    let section = |plot: &Plot| {
        let rule = &report.timeline.rules[plot.rule];
        let severity = rule.severity().unwrap_or("").to_owned();
        let expr = rule.rule.expr.text.trim();
        Section {
            alert: rule.rule.alert.to_string(),
            tone: tone(&severity),
            severity,
            when: format!(
                "{} – {}",
                moment(report, plot.start),
                moment(report, plot.end)
            ),
            hold: words::span(rule.rule.hold),
            expr: expr.to_owned(),
            drawn: if expr.starts_with(&*plot.expr) {
                String::new()
            } else {
                plot.expr.to_string()
            },
            svg: chart(report, plot).svg(),
        }
    };
    report.plots.iter().map(section).collect()
}

fn chart(report: &Report, plot: &Plot) -> Chart {
    let rule = &report.timeline.rules[plot.rule];
    Chart {
        title: format!("{}: {}", rule.rule.alert, plot.expr),
        start: plot.start,
        end: plot.end,
        gap: gap(plot),
        threshold: plot.threshold,
        lines: lines(report, plot),
        left_out: plot.left_out,
        bands: bands(report, plot.rule, plot.start, plot.end),
        marks: marks(report, plot.rule, plot.start, plot.end),
    }
}

/// One and a half of the smallest distance between two points.
fn gap(plot: &Plot) -> Duration {
    let series = plot.series.iter();
    let distances =
        series.flat_map(|series| series.points.windows(2).map(|two| two[1].0 - two[0].0));
    let smallest = distances.min().unwrap_or(Duration::ZERO);
    Duration::from_millis(smallest.millis().saturating_mul(3) / 2)
}

fn lines(report: &Report, plot: &Plot) -> Vec<Line> {
    let labels: Vec<&Labels> = plot.series.iter().map(|series| &series.labels).collect();
    let names = plot::names(&labels);
    let lives = report.episodes.iter().filter(|life| life.rule == plot.rule);
    let alerts: Vec<&Labels> = lives.map(|life| &life.labels).collect();
    let both = plot.series.iter().zip(names);
    both.map(|(series, name)| Line {
        name,
        alerts: alerts.iter().any(|alert| within(&series.labels, alert)),
        points: series.points.clone(),
    })
    .collect()
}

/// Whether an alert is that of a series: it has the labels of the series, and those that the rule adds.
fn within(series: &Labels, alert: &Labels) -> bool {
    let mut own = series.iter().filter(|(name, _)| *name != METRIC_NAME);
    own.all(|(name, value)| alert.get(name) == value)
}

fn bands(report: &Report, rule: usize, start: Timestamp, end: Timestamp) -> Vec<Band> {
    let mut bands = Vec::new();
    let mut add = |state, from: Timestamp, until: Timestamp| {
        if from < end && until > start && from < until {
            bands.push(Band {
                state,
                from: from.max(start),
                until: until.min(end),
            });
        }
    };
    for life in report.episodes.iter().filter(|life| life.rule == rule) {
        let ended = life.ended_at.unwrap_or(report.timeline.end);
        add(
            State::Pending,
            life.active_at,
            life.fired_at.unwrap_or(ended),
        );
        if let Some(fired) = life.fired_at {
            add(State::Firing, fired, ended);
        }
    }
    bands
}

/// The notifications that name an alert of this rule.
fn marks(report: &Report, rule: usize, start: Timestamp, end: Timestamp) -> Vec<Mark> {
    let rule = &report.timeline.rules[rule];
    let of_rule = |labels: &Labels| {
        let same = rule
            .severity()
            .is_none_or(|severity| labels.get("severity") == severity);
        same && labels.get("alertname") == &*rule.rule.alert
    };
    let mut notifications = report.timeline.notifications.iter();
    let mut marks = Vec::new();
    for notification in &mut notifications {
        let inside = start <= notification.at && notification.at <= end;
        if inside && notification.alerts.iter().any(|a| of_rule(&a.labels)) {
            marks.push(mark(report, notification));
        }
    }
    marks
}

fn mark(report: &Report, notification: &Notification) -> Mark {
    let key = &notification.integration;
    let mut receivers = report.receivers.iter();
    let pages = receivers.any(|figures| figures.integration == *key && figures.pages_people);
    let new = matches!(
        notification.reason,
        NotifyReason::FirstNotification | NotifyReason::NewAlerts
    );
    let kind = match notification.status {
        Status::Resolved => MarkKind::Resolve,
        Status::Firing if pages && new => MarkKind::Page,
        Status::Firing => MarkKind::Message,
    };
    let (firing, all) = (notification.firing(), notification.alerts.len());
    Mark {
        at: notification.at,
        kind,
        text: format!(
            "{} ({}), {}: {firing} of {} firing",
            name(key),
            service(key.kind),
            notification.reason,
            words::plural(all, "alert")
        ),
    }
}

/// A lane for each rule that had an alert.
pub(super) fn lanes(report: &Report) -> Vec<Lane> {
    let (start, end) = (report.timeline.start, report.timeline.end);
    let mut lanes = Vec::new();
    for (index, rule) in report.timeline.rules.iter().enumerate() {
        let bands = bands(report, index, start, end);
        if bands.is_empty() {
            continue;
        }
        let marks = marks(report, index, start, end);
        lanes.push(Lane {
            alert: rule.rule.alert.to_string(),
            tone: tone(rule.severity().unwrap_or("")),
            svg: plot::lane(&rule.rule.alert, start, end, &bands, &marks),
        });
    }
    lanes
}

pub(super) fn lane_axis(report: &Report) -> String {
    plot::lane_axis(report.timeline.start, report.timeline.end)
}
