//! The daemon beside a real Prometheus, and afterwards its incident recorded from there and replayed: both
//! tell the same alerts at the same slots, and tell the same people in the same order.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use super::prometheus::{LOOKBACK, now};
use super::scene::{SOON, Scene};
use super::sink::{PAGERDUTY, SLACK};
use super::{eventually, http};

/// The offset decides that all samples are there when they are read. What goes to different receivers is
/// seconds apart, so that no delivery overtakes another.
const RULES: &str = r#"
groups:
  - name: fleet
    interval: 1s
    query_offset: 2s
    rules:
      - alert: InstanceLow
        expr: ws_connections < 3000
        keep_firing_for: 4s
        labels: {severity: warning}
        annotations: {summary: 'few connections at {{ $labels.instance }}'}
      - alert: FewConnections
        expr: sum by (job) (ws_connections) < 10000
        for: 2s
        labels: {severity: critical}
        annotations: {summary: few connections}
      - alert: Dip
        expr: sum by (job) (ws_connections) < 10000
        for: 1h
        labels: {severity: warning}
        annotations: {summary: never long enough}
      - alert: NoData
        expr: absent(ws_connections{job="realtime"})
        # longer than the daemon may wait for its first samples
        for: 5s
        labels: {severity: critical}
        annotations: {summary: nobody reports}
"#;

/// A change of phase: labels, from, to, slot.
type Change = (String, String, String, String);

/// The changes that the log of a daemon tells: lines with `inactive => pending` and the like, the labels
/// between `labels=` and ` at=`.
fn told_by_log(log: &str) -> Vec<Change> {
    let change = |line: &str| {
        let (before, after) = line.split_once(" => ")?;
        let (_, from) = before.rsplit_once(' ')?;
        let (to, _) = after.split_once(':')?;
        let (_, labels) = line.split_once(" labels=")?;
        let (labels, rest) = labels.split_once("} at=")?;
        let at = rest.split_whitespace().next()?;
        Some((
            format!("{labels}}}"),
            from.to_owned(),
            to.to_owned(),
            at.to_owned(),
        ))
    };
    let mut changes: Vec<Change> = log.lines().filter_map(change).collect();
    changes.sort_by(|a, b| (&a.3, &a.0).cmp(&(&b.3, &b.0)));
    changes
}

/// The changes that a replay tells.
fn told_by_replay(report: &Value) -> Vec<Change> {
    let of = |change: &Value| {
        let labels: BTreeMap<String, String> =
            serde_json::from_value(change["labels"].clone()).expect("labels");
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        (
            format!("{{{}}}", labels.join(", ")),
            text(&change["from"]),
            text(&change["to"]),
            text(&change["at"]),
        )
    };
    let mut changes: Vec<Change> = list(&report["transitions"]).iter().map(of).collect();
    changes.sort_by(|a, b| (&a.3, &a.0).cmp(&(&b.3, &b.0)));
    changes
}

/// Milliseconds since the epoch.
fn millis(time: &str) -> i64 {
    let time = chrono::DateTime::parse_from_rfc3339(time);
    time.expect("a time").timestamp_millis()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// What the receivers' servers got, in order: receiver and status.
fn told_by_sinks(scene: &Scene) -> Vec<(String, String)> {
    let pagerduty = scene.sink.received(PAGERDUTY).into_iter().map(|got| {
        let status = match got.json()["event_action"].as_str() {
            Some("trigger") => "firing",
            _ => "resolved",
        };
        (got.at, "pagerduty".to_owned(), status.to_owned())
    });
    let slack = scene.sink.received(SLACK).into_iter().map(|got| {
        let is_firing = got.json()["attachments"][0]["title"]
            .as_str()
            .is_some_and(|title| title.contains("[FIRING:"));
        let status = if is_firing { "firing" } else { "resolved" };
        (got.at, "slack".to_owned(), status.to_owned())
    });
    let mut all: Vec<(i64, String, String)> = pagerduty.chain(slack).collect();
    all.sort();
    all.into_iter()
        .map(|(_, receiver, status)| (receiver, status))
        .collect()
}

#[test]
fn what_is_recorded_replays_as_the_daemon_lived_it() {
    let Some(scene) = Scene::start(RULES) else {
        return;
    };
    eventually("the first slots are evaluated", SOON, || {
        let metrics = http::get(scene.stentor.port, "/metrics").ok()?;
        let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
        let of_group = |line: &&str| {
            line.starts_with("prometheus_rule_group_iterations_total") && line.contains("fleet")
        };
        let line = metrics.lines().find(of_group)?;
        let count: f64 = line.rsplit_once(' ')?.1.parse().ok()?;
        // Query offset and look-back are over by then.
        (count >= 6.0 && scene.stentor.alerts("NoData").is_empty()).then_some(())
    });
    let start = now();
    scene.backend.set(6_000);
    scene.received(PAGERDUTY, 1);
    scene.backend.set(50_000);
    scene.received(PAGERDUTY, 2);
    scene.received(SLACK, 2);
    scene.backend.silent(true);
    scene.received(PAGERDUTY, 3);
    scene.backend.silent(false);
    scene.received(PAGERDUTY, 4);
    let end = now();

    // Written by a thread of its own, which may be behind.
    let log = eventually("the log tells the last resolve", SOON, || {
        let log = std::fs::read_to_string(scene.stentor.log()).ok()?;
        // Three instances, the sum of the job, and the silence.
        (log.matches(" firing => inactive").count() >= 5).then_some(log)
    });
    assert!(!log.contains("slots were missed"), "an idle enough machine");
    let lived = told_by_log(&log);
    // A daemon that starts before the samples do has nobody's data; all is inactive before its first change.
    let slots = || lived.iter().map(|change| millis(&change.3));
    // Three instances, the sum of the job, the dip, which never fires, and the silence.
    let since = slots().filter(|slot| *slot >= start).count();
    assert_eq!(since, 3 * 2 + 3 + 2 + 3, "{lived:#?}");
    let start = slots().min().map_or(start, |first| first.min(start));
    let sinks = told_by_sinks(&scene);

    let folder = scene.stentor.folder();
    let seconds = |millis: i64| format!("{}.{:03}", millis / 1000, millis % 1000);
    let stentor = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_stentor"))
            .args(arguments)
            .args([
                format!("--start={}", seconds(start)),
                format!("--end={}", seconds(end)),
                format!("--query.lookback-delta={}s", LOOKBACK.as_secs()),
            ])
            .current_dir(folder)
            .output()
            .expect("stentor runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let url = format!("http://127.0.0.1:{}", scene.prometheus.port);
    let from = ["record", "--datasource.url", &url, "--rule.files=rules.yml"];
    let summary = stentor(&[&from[..], &["--output=incident.om.gz"]].concat());
    assert!(summary.contains("3 series"), "{summary}");
    let over = ["replay", "--config.file=stentor.yml", "--output=json"];
    let report = stentor(&[&over[..], &["--input=incident.om.gz"]].concat());
    let report: Value = serde_json::from_str(&report).expect("JSON");

    assert_eq!(told_by_replay(&report), lived);
    let notified: Vec<(String, String)> = list(&report["notifications"])
        .iter()
        .map(|told| (text(&told["receiver"]), text(&told["status"])))
        .collect();
    assert_eq!(notified, sinks);
}
