//! From a view to what the page shows: alerts with the series behind them, and what the services were told.

use std::collections::BTreeMap;

use stentor_core::engine::{AlertView, RuleKind, RuleView};
use stentor_core::receiver::{Kind, Status};
use stentor_core::report::plot::measured;
use stentor_core::timeline::State;
use stentor_lang::model::{Duration, Labels, METRIC_NAME, Timestamp};
use stentor_lang::promql::eval::{self, EvalOptions, RangeSeries, SampleValue, Value};
use stentor_lang::promql::{self, Expr, ParseOptions};

use super::View;
use super::desk::Told;
use super::view::subtitle;
use crate::web::live::{self, Alert, Figure, Inbox, Page, Resolved};
use crate::web::plot::{Band, Chart, Line, Mark, MarkKind};

/// How much of the past charts show.
const WINDOW: Duration = Duration::from_mins(60);
/// The time between two points.
const STEP: Duration = Duration::from_secs(30);
/// Points farther apart than this are not joined.
const GAP: Duration = Duration::from_mins(2);
/// As many alerts have a chart: each costs a query of its rule over the window.
const MOST_CHARTS: usize = 6;
/// As many series a chart has: those that have alerts, and some to compare them with.
const MOST_LINES: usize = 12;
/// As many incidents and messages stand on the page.
const MOST_ITEMS: usize = 12;

/// What watches over the fleet while all is quiet: title, threshold, and for each line how it is called and
/// what is asked.
type Panel = (
    &'static str,
    Option<(&'static str, f64)>,
    &'static [(&'static str, &'static str)],
);

const PANELS: [Panel; 4] = [
    (
        "Connections",
        None,
        &[("", "sum by (cluster) (ws_connections)")],
    ),
    (
        "Messages delivered per second",
        None,
        &[("", "sum by (cluster) (rate(ws_messages_out_total[1m]))")],
    ),
    (
        "End-to-end latency in milliseconds",
        Some((">", 500.0)),
        &[
            (
                "P99",
                "histogram_quantile(0.99, sum by (cluster, le) (rate(ws_e2e_latency_milliseconds_bucket[1m])))",
            ),
            (
                "P50",
                "histogram_quantile(0.5, sum by (cluster, le) (rate(ws_e2e_latency_milliseconds_bucket[1m])))",
            ),
        ],
    ),
    (
        "Share of messages that fail",
        Some((">", 0.01)),
        &[(
            "",
            "sum by (cluster) (rate(ws_message_errors_total[1m])) / sum by (cluster) (rate(ws_messages_total[1m]))",
        )],
    ),
];

/// The numbers on top: name, unit, and what is asked.
const FIGURES: [(&str, &str, &str); 5] = [
    ("connections", "", "sum(ws_connections)"),
    ("messages", "/s", "sum(rate(ws_messages_out_total[1m]))"),
    (
        "P99 latency",
        " ms",
        "histogram_quantile(0.99, sum by (le) (rate(ws_e2e_latency_milliseconds_bucket[1m])))",
    ),
    (
        "failed messages",
        " %",
        "100 * sum(rate(ws_message_errors_total[1m])) / sum(rate(ws_messages_total[1m]))",
    ),
    ("gateways up", "", "sum(up)"),
];

/// The page.
pub(super) fn page(view: &View, speed: i64) -> Page {
    let mut active = Vec::new();
    for group in &view.snapshot.groups {
        for rule in group
            .rules
            .iter()
            .filter(|rule| rule.kind == RuleKind::Alerting)
        {
            active.extend(rule.alerts().into_iter().map(|alert| (rule, alert)));
        }
    }
    active.sort_by_key(|(_, alert)| (gravity(&alert.labels), alert.active_at));
    let (firing, pending): (Vec<_>, Vec<_>) = active
        .into_iter()
        .partition(|(_, alert)| alert.state == "firing");
    let mut room = MOST_CHARTS;
    let mut shown = |alerts: Vec<(&RuleView, AlertView)>| {
        let alerts = alerts.into_iter().map(|(rule, seen)| {
            let with_chart = room > 0;
            room = room.saturating_sub(1);
            alert(view, rule, seen, with_chart)
        });
        alerts.collect::<Vec<_>>()
    };
    let (firing, pending) = (shown(firing), shown(pending));
    Page {
        title: "demo".to_owned(),
        subtitle: subtitle(view.gateways),
        now: view.now,
        speed: u32::try_from(speed).unwrap_or(u32::MAX),
        scenario: view.scenario.clone().unwrap_or_default(),
        figures: figures(view),
        firing,
        pending,
        resolved: resolved(view),
        pagerduty: incidents(view),
        slack: messages(view),
        charts: PANELS.iter().map(|panel| chart_of(view, panel)).collect(),
        links: links(),
    }
}

fn links() -> Vec<(String, String)> {
    [
        ("Rules", "/api/v1/rules"),
        ("Alerts", "/api/v1/alerts"),
        (
            "Query API",
            "/api/v1/query?query=sum%20by%20(cluster)%20(ws_connections)",
        ),
    ]
    .map(|(text, address)| (text.to_owned(), address.to_owned()))
    .into()
}

/// Critical first.
fn gravity(labels: &Labels) -> usize {
    let severity = labels.get("severity");
    let known = ["critical", "error", "warning"];
    known
        .iter()
        .position(|known| *known == severity)
        .unwrap_or(known.len())
}

fn figures(view: &View) -> Vec<Figure> {
    let mut figures: Vec<Figure> = FIGURES
        .iter()
        .filter_map(|(name, unit, query)| {
            let expr = promql::parse(query, ParseOptions::all()).ok()?;
            Some(Figure {
                name: (*name).to_owned(),
                value: number(view, &expr)?,
                unit: (*unit).to_owned(),
            })
        })
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a few incidents")]
    let pages = view.sinks.pagerduty.total as f64;
    figures.push(Figure {
        name: "pages so far".to_owned(),
        value: pages,
        unit: String::new(),
    });
    figures
}

/// The one number that an expression has now.
fn number(view: &View, expr: &Expr) -> Option<f64> {
    let answer = eval::instant(expr, &*view.store, view.now, &EvalOptions::default());
    match answer.ok()?.value {
        Value::Scalar(sample) => Some(sample.value),
        Value::Vector(samples) => match samples.first()?.value {
            SampleValue::Float(value) => Some(value),
            SampleValue::Histogram(_) => None,
        },
        Value::String(..) | Value::Matrix(_) => None,
    }
}

fn alert(view: &View, rule: &RuleView, seen: AlertView, with_chart: bool) -> Alert {
    let text = |name: &str| {
        let found = seen.annotations.iter().find(|(known, _)| known == name);
        found.map(|(_, text)| text.clone()).unwrap_or_default()
    };
    let fired_at = (seen.state == "firing").then(|| {
        let known = view.book.firing.get(&seen.labels);
        known.copied().unwrap_or(seen.active_at)
    });
    let told: Vec<&Told> = view
        .book
        .told
        .iter()
        .filter(|told| told.labels == seen.labels)
        .collect();
    let expr = promql::parse(&rule.query, ParseOptions::all()).ok();
    let measured = expr.as_ref().map(measured);
    let threshold = measured.as_ref().and_then(|measured| measured.threshold);
    let chart = measured.filter(|_| with_chart).map(|measured| {
        let series = range(view, measured.expr);
        let (lines, left_out) = lines(series, "", Some(&seen.labels));
        Chart {
            title: rule.name.to_string(),
            start: view.now - WINDOW,
            end: view.now,
            gap: GAP,
            threshold,
            lines,
            left_out,
            bands: bands(view, &seen, fired_at),
            marks: told.iter().map(|told| mark(told)).collect(),
        }
    });
    let this_time = told.iter().filter(|told| told.at >= seen.active_at);
    Alert {
        name: rule.name.to_string(),
        severity: seen.labels.get("severity").to_owned(),
        summary: text("summary"),
        description: text("description"),
        runbook: text("runbook_url"),
        active_at: seen.active_at,
        fired_at,
        hold: rule.hold,
        expr: rule.query.to_string(),
        value: seen.value,
        threshold,
        told: this_time
            .map(|told| live::Told {
                at: told.at,
                receiver: told.integration.key.receiver.to_string(),
                service: service(told.integration.key.kind).to_owned(),
                reason: told.reason.clone(),
            })
            .collect(),
        chart,
        labels: seen.labels,
    }
}

const fn service(kind: Kind) -> &'static str {
    match kind {
        Kind::PagerDuty => "PagerDuty",
        Kind::Slack => "Slack",
        Kind::Webhook => "webhook",
    }
}

/// When the alert was pending and when it fired, its earlier times included.
fn bands(view: &View, seen: &AlertView, fired_at: Option<Timestamp>) -> Vec<Band> {
    let band = |state, from, until| Band { state, from, until };
    let ended = view
        .book
        .ended
        .iter()
        .filter(|ended| ended.labels == seen.labels);
    let mut bands: Vec<Band> = ended
        .map(|ended| band(State::Firing, ended.fired_at, ended.at))
        .collect();
    bands.push(band(
        State::Pending,
        seen.active_at,
        fired_at.unwrap_or(view.now),
    ));
    bands.extend(fired_at.map(|fired_at| band(State::Firing, fired_at, view.now)));
    let begin = view.now - WINDOW;
    bands.retain(|band| band.until > begin);
    for band in &mut bands {
        band.from = band.from.max(begin);
    }
    bands
}

fn mark(told: &Told) -> Mark {
    let kind = match (told.status, told.integration.key.kind) {
        (Status::Resolved, _) => MarkKind::Resolve,
        (Status::Firing, Kind::PagerDuty) => MarkKind::Page,
        (Status::Firing, _) => MarkKind::Message,
    };
    Mark {
        at: told.at,
        kind,
        text: format!("{}: {}", told.integration.key.receiver, told.reason),
    }
}

fn chart_of(view: &View, (title, threshold, queries): &Panel) -> Chart {
    let begin = view.now - WINDOW;
    let mut all = Vec::new();
    for (name, query) in *queries {
        if let Ok(expr) = promql::parse(query, ParseOptions::all()) {
            all.extend(lines(range(view, &expr), name, None).0);
        }
    }
    let marks = view.sinks.pagerduty.incidents.iter().flat_map(|incident| {
        let page = (incident.triggered_at, MarkKind::Page);
        let end = incident.resolved_at.map(|at| (at, MarkKind::Resolve));
        let mark = |(at, kind)| Mark {
            at,
            kind,
            text: incident.summary.clone(),
        };
        [Some(page), end]
            .into_iter()
            .flatten()
            .map(mark)
            .collect::<Vec<_>>()
    });
    let mut marks: Vec<Mark> = marks.filter(|mark| mark.at > begin).collect();
    marks.sort_by_key(|mark| mark.at);
    Chart {
        title: (*title).to_owned(),
        start: begin,
        end: view.now,
        gap: GAP,
        threshold: *threshold,
        lines: all,
        left_out: 0,
        bands: Vec::new(),
        marks,
    }
}

/// An expression over the window, at instants that stay where they are while time goes on.
fn range(view: &View, expr: &Expr) -> Vec<RangeSeries> {
    let end = view.now.millis() - view.now.millis().rem_euclid(STEP.millis());
    let end = Timestamp::from_millis(end);
    let answer = eval::range(
        expr,
        &*view.store,
        end - WINDOW,
        end,
        STEP,
        &EvalOptions::default(),
    );
    match answer.map(|answer| answer.value) {
        Ok(Value::Matrix(series)) => series,
        _ => Vec::new(),
    }
}

/// The series as lines, those of the alert first, and how many are too many.
fn lines(series: Vec<RangeSeries>, name: &str, of: Option<&Labels>) -> (Vec<Line>, usize) {
    let own = |labels: &Labels| {
        of.is_some_and(|alert| labels.iter().all(|(name, value)| alert.get(name) == value))
    };
    let mut lines: Vec<Line> = series
        .into_iter()
        .map(|series| Line {
            name: called(name, &series.labels),
            alerts: own(&series.labels),
            points: series
                .floats
                .iter()
                .map(|sample| (sample.at, sample.value))
                .collect(),
        })
        .collect();
    lines.sort_by_key(|line| !line.alerts);
    let left_out = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    (lines, left_out)
}

/// A series by the values of its labels: `P99 eu-1`.
fn called(name: &str, labels: &Labels) -> String {
    let values = labels.iter().filter(|(name, _)| *name != METRIC_NAME);
    let values = values.map(|(_, value)| value);
    let words: Vec<&str> = std::iter::once(name)
        .chain(values)
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() {
        return "all".to_owned();
    }
    words.join(" ")
}

fn resolved(view: &View) -> Vec<Resolved> {
    let ended = view.book.ended.iter().take(MOST_ITEMS);
    ended
        .map(|ended| Resolved {
            name: ended.labels.get("alertname").to_owned(),
            severity: ended.labels.get("severity").to_owned(),
            labels: ended.labels.clone(),
            fired_at: Some(ended.fired_at),
            ended_at: ended.at,
        })
        .collect()
}

fn incidents(view: &View) -> Vec<Inbox<live::Incident>> {
    let shown = view.sinks.pagerduty.incidents.iter().map(|incident| {
        let item = live::Incident {
            summary: incident.summary.clone(),
            severity: incident.severity.clone(),
            key: incident.key.clone(),
            triggered_at: incident.triggered_at,
            resolved_at: incident.resolved_at,
            events: incident.events,
        };
        (incident.receiver.to_string(), item)
    });
    inboxes(shown, view.sinks.pagerduty.total)
}

fn messages(view: &View) -> Vec<Inbox<live::Message>> {
    let shown = view.sinks.slack.posts.iter().map(|post| {
        let item = live::Message {
            at: post.at,
            channel: post.channel.clone(),
            firing: post.firing,
            title: post.title.clone(),
            text: post.text.clone(),
        };
        (post.receiver.to_string(), item)
    });
    inboxes(shown, view.sinks.slack.total)
}

/// By receiver. The demo's configuration has one of each service, so the service's total is its own.
fn inboxes<T>(items: impl Iterator<Item = (String, T)>, total: u64) -> Vec<Inbox<T>> {
    let mut by_receiver: BTreeMap<String, Vec<T>> = BTreeMap::new();
    for (receiver, item) in items {
        by_receiver.entry(receiver).or_default().push(item);
    }
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    let inbox = |(receiver, mut items): (String, Vec<T>)| {
        items.truncate(MOST_ITEMS);
        Inbox {
            receiver,
            items,
            total,
        }
    };
    by_receiver.into_iter().map(inbox).collect()
}
