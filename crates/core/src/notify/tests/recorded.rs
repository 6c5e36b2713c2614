//! What a real Alertmanager sent for the same alerts, second by second.

use std::path::PathBuf;

use serde_json::Value;

use super::sim::{Sim, labels, route, simple};
use crate::receiver::Status;

/// Alertmanager's own delays in the recordings are below a hundredth of a second.
const TOLERANCE: f64 = 0.1;

#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the recordings lie outside of the project"
)]
fn recording(name: &str) -> Option<Vec<Value>> {
    let folder = std::env::var_os("STENTOR_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = folder
        .join("conformance/notifications")
        .join(format!("{name}.json"));
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "{} is missing",
            path.display()
        );
        println!("SKIPPED: {} is not there", path.display());
        return None;
    };
    let recorded: Value = serde_json::from_str(&text).expect("JSON");
    let events = recorded["events"].as_array().expect("events");
    let hooks = events.iter().filter(|event| event["path"] == "/hook");
    Some(hooks.cloned().collect())
}

#[track_caller]
fn check(name: &str, times: [i64; 3], group_by: &str, script: &[(f64, &[&str])], end: f64) {
    let Some(mut expected) = recording(name) else {
        return;
    };
    let mut sim = Sim::new(route("hook", group_by, times), vec![simple("hook")]);
    for (seconds, batch) in script {
        sim.arrive(*seconds, batch);
    }
    sim.run(end);
    let second = |event: &Value| event["t"].as_f64().expect("a time");
    // Requests of the same tick come in any order.
    expected.sort_by_key(|event| {
        let tenths = (second(event) * 10.0).round();
        (
            format!("{tenths:06}"),
            event["body"]["groupKey"].to_string(),
        )
    });
    let mut told = sim.told.clone();
    told.sort_by_key(|told| (told.at, Value::from(&*told.message.group_key).to_string()));
    for (told, expected) in told.iter().zip(&expected) {
        let (line, body) = (told.line(), &expected["body"]);
        let apart = (told.at.seconds() - second(expected)).abs();
        assert!(apart < TOLERANCE, "{line} was at {}", second(expected));
        let message = &told.message;
        assert_eq!(body["groupKey"], *message.group_key, "{line}");
        assert_eq!(body["receiver"], *message.receiver, "{line}");
        assert_eq!(body["status"], message.status.as_str(), "{line}");
        let reason = message.reason.to_string();
        assert_eq!(body["notification_reason"], reason, "{line}");
        let alerts: Vec<Value> = message
            .alerts
            .iter()
            .map(|alert| {
                serde_json::json!({
                    "labels": alert.labels,
                    "status": alert.status.as_str(),
                    "ends": alert.status == Status::Resolved,
                })
            })
            .collect();
        let recorded: Vec<Value> = body["alerts"]
            .as_array()
            .expect("alerts")
            .iter()
            .map(|alert| {
                serde_json::json!({
                    "labels": alert["labels"],
                    "status": alert["status"],
                    "ends": alert["endsAt"] != "0001-01-01T00:00:00Z",
                })
            })
            .collect();
        assert_eq!(alerts, recorded, "{line}");
    }
    let found: Vec<_> = told.iter().map(super::sim::Told::line).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn grouping() {
    let disk = [
        "alertname=Disk cluster=a instance=2 job=node",
        "alertname=Disk cluster=a instance=1 job=node",
    ];
    let script: &[(f64, &[&str])] = &[
        (
            0.0,
            &[
                disk[0],
                disk[1],
                "alertname=Disk cluster=b instance=3 job=node",
                "alertname=Disk instance=9",
                "alertname=Cpu cluster=a",
            ],
        ),
        (2.5, &["alertname=Disk cluster=a instance=4 job=aaa"]),
        (3.2, &disk),
        (6.0, &disk[1..]),
    ];
    check("grouping", [1, 4, 10], "alertname cluster", script, 23.0);
}

#[test]
fn resolving() {
    let a = [
        "alertname=A instance=1",
        "alertname=A instance=2",
        "alertname=A instance=3",
    ];
    let script: &[(f64, &[&str])] = &[
        (0.0, &a),
        (2.5, &["end alertname=A instance=1"]),
        (
            5.5,
            &["end alertname=A instance=2", "end alertname=A instance=3"],
        ),
        (8.4, &a[..1]),
        (
            11.5,
            &[
                "alertname=Timeout",
                "alertname=EndsSoon",
                "alertname=Flap",
                "end alertname=NeverFired",
            ],
        ),
        (13.2, &["end alertname=Flap"]),
        (14.0, &["end alertname=EndsSoon"]),
        (14.2, &["alertname=Flap"]),
        (16.5, &["end alertname=Timeout"]),
        (17.0, &["instance=noname"]),
        (17.1, &["alertname=Beside"]),
        (17.2, &["alertname=EmptyLabel"]),
    ];
    check("resolving", [1, 3, 3600], "alertname", script, 24.0);
}

#[test]
fn the_helper_reads_labels() {
    assert_eq!(labels("a=1 b=2").to_string(), r#"{a="1", b="2"}"#);
}
