//! What texts mean, one entry after the other.

use super::*;
use crate::model::number::format_g;

fn shown(sequence: &Sequence) -> String {
    let entries = sequence.iter().take(20).map(|entry| match entry {
        Entry::Gap => "_".to_owned(),
        Entry::Float(value) if store::is_stale(value) => "stale".to_owned(),
        Entry::Float(value) => format_g(value),
        Entry::Histogram(histogram, _) => histogram.test_expression(),
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

#[test]
fn hostile_texts_end_in_an_error() {
    for text in [
        "1x99999999999999999999",
        "_x18446744073709551616",
        "{{schema:99999999999}}",
        "{{offset:-2147483649}}",
        "{{buckets:[]}}",
        "{{buckets:[1 2}}",
        "{{buckets:[1,2]}}",
        "{{count:1 count}}",
        "{{count}}",
        "{{{{}}}}",
        "{{}}+1x2",
        "1+{{}}x2",
        "{{schema:1}}+{{schema:0}}x1",
        "{{schema:-53}}+{{}}x1",
        "{{}}{{}}",
        "1_x2",
        "--1",
        "1e",
        "1e+x",
        "\u{feff}1",
        "1\u{a0}2",
    ] {
        let errors = parse_values(text).expect_err(text);
        assert!(errors[0].span.end <= text.len(), "{text}");
    }
    let deep = "{{".repeat(100_000);
    assert!(parse_values(&deep).is_err());
    let many = "1x1 ".repeat(100_000);
    assert_eq!(parse_values(&many).unwrap().len(), 200_000);
}

#[test]
fn far_buckets_take_no_memory() {
    let text = "{{offset:2147483647 buckets:[1]}}+{{offset:-2147483648 buckets:[1]}}x1000000000";
    let sequence = parse_values(text).unwrap();
    for entry in sequence.iter().take(3) {
        let Entry::Histogram(histogram, _) = entry else {
            panic!()
        };
        assert!(histogram.positive.counts.len() < 10);
        assert!(histogram.test_expression().len() < 100_000);
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Words of the notation in any order, and other things between them.
    fn text() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec![
            "0",
            "1",
            "9",
            "-",
            "+",
            ".",
            "e",
            "x",
            "_",
            " ",
            "stale",
            "inf",
            "NaN",
            "{{",
            "}}",
            "schema:",
            "sum:",
            "count:",
            "z_bucket:",
            "z_bucket_w:",
            "buckets:[",
            "]",
            "offset:",
            "n_buckets:[",
            "custom_values:[",
            "counter_reset_hint:",
            "gauge",
            "{",
            "}",
            "a",
            "\"",
            "=",
            "é",
            "\n",
            "-53",
            "1e308",
            "4294967296",
        ]);
        prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
    }

    /// What is meant, and a text that says it.
    fn item() -> impl Strategy<Value = (String, Vec<Option<f64>>)> {
        let number = prop_oneof![
            (-1_000_000_000_000_i64..1_000_000_000_000).prop_map(|n| format!("{n}")),
            (0_u64..1_000_000_000, 0_u32..1_000_000).prop_map(|(a, b)| format!("{a}.{b}")),
            prop::num::f64::NORMAL.prop_map(|n| format!("{n:e}")),
        ];
        (number, 0_u32..4, 0_usize..5).prop_map(|(text, form, count)| {
            let value: f64 = text.parse().unwrap();
            match form {
                0 => ("_".to_owned(), vec![None]),
                1 => (text, vec![Some(value)]),
                2 => (format!("{text}x{count}"), vec![Some(value); count + 1]),
                _ => {
                    let mut values = vec![Some(value)];
                    for index in 0..count {
                        values.push(values[index].map(|value| value - 0.1));
                    }
                    (format!("{text}-0.1x{count}"), values)
                }
            }
        })
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in text()) {
            match parse_values(&text) {
                Ok(sequence) => {
                    let taken = sequence.iter().take(1000).count() as u64;
                    prop_assert_eq!(taken, sequence.len().min(1000));
                    prop_assert_eq!(sequence.within(1000).is_ok(), sequence.len() <= 1000);
                }
                Err(errors) => {
                    prop_assert!(errors[0].span.end <= text.len());
                    prop_assert!(text.get(errors[0].span.range()).is_some());
                }
            }
            drop(parse_series(&text));
            drop(parse_series(&format!("metric{text}")));
        }

        #[test]
        fn numbers_are_exact(items in prop::collection::vec(item(), 0..20)) {
            let texts: Vec<_> = items.iter().map(|(text, _)| text.as_str()).collect();
            let sequence = parse_values(&texts.join(" ")).unwrap();
            let wanted = items.iter().flat_map(|(_, values)| values);
            let wanted: Vec<_> = wanted.map(|v| v.map(f64::to_bits)).collect();
            let found: Vec<_> = sequence.iter().map(|entry| match entry {
                Entry::Float(value) => Some(value.to_bits()),
                _ => None,
            }).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
