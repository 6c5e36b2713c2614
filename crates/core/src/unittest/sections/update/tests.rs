use std::sync::Arc;

use expect_test::{Expect, expect};
use stentor_lang::model::{Duration, SourceText};

use super::*;
use crate::config;
use crate::rulefile::{self, LoadOptions, RuleGroup};
use crate::unittest::{
    DEFAULT_SYNTAX, Goldens, Options, Outcome, Production, Seen, Sight, Watch, load, run,
};

const RULES: &str = r#"
groups:
- name: g
  interval: 30s
  rules:
  - {record: "job:up", expr: up}
  - {alert: Down, expr: "job:up == 0", for: 1m, labels: {severity: critical}}
  - {alert: Down, expr: "up == 0", for: 10m, labels: {severity: "yes"}}
  - {alert: Other, expr: other > 0}
"#;

const ROUTES: &str = r#"
route:
  receiver: slack
  group_by: [alertname]
  routes:
  - {matchers: [severity="critical"], receiver: "on call", group_wait: 0s, group_interval: 1m}
receivers:
- name: on call
  pagerduty_configs: [{routing_key: k}]
- name: slack
  webhook_configs: [{url: "http://a.example/"}, {url: "http://b.example/"}]
"#;

/// Runs the tests of a file, and hands out what each brought about.
fn outcomes(text: &str) -> Vec<(Update, Outcome, Seen)> {
    let source = SourceText::new("t.yml", text);
    let file = load(&source, DEFAULT_SYNTAX).expect("a good test file");
    let rules = rulefile::load(&SourceText::new("r.yml", RULES), &LoadOptions::default());
    let groups = rules.expect("good rules").groups.into_iter().map(Arc::new);
    let groups: Vec<Arc<RuleGroup>> = groups.collect();
    let routing = config::load_alertmanager(&SourceText::new("a.yml", ROUTES));
    let (routing, _) = routing.expect("good routes");
    let production = Production::of_alertmanager(routing);
    let given = Given {
        groups: &groups,
        production: Some(&production),
        files: None,
        goldens: &Goldens::new(),
    };
    let options = Options {
        evaluation_interval: Duration::from_mins(1),
        fuzzy_compare: false,
        delayed_name_removal: false,
        full_diff: false,
    };
    let outcome = |test| {
        let mut watch = Watch::new(test, &given);
        let outcome = run(test, &given, options, &mut watch);
        let timeline = outcome.timeline.as_ref().expect("the test was run");
        (update(test, &given, timeline), outcome, watch.seen())
    };
    file.tests.iter().map(outcome).collect()
}

/// A file after its update, which holds, and which another update leaves alone.
#[track_caller]
fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&updated(text));
}

#[track_caller]
fn updated(text: &str) -> String {
    let updates = outcomes(text);
    let lists: Vec<&NewList> = updates.iter().flat_map(|(u, ..)| &u.lists).collect();
    let new = rewrite(text, &lists).expect("it can be written");
    for (update, outcome, _) in outcomes(&new) {
        assert_eq!(update.lists, [], "a second update");
        let failures: Vec<&str> = outcome.failures.iter().map(|f| &*f.message).collect();
        assert!(
            failures.iter().all(|why| why.contains("golden")),
            "{failures:?}"
        );
    }
    new
}

#[test]
fn lists_are_written_as_the_run_has_them() {
    check(
        "# a comment
tests:
- name: 'empty'   # stays
  input_series:
  - {series: 'up{i=\"a\"}', values: '1 1 0x4 1x9'}
  - {series: 'up{i=\"b\"}', values: '1 1 0x20'}
  timeline_test: [] # as well
  notification_test: []
  detection_test: []
- name: wrong
  input_series: [{series: 'up{i=\"a\"}', values: '1 1 0x4 1x9'}]
  notification_test:   # of pages
    # and of nothing else
    - receiver: on call
      at: 2m
      status: firing
      alerts: 2
      reason: new alerts added
      body: golden/page.json
    # lost
    - {receiver: slack, at: 1m, status: firing, alerts: 1}
  timeline_test:
    - {alertname: Down, labels: {severity: critical}, firing: 1m}
    - {alertname: Other}
    - {alertname: Other, labels: {a: b}, firing: 1m}
",
        &expect![[r##"
            # a comment
            tests:
            - name: 'empty'   # stays
              input_series:
              - {series: 'up{i="a"}', values: '1 1 0x4 1x9'}
              - {series: 'up{i="b"}', values: '1 1 0x20'}
              timeline_test:
                - {alertname: Down, labels: {i: a, severity: 'yes'}, pending: 2m, resolved: 7m}
                - {alertname: Down, labels: {i: b, severity: critical}, pending: 2m, firing: 3m}
                - {alertname: Down, labels: {i: a, severity: critical}, pending: 2m, firing: 3m, resolved: 7m}
                - {alertname: Down, labels: {i: b, severity: 'yes'}, pending: 2m, firing: 12m} # as well
              notification_test:
                - {receiver: 'on call', at: 3m, status: firing, alerts: 2, labels: {alertname: Down}}
                - {receiver: 'on call', at: 7m, status: firing, alerts: 2, labels: {alertname: Down}}
                - {receiver: slack, at: 12m30s, status: firing, alerts: 1, integration: 'webhook[0]', labels: {alertname: Down}}
                - {receiver: slack, at: 12m30s, status: firing, alerts: 1, integration: 'webhook[1]', labels: {alertname: Down}}
              detection_test: []
            - name: wrong
              input_series: [{series: 'up{i="a"}', values: '1 1 0x4 1x9'}]
              notification_test:   # of pages
                # and of nothing else
                - {receiver: 'on call', at: 3m, status: firing, alerts: 1, reason: first notification, body: golden/page.json}
                - {receiver: 'on call', at: 7m, status: resolved, alerts: 1, labels: {alertname: Down}}
                - {receiver: slack}
              timeline_test:
                - {alertname: Down, labels: {severity: critical}, pending: 2m, firing: 3m, resolved: 7m}
                - {alertname: Other}
                - {alertname: Other, labels: {a: b}}
        "##]],
    );
}

#[test]
fn a_list_may_stand_as_far_left_as_its_name() {
    let bom = "\u{feff}";
    let old = "{alertname: Down,\r\n    labels: {severity: critical}}";
    let text = format!(
        "{bom}tests:\r\n- input_series: [{{series: up, values: '0x2'}}]\r\n  timeline_test:\r\n  # a comment\r\n  - {old}\r\n# end"
    );
    let new = "{alertname: Down, labels: {severity: critical}, pending: 0s, firing: 1m}";
    assert_eq!(updated(&text), text.replace(old, new));
}

#[test]
fn lists_inside_braces_stay_there() {
    check(
        r#"{"tests": [
  {"input_series": [{"series": "up", "values": "0x2"}], "timeline_test":
    [], "until": "2m"}
]}
"#,
        &expect![[r#"
            {"tests": [
              {"input_series": [{"series": "up", "values": "0x2"}], "timeline_test":
                [{alertname: Down, labels: {severity: 'yes'}, pending: 0s}, {alertname: Down, labels: {severity: critical}, pending: 0s, firing: 1m}], "until": "2m"}
            ]}
        "#]],
    );
}

#[test]
fn what_is_right_or_for_its_writer_to_mend_stays() {
    let same = |text: &str| {
        for (update, ..) in outcomes(text) {
            assert_eq!(update.lists, []);
        }
    };
    same(
        r"
tests:
- input_series: [{series: up, values: '0x1'}]
  timeline_test: [{alertname: Down, labels: {severity: critical}, pending: 0s, firing: 1m}]
  notification_test: [{receiver: on call, at: 1m, status: firing, alerts: 1}]
- input_series: [{series: up, values: '0x1'}]
  timeline_test: [{alertname: Dwon, firing: 1m}]
  notification_test: [{receiver: oncall, at: 1m, status: firing, alerts: 1}]
",
    );
}

#[test]
fn an_alias_is_not_written() {
    let text = "
tests:
- {input_series: [{series: up, values: '0x1'}], timeline_test: &a []}
- {input_series: [{series: up, values: '0x1'}], timeline_test: *a}
";
    for (update, ..) in outcomes(text) {
        let why = rewrite(text, &[&update.lists[0]]).expect_err("it has an anchor");
        assert!(why.contains("is an alias"), "{why}");
    }
}

#[test]
fn goldens_are_those_of_the_same_notification() {
    let [(update, ..)] = &outcomes(
        r"
tests:
- input_series: [{series: up, values: '0x4 1x2'}]
  notification_test:
  - {receiver: on call, at: 1m, status: firing, alerts: 1, body: a.json}
  - {receiver: on call, at: 1m, status: resolved, alerts: 1, body: b.json}
",
    )[..] else {
        panic!("one test");
    };
    let goldens: Vec<(&str, bool)> = update
        .goldens
        .iter()
        .map(|(path, text)| (&**path, text.contains("\"event_action\": \"trigger\"")))
        .collect();
    assert_eq!(goldens, [("a.json", true), ("b.json", false)]);
    assert_eq!(update.lists.len(), 1);
}

#[test]
fn texts_are_quoted_where_they_need_it() {
    let check = |text: &str, expected: &str| assert_eq!(scalar(text), expected);
    check("golden/a-b.json", "golden/a-b.json");
    check("NO", "'NO'");
    check("1006", "'1006'");
    check("1e3", "'1e3'");
    check("3d", "3d");
    check("", "''");
    check("it's, {a}", "'it''s, {a}'");
    check("a\n\"b\"", "\"a\\u000a\\\"b\\\"\"");
}

#[test]
fn what_is_seen() {
    let seen = |series: &str, until: &str| {
        let text = format!(
            "tests:\n- {{input_series: [{series}], until: {until}, timeline_test: [], notification_test: []}}\n"
        );
        let (_, _, seen) = outcomes(&text).remove(0);
        let rules = seen.rules.into_iter();
        let rules: Vec<(usize, Sight)> = rules.map(|((_, at), sight)| (at.line, sight)).collect();
        (rules, seen.routes.into_iter().collect::<Vec<usize>>())
    };
    let (quiet, pending, fired) = (Sight::Quiet, Sight::Pending, Sight::Fired);
    assert_eq!(seen("", "5m"), (vec![], vec![]));
    assert_eq!(
        seen("{series: up, values: '1x9'}", "5m"),
        (vec![(7, quiet), (8, quiet)], vec![])
    );
    assert_eq!(
        seen("{series: up, values: '0x20'}", "5m"),
        (vec![(7, fired), (8, pending)], vec![1])
    );
    assert_eq!(
        seen("{series: other, values: '1'}", "5m"),
        (vec![(9, fired)], vec![0])
    );
}
