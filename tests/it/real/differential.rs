//! Generated expressions beside a real Prometheus that holds the same random series: instant and range
//! queries give the same numbers, or both fail.
//!
//! `STENTOR_DIFFERENTIAL=N` sets how many expressions there are, `STENTOR_SEED=N` where they come from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::http;
use super::query::servers;

/// 2024-05-01T12:00:00Z, when the samples begin.
const START: i64 = 1_714_564_800;
/// Seconds of samples.
const LENGTH: i64 = 3_600;
/// Two results may differ by this much: Prometheus 3.5 and 3.14 add up in slightly different orders.
const TOLERANCE: f64 = 1e-11;

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

/// Counters with resets, gauges with holes and odd values, buckets, and an info metric.
fn samples(random: &mut Random) -> String {
    let mut out = String::new();
    let mut series = |random: &mut Random,
                      name: &str,
                      labels: &str,
                      step: i64,
                      next: &mut dyn FnMut(&mut Random) -> String| {
        let offset = random.below(14);
        let mut hole = 0;
        for k in 0..LENGTH / step {
            let value = next(random);
            if random.chance(1) {
                hole = 1 + random.below(30);
            }
            if hole > 0 {
                hole -= 1;
                continue;
            }
            let at = START + k * step;
            let _ = writeln!(out, "{name}{{{labels}}} {value} {at}.{offset:03}");
        }
    };
    for name in ["c_total", "d_total"] {
        for job in ["a", "b"] {
            for instance in 0..3 {
                let labels = format!("instance=\"{instance}\",job=\"{job}\"");
                let mut count = 0;
                series(random, name, &labels, 15, &mut |random| {
                    count = if random.chance(1) {
                        random.below(5)
                    } else {
                        count + random.below(50)
                    };
                    count.to_string()
                });
            }
        }
    }
    for name in ["g", "f"] {
        for job in ["a", "b", "c"] {
            for instance in 0..2 {
                let labels = format!("instance=\"{instance}\",job=\"{job}\"");
                series(
                    random,
                    name,
                    &labels,
                    30,
                    &mut |random| match random.below(60) {
                        0 if job == "c" => "NaN".into(),
                        1 if job == "c" => "+Inf".into(),
                        2 if job == "c" => "-Inf".into(),
                        _ => format!(
                            "{}.{:02}",
                            random.below(200).cast_signed() - 100,
                            random.below(100)
                        ),
                    },
                );
            }
        }
    }
    for job in ["a", "b"] {
        let mut counts = [0; 5];
        for (index, le) in ["0.1", "0.5", "1", "2.5", "+Inf"].iter().enumerate() {
            let labels = format!("job=\"{job}\",le=\"{le}\"");
            series(random, "h_bucket", &labels, 15, &mut |random| {
                counts[index] += random.below(10) * (index + 1);
                counts[index].to_string()
            });
        }
        let labels = format!("job=\"{job}\",version=\"v-{job}\"");
        series(random, "build_info", &labels, 60, &mut |_| "1".into());
    }
    out + "# EOF\n"
}

/// An expression that is an instant vector.
fn vector(random: &mut Random, depth: usize) -> String {
    let deeper = |random: &mut Random| vector(random, depth - 1);
    match if depth == 0 { 0 } else { random.below(16) } {
        0 | 1 => selector(random) + &modifiers(random),
        2..=4 => over_time(random, depth),
        5 | 6 => {
            let op = random.of(&[
                "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar",
            ]);
            let by = grouping(random);
            format!("{op}{by}({})", deeper(random))
        }
        // Which of equal values is among the largest is not defined, nor is the last digit of a sine as a label.
        7 => {
            let op = random.of(&["topk(2, ", "bottomk(1, "]);
            let (op, k) = op.split_once('(').expect("a parenthesis");
            let (by, metric) = (grouping(random), random.of(&["g", "f"]));
            format!("{op}{by}({k}{metric}{})", modifiers(random))
        }
        14 => {
            let (by, metric) = (grouping(random), selector(random));
            format!("count_values{by}(\"v\", {metric}{})", modifiers(random))
        }
        15 => {
            let (q, by) = (random.of(&["0.3", "1.2"]), grouping(random));
            format!("quantile{by}({q}, {})", deeper(random))
        }
        8 => {
            let op = random.of(&[
                "+", "-", "*", "/", "%", "^", "atan2", ">", "<", ">=", "<=", "==", "!=", "> bool",
                "== bool",
            ]);
            let number = random.of(&[
                "0",
                "1",
                "-2.5",
                "100",
                "Inf",
                "NaN",
                "1e-3",
                "scalar(g{instance=\"0\",job=\"a\"})",
                "time()",
            ]);
            let vector = deeper(random);
            if random.chance(50) {
                format!("({vector}) {op} {number}")
            } else {
                format!("{number} {op} ({vector})")
            }
        }
        9 => {
            let op = random.of(&[
                "+", "-", "*", "/", "%", "^", "atan2", ">", "<", ">=", "<=", "==", "!=", "> bool",
                "!= bool",
            ]);
            let matching = random.of(&[
                "",
                "on (job, instance)",
                "ignoring (le)",
                "on (job) group_left ()",
                "on (instance) group_right (job)",
                "on (job)",
            ]);
            format!("({}) {op} {matching} ({})", deeper(random), deeper(random))
        }
        10 => {
            let op = random.of(&["and", "or", "unless"]);
            let matching = random.of(&[
                "",
                "on (job)",
                "on (instance)",
                "ignoring (instance)",
                "on ()",
            ]);
            format!("({}) {op} {matching} ({})", deeper(random), deeper(random))
        }
        11 => function(random, &deeper),
        12 => {
            let q = random.of(&["0.5", "0.99", "0", "1", "-1", "NaN"]);
            let by = random.of(&["(job, le)", "(le)"]);
            format!(
                "histogram_quantile({q}, sum by {by} (rate(h_bucket[{}])))",
                range(random)
            )
        }
        _ => format!("-({})", deeper(random)),
    }
}

fn function(random: &mut Random, deeper: &dyn Fn(&mut Random) -> String) -> String {
    let name = random.of(&[
        "abs",
        "ceil",
        "floor",
        "exp",
        "ln",
        "log2",
        "log10",
        "sqrt",
        "sgn",
        "round",
        "sin",
        "tanh",
        "deg",
        "timestamp",
        "day_of_week",
        "hour",
        "minute",
        "days_in_month",
        "sort",
        "sort_desc",
        "absent",
        "clamp",
        "clamp_min",
        "label_replace",
        "label_join",
        "vector",
        "round5",
    ]);
    let inner = deeper(random);
    match name {
        "clamp" => format!("clamp({inner}, -10, 20)"),
        "clamp_min" => format!("clamp_min({inner}, 3)"),
        "round5" => format!("round({inner}, 5)"),
        "label_replace" => {
            format!("label_replace({inner}, \"instance\", \"x-$1\", \"job\", \"(a|b)\")")
        }
        "label_join" => format!("label_join({inner}, \"both\", \"-\", \"job\", \"instance\")"),
        "vector" => format!("vector(scalar({inner}))"),
        name => format!("{name}({inner})"),
    }
}

fn over_time(random: &mut Random, depth: usize) -> String {
    let source = if random.chance(25) && depth > 0 {
        let step = random.of(&["", "30s", "1m", "17s"]);
        format!("({})[{}:{step}]", vector(random, depth - 1), range(random))
    } else {
        format!("{}[{}]", selector(random), range(random))
    };
    let source = source + &modifiers(random);
    let name = random.of(&[
        "rate",
        "increase",
        "irate",
        "delta",
        "idelta",
        "deriv",
        "changes",
        "resets",
        "sum_over_time",
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "count_over_time",
        "last_over_time",
        "present_over_time",
        "stddev_over_time",
        "stdvar_over_time",
        "absent_over_time",
        "quantile_over_time",
        "predict_linear",
    ]);
    match name {
        "quantile_over_time" => format!("quantile_over_time(0.7, {source})"),
        "predict_linear" => format!("predict_linear({source}, 600)"),
        name => format!("{name}({source})"),
    }
}

fn selector(random: &mut Random) -> String {
    let metric = random.of(&[
        "c_total",
        "d_total",
        "g",
        "f",
        "h_bucket",
        "build_info",
        "none",
        "{__name__=~\"g|f\"}",
    ]);
    let matcher = random.of(&[
        "",
        "",
        "{job=\"a\"}",
        "{job!=\"b\"}",
        "{instance=~\"0|2\"}",
        "{job=~\"a.*\",instance!~\"1\"}",
    ]);
    if metric.starts_with('{') {
        metric.to_owned()
    } else {
        format!("{metric}{matcher}")
    }
}

fn modifiers(random: &mut Random) -> String {
    let mut text = String::new();
    if random.chance(10) {
        let at = START + 600 * i64::try_from(random.below(6)).expect("small");
        text = match random.below(3) {
            0 => " @ start()".to_owned(),
            1 => " @ end()".to_owned(),
            _ => format!(" @ {at}"),
        };
    }
    if random.chance(15) {
        text += random.of(&[" offset 1m", " offset -90s", " offset 20m"]);
    }
    text
}

fn range(random: &mut Random) -> &'static str {
    random.of(&["15s", "47s", "1m", "5m", "20m"])
}

fn grouping(random: &mut Random) -> String {
    random
        .of(&[
            "",
            " by (job)",
            " by (job, instance)",
            " without (instance)",
            " by (nothing)",
            " without (le, job)",
        ])
        .to_owned()
}

/// The series of an answer with their samples, as texts; the message where it is an error.
type Result = std::result::Result<BTreeMap<String, Vec<(String, String)>>, String>;

fn ask(port: u16, path: &str, form: &str) -> Result {
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = http::call(port, "POST", path, &headers, form.as_bytes())
        .expect("an answer")
        .json();
    if answer["status"] != "success" {
        return Err(answer["error"].as_str().unwrap_or_default().to_owned());
    }
    let Value::Array(series) = &answer["data"]["result"] else {
        panic!("{answer}")
    };
    let mut found = BTreeMap::new();
    for one in series {
        let samples = match one.get("values") {
            Some(Value::Array(values)) => values.iter().map(sample).collect(),
            _ => vec![sample(&one["value"])],
        };
        let before = found.insert(one["metric"].to_string(), samples);
        assert!(before.is_none(), "a series twice: {one}");
    }
    Ok(found)
}

fn sample(pair: &Value) -> (String, String) {
    (
        pair[0].to_string(),
        pair[1].as_str().expect("a text").to_owned(),
    )
}

fn same(expr: &str, expected: &Result, got: &Result) -> bool {
    match (expected, got) {
        (Ok(expected), Ok(got)) => {
            expected.len() == got.len()
                && expected
                    .iter()
                    .zip(got)
                    .all(|((labels, left), (other, right))| {
                        labels == other
                            && left.len() == right.len()
                            && left.iter().zip(right).all(|(l, r)| close(l, r))
                    })
        }
        (Err(_), Err(_)) => true,
        // Series of different names at different times are one series behind a sign, in 3.14.
        (Err(why), Ok(_)) => expr.contains("-(") && why.contains("same labelset"),
        // In 3.5 series that a comparison drops match nothing; in 3.14 they may match twice, an error as here.
        (Ok(_), Err(why)) => why.contains("multiple matches for labels"),
    }
}

fn close(left: &(String, String), right: &(String, String)) -> bool {
    let number = |text: &str| text.replace("Inf", "inf").parse::<f64>().expect("a number");
    let at = |text: &str| text.parse::<f64>().expect("a time");
    if at(&left.0) != at(&right.0) {
        return false;
    }
    if left.1 == right.1 {
        return true;
    }
    let (left, right) = (number(&left.1), number(&right.1));
    (left - right).abs() <= TOLERANCE * left.abs().max(right.abs()).max(1e-4)
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let _ = write!(out, "%{byte:02x}");
    }
    out
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn generated_expressions_give_what_prometheus_gives() {
    let mut random = Random(setting("STENTOR_SEED", 0x5eed) | 1);
    let folder = tempfile::tempdir().expect("a folder");
    let Some(servers) = servers(folder.path(), &samples(&mut random)) else {
        return;
    };
    let (mut failed, mut empty, mut different) = (0, 0, String::new());
    let count = setting("STENTOR_DIFFERENTIAL", 2_000);
    for _ in 0..count {
        let depth = random.below(4);
        let expr = vector(&mut random, depth);
        let at = START + i64::try_from(random.below(3_900)).expect("small");
        let query = encoded(&expr);
        let end = at + 600;
        let instant = ("/api/v1/query", format!("query={query}&time={at}"));
        let range = (
            "/api/v1/query_range",
            format!("query={query}&start={at}&end={end}&step=37"),
        );
        for (path, form) in [instant, range] {
            let [expected, got] = servers.ports.map(|port| ask(port, path, &form));
            failed += usize::from(expected.is_err());
            empty += usize::from(expected.as_ref().is_ok_and(BTreeMap::is_empty));
            if !same(&expr, &expected, &got) {
                let _ = writeln!(
                    different,
                    "{path} at {at}: {expr}\n  Prometheus: {expected:?}\n  Stentor:    {got:?}"
                );
            }
        }
    }
    let asked = 2 * usize::try_from(count).expect("small");
    assert!(
        failed * 4 < asked && empty * 4 < asked * 3,
        "most expressions must mean something: of {asked} queries {failed} failed, {empty} found nothing"
    );
    assert!(different.is_empty(), "{different}");
}
