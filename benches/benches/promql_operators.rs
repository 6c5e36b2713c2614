//! How fast series are aggregated, compared and joined over a day of steps.
//!
//! 2,000 instances with a counter, a gauge and a series of build information each, a sample and a step every
//! minute: a fifth of what the figures are about. The first two lines are what the others stand on.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use stentor_lang::model::{Duration, Labels, Timestamp};
use stentor_lang::promql::eval::{EvalOptions, range};
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::store::SampleBuffer;
use stentor_lang::promql::{ParseOptions, parse};

const MINUTES: u32 = 1440;
const INSTANCES: u32 = 2000;

const EXPRESSIONS: [&str; 13] = [
    "g",
    "rate(c[5m])",
    "sum by (job, cluster) (rate(c[5m]))",
    "sum by (instance) (g)",
    "avg by (cluster) (g)",
    "max without (instance) (g)",
    "topk(5, g)",
    "g > 100",
    "g < 0.1 * (g offset 1h)",
    "(g * on (instance) group_left (version) b) > 1e6",
    "g / on (instance) b",
    "(g > 100 and on (instance) g offset 5m > 100) unless on (instance) b",
    "sum by (job) (rate(c[5m])) / sum by (job) (g) > 0.01",
];

fn store() -> MemoryStore {
    let mut store = MemoryStore::default();
    let times: Vec<i64> = (0..MINUTES).map(|m| i64::from(m) * 60_000).collect();
    // A cheap generator of numbers that look like measurements.
    let mut state = 1_u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 12)
    };
    for instance in 0..INSTANCES {
        let name = format!("host{instance}:9090");
        let job = format!("job{}", instance % 20);
        let cluster = format!("cluster{}", instance % 5);
        let base = [
            ("job", job.as_str()),
            ("instance", &name),
            ("cluster", &cluster),
        ];
        let mut total = 0.0;
        for (metric, extra) in [("c", None), ("g", None), ("b", Some(("version", "1.2.3")))] {
            let labels = [("__name__", metric)].into_iter().chain(base).chain(extra);
            let values = times.iter().map(|_| match metric {
                "c" => {
                    total += next();
                    total
                }
                "g" => next() / 1024.0,
                _ => 1.0,
            });
            let samples = SampleBuffer {
                times: times.clone(),
                values: values.collect(),
                ..SampleBuffer::default()
            };
            store.insert(&Labels::from_pairs(labels), samples);
        }
    }
    store
}

fn bench(c: &mut Criterion) {
    let store = store();
    let options = EvalOptions::default();
    let start = Timestamp::from_millis(0);
    let end = Timestamp::from_millis(i64::from(MINUTES - 1) * 60_000);
    let mut group = c.benchmark_group("promql operators");
    group.sample_size(10);
    for text in EXPRESSIONS {
        let expr = parse(text, ParseOptions::default()).expect("a good expression");
        group.bench_function(text, |b| {
            b.iter(|| {
                let minute = Duration::from_mins(1);
                let answer = range(&expr, &store, start, end, minute, &options);
                black_box(answer.expect("an answer"))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
