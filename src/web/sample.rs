//! An incident that every page of the tests shows: connections are lost, and come back.

use std::sync::Arc;

use stentor_core::receiver::{IntegrationKey, Kind, NotifyReason, Status};
use stentor_core::replay::RuleError;
use stentor_core::report::{
    Data, Incident, IncidentFigures, Plot, PlotSeries, ReceiverFigures, Report, RuleFigures,
};
use stentor_core::rulefile::{LoadOptions, Rule, load};
use stentor_core::timeline::{Notification, State, Timeline, TimelineRule, ToldAlert, Transition};
use stentor_lang::model::{Duration, Labels, SourceText, Timestamp};

use super::live::{Alert, Figure, Inbox, Incident as Opened, Message, Page, Resolved, Told};
use super::plot::{Band, Chart, Line, Mark, MarkKind};

/// 24 November 2026, 14:00 UTC.
const START: i64 = 1_795_528_800_000;

const RULES: &str = r#"
groups:
  - name: connections
    rules:
      - alert: MassDisconnect
        expr: sum by (cluster) (realtime_connections) / sum by (cluster) (realtime_connections offset 5m) < 0.5
        for: 1m
        labels: {severity: critical}
      - alert: InstanceAboveCapacity
        expr: sum by (instance) (rate(realtime_messages_received_total[2m])) > 10 * 1000
        for: 2m
        labels: {severity: warning}
      - alert: DeliverySlow
        expr: histogram_quantile(0.99, sum by (le) (rate(realtime_delivery_seconds_bucket[5m]))) > 0.5
        for: 5m
        labels: {severity: warning}
      - alert: AbnormalCloses
        expr: sum by (code) (rate(realtime_connections_closed_total{code!="1000"}[5m])) > 50
        labels: {severity: critical}
"#;

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START + seconds * 1000)
}

fn rules() -> Vec<TimelineRule> {
    let source = SourceText::new("rules.yml", RULES);
    let file = load(&source, &LoadOptions::default()).expect("a good rule file");
    let group = &file.groups[0];
    let rules = group.rules.iter().filter_map(|rule| match rule {
        Rule::Alerting(rule) => Some(TimelineRule {
            datasource: "replay".into(),
            group: Arc::clone(&group.name),
            interval: Duration::from_secs(15),
            rule: Arc::clone(rule),
        }),
        Rule::Recording(_) => None,
    });
    rules.collect()
}

fn instance(number: usize) -> Labels {
    let name = format!("gw-{number}");
    Labels::from_pairs([
        ("alertname", "InstanceAboveCapacity"),
        ("cluster", "eu-1"),
        ("instance", name.as_str()),
        ("severity", "warning"),
    ])
}

/// The labels that an attacker would choose.
pub(super) fn hostile() -> Labels {
    Labels::from_pairs([
        ("alertname", "AbnormalCloses"),
        ("code", "1006"),
        ("severity", "critical"),
        (
            "user_agent",
            "</script><script>alert(1)</script>\"' onload=x \u{202e}gnp.exe",
        ),
    ])
}

fn disconnect() -> Labels {
    Labels::from_pairs([
        ("alertname", "MassDisconnect"),
        ("cluster", "eu-1"),
        ("severity", "critical"),
    ])
}

fn change(
    seconds: i64,
    rule: usize,
    labels: &Labels,
    states: (State, State),
    value: f64,
) -> Transition {
    let why = match states.1 {
        State::Pending => "the condition holds",
        State::Firing => "1m since becoming active",
        State::Inactive => "the condition no longer holds, after firing for 11m30s",
    };
    Transition {
        at: at(seconds),
        rule,
        labels: labels.clone(),
        from: states.0,
        to: states.1,
        value,
        why: why.into(),
    }
}

fn key(receiver: &str, kind: Kind) -> IntegrationKey {
    IntegrationKey {
        receiver: receiver.into(),
        kind,
        index: 0,
    }
}

fn told(
    seconds: i64,
    integration: &IntegrationKey,
    labels: &[&Labels],
    reason: NotifyReason,
) -> Notification {
    let resolved = reason == NotifyReason::AllResolved;
    let status = if resolved {
        Status::Resolved
    } else {
        Status::Firing
    };
    let alert = |labels: &&Labels| ToldAlert {
        status,
        labels: (*labels).clone(),
        starts_at: at(720),
        ends_at: resolved.then(|| at(1410)),
    };
    let summary = "Half of the connections of eu-1 are gone: 4.9 k of 50 k are left";
    let body = match integration.kind {
        Kind::PagerDuty if resolved => {
            r#"{"routing_key":"<routing_key>","dedup_key":"5e1c","event_action":"resolve"}"#
                .to_owned()
        }
        Kind::PagerDuty => format!(
            r#"{{"routing_key":"<routing_key>","dedup_key":"5e1c","event_action":"trigger","payload":{{"summary":"{summary}","severity":"critical","source":"eu-1"}}}}"#
        ),
        _ => format!(
            r#"{{"attachments":[{{"color":"danger","title":"[{}] {}","text":"{summary}\nRunbook: https://runbooks.example/mass-disconnect"}}]}}"#,
            status.as_str().to_uppercase(),
            labels[0].get("alertname"),
        ),
    };
    Notification {
        at: at(seconds),
        integration: integration.clone(),
        group_key: "{}:{alertname=\"MassDisconnect\"}".into(),
        group_labels: labels[0].only(&["alertname", "cluster"]),
        reason,
        status,
        alerts: labels.iter().map(alert).collect(),
        body: Some(body.into()),
    }
}

/// A wave that is the same each time.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn noise(seed: i64) -> f64 {
    ((seed * 7919 + 104_729) % 1000) as f64 / 1000.0 - 0.5
}

fn points(from: i64, to: i64, value: impl Fn(i64) -> Option<f64>) -> Vec<(Timestamp, f64)> {
    let steps = (from..=to).step_by(15);
    steps.filter_map(|s| Some((at(s), value(s)?))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn plots() -> Vec<Plot> {
    let ratio = points(0, 2400, |s| match s {
        ..630 => Some(1.0 + noise(s) * 0.02),
        630..690 => Some(1.0 - (s - 630) as f64 / 66.0),
        690..1380 => Some(0.1 + noise(s) * 0.02 + (s - 690) as f64 / 2600.0),
        1380..1500 => Some(0.36 + (s - 1380) as f64 / 40.0),
        _ => Some(1.0 + noise(s) * 0.02 + 2.4 * (-((s - 1500) as f64) / 180.0).exp()),
    });
    let load = |n: usize| {
        let n_i = i64::try_from(n).unwrap_or(0);
        points(300, 2400, move |s| {
            if n == 3 && (1500..1620).contains(&s) {
                return None;
            }
            let base = 6_200.0 + n as f64 * 90.0 + noise(s + n_i * 31) * 500.0;
            let hot = if n < 3 && (900..1800).contains(&s) {
                5_400.0
            } else {
                0.0
            };
            Some(base + hot)
        })
    };
    let series = |n: usize| PlotSeries {
        labels: Labels::from_pairs([("instance", format!("gw-{n}").as_str())]),
        points: load(n),
    };
    vec![
        Plot {
            rule: 0,
            start: at(0),
            end: at(2400),
            expr: "sum by (cluster) (realtime_connections) / sum by (cluster) (realtime_connections offset 5m)".into(),
            threshold: Some(("<", 0.5)),
            series: vec![PlotSeries { labels: Labels::from_pairs([("cluster", "eu-1")]), points: ratio }],
            left_out: 0,
        },
        Plot {
            rule: 1,
            start: at(300),
            end: at(2400),
            expr: "sum by (instance) (rate(realtime_messages_received_total[2m]))".into(),
            threshold: Some((">", 10_000.0)),
            series: (0..12).map(series).collect(),
            left_out: 38,
        },
        Plot {
            rule: 3,
            start: at(300),
            end: at(1800),
            expr: "sum by (code) (rate(realtime_connections_closed_total{code!=\"1000\"}[5m]))".into(),
            threshold: Some((">", 50.0)),
            series: vec![PlotSeries {
                labels: hostile().without("alertname"),
                points: points(300, 1800, |s| Some(if (640..1300).contains(&s) { 148.0 + noise(s) * 9.0 } else { 2.0 + noise(s) })),
            }],
            left_out: 0,
        },
    ]
}

/// The report of that incident.
#[expect(clippy::too_many_lines, reason = "a table of what happens")]
pub(super) fn report() -> Report {
    use State::{Firing, Inactive, Pending};
    let (lost, odd) = (disconnect(), hostile());
    let hot: Vec<Labels> = (0..3).map(instance).collect();
    let mut transitions = vec![
        change(660, 0, &lost, (Inactive, Pending), 0.47),
        change(660, 3, &odd, (Inactive, Firing), 148.2),
        change(720, 0, &lost, (Pending, Firing), 0.098),
    ];
    transitions.extend(
        hot.iter()
            .map(|l| change(915, 1, l, (Inactive, Pending), 11_600.0)),
    );
    transitions.extend(
        hot.iter()
            .map(|l| change(1035, 1, l, (Pending, Firing), 11_712.0)),
    );
    transitions.push(change(1320, 3, &odd, (Firing, Inactive), 148.9));
    transitions.push(change(1410, 0, &lost, (Firing, Inactive), 0.36));
    transitions.extend(
        hot[..2]
            .iter()
            .map(|l| change(1815, 1, l, (Firing, Inactive), 11_490.0)),
    );
    transitions.push(change(
        2100,
        2,
        &lost.without("cluster"),
        (Inactive, Pending),
        0.51,
    ));
    transitions.push(change(
        2190,
        2,
        &lost.without("cluster"),
        (Pending, Inactive),
        0.52,
    ));
    let (pager, slack) = (
        key("pagerduty-oncall", Kind::PagerDuty),
        key("slack-warnings", Kind::Slack),
    );
    let hot_refs: Vec<&Labels> = hot.iter().collect();
    let notifications = vec![
        told(665, &pager, &[&odd], NotifyReason::FirstNotification),
        told(720, &pager, &[&lost], NotifyReason::FirstNotification),
        told(750, &slack, &[&lost], NotifyReason::FirstNotification),
        told(1065, &slack, &hot_refs, NotifyReason::FirstNotification),
        told(1320, &slack, &[&lost], NotifyReason::RepeatInterval),
        told(1320, &pager, &[&odd], NotifyReason::AllResolved),
        told(1410, &pager, &[&lost], NotifyReason::AllResolved),
        told(1440, &slack, &[&lost], NotifyReason::AllResolved),
        told(1840, &slack, &hot_refs[..2], NotifyReason::SomeResolved),
    ];
    let timeline = Timeline {
        start: at(0),
        end: at(2400),
        rules: rules(),
        transitions,
        notifications,
        errors: vec![RuleError {
            group: Arc::new(stentor_core::engine::GroupName {
                datasource: "replay".into(),
                file: "rules.yml".into(),
                group: "connections".into(),
            }),
            rule: "DeliverySlow".into(),
            at: at(1500),
            message: "found duplicate series for the match group {cluster=\"eu-1\"} on the right hand-side of the operation".to_owned(),
        }],
        error_count: 4,
    };
    let figures = |fired, minutes: i64, never_fired| RuleFigures {
        fired,
        firing_for: Duration::from_secs(minutes * 30),
        never_fired,
        active_at_end: 0,
    };
    let receiver = |integration: &IntegrationKey, pages, messages, storm| ReceiverFigures {
        integration: integration.clone(),
        pages_people: integration.kind == Kind::PagerDuty,
        pages,
        pages_at_night: 0,
        messages,
        flaps: 0,
        storm,
    };
    let incident = |name: &str, from, to, detected: Option<i64>| IncidentFigures {
        incident: Incident {
            name: name.to_owned(),
            start: at(from),
            end: at(to),
            labels: Labels::default(),
        },
        detected: detected.map(|s| (Duration::from_secs(s), lost.clone())),
        paged: detected.map(|s| (Duration::from_secs(s), pager.clone())),
    };
    Report {
        data: Data {
            source: "remote read of http://prometheus.eu-1:9090, cached".to_owned(),
            series: 1_274,
            samples: 12_904_113,
            notes: vec![
                "realtime_delivery_seconds_bucket: no samples from 14:20:00 to 14:22:15".to_owned(),
            ],
        },
        episodes: timeline.episodes(),
        timeline,
        receivers: vec![
            receiver(&pager, 2, 4, None),
            receiver(&slack, 0, 5, Some((3, at(1320)))),
        ],
        rules: vec![
            figures(1, 23, 0),
            figures(3, 45, 0),
            figures(0, 0, 1),
            figures(1, 22, 0),
        ],
        incidents: vec![
            incident("deploy without graceful shutdown", 630, 1410, Some(90)),
            incident("slow delivery after the reconnect", 2000, 2300, None),
        ],
        plots: plots(),
        options: stentor_core::report::Options::default(),
    }
}

/// That incident while it goes on.
#[expect(clippy::too_many_lines, reason = "a table of what is shown")]
pub(super) fn page() -> Page {
    let (lost, odd) = (disconnect(), hostile());
    let told = |seconds, receiver: &str, service: &str| Told {
        at: at(seconds),
        receiver: receiver.to_owned(),
        service: service.to_owned(),
        reason: "first notification".to_owned(),
    };
    let chart = |from: i64, until: i64| Chart {
        title: "Connections of eu-1, of those five minutes before".to_owned(),
        start: at(0),
        end: at(900),
        gap: Duration::from_secs(22),
        threshold: Some(("<", 0.5)),
        lines: vec![Line {
            name: "cluster=eu-1".to_owned(),
            alerts: true,
            points: points(0, 900, |s| {
                Some(if s < 640 { 1.0 } else { 0.1 } + noise(s) * 0.02)
            }),
        }],
        left_out: 0,
        bands: vec![
            Band {
                state: State::Pending,
                from: at(from),
                until: at(until),
            },
            Band {
                state: State::Firing,
                from: at(until),
                until: at(900),
            },
        ],
        marks: vec![Mark {
            at: at(until),
            kind: MarkKind::Page,
            text: "pagerduty-oncall (PagerDuty)".to_owned(),
        }],
    };
    let alert = |labels: &Labels, fired: Option<i64>| {
        Alert {
        name: labels.get("alertname").to_owned(),
        severity: labels.get("severity").to_owned(),
        labels: labels.clone(),
        summary: "Half of the connections of eu-1 are gone: 4.9 k of 50 k are left".to_owned(),
        description: "The rate of new connections is normal, so clients can reach us: look for a deploy.".to_owned(),
        runbook: "https://runbooks.example/mass-disconnect".to_owned(),
        active_at: at(660),
        fired_at: fired.map(at),
        hold: Duration::from_mins(6),
        expr: "sum by (cluster) (realtime_connections) / sum by (cluster) (realtime_connections offset 5m) < 0.5".to_owned(),
        value: 0.098,
        threshold: Some(("<", 0.5)),
        told: vec![told(720, "pagerduty-oncall", "PagerDuty"), told(750, "slack-warnings", "Slack")],
        chart: fired.map(|fired| chart(660, fired)),
    }
    };
    let figure = |name: &str, value: f64, unit: &str| Figure {
        name: name.to_owned(),
        value,
        unit: unit.to_owned(),
    };
    Page {
        title: "demo".to_owned(),
        subtitle: "26 million connections on 52 gateways in 4 clusters".to_owned(),
        now: at(900),
        speed: 60,
        scenario: "A deploy without graceful shutdown drops 45,000 connections of eu-1.".to_owned(),
        figures: vec![
            figure("Connections", 25_961_204.0, ""),
            figure("New connections", 8_412.0, "/s"),
            figure("Messages in", 412_000.0, "/s"),
            figure("Messages out", 1_240_000.0, "/s"),
            figure("P99 delivery", 48.2, " ms"),
        ],
        firing: vec![alert(&lost, Some(720))],
        pending: vec![alert(&odd, None)],
        resolved: vec![Resolved {
            name: "InstanceAboveCapacity".to_owned(),
            severity: "warning".to_owned(),
            labels: instance(3),
            fired_at: Some(at(100)),
            ended_at: at(460),
        }],
        pagerduty: vec![Inbox {
            receiver: "pagerduty-oncall".to_owned(),
            items: vec![
                Opened {
                    summary: "Half of the connections of eu-1 are gone: 4.9 k of 50 k are left"
                        .to_owned(),
                    severity: "critical".to_owned(),
                    key: "5e1c09b7a2f3d8e4c6".to_owned(),
                    triggered_at: at(720),
                    resolved_at: None,
                    events: 1,
                },
                Opened {
                    summary: "gw-3 takes in 11.7 k messages a second".to_owned(),
                    severity: "warning".to_owned(),
                    key: "a9f3c11e55d0".to_owned(),
                    triggered_at: at(100),
                    resolved_at: Some(at(460)),
                    events: 2,
                },
            ],
            total: 2,
        }],
        slack: vec![Inbox {
            receiver: "slack-warnings".to_owned(),
            items: vec![Message {
                at: at(750),
                channel: "#realtime".to_owned(),
                firing: true,
                title: "[FIRING] MassDisconnect".to_owned(),
                text: "4.9 k of 50 k connections are left\ncluster: eu-1".to_owned(),
            }],
            total: 3,
        }],
        charts: vec![],
        links: vec![("Query API".to_owned(), "/api/v1/query?query=up".to_owned())],
    }
}
