//! Against Go: each row of `parity.tsv` holds what Prometheus 3.14's `model/histogram`, `promql/quantile.go` and
//! `util/convertnhcb` (with Go 1.26 on amd64) make of random histograms. A `pair` row gives the operands of the rows below it.
//!
//! A histogram is written as: reset hint, schema, zero threshold, zero count, count, sum, and for each sign spans and
//! counts, then the custom bounds, with `;` between.

use super::*;
use crate::model::logarithm::{exp2, log2};
use crate::model::number::format_g;

/// All rows, as the kind and the fields.
pub(crate) fn rows() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    include_str!("parity.tsv").lines().map(|line| {
        let mut fields = line.split('\t');
        (fields.next().expect("a kind"), fields.collect())
    })
}

pub(crate) fn number(text: &str) -> f64 {
    text.parse().expect("a number")
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(' ')
        .filter(|t| !t.is_empty())
        .map(number)
        .collect()
}

fn buckets(spans: &str, counts: &str) -> Buckets {
    let spans = spans.split(' ').filter_map(|span| span.split_once(':'));
    Buckets {
        spans: spans
            .map(|(offset, length)| BucketSpan {
                offset: offset.parse().expect("an offset"),
                length: length.parse().expect("a length"),
            })
            .collect(),
        counts: numbers(counts),
    }
}

const HINTS: [ResetHint; 4] = [
    ResetHint::Unknown,
    ResetHint::Reset,
    ResetHint::NotReset,
    ResetHint::Gauge,
];

pub(crate) fn decode(text: &str) -> Histogram {
    let fields: Vec<&str> = text.split(';').collect();
    Histogram {
        reset_hint: HINTS[fields[0].parse::<usize>().expect("a hint")],
        schema: fields[1].parse().expect("a schema"),
        zero_threshold: number(fields[2]),
        zero_count: number(fields[3]),
        count: number(fields[4]),
        sum: number(fields[5]),
        positive: buckets(fields[6], fields[7]),
        negative: buckets(fields[8], fields[9]),
        custom_values: numbers(fields[10]).into(),
    }
}

fn encode_numbers(values: &[f64]) -> String {
    let texts: Vec<String> = values.iter().map(|value| format_g(*value)).collect();
    texts.join(" ")
}

fn encode(histogram: &Histogram) -> String {
    let hint = HINTS.iter().position(|hint| *hint == histogram.reset_hint);
    let mut fields = vec![
        hint.expect("a hint").to_string(),
        histogram.schema.to_string(),
        format_g(histogram.zero_threshold),
        format_g(histogram.zero_count),
        format_g(histogram.count),
        format_g(histogram.sum),
    ];
    for side in [&histogram.positive, &histogram.negative] {
        let span = |span: &BucketSpan| format!("{}:{}", span.offset, span.length);
        let spans: Vec<String> = side.spans.iter().map(span).collect();
        fields.push(spans.join(" "));
        fields.push(encode_numbers(&side.counts));
    }
    fields.push(encode_numbers(&histogram.custom_values));
    fields.join(";")
}

fn merged(mut histogram: Histogram, result: Result<Merged, HistogramError>) -> String {
    match result {
        Err(error) => format!("error: {error}"),
        Ok(merged) => {
            histogram.compact(0);
            let flags = [merged.reset_collision, merged.bounds_reconciled];
            format!("{};{}", encode(&histogram), digits(&flags))
        }
    }
}

fn digits(flags: &[bool]) -> String {
    flags
        .iter()
        .map(|flag| if *flag { '1' } else { '0' })
        .collect()
}

fn changed(histogram: &Histogram, change: impl FnOnce(&mut Histogram)) -> Histogram {
    let mut histogram = histogram.clone();
    change(&mut histogram);
    histogram
}

fn kahan(x: &Histogram, y: &Histogram) -> String {
    let mut sum = x.clone();
    let mut lost = None;
    sum.kahan_add(y, &mut lost).expect("compatible");
    sum.kahan_add(&changed(x, |x| x.div(3.0)), &mut lost)
        .expect("compatible");
    sum.mul(0.3);
    lost.as_mut().expect("made").mul(0.3);
    sum.kahan_add(&changed(y, |y| y.mul(1e-3)), &mut lost)
        .expect("compatible");
    let result = sum.add(&lost.expect("made"));
    merged(sum, result)
}

fn resets(x: &Histogram, y: &Histogram) -> String {
    let unknown = |histogram: &mut Histogram| histogram.reset_hint = ResetHint::Unknown;
    let (x0, y0) = (changed(x, unknown), changed(y, unknown));
    let mut sum = x0.clone();
    sum.add(&y0).expect("compatible");
    digits(&[
        x.detect_reset(y),
        y.detect_reset(x),
        sum.detect_reset(&x0),
        x0.detect_reset(&sum),
        x0.detect_reset(&y0),
        y0.detect_reset(&x0),
    ])
}

/// What ours makes of a row of this kind; none for those of another module.
fn answers(kind: &str, fields: &[&str], x: &Histogram, y: &Histogram) -> Option<Vec<String>> {
    let compact = |max: u8| encode(&changed(x, |x| x.compact(max)));
    let trimmed = |keep: Keep| encode(&changed(x, |x| x.trim(number(fields[0]), keep)));
    Some(match kind {
        "add" => {
            let mut sum = x.clone();
            let result = sum.add(y);
            vec![merged(sum, result)]
        }
        "sub" => {
            let mut difference = x.clone();
            let result = difference.sub(y);
            vec![merged(difference, result)]
        }
        "kahan" => vec![kahan(x, y)],
        "resets" => vec![resets(x, y)],
        "compact" => vec![compact(0), compact(1), compact(3)],
        "trim" => vec![
            fields[0].to_owned(),
            trimmed(Keep::Below),
            trimmed(Keep::Above),
        ],
        "text" => vec![x.to_string()],
        "expression" if !fields[0].is_empty() => vec![x.test_expression()],
        "reduce" => {
            let mut reduced = x.clone();
            let schema = fields[0].parse().expect("a schema");
            reduced.reduce_resolution(schema).expect("coarser");
            reduced.compact(0);
            vec![fields[0].to_owned(), encode(&reduced)]
        }
        _ => return None,
    })
}

#[test]
fn the_arithmetic_is_that_of_prometheus() {
    let (mut x, mut y) = (Histogram::default(), Histogram::default());
    let mut checked = 0;
    for (kind, fields) in rows() {
        if kind == "pair" {
            x = decode(fields[0]);
            y = decode(fields[1]);
            assert_eq!(encode(&x), fields[0]);
            assert_eq!(x.validate(), Ok(()), "{}", fields[0]);
        }
        if let Some(answers) = answers(kind, &fields, &x, &y) {
            assert_eq!(answers, fields, "{kind} of\n{}\n{}", encode(&x), encode(&y));
            checked += 1;
        }
    }
    assert!(checked > 3000, "{checked}");
}

#[test]
fn logarithms_are_those_of_go() {
    for (_, fields) in rows().filter(|(kind, _)| *kind == "log2") {
        for (field, function) in fields.iter().zip([log2, exp2]) {
            let (argument, value) = field.split_once(' ').expect("two numbers");
            assert_eq!(format_g(function(number(argument))), value, "{argument}");
        }
    }
}

#[test]
fn classic_histograms_are_converted_as_in_prometheus() {
    for (_, fields) in rows().filter(|(kind, _)| *kind == "classic") {
        let pair = |text: &str| {
            let (bound, count) = text.split_once(' ').expect("two numbers");
            (number(bound), number(count))
        };
        let buckets = fields[0].split(',').filter(|text| !text.is_empty());
        let buckets: Vec<(f64, f64)> = buckets.map(pair).collect();
        let count = (fields[1] != "-").then(|| number(fields[1]));
        let answer = match from_classic(&buckets, count, 3.5) {
            Ok(histogram) => encode(&histogram),
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(answer, fields[2], "{fields:?}");
    }
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Histogram), error: &str) {
    let mut histogram = decode("0;1;0.5;2;10;1;-3:2 1:1;1 2 3;0:1;2;");
    assert_eq!(histogram.validate(), Ok(()));
    change(&mut histogram);
    let message = histogram.validate().map_err(|error| error.to_string());
    assert_eq!(message, Err(error.to_owned()));
}

#[test]
fn what_is_no_histogram_is_refused() {
    let custom = |h: &mut Histogram| *h = decode("0;-53;0;0;3;1;0:2;1 2;;;1 2");
    refused(
        |h| h.schema = 9,
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for \
         custom buckets, got schema 9",
    );
    refused(
        |h| h.count = -1.0,
        "observation count is  -1: histogram's observation count is negative",
    );
    refused(
        |h| h.zero_count = -2.5,
        "zero bucket has observation count of -2.5: histogram has a bucket whose observation count is negative",
    );
    refused(
        |h| h.positive.counts[2] = -1.0,
        "positive side: bucket number 3 has observation count of -1: histogram has a bucket whose observation \
         count is negative",
    );
    refused(
        |h| h.positive.spans[1].offset = -1,
        "positive side: span number 2 with offset -1: histogram has a span whose offset is negative",
    );
    refused(
        |h| h.negative.spans[0].length = u32::MAX,
        "negative side: span number 1 reaches beyond the largest bucket index",
    );
    refused(
        |h| h.positive.spans[1].length = 7,
        "positive side: spans need 9 buckets, have 3 buckets: histogram spans specify different number of \
         buckets than provided",
    );
    refused(
        |h| h.custom_values = [1.0].into(),
        "histogram with exponential schema must not have custom bounds",
    );
    for (bounds, error) in [
        (
            [2.0, 2.0],
            "custom buckets: previous bound is 2.000000 and current is 2.000000: histogram custom bounds must \
             be in strictly increasing order",
        ),
        (
            [1.0, f64::INFINITY],
            "custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be \
             finite",
        ),
        (
            [1.0, f64::NAN],
            "custom buckets: histogram custom bounds must not be NaN",
        ),
    ] {
        refused(
            |h| {
                custom(h);
                h.custom_values = bounds.into();
            },
            error,
        );
    }
    refused(
        |h| {
            custom(h);
            h.positive.spans[0].offset = 2;
        },
        "custom buckets: only 2 custom bounds defined which is insufficient to cover total span length of 4: \
         histogram custom bounds are too few",
    );
    refused(
        |h| {
            custom(h);
            h.zero_count = 1.0;
        },
        "custom buckets: must have zero count of 0",
    );
}

#[test]
fn the_api_writes_bounds_and_counts_as_texts() {
    let json = |text: &str| {
        serde_json::to_value(ApiHistogram(&decode(text)))
            .expect("plain data")
            .to_string()
    };
    assert_eq!(
        json("0;0;0.25;3;42;1e-9;1:2;12 0;0:1;6;"),
        r#"{"buckets":[[1,"-1","-0.5","6"],[3,"-0.25","0.25","3"],[0,"1","2","12"]],"count":"42","sum":"1e-09"}"#
    );
    assert_eq!(json("0;0;0;0;0;NaN;;;;;"), r#"{"count":"0","sum":"NaN"}"#);
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    fn count() -> impl Strategy<Value = f64> {
        prop_oneof![
            Just(0.0),
            Just(1.0),
            any::<f64>(),
            any::<u64>().prop_map(f64::from_bits)
        ]
    }

    fn offset() -> impl Strategy<Value = i32> {
        prop_oneof![-3..3, any::<i32>(), Just(i32::MAX), Just(i32::MIN)]
    }

    fn length() -> impl Strategy<Value = u32> {
        prop_oneof![0..4u32, any::<u32>(), Just(u32::MAX)]
    }

    fn side() -> impl Strategy<Value = Buckets> {
        let span = (offset(), length()).prop_map(|(offset, length)| BucketSpan { offset, length });
        let spans = prop::collection::vec(span, 0..5);
        (spans, prop::collection::vec(count(), 0..8))
            .prop_map(|(spans, counts)| Buckets { spans, counts })
    }

    fn histogram() -> impl Strategy<Value = Histogram> {
        let schema = prop_oneof![-4..=8, Just(CUSTOM_BUCKETS), any::<i32>()];
        let bounds = prop::collection::vec(count(), 0..5);
        let totals = (count(), count(), count(), count());
        (schema, side(), side(), bounds, totals, 0..4usize).prop_map(
            |(schema, positive, negative, bounds, totals, hint)| Histogram {
                reset_hint: HINTS[hint],
                schema,
                zero_threshold: totals.0,
                zero_count: totals.1,
                count: totals.2,
                sum: totals.3,
                positive,
                negative,
                custom_values: bounds.into(),
            },
        )
    }

    proptest! {
        #[test]
        fn no_data_makes_the_arithmetic_panic(x in histogram(), y in histogram(), at in count()) {
            let mut lost = None;
            for operation in 0..3 {
                let mut result = x.clone();
                let _ = match operation {
                    0 => result.add(&y),
                    1 => result.sub(&y),
                    _ => result.kahan_add(&y, &mut lost),
                };
                result.compact(2);
                let _ = result.to_string();
            }
            let _ = (x.validate(), x.equals(&y), x.detect_reset(&y), x.has_overflow());
            let _ = (x.to_string(), serde_json::to_string(&ApiHistogram(&x)));
            let all: Vec<Bucket> = x.buckets().collect();
            let mut back: Vec<Bucket> = x.buckets().rev().collect();
            back.reverse();
            prop_assert_eq!(all.len(), back.len());
            if x.validate().is_ok() {
                prop_assert_eq!(format!("{all:?}"), format!("{back:?}"));
            }
            for keep in [Keep::Below, Keep::Above] {
                x.clone().trim(at, keep);
            }
            let _ = x.clone().reduce_resolution(-4);
        }
    }
}
