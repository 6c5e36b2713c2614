//! How fast expressions of alerting rules are read: no part of it may show beside an evaluation.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stentor_lang::promql::{ParseOptions, parse};

/// Without regular expressions, which cost more than all the rest.
const EXPRESSIONS: [&str; 8] = [
    "up == 0",
    "up{job=\"api\",env!=\"dev\"} == 0",
    "sum by (job) (rate(http_requests_total{code=\"500\"}[5m])) > 0.01",
    "histogram_quantile(0.99, sum by (le) (rate(ws_e2e_latency_milliseconds_bucket[5m]))) > 500",
    "sum(rate(errors_total[5m])) by (job) / sum(rate(requests_total[5m])) by (job) > 0.01",
    "predict_linear(node_filesystem_avail_bytes{mountpoint=\"/\"}[6h], 24 * 60 * 60) < 0",
    "ws_connections < 0.8 * ws_connections offset 5m and on (instance) up == 1",
    "max_over_time(rate(foo[5m])[1h:1m] offset 1d) * on (a) group_left (b) bar",
];

const WITH_REGEX: &str = "sum(rate(http_requests_total{code=~\"5..\",job=~\"api|web\"}[5m])) > 1";

fn read_all() {
    for text in EXPRESSIONS {
        let expr = parse(black_box(text), ParseOptions::default());
        assert!(black_box(expr).is_ok());
    }
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("promql");
    group.throughput(Throughput::Elements(EXPRESSIONS.len() as u64));
    group.bench_function("parse", |b| b.iter(read_all));
    let trees: Vec<_> = EXPRESSIONS
        .iter()
        .map(|text| parse(text, ParseOptions::default()).expect("a good expression"))
        .collect();
    group.bench_function("print", |b| {
        b.iter(|| {
            trees
                .iter()
                .map(|tree| tree.to_string().len())
                .sum::<usize>()
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse with two regular expressions", |b| {
        b.iter(|| parse(black_box(WITH_REGEX), ParseOptions::default()));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
