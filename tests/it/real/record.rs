//! `stentor record` from a real Prometheus: over the file that it writes every expression of the rules gives
//! what it gives at the server, and nothing is in it that they do not read.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::http;
use super::query::servers;

/// 2024-05-01T12:00:00Z, when the samples begin.
const START: i64 = 1_714_564_800;

const RULES: &str = r#"
groups:
- name: g
  query_offset: 10s
  rules:
  - {alert: Rate, expr: 'sum by (job) (rate(requests_total{job!="c"}[2m])) > 0.1'}
  - {alert: Smooth, expr: 'max_over_time(load[5m]) > 2'}
  - {alert: Week, expr: 'load / on (instance, job) load offset 30m > 0'}
  - {alert: Peak, expr: 'max_over_time(rate(requests_total[1m])[10m:1m]) > 0'}
  - {alert: Ahead, expr: 'load{job="a"} offset -1m > 0'}
  - {alert: Fixed, expr: 'load{job="b"} @ 1714565100 > 0'}
  - {record: job:load:sum, expr: sum by (job) (load)}
  - {alert: Sum, expr: 'job:load:sum > 1'}
  - {alert: None, expr: absent(missing)}
"#;

/// Every expression that reads the server alone.
const EXPRESSIONS: [&str; 8] = [
    r#"sum by (job) (rate(requests_total{job!="c"}[2m])) > 0.1"#,
    "max_over_time(load[5m]) > 2",
    "load / on (instance, job) load offset 30m > 0",
    "max_over_time(rate(requests_total[1m])[10m:1m]) > 0",
    r#"load{job="a"} offset -1m > 0"#,
    r#"load{job="b"} @ 1714565100 > 0"#,
    "sum by (job) (load)",
    "absent(missing)",
];

fn samples() -> String {
    let mut out = String::new();
    for name in ["requests_total", "load", "unread"] {
        for job in ["a", "b", "c"] {
            for instance in 0..2 {
                for k in 0..720 {
                    let value = if name == "load" {
                        1 + (k * (instance + 1)) % 17
                    } else {
                        k * 3
                    };
                    let at = START + k * 15 + instance;
                    let labels = format!("instance=\"host-{instance}\",job=\"{job}\"");
                    let _ = writeln!(out, "{name}{{{labels}}} {value} {at}.{k:03}");
                }
            }
        }
    }
    out + "# EOF\n"
}

fn record(folder: &Path, port: u16, more: &[&str], start: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
    command
        .current_dir(folder)
        .arg("record")
        .arg(format!("--datasource.url=http://127.0.0.1:{port}"))
        .args(["--rule.files", "rules.yml"])
        .arg(start)
        .arg(format!("--end={}", START + 9000))
        .args(["--output", "incident.om.gz"])
        .args(more);
    command.output().expect("stentor can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The result of an instant query as the API writes it, in order.
fn sorted(answer: &Value) -> Vec<String> {
    let Value::Array(series) = &answer["data"]["result"] else {
        panic!("{answer}")
    };
    let mut lines: Vec<String> = series.iter().map(ToString::to_string).collect();
    lines.sort();
    lines
}

fn over_the_file(folder: &Path, expr: &str, at: i64) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_stentor"))
        .current_dir(folder)
        .args(["query", expr, "--input", "incident.om.gz", "--output=json"])
        .arg(format!("--time={at}"))
        .output()
        .expect("stentor can be started");
    let answer = serde_json::from_slice(&output.stdout);
    sorted(&answer.unwrap_or_else(|_| panic!("{}", text(&output.stderr))))
}

fn at_the_server(port: u16, expr: &str, at: i64) -> Vec<String> {
    let mut form = format!("time={at}&query=");
    for byte in expr.bytes() {
        let _ = write!(form, "%{byte:02x}");
    }
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = http::call(port, "POST", "/api/v1/query", &headers, form.as_bytes());
    sorted(&answer.expect("an answer").json())
}

#[test]
fn what_is_recorded_answers_the_rules_as_the_server_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let Some(servers) = servers(folder, &samples()) else {
        return;
    };
    let port = servers.ports[0];
    let start = format!("--start={}", START + 7200);
    std::fs::write(folder.join("rules.yml"), RULES).expect("a file");
    let output = record(folder, port, &[], &start);
    let summary = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for expected in [
        "12 series",
        "missing: matched nothing",
        "job:load:sum themselves",
        "load: 6 series",
    ] {
        assert!(summary.contains(expected), "{expected} in\n{summary}");
    }
    for expr in EXPRESSIONS {
        // The groups look 10 s back.
        for at in [START + 7190, START + 8111, START + 8990] {
            let expected = at_the_server(port, expr, at);
            assert!(!expected.is_empty(), "{expr} finds something");
            assert_eq!(over_the_file(folder, expr, at), expected, "{expr} at {at}");
        }
    }
    assert_eq!(
        over_the_file(folder, "unread", START + 8000),
        Vec::<String>::new()
    );

    let again = record(folder, port, &[], &start);
    assert_eq!(again.status.code(), Some(2), "{}", text(&again.stderr));
    let renamed = record(folder, port, &["--overwrite", "--rename=instance"], &start);
    assert!(renamed.status.success(), "{}", text(&renamed.stderr));
    let found = over_the_file(folder, "count by (instance) (load)", START + 8000);
    assert_eq!(found.len(), 2);
    assert!(
        found[0].contains("\"instance-1\"") && found[1].contains("\"instance-2\""),
        "{found:?}"
    );
}

#[test]
fn nothing_to_record_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let Some(servers) = servers(folder, &samples()) else {
        return;
    };
    let start = format!("--start={}", START + 7200);
    let rules = "groups: [{name: g, rules: [{alert: A, expr: nowhere > 1}]}]";
    std::fs::write(folder.join("rules.yml"), rules).expect("a file");
    let output = record(folder, servers.ports[0], &[], &start);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("nowhere: matched nothing"));
    assert!(!folder.join("incident.om.gz").exists());
    assert_eq!(record(folder, 1, &[], &start).status.code(), Some(3));
}

/// A run begins with the newest slot of each group, which may be before its start by nearly an interval, here
/// four times the look-back.
#[test]
fn the_first_slot_has_its_samples() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let Some(servers) = servers(folder, &samples()) else {
        return;
    };
    let rules = "groups: [{name: g, interval: 20m, rules: [{alert: A, expr: absent(load)}]}]";
    std::fs::write(folder.join("rules.yml"), rules).expect("a file");
    let url = format!("http://127.0.0.1:{}", servers.ports[0]);
    let live = ["--datasource.url", &url, "--no-cache"];
    // One of two starts that are half an interval apart is far behind its slot.
    for start in [START + 7200, START + 7800] {
        let start = format!("--start={start}");
        let output = record(folder, servers.ports[0], &["--overwrite"], &start);
        assert!(output.status.success(), "{}", text(&output.stderr));
        for over in [&live[..], &["--input", "incident.om.gz"]] {
            let output = Command::new(env!("CARGO_BIN_EXE_stentor"))
                .current_dir(folder)
                .args(["replay", "--rule.files", "rules.yml", &start])
                .arg(format!("--end={}", START + 9000))
                .args(over)
                .output()
                .expect("stentor can be started");
            let report = text(&output.stdout);
            assert!(report.contains("no alert was ever"), "{over:?}: {report}");
        }
    }
}
