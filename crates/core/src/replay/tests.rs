//! Rules over series in the notation of unit tests, told as timelines: what changes its phase, what
//! fails, and in the end what was written.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use expect_test::{Expect, expect};
use stentor_lang::model::{Duration, Labels, SourceText, Timestamp};
use stentor_lang::promql::notation::{Entry, parse_series};
use stentor_lang::promql::store::is_stale;

use super::*;
use crate::rulefile::{self, LoadOptions};

const MINUTE: Duration = Duration::from_mins(1);

fn groups(rules: &str) -> Vec<Arc<RuleGroup>> {
    let source = SourceText::new("rules.yml", rules);
    let file = rulefile::load(&source, &LoadOptions::default())
        .unwrap_or_else(|errors| panic!("{}", errors[0].one_line(&source)));
    file.groups.into_iter().map(Arc::new).collect()
}

/// A series a line, a value a minute.
fn store(input: &str) -> MemoryStore {
    let mut store = MemoryStore::default();
    for line in input.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let series = parse_series(line).unwrap_or_else(|errors| panic!("{errors:?}"));
        for (minute, entry) in (0..).zip(series.values.iter()) {
            let at = Timestamp::EPOCH + MINUTE.times(minute);
            match entry {
                Entry::Gap => {}
                Entry::Float(value) => store.push(&series.labels, at, value),
                Entry::Histogram(histogram, _) => {
                    store.push_histogram(&series.labels, at, histogram);
                }
            }
        }
    }
    store
}

fn options(schedule: Schedule) -> Options {
    Options {
        schedule,
        start: Timestamp::EPOCH,
        interval: MINUTE,
        query_offset: Duration::ZERO,
        datasource: Arc::new(Datasource {
            name: "replay".into(),
            external_labels: Labels::from_pairs([("region", "eu")]),
            external_url: "http://here/path".into(),
            url_functions: !matches!(schedule, Schedule::Promtool { .. }),
            opaque: false,
        }),
        external_url: "http://here/path".into(),
        eval: EvalOptions::default(),
        routing: None,
        end: None,
    }
}

const PROMTOOL: Schedule = Schedule::Promtool {
    evaluation_interval: MINUTE,
};

/// Keeps the phases' changes.
#[derive(Default)]
struct Log(String);

impl Observer for Log {
    fn event(&mut self, _: Timestamp, event: &Event) {
        if let Event::Transition {
            labels,
            from,
            to,
            at,
            ..
        } = event
        {
            let since = at.since(Timestamp::EPOCH);
            writeln!(self.0, "{since} {labels} {from} -> {to}").expect("a String takes all");
        }
    }
}

/// A series as it is written in tests, a value a minute.
fn line(labels: &Labels, samples: &stentor_lang::promql::store::Samples<'_>) -> String {
    let mut line = vec![labels.to_string()];
    let mut next = 0;
    for (index, at) in samples.times.iter().enumerate() {
        let minute = at / 60_000;
        for _ in next..minute {
            line.push("_".to_owned());
        }
        next = minute + 1;
        line.push(match samples.histogram(index) {
            Some(histogram) => format!("{{{{count:{}}}}}", histogram.count),
            None if is_stale(samples.values[index]) => "stale".to_owned(),
            None => samples.values[index].to_string(),
        });
    }
    line.join(" ")
}

fn told(mut run: Run, minutes: i64) -> String {
    let input: BTreeSet<Labels> = run
        .store()
        .iter()
        .map(|(labels, _)| labels.clone())
        .collect();
    let end = Timestamp::EPOCH + MINUTE.times(minutes);
    let mut log = Log::default();
    while run.now() < end || minutes == 0 {
        for error in run.advance(end, &mut log) {
            let since = error.at.since(Timestamp::EPOCH);
            writeln!(log.0, "{since} {}: {}", error.rule, error.message).expect("taken");
        }
        if minutes == 0 {
            break;
        }
    }
    let mut written: Vec<_> = run
        .store()
        .iter()
        .filter(|(labels, _)| !input.contains(*labels))
        .map(|(labels, samples)| line(labels, &samples))
        .collect();
    written.sort();
    log.0 + &written.join("\n") + "\n"
}

/// What happens is the same by blocks and slot by slot.
#[track_caller]
fn told_both_ways(
    groups: &[Arc<RuleGroup>],
    input: &str,
    schedule: Schedule,
    minutes: i64,
) -> String {
    let story = |end: Option<Timestamp>| {
        let options = Options {
            end,
            ..options(schedule)
        };
        told(Run::new(groups.to_vec(), store(input), options), minutes)
    };
    let slots = story(None);
    for end in [minutes / 3, minutes] {
        let blocks = story(Some(Timestamp::EPOCH + MINUTE.times(end)));
        assert_eq!(slots, blocks, "slot by slot, and by blocks up to {end}m");
    }
    slots
}

#[track_caller]
fn check(rules: &str, input: &str, minutes: i64, expected: &Expect) {
    expected.assert_eq(&told_both_ways(&groups(rules), input, PROMTOOL, minutes));
}

#[test]
fn a_chain_of_recording_rules_is_read_in_the_same_slot() {
    check(
        r"
groups:
- name: g
  labels: {team: a}
  rules:
  - record: second
    expr: first
  - record: first
    expr: in
    labels: {x: one, gone: ''}
  - record: third
    expr: first
  - record: fourth
    expr: third
",
        r#"in{gone="g", y="1"} 1 2 3 4"#,
        3,
        &expect![[r#"
            {__name__="first", team="a", x="one", y="1"} 1 2 3 4
            {__name__="fourth", team="a", x="one", y="1"} 1 2 3 4
            {__name__="second", team="a", x="one", y="1"} _ 1 2 3
            {__name__="third", team="a", x="one", y="1"} 1 2 3 4
        "#]],
    );
}

#[test]
fn a_series_that_a_rule_writes_no_more_ends_once() {
    check(
        r"
groups:
- name: g
  rules:
  - record: out
    expr: in
",
        "in{a=\"1\"} 1 stale _ 1 stale
         in{a=\"2\"} 1 1 1 1 1",
        5,
        &expect![[r#"
            {__name__="out", a="1"} 1 stale _ 1 stale
            {__name__="out", a="2"} 1 1 1 1 1 1
        "#]],
    );
}

#[test]
fn alerts_are_written_with_their_state_and_end_when_it_changes() {
    check(
        r"
groups:
- name: g
  rules:
  - alert: A
    expr: in
    for: 2m
    labels: {severity: page, empty: '{{ if false }}x{{ end }}'}
  - alert: B
    expr: ALERTS{alertname='A', alertstate='firing'}
    keep_firing_for: 2m
  - record: since
    expr: ALERTS_FOR_STATE{alertname='A'}
",
        "in 1 1 1 1 stale",
        8,
        &expect![[r#"
            0s {alertname="A", severity="page"} inactive -> pending
            2m {alertname="A", severity="page"} pending -> firing
            2m {alertname="B", alertstate="firing", empty="{{ if false }}x{{ end }}", severity="page"} inactive -> firing
            4m {alertname="A", severity="page"} firing -> inactive
            6m {alertname="B", alertstate="firing", empty="{{ if false }}x{{ end }}", severity="page"} firing -> inactive
            {__name__="ALERTS", alertname="A", alertstate="firing", empty="{{ if false }}x{{ end }}", severity="page"} _ _ 1 1 stale
            {__name__="ALERTS", alertname="A", alertstate="pending", empty="{{ if false }}x{{ end }}", severity="page"} 1 1 stale
            {__name__="ALERTS", alertname="B", alertstate="firing", empty="{{ if false }}x{{ end }}", severity="page"} _ _ 1 1 1 1 stale
            {__name__="ALERTS_FOR_STATE", alertname="A", empty="{{ if false }}x{{ end }}", severity="page"} 0 0 0 0 stale
            {__name__="ALERTS_FOR_STATE", alertname="B", alertstate="firing", empty="{{ if false }}x{{ end }}", severity="page"} _ _ 120 120 120 120 stale
            {__name__="since", alertname="A", empty="{{ if false }}x{{ end }}", severity="page"} 0 0 0 0 stale
        "#]],
    );
}

#[test]
fn groups_run_one_after_the_other_in_the_given_order() {
    let rules = r"
groups:
- name: late
  interval: 1h
  rules:
  - record: b
    expr: a
- name: early
  rules:
  - record: a
    expr: in
";
    let input = "in 1 2 3";
    check(
        rules,
        input,
        2,
        &expect![[r#"
        {__name__="a"} 1 2 3
        {__name__="b"} _ 1 2
    "#]],
    );
    let mut reversed = groups(rules);
    reversed.reverse();
    let told = told_both_ways(&reversed, input, PROMTOOL, 2);
    expect![[r#"
        {__name__="a"} 1 2 3
        {__name__="b"} 1 2 3
    "#]]
    .assert_eq(&told);
}

#[test]
fn production_slots_are_those_of_the_groups_intervals() {
    let rules = r"
groups:
- name: slow
  interval: 2m
  rules:
  - record: b
    expr: in
- name: offset
  query_offset: 1m
  rules:
  - record: c
    expr: in
";
    let told = told_both_ways(&groups(rules), "in 0 1 2 3 4", Schedule::Aligned, 4);
    expect![[r#"
        {__name__="b"} 0 _ 2 _ 4
        {__name__="c"} 0 1 2 3
    "#]]
    .assert_eq(&told);
}

#[test]
fn what_cannot_be_taken_is_the_rules_error() {
    check(
        r"
groups:
- name: g
  rules:
  - record: same
    expr: in
    labels: {a: x}
  - alert: Same
    expr: in
    labels: {a: x}
  - record: many
    expr: in
- name: limited
  limit: 1
  rules:
  - record: many
    expr: in
  - alert: Many
    expr: in
- name: conflicting
  rules:
  - record: in
    labels: {a: '1'}
    expr: other
",
        "in{a=\"1\"} 1
         in{a=\"2\"} 2
         other 3",
        0,
        &expect![[r#"
            0s {a="1", alertname="Many"} inactive -> firing
            0s same: vector contains metrics with the same labelset after applying rule labels: {__name__="same", a="x"}
            0s Same: two results of the expression become the same alert {a="x", alertname="Same"}: aggregate them, or keep the label that tells them apart
            0s many: exceeded limit of 1 with 2 series
            0s Many: exceeded limit of 1 with 2 alerts
            0s in: duplicate sample for timestamp 0; overrides not allowed: existing 1, new value 3
            {__name__="ALERTS", a="1", alertname="Many", alertstate="firing"} 1
            {__name__="ALERTS_FOR_STATE", a="1", alertname="Many"} 0
            {__name__="many", a="1"} 1
            {__name__="many", a="2"} 2
        "#]],
    );
}

#[test]
fn histograms_are_recorded() {
    check(
        r#"
groups:
- name: g
  rules:
  - record: out
    expr: '{__name__=~"in|x"}'
"#,
        "in {{schema:0 sum:1 count:2 buckets:[2]}} {{schema:0 sum:1 count:3 buckets:[3]}}
         x{a=\"2\"} 1 1",
        1,
        &expect![[r#"
            {__name__="out", a="2"} 1 1
            {__name__="out"} {{count:2}} {{count:3}}
        "#]],
    );
}

#[test]
fn templates_are_expanded_with_what_the_store_has_at_the_slot() {
    let rules = r#"
groups:
- name: g
  rules:
  - alert: A
    expr: in
    labels:
      owner: '{{ with query "owner" }}{{ (. | first).Labels.name }}{{ end }}'
    annotations:
      text: '{{ $labels.a }} is {{ $value }} of {{ query "in" | first | value }} in {{ $externalLabels.region }} at {{ $externalURL }}'
"#;
    let input = "in{a=\"1\"} 1 2 3\nowner{name=\"me\"} 1 1 1";
    let mut run = Run::new(groups(rules), store(input), options(PROMTOOL));
    assert_eq!(run.advance(Timestamp::EPOCH + MINUTE, &mut ()), []);
    let mut shown = String::new();
    for alert in run.alerts("A") {
        writeln!(
            shown,
            "{} {} {:?} {:?}",
            alert.labels, alert.state, alert.annotations, alert.value
        )
        .expect("a String takes all");
    }
    expect![[r#"
        {a="1", alertname="A", owner="me"} firing [("text", "1 is 2 of 2 in eu at http://here/path")] 2.0
    "#]].assert_eq(&shown);
    assert_eq!(run.alerts("B"), []);
}

/// Series with gaps, ends and values that make rules come and go.
const INPUT: &str = "
    errors{job=\"a\", i=\"1\"} 0+60x9 600+600x20 20000x30
    errors{job=\"a\", i=\"2\"} 0+60x29 stale _x5 0+700x20
    errors{job=\"b\", i=\"1\"} _x7 0+30x40
    up{job=\"a\", i=\"1\"} 1x10 0x7 1x40
    up{job=\"a\", i=\"2\"} 1x3 _x2 0x2 _x9 1 0 1 0 1 0 1 stale 0x20
    up{job=\"b\", i=\"1\"} 0x60
    lat_bucket{i=\"1\", le=\"0.1\"} 0+10x20 200+1x40
    lat_bucket{i=\"1\", le=\"1\"} 0+12x20 240+20x40
    lat_bucket{i=\"1\", le=\"+Inf\"} 0+12x20 240+20x40
    beat 1x15 _x20 1x20
    hist {{schema:0 sum:1 count:2 buckets:[2]}}+{{schema:0 sum:1 count:3 buckets:[3]}}x20";

/// Rules of every kind that there is a reason to answer by blocks, or not to.
const RULES: [&str; 12] = [
    // What tests usually hold.
    r#"
- record: i:errors:rate
  expr: sum by (job, i) (rate(errors[5m]))
- record: job:errors:rate
  expr: sum by (job) (i:errors:rate)
- alert: High
  expr: i:errors:rate > 1
  for: 3m
  labels: {severity: '{{ if gt $value 10.0 }}page{{ else }}ticket{{ end }}'}
- alert: Slow
  expr: histogram_quantile(0.9, sum by (i, le) (rate(lat_bucket[5m]))) > 0.5
  keep_firing_for: 4m
- alert: Gone
  expr: absent(beat)
  for: 2m
- alert: Drop
  expr: i:errors:rate < 0.5 * (i:errors:rate offset 10m)"#,
    // Alerts that read alerts.
    r#"
- alert: Down
  expr: up == 0
  for: 2m
- alert: Many
  expr: count(ALERTS{alertstate='firing', alertname='Down'}) > 1
- record: since
  expr: time() - ALERTS_FOR_STATE"#,
    // What reads itself, and what reads a later rule.
    r#"
- record: total
  expr: (total or vector(0)) + 1
- record: early
  expr: late + 1 or vector(7)
- record: late
  expr: up + 1
- record: after
  expr: late * 2"#,
    // Looking ahead.
    r#"
- record: ahead
  expr: up offset -3m
- record: fixed
  expr: up @ 600
- record: end
  expr: up @ end()
- record: reads
  expr: ahead + on (job, i) fixed
- record: sub
  expr: max_over_time((up offset -2m)[5m:1m])"#,
    // Selectors without a name.
    r#"
- record: all
  expr: 'count by (__name__) ({job="a"})'
- record: two
  expr: '{__name__=~"up|errors", job="b"}'"#,
    // Rules that fail at some instants: many to one, the same labels twice.
    r#"
- record: fails
  expr: up / on (job) group_left () up
- record: reads
  expr: fails + 1
- record: doubled
  expr: label_replace(up == 0, 'i', 'x', '', '')
- record: doubled2
  expr: up == 0
  labels: {i: ''}
- alert: Doubled
  expr: doubled2 == 0
- alert: Twice
  expr: up == 0
  labels: {i: ''}"#,
    // Two rules that write one name, with and without the same labels, and over an input series.
    r#"
- record: r
  expr: up
  labels: {k: '1'}
- record: r
  expr: up * 2
  labels: {k: '2'}
- record: r
  expr: up * 3
  labels: {k: '2'}
- record: q
  expr: r + 1
- record: beat
  expr: vector(1)
- record: on_beat
  expr: beat"#,
    // Histograms and what is between them and numbers.
    r#"
- record: h
  expr: rate(hist[5m])
- record: c
  expr: histogram_count(h)
- record: mixed
  expr: hist or beat
- alert: H
  expr: h
  for: 2m"#,
    // Ranges and subqueries over recorded series.
    r#"
- record: bad
  expr: 1 - up
- record: bad10
  expr: avg_over_time(bad[10m])
- alert: Burns
  expr: max_over_time(bad10[10m:2m]) > 0.3 and bad10 > 0.1
- record: changes
  expr: changes(bad[15m]) + resets(bad[15m])
- record: gone
  expr: absent_over_time(bad[3m])"#,
    // Scalars, times and nothing.
    r#"
- record: now
  expr: time()
- record: minute
  expr: minute()
- record: never
  expr: up > 5
- alert: Even
  expr: minute(vector(time())) % 4 == 0
  annotations: {x: '{{ query "up" | len }}'}
- record: top
  expr: topk(1, up + on (job, i) group_left () now)
- record: sorted
  expr: sort_desc(up)"#,
    // Labels that ask.
    r#"
- record: w
  expr: up * 2
- alert: Asks
  expr: up == 0
  labels: {n: '{{ query "count(w == 0)" | first | value }}'}
- record: x
  expr: w + 1"#,
    // Experimental words.
    r#"
- record: ext
  expr: increase(errors[5m] anchored)
- record: smooth
  expr: rate(errors[5m] smoothed)
- record: dur
  expr: rate(errors[step() + 5m])
- record: reads
  expr: ext + smooth"#,
];

#[test]
fn blocks_and_slots_tell_the_same() {
    for rules in RULES {
        let group = |name: &str, head: &str| {
            let rules = rules.replace('\n', "\n  ");
            format!("- name: {name}\n  {head}\n  rules:{rules}\n")
        };
        let one = format!("groups:\n{}", group("g", "limit: 0"));
        told_both_ways(&groups(&one), INPUT, PROMTOOL, 60);
        told_both_ways(&groups(&one), INPUT, Schedule::Production, 60);
        let limited = format!("groups:\n{}", group("g", "limit: 2"));
        told_both_ways(&groups(&limited), INPUT, PROMTOOL, 60);
        let many = format!(
            "groups:\n{}{}{}",
            group("a", "interval: 2m"),
            group("b", "query_offset: 3m"),
            group("c", "interval: 90s")
        );
        for schedule in [Schedule::Production, Schedule::Aligned, PROMTOOL] {
            told_both_ways(&groups(&many), INPUT, schedule, 60);
        }
    }
}

#[test]
fn groups_that_read_each_other_tell_the_same_by_blocks() {
    let group = |name: &str, head: &str, reads: &str| {
        format!(
            r"
- name: {name}
  {head}
  rules:
  - record: of_{name}
    expr: up + 1
  - record: of_{name}_b
    expr: of_{reads} * 2
  - alert: {name}
    expr: of_{reads}_b > 2
    for: 2m"
        )
    };
    for (a, b, c) in [
        ("limit: 0", "limit: 0", "limit: 0"),
        ("interval: 2m", "interval: 3m", "limit: 0"),
        ("query_offset: 2m", "limit: 0", "query_offset: 1m"),
        ("limit: 0", "query_offset: 2m", "query_offset: 2m"),
        ("interval: 7m", "interval: 1m", "interval: 10m"),
    ] {
        for reads in [
            ["b", "c", "a"],
            ["a", "a", "b"],
            ["c", "a", "b"],
            ["b", "b", "b"],
        ] {
            let rules = format!(
                "groups:{}{}{}",
                group("a", a, reads[0]),
                group("b", b, reads[1]),
                group("c", c, reads[2])
            );
            for schedule in [Schedule::Production, Schedule::Aligned, PROMTOOL] {
                told_both_ways(&groups(&rules), INPUT, schedule, 40);
            }
        }
    }
}

#[test]
fn a_hold_duration_counts_as_in_prometheus() {
    // `TestAlertingRule` of rules/manager_test.go, a minute for each of its five.
    check(
        r#"
groups:
- name: g
  rules:
  - alert: HTTPRequestRateLow
    expr: http_requests{group="canary", job="app-server"} < 100
    for: 12s
    labels: {severity: '{{"c"}}ritical'}
"#,
        r#"http_requests{job="app-server", instance="0", group="canary", severity="overwrite-me"} 75 85 95 105 105 95 85
           http_requests{job="app-server", instance="1", group="canary", severity="overwrite-me"} 80 90 100 110 120 130 140"#,
        6,
        &expect![[r#"
            0s {alertname="HTTPRequestRateLow", group="canary", instance="0", job="app-server", severity="critical"} inactive -> pending
            0s {alertname="HTTPRequestRateLow", group="canary", instance="1", job="app-server", severity="critical"} inactive -> pending
            1m {alertname="HTTPRequestRateLow", group="canary", instance="0", job="app-server", severity="critical"} pending -> firing
            1m {alertname="HTTPRequestRateLow", group="canary", instance="1", job="app-server", severity="critical"} pending -> firing
            2m {alertname="HTTPRequestRateLow", group="canary", instance="1", job="app-server", severity="critical"} firing -> inactive
            3m {alertname="HTTPRequestRateLow", group="canary", instance="0", job="app-server", severity="critical"} firing -> inactive
            5m {alertname="HTTPRequestRateLow", group="canary", instance="0", job="app-server", severity="critical"} inactive -> pending
            6m {alertname="HTTPRequestRateLow", group="canary", instance="0", job="app-server", severity="critical"} pending -> firing
            {__name__="ALERTS", alertname="HTTPRequestRateLow", alertstate="firing", group="canary", instance="0", job="app-server", severity="critical"} _ 1 1 stale _ _ 1
            {__name__="ALERTS", alertname="HTTPRequestRateLow", alertstate="firing", group="canary", instance="1", job="app-server", severity="critical"} _ 1 stale
            {__name__="ALERTS", alertname="HTTPRequestRateLow", alertstate="pending", group="canary", instance="0", job="app-server", severity="critical"} 1 stale _ _ _ 1 stale
            {__name__="ALERTS", alertname="HTTPRequestRateLow", alertstate="pending", group="canary", instance="1", job="app-server", severity="critical"} 1 stale
            {__name__="ALERTS_FOR_STATE", alertname="HTTPRequestRateLow", group="canary", instance="0", job="app-server", severity="critical"} 0 0 0 stale _ 300 300
            {__name__="ALERTS_FOR_STATE", alertname="HTTPRequestRateLow", group="canary", instance="1", job="app-server", severity="critical"} 0 0 stale
        "#]],
    );
}

#[test]
fn an_alert_is_kept_firing_as_in_prometheus() {
    // `TestKeepFiringFor` of rules/alerting_test.go.
    check(
        r"
groups:
- name: g
  rules:
  - alert: HTTPRequestRateHigh
    expr: http_requests > 50
    for: 1m
    keep_firing_for: 1m
",
        r#"http_requests{job="app-server", instance="0"} 75 85 70 70 10x5"#,
        5,
        &expect![[r#"
            0s {alertname="HTTPRequestRateHigh", instance="0", job="app-server"} inactive -> pending
            1m {alertname="HTTPRequestRateHigh", instance="0", job="app-server"} pending -> firing
            5m {alertname="HTTPRequestRateHigh", instance="0", job="app-server"} firing -> inactive
            {__name__="ALERTS", alertname="HTTPRequestRateHigh", alertstate="firing", instance="0", job="app-server"} _ 1 1 1 1 stale
            {__name__="ALERTS", alertname="HTTPRequestRateHigh", alertstate="pending", instance="0", job="app-server"} 1 stale
            {__name__="ALERTS_FOR_STATE", alertname="HTTPRequestRateHigh", instance="0", job="app-server"} 0 0 0 0 0 stale
        "#]],
    );
}
