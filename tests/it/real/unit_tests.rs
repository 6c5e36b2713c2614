//! `stentor test` against promtool: the same verdict on the same files.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::peers;

/// Whether a program accepts the test file, and what it says.
fn verdict(program: &Path, arguments: &[&str], folder: &Path) -> (bool, String) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it can be run");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

fn stentor(file: &str, folder: &Path) -> (bool, String) {
    verdict(
        Path::new(env!("CARGO_BIN_EXE_stentor")),
        &["test", file],
        folder,
    )
}

fn promtool(promtool: &Path, file: &str, folder: &Path) -> (bool, String) {
    verdict(promtool, &["test", "rules", file], folder)
}

/// `verdicts.txt` is of a promtool that knows no `start_timestamp`; files that have it pass.
#[test]
fn conformance_files_get_promtools_verdict() {
    let Some(folder) = peers::conformance() else {
        return;
    };
    let verdicts = std::fs::read_to_string(folder.join("promtool/verdicts.txt"));
    let verdicts = verdicts.expect("the verdicts can be read");
    let mut wrong = String::new();
    let mut count = 0;
    for line in verdicts.lines().filter(|line| !line.starts_with('#')) {
        let (code, file) = line.split_once(' ').expect("a code and a file");
        let text = std::fs::read_to_string(folder.join(file)).expect("a test file");
        let expected = code == "0" || text.contains("start_timestamp");
        let (passes, said) = stentor(file, &folder);
        if passes != expected {
            let _ = writeln!(wrong, "{file} passes: {passes}\n{said}");
        }
        count += 1;
    }
    assert!(count > 20, "only {count} verdicts");
    assert!(wrong.is_empty(), "{wrong}");
}

/// Files at the borders of the format, and whether promtool passes them.
#[test]
fn border_cases_get_promtools_verdict() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    std::fs::write(folder.join("rules.yml"), RULES).expect("a file can be written");
    let program = peers::need("promtool");
    let mut wrong = String::new();
    for (expected, text) in CASES {
        std::fs::write(folder.join("t.yml"), format!("{HEAD}{text}\n")).expect("can be written");
        let (passes, said) = stentor("t.yml", folder);
        if passes != *expected {
            let _ = writeln!(wrong, "{text}\nstentor passes: {passes}\n{said}");
        }
        if let Some(program) = &program {
            let (passes, said) = promtool(program, "t.yml", folder);
            if passes != *expected {
                let _ = writeln!(wrong, "{text}\npromtool passes: {passes}\n{said}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

const RULES: &str = r#"
groups:
- name: g
  query_offset: 0s
  rules:
  - {record: rec, expr: up, labels: {x: y}}
  - alert: A
    expr: up
    labels: {sev: page}
    annotations: {s: "v {{ $value }}", empty: ""}
  - alert: U
    expr: up
    annotations: {s: "{{ externalURL }}", e: "{{ $externalURL }} {{ $externalLabels.a }}"}
  - {alert: K, expr: up, for: 2m, keep_firing_for: 3m}
"#;

const HEAD: &str = r#"
rule_files: [rules.yml, rules.y*, nothing.yml, ""]
tests:
- interval: 1m
  external_labels: {a: b}
  external_url: http://x/y
  input_series:
  - {series: 'up{i="1"}', values: "1 1 1 1 _x6 stale"}
  - {series: hist, values: "{{count:1 sum:1 buckets:[1]}}x3"}
"#;

const CASES: &[(bool, &str)] = &[
    (true, ""),
    (true, "- null"),
    (false, "- {foo: bar}"),
    (false, "  interval: 2m"),
    (
        true,
        "  alert_rule_test: [{eval_time: 2m, alertname: A, exp_alerts: [{exp_labels: {i: 1, sev: page}, exp_annotations: {s: v 1, empty: }}]}]",
    ),
    (
        true,
        "  alert_rule_test: [{eval_time: 2m59s, alertname: A, exp_alerts: [{exp_labels: {alertname: x, i: '1', sev: page}, exp_annotations: {s: v 1, empty: ''}}]}]",
    ),
    (
        false,
        "  alert_rule_test: [{eval_time: 2m, alertname: A, exp_alerts: [{exp_labels: {i: 1, sev: page}, exp_annotations: {s: v 1}}]}]",
    ),
    (
        false,
        "  alert_rule_test: [{eval_time: 2m, alertname: A, exp_alerts: [{exp_labels: {i: 1, sev: page, foo: ''}, exp_annotations: {s: v 1, empty: ''}}]}]",
    ),
    (
        true,
        "  alert_rule_test: [{eval_time: 2m, alertname: B, exp_alerts: []}]",
    ),
    (
        false,
        "  alert_rule_test: [{eval_time: 2m, alertname: B, exp_alerts: [{}]}]",
    ),
    (
        false,
        "  alert_rule_test: [{eval_time: 2m, alertname: B, exp_alerts: [null]}]",
    ),
    (false, "  alert_rule_test: [null]"),
    (
        false,
        "  alert_rule_test: [{eval_time: 2m, exp_alerts: []}]",
    ),
    (
        false,
        "  alert_rule_test: [{eval_time: 120, alertname: B, exp_alerts: []}]",
    ),
    (
        true,
        "  alert_rule_test: [{eval_time: 1m, alertname: K}, {eval_time: 2m, alertname: K, exp_alerts: [{exp_labels: {i: 1}}]}]",
    ),
    (
        true,
        "  alert_rule_test: [{eval_time: 10m59s, alertname: K, exp_alerts: [{exp_labels: {i: 1}}]}, {eval_time: 11m, alertname: K}]",
    ),
    (
        false,
        r#"  alert_rule_test: [{eval_time: 2m, alertname: U, exp_alerts: [{exp_labels: {i: 1}, exp_annotations: {s: "http://x/y", e: "http://x/y b"}}]}]"#,
    ),
    (false, "  promql_expr_test: [null]"),
    (false, "  promql_expr_test: [{expr: '', exp_samples: []}]"),
    (
        false,
        "  promql_expr_test: [{expr: nothing, exp_samples: [null]}]",
    ),
    (
        true,
        "  promql_expr_test: [{expr: vector(0), exp_samples: [null]}]",
    ),
    (
        true,
        "  promql_expr_test: [{expr: vector(-0), exp_samples: [{labels: '{}', value: 0}]}]",
    ),
    (
        false,
        "  promql_expr_test: [{expr: vector(1), exp_samples: [{value: 1}, {value: 1}]}]",
    ),
    (
        false,
        "  promql_expr_test: [{expr: vector(1), exp_samples: [{value: '1'}]}]",
    ),
    (
        false,
        "  promql_expr_test: [{expr: vector(NaN), exp_samples: [{value: .nan}]}]",
    ),
    (
        false,
        "  promql_expr_test: [{expr: vector(NaN), exp_samples: [{value: NaN}]}]",
    ),
    (
        true,
        "  promql_expr_test: [{expr: vector(Inf), exp_samples: [{value: .inf}]}]",
    ),
    (
        true,
        "  promql_expr_test: [{expr: up, exp_samples: [{labels: 'up{i=\"1\", foo=\"\"}', value: 1}]}]",
    ),
    (
        true,
        "  promql_expr_test: [{expr: up, exp_samples: [{labels: '{__name__=\"up\", i=\"1\"}', value: 1}]}]",
    ),
    (
        false,
        "  promql_expr_test: [{expr: sum(up), exp_samples: [{labels: '{foo=\"\"}', value: 1}]}]",
    ),
    (
        false,
        "  promql_expr_test: [{expr: '\"x\"', exp_samples: []}]",
    ),
    (
        false,
        "  promql_expr_test: [{expr: 'up[5m]', exp_samples: []}]",
    ),
    (
        false,
        "  promql_expr_test: [{expr: 'limitk(1, up)', exp_samples: [{labels: 'up{i=\"1\"}', value: 1}]}]",
    ),
    (
        true,
        "  promql_expr_test: [{expr: 'up offset -3m', eval_time: 1m, exp_samples: [{labels: 'up{i=\"1\"}', value: 1}]}]",
    ),
    (
        true,
        "  promql_expr_test: [{expr: 'timestamp(up @ 300)', eval_time: 1m, exp_samples: [{labels: '{i=\"1\"}', value: 60}]}]",
    ),
    (
        true,
        "  promql_expr_test: [{expr: 'rec', eval_time: 1m30s, exp_samples: [{labels: 'rec{i=\"1\", x=\"y\"}', value: 1}]}]",
    ),
    (
        true,
        "  promql_expr_test: [{expr: hist, exp_samples: [{labels: hist, histogram: '{{count:1 sum:1 buckets:[1]}}'}]}]",
    ),
    (
        false,
        "  promql_expr_test: [{expr: hist, exp_samples: [{labels: hist, value: 3, histogram: '{{count:1 sum:1 buckets:[1]}}'}]}]",
    ),
    (
        false,
        "  promql_expr_test: [{expr: hist, exp_samples: [{labels: hist, value: 0}]}]",
    ),
    (
        false,
        "  promql_expr_test: [{expr: hist, exp_samples: [{labels: hist, histogram: 1}]}]",
    ),
    (
        true,
        "- {input_series: [{series: a, values: 1x10}, {series: a, values: 2 3}], promql_expr_test: [{expr: a, eval_time: 5m, exp_samples: [{labels: a, value: 3}]}, {expr: a, eval_time: 6m}]}",
    ),
    (
        false,
        "- input_series: [{series: h, values: '{{count:1 sum:1 buckets:[-1]}}'}]",
    ),
    (false, "- input_series: [{series: 'a{', values: 1}]"),
    (false, "- input_series: [{series: a, values: 1 2 x}]"),
    (
        false,
        "- {input_series: [{series: 'rec{x=\"y\"}', values: 7}, {series: up, values: 1}], promql_expr_test: [{expr: 1, exp_samples: [{value: 1}]}]}",
    ),
    (
        true,
        "- {input_series: [{series: 'rec{x=\"y\"}', values: 1}, {series: up, values: 1}], promql_expr_test: [{expr: 1, exp_samples: [{value: 1}]}]}",
    ),
    (
        false,
        "- {input_series: [{series: 'up{a=\"1\", x=\"1\"}', values: 1}, {series: 'up{a=\"1\", x=\"2\"}', values: 1}], promql_expr_test: [{expr: 1, exp_samples: [{value: 1}]}]}",
    ),
    (false, "group_eval_order: [a, b, a]"),
    (false, "unknown: field"),
];

/// The rules that ship with one thing changed, and their tests: who notices?
#[test]
fn mutated_rules_get_promtools_verdict() {
    let Some(program) = peers::need("promtool") else {
        return;
    };
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let read = |name: &str| std::fs::read_to_string(shipped.join(name)).expect("it ships");
    let (rules, tests) = (read("realtime.yml"), read("realtime_test.yml"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).expect("a file can be written");
    };
    let mut wrong = String::new();
    let mut noticed = 0;
    for (in_tests, from, to, nth) in MUTATIONS {
        let of = if *in_tests { &tests } else { &rules };
        let (at, _) = of
            .match_indices(from)
            .nth(*nth)
            .unwrap_or_else(|| panic!("no {from}"));
        let mutated = format!("{}{to}{}", &of[..at], &of[at + from.len()..]);
        write("realtime.yml", if *in_tests { &rules } else { &mutated });
        write(
            "realtime_test.yml",
            if *in_tests { &mutated } else { &tests },
        );
        let arguments = ["--run", SOME, "realtime_test.yml"];
        let stentor = Path::new(env!("CARGO_BIN_EXE_stentor"));
        let (ours, said) = verdict(stentor, &[&["test"], &arguments[..]].concat(), folder);
        let arguments = [&["test", "rules"], &arguments[..]].concat();
        let (theirs, said_there) = verdict(&program, &arguments, folder);
        noticed += usize::from(!theirs);
        if ours != theirs {
            let _ = writeln!(
                wrong,
                "{from} -> {to} ({nth}): stentor passes: {ours}, promtool: {theirs}\n{said}\n{said_there}"
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(noticed > MUTATIONS.len() / 2, "only {noticed} were noticed");
}

/// The tests that look at what is mutated: promtool takes six seconds for all of them.
const SOME: &str = "mass disconnect|P99 of|every 45 seconds|failed message";

/// Whether it is in the tests, what is changed, to what, and which of the places.
const MUTATIONS: &[(bool, &str, &str, usize)] = &[
    (false, "> 0.2", "> 0.95", 0),
    (false, "> 0.2", "> 0.05", 1),
    (false, "> 0.5", "< 0.5", 0),
    (false, "> 0.5", "> 0.9", 1),
    (false, "> 100", "> 1000000", 0),
    (false, "> 500", ">= 5000", 0),
    (false, "> 500", "< 500", 0),
    (false, "for: 1m", "for: 2m", 0),
    (false, "for: 1m", "for: 0s", 0),
    (false, "for: 5m", "for: 1m", 0),
    (false, "for: 2m", "for: 10m", 0),
    (false, "severity: critical", "severity: page", 0),
    (false, "severity: warning", "severity: page", 1),
    (false, "0.75", "0.25", 0),
    (false, "[40m:30s]", "[4m:30s]", 0),
    (false, "[35s]", "[3m]", 0),
    (false, "sum by (cluster, job)", "avg by (cluster, job)", 0),
    (false, "sum by (cluster, job)", "sum by (job, instance)", 1),
    (false, "0.99,", "0.5,", 0),
    (false, "humanizePercentage", "humanize", 0),
    (false, "alert: ConnectionDrop", "alert: ConnectionsDrop", 0),
    (true, "severity: critical", "severity: warning", 0),
    (true, "eval_time: 61m15s", "eval_time: 61m", 0),
    (true, "value: 1", "value: 2", 0),
    (true, "16000x240", "1600x240", 0),
    (true, "interval: 15s", "interval: 30s", 1),
];
