//! The mass disconnect: 50,000 connections become 5,000, in front of a real Prometheus.

use std::path::Path;
use std::time::Duration;

use chrono::DateTime;

use super::scene::{ROUTING_KEY, SOON, Scene};
use super::sink::{PAGERDUTY, SLACK};
use super::{eventually, http};

/// The shipped rules with seconds for minutes, so that a test need not wait for `for: 5m`.
fn quick_pack() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/realtime.yml");
    let mut rules = std::fs::read_to_string(path).expect("the shipped rules");
    for (is, quick) in [
        ("interval: 15s", "interval: 1s"),
        ("for: 1m", "for: 3s"),
        ("for: 5m", "for: 5s"),
        ("[2m:15s]", "[2s:1s]"),
    ] {
        assert!(rules.contains(is), "the shipped rules have {is} no more");
        rules = rules.replace(is, quick);
    }
    rules
}

/// SHA-256 of the group key `{}/{severity="critical"}:{alertname="ConnectionDrop"}`.
const DEDUP_KEY: &str = "43894d3ec73dd46e1a0cf45cd406ca7634f0495490cfd1a58221bea1b2a25fc8";

#[test]
fn a_mass_disconnect_is_one_page_one_message_and_their_resolves() {
    let Some(scene) = Scene::start(&quick_pack()) else {
        return;
    };
    let fall = || scene.backend.move_to(5_000, Duration::from_secs(30));
    std::thread::scope(|threads| {
        threads.spawn(fall);
        let active_at = scene.alert_is("ConnectionDrop", "pending");
        assert_eq!(scene.sink.events(), [], "nobody is told of a pending alert");
        scene.received(PAGERDUTY, 1);
        let active_at = DateTime::parse_from_rfc3339(&active_at).expect("a time");
        let told_at = scene.sink.received(PAGERDUTY)[0].at;
        let held = told_at - active_at.timestamp_millis();
        assert!((3_000..15_000).contains(&held), "told after {held} ms");
    });
    scene.received(SLACK, 1);
    Scene::pass(Duration::from_secs(4));

    let event = scene.sink.received(PAGERDUTY)[0].json();
    assert_eq!(event["event_action"], "trigger");
    assert_eq!(event["routing_key"], ROUTING_KEY);
    assert_eq!(event["dedup_key"], DEDUP_KEY);
    assert_eq!(event["payload"]["severity"], "critical");
    let summary = event["payload"]["summary"].as_str().unwrap_or_default();
    assert!(summary.contains("realtime lost"), "summary {summary:?}");
    let message = scene.sink.received(SLACK)[0].json().to_string();
    assert!(message.contains("below its usual connections"), "{message}");
    assert_eq!(scene.sink.received(PAGERDUTY).len(), 1, "one page");
    assert_eq!(scene.sink.received(SLACK).len(), 1, "one message");

    scene.backend.set(50_000);
    scene.received(PAGERDUTY, 2);
    scene.received(SLACK, 2);
    Scene::pass(Duration::from_secs(3));
    let resolve = (
        "resolve".to_owned(),
        ROUTING_KEY.to_owned(),
        DEDUP_KEY.to_owned(),
    );
    assert_eq!(scene.sink.events()[1..], [resolve]);
    assert_eq!(scene.sink.received(SLACK).len(), 2, "one resolved message");
    assert_eq!(scene.stentor.alerts("ConnectionDrop"), []);
}

/// Rules that a hole in the data would resolve at once, if anybody believed it.
const PLAIN: &str = r"
groups:
  - name: plain
    rules:
      - alert: LowConnections
        expr: sum by (job) (ws_connections) < 10000
        for: 2s
        labels: {severity: critical}
        annotations: {summary: few connections}
      - alert: LowConnections
        expr: sum by (job) (ws_connections) < 20000
        for: 2s
        labels: {severity: warning}
        annotations: {summary: fewer connections than usual}
";

#[test]
fn an_outage_of_prometheus_resolves_nothing_and_pages_nobody_again() {
    let Some(mut scene) = Scene::start(PLAIN) else {
        return;
    };
    scene.backend.set(5_000);
    scene.received(PAGERDUTY, 1);
    scene.received(SLACK, 1);

    scene.prometheus.stop();
    let blind = || {
        let rules = http::get(scene.stentor.port, "/api/v1/rules").ok()?.json();
        (rules["data"]["groups"][0]["rules"][0]["health"] == "err").then_some(())
    };
    eventually("the API shows that the rule is blind", SOON, blind);
    Scene::pass(super::prometheus::LOOKBACK + Duration::from_secs(4));
    assert_eq!(scene.stentor.alerts("LowConnections").len(), 2);

    // Back, and for some slots without a sample: what it says now is true and means nothing.
    scene.backend.silent(true);
    scene.prometheus.start_again();
    Scene::pass(Duration::from_secs(3));
    let query = "/api/v1/query?query=ws_connections";
    let answer = http::get(scene.prometheus.port, query).expect("an answer");
    assert_eq!(answer.json()["data"]["result"], serde_json::json!([]));
    assert_eq!(scene.stentor.alerts("LowConnections").len(), 2);
    scene.backend.silent(false);
    Scene::pass(Duration::from_secs(8));
    assert_eq!(
        scene.sink.received(PAGERDUTY).len(),
        1,
        "one page, no resolve"
    );
    assert_eq!(scene.sink.received(SLACK).len(), 1, "one message");

    scene.backend.set(50_000);
    scene.received(PAGERDUTY, 2);
    scene.received(SLACK, 2);
    let (opened, open) = scene.sink.incidents();
    assert_eq!(
        (opened, open.len()),
        (1, 0),
        "one incident, and it is closed"
    );
}
