//! The API says what Prometheus' own says, when both evaluate the same rules over the same data.
//!
//! Left out are times, recording rules (not evaluated here) and our own group `stentor`. The order
//! of groups and rules counts; alerts have none in Prometheus and are sorted.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::prometheus::{Backend, Prometheus};
use super::scene::SOON;
use super::stentor::Stentor;
use super::{eventually, http, peers};

/// Waits until both say the same, and shows the first difference where they do not.
#[track_caller]
fn same_api(prometheus: &Prometheus, stentor: &Stentor, settled: impl Fn(&Value) -> bool) {
    let mut seen = (Value::Null, Value::Null);
    let equal = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        eventually("the APIs are equal", SOON, || {
            seen = (answers(prometheus.port)?, answers(stentor.port)?);
            (settled(&seen.0) && seen.0 == seen.1).then_some(())
        });
    }));
    assert!(equal.is_ok(), "{}", difference("", &seen.0, &seen.1));
}

/// Both endpoints of a server, without what may differ.
fn answers(port: u16) -> Option<Value> {
    let [mut rules, mut alerts] = ["/api/v1/rules", "/api/v1/alerts"]
        .map(|path| http::get(port, path).ok().map(|answer| answer.json()));
    let (rules, alerts) = (rules.as_mut()?, alerts.as_mut()?);
    for group in rules["data"]["groups"].as_array_mut()? {
        for rule in group["rules"].as_array_mut()? {
            sort_alerts(&mut rule["alerts"]);
        }
        let rules = group["rules"].as_array_mut()?;
        rules.retain(|rule| rule["type"] != "recording");
    }
    let groups = rules["data"]["groups"].as_array_mut()?;
    groups.retain(|group| group["name"] != "stentor");
    sort_alerts(&mut alerts["data"]["alerts"]);
    let mut both = serde_json::json!({"rules": rules, "alerts": alerts});
    normalise(&mut both);
    Some(both)
}

fn sort_alerts(alerts: &mut Value) {
    if let Some(alerts) = alerts.as_array_mut() {
        alerts.sort_by_key(|alert| alert["labels"].to_string());
    }
}

fn normalise(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(normalise),
        // 1 and 1.0 are the same number.
        Value::Number(number) => *value = number.as_f64().into(),
        Value::Object(fields) => {
            for time in [
                "evaluationTime",
                "lastEvaluation",
                "activeAt",
                "keepFiringSince",
            ] {
                if let Some(value) = fields.get_mut(time) {
                    *value = Value::String("a time".to_owned());
                }
            }
            fields.values_mut().for_each(normalise);
        }
        _ => (),
    }
}

/// The first places where two values differ: Prometheus' before ours.
fn difference(path: &str, theirs: &Value, ours: &Value) -> String {
    match (theirs, ours) {
        _ if theirs == ours => String::new(),
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            let of = |key: &String| {
                let (a, b) = (a.get(key), b.get(key));
                let (a, b) = (a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null));
                difference(&format!("{path}.{key}"), a, b)
            };
            keys.into_iter().map(of).collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            let of = |(at, (a, b))| difference(&format!("{path}[{at}]"), a, b);
            pairs.map(of).collect()
        }
        _ => format!("{path}\n  prometheus: {theirs}\n  stentor:    {ours}\n"),
    }
}

fn stentor_beside(prometheus: &Prometheus, rule_files: &[PathBuf], interval: &str) -> Stentor {
    let files = serde_json::to_string(rule_files).expect("paths as JSON, which is YAML");
    let config = format!(
        r#"
global: {{evaluation_interval: {interval}}}
datasources:
  - {{name: main, url: "http://127.0.0.1:{}", rule_files: {files}}}
route: {{receiver: nobody}}
receivers: [{{name: nobody}}]
"#,
        prometheus.port
    );
    Stentor::start(&[("stentor.yml", &config)])
}

const RULES: &str = r#"
groups:
  - name: zebra
    limit: 10
    rules:
      - record: job:ws_connections:sum
        expr: sum by (job) (ws_connections)
      - alert: Firing
        expr: ws_connections{instance=~"a|b"}<1e4
        labels: {severity: critical, where: '{{ $labels.instance }}'}
        annotations:
          summary: '{{ $labels.instance }} has {{ $value }} ({{ $value | humanize }})'
          broken: '{{ index .Labels 3 }}'
      - alert: Firing
        expr: sum without(instance) (ws_connections)<10000
        keep_firing_for: 1h
        labels: {severity: warning}
      - alert: Pending
        expr: rate(ws_connections[5m]offset 1s)==bool 1e300 and on() vector(1)
        for: 1d2h
      - alert: PendingReally
        expr: |
          # a comment, and space that the printer takes away
          ( sum by(job)(ws_connections) )   <   10e3  or
            ws_connections > Inf
        for: 1h30m
        annotations: {now: '{{ printf "%.2f" $value }}'}
  - name: aardvark
    interval: 2s
    query_offset: 1s
    labels: {team: realtime, severity: none}
    rules:
      - alert: Quiet
        expr: absent(ws_connections) or histogram_quantile(0.9, sum by (le) (rate(x_bucket{a!="b"}[5m:1m]))) > 1
        labels: {severity: critical, gone: ''}
      - alert: Always
        expr: vector(1)
"#;

#[test]
fn the_same_rules_over_the_same_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = [folder.path().join("rules.yml")];
    std::fs::write(&files[0], RULES).expect("a file");
    let Some(prometheus) = Prometheus::start(&files, "1s") else {
        return;
    };
    let backend = Backend::start(&prometheus, 50_000);
    let stentor = stentor_beside(&prometheus, &files, "1s");
    let alerts = |count: usize| {
        move |both: &Value| {
            let alerts = both["alerts"]["data"]["alerts"].as_array();
            alerts.is_some_and(|alerts| alerts.len() == count)
        }
    };
    same_api(&prometheus, &stentor, alerts(4));
    backend.set(5_000);
    same_api(&prometheus, &stentor, alerts(8));
    // two of `Firing` have ended, and one is kept
    backend.set(50_000);
    same_api(&prometheus, &stentor, alerts(5));
}

/// A thousand rules a second are too many for two unoptimised programs on a busy machine.
const INTERVAL: &str = "5s";

#[test]
fn every_rule_file_over_no_data() {
    let (Some(data), Some(promtool)) = (peers::conformance(), peers::need("promtool")) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let files = loadable(&data.join("rules"), folder.path(), &promtool);
    assert!(files.len() > 50, "only {} files", files.len());
    let Some(prometheus) = Prometheus::start(&files, INTERVAL) else {
        return;
    };
    let stentor = stentor_beside(&prometheus, &files, INTERVAL);
    let evaluated = |both: &Value| !both["rules"].to_string().contains(r#""health":"unknown""#);
    same_api(&prometheus, &stentor, evaluated);
}

/// Copies of the rule files that this Prometheus accepts, evaluated at one interval.
fn loadable(from: &Path, to: &Path, promtool: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![from.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a text");
            let copy = to.join(format!("{:03}.yml", files.len()));
            let same_interval = text.lines().map(|line| {
                let interval = line.trim_start().starts_with("interval: ");
                let value = line.find("interval: ").filter(|_| interval);
                value.map_or(line.to_owned(), |at| {
                    format!("{}interval: {INTERVAL}", &line[..at])
                })
            });
            let text: Vec<String> = same_interval.collect();
            std::fs::write(&copy, text.join("\n") + "\n").expect("a file");
            let check = Command::new(promtool)
                .args(["check", "rules", "--lint=none"])
                .arg(&copy)
                .output();
            if check.expect("promtool can be run").status.success() {
                files.push(copy);
            }
        }
    }
    files
}
