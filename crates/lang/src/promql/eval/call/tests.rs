//! Functions where names are dropped at once, as Prometheus does by default; upstream's scripts, which
//! `tests/promql.rs` runs, drop them at the end of the query.

use crate::model::{Duration, Timestamp, number};
use crate::promql::eval::{EvalOptions, SampleValue, Value, instant, range};
use crate::promql::script::load_only;
use crate::promql::{ParseOptions, parse};

const SERIES: &str = r#"
load 1m
    up{instance="a:1", job="api"} 1 0 1
    up{instance="b:2", job="api"} 1 1 _
    down{instance="a:1", job="api"} 5 5 5
    latency_bucket{instance="a:1", le="1"} 1 2 3
    latency_bucket{instance="a:1", le="2"} 3 6 9
    latency_bucket{instance="a:1", le="+Inf"} 4 8 12
    latency_bucket{instance="b:2", le="one"} 4 8 12
    falling_bucket{le="1"} 5 5 5
    falling_bucket{le="2"} 3 2 1
    falling_bucket{le="+Inf"} 8 8 8
    target_info{instance="a:1", job="api", zone="north"} 1 1 1
    native{instance="a:1"} {{schema:0 sum:6 count:4 buckets:[1 2 1]}}
"#;

/// An answer in lines, and the annotations below it.
fn answer(text: &str, range_query: bool) -> Vec<String> {
    let store = load_only(SERIES).expect("a good script");
    let expr = parse(text, ParseOptions::all()).expect("a good expression");
    let (start, minute) = (Timestamp::from_millis(0), Duration::from_mins(1));
    let options = EvalOptions::default();
    let answer = if range_query {
        range(
            &expr,
            &store,
            start,
            start + minute.times(2),
            minute,
            &options,
        )
    } else {
        instant(&expr, &store, start, &options)
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return vec![format!("error: {error}")],
    };
    let mut lines = match answer.value {
        Value::Scalar(sample) => vec![number::format_g(sample.value)],
        Value::Vector(vector) => vector
            .iter()
            .map(|sample| match &sample.value {
                SampleValue::Float(value) => {
                    format!("{} {}", sample.labels, number::format_g(*value))
                }
                SampleValue::Histogram(_) => format!("{} histogram", sample.labels),
            })
            .collect(),
        Value::Matrix(matrix) => matrix
            .iter()
            .map(|series| {
                let floats = series.floats.iter().map(|sample| {
                    let minute = sample.at.millis() / 60_000;
                    format!(" {minute}m:{}", number::format_g(sample.value))
                });
                series.labels.to_string() + &floats.collect::<String>()
            })
            .collect(),
        Value::String(_, text) => vec![text],
    };
    lines.extend(answer.annotations.iter().map(ToString::to_string));
    lines
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(answer(text, false), expected, "{text}");
}

#[track_caller]
fn check_range(text: &str, expected: &[&str]) {
    assert_eq!(answer(text, true), expected, "{text}");
}

#[test]
fn functions_of_numbers_drop_the_name() {
    check("abs(down)", &[r#"{instance="a:1", job="api"} 5"#]);
    check(
        "round(down / 3, 0.5)",
        &[r#"{instance="a:1", job="api"} 1.5"#],
    );
    check("clamp(down, 1, 3)", &[r#"{instance="a:1", job="api"} 3"#]);
    check("clamp(down, 3, 1)", &[]);
    check("abs(native)", &[]);
    check(
        "abs({__name__=~\"up|down\", instance=\"a:1\"})",
        &["error: vector cannot contain metrics with the same labelset"],
    );
    check_range("clamp_max(vector(5), time() / 60)", &["{} 0m:0 1m:1 2m:2"]);
}

#[test]
fn numbers_of_each_step() {
    check("scalar(up)", &["NaN"]);
    check("scalar(down)", &["5"]);
    check("max_of(1, NaN)", &["NaN"]);
    check_range("range() + step() + end()", &["{} 0m:300 1m:300 2m:300"]);
    check_range("minute()", &["{} 0m:0 1m:1 2m:2"]);
    check_range(
        "timestamp(up{instance=\"b:2\"})",
        &[r#"{instance="b:2", job="api"} 0m:0 1m:60 2m:60"#],
    );
    check_range(
        "timestamp(-up{instance=\"b:2\"})",
        &[r#"{instance="b:2", job="api"} 0m:0 1m:60 2m:120"#],
    );
}

#[test]
fn absence_takes_the_labels_that_are_asked_for_once() {
    check("absent(up)", &[]);
    check(
        "absent(nothing{job=\"api\", env!=\"dev\", zone=\"a\", zone=\"b\"})",
        &[r#"{job="api"} 1"#],
    );
    check("absent(sum(nothing{job=\"api\"}))", &["{} 1"]);
    check_range("absent(up == 0)", &["{} 0m:1 2m:1"]);
}

#[test]
fn labels_are_replaced_and_joined() {
    check(
        "label_replace(down, \"host\", \"$1-x\", \"instance\", \"(.*):.*\")",
        &[r#"{__name__="down", host="a-x", instance="a:1", job="api"} 5"#],
    );
    check(
        "label_replace(down, \"job\", \"\", \"instance\", \".*\")",
        &[r#"{__name__="down", instance="a:1"} 5"#],
    );
    check(
        "label_replace(abs(down), \"__name__\", \"other\", \"job\", \"api\")",
        &[r#"{__name__="other", instance="a:1", job="api"} 5"#],
    );
    check(
        "label_replace(up, \"instance\", \"\", \"instance\", \".*\")",
        &["error: vector cannot contain metrics with the same labelset"],
    );
    check(
        "label_replace(up, \"x\", \"\", \"instance\", \"(\")",
        &["error: invalid regular expression in label_replace(): ("],
    );
    check(
        "label_join(down, \"both\", \"/\", \"job\", \"instance\")",
        &[r#"{__name__="down", both="api/a:1", instance="a:1", job="api"} 5"#],
    );
    check(
        "label_join(down, \"\", \"/\", \"job\")",
        &["error: invalid destination label name in label_join(): "],
    );
    let (mut replaced, mut joined) = ("down".to_owned(), "down".to_owned());
    for _ in 0..100 {
        replaced = format!("label_replace({replaced}, \"job\", \"$1$1\", \"job\", \"(.*)\")");
        joined = format!("label_join({joined}, \"job\", \"\", \"job\", \"job\")");
    }
    check(
        &replaced,
        &["error: label_replace() makes a label value of more than 65536 bytes"],
    );
    check(
        &joined,
        &["error: label_join() makes a label value of more than 65536 bytes"],
    );
}

#[test]
fn instant_queries_are_sorted() {
    check(
        "sort_desc({__name__=~\"up|down\", instance=\"a:1\"})",
        &[
            r#"{__name__="down", instance="a:1", job="api"} 5"#,
            r#"{__name__="up", instance="a:1", job="api"} 1"#,
        ],
    );
    check(
        "sort_by_label_desc(up, \"instance\")",
        &[
            r#"{__name__="up", instance="b:2", job="api"} 1"#,
            r#"{__name__="up", instance="a:1", job="api"} 1"#,
        ],
    );
    check_range(
        "sort(down)",
        &[
            r#"{__name__="down", instance="a:1", job="api"} 0m:5 1m:5 2m:5"#,
            "PromQL warning: sort is ineffective for range queries since results are always ordered by labels",
        ],
    );
}

#[test]
fn histograms_are_classic_or_native() {
    check_range(
        "histogram_quantile(0.5, latency_bucket)",
        &[
            r#"{instance="a:1"} 0m:1.5 1m:1.5 2m:1.5"#,
            r#"PromQL warning: bucket label "le" is missing or has a malformed value of "one""#,
        ],
    );
    check_range(
        "histogram_quantile(0.7, falling_bucket)",
        &[
            "{} 0m:2 1m:2 2m:2",
            "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see \
             https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile), from \
             buckets 2 to 2, with a max diff of 4, over 3 samples from 1970-01-01T00:00:00Z to \
             1970-01-01T00:02:00Z",
        ],
    );
    check(
        "histogram_quantile(2, falling_bucket)",
        &[
            "{} +Inf",
            "PromQL warning: quantile value should be between 0 and 1, got 2",
        ],
    );
    check(
        "histogram_fraction(0, 2, latency_bucket{instance=\"a:1\"})",
        &[r#"{instance="a:1"} 0.75"#],
    );
    check(
        "histogram_quantiles(latency_bucket{instance=\"a:1\"}, \"q\", 0.25, 1)",
        &[
            r#"{instance="a:1", q="0.25"} 1"#,
            r#"{instance="a:1", q="1.0"} 2"#,
        ],
    );
    check("histogram_avg(native)", &[r#"{instance="a:1"} 1.5"#]);
    check("histogram_count(up)", &[]);
    check(
        "histogram_quantile(0.5, native)",
        &[r#"{instance="a:1"} 1.414213562373095"#],
    );
}

#[test]
fn info_adds_labels() {
    check(
        "info(up)",
        &[
            r#"{__name__="up", instance="a:1", job="api", zone="north"} 1"#,
            r#"{__name__="up", instance="b:2", job="api"} 1"#,
        ],
    );
    check(
        "info(up, {zone=\"north\"})",
        &[r#"{__name__="up", instance="a:1", job="api", zone="north"} 1"#],
    );
}
