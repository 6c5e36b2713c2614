//! Small queries through the whole evaluator; upstream's scripts are run by `tests/promql.rs`.

use super::*;
use crate::model::Labels;
use crate::model::number::format_g;
use crate::promql::memory::MemoryStore;
use crate::promql::store::{SampleBuffer, Samples, SeriesId, StoredSeries};
use crate::promql::{ParseOptions, parse, script};
use crate::regex::LabelMatcher;

/// Evaluates an expression over `load` at minutes 0, 1 and 2: a line for each series of numbers, with `_`
/// where it has none, or the error.
#[track_caller]
pub(super) fn check(load: &str, text: &str, expected: &str) {
    let store = script::load_only(load).unwrap();
    let expr = parse(text, ParseOptions::all()).unwrap();
    let minute = Duration::from_mins(1);
    // What is missing is missing.
    let options = EvalOptions {
        lookback: minute,
        ..EvalOptions::default()
    };
    let (start, end) = (Timestamp::from_millis(0), Timestamp::from_millis(120_000));
    let answer = match range(&expr, &store, start, end, minute, &options) {
        Ok(answer) => answer,
        Err(error) => return assert_eq!(format!("error: {error}"), expected, "{text}"),
    };
    let Value::Matrix(matrix) = answer.value else {
        panic!("{text}: {:?}", answer.value)
    };
    let lines = matrix.iter().map(|series| {
        let mut line = series.labels.to_string();
        for step in 0..3 {
            let found = series
                .floats
                .iter()
                .find(|s| s.at.millis() == step * 60_000);
            line.push(' ');
            line += &found.map_or("_".into(), |sample| format_g(sample.value));
        }
        line
    });
    assert_eq!(lines.collect::<Vec<_>>().join("\n"), expected, "{text}");
}

#[test]
fn the_newest_sample_counts_until_it_is_too_old() {
    let mut store = MemoryStore::default();
    let labels = Labels::from_pairs([("__name__", "up")]);
    store.push(&labels, Timestamp::from_millis(0), 1.0);
    let expr = parse("up", ParseOptions::default()).unwrap();
    for (at, found) in [(0, 1), (299_999, 1), (300_000, 0)] {
        let at = Timestamp::from_millis(at);
        let answer = instant(&expr, &store, at, &EvalOptions::default()).unwrap();
        let Value::Vector(vector) = answer.value else {
            panic!()
        };
        assert_eq!(vector.len(), found, "{at:?}");
    }
}

/// A store during whose first answer somebody cancels the query.
struct Canceling(MemoryStore, Arc<AtomicBool>);

impl SeriesStore for Canceling {
    fn select(
        &self,
        matchers: &[LabelMatcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<StoredSeries> {
        self.0.select(matchers, from, to)
    }

    fn samples<'a>(
        &'a self,
        series: SeriesId,
        from: Timestamp,
        to: Timestamp,
        buffer: &'a mut SampleBuffer,
    ) -> Samples<'a> {
        self.1.store(true, std::sync::atomic::Ordering::Relaxed);
        self.0.samples(series, from, to, buffer)
    }
}

#[test]
fn a_canceled_query_ends_with_an_error() {
    let load = "load 1m\n  a 1x9\n  h {{sum:1 count:1}}x9\n";
    for text in [
        "a",
        "sum(a)",
        "sum_over_time(a[5m])",
        "deriv(a[5m])",
        "quantile_over_time(0.5, a[5m])",
        "rate(h[5m])",
        "max_over_time(a[5m:1s])",
        "a + a",
    ] {
        let cancel = Arc::new(AtomicBool::new(false));
        let store = Canceling(script::load_only(load).unwrap(), Arc::clone(&cancel));
        let options = EvalOptions {
            cancel: Some(cancel),
            ..EvalOptions::default()
        };
        let expr = parse(text, ParseOptions::default()).unwrap();
        let at = Timestamp::from_millis(300_000);
        let error = instant(&expr, &store, at, &options).unwrap_err();
        assert_eq!(error.message, CANCELED, "{text}");
    }
}
