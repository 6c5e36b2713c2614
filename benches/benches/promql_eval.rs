//! How fast expressions are evaluated over a day of steps: what a replay waits for.
//!
//! 500 instances with a classic histogram of 12 buckets each, a sample and a step every minute.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use stentor_lang::model::{Duration, Labels, Timestamp};
use stentor_lang::promql::eval::{EvalOptions, range};
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::store::SampleBuffer;
use stentor_lang::promql::{ParseOptions, parse};

const MINUTES: i64 = 1440;
const INSTANCES: i64 = 500;
const BOUNDS: [&str; 12] = [
    "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf",
];

const EXPRESSIONS: [(&str, &str); 8] = [
    ("selector", "latency_bucket"),
    (
        "sum by instance, le",
        "sum by (instance, le) (latency_bucket)",
    ),
    (
        "histogram_quantile of sum by instance, le",
        "histogram_quantile(0.99, sum by (instance, le) (latency_bucket))",
    ),
    (
        "histogram_quantile of sum of rate",
        "histogram_quantile(0.99, sum by (instance, le) (rate(latency_bucket[5m])))",
    ),
    (
        "histogram_quantile",
        "histogram_quantile(0.99, latency_bucket)",
    ),
    (
        "label_replace",
        "label_replace(latency_bucket, \"host\", \"$1\", \"instance\", \"(.*):.*\")",
    ),
    ("clamp_max of abs", "clamp_max(abs(latency_bucket), 100)"),
    ("absent", "absent(latency_bucket{job=\"api\"})"),
];

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn store() -> MemoryStore {
    let mut store = MemoryStore::default();
    let times: Vec<i64> = (0..MINUTES).map(|minute| minute * 60_000).collect();
    for instance in 0..INSTANCES {
        let name = format!("host{instance}:9090");
        for (index, bound) in (1..).zip(BOUNDS) {
            let labels = Labels::from_pairs([
                ("__name__", "latency_bucket"),
                ("job", "api"),
                ("instance", name.as_str()),
                ("le", bound),
            ]);
            let rise = (instance % 7 + 1) * index;
            let values = (0..MINUTES).map(|minute| (minute * rise) as f64).collect();
            let samples = SampleBuffer {
                times: times.clone(),
                values,
                ..SampleBuffer::default()
            };
            store.insert(&labels, samples);
        }
    }
    store
}

fn bench(c: &mut Criterion) {
    let store = store();
    let minute = Duration::from_mins(1);
    let end = Timestamp::from_millis((MINUTES - 1) * 60_000);
    let mut group = c.benchmark_group("promql day");
    group.sample_size(10);
    for (name, text) in EXPRESSIONS {
        let expr = parse(text, ParseOptions::default()).expect("a good expression");
        group.bench_function(name, |b| {
            b.iter(|| {
                let options = EvalOptions::default();
                let start = Timestamp::from_millis(0);
                let answer = range(&expr, &store, start, end, minute, &options);
                black_box(answer.expect("an answer"))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
