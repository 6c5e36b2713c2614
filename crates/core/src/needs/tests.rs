use std::fmt::Write as _;
use std::sync::Arc;

use stentor_lang::model::histogram::Histogram;
use stentor_lang::model::{Duration, Labels, SourceText, Timestamp};
use stentor_lang::promql::eval::{self, EvalOptions};
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::store::{SampleBuffer, stale};
use stentor_lang::promql::{self, ParseOptions};
use stentor_lang::regex::LabelMatcher;

use super::{Need, Needs, Options, needs};
use crate::rulefile::{LoadOptions, RuleGroup, load};

fn groups(text: &str) -> Vec<Arc<RuleGroup>> {
    let file = load(&SourceText::new("rules.yml", text), &LoadOptions::default());
    let file = file.expect("rules");
    file.groups.into_iter().map(Arc::new).collect()
}

fn rule(expr: &str) -> String {
    let expr = expr.replace('\'', "''");
    format!("groups: [{{name: g, rules: [{{alert: A, expr: '{expr}'}}]}}]")
}

fn lines(needs: &[Need]) -> Vec<String> {
    let line = |need: &Need| {
        let mut line = format!("{} -{} +{}", need.text, need.before, need.after);
        for (from, to) in &need.fixed {
            let _ = write!(line, " {}..{}", from.seconds(), to.seconds());
        }
        line
    };
    needs.iter().map(line).collect()
}

#[track_caller]
fn check(expr: &str, expected: &[&str]) {
    let found = needs(&groups(&rule(expr)), &Options::default());
    assert_eq!(lines(&found.selectors), expected, "{expr}");
    assert!(found.unknown.is_empty(), "{:?}", found.unknown);
}

#[test]
fn selectors_reach_as_far_as_the_evaluator_reads() {
    check("1", &[]);
    check("up == 0", &["up -5m +0s"]);
    check(
        r#"up{job="a",x!~"b|c"}"#,
        &[r#"up{job="a",x!~"b|c"} -5m +0s"#],
    );
    check(r#"{__name__=~"a.*"}"#, &[r#"{__name__=~"a.*"} -5m +0s"#]);
    check(
        r#"{"a.b","c d"="1"}"#,
        &[r#"{"c d"="1",__name__="a.b"} -5m +0s"#],
    );
    check("rate(x[1m])", &["x -1m +0s"]);
    check("x offset 1h", &["x -1h5m +-1h"]);
    check("rate(x[1m] offset -1h)", &["x --59m +1h"]);
    check("max_over_time(rate(x[1m])[1h:])", &["x -1h1m +0s"]);
    check(
        "max_over_time((x offset 1m)[1h:10s] offset 1d)",
        &["x -1d1h6m +-1d1m"],
    );
    check("x @ 1000", &["x -0s +0s 700..1000"]);
    check("x @ 1000 or x @ 1100 or x", &["x -5m +0s 700..1100"]);
    check("x @ end() offset 1m", &["x -6m +-1m"]);
    check("max_over_time(x[1h:1m] @ 4000)", &["x -0s +0s 100..4000"]);
    check("max_over_time((x @ start())[1h:1m] @ 4000)", &["x -5m +0s"]);
    check(
        "rate(x[1m] anchored) + rate(y[1m] smoothed) + z smoothed",
        &["x -6m +0s", "y -6m +5m", "z -5m +5m"],
    );
    check(
        "rate(x[1m * 2]) + rate(y[step() + 30s] offset (1m - range()))",
        &["x -2m +0s", "y -1m30s +-1m"],
    );
    check(
        "info(rate(x[1m] offset 1h))",
        &["x -1h1m +-1h", "target_info -1h5m +-1h"],
    );
    check(
        r#"info(x, {__name__!="a",b=~"c"})"#,
        &[
            "x -5m +0s",
            r#"{__name__!="a",__name__=~".+_info",b=~"c"} -5m +0s"#,
        ],
    );
}

#[test]
fn equal_selectors_are_one_unless_their_times_are_apart() {
    check(
        r#"x{a="1",b="2"} + rate(x{b="2",a="1"}[1h])"#,
        &[r#"x{a="1",b="2"} -1h +0s"#],
    );
    check("x - x offset 1m", &["x -6m +0s"]);
    check("x - x offset 1w", &["x -5m +0s", "x -7d5m +-1w"]);
    let need = &needs(&groups(&rule("x @ 1000 or x")), &Options::default()).selectors[0];
    let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
    assert_eq!(need.ranges(at(1200), at(1300)), [(at(700), at(1300))]);
    assert_eq!(
        need.ranges(at(2000), at(2300)),
        [(at(700), at(1000)), (at(1700), at(2300))]
    );
}

#[test]
fn groups_look_back_by_their_offset_and_templates_do_not() {
    let text = r#"
groups:
- name: a
  query_offset: 30s
  rules:
  - record: r
    expr: sum(x)
  - alert: A
    expr: r > on () max_over_time(r[1h]) unless on () ALERTS{alertname="B"}
    labels: {l: '{{ query "y" | first | value }}'}
    annotations:
      a: '{{ with printf "z{i=%q}" $labels.i | query }}{{ . }}{{ end }}'
      b: '{{ query "y(" | len }}'
- name: b
  rules:
  - {alert: B, expr: "rate(x[0s+0s])"}
"#;
    let Needs {
        selectors,
        recorded,
        unknown,
    } = needs(
        &groups(text),
        &Options {
            query_offset: Duration::from_mins(1),
            ..Options::default()
        },
    );
    assert_eq!(lines(&selectors), ["x -5m30s +-30s", "y -5m +0s"]);
    assert_eq!(
        lines(&recorded),
        ["r -1h30s +-30s", r#"ALERTS{alertname="B"} -5m30s +-30s"#]
    );
    expect_test::expect![[r#"
        rule `A` (rules.yml:8): `a` makes a query when it runs: printf "z{i=%q}" $labels.i | query
        rule `A` (rules.yml:8): `b` asks `y(`, which fails: unclosed left parenthesis
        rule `B` (rules.yml:16): its expression fails: 7:12: duration must be greater than 0"#]]
    .assert_eq(&unknown.join("\n"));
}

/// A small generator of numbers, the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(bits).expect("31 bits") % bound
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Seconds of samples.
const LENGTH: i64 = 3600;

fn store(random: &mut Random) -> MemoryStore {
    let mut store = MemoryStore::default();
    for name in ["a", "b", "h", "target_info"] {
        for job in ["1", "2"] {
            let labels = [("__name__", name), ("job", job), ("version", "v")];
            let labels = if name == "target_info" {
                &labels[..]
            } else {
                &labels[..2]
            };
            let mut samples = SampleBuffer::default();
            let mut at = 0;
            while at < LENGTH * 1000 {
                at += i64::try_from(1 + random.below(40_000)).expect("small");
                if random.chance(2) {
                    at += 300_000;
                }
                let whole = u32::try_from(random.below(100)).expect("small");
                let count = f64::from(whole);
                samples.times.push(at);
                samples
                    .values
                    .push(if random.chance(5) { stale() } else { count });
                if name == "h" {
                    let histogram = Histogram {
                        count,
                        sum: count,
                        zero_count: count,
                        ..Histogram::default()
                    };
                    samples
                        .histograms
                        .push(random.chance(70).then(|| Arc::new(histogram)));
                }
            }
            store.insert(&Labels::from_pairs(labels.iter().copied()), samples);
        }
    }
    store
}

fn vector(random: &mut Random, depth: usize) -> String {
    match if depth == 0 { 0 } else { random.below(9) } {
        0 | 1 => {
            let smoothed = random.of(&["", "", "", " smoothed"]);
            format!("{}{smoothed}{}", selector(random), modifiers(random))
        }
        2 | 3 => {
            let function = random.of(&["rate", "increase", "changes", "delta"]);
            let extended = random.of(&["", " anchored", " smoothed"]);
            let function = if extended == " smoothed" {
                "rate"
            } else {
                function
            };
            format!(
                "{function}({}[{}]{extended}{})",
                selector(random),
                range(random),
                modifiers(random)
            )
        }
        4 | 5 => {
            let function = random.of(&[
                "max_over_time",
                "last_over_time",
                "absent_over_time",
                "sum_over_time",
            ]);
            let (inner, step) = (vector(random, depth - 1), random.of(&["", "17s", "1m"]));
            format!(
                "{function}(({inner})[{}:{step}]{})",
                range(random),
                modifiers(random)
            )
        }
        6 => format!("timestamp({}{})", selector(random), modifiers(random)),
        7 => format!("info({})", vector(random, depth - 1)),
        _ => format!(
            "({}) or ({})",
            vector(random, depth - 1),
            vector(random, depth - 1)
        ),
    }
}

fn selector(random: &mut Random) -> &'static str {
    random.of(&[
        "a",
        "b",
        "a{job=\"1\"}",
        "{__name__=~\"a|b\",job!=\"1\"}",
        "h",
        "none",
    ])
}

fn range(random: &mut Random) -> &'static str {
    random.of(&["15s", "47s", "1m", "5m", "20m", "1m * 2", "step() + 40s"])
}

fn modifiers(random: &mut Random) -> String {
    let at = random.of(&[
        "",
        "",
        "",
        "",
        " @ start()",
        " @ end()",
        " @ 1000",
        " @ 3000",
    ]);
    let offset = random.of(&[
        "",
        "",
        "",
        " offset 1m",
        " offset -90s",
        " offset 20m",
        " offset (2m - 10s)",
    ]);
    format!("{at}{offset}")
}

/// What of a store an evaluation may read.
fn reduced(whole: &MemoryStore, needs: &Needs, at: Timestamp) -> MemoryStore {
    let mut store = MemoryStore::default();
    for need in &needs.selectors {
        let matchers = need
            .matchers
            .iter()
            .map(|m| LabelMatcher::new(m).expect("a matcher"));
        let matchers: Vec<_> = matchers.collect();
        let ranges = need.ranges(at, at);
        for (labels, samples) in whole.iter() {
            if !matchers.iter().all(|m| m.matches(labels)) {
                continue;
            }
            for (index, time) in samples.times.iter().enumerate() {
                let time = Timestamp::from_millis(*time);
                if !ranges
                    .iter()
                    .any(|(after, until)| *after < time && time <= *until)
                {
                    continue;
                }
                match samples.histogram(index) {
                    Some(histogram) => store.push_histogram(labels, time, Arc::clone(histogram)),
                    None => store.push(labels, time, samples.values[index]),
                }
            }
        }
    }
    store
}

#[test]
fn an_evaluation_reads_nothing_but_what_is_needed() {
    let mut random = Random(0x5eed);
    let (mut full, mut kept) = (0, 0);
    for _ in 0..2000 {
        let store = store(&mut random);
        let depth = random.below(4);
        let expr = vector(&mut random, depth);
        let parsed = promql::parse(&expr, ParseOptions::all()).expect("an expression");
        let found = needs(&groups(&rule(&expr)), &Options::default());
        assert!(found.unknown.is_empty(), "{expr}: {:?}", found.unknown);
        let at = Timestamp::from_millis(i64::try_from(random.below(4_000_000)).expect("small"));
        let options = EvalOptions::default();
        let reduced = reduced(&store, &found, at);
        full += store
            .iter()
            .map(|(_, samples)| samples.len())
            .sum::<usize>();
        kept += reduced
            .iter()
            .map(|(_, samples)| samples.len())
            .sum::<usize>();
        let of = |store| {
            let answer = eval::instant(&parsed, store, at, &options);
            format!(
                "{:?}",
                answer.map(|answer| (answer.value, answer.annotations))
            )
        };
        assert_eq!(of(&store), of(&reduced), "{expr} at {at}");
    }
    assert!(kept * 3 < full, "{kept} samples of {full} were needed");
}
