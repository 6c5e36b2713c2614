use expect_test::{Expect, expect};
use stentor_lang::model::{Duration, SourceText};
use stentor_lang::yaml;

use super::{LintOptions, lint};
use crate::rulefile::{LoadOptions, load_documents};

/// What all lints find in rules; the notes about recording rules are left out, they have a test of their own.
#[track_caller]
fn found(text: &str, disabled: &[&str]) -> String {
    let source = SourceText::new("f", text);
    let parsed = yaml::parse(text);
    let file = load_documents(&source, &parsed, &LoadOptions::default()).expect("is good");
    let options = LintOptions {
        interval: Some(Duration::from_secs(30)),
        disabled: disabled.iter().map(|&name| name.to_owned()).collect(),
    };
    let findings = lint(&source, &parsed, &file, &options, Vec::new());
    let lines = findings.iter().map(|finding| {
        let at = &text[finding.span.start..finding.span.end];
        format!("{} {} [{at}]\n", finding.code, finding.one_line(&source))
    });
    lines.collect()
}

#[track_caller]
fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&found(text, &["recording"]));
}

/// One rule with this expression.
#[track_caller]
fn expr(expr: &str, expected: &Expect) {
    check(
        &format!("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |\n      {expr}\n"),
        expected,
    );
}

#[test]
fn rules_that_say_the_same_twice() {
    check(
        "groups:\n- name: g\n  labels: {team: a}\n  rules:\n  - {alert: A, expr: x > 1}\n  - {alert: A, expr: x > 2}\n  \
         - {alert: A, expr: x > 2, labels: {team: b}}\n- name: h\n  rules:\n  - {alert: A, expr: x > 3, labels: {team: a}}\n",
        &expect![[r#"
            check/duplicate-rule f:6:13: rule `A` repeats the name and labels of the rule at f:5:13 [A]
            check/duplicate-rule f:10:13: rule `A` repeats the name and labels of the rule at f:5:13 [A]
        "#]],
    );
}

#[test]
fn recording_rules_are_named() {
    let text = "groups: [{name: g, rules: [{record: 'a:b', expr: 1}]}]\n";
    expect![[r#"
        check/recording f:1:37: recording rule `a:b` loads and is not evaluated here ['a:b']
    "#]]
    .assert_eq(&found(text, &[]));
}

#[test]
fn alerts_without_a_condition() {
    expr(
        "rate(errors[5m])",
        &expect![[r#"
        check/always f:6:7: the expression has no condition: the alert fires for every series it returns, whatever its value [rate(errors[5m])]
    "#]],
    );
    expr(
        "rate(errors[5m]) > bool 10",
        &expect![[r#"
        check/always f:6:24: `> bool` returns 0 or 1 and never nothing, so the alert always fires [> bool]
    "#]],
    );
    expr(
        "count(up) > 0",
        &expect![[r#"
        check/always f:6:7: the comparison is always true: the left side is never less than 1 [count(up) > 0]
    "#]],
    );
    expr(
        "rate(errors[5m]) < 0",
        &expect![[r#"
        check/always f:6:7: the comparison is never true: the left side is never less than 0 [rate(errors[5m]) < 0]
    "#]],
    );
    for good in [
        "rate(errors[5m]) > 0",
        "count(up == 0) > 0",
        "absent(up)",
        "vector(1)",
        "a unless b",
        "job:errors:rate5m",
        "sum(a) - sum(b) > 0",
        "min(x) < 0",
    ] {
        expr(good, &expect![[""]]);
    }
}

#[test]
fn quantiles_that_are_none() {
    expr(
        r#"avg by (job) (rpc_seconds{quantile="0.99"}) > 1"#,
        &expect![[r#"
            check/summary-quantile f:6:7: the avg of quantiles is no quantile [avg]
        "#]],
    );
    expr(r#"max(rpc_seconds{quantile="0.99"}) > 1"#, &expect![[""]]);
    expr(
        "histogram_quantile(0.9, sum by (job) (rate(x_bucket[5m]))) > 1",
        &expect![[r#"
            check/histogram-le f:6:31: `histogram_quantile` needs the label `le` of the buckets, and `sum` drops it [sum]
        "#]],
    );
    expr(
        "histogram_quantile(0.9, sum without (le) (rate(x_bucket[5m]))) > 1",
        &expect![[r#"
            check/histogram-le f:6:31: `histogram_quantile` needs the label `le` of the buckets, and `sum` drops it [sum]
        "#]],
    );
    for good in [
        "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m]))) > 1",
        "histogram_quantile(0.9, sum without (pod) (rate(x_bucket[5m]))) > 1",
        "histogram_quantile(0.9, sum by (job) (rate(native[5m]))) > 1",
        "histogram_quantile(0.9, rate(x_bucket[5m])) > 1",
    ] {
        expr(good, &expect![[""]]);
    }
}

#[test]
fn rates_of_what_is_no_counter() {
    expr(
        "rate(memory_usage_bytes[5m]) > 1",
        &expect![[r#"
        check/rate f:6:12: `rate` of `memory_usage_bytes`, which is a gauge by its name [memory_usage_bytes[5m]]
    "#]],
    );
    expr(
        "rate(sum by (job) (requests_total)[5m:]) > 1",
        &expect![[r#"
            check/rate f:6:12: `rate` of a sum: one restarting instance looks like a spike [sum]
        "#]],
    );
    expr(
        "rate(max by (job) (requests_total)[5m:]) > 1",
        &expect![[""]],
    );
    expr("deriv(memory_usage_bytes[5m]) > 1", &expect![[""]]);
}

#[test]
fn ranges_and_holds_that_are_too_short() {
    expr(
        "rate(x_total[45s]) > 1",
        &expect![[r#"
        check/range f:6:20: `rate` needs two samples, and 45s may hold one: samples are 30s apart [45s]
    "#]],
    );
    expr("rate(x_total[1m]) > 1", &expect![[""]]);
    check(
        "groups: [{name: g, interval: 5m, rules: [{alert: A, expr: 'rate(x_total[2m]) > 1', for: 2m}]}]",
        &expect![[r#"
            check/short-for f:1:89: `for` of 2m is shorter than the interval of 5m: the alert fires after 5m [2m]
        "#]],
    );
}

#[test]
fn templates() {
    let rule = |expr: &str, label: &str, annotation: &str| {
        format!(
            "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: {expr}\n    labels: {{a: '{label}'}}\n    annotations: {{b: '{annotation}'}}\n"
        )
    };
    check(
        &rule("x > 1", "{{ $value }}", "{{ $value }}"),
        &expect![[r#"
            check/value-label f:6:17: label `a` changes with the value: each change is another alert ['{{ $value }}']
        "#]],
    );
    check(
        &rule(
            "sum by (job) (x) > 1",
            "{{ $labels.job }}",
            "{{ $labels.instance }}",
        ),
        &expect![[r#"
            check/annotations f:7:22: annotation `b` uses the label `instance`, which the expression's result cannot have ['{{ $labels.instance }}']
        "#]],
    );
    check(
        &rule("sum(x) > 1", "", "{{ .Labels.job }}"),
        &expect![[r#"
        check/annotations f:7:22: annotation `b` uses the label `job`, which the expression's result cannot have ['{{ .Labels.job }}']
    "#]],
    );
    check(
        &rule("x > 1", "", "{{ $labels.job | humanize }} {{ .Nothing }}"),
        &expect![[r#"
            check/annotations f:7:22: annotation `b` fails: error executing template __alert_A: template: __alert_A:1:144: executing "__alert_A" at <.Nothing>: can't evaluate field Nothing in type struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} } ['{{ $labels.job | humanize }} {{ .Nothing }}']
        "#]],
    );
    check(
        &rule(
            "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m]))) > 1",
            "",
            "{{ $labels.le }}",
        ),
        &expect![[r#"
            check/annotations f:7:22: annotation `b` uses the label `le`, which the expression's result cannot have ['{{ $labels.le }}']
        "#]],
    );
    check(
        &rule(
            "x > 1",
            "",
            "{{ with query \"up\" }}{{ . | first | value }}{{ end }}",
        ),
        &expect![[""]],
    );
    check(
        &rule(
            "sum by (a) (x) / on (a) group_left (b) y > 1",
            "",
            "{{ $labels.a }}{{ $labels.b }}{{ $labels.c }}",
        ),
        &expect![[r#"
            check/annotations f:7:22: annotation `b` uses the label `c`, which the expression's result cannot have ['{{ $labels.a }}{{ $labels.b }}{{ $labels.c }}']
        "#]],
    );
}

#[test]
fn comments_switch_lints_off() {
    check(
        "# stentor: disable value-label: for all
groups:
- name: g
  rules:
  # stentor: disable always: on purpose
  - alert: A
    expr: x
    labels: {v: '{{ $value }}'}
  - alert: B
    # stentor: disable alway: no such lint
    expr: x
  - alert: C
    expr: x # stentor: disable always
# stentor: disable always, range: a group
- name: h
  rules:
  - {alert: D, expr: x}
  - {alert: E, expr: x}
",
        &expect![[r#"
            check/silence f:10:5: there is no lint `alway` [# stentor: disable alway: no such lint]
            check/always f:11:11: the expression has no condition: the alert fires for every series it returns, whatever its value [x]
            check/always f:13:11: the expression has no condition: the alert fires for every series it returns, whatever its value [x]
            check/silence f:13:13: the comment says not why the lint is switched off [# stentor: disable always]
        "#]],
    );
}
