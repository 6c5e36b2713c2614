//! Receivers that fail, reloads with mistakes, and an orderly end.

use std::process::Command;
use std::time::Duration;

use super::scene::{SOON, Scene};
use super::sink::{PAGERDUTY, Reply, SLACK};
use super::{eventually, free_port, http};

const RULES: &str = r"
groups:
  - name: plain
    rules:
      - alert: LowConnections
        expr: sum by (job) (ws_connections) < 10000
        for: 1s
        labels: {severity: critical}
      - alert: LowConnections
        expr: sum by (job) (ws_connections) < 10000
        for: 1s
        labels: {severity: warning}
";

#[test]
fn a_receiver_in_trouble_is_retried_and_keeps_nobody_waiting() {
    let Some(scene) = Scene::start(RULES) else {
        return;
    };
    let wait = |seconds: u8| vec![("Retry-After", seconds.to_string())];
    let troubles = [
        Reply::Close,
        Reply::Status(500, Vec::new(), "<html>sorry</html>".to_owned()),
        Reply::Status(503, wait(2), String::new()),
    ];
    scene.sink.script(PAGERDUTY, troubles);
    let limited = Reply::Status(429, wait(1), "rate_limited".to_owned());
    scene.sink.script(SLACK, [limited]);
    scene.backend.set(5_000);
    scene.received(SLACK, 2);
    scene.received(PAGERDUTY, 4);
    Scene::pass(Duration::from_secs(3));
    let attempts = scene.sink.received(PAGERDUTY);
    assert_eq!(attempts.len(), 4, "delivered at the fourth attempt");
    let bodies = attempts
        .iter()
        .map(|attempt| attempt.json()["dedup_key"].clone());
    let keys: Vec<_> = bodies.collect();
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let waited = attempts[3].at - attempts[2].at;
    assert!(
        waited >= 2_000,
        "Retry-After: 2, and it came after {waited} ms"
    );
    let slack = scene.sink.received(SLACK);
    assert_eq!(slack.len(), 2);
    assert!(slack[1].at >= slack[0].at + 1_000, "Retry-After: 1");
    assert!(
        slack[1].at < attempts[3].at,
        "Slack did not wait for PagerDuty"
    );
    let (opened, open) = scene.sink.incidents();
    assert_eq!((opened, open.len()), (1, 1));
}

#[test]
fn a_reload_with_a_mistake_changes_nothing_and_a_removed_rule_resolves() {
    let Some(scene) = Scene::start(RULES) else {
        return;
    };
    scene.backend.set(5_000);
    scene.received(PAGERDUTY, 1);
    scene.received(SLACK, 1);
    let broken = RULES.replace("< 10000", "<");
    scene.stentor.reload("rules.yml", &broken);
    let rejected = || {
        let metrics = http::get(scene.stentor.port, "/metrics").ok()?;
        let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
        let line = "prometheus_config_last_reload_successful 0";
        metrics.lines().any(|it| it.starts_with(line)).then_some(())
    };
    eventually("the reload is refused", SOON, rejected);
    Scene::pass(Duration::from_secs(3));
    assert_eq!(scene.stentor.alerts("LowConnections").len(), 2);
    assert_eq!(scene.sink.events().len(), 1);

    // The first rule is gone: its incident is closed though nobody came back.
    let end = RULES.find("      - alert: LowConnections").expect("a rule");
    let second = RULES
        .rfind("      - alert: LowConnections")
        .expect("a rule");
    let removed = format!("{}{}", &RULES[..end], &RULES[second..]);
    scene.stentor.reload("rules.yml", &removed);
    scene.received(PAGERDUTY, 2);
    let (opened, open) = scene.sink.incidents();
    assert_eq!((opened, open.len()), (1, 0));
    let told: Vec<_> = scene
        .sink
        .received(SLACK)
        .iter()
        .map(|it| it.json())
        .collect();
    let of_rule = told
        .iter()
        .filter(|it| it.to_string().contains("LowConnections"));
    assert_eq!(
        of_rule.count(),
        1,
        "the other rule's message is not repeated: {told:?}"
    );
}

#[test]
fn it_ends_when_asked_and_begins_again_without_a_word() {
    let Some(mut scene) = Scene::start(RULES) else {
        return;
    };
    scene.backend.set(5_000);
    scene.received(PAGERDUTY, 1);
    scene.received(SLACK, 1);
    Scene::pass(Duration::from_secs(1));
    assert_eq!(scene.stentor.stop(), 0);
    scene.stentor.start_again();
    Scene::pass(Duration::from_secs(3));
    assert_eq!(scene.sink.received(PAGERDUTY).len(), 1);
    assert_eq!(scene.sink.received(SLACK).len(), 1);
    assert_eq!(scene.stentor.alerts("LowConnections").len(), 2);
}

#[test]
fn a_secret_that_is_not_there_is_refused_at_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = r#"
datasources: [{name: main, url: "http://127.0.0.1:1"}]
route: {receiver: oncall}
receivers:
  - name: oncall
    pagerduty_configs: [{routing_key_file: key, url: "http://127.0.0.1:1"}]
    slack_configs: [{api_url_file: empty}]
"#;
    std::fs::write(folder.path().join("stentor.yml"), config).expect("a file");
    std::fs::write(folder.path().join("empty"), "\n").expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_stentor"))
        .current_dir(folder.path())
        .args(["run", "--config.file=stentor.yml", "--storage.path=data"])
        .arg(format!("--web.listen-address=127.0.0.1:{}", free_port()))
        .output()
        .expect("stentor can be run");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("stentor.yml:6:44"), "{said}");
    assert!(said.contains("stentor.yml:7:36"), "{said}");
}
