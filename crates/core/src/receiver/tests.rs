use std::collections::BTreeMap;
use std::sync::Arc;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use stentor_lang::model::{Duration, Labels, Timestamp};

use super::*;

fn integration(settings: Settings) -> Integration {
    let kind = match settings {
        Settings::PagerDuty(_) => Kind::PagerDuty,
        Settings::Slack(_) => Kind::Slack,
        Settings::Webhook(_) => Kind::Webhook,
    };
    let (rate_limit, rate_window) = kind.rate_limit();
    Integration {
        key: IntegrationKey {
            receiver: "oncall".into(),
            kind,
            index: 0,
        },
        send_resolved: true,
        timeout: Duration::from_secs(10),
        rate_limit,
        rate_window,
        http: HttpConfig::default(),
        settings,
    }
}

fn pagerduty() -> PagerDuty {
    PagerDuty {
        routing_key: SecretRef::File("secrets/pagerduty".to_owned()),
        url: "https://events.pagerduty.com/v2/enqueue".to_owned(),
        description: None,
        severity: None,
        source: None,
        client: None,
        client_url: None,
        class: None,
        component: None,
        group: None,
        details: BTreeMap::new(),
        images: Vec::new(),
        links: Vec::new(),
    }
}

fn slack() -> Slack {
    Slack {
        api_url: SecretRef::File("secrets/slack".to_owned()),
        channel: None,
        username: None,
        icon_emoji: None,
        icon_url: None,
        link_names: false,
        color: None,
        title: None,
        title_link: None,
        pretext: None,
        text: None,
        fallback: None,
        footer: None,
        image_url: None,
        thumb_url: None,
        callback_id: None,
        message_text: None,
        mrkdwn_in: Vec::new(),
        fields: Vec::new(),
    }
}

fn webhook(max_alerts: u64) -> Settings {
    Settings::Webhook(Webhook {
        url: SecretRef::Inline("hook".to_owned()),
        max_alerts,
    })
}

const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";
const SLACK_URL: &str = "https://hooks.slack.test/services/T000/B000/XXXXXXXXXXXX";

fn secrets() -> SecretBundle {
    let secrets = [
        ("routing_key", ROUTING_KEY),
        ("api_url", SLACK_URL),
        ("url", "https://hook.test/in/canary-token"),
    ];
    SecretBundle(
        secrets
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into(),
    )
}

fn alert(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Alert {
    let mut annotations: Vec<(String, String)> = annotations
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    annotations.sort();
    Alert {
        status: Status::Firing,
        labels: Labels::from_pairs(labels.iter().copied()),
        annotations: annotations.into(),
        starts_at: Timestamp::from_millis(1_700_000_000_000),
        ends_at: None,
        generator_url: "http://prometheus.test/graph?g0.expr=up&g0.tab=1".into(),
        value: Some(0.25),
        end_reason: None,
    }
}

fn resolved(mut alert: Alert) -> Alert {
    alert.status = Status::Resolved;
    alert.ends_at = Some(alert.starts_at + Duration::from_mins(5));
    alert
}

fn message(alerts: Vec<Alert>) -> Message {
    let group_labels = alerts[0].labels.only(&["alertname", "cluster"]);
    let status = if alerts.iter().all(|alert| alert.status == Status::Resolved) {
        Status::Resolved
    } else {
        Status::Firing
    };
    Message {
        receiver: "oncall".into(),
        group_key: group_key("{}", &group_labels).into(),
        group_labels,
        route_labels: Labels::default(),
        reason: NotifyReason::FirstNotification,
        status,
        alerts,
        external_url: "https://stentor.test".into(),
        now: Timestamp::from_millis(1_700_000_030_000),
        corrected: false,
        fallback_for: None,
    }
}

/// Two disks of one cluster, one of them with a second problem.
fn disks() -> Message {
    let disk = |instance, summary| {
        alert(
            &[
                ("alertname", "Disk"),
                ("cluster", "a"),
                ("instance", instance),
                ("severity", "critical"),
            ],
            &[
                ("summary", summary),
                ("description", "Less than <5 %> is free & falling."),
                ("runbook_url", "https://run.test/disk?a=1&b=2"),
            ],
        )
    };
    message(vec![
        disk("1", "disk of 1 is full"),
        resolved(disk("2", "disk of 2 is full")),
    ])
}

fn send(settings: Settings, message: &Message) -> Value {
    let request = render(&integration(settings), message, &secrets()).expect("complete secrets");
    serde_json::from_str(&request.body).expect("JSON")
}

#[track_caller]
fn golden(settings: Settings, message: &Message, expect: &Expect) {
    let body = send(settings, message);
    expect.assert_eq(&serde_json::to_string_pretty(&body).expect("JSON"));
}

#[test]
fn pagerduty_trigger() {
    golden(
        Settings::PagerDuty(Box::new(pagerduty())),
        &disks(),
        &expect![[r#"
            {
              "client": "Stentor",
              "client_url": "https://stentor.test",
              "dedup_key": "4f16a4800500657d374613b047ffab74db9ea77447bbf4e55b773d45e835494c",
              "event_action": "trigger",
              "links": [
                {
                  "href": "https://run.test/disk?a=1&b=2",
                  "text": "Runbook"
                },
                {
                  "href": "http://prometheus.test/graph?g0.expr=up&g0.tab=1",
                  "text": "Source"
                }
              ],
              "payload": {
                "custom_details": {
                  "description": "Less than <5 %> is free & falling.",
                  "firing": [
                    {
                      "annotations": {
                        "description": "Less than <5 %> is free & falling.",
                        "runbook_url": "https://run.test/disk?a=1&b=2",
                        "summary": "disk of 1 is full"
                      },
                      "labels": {
                        "alertname": "Disk",
                        "cluster": "a",
                        "instance": "1",
                        "severity": "critical"
                      },
                      "since": "2023-11-14T22:13:20Z",
                      "source": "http://prometheus.test/graph?g0.expr=up&g0.tab=1",
                      "value": "0.25"
                    }
                  ],
                  "num_firing": 1,
                  "num_resolved": 1,
                  "resolved": [
                    {
                      "annotations": {
                        "description": "Less than <5 %> is free & falling.",
                        "runbook_url": "https://run.test/disk?a=1&b=2",
                        "summary": "disk of 2 is full"
                      },
                      "labels": {
                        "alertname": "Disk",
                        "cluster": "a",
                        "instance": "2",
                        "severity": "critical"
                      },
                      "resolved": "2023-11-14T22:18:20Z",
                      "since": "2023-11-14T22:13:20Z",
                      "source": "http://prometheus.test/graph?g0.expr=up&g0.tab=1",
                      "value": "0.25"
                    }
                  ]
                },
                "severity": "critical",
                "source": "Stentor",
                "summary": "[FIRING:1] disk of 1 is full",
                "timestamp": "2023-11-14T22:13:20Z"
              },
              "routing_key": "0123456789abcdef0123456789abcdef"
            }"#]],
    );
}

#[test]
fn pagerduty_resolve_of_a_removed_rule() {
    let mut ended = disks();
    for alert in &mut ended.alerts {
        *alert = resolved(alert.clone());
        alert.end_reason = Some("the rule was removed".into());
    }
    let ended = message(ended.alerts);
    golden(
        Settings::PagerDuty(Box::new(pagerduty())),
        &ended,
        &expect![[r#"
            {
              "client": "Stentor",
              "client_url": "https://stentor.test",
              "dedup_key": "4f16a4800500657d374613b047ffab74db9ea77447bbf4e55b773d45e835494c",
              "event_action": "resolve",
              "links": [
                {
                  "href": "https://run.test/disk?a=1&b=2",
                  "text": "Runbook"
                },
                {
                  "href": "http://prometheus.test/graph?g0.expr=up&g0.tab=1",
                  "text": "Source"
                }
              ],
              "payload": {
                "custom_details": {
                  "description": "Less than <5 %> is free & falling.",
                  "notes": [
                    "ended: the rule was removed"
                  ],
                  "num_firing": 0,
                  "num_resolved": 2,
                  "resolved": [
                    {
                      "annotations": {
                        "description": "Less than <5 %> is free & falling.",
                        "runbook_url": "https://run.test/disk?a=1&b=2",
                        "summary": "disk of 1 is full"
                      },
                      "end_reason": "the rule was removed",
                      "labels": {
                        "alertname": "Disk",
                        "cluster": "a",
                        "instance": "1",
                        "severity": "critical"
                      },
                      "resolved": "2023-11-14T22:18:20Z",
                      "since": "2023-11-14T22:13:20Z",
                      "source": "http://prometheus.test/graph?g0.expr=up&g0.tab=1",
                      "value": "0.25"
                    },
                    {
                      "annotations": {
                        "description": "Less than <5 %> is free & falling.",
                        "runbook_url": "https://run.test/disk?a=1&b=2",
                        "summary": "disk of 2 is full"
                      },
                      "end_reason": "the rule was removed",
                      "labels": {
                        "alertname": "Disk",
                        "cluster": "a",
                        "instance": "2",
                        "severity": "critical"
                      },
                      "resolved": "2023-11-14T22:18:20Z",
                      "since": "2023-11-14T22:13:20Z",
                      "source": "http://prometheus.test/graph?g0.expr=up&g0.tab=1",
                      "value": "0.25"
                    }
                  ]
                },
                "severity": "critical",
                "source": "Stentor",
                "summary": "[RESOLVED] Disk (cluster=a): disk of 1 is full (and 1 more)",
                "timestamp": "2023-11-14T22:13:20Z"
              },
              "routing_key": "0123456789abcdef0123456789abcdef"
            }"#]],
    );
}

fn everything_configured() -> PagerDuty {
    PagerDuty {
        description: Some("disks".to_owned()),
        severity: Some("Page".to_owned()),
        source: Some("cluster a".to_owned()),
        client: Some("our stentor".to_owned()),
        client_url: Some("https://own.test".to_owned()),
        class: Some("disk".to_owned()),
        component: Some("storage".to_owned()),
        group: Some("eu".to_owned()),
        details: [
            ("team".to_owned(), json!("x")),
            ("firing".to_owned(), json!(1)),
        ]
        .into(),
        images: vec![
            Image {
                src: "https://img.test/a.png".to_owned(),
                alt: "graph".to_owned(),
                href: String::new(),
            },
            Image {
                src: "http://img.test/insecure.png".to_owned(),
                alt: String::new(),
                href: String::new(),
            },
        ],
        links: vec![
            Link {
                href: "https://own.test/dash".to_owned(),
                text: String::new(),
            },
            Link {
                href: "javascript:alert(1)".to_owned(),
                text: "no".to_owned(),
            },
        ],
        ..pagerduty()
    }
}

#[test]
fn pagerduty_with_everything_configured() {
    golden(
        Settings::PagerDuty(Box::new(everything_configured())),
        &disks(),
        &expect![[r#"
            {
              "client": "our stentor",
              "client_url": "https://own.test",
              "dedup_key": "4f16a4800500657d374613b047ffab74db9ea77447bbf4e55b773d45e835494c",
              "event_action": "trigger",
              "images": [
                {
                  "alt": "graph",
                  "src": "https://img.test/a.png"
                }
              ],
              "links": [
                {
                  "href": "https://own.test/dash",
                  "text": "https://own.test/dash"
                },
                {
                  "href": "https://run.test/disk?a=1&b=2",
                  "text": "Runbook"
                },
                {
                  "href": "http://prometheus.test/graph?g0.expr=up&g0.tab=1",
                  "text": "Source"
                }
              ],
              "payload": {
                "class": "disk",
                "component": "storage",
                "custom_details": {
                  "description": "Less than <5 %> is free & falling.",
                  "firing": 1,
                  "notes": [
                    "PagerDuty knows no severity `Page`: sent as critical"
                  ],
                  "num_firing": 1,
                  "num_resolved": 1,
                  "resolved": [
                    {
                      "annotations": {
                        "description": "Less than <5 %> is free & falling.",
                        "runbook_url": "https://run.test/disk?a=1&b=2",
                        "summary": "disk of 2 is full"
                      },
                      "labels": {
                        "alertname": "Disk",
                        "cluster": "a",
                        "instance": "2",
                        "severity": "critical"
                      },
                      "resolved": "2023-11-14T22:18:20Z",
                      "since": "2023-11-14T22:13:20Z",
                      "source": "http://prometheus.test/graph?g0.expr=up&g0.tab=1",
                      "value": "0.25"
                    }
                  ],
                  "team": "x"
                },
                "group": "eu",
                "severity": "critical",
                "source": "cluster a",
                "summary": "disks",
                "timestamp": "2023-11-14T22:13:20Z"
              },
              "routing_key": "0123456789abcdef0123456789abcdef"
            }"#]],
    );
}

#[test]
fn pagerduty_corrected() {
    let mut again = disks();
    again.corrected = true;
    golden(
        Settings::PagerDuty(Box::new(pagerduty())),
        &again,
        &expect![[r#"
            {
              "dedup_key": "4f16a4800500657d374613b047ffab74db9ea77447bbf4e55b773d45e835494c",
              "event_action": "trigger",
              "payload": {
                "severity": "critical",
                "source": "Stentor",
                "summary": "(shortened: PagerDuty refused the full event) [FIRING:1] disk of 1 is full"
              },
              "routing_key": "0123456789abcdef0123456789abcdef"
            }"#]],
    );
}

#[test]
fn slack_firing() {
    golden(
        Settings::Slack(Box::new(slack())),
        &disks(),
        &expect![[r#"
        {
          "attachments": [
            {
              "color": "danger",
              "fallback": "[FIRING:1] disk of 1 is full",
              "mrkdwn_in": [
                "fallback",
                "pretext",
                "text"
              ],
              "text": "Less than &lt;5 %&gt; is free &amp; falling.\n• instance=1: disk of 1 is full (value 0.25, since 2023-11-14T22:13:20Z)\n• instance=2: disk of 2 is full (value 0.25, since 2023-11-14T22:13:20Z, resolved 2023-11-14T22:18:20Z)\n<https://run.test/disk?a=1&amp;b=2|Runbook> · <http://prometheus.test/graph?g0.expr=up&amp;g0.tab=1|Source>",
              "title": "[FIRING:1] disk of 1 is full",
              "title_link": "https://stentor.test"
            }
          ]
        }"#]],
    );
}

#[test]
fn slack_as_fallback_with_many_alerts() {
    let alerts = (0..25)
        .map(|n| {
            let instance = n.to_string();
            alert(
                &[
                    ("alertname", "Up"),
                    ("cluster", "a"),
                    ("instance", &instance),
                ],
                &[],
            )
        })
        .collect();
    let mut many = message(alerts);
    many.fallback_for = Some("oncall/pagerduty[0] refused: invalid event".into());
    golden(
        Settings::Slack(Box::new(slack())),
        &many,
        &expect![[r#"
        {
          "attachments": [
            {
              "color": "danger",
              "fallback": "[FIRING:25] Up (cluster=a)",
              "mrkdwn_in": [
                "fallback",
                "pretext",
                "text"
              ],
              "text": "• instance=0 (value 0.25, since 2023-11-14T22:13:20Z)\n• instance=1 (value 0.25, since 2023-11-14T22:13:20Z)\n• instance=2 (value 0.25, since 2023-11-14T22:13:20Z)\n• instance=3 (value 0.25, since 2023-11-14T22:13:20Z)\n• instance=4 (value 0.25, since 2023-11-14T22:13:20Z)\n• instance=5 (value 0.25, since 2023-11-14T22:13:20Z)\n• instance=6 (value 0.25, since 2023-11-14T22:13:20Z)\n• instance=7 (value 0.25, since 2023-11-14T22:13:20Z)\n• instance=8 (value 0.25, since 2023-11-14T22:13:20Z)\n• instance=9 (value 0.25, since 2023-11-14T22:13:20Z)\n…and 15 more\n<http://prometheus.test/graph?g0.expr=up&amp;g0.tab=1|Source>\n_sent to the fallback receiver: oncall/pagerduty[0] refused: invalid event_",
              "title": "[FIRING:25] Up (cluster=a)",
              "title_link": "https://stentor.test"
            }
          ]
        }"#]],
    );
}

#[test]
fn slack_corrected() {
    let mut again = disks();
    again.corrected = true;
    golden(
        Settings::Slack(Box::new(slack())),
        &again,
        &expect![[r#"
        {
          "text": "[FIRING:1] disk of 1 is full\n<https://run.test/disk?a=1&amp;b=2|Runbook> · <http://prometheus.test/graph?g0.expr=up&amp;g0.tab=1|Source>\n_shortened: the full message was refused_"
        }"#]],
    );
}

#[test]
fn webhook_bytes_are_those_of_go() {
    let mut two = disks();
    two.receiver = "team.a".into();
    let request = render(&integration(webhook(1)), &two, &secrets()).expect("complete");
    assert_eq!(request.url, "https://hook.test/in/canary-token");
    expect![[r#"
        {"receiver":"team\\.a","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"Disk","cluster":"a","instance":"1","severity":"critical"},"annotations":{"description":"Less than \u003c5 %\u003e is free \u0026 falling.","runbook_url":"https://run.test/disk?a=1\u0026b=2","summary":"disk of 1 is full"},"startsAt":"2023-11-14T22:13:20Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus.test/graph?g0.expr=up\u0026g0.tab=1","fingerprint":"bc795753d4d6618a"}],"notification_reason":"first notification","groupLabels":{"alertname":"Disk","cluster":"a"},"commonLabels":{"alertname":"Disk","cluster":"a","instance":"1","severity":"critical"},"commonAnnotations":{"description":"Less than \u003c5 %\u003e is free \u0026 falling.","runbook_url":"https://run.test/disk?a=1\u0026b=2","summary":"disk of 1 is full"},"routeLabels":{},"externalURL":"https://stentor.test","version":"4","groupKey":"{}:{alertname=\"Disk\", cluster=\"a\"}","truncatedAlerts":1}
    "#]].assert_eq(&request.body);
}

/// Renders again what Alertmanager was seen to send, from its own label sets.
#[test]
fn webhook_payloads_equal_the_recorded_ones() {
    let mut compared = 0;
    for (name, text) in crate::shared_data::files("notifications", ".json") {
        let recording: Value = serde_json::from_str(&text).expect("JSON");
        for event in recording["events"].as_array().expect("events") {
            let body = &event["body"];
            if body["version"] == "4" {
                check_recorded(&name, body);
                compared += 1;
            }
        }
    }
    assert!(compared > 10 || crate::shared_data::folder("notifications").is_none());
}

fn check_recorded(name: &str, body: &Value) {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let pairs = |value: &Value| -> Vec<(String, String)> {
        let pairs = value.as_object().expect("an object").iter();
        pairs
            .map(|(name, value)| (name.clone(), text(value)))
            .collect()
    };
    let status = |value: &Value| match value.as_str() {
        Some("firing") => Status::Firing,
        _ => Status::Resolved,
    };
    let alerts = body["alerts"].as_array().expect("alerts");
    let message = Message {
        receiver: text(&body["receiver"]).into(),
        group_key: group_key("{}", &Labels::from_pairs(pairs(&body["groupLabels"]))).into(),
        group_labels: Labels::from_pairs(pairs(&body["groupLabels"])),
        route_labels: Labels::default(),
        reason: reason(&text(&body["notification_reason"])),
        status: status(&body["status"]),
        alerts: alerts
            .iter()
            .map(|alert| Alert {
                status: status(&alert["status"]),
                labels: Labels::from_pairs(pairs(&alert["labels"])),
                annotations: pairs(&alert["annotations"]).into(),
                starts_at: Timestamp::from_millis(0),
                ends_at: Some(Timestamp::from_millis(1)),
                generator_url: text(&alert["generatorURL"]).into(),
                value: None,
                end_reason: None,
            })
            .collect(),
        external_url: text(&body["externalURL"]).into(),
        now: Timestamp::EPOCH,
        corrected: false,
        fallback_for: None,
    };
    let mut sent = send(webhook(0), &message);
    // The recording is of a version without this field, and has its times relative.
    let fields = sent.as_object_mut().expect("an object");
    assert_eq!(fields.remove("routeLabels"), Some(json!({})), "{name}");
    for (sent, recorded) in sent["alerts"]
        .as_array_mut()
        .expect("alerts")
        .iter_mut()
        .zip(alerts)
    {
        assert_eq!(sent["startsAt"], "1970-01-01T00:00:00Z", "{name}");
        sent["startsAt"] = recorded["startsAt"].clone();
        if sent["endsAt"] == "1970-01-01T00:00:00.001Z" {
            sent["endsAt"] = recorded["endsAt"].clone();
        }
    }
    assert_eq!(&sent, body, "{name}");
}

fn reason(words: &str) -> NotifyReason {
    [
        NotifyReason::FirstNotification,
        NotifyReason::NewAlerts,
        NotifyReason::SomeResolved,
        NotifyReason::AllResolved,
        NotifyReason::RepeatInterval,
    ]
    .into_iter()
    .find(|reason| reason.to_string() == words)
    .expect("a known reason")
}

#[test]
fn pagerduty_keys_equal_the_recorded_ones() {
    let key = |route: &str, labels: &[(&str, &str)]| {
        dedup_key(&group_key(
            route,
            &Labels::from_pairs(labels.iter().copied()),
        ))
    };
    let rich = "{}/{alertname=\"Rich\"}";
    let known = [
        key("{}", &[("alertname", "Disk"), ("cluster", "a \"b\"")]),
        key(rich, &[("alertname", "Rich"), ("cluster", "eu")]),
        key(rich, &[("alertname", "Rich"), ("cluster", "1024")]),
        key(rich, &[("alertname", "Rich"), ("cluster", "1025")]),
    ];
    for (name, text) in crate::shared_data::files("notifications", "pagerduty.json") {
        let recording: Value = serde_json::from_str(&text).expect("JSON");
        for event in recording["events"].as_array().expect("events") {
            if let Some(recorded) = event["body"]["dedup_key"].as_str() {
                assert!(known.iter().any(|key| key == recorded), "{name}: {event}");
            }
        }
    }
}

#[test]
fn webhook_holds_max_alerts_and_counts_the_rest() {
    let body = send(webhook(1), &disks());
    assert_eq!(body["alerts"].as_array().expect("alerts").len(), 1);
    assert_eq!(body["truncatedAlerts"], 1);
    // The group still fires, whichever alerts are shown.
    let mut swapped = disks();
    swapped.alerts.reverse();
    let body = send(webhook(1), &swapped);
    assert_eq!(body["alerts"][0]["status"], "resolved");
    assert_eq!(body["status"], "firing");
}

/// What each status means for each kind of service: delivered, later, later but perhaps arrived,
/// refused.
#[test]
fn outcomes_of_all_statuses() {
    let outcomes = |settings: Settings, body: &str| {
        let integration = integration(settings);
        let mut runs: Vec<(u16, u16, &str)> = Vec::new();
        for status in 100..=599 {
            let response = Response {
                status,
                retry_after: None,
                body,
            };
            let word = match classify(&integration, &response, &secrets()) {
                Outcome::Delivered => "delivered",
                Outcome::Retry {
                    maybe_delivered: true,
                    ..
                } => "retry, maybe delivered",
                Outcome::Retry { .. } => "retry",
                Outcome::Refused { .. } => "refused",
            };
            match runs.last_mut() {
                Some((_, last, same)) if *same == word => *last = status,
                _ => runs.push((status, status, word)),
            }
        }
        let lines: Vec<String> = runs
            .iter()
            .map(|(from, to, word)| format!("{from}-{to} {word}"))
            .collect();
        lines.join("\n")
    };
    let usual = expect![[r"
        100-199 refused
        200-299 delivered
        300-407 refused
        408-408 retry, maybe delivered
        409-428 refused
        429-429 retry
        430-499 refused
        500-599 retry, maybe delivered"]];
    usual.assert_eq(&outcomes(Settings::PagerDuty(Box::new(pagerduty())), ""));
    usual.assert_eq(&outcomes(webhook(0), ""));
    usual.assert_eq(&outcomes(Settings::Slack(Box::new(slack())), "ok"));
    let never = outcomes(Settings::Slack(Box::new(slack())), "<html>");
    assert!(!never.contains("200-299 delivered"), "{never}");
}

#[track_caller]
fn check_answer(
    settings: Settings,
    status: u16,
    retry_after: Option<&str>,
    body: &str,
    expect: &Expect,
) {
    let response = Response {
        status,
        retry_after: retry_after.map(str::to_owned),
        body,
    };
    let outcome = classify(&integration(settings), &response, &secrets());
    expect.assert_eq(&format!("{outcome:?}"));
}

#[test]
fn answers_of_pagerduty() {
    let check = |status, retry_after, body, expect: &Expect| {
        check_answer(
            Settings::PagerDuty(Box::new(pagerduty())),
            status,
            retry_after,
            body,
            expect,
        );
    };
    check(
        202,
        None,
        r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#,
        &expect!["Delivered"],
    );
    check(
        400,
        None,
        r#"{"status":"invalid event","message":"Event object is invalid","errors":["'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"]}"#,
        &expect![[
            r#"Refused { why: "unexpected status code 400: Event object is invalid: 'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')" }"#
        ]],
    );
    check(
        400,
        None,
        "Event object format is unrecognized: JSON parse error",
        &expect![[
            r#"Refused { why: "unexpected status code 400: Event object format is unrecognized: JSON parse error" }"#
        ]],
    );
    check(
        429,
        None,
        "",
        &expect![[
            r#"Retry { after: Some(Duration(30000)), maybe_delivered: false, why: "unexpected status code 429" }"#
        ]],
    );
    check(
        429,
        Some("120"),
        "",
        &expect![[
            r#"Retry { after: Some(Duration(120000)), maybe_delivered: false, why: "unexpected status code 429" }"#
        ]],
    );
    check(
        429,
        Some("99999999999999"),
        "",
        &expect![[
            r#"Retry { after: Some(Duration(3600000)), maybe_delivered: false, why: "unexpected status code 429" }"#
        ]],
    );
    check(
        503,
        Some("-5"),
        "<html>\r\nsorry",
        &expect![[
            r#"Retry { after: None, maybe_delivered: true, why: "unexpected status code 503: <html>  sorry" }"#
        ]],
    );
}

#[test]
fn answers_of_slack() {
    let check = |status, retry_after, body, expect: &Expect| {
        check_answer(
            Settings::Slack(Box::new(slack())),
            status,
            retry_after,
            body,
            expect,
        );
    };
    check(200, None, "ok", &expect!["Delivered"]);
    check(200, None, r#"{"ok":true}"#, &expect!["Delivered"]);
    check(
        200,
        None,
        r#"{"ok":false,"error":"channel_not_found"}"#,
        &expect![[r#"Refused { why: "slack answered 200, but not ok: channel_not_found" }"#]],
    );
    check(
        200,
        None,
        r#"{"ok":false,"error":"rate_limited"}"#,
        &expect![[
            r#"Retry { after: None, maybe_delivered: false, why: "slack answered 200, but not ok: rate_limited" }"#
        ]],
    );
    check(
        429,
        Some("7"),
        r#"{"retry_after":7,"ok":false,"error":"rate_limited"}"#,
        &expect![[
            r#"Retry { after: Some(Duration(7000)), maybe_delivered: false, why: "unexpected status code 429: rate_limited" }"#
        ]],
    );
    check(
        410,
        None,
        "channel_is_archived",
        &expect![[r#"Refused { why: "unexpected status code 410: channel_is_archived" }"#]],
    );
    check(
        500,
        None,
        "rollup_error",
        &expect![[
            r#"Retry { after: None, maybe_delivered: true, why: "unexpected status code 500: rollup_error" }"#
        ]],
    );
}

#[test]
fn failures_say_whether_it_may_have_arrived() {
    let all = [
        Failure::Connect,
        Failure::Tls,
        Failure::Proxy,
        Failure::Timeout,
        Failure::Reset,
        Failure::Malformed,
    ];
    let lines: Vec<String> = all
        .into_iter()
        .map(|failure| format!("{:?}", classify_failure(failure, "", &secrets())))
        .collect();
    expect![[r#"
        Retry { after: None, maybe_delivered: false, why: "no connection" }
        Retry { after: None, maybe_delivered: false, why: "no secure connection" }
        Retry { after: None, maybe_delivered: false, why: "the proxy let nothing through" }
        Retry { after: None, maybe_delivered: true, why: "no answer in time" }
        Retry { after: None, maybe_delivered: true, why: "the connection broke" }
        Refused { why: "the request cannot be made" }"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn no_secret_is_shown() {
    let echo =
        format!("Cannot POST /in/canary-token with {ROUTING_KEY} or {SLACK_URL}: XXXXXXXXXXXX");
    for settings in [
        Settings::PagerDuty(Box::new(pagerduty())),
        Settings::Slack(Box::new(slack())),
        webhook(0),
    ] {
        for status in [200, 400, 429, 500] {
            let response = Response {
                status,
                retry_after: None,
                body: &echo,
            };
            let shown = format!(
                "{:?}",
                classify(&integration(settings.clone()), &response, &secrets())
            );
            for secret in ["canary", ROUTING_KEY, "services", "XXXX"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
    let failure = classify_failure(Failure::Reset, &echo, &secrets());
    assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
    assert!(!format!("{:?}", secrets()).contains("canary"));
    let none = SecretBundle::default();
    let error = render(&integration(webhook(0)), &disks(), &none)
        .err()
        .expect("no secret");
    assert_eq!(
        error.to_string(),
        "secret `url` is missing: is its file there, and readable?"
    );
    let mut bad = secrets();
    bad.0.insert("url".to_owned(), "canary token".to_owned());
    let error = render(&integration(webhook(0)), &disks(), &bad)
        .err()
        .expect("no URL");
    assert!(!error.to_string().contains("canary"), "{error}");
    assert!(matches!(error.outcome(), Outcome::Retry { .. }));
}

/// What label values and annotations can hold when somebody means harm.
fn malicious() -> Vec<String> {
    vec![
        "<!channel> <!here> <@U123> <!subteam^S1>".to_owned(),
        "<https://evil.test|Runbook>".to_owned(),
        "</script><script>alert(1)</script>&amp;".to_owned(),
        "a\r\nX-Evil: 1\r\n\r\n\u{0}\u{1b}[31m".to_owned(),
        "\u{202e}gnp.exe\u{2066}\u{2028}".to_owned(),
        "{{ .Secret }} `code` *bold* ~x~ \"quoted\" \\".to_owned(),
        "@here @channel".to_owned(),
        "é日本🦀".repeat(6_000),
        "&<>\"".repeat(5_000),
        "x".repeat(1_000_000),
    ]
}

#[test]
fn data_stays_data_and_requests_stay_within_limits() {
    for evil in malicious() {
        for corrected in [false, true] {
            let text = evil.as_str();
            let annotations =
                ["summary", "description", "runbook_url", "runbook"].map(|n| (n, text));
            let alerts = (0..3)
                .map(|n| {
                    let own = format!("{n}{evil}");
                    let mut alert = alert(
                        &[
                            ("alertname", text),
                            ("cluster", text),
                            ("severity", text),
                            ("instance", &own),
                        ],
                        &annotations,
                    );
                    alert.generator_url = text.into();
                    alert.end_reason = Some(text.into());
                    alert
                })
                .collect();
            let mut message = message(alerts);
            message.corrected = corrected;
            message.external_url = text.into();
            message.fallback_for = Some(text.into());
            check_pagerduty(&message);
            check_slack(&message);
            if evil.len() < 100_000 {
                send(webhook(0), &message);
            }
        }
    }
}

fn check_pagerduty(message: &Message) {
    let settings = Settings::PagerDuty(Box::new(pagerduty()));
    let request = render(&integration(settings), message, &secrets()).expect("complete");
    assert!(request.body.len() <= 512_000, "{}", request.body.len());
    let event: Value = serde_json::from_str(&request.body).expect("JSON");
    let summary = event["payload"]["summary"].as_str().expect("a summary");
    assert!((1..=1024).contains(&summary.chars().count()));
    assert!(!summary.contains(char::is_control), "{summary}");
    assert!(
        !event["payload"]["source"]
            .as_str()
            .expect("a source")
            .is_empty()
    );
    let severity = event["payload"]["severity"].as_str().expect("a severity");
    assert!(SEVERITIES.contains(&severity));
    assert!(event.get("links").is_none() && event.get("client_url").is_none());
    if !message.corrected {
        assert_eq!(event["payload"]["custom_details"]["num_firing"], 3);
    }
}

fn check_slack(message: &Message) {
    let post = send(
        Settings::Slack(Box::new(Slack {
            link_names: true,
            ..slack()
        })),
        message,
    );
    let attachment = &post["attachments"][0];
    for text in [
        &post["text"],
        &attachment["title"],
        &attachment["text"],
        &attachment["fallback"],
    ] {
        let text = text.as_str().unwrap_or_default();
        assert!(text.chars().count() <= 4000, "{}", text.chars().count());
        assert!(
            !text.contains("<!") && !text.contains("<@") && !text.contains("<http"),
            "{text}"
        );
        assert!(!text.contains("@here"), "{text}");
        assert!(
            !text.contains(|c: char| c.is_control() && c != '\n'),
            "{text}"
        );
        assert!(!text.contains(['\u{202e}', '\u{2066}']), "{text}");
    }
    assert!(attachment.get("title_link").is_none());
}

#[test]
fn big_details_are_left_out_before_the_event_is() {
    let details = [("all".to_owned(), json!("x".repeat(600_000)))].into();
    let settings = PagerDuty {
        details,
        ..pagerduty()
    };
    let event = send(Settings::PagerDuty(Box::new(settings)), &disks());
    let details = event["payload"]["custom_details"]
        .as_object()
        .expect("details");
    assert_eq!(details["num_firing"], 1);
    assert!(
        details["error"]
            .as_str()
            .expect("a text")
            .contains("512000")
    );

    let long = "y".repeat(2000);
    let labels: Vec<(String, String)> = (0..40).map(|n| (format!("l{n}"), long.clone())).collect();
    let alerts = (0..20)
        .map(|_| {
            let mut alert = alert(&[], &[]);
            alert.labels = Labels::from_pairs(labels.iter().map(|(n, v)| (n, v)));
            alert
        })
        .collect();
    let event = send(Settings::PagerDuty(Box::new(pagerduty())), &message(alerts));
    let details = &event["payload"]["custom_details"];
    assert_eq!(details["num_firing"], 20);
    assert_eq!(details["firing"].as_array().expect("a list").len(), 5);
    assert_eq!(details["alerts_not_shown"], 15);
}

#[test]
fn summaries_are_cut_as_alertmanager_cuts_them() {
    for (length, kept, mark) in [(1024, 1024, false), (1025, 1023, true)] {
        let settings = PagerDuty {
            description: Some("é".repeat(length)),
            ..pagerduty()
        };
        let event = send(Settings::PagerDuty(Box::new(settings)), &disks());
        let summary = event["payload"]["summary"].as_str().expect("a summary");
        assert_eq!(summary.ends_with('…'), mark);
        assert_eq!(summary.chars().filter(|c| *c == 'é').count(), kept);
    }
}

#[test]
fn settings_survive_the_store() {
    for settings in [
        Settings::PagerDuty(Box::new(pagerduty())),
        Settings::Slack(Box::new(slack())),
        webhook(3),
    ] {
        let integration = Arc::new(integration(settings));
        let stored = serde_json::to_string(&*integration).expect("JSON");
        let again: Integration = serde_json::from_str(&stored).expect("the same");
        assert_eq!(again, *integration);
    }
}
