//! Functions over ranges at one instant, over series of a sample each 10 s.

use super::over_time::{Average, Extreme, Sum};
use super::ranges::{Context, Floats, Geometry, OverRange, Ranges, fill_bounds};
use super::rate::Rate;
use super::regression::{Derivative, Prediction};
use crate::model::{Duration, Labels, Span, Timestamp};
use crate::promql::eval::column::Steps;
use crate::promql::eval::evaluator::Shared;
use crate::promql::eval::{EvalOptions, SampleValue, Value, instant};
use crate::promql::memory::MemoryStore;
use crate::promql::store::{is_stale, stale};
use crate::promql::{ParseOptions, parse};

fn store() -> MemoryStore {
    let mut store = MemoryStore::default();
    let mut series = |name: &str, values: &[f64]| {
        let labels = Labels::from_pairs([("__name__", name), ("job", "api")]);
        for (index, &value) in values.iter().enumerate() {
            let at = Timestamp::from_millis(i64::try_from(index).unwrap() * 10_000);
            store.push(&labels, at, value);
        }
    };
    series("rising_total", &[0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
    series("reset_total", &[0.0, 10.0, 20.0, 0.0, 10.0, 20.0, 30.0]);
    series("gauge", &[3.0, 1.0, stale(), f64::NAN, 4.0, 1.0, 5.0]);
    series("huge", &[f64::MAX, f64::MAX, f64::MAX, f64::MAX]);
    store
}

#[track_caller]
fn check(text: &str, expected: &[f64]) {
    let expr = parse(text, ParseOptions::all()).unwrap();
    let at = Timestamp::from_millis(60_000);
    let answer = instant(&expr, &store(), at, &EvalOptions::default()).unwrap();
    let values: Vec<f64> = match answer.value {
        Value::Vector(vector) => vector
            .iter()
            .map(|sample| match sample.value {
                SampleValue::Float(value) => value,
                SampleValue::Histogram(_) => panic!("a histogram"),
            })
            .collect(),
        Value::Matrix(matrix) => matrix
            .iter()
            .flat_map(|series| series.floats.iter().map(|sample| sample.value))
            .collect(),
        other => panic!("{other:?}"),
    };
    assert_eq!(format!("{values:?}"), format!("{expected:?}"), "{text}");
}

#[test]
fn rates() {
    check("rate(rising_total[1m])", &[1.0]);
    check("increase(rising_total[1m])", &[60.0]);
    check("increase(reset_total[1m])", &[48.0]);
    check("increase(rising_total[30s] @ 30)", &[30.0]);
    check("increase(rising_total[30s] offset 30s)", &[30.0]);
    check("delta(gauge[20s])", &[8.0]);
    check("irate(reset_total[1m] offset 30s)", &[0.0]);
    check("irate(rising_total[1m])", &[1.0]);
    check("idelta(gauge[1m])", &[4.0]);
    check("rate(rising_total[10s])", &[]);
}

#[test]
fn statistics() {
    check("sum_over_time(rising_total[20s])", &[110.0]);
    check("avg_over_time(rising_total[20s])", &[55.0]);
    check("avg_over_time(huge[61s])", &[1.797_693_134_862_315_5e308]);
    check("count_over_time(gauge[1m])", &[5.0]);
    check("count_over_time(gauge[61s])", &[6.0]);
    check("min_over_time(gauge[1m])", &[1.0]);
    check("max_over_time(gauge[30s])", &[5.0]);
    check("ts_of_min_over_time(gauge[1m])", &[50.0]);
    check("ts_of_max_over_time(gauge[1m])", &[60.0]);
    check("ts_of_first_over_time(gauge[1m])", &[10.0]);
    check("ts_of_last_over_time(gauge[1m])", &[60.0]);
    check("first_over_time(gauge[1m])", &[1.0]);
    check("last_over_time(gauge[1m])", &[5.0]);
    check("present_over_time(gauge[1m])", &[1.0]);
    check("stdvar_over_time(rising_total[20s])", &[25.0]);
    check("stddev_over_time(rising_total[20s])", &[5.0]);
}

#[test]
fn ranges_and_subqueries() {
    check("gauge[20s]", &[1.0, 5.0]);
    check("gauge[41s] offset 20s", &[3.0, 1.0, f64::NAN, 4.0]);
    check("rising_total[40s:20s]", &[40.0, 60.0]);
    check("rising_total[40s:20s] @ 41", &[20.0, 40.0]);
    check("sum_over_time(rising_total[40s:20s])", &[100.0]);
    check("max_over_time(rate(rising_total[20s])[40s:10s])", &[1.0]);
    check("sum_over_time((rising_total @ 10)[30s:10s])", &[30.0]);
}

#[test]
fn comparisons_and_quantiles() {
    check("changes(gauge[61s])", &[5.0]);
    check("resets(reset_total[1m])", &[1.0]);
    check("resets(gauge[61s])", &[2.0]);
    check("quantile_over_time(0.5, rising_total[40s])", &[45.0]);
    check("quantile_over_time(2, rising_total[40s])", &[f64::INFINITY]);
    check("mad_over_time(rising_total[50s])", &[10.0]);
    check("absent_over_time(gauge[1m])", &[]);
    check("absent_over_time(nothing[1m])", &[1.0]);
}

#[test]
fn lines() {
    check("deriv(rising_total[1m])", &[1.0]);
    check("predict_linear(rising_total[1m], 100)", &[160.0]);
    check("predict_linear(rising_total[1m] @ 30, 100)", &[160.0]);
    check(
        "double_exponential_smoothing(rising_total[1m], 0.5, 0.5)",
        &[60.0],
    );
}

/// Samples at even and uneven distances, with holes, falls, NaN, infinities and equal values.
fn uneven(series: usize) -> Vec<(i64, f64)> {
    let mut seed = 77 + series as u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed >> 33
    };
    let mut at = 0;
    let (mut samples, mut total) = (Vec::new(), 0.0);
    for index in 0..300 {
        let jitter = if series.is_multiple_of(2) {
            0
        } else {
            random() % 4000
        };
        at += 10_000 + i64::try_from(jitter).unwrap();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let value = match (series / 2, random() % 50) {
            (1, 0) => f64::NAN,
            (1, 1) => f64::INFINITY,
            (1, 2) => f64::MAX,
            (2, _) => 7.0,
            (0, other) => {
                total = if other == 0 {
                    0.0
                } else {
                    total + other as f64
                };
                total
            }
            (_, 3..6) if series > 2 => continue,
            (_, other) => (index * other) as f64 * 0.1 - 0.0,
        };
        samples.push((at, value));
    }
    samples
}

/// Compares the values that a function finds for a whole series with those of each range alone.
#[track_caller]
fn check_sweep(name: &str, function: &impl OverRange) {
    for series in 0..8 {
        let (times, values): (Vec<i64>, Vec<f64>) = uneven(series).into_iter().unzip();
        let floats = Floats {
            times: &times,
            values: &values,
            starts: &[],
        };
        for (length, step) in [(60, 10), (300, 10), (300, 60), (120, 25), (20, 60)] {
            let geometry = Geometry {
                steps: Steps {
                    start: Timestamp::from_millis(0),
                    step: Duration::from_millis(step * 1000),
                    count: 400,
                },
                length: length * 1000,
                offset: 0,
                fixed: None,
                before: 0,
                after: 0,
            };
            compare(name, function, floats, &geometry);
        }
    }
}

#[track_caller]
fn compare(name: &str, function: &impl OverRange, floats: Floats<'_>, geometry: &Geometry) {
    let (shared, labels) = (Shared::default(), Labels::default());
    let mut context = Context {
        shared: &shared,
        span: Span::default(),
        labels: &labels,
        scratch: &mut Vec::new(),
        bounds: &mut Vec::new(),
        error: None,
    };
    let mut bounds = Vec::new();
    fill_bounds(&mut bounds, floats.times, geometry, geometry.steps.count);
    let ranges = Ranges {
        floats,
        geometry,
        bounds: &bounds,
    };
    let mut swept = vec![stale(); geometry.steps.count];
    function.sweep(&ranges, &mut context, &mut swept);
    for (step, &got) in swept.iter().enumerate() {
        let alone = ranges.window(step);
        let alone = alone.map_or(stale(), |window| function.floats(&window, &mut context));
        let both_nan = got.is_nan() && alone.is_nan() && is_stale(got) == is_stale(alone);
        let same = got.to_bits() == alone.to_bits() || both_nan;
        assert!(
            same,
            "{name}: {got:?}, alone {alone:?}, step {step}, {geometry:?}"
        );
    }
}

#[test]
fn many_steps_give_what_each_gives_alone() {
    check_sweep("rate", &Rate::RATE);
    check_sweep("increase", &Rate::INCREASE);
    check_sweep("delta", &Rate::DELTA);
    check_sweep("sum", &Sum);
    check_sweep("avg", &Average);
    check_sweep("max", &Extreme::MAX);
    check_sweep("min", &Extreme::MIN);
    check_sweep("deriv", &Derivative);
    let ahead = vec![60.0; 400];
    check_sweep("predict_linear", &Prediction { ahead });
}

#[test]
fn times_far_away_are_empty_or_refused() {
    let at = Timestamp::from_millis(60_000);
    for text in [
        "rate(gauge[5m] @ 9223372036854775)",
        "rate(gauge[5m] @ -9223372036854775)",
        "rate(gauge[292y] @ -9223372036854775 offset 292y)",
        "increase(gauge[292y] smoothed @ -9223372036854775)",
        "gauge @ 9223372036854775 offset -292y",
        "gauge smoothed @ 9223372036854775 offset -292y",
        "sum_over_time(gauge[292y:1ms])",
        "sum_over_time(gauge[292y:100y] @ -9223372036854775 offset 292y)",
        "sum_over_time(gauge[292y:292y] @ 9223372036854775 offset -292y)",
        "(gauge @ -9223372036854775)[1h:1m]",
        "gauge[1h:1m] offset -292y",
    ] {
        let expr = parse(text, ParseOptions::all()).unwrap();
        let options = EvalOptions::default();
        if let Ok(answer) = instant(&expr, &store(), at, &options) {
            match answer.value {
                Value::Vector(vector) => assert!(vector.is_empty(), "{text}: {vector:?}"),
                Value::Matrix(matrix) => assert!(matrix.is_empty(), "{text}: {matrix:?}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
