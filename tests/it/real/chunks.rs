//! `stentor replay` over twelve days of a real Prometheus, which come in several chunks and are forgotten one
//! by one, beside the same replay over the file that `stentor record` makes of them, which is read at once.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::query::servers;

/// 2024-05-01T12:00:00Z, when the samples begin.
const START: i64 = 1_714_564_800;
const HOUR: i64 = 3_600;
/// Seconds between two samples, and between two evaluations.
const STEP: i64 = 120;
/// There are samples for this long.
const LENGTH: i64 = 12 * 24 * HOUR;

/// Chunks end at multiples of 96 hours, of which this is the first.
const BORDER: i64 = 1_714_867_200 - START;
/// Incidents come so often that one of them lies across the border.
const PERIOD: i64 = BORDER / 5;
const INCIDENT: i64 = 40 * 60;

const CONFIG: &str = r"
global: {evaluation_interval: 2m}
datasources:
  - {name: main, url: 'http://127.0.0.1:1', rule_files: [rules.yml]}
route:
  receiver: slack
  group_by: [alertname]
  routes:
    - {matchers: ['severity=critical'], receiver: pagerduty}
receivers:
  - {name: pagerduty, pagerduty_configs: [{routing_key: 0123456789abcdef0123456789abcdef}]}
  - {name: slack, slack_configs: [{api_url: 'http://127.0.0.1:1', send_resolved: true}]}
";

/// Of different reach, one over what another writes, one across selectors that match it too.
const RULES: &str = r#"
groups:
- name: g
  rules:
  - {record: 'job:load:sum', expr: sum by (job) (load)}
  - alert: High
    expr: job:load:sum > 20
    for: 5m
    keep_firing_for: 10m
    labels: {severity: critical}
    annotations: {summary: '{{ range query "sum(load)" }}{{ .Value }}{{ end }} in all'}
  - {alert: Peak, expr: 'max_over_time(job:load:sum[6h]) > 20', labels: {severity: warning}}
  - {alert: Slow, expr: 'sum by (job) (rate(requests_total[30m])) < 0.7', for: 10m}
  - {alert: Jump, expr: 'sum by (job) (load) > 2 * sum by (job) (load offset 1d)', for: 2m}
  - {alert: Smooth, expr: 'min_over_time(rate(requests_total[5m])[2h:5m]) < 0.2'}
  - {alert: Any, expr: 'count({__name__=~"job:load:.*"}) > 2'}
  - {alert: Gone, expr: absent(heartbeat), labels: {severity: critical}}
"#;

fn samples() -> String {
    let mut out = String::new();
    let incident = |at: i64| (at + INCIDENT / 2) % PERIOD < INCIDENT;
    for job in ["a", "b"] {
        for instance in 0..2 {
            for k in 0..LENGTH / STEP {
                let at = k * STEP;
                let more = if incident(at) { 10 } else { 0 };
                let load = 1 + k * (instance + 3) % 7 + more;
                let labels = format!("instance=\"{instance}\",job=\"{job}\"");
                let _ = writeln!(out, "load{{{labels}}} {load} {}", START + at);
            }
        }
    }
    for instance in 0..2 {
        let mut count = 0;
        for k in 0..LENGTH / STEP {
            let at = k * STEP;
            count += if incident(at) { STEP / 6 } else { STEP / 2 };
            let labels = format!("instance=\"{instance}\",job=\"a\"");
            let _ = writeln!(out, "requests_total{{{labels}}} {count} {}", START + at);
        }
    }
    // Other values than the rules make of it: an older version of them wrote it.
    for k in 0..LENGTH / STEP {
        let _ = writeln!(out, "job:load:sum{{job=\"a\"}} 1000 {}", START + k * STEP);
        let _ = writeln!(out, "job:load:sum{{job=\"old\"}} 1000 {}", START + k * STEP);
    }
    for k in (0..LENGTH / STEP).filter(|k| k % 1000 > 30) {
        let _ = writeln!(out, "heartbeat 1 {}", START + k * STEP);
    }
    out + "# EOF\n"
}

/// What it prints, for evaluations from the half of an hour to before the last day.
fn stentor(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stentor"))
        .current_dir(folder)
        .args(arguments)
        .arg(format!("--start={}", START + 26 * HOUR + HOUR / 2))
        .arg(format!("--end={}", START + LENGTH - HOUR))
        .output()
        .expect("stentor can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A replay's report without what tells where the samples came from.
fn replay(folder: &Path, over: &[&str]) -> Value {
    let arguments = ["replay", "--config.file=stentor.yml", "--output=json"];
    let report = stentor(folder, &[&arguments[..], over].concat());
    let mut report: Value = serde_json::from_str(&report).expect("JSON");
    let fields = report.as_object_mut().expect("an object");
    assert!(fields.remove("data").is_some());
    report
}

#[test]
fn history_in_chunks_tells_what_its_recording_tells() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let Some(servers) = servers(folder, &samples()) else {
        return;
    };
    std::fs::write(folder.join("rules.yml"), RULES).expect("a file");
    std::fs::write(folder.join("stentor.yml"), CONFIG).expect("a file");
    let url = format!("--datasource.url=http://127.0.0.1:{}", servers.ports[0]);
    let record = ["record", &url, "--rule.files=rules.yml"];
    let summary = stentor(
        folder,
        &[&record[..], &["--output=recorded.om.gz"]].concat(),
    );
    assert!(summary.contains("7 series"), "{summary}");
    let recorded = replay(folder, &["--input=recorded.om.gz"]);

    for alert in ["High", "Peak", "Slow", "Jump", "Smooth", "Gone"] {
        let rules = recorded["rules"].as_array().expect("rules");
        let rule = rules.iter().find(|rule| rule["alert"] == alert);
        let fired = rule.and_then(|rule| rule["fired"].as_u64());
        assert!(fired > Some(3), "{alert} fires some times: {fired:?}");
    }
    assert!(recorded["notifications"].as_array().expect("a list").len() > 20);
    for way in ["remote", "api"] {
        let kept = format!("--cache.path=kept-{way}");
        let read = format!("--datasource.read={way}");
        let live = replay(folder, &[&url, &read, &kept]);
        assert!(live == recorded, "{way}: {}", difference(&live, &recorded));
        let chunks = std::fs::read_dir(folder.join(format!("kept-{way}")));
        let chunks = chunks.expect("what was kept").count();
        assert!(chunks >= 4, "{way}: {chunks} answers");
    }
}

/// The first changes that only one of them tells.
fn difference(one: &Value, other: &Value) -> String {
    let of = |report: &Value| report["transitions"].as_array().expect("a list").clone();
    let (one, other) = (of(one), of(other));
    let only = |these: &[Value], those: &[Value]| {
        let only = these.iter().filter(|change| !those.contains(change));
        only.take(3).cloned().collect::<Vec<_>>()
    };
    format!("{:#?} {:#?}", only(&one, &other), only(&other, &one))
}
