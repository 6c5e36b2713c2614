use std::fmt::Write as _;
use std::sync::Arc;

use expect_test::{Expect, expect};
use stentor_lang::model::{Diagnostic, SourceText};

use super::*;
use crate::rulefile::{self, LoadOptions};

const RULES: &str = r#"
groups:
- name: g
  interval: 7m
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
  - alert: Down
    expr: up == 0
    for: 2m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.instance }} is down at {{ $externalURL }}", empty: ""}
"#;

const SERIES: &str = r#"
  external_url: http://p
  input_series:
  - {series: 'up{job="a", instance="1"}', values: '1 0x9'}
  - {series: 'up{job="a", instance="2"}', values: '1 1 0x8'}
"#;

fn shown(source: &SourceText, found: &[Diagnostic]) -> String {
    let mut text = String::new();
    for found in found {
        let _ = writeln!(text, "{} [{}]", found.one_line(source), found.code);
        if let Some(hint) = &found.hint {
            let _ = writeln!(text, "help: {hint}");
        }
    }
    text
}

fn run_file(text: &str) -> String {
    let source = SourceText::new("t.yml", text);
    let file = match load(&source, DEFAULT_SYNTAX) {
        Ok(file) => file,
        Err(found) => return shown(&source, &found),
    };
    let rules = rulefile::load(&SourceText::new("r.yml", RULES), &LoadOptions::default());
    let mut groups: Vec<Arc<RuleGroup>> = rules
        .expect("good rules")
        .groups
        .into_iter()
        .map(Arc::new)
        .collect();
    file.order(&mut groups);
    let mut text = shown(&source, &file.warnings);
    for test in &file.tests {
        let options = Options {
            evaluation_interval: file.evaluation_interval,
            fuzzy_compare: file.fuzzy_compare,
            delayed_name_removal: false,
            full_diff: false,
        };
        let given = Given {
            groups: &groups,
            production: None,
            files: None,
            goldens: &Goldens::new(),
        };
        text += &shown(&source, &run(test, &given, options, &mut ()).failures);
    }
    text
}

#[track_caller]
fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&run_file(text));
}

/// A file with one test over [`SERIES`].
#[track_caller]
fn check_test(test: &str, expected: &Expect) {
    check(&format!("tests:\n- name: t{SERIES}{test}"), expected);
}

#[test]
fn what_is_as_expected_says_nothing() {
    check_test(
        r#"
  alert_rule_test:
  - {eval_time: 2m59s, alertname: Down}
  - eval_time: 3m
    alertname: Down
    exp_alerts:
    - exp_labels: {job: a, instance: 1, severity: page, alertname: another}
      exp_annotations: {summary: "1 is down at http://p", empty: ""}
  - {eval_time: 9m, alertname: Nobody, exp_alerts: []}
  promql_expr_test:
  - {expr: job:up:sum, eval_time: 1m30s, exp_samples: [{labels: 'job:up:sum{job="a"}', value: 1}]}
  - {expr: 'up offset -1m', eval_time: 9m, exp_samples: []}
  - {expr: 1 + 1, exp_samples: [{value: 2}]}
  - expr: ALERTS
    eval_time: 3m
    exp_samples:
    - {labels: 'ALERTS{alertname="Down",alertstate="firing",instance="1",job="a",severity="page"}', value: 1}
    - {labels: 'ALERTS{alertname="Down",alertstate="pending",instance="2",job="a",severity="page"}', value: 1}
"#,
        &expect![[r#"
            t.yml:18:12: the expression at 9m does not give what is expected: 2 unexpected
            + {__name__="up", instance="1", job="a"} 0
            + {__name__="up", instance="2", job="a"} 0 [test/expr]
        "#]],
    );
}

#[test]
fn what_differs_is_shown() {
    check_test(
        r#"
  alert_rule_test:
  - eval_time: 4m
    alertname: Down
    exp_alerts:
    - exp_labels: {job: a, instance: 1, severity: ticket}
      exp_annotations: {summary: "1 is down at http://p", empty: ""}
    - exp_labels: {job: z}
  - {eval_time: 1m, alertname: Down, exp_alerts: [{exp_labels: {job: a}}]}
  - {eval_time: 1m, alertname: Dwn, exp_alerts: [{}]}
  promql_expr_test:
  - {expr: up, eval_time: 0, exp_samples: [{labels: 'up{job="a", instance="1"}', value: 2}, {labels: 'up{job="b"}'}]}
  - {expr: vector(NaN), exp_samples: [{value: .nan}]}
  - {expr: 'up[5m]', exp_samples: []}
  - {expr: 'sum(up)', exp_samples: [{labels: '{a=""}', value: 2}]}
"#,
        &expect![[r#"
            t.yml:15:32: alert `Down` at 1m is not as expected: 1 missing
            - {alertname="Down", job="a"} [test/alert]
            help: {alertname="Down", instance="1", job="a", severity="page"} is pending since 1m, not firing
            t.yml:16:32: alert `Dwn` at 1m is not as expected: 1 missing
            - {alertname="Dwn"} [test/alert]
            help: no alerting rule has that name
            t.yml:10:16: alert `Down` at 4m is not as expected: 1 missing, 1 unexpected, 1 different
              {alertname="Down", instance="1", job="a"}
            -     severity="ticket"
            +     severity="page"
            - {alertname="Down", job="z"}
            + {alertname="Down", instance="2", job="a", severity="page"}
            +     empty=""
            +     summary="2 is down at http://p" [test/alert]
            t.yml:18:12: the expression at 0s does not give what is expected: 1 missing, 1 unexpected, 1 different
              {__name__="up", instance="1", job="a"}
            -     2
            +     1
            - {__name__="up", job="b"} 0
            + {__name__="up", instance="2", job="a"} 1 [test/expr]
            t.yml:19:12: the expression at 0s does not give what is expected: 1 different
              {}
            -     NaN (equals nothing, not even NaN)
            +     NaN [test/expr]
            t.yml:20:12: the expression fails at 0s: rule result is not a vector or scalar [test/expr]
            t.yml:21:12: the expression at 0s does not give what is expected: 1 missing, 1 unexpected
            - {a=""} 2
            + {} 2 [test/expr]
        "#]],
    );
}

#[test]
fn a_test_that_cannot_run_says_all_that_is_wrong_with_it() {
    check(
        r#"
tests:
- input_series:
  - {series: 'a{', values: 1}
  - series: b
    values: '1 2 3x'
  promql_expr_test:
  - {expr: 'sum(', exp_samples: [{labels: '{'}, {histogram: '{{schema:x}}'}, {histogram: 1}]}
  - {expr: 'limitk(1, a)'}
  - {eval_time: 1m}
  alert_rule_test:
  - {eval_time: 1m}
"#,
        &expect![[r#"
            t.yml:4:28: unexpected character inside braces: '1' [promql/syntax]
            t.yml:6:20: unexpected the end in series values, expected how often [promql/series]
            t.yml:12:6: the test of an alert at 1m misses field `alertname` [test/file]
            t.yml:8:45: unexpected end of input inside braces [promql/syntax]
            t.yml:8:71: unexpected "x" in series values, expected how often [promql/series]
            t.yml:8:90: expected a histogram, got a number [test/file]
            t.yml:8:16: unclosed left parenthesis [promql/syntax]
            t.yml:9:13: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions [promql/experimental]
            t.yml:10:6: the test of an expression has no field `expr` [test/file]
        "#]],
    );
}

#[test]
fn a_file_of_the_wrong_form_is_refused_whole() {
    check(
        r#"
rule_file: a.yml
evaluation_interval: 1
group_eval_order: [a, b, a]
config_file: stentor.yml
tests:
- start_timestamp: yesterday
  input_files: [{exp: up, file: a.json}, '']
  alert_rule_test:
  - {eval_time: 1m, alertname: A, exp_alert: []}
  promql_expr_test:
  - {expr: 1, exp_samples: [{value: "1"}]}
- name: b
  name: b
- 5
"#,
        &expect![[r#"
            t.yml:2:1: unknown field `rule_file` in the test file [yaml/unknown-field]
            help: did you mean `rule_files`?
            t.yml:3:22: field `evaluation_interval`: not a valid duration string: "1" [yaml/duration]
            help: a duration needs a unit: `1s` or `1m`
            t.yml:4:26: group name `a` is repeated in `group_eval_order` [test/file]
            t.yml:7:20: field `start_timestamp` must be seconds since 1970 or such as `2026-01-31T12:00:00Z`, not `yesterday` [test/file]
            t.yml:8:18: the input file has no field `expr` [yaml/missing]
            t.yml:8:18: unknown field `exp` in the input file [yaml/unknown-field]
            help: did you mean `expr`?
            t.yml:8:42: an input file is named by its path [test/file]
            t.yml:10:35: unknown field `exp_alert` in the test of an alert [yaml/unknown-field]
            help: did you mean `exp_alerts`?
            t.yml:12:37: field `value` must be a number, not `1` [yaml/type]
            t.yml:14:3: key `name` is already set in line 13 [yaml/duplicate-key]
            help: a key may stand only once in a mapping: remove one of the two
            t.yml:15:3: the test must be a mapping, not a text [yaml/type]
        "#]],
    );
}

#[test]
fn series_end_at_a_blank_line_as_promtools_do() {
    check(
        r#"
tests:
- input_series:
  - series: a
    values: |
      1 2 3
  - {series: b, values: 5x5}
  promql_expr_test:
  - {expr: 'a or b', eval_time: 0, exp_samples: [{labels: a, value: 1}]}
"#,
        &expect![[r#"
            t.yml:4:5: a blank line, or one that begins with `#`: promtool reads no series after it [test/file]
        "#]],
    );
}

#[test]
fn hostile_files_end_soon() {
    check(
        r#"
tests:
- {name: endless, promql_expr_test: [{expr: 1, eval_time: 290y}]}
- name: many samples
  interval: 1ms
  input_series: [{series: a, values: 0x100000000000}, {series: b, values: 0x100000000000}]
  promql_expr_test: [{expr: a, eval_time: 1d}]
- name: lazy
  input_series: [{series: a, values: 0x100000000000}]
  promql_expr_test: [{expr: a, exp_samples: [{labels: a, value: 0}]}]
- name: no histogram
  input_series: [{series: h, values: '{{count:1 sum:1 buckets:[-1]}}'}]
"#,
        &expect![[r#"
            t.yml:3:10: the test takes 152424000 evaluations, more than 10000000 [test/limit]
            t.yml:4:9: the series of the test have more than 100000000 samples, of which a histogram counts as many [test/limit]
            t.yml:11:9: series {__name__="h"}: histogram at position 0: positive side: bucket number 1 has observation count of -1: histogram has a bucket whose observation count is negative [test/histogram]
        "#]],
    );
}

#[test]
fn start_timestamps_are_seconds_or_rfc_3339() {
    for (text, seconds) in [
        ("0", "0"),
        ("1609459200", "1609459200"),
        ("1609459200.5", "1609459200.5"),
        ("'2024-01-01T00:00:00Z'", "1704067200"),
        ("2024-01-01T01:00:00+01:00", "1704067200"),
        ("-60", "-60"),
    ] {
        check(
            &format!(
                "tests: [{{start_timestamp: {text}, promql_expr_test: [{{expr: time(), exp_samples: [{{value: {seconds}}}]}}]}}]"
            ),
            &expect![""],
        );
    }
}

#[test]
fn a_series_has_labels() {
    check(
        r#"
tests:
- input_series:
  - {series: a, values: 1}
  - {series: '{}', values: 1}
"#,
        &expect![[r#"
            t.yml:5:14: empty labelset: a series needs a name or another label [test/file]
        "#]],
    );
}
