//! `load_with_nhcb`: makes native histograms with custom buckets of the classic ones in a `load`
//! (upstream's `util/convertnhcb`).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::histogram::{BucketSpan, Buckets, CUSTOM_BUCKETS, Histogram};
use crate::model::number::format_g;
use crate::model::{Duration, LabelMap, Labels, METRIC_NAME};
use crate::promql::notation::{Entry, Sequence, stored_hint};
use crate::promql::store::SampleBuffer;

/// What is known of a classic histogram at one time.
#[derive(Debug, Clone, Default)]
struct Classic {
    /// Upper bounds with the observations up to them.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

/// Classic histograms, by the labels that their native ones have.
#[derive(Debug, Default)]
pub(super) struct Converter {
    found: LabelMap<BTreeMap<i64, Classic>>,
}

/// What a series is to a classic histogram.
#[derive(Debug, Clone, Copy)]
enum Part {
    Bucket(f64),
    Count,
    Sum,
}

impl Converter {
    /// Takes a series, if it is part of a classic histogram.
    pub(super) fn take(&mut self, labels: &Labels, values: &Sequence, step: Duration) {
        let Some((base, part)) = part_of(labels) else {
            return;
        };
        let times = self.found.entry(base).or_default();
        for (index, entry) in (0..).zip(values.iter()) {
            let Entry::Float(value) = entry else { continue };
            let classic = times.entry(step.times(index).millis()).or_default();
            match part {
                Part::Bucket(bound) => classic.buckets.push((bound, value)),
                Part::Count => classic.count = Some(value),
                Part::Sum => classic.sum = value,
            }
        }
    }

    /// The native histograms.
    pub(super) fn finish(self) -> Result<Vec<(Labels, SampleBuffer)>, String> {
        let convert = |(labels, times): (Labels, BTreeMap<i64, Classic>)| {
            let mut samples = SampleBuffer::default();
            let mut previous: Option<Arc<Histogram>> = None;
            for (at, classic) in times {
                let mut histogram = classic
                    .convert()
                    .map_err(|why| format!("{labels}: {why}"))?;
                histogram.reset_hint = stored_hint(previous.as_deref(), &histogram);
                let histogram = Arc::new(histogram);
                samples.times.push(at);
                samples.values.push(0.0);
                samples.histograms.push(Some(Arc::clone(&histogram)));
                previous = Some(histogram);
            }
            Ok((labels, samples))
        };
        self.found.into_iter().map(convert).collect()
    }
}

fn part_of(labels: &Labels) -> Option<(Labels, Part)> {
    let name = labels.get(METRIC_NAME);
    let (base, part) = if let Some(base) = name.strip_suffix("_bucket") {
        let bound: f64 = labels.get("le").parse().ok()?;
        if bound.is_nan() {
            return None;
        }
        (base, Part::Bucket(bound))
    } else if let Some(base) = name.strip_suffix("_sum") {
        (base, Part::Sum)
    } else {
        (name.strip_suffix("_count")?, Part::Count)
    };
    let mut builder = labels.to_builder();
    builder.set(METRIC_NAME, base).set("le", "");
    Some((builder.build(), part))
}

impl Classic {
    fn convert(mut self) -> Result<Histogram, String> {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.buckets.dedup_by(|later, first| later.0 == first.0);
        self.check()?;
        let last = self.buckets.last().copied();
        let count = self.count.or(last.map(|(_, count)| count)).unwrap_or(0.0);
        if last.is_none_or(|(bound, _)| bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        let (bound, last) = self.buckets[self.buckets.len() - 1];
        if count != last {
            let [count, bound, last] = [count, bound, last].map(format_g);
            return Err(format!(
                "count mismatch: count={count} != le={bound} count={last}"
            ));
        }
        let is_whole = |value: f64| value.fract() == 0.0;
        let all_whole = is_whole(count) && self.buckets.iter().all(|b| is_whole(b.1));
        let bounds = self.buckets.iter().map(|(bound, _)| *bound);
        let mut before = 0.0;
        let counts = self.buckets.iter().map(|(_, upto)| {
            let own = upto - before;
            before = *upto;
            own
        });
        let mut histogram = Histogram {
            schema: CUSTOM_BUCKETS,
            count,
            sum: self.sum,
            positive: Buckets {
                spans: vec![BucketSpan {
                    offset: 0,
                    length: u32::try_from(self.buckets.len()).map_err(|_| "too many buckets")?,
                }],
                counts: counts.collect(),
            },
            custom_values: bounds.filter(|bound| *bound != f64::INFINITY).collect(),
            ..Histogram::default()
        };
        histogram.compact(if all_whole { 2 } else { 0 });
        Ok(histogram)
    }

    fn check(&self) -> Result<(), String> {
        if let Some((bound, count)) = self.buckets.iter().find(|(_, count)| *count < 0.0) {
            let [bound, count] = [*bound, *count].map(format_g);
            return Err(format!(
                "bucket count must be non-negative: le={bound}, count={count}"
            ));
        }
        if let Some(count) = self.count.filter(|count| *count < 0.0) {
            let count = format_g(count);
            return Err(format!("count must be non-negative: count={count}"));
        }
        if let Some(pair) = self.buckets.windows(2).find(|pair| pair[1].1 < pair[0].1) {
            let [lower, higher] = [pair[0].1, pair[1].1].map(format_g);
            return Err(format!("count is not cumulative: {higher} < {lower}"));
        }
        Ok(())
    }
}
