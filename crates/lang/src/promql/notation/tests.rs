//! What texts mean, one entry after the other.

use super::*;
use crate::model::number::format_g;

fn shown(sequence: &Sequence) -> String {
    let entries = sequence.iter().take(20).map(|entry| match entry {
        Entry::Gap => "_".to_owned(),
        Entry::Float(value) if store::is_stale(value) => "stale".to_owned(),
        Entry::Float(value) => format_g(value),
        Entry::Histogram(histogram, _) => histogram_text(&histogram),
    });
    entries.collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let sequence = parse_values(text).expect(text);
    assert_eq!(shown(&sequence), expected, "{text}");
}

#[track_caller]
fn refused(text: &str, expected: &str, at: usize) {
    let errors = parse_values(text).expect_err(text);
    assert_eq!(errors[0].message, expected, "{text}");
    assert_eq!(errors[0].span.start, at, "{text}");
}

#[test]
fn numbers() {
    check("", "");
    check("  ", "");
    check("1", "1");
    check(" 1 2.5\t-3 +4 -0", "1 2.5 -3 4 -0");
    check("010 1_000 .5 5. 1e3 1E-2 0.1", "8 1000 0.5 5 1000 0.01 0.1");
    check("inf -Inf +INF NaN nan", "+Inf -Inf +Inf NaN NaN");
    check("123456789012345678", "1.2345678901234568e+17");
    check("_ stale _x2 3", "_ stale _ _ 3");
}

#[test]
fn repetitions() {
    check("1x2", "1 1 1");
    check("0x3", "0 0 0 0");
    check("1+2x3", "1 3 5 7");
    check("1-2x3", "1 -1 -3 -5");
    check("-1+-2x1".replace("+-", "-").as_str(), "-1 -3");
    check("0+0.1x3", "0 0.1 0.2 0.30000000000000004");
    check("_x0 1x0", "1");
    check("inf-1x1", "+Inf +Inf");
    check("_x3", "_ _ _");
}

#[test]
fn what_is_no_number_is_refused() {
    refused(
        "1 foo",
        r#"unexpected "foo" in series values, expected number or "stale""#,
        2,
    );
    refused(
        "stalex3",
        r#"unexpected "stalex3" in series values, expected number or "stale""#,
        0,
    );
    refused(
        "1x",
        "unexpected the end in series values, expected how often",
        2,
    );
    refused("1x1.5", r#"invalid repetition in series values: "1.5""#, 2);
    refused("1x1e3", r#"invalid repetition in series values: "1e3""#, 2);
    refused(
        "1+2",
        "unexpected the end in series values, expected 'x' and how often",
        3,
    );
    refused("1__0", r#"bad number syntax: "1_""#, 0);
    refused("1_", r#"bad number syntax: "1_""#, 0);
    refused("1.2.3", r#"bad number syntax: "1.2.""#, 0);
    refused(
        "1 é",
        r#"unexpected "é" in series values, expected number, "stale", "_" or histogram"#,
        2,
    );
}

#[test]
fn histograms() {
    check("{{}}", "{{}}");
    check(
        "{{schema:1 sum:-0.3 count:3.1 z_bucket:7.1 z_bucket_w:0.05 buckets:[5.1 10 7] offset:-3 n_buckets:[4.1 5] n_offset:-5 counter_reset_hint:gauge}}",
        "{{schema:1 count:3.1 sum:-0.3 z_bucket:7.1 z_bucket_w:0.05 counter_reset_hint:gauge offset:-3 buckets:[5.1 10 7] n_offset:-5 n_buckets:[4.1 5]}}",
    );
    check("{{ count:1 }}x1", "{{count:1}} {{count:1}}");
    check(
        "{{count:1 buckets:[1 0 2]}}+{{count:2 buckets:[1 1] offset:1}}x2",
        "{{count:1 buckets:[1 0 2]}} {{count:3 buckets:[1 1 3]}} {{count:5 buckets:[1 2 4]}}",
    );
    refused(
        "{{count:1",
        "unexpected the end in series values, expected a blank or }} in a histogram description",
        9,
    );
    refused("{{foo:1}}", r#"bad histogram descriptor found: "foo""#, 2);
}

#[test]
fn series_have_labels() {
    let series = parse_series(r#"metric{a="} 1", b='x'} 1 2"#).unwrap();
    assert_eq!(
        series.labels.to_string(),
        r#"{__name__="metric", a="} 1", b="x"}"#
    );
    assert_eq!(shown(&series.values), "1 2");
    assert_eq!(parse_series("metric {{count:1}}").unwrap().values.len(), 1);
    assert_eq!(parse_series("metric {} 1").unwrap().values.len(), 1);
    assert_eq!(parse_series("{} 1").unwrap().labels.len(), 0);
    assert!(parse_series("metric{a=1} 1").is_err());
    assert!(parse_series("metric{} 1}").is_err());
}

#[test]
fn huge_repetitions_cost_nothing_until_they_are_used() {
    let sequence = parse_values("1 2 3x1000000000 _x18446744073709551615").unwrap();
    assert_eq!(sequence.len(), u64::MAX);
    assert_eq!(shown(&sequence).split(' ').count(), 20);
    let error = sequence.within(1000).unwrap_err();
    assert_eq!(error.span, Span::new(4, 16));
}
