use std::fmt::Write as _;

use super::*;

const CAPS: Caps = Caps {
    series: 4,
    samples: 8,
};

fn instant() -> QueryTime {
    QueryTime::Instant(Timestamp::from_millis(1_000))
}

fn range() -> QueryTime {
    QueryTime::Range {
        start: Timestamp::from_millis(0),
        end: Timestamp::from_millis(60_000),
        step: stentor_lang::model::Duration::from_secs(15),
    }
}

/// An answer in one line: series and values, doubts, annotations; or the error.
fn shown(body: &[u8], time: QueryTime, known: Option<&Arc<Shape>>) -> String {
    match decode(body, time, known, CAPS) {
        Err(error) => format!("{}: {}", error.kind.as_str(), error.message),
        Ok(answer) => {
            let mut out = match &answer.data {
                AnswerData::Vector { shape, values, .. } => {
                    assert_eq!(shape.series.len(), values.len());
                    let pairs = shape.series.iter().zip(values);
                    let shown: Vec<_> = pairs.map(|(l, v)| format!("{l} {v}")).collect();
                    shown.join("; ")
                }
                AnswerData::Matrix(series) => {
                    let shown = series.iter().map(|series| {
                        let samples = series.samples.iter();
                        let samples: Vec<_> = samples
                            .map(|s| format!("{}@{}", s.value, s.at.millis()))
                            .collect();
                        format!("{} {}", series.labels, samples.join(" "))
                    });
                    shown.collect::<Vec<_>>().join("; ")
                }
            };
            if let Some(partial) = &answer.partial {
                let _ = write!(out, " partial: {partial}");
            }
            if !answer.annotations.is_empty() {
                let _ = write!(out, " annotations: {:?}", answer.annotations);
            }
            out
        }
    }
}

#[track_caller]
fn check(body: &str, expected: &str) {
    assert_eq!(shown(body.as_bytes(), instant(), None), expected);
}

#[track_caller]
fn check_error(body: &str, kind: &str, part: &str) {
    let shown = shown(body.as_bytes(), instant(), None);
    assert!(shown.starts_with(&format!("{kind}: ")), "{shown}");
    assert!(shown.contains(part), "{shown}");
}

const VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a\"b"},"value":[1.5,"1"]},{"metric":{"z":"1","a":"2"},"value":[1,"NaN"]}]}}"#;

#[test]
fn vectors_and_scalars() {
    check(
        VECTOR,
        r#"{__name__="up", job="a\"b"} 1; {a="2", z="1"} NaN"#,
    );
    check(
        r#"{"data":{"result":[1,"+Inf"],"resultType":"scalar"},"status":"success"}"#,
        "{} inf",
    );
    check(
        r#"{"status":"success","data":{"resultType":"vector","result":[],"stats":{"a":[1]}},"new":1}"#,
        "",
    );
    check(
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"3"}]}]}}"#,
        "{} 0",
    );
    check(
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":""},"value":[1,"-2.5e-3"]},{"metric":{},"value":[1,"-Inf"]}]}}"#,
        "{} -0.0025; {} -inf",
    );
}

#[test]
fn ranges() {
    let body = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"1"},"values":[[0.001,"1"],[15.0005,"2"]]}]}}"#;
    assert_eq!(
        shown(body.as_bytes(), range(), None),
        r#"{a="1"} 1@1 2@15001"#
    );
    let error = shown(body.as_bytes(), instant(), None);
    assert!(error.starts_with("malformed: the answer is of type \"matrix\""));
    let error = shown(VECTOR.as_bytes(), range(), None);
    assert!(error.starts_with("malformed: the answer is of type \"vector\""));
    let empty = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    assert_eq!(shown(empty.as_bytes(), range(), None), "");
}

#[test]
fn doubts_and_annotations_are_told_apart() {
    let with = |extra: &str| {
        format!(r#"{{"status":"success",{extra},"data":{{"resultType":"vector","result":[]}}}}"#)
    };
    check(
        &with(r#""warnings":["PromQL warning: odd","store down"],"infos":["PromQL info: i"]"#),
        r#" partial: store down annotations: ["PromQL warning: odd", "PromQL info: i"]"#,
    );
    check(
        &with(r#""isPartial":true"#),
        " partial: the data source marked the answer as partial",
    );
    check(&with(r#""isPartial":false,"warnings":null"#), "");
}

#[test]
fn what_is_no_answer_is_an_error() {
    for (body, kind, part) in [
        ("", "malformed", "EOF"),
        (
            "<!DOCTYPE html><p>",
            "malformed",
            "begins with \"<!DOCTYPE html>",
        ),
        ("{}", "malformed", "status \"\""),
        (r#"{"status":"success"}"#, "malformed", "holds no data"),
        (
            r#"{"status":"success","data":null}"#,
            "malformed",
            "holds no data",
        ),
        (
            r#"{"status":"success","data":{"resultType":"vector"}}"#,
            "malformed",
            "missing field `result`",
        ),
        (
            r#"{"status":"success","data":{"result":[]}}"#,
            "malformed",
            "missing field `resultType`",
        ),
        (
            r#"{"status":"success","data":{"resultType":"vector","result":null}}"#,
            "malformed",
            "null",
        ),
        (
            r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
            "malformed",
            "type \"matrix\"",
        ),
        (
            r#"{"status":"success","data":{"resultType":"string","result":[1,"x"]}}"#,
            "malformed",
            "type \"string\"",
        ),
        (
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,"x"]}}"#,
            "malformed",
            "no number: \"x\"",
        ),
        (
            r#"{"status":"success","data":{"resultType":"scalar","result":[]}}"#,
            "malformed",
            "type \"scalar\"",
        ),
        (
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"infinity"]}]}}"#,
            "malformed",
            "no number",
        ),
        (
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,2]}]}}"#,
            "malformed",
            "expected a number in a string",
        ),
        (
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":["1","2"]}]}}"#,
            "malformed",
            "expected f64",
        ),
        (
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}"#,
            "malformed",
            "either a value or values",
        ),
        (
            r#"{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"2"]}]}}"#,
            "malformed",
            "missing field `metric`",
        ),
        (
            r#"{"status":"success","data":{"resultType":"vector","result":[]}} x"#,
            "malformed",
            "trailing",
        ),
        (
            r#"{"status":"error","errorType":"execution","error":"boom"}"#,
            "refused",
            "execution: boom",
        ),
        (
            r#"{"status":"error","errorType":"timeout","error":"slow","data":null}"#,
            "timeout",
            "slow",
        ),
    ] {
        check_error(body, kind, part);
    }
    let invalid = shown(b"{\"status\":\"\xff\"}", instant(), None);
    assert!(invalid.starts_with("malformed: the answer is not UTF-8"));
    let deep = "[".repeat(100_000);
    check_error(&deep, "malformed", "expected an object");
    let deep = format!(r#"{{"x":{deep}"#);
    check_error(&deep, "malformed", "EOF");
}

#[test]
fn no_text_of_a_data_source_ends_a_line_of_the_log() {
    let body = r#"{"status":"error","errorType":"a\nb","error":"c\u001b[1m"}"#;
    check_error(body, "refused", r"a\nb: c\u{1b}[1m");
}

#[test]
fn a_cut_answer_is_an_error_at_every_byte() {
    let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#;
    let empty = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    for whole in [VECTOR, scalar, empty] {
        for end in 0..whole.len() {
            let answer = decode(&whole.as_bytes()[..end], instant(), None, CAPS);
            assert!(answer.is_err(), "{}", &whole[..end]);
        }
    }
}

#[test]
fn caps_are_named() {
    let series = r#"{"metric":{},"value":[1,"1"]}"#;
    let body = |count: usize| {
        format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#,
            vec![series; count].join(",")
        )
    };
    assert!(decode(body(4).as_bytes(), instant(), None, CAPS).is_ok());
    check_error(&body(5), "too_large", "more than 4 series");
    let samples = [r#"[1,"1"]"#; 9].join(",");
    let body = format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{samples}]}}]}}}}"#
    );
    let shown = shown(body.as_bytes(), range(), None);
    assert_eq!(shown, "too_large: the answer has more than 8 samples");
}

#[test]
fn known_label_sets_are_shared() {
    let vector = |sets: &[&str]| {
        let series: Vec<_> = sets
            .iter()
            .map(|set| format!(r#"{{"metric":{{{set}}},"value":[1,"7"]}}"#))
            .collect();
        format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#,
            series.join(",")
        )
    };
    let shape_of = |sets: &[&str], known: Option<&Arc<Shape>>| {
        let answer = decode(vector(sets).as_bytes(), instant(), known, CAPS).expect("an answer");
        let AnswerData::Vector { shape, values, .. } = answer.data else {
            panic!("no vector");
        };
        assert_eq!(values.len(), sets.len());
        shape
    };
    let (a, b, c) = (r#""a":"1","b":"2""#, r#""a":"1","b":"3""#, r#""a":"1""#);
    let known = shape_of(&[a, b], None);
    assert!(Arc::ptr_eq(&known, &shape_of(&[a, b], Some(&known))));
    let unsorted = r#""b":"3","a":"1""#;
    assert!(Arc::ptr_eq(&known, &shape_of(&[a, unsorted], Some(&known))));
    for sets in [
        &[a][..],
        &[],
        &[b, a],
        &[a, b, c],
        &[a, c],
        &[c, b],
        &[a, r#""a":"1","b":"2","c":"3""#],
        &[a, r#""b":"3""#],
        &[a, ""],
    ] {
        let with = shape_of(sets, Some(&known));
        assert!(!Arc::ptr_eq(&known, &with));
        assert_eq!(with, shape_of(sets, None), "{sets:?}");
    }
}
