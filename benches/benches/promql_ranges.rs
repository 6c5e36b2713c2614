//! How fast queries over a day at one step a minute are evaluated, per thousand series with a sample a minute:
//! each series is to be passed over once.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stentor_lang::model::{Duration, Labels, Timestamp};
use stentor_lang::promql::eval::{EvalOptions, instant, range};
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::store::SampleBuffer;
use stentor_lang::promql::{ParseOptions, parse};

const SERIES: u64 = 1000;
const MINUTE: i64 = 60_000;
/// A day, and the hour before it that ranges reach into.
const SAMPLES: i64 = 1500;

/// Thresholds keep the answers empty, as those of good alerts are.
const QUERIES: [(&str, &str); 8] = [
    ("selector", "g > 1e9"),
    ("rate", "rate(c_total[5m]) > 1e6"),
    ("increase 1h", "increase(c_total[1h]) > 1e9"),
    ("avg_over_time 1h", "avg_over_time(g[1h]) > 1e6"),
    ("max_over_time 1h", "max_over_time(g[1h]) > 1e6"),
    (
        "quantile_over_time 1h",
        "quantile_over_time(0.9, g[1h]) > 1e6",
    ),
    (
        "predict_linear 1h",
        "predict_linear(g[1h], 4 * 3600) < -1e6",
    ),
    ("subquery", "max_over_time(rate(c_total[5m])[1h:1m]) > 1e6"),
];

/// Counters that are reset now and then, and gauges that wander; each with an irregular scrape.
fn store() -> MemoryStore {
    let mut store = MemoryStore::default();
    let mut seed = 1_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        f64::from(u32::try_from(seed >> 32).expect("32 bits")) / f64::from(u32::MAX)
    };
    for series in 0..SERIES {
        let (mut counter, mut gauge) = (SampleBuffer::default(), SampleBuffer::default());
        let offset = i64::try_from(series).expect("small") * 59;
        let (mut total, mut level) = (0.0, 100.0);
        for sample in 0..SAMPLES {
            let reset = random() < 0.001;
            total = if reset {
                0.0
            } else {
                total + (random() * 50.0).floor()
            };
            level += random() - 0.5;
            for (buffer, value) in [(&mut counter, total), (&mut gauge, level)] {
                buffer.times.push(sample * MINUTE + offset);
                buffer.values.push(value);
            }
        }
        let instance = format!("node-{series}:9100");
        let labels =
            |name: &str| Labels::from_pairs([("__name__", name), ("instance", instance.as_str())]);
        store.insert(&labels("c_total"), counter);
        store.insert(&labels("g"), gauge);
    }
    store
}

fn bench(criterion: &mut Criterion) {
    let store = store();
    let options = EvalOptions::default();
    let start = Timestamp::from_millis(60 * MINUTE);
    let end = Timestamp::from_millis((SAMPLES - 1) * MINUTE);
    for (kind, is_range) in [("range", true), ("instant", false)] {
        let mut group = criterion.benchmark_group(format!("promql_ranges/{kind}"));
        group
            .throughput(Throughput::Elements(SERIES))
            .sample_size(10);
        for (name, text) in QUERIES {
            let expr = parse(text, ParseOptions::default()).expect("a good expression");
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let step = Duration::from_millis(MINUTE);
                    let answer = if is_range {
                        range(&expr, &store, start, end, step, &options)
                    } else {
                        instant(&expr, &store, end, &options)
                    };
                    black_box(answer.expect("a good query"))
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
