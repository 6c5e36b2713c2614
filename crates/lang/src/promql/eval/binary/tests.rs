//! Operators between a few series; upstream's scripts have the rest.

use super::super::tests::check;

const LOAD: &str = "load 1m
  a{i=\"1\", z=\"x\"} 1 2 3
  a{i=\"2\", z=\"x\"} 4 _ 6
  b{i=\"1\", v=\"old\"} 10 10 _
  b{i=\"1\", v=\"new\"} _ _ 20
  b{i=\"3\", v=\"new\"} 1x2
  two{i=\"1\", z=\"p\"} 1 1 1
  two{i=\"1\", z=\"q\"} _ _ 1
";

#[test]
fn numbers() {
    check(LOAD, "vector(2 ^ 3 ^ 2 - 7 % 4)", "{} 509 509 509");
    check(
        LOAD,
        "a * 2",
        "{i=\"1\", z=\"x\"} 2 4 6\n{i=\"2\", z=\"x\"} 8 _ 12",
    );
    check(LOAD, "3 < a", "{__name__=\"a\", i=\"2\", z=\"x\"} 4 _ 6");
    check(
        LOAD,
        "3 >= bool a",
        "{i=\"1\", z=\"x\"} 1 1 1\n{i=\"2\", z=\"x\"} 0 _ 0",
    );
    check(
        LOAD,
        "-a + 1",
        "{i=\"1\", z=\"x\"} 0 -1 -2\n{i=\"2\", z=\"x\"} -3 _ -5",
    );
    check(
        LOAD,
        "{__name__=~\"a|two\", i=\"1\", z=~\"x|p\"} * 2",
        "{i=\"1\", z=\"p\"} 2 2 2\n{i=\"1\", z=\"x\"} 2 4 6",
    );
}

#[test]
fn a_partner_may_change() {
    check(LOAD, "a + on (i) b", "{i=\"1\"} 11 12 23");
    check(
        LOAD,
        "a * on (i) group_left (v) b",
        "{i=\"1\", v=\"new\", z=\"x\"} _ _ 60\n{i=\"1\", v=\"old\", z=\"x\"} 10 20 _",
    );
    check(
        LOAD,
        "b / on (i) group_right () a",
        "{i=\"1\", z=\"x\"} 10 5 6.666666666666667",
    );
    check(LOAD, "b > on (i) a", "{i=\"1\"} 10 10 20");
}

#[test]
fn doubles_are_errors_where_they_meet() {
    check(
        LOAD,
        "(b > 15) - on (i) two",
        "error: found duplicate series for the match group {i=\"1\"} on the right hand-side of the operation: \
        [{__name__=\"two\", i=\"1\", z=\"p\"}, {__name__=\"two\", i=\"1\", z=\"q\"}];many-to-many matching not allowed: \
        matching labels must be unique on one side",
    );
    check(LOAD, "(b == 10) - on (i) two", "{i=\"1\"} 9 9 _");
    check(
        LOAD,
        "two - on (i) b",
        "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
    );
    check(
        LOAD,
        "two - on (i) group_left (z) (b * 2)",
        "error: multiple matches for labels: grouping labels must ensure unique matches",
    );
    check(
        LOAD,
        "b - on (i) group_right () two",
        "{i=\"1\", z=\"p\"} 9 9 19\n{i=\"1\", z=\"q\"} _ _ 19",
    );
}

#[test]
fn sets() {
    check(
        LOAD,
        "a and on (i) b",
        "{__name__=\"a\", i=\"1\", z=\"x\"} 1 2 3",
    );
    check(
        LOAD,
        "a unless on (i) b",
        "{__name__=\"a\", i=\"2\", z=\"x\"} 4 _ 6",
    );
    check(
        LOAD,
        "a < 3 or a > 5 or on (i) b > 15",
        "{__name__=\"a\", i=\"1\", z=\"x\"} 1 2 _\n{__name__=\"a\", i=\"2\", z=\"x\"} _ _ 6\n{__name__=\"b\", i=\"1\", v=\"new\"} _ _ 20",
    );
    check(
        LOAD,
        "a > 2 or a < 3",
        "{__name__=\"a\", i=\"1\", z=\"x\"} 1 2 3\n{__name__=\"a\", i=\"2\", z=\"x\"} 4 _ 6",
    );
    check(
        LOAD,
        "sum_over_time((a > 2 or a < 3)[2m:1m])",
        "{i=\"1\", z=\"x\"} 1 3 5\n{i=\"2\", z=\"x\"} 4 4 6",
    );
}

#[test]
fn what_is_missing_is_filled_in() {
    check(
        LOAD,
        "a + on (i) fill (0) b",
        "{i=\"1\"} 11 12 23\n{i=\"2\"} 4 _ 6\n{i=\"3\"} 1 1 1",
    );
    check(
        LOAD,
        "a + on (i) fill_left (5) b",
        "{i=\"1\"} 11 12 23\n{i=\"3\"} 6 6 6",
    );
    check(
        LOAD,
        "a + on (i) group_left (v) fill_right (0) b",
        "{i=\"1\", v=\"new\", z=\"x\"} _ _ 23\n{i=\"1\", v=\"old\", z=\"x\"} 11 12 _\n{i=\"2\", z=\"x\"} 4 _ 6",
    );
}

#[test]
fn histograms_and_numbers() {
    let load = "load 1m
  h {{schema:0 count:2 sum:3 buckets:[1 1]}} 7 {{schema:0 count:2 sum:3 buckets:[1 1]}}
  n 2x2
";
    check(load, "histogram_sum(h * on () n)", "{} 6 _ 6");
    check(load, "histogram_sum(2 * h - h)", "{} 3 _ 3");
    check(load, "histogram_count(h == h)", "{} 2 _ 2");
    check(load, "h + on () n", "{} _ 9 _");
    check(load, "h != bool h", "{} 0 0 0");
}
