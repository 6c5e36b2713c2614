use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};

use super::*;
use crate::shared_data::folder;

fn shown(result: &Result<RuleFile, Vec<Diagnostic>>, source: &SourceText) -> String {
    let mut out = String::new();
    let findings = match result {
        Ok(file) => {
            for group in &file.groups {
                let _ = write!(out, "group {}", group.name);
                for (name, value) in [("interval", group.interval), ("offset", group.query_offset)]
                {
                    if let Some(value) = value {
                        let _ = write!(out, " {name}={value}");
                    }
                }
                if group.limit > 0 {
                    let _ = write!(out, " limit={}", group.limit);
                }
                out.push('\n');
                for rule in &group.rules {
                    show_rule(rule, &mut out);
                }
            }
            &file.warnings
        }
        Err(findings) => findings,
    };
    for finding in findings {
        let _ = write!(out, "{:?} {}", finding.level, finding.one_line(source));
        if let Some(hint) = &finding.hint {
            let _ = write!(out, " ({hint})");
        }
        out.push('\n');
    }
    out
}

fn show_rule(rule: &Rule, out: &mut String) {
    let _ = write!(
        out,
        "  {} {}: {}",
        rule.place().position,
        rule.name(),
        rule.expr()
    );
    match rule {
        Rule::Alerting(rule) => {
            if !rule.hold.is_zero() {
                let _ = write!(out, " for {}", rule.hold);
            }
            if !rule.keep_firing_for.is_zero() {
                let _ = write!(out, " keep {}", rule.keep_firing_for);
            }
            for (name, text) in rule.labels.iter().chain(&rule.annotations) {
                let _ = write!(out, " {name}={:?}", text.source());
            }
        }
        Rule::Recording(rule) => {
            out.push_str(" recording");
            for (name, value) in &rule.labels {
                let _ = write!(out, " {name}={value:?}");
            }
        }
    }
    out.push('\n');
}

#[track_caller]
fn check(text: &str, expected: &Expect) {
    check_with(text, LoadOptions::default(), expected);
}

#[track_caller]
fn check_with(text: &str, options: LoadOptions, expected: &Expect) {
    let source = SourceText::new("f", text);
    expected.assert_eq(&shown(&load(&source, &options), &source));
}

#[test]
fn every_field_is_read() {
    check(
        r"
groups:
- name: g
  interval: 30s
  query_offset: 1m
  limit: 1_0
  labels: {team: infra, severity: low, gone: x}
  rules:
  - alert: Down
    expr: |
      up
        == 0
    for: 5m
    keep_firing_for: 90s
    labels: {severity: yes, code: 0x1F, gone: ~}
    annotations: {summary: '{{ $labels.job }} is down', b: 500}
  - record: job:up:sum
    expr: sum by (job) (up)
    labels: {a: b}
- name: empty
",
        &expect![[r#"
            group g interval=30s offset=1m limit=10
              9:12 Down: up == 0 for 5m keep 1m30s code="0x1F" gone="" severity="yes" team="infra" b="500" summary="{{ $labels.job }} is down"
              17:13 job:up:sum: sum by (job) (up) recording a="b" gone="x" severity="low" team="infra"
            group empty
        "#]],
    );
    check("", &expect![[""]]);
    check("# nothing\n", &expect![[""]]);
    check("groups:\n", &expect![[""]]);
}

#[test]
fn several_documents_are_all_read() {
    check(
        "groups: [{name: a, rules: [{alert: A, expr: 1}]}]\n---\ngroups: [{name: b}, {name: a}]\n",
        &expect![[r#"
            Error f:3:28: group name `a` is repeated in the same file
        "#]],
    );
    check(
        "groups: [{name: a}]\n---\n---\ngroups: [{name: b}]\n",
        &expect![[r#"
            group a
            group b
        "#]],
    );
}

#[test]
fn objects_of_kubernetes_are_read() {
    check(
        r"
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: r, labels: {a: b}}
spec:
  groups:
  - name: g
    partial_response_strategy: warn
    rules: [{alert: A, expr: vector(1)}]
---
apiVersion: v1
kind: List
items:
- kind: PrometheusRule
  spec: {groups: [{name: g, rules: [{alert: B, expr: 1}]}]}
",
        &expect![[r#"
            group g
              9:21 A: vector(1)
            group g
              15:45 B: 1
        "#]],
    );
    check(
        "kind: ConfigMap\ndata: {}\n---\nkind: PrometheusRule\nmetadata: {}\n---\nkind: List\nitems: [1, {kind: List}]\n",
        &expect![[r#"
            Error f:1:7: an object of kind `ConfigMap` holds no rules (of Kubernetes' objects only `PrometheusRule` is read: leave the others out)
            Error f:4:1: the object has no field `spec`
            Error f:8:9: an item of a list must be an object, not a text
            Error f:8:13: an item of a list must be an object, not a mapping
        "#]],
    );
}

#[test]
fn all_errors_of_a_file_are_found_at_once() {
    check(
        r#"
groups:
- name: g
  interval: 5
  rules:
  - alert: A
    expr: up ==
    fro: 5m
    labels: {__name__: x, "": y}
    annotations:
      summary: |
        first line
        {{ bad }}
  - alert: A
    exp: up
  - expr: rate(hi)
  - record: x{a="b"}
    expr: >
      sum(foo)
      + bar(
    for: 1m
    annotations: {a: b}
  - record: a
    alert: b
    expr: ""
  -
- name: g
- rules: [5]
extra: 1
"#,
        &expect![[r#"
            Error f:4:13: field `interval`: not a valid duration string: "5" (a duration needs a unit: `5s` or `5m`)
            Error f:7:16: unexpected end of input
            Error f:8:5: unknown field `fro` in rule `A` (did you mean `for`?)
            Error f:9:14: invalid label name `__name__`
            Error f:9:27: invalid label name ``
            Error f:13:12: annotation `summary`: function "bad" not defined
            Error f:14:5: field `expr` must be set in a rule
            Error f:15:5: unknown field `exp` in rule `A` (did you mean `expr`?)
            Error f:16:5: one of `record` or `alert` must be set
            Error f:16:16: expected type range vector in call to function "rate", got instant vector (add a range, such as `[5m]`)
            Error f:17:13: braces in the name of the recorded series `x{a="b"}` (a selector belongs in `expr`, labels belong in `labels`)
            Error f:20:12: unclosed left parenthesis
            Error f:21:10: a recording rule has no `for`
            Error f:22:19: a recording rule has no `annotations`
            Error f:24:12: only one of `record` and `alert` may be set
            Error f:25:11: field `expr` must be set in a rule
            Warning f:26:4: an empty item is no rule, and left out
            Error f:27:9: group name `g` is repeated in the same file
            Error f:28:3: the group has no field `name`
            Error f:28:11: the rule must be a mapping, not a text
            Error f:29:1: unknown field `extra` in the rule file
        "#]],
    );
}

#[test]
fn a_text_that_an_alias_repeats_is_wrong_once() {
    check(
        "groups:\n- name: g\n  rules:\n  - {alert: A, expr: &e 'up =='}\n  - {alert: B, expr: *e}\n",
        &expect![[r#"
            Error f:4:31: unexpected end of input
        "#]],
    );
}

#[test]
fn fields_of_other_rulers() {
    check(
        r"
groups:
- name: g
  type: prometheus
  eval_delay: 30s
  eval_alignment: true
  concurrency: 4
  debug: true
  align_evaluation_time_on_interval: false
  rules: [{alert: A, expr: 1, debug: true, update_entries_limit: 40}]
",
        &expect![[r#"
            group g offset=30s
              10:19 A: 1
        "#]],
    );
    check(
        r"
groups:
- name: g
  type: graphite
  query_offset: 1m
  eval_delay: 30s
  eval_offset: 10s
  eval_alignment: false
  params: {a: [b]}
  headers: ['a: b']
  notifier_headers: ['a: b']
  tenant: 1:2
  source_tenants: [a]
  align_evaluation_time_on_interval: true
  partial_response_strategy: never
  limit: -1
",
        &expect![[r#"
            Error f:4:9: groups of type `graphite` are not supported
            Error f:6:15: field `eval_delay` says the same as `query_offset`: set one of them
            Error f:7:3: field `eval_offset` in the group is not supported: the offset in the interval follows from the group's name
            Error f:8:19: field `eval_alignment` cannot be false: evaluations are always aligned to the interval
            Error f:9:3: field `params` in the group is not supported: what requests carry is set at the data source
            Error f:10:3: field `headers` in the group is not supported: what requests carry is set at the data source
            Error f:11:3: field `notifier_headers` in the group is not supported: alerts go to receivers, which have headers of their own
            Error f:12:3: field `tenant` in the group is not supported: a tenant is a data source of its own
            Error f:13:3: field `source_tenants` in the group is not supported: a tenant is a data source of its own
            Error f:14:38: field `align_evaluation_time_on_interval` cannot be true: evaluations are aligned to the interval with an offset that spreads the groups
            Error f:15:30: field `partial_response_strategy` must be `abort` or `warn`, not `never`
            Warning f:16:10: a limit of -1 is read as 0
        "#]],
    );
}

#[test]
fn opaque_expressions_are_not_looked_into() {
    let options = LoadOptions {
        dialect: Dialect::Opaque,
        ..LoadOptions::default()
    };
    check_with(
        "groups: [{name: g, rules: [{alert: A, expr: '_time:5m | stats count()'}]}]\n",
        options,
        &expect![[r#"
            group g
              1:36 A: _time:5m | stats count()
        "#]],
    );
}

#[test]
fn what_can_never_be_evaluated_is_a_warning() {
    check(
        "groups: [{name: g, rules: [{alert: A, expr: 'foo[5m]'}, {alert: B, expr: '\"x\"'}]}]\n",
        &expect![[r#"
            group g
              1:36 A: foo[5m]
              1:65 B: "x"
            Warning f:1:46: the expression is a range vector: a rule needs an instant vector or a scalar, and every evaluation of this one will fail
            Warning f:1:75: the expression is a string: a rule needs an instant vector or a scalar, and every evaluation of this one will fail
        "#]],
    );
}

#[test]
fn definitions_are_equal_wherever_they_stand() {
    let text = "groups: [{name: g, rules: [{alert: A, expr: up == 0, labels: {a: b}}]}]\n";
    let load = |text: &str| load(&SourceText::new("f", text), &LoadOptions::default());
    assert_eq!(load(text), load(&format!("# moved\n\n{text}")));
    assert_ne!(load(text), load(&text.replace("up", "down")));
    assert_ne!(load(text), load(&text.replace("a: b", "a: c")));
}

#[test]
fn a_stored_rule_is_restored() {
    let text = "groups: [{name: g, rules: [{alert: A, expr: up == 0, for: 5m, keep_firing_for: 1m, \
                labels: {a: b}, annotations: {s: '{{ $value }}'}}]}]\n";
    let file = load(&SourceText::new("f", text), &LoadOptions::default()).expect("is good");
    let Rule::Alerting(rule) = &file.groups[0].rules[0] else {
        panic!("an alerting rule");
    };
    let stored = StoredRule::from(rule.as_ref());
    let json = serde_json::to_string(&stored).expect("can be written");
    let read: StoredRule = serde_json::from_str(&json).expect("can be read");
    assert_eq!(read, stored);
    assert_eq!(read.restore().expect("is good"), **rule);
}

/// What promtool 3.5.3 says of small files, and where this is meant to differ.
#[test]
fn verdicts_of_promtool() {
    const RULE: &str = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n";
    let with = |more: &str| format!("{RULE}    {more}\n");
    let group = |more: &str| format!("groups:\n- name: g\n  {more}\n");
    let good = [
        String::new(),
        "---\n".to_owned(),
        "~\n".to_owned(),
        "groups:\n-\n".to_owned(),
        format!("\u{feff}{RULE}"),
        RULE.replace('\n', "\r\n"),
        format!("{RULE}...\n"),
        format!("%YAML 1.1\n---\n{RULE}"),
        group("rules:"),
        group("rules: [~]"),
        group("rules: [{alert: 5, expr: 1_0}]"),
        group("rules: [&r {alert: A, expr: up}, {<<: *r, alert: B}]"),
        group("rules: [&r {alert: A, expr: up}, {<<: [*r], alert: B}]"),
        group("rules: [{record: a, expr: up, for: 0s, annotations: {}}]"),
        group("rules: [{record: a b ü, expr: up}]"),
        group("limit: 010"),
        group("limit: 1.5"),
        group("limit: 1e3"),
        group("limit: -1"),
        group("limit: 0x1F"),
        group("limit: ~"),
        group("interval: 0s"),
        with("labels:"),
        with("labels: {a: ~, b: null, c: }"),
        with("labels: {a: yes, b: 500, c: 1.0, d: 0x1F, e: 012, f: 2020-01-01}"),
        with("labels: {a: !!str 5, b: !!int \"5\", c: !foo bar}"),
        with("labels: {\"a b\": b, c: \"x\\x41\", d: 'it''s'}"),
        with("labels: {a:b}"),
        with("labels: {\"a\":\"b\"}"),
        with("labels: {a: b,}"),
        with("annotations: {__name__: b}"),
        with("for: 0"),
        with("for:"),
        RULE.replace(": up", ": up[5m]"),
        RULE.replace(": up", ": up # comment"),
        RULE.replace(": up", ": up\n      == 0"),
    ];
    let bad = [
        "- a\n".to_owned(),
        "hello\n".to_owned(),
        "Groups: []\n".to_owned(),
        "groups: a\n".to_owned(),
        "groups: {a: b}\n".to_owned(),
        "groups: []\ngroups: []\n".to_owned(),
        "groups: &g [*g]\n".to_owned(),
        "groups: [{name: }]\n".to_owned(),
        "groups: [{name: ''}]\n".to_owned(),
        "groups: [{rules: []}]\n".to_owned(),
        group("limit: '5'"),
        group("limit: true"),
        group("query_offset: -1m"),
        group("labels: {__name__: x}"),
        group("rules: [{alert: [A], expr: up}]"),
        group("rules: [{alert: , expr: up}]"),
        group("rules: [{'<<': {alert: A}, expr: up}]"),
        with("expr: down"),
        with("labels: {a: b, a: c}"),
        with("labels: [a]"),
        with("labels: a"),
        with("labels: {a: [b]}"),
        with("labels: {a: *x}"),
        with("labels: {'': b}"),
        with("labels: {? [a] : b}"),
        with("annotations: {'': b}"),
        with("annotations: {a: '{{ $foo }}'}"),
        with("annotations: {a: '{{ if }}'}"),
        with("annotations: {a: @x}"),
        with("for: 5"),
        with("for: -5m"),
        with("for: 1.5h"),
        with("for: ''"),
        with("for: [5m]"),
        format!("{RULE}\texpr: up\n"),
        // Prometheus reads no document but the first.
        format!("{RULE}---\nfoo: bar\n"),
    ];
    let load = |text: &str| load(&SourceText::new("f", text), &LoadOptions::default());
    for text in good {
        assert!(load(&text).is_ok(), "{text}\n{:?}", load(&text));
    }
    for text in bad {
        assert!(load(&text).is_err(), "{text}");
    }
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files_below(&path, files);
        } else if path
            .extension()
            .is_some_and(|ext| ext == "yml" || ext == "yaml")
        {
            files.push(path);
        }
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the files stand beside the project"
)]
fn files_of_other_projects() {
    let Some(folder) = folder("rules") else {
        return;
    };
    let mut files = Vec::new();
    files_below(&folder, &mut files);
    assert!(files.len() > 60, "{} files", files.len());
    let mut bad = String::new();
    for path in files {
        let name = path
            .strip_prefix(&folder)
            .expect("is below")
            .display()
            .to_string();
        let text = std::fs::read_to_string(&path).expect("can be read");
        let source = SourceText::new(name.clone(), text);
        let result = load(&source, &LoadOptions::default());
        if name.ends_with(".bad.yaml") {
            bad.push_str(&name[..name.len() - ".bad.yaml".len()]);
            bad.push('\n');
            bad.push_str(&shown(&result, &source).replace(&format!("{name}:"), ""));
        } else {
            assert!(result.is_ok(), "{}", shown(&result, &source));
        }
    }
    expect![[r#"
        rulefmt/bad_expr
        Error 5:20: expected type range vector in call to function "rate", got instant vector (add a range, such as `[5m]`)
        rulefmt/bad_field
        Error 8:9: unknown field `annotation` in rule `hola` (did you mean `annotations`?)
        rulefmt/duplicate_grp
        Error 3:11: group name `yolo` is repeated in the same file
        rulefmt/invalid_label_name
        Error 7:11: invalid label name `__name__`
        rulefmt/invalid_record_name
        Error 4:17: braces in the name of the recorded series `strawberry{flavor="sweet"}` (a selector belongs in `expr`, labels belong in `labels`)
        rulefmt/legacy_validation_annotation
        group yolo
          4:16 hola: 1 ins-tance="localhost"
        rulefmt/no_rec_alert
        Error 4:9: one of `record` or `alert` must be set
        rulefmt/noexpr
        Error 4:9: field `expr` must be set in a rule
        rulefmt/record_and_alert
        Error 5:16: only one of `record` and `alert` may be set
        rulefmt/record_and_for
        Error 6:14: a recording rule has no `for`
        rulefmt/record_and_keep_firing_for
        Error 6:26: a recording rule has no `keep_firing_for`
    "#]].assert_eq(&bad);
}
