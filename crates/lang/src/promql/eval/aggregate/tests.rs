//! Aggregations over a few series, numbers and histograms; upstream's scripts have the rest.

use super::super::tests::check;

const LOAD: &str = "load 1m
  m{job=\"a\", i=\"1\"} 1 NaN 3
  m{job=\"a\", i=\"2\"} 2 5 _
  m{job=\"b\", i=\"3\"} -3 7 Inf
  big{i=\"1\"} 1.7e308x2
  big{i=\"2\"} 1.7e308x2
  tiny{i=\"1\"} 1x2
  tiny{i=\"2\"} 1e100x2
  tiny{i=\"3\"} -1e100x2
  k 0 1 2
";

#[test]
fn numbers() {
    check(
        LOAD,
        "sum by (job) (m)",
        "{job=\"a\"} 3 NaN 3\n{job=\"b\"} -3 7 +Inf",
    );
    check(
        LOAD,
        "sum without (i) (m)",
        "{job=\"a\"} 3 NaN 3\n{job=\"b\"} -3 7 +Inf",
    );
    check(
        LOAD,
        "avg by (job) (m)",
        "{job=\"a\"} 1.5 NaN 3\n{job=\"b\"} -3 7 +Inf",
    );
    check(LOAD, "count(m)", "{} 3 3 2");
    check(LOAD, "group(m)", "{} 1 1 1");
    check(LOAD, "min(m)", "{} -3 5 3");
    check(LOAD, "max(m)", "{} 2 7 +Inf");
    check(
        LOAD,
        "stdvar by (job) (m)",
        "{job=\"a\"} 0.25 NaN 0\n{job=\"b\"} 0 0 NaN",
    );
    check(LOAD, "quantile(0.5, m)", "{} 1 5 +Inf");
    check(LOAD, "sum(nothing)", "");
}

#[test]
fn sums_keep_their_digits_and_means_do_not_overflow() {
    check(LOAD, "sum(tiny)", "{} 1 1 1");
    check(LOAD, "sum(big)", "{} +Inf +Inf +Inf");
    check(LOAD, "avg(big)", "{} 1.7e+308 1.7e+308 1.7e+308");
}

#[test]
fn the_best() {
    check(
        LOAD,
        "topk(1, m)",
        "{__name__=\"m\", i=\"2\", job=\"a\"} 2 _ _\n{__name__=\"m\", i=\"3\", job=\"b\"} _ 7 +Inf",
    );
    check(
        LOAD,
        "bottomk(1, m)",
        "{__name__=\"m\", i=\"1\", job=\"a\"} _ _ 3\n{__name__=\"m\", i=\"2\", job=\"a\"} _ 5 _\n{__name__=\"m\", i=\"3\", job=\"b\"} -3 _ _",
    );
    check(LOAD, "sum(topk(scalar(k), m))", "{} _ 7 +Inf");
    check(LOAD, "count(topk(5, m))", "{} 3 3 2");
    check(LOAD, "topk(0, m)", "");
    check(LOAD, "topk(NaN, m)", "error: Parameter value is NaN");
    check(
        LOAD,
        "topk(1e300, m)",
        "error: Scalar value 1e+300 overflows int64",
    );
    check(LOAD, "count(limitk(2, m))", "{} 2 2 2");
}

#[test]
fn values_are_counted() {
    check(
        LOAD,
        "count_values by (job) (\"v\", m == 7)",
        "{job=\"b\", v=\"7\"} _ 1 _",
    );
    check(
        LOAD,
        "count_values without (i, v) (\"v\", m > 1)",
        "{job=\"a\"} 1 1 1\n{job=\"b\"} _ 1 1",
    );
}

#[test]
fn histograms() {
    let load = "load 1m
  h{i=\"1\"} {{schema:0 count:2 sum:3 buckets:[1 1]}}x2
  h{i=\"2\"} {{schema:0 count:1 sum:1 buckets:[1]}} 5 _
";
    check(load, "histogram_count(sum(h))", "{} 3 _ 2");
    check(load, "histogram_sum(avg(h))", "{} 2 _ 3");
    check(load, "count(h)", "{} 2 2 1");
    check(load, "max(h)", "{} _ 5 _");
    check(load, "-h > -6", "{i=\"2\"} _ -5 _");
}
