//! What scripts mean, by scripts that pass, fail, or cannot be read.

use super::*;

const LOAD: &str = "load 1m\n  a{b=\"c\"} 1+1x5\n  a{b=\"d\"} _x2 5 stale\n\n";

#[track_caller]
fn check(eval: &str, failure: Option<&str>) {
    let report = run(&format!("{LOAD}{eval}")).expect(eval);
    let found: Vec<_> = report
        .outcomes
        .iter()
        .map(|o| o.failure.as_deref())
        .collect();
    assert_eq!(found, [failure], "{eval}");
}

#[track_caller]
fn refused(script: &str, message: &str, at: usize) {
    let errors = parse(script).expect_err(script);
    assert_eq!(errors[0].message, message, "{script}");
    assert_eq!(errors[0].span.start, at, "{script}");
}

#[test]
fn evaluations_are_compared() {
    check("eval instant at 2m a\n  a{b=\"c\"} 3\n  a{b=\"d\"} 5", None);
    check("eval instant at 3m a\n  a{b=\"c\"} 4.000001", None);
    check(
        "eval instant at 3m a\n  a{b=\"c\"} 4.1",
        Some(r#"expected 4.1 for {__name__="a", b="c"}, but got 4"#),
    );
    check(
        "eval instant at 3m a",
        Some(r#"unexpected series {__name__="a", b="c"} in result: 4"#),
    );
    check(
        "eval range from 0 to 2m step 1m a\n  a{b=\"c\"} 1 2 3\n  a{b=\"d\"} _ _ 5",
        None,
    );
    check(
        "eval range from 0 to 1m step 1m a\n  a{b=\"c\"} 1 3",
        Some(
            r#"expected 3 at 60000ms for {__name__="a", b="c"}, but the result has 2 points, 1@0ms 2@60000ms"#,
        ),
    );
    check("eval instant at 1m \"x\"\n  expect string \"x\"", None);
    check("eval instant at 1m 5\n  5", None);
    check(
        "eval instant at 1m 5\n  6",
        Some("expected scalar 6, but got 5"),
    );
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    refused("lod 5m", "invalid command \"lod 5m\"", 0);
    refused(
        "load 5\n",
        "invalid step definition \"5\": not a valid duration string: \"5\"",
        0,
    );
    refused(
        "\n  eval instant at 5m )",
        "unexpected right parenthesis ')'",
        22,
    );
    refused(
        "load 5m\n  a foo",
        "unexpected \"foo\" in series values, expected number or \"stale\"",
        12,
    );
    refused(
        "load 5m\n  a@st 1m\n",
        "@st line has no following sample line",
        10,
    );
    let errors = parse("lod\n\nload\n  x\n\nevil").expect_err("three");
    assert_eq!(errors.len(), 3);
}

#[test]
fn loads_are_bounded() {
    let errors = load_only("load 1m\n  a 1x100000000\n").expect_err("too many");
    assert_eq!(errors[0].message, "a series of 100000001 samples");
    assert_eq!(errors[0].span, Span::new(12, 23));
    assert_eq!(load_only(LOAD).unwrap().len(), 2);
    assert_eq!(load_only(&format!("{LOAD}clear")).unwrap().len(), 0);
}

#[test]
fn histograms_count_as_what_they_take() {
    for values in [
        "{{count:1 buckets:[1]}}+{{count:1 buckets:[1]}}x5000000",
        "1x200000000",
    ] {
        let report = run(&format!("load 1m\n  a {values}\n")).expect(values);
        let failure = report.outcomes[0].failure.as_deref().unwrap_or_default();
        assert!(failure.starts_with("a series of "), "{failure}");
    }
}
