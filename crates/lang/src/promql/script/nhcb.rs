//! `load_with_nhcb`: makes native histograms with custom buckets of the classic ones in a `load`
//! (upstream's `util/convertnhcb`).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::histogram::{self, ClassicError, Histogram};
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
    fn convert(mut self) -> Result<Histogram, ClassicError> {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        histogram::from_classic(&self.buckets, self.count, self.sum)
    }
}
