//! Straight lines and smooth curves through the numbers of a range.

use super::super::value::SampleValue;
use super::lanes::{LANES, Sums, side_by_side};
use super::over_time::{IGNORED, ignoring};
use super::ranges::{Bounds, Context, Floats, OverRange, Ranges, Window};
use crate::model::number::kahan_add;
use crate::promql::store::stale;

/// A range of less than two numbers has no slope.
fn too_few(window: &Window<'_>, context: &Context<'_>) -> Option<SampleValue> {
    if window.floats.values.len() == 1 {
        context.hint(IGNORED);
    }
    None
}

/// `deriv`: the slope, per second.
pub(super) struct Derivative;

impl OverRange for Derivative {
    fn floats(&self, window: &Window<'_>, _: &mut Context<'_>) -> f64 {
        if window.floats.values.len() < 2 {
            return stale();
        }
        // A time near the samples keeps the digits.
        line(&window.floats, window.floats.times[0]).slope
    }

    fn sweep(&self, ranges: &Ranges<'_>, context: &mut Context<'_>, out: &mut [f64]) {
        let at = |step: usize| ranges.floats.times[ranges.bounds[step].first];
        lines(ranges, context, out, at, |_, line| line.slope);
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        if window.floats.values.len() < 2 {
            return too_few(window, context);
        }
        ignoring(self, window, context)
    }
}

/// `predict_linear`: where the line will be.
pub(super) struct Prediction {
    /// How many seconds ahead, at each step.
    pub ahead: Vec<f64>,
}

impl OverRange for Prediction {
    fn floats(&self, window: &Window<'_>, _: &mut Context<'_>) -> f64 {
        if window.floats.values.len() < 2 {
            return stale();
        }
        let line = line(&window.floats, window.at);
        line.slope * self.ahead[window.step] + line.intercept
    }

    fn sweep(&self, ranges: &Ranges<'_>, context: &mut Context<'_>, out: &mut [f64]) {
        let at = |step| ranges.geometry.steps.at(step);
        lines(ranges, context, out, at, |step, line| {
            line.slope * self.ahead[step] + line.intercept
        });
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        if window.floats.values.len() < 2 {
            return too_few(window, context);
        }
        ignoring(self, window, context)
    }

    fn sees_step(&self) -> bool {
        true
    }
}

struct Line {
    /// Per second.
    slope: f64,
    /// The value at the time that was asked for.
    intercept: f64,
}

/// The line through numbers that are all the same, if they are.
fn flat(values: &[f64]) -> Option<Line> {
    let first = values[0];
    if !values[1..].iter().all(|value| *value == first) {
        return None;
    }
    Some(if first.is_infinite() {
        let (slope, intercept) = (f64::NAN, f64::NAN);
        Line { slope, intercept }
    } else {
        let (slope, intercept) = (0.0, first);
        Line { slope, intercept }
    })
}

/// The line with the least squares (upstream's `linearRegression`).
fn line(floats: &Floats<'_>, at: i64) -> Line {
    if let Some(line) = flat(floats.values) {
        return line;
    }
    let (mut y_sum, mut y_lost) = (0.0, 0.0);
    let (mut xy_sum, mut xy_lost) = (0.0, 0.0);
    for (&time, &y) in floats.times.iter().zip(floats.values) {
        (y_sum, y_lost) = kahan_add(y, y_sum, y_lost);
        (xy_sum, xy_lost) = kahan_add(seconds(time, at) * y, xy_sum, xy_lost);
    }
    Moments::of(floats.times, at).line(y_sum + y_lost, xy_sum + xy_lost)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds, as upstream")]
fn seconds(time: i64, at: i64) -> f64 {
    time.wrapping_sub(at) as f64 / 1e3
}

/// What of a line depends on the times alone.
#[derive(Default)]
struct Moments {
    count: f64,
    x: f64,
    xx: f64,
}

impl Moments {
    #[expect(clippy::cast_precision_loss, reason = "a count, as upstream")]
    fn of(times: &[i64], at: i64) -> Self {
        let (mut x_sum, mut x_lost) = (0.0, 0.0);
        let (mut xx_sum, mut xx_lost) = (0.0, 0.0);
        for &time in times {
            let x = seconds(time, at);
            (x_sum, x_lost) = kahan_add(x, x_sum, x_lost);
            (xx_sum, xx_lost) = kahan_add(x * x, xx_sum, xx_lost);
        }
        Self {
            count: times.len() as f64,
            x: x_sum + x_lost,
            xx: xx_sum + xx_lost,
        }
    }

    /// The line with these sums of values, and of values times seconds.
    fn line(&self, y: f64, xy: f64) -> Line {
        let Self { count, x, xx } = *self;
        let covariance = xy - x * y / count;
        let variance = xx - x * x / count;
        let slope = covariance / variance;
        let intercept = y / count - slope * x / count;
        Line { slope, intercept }
    }
}

/// The lines of all steps, seen from the time `at` of each. Where samples come at equal distances, as most do, the
/// ranges of several steps have the same times as seen from there, and these are summed up once.
fn lines(
    ranges: &Ranges<'_>,
    context: &Context<'_>,
    out: &mut [f64],
    at: impl Fn(usize) -> i64,
    value: impl Fn(usize, Line) -> f64,
) {
    let Floats { times, values, .. } = ranges.floats;
    let even = times
        .windows(3)
        .all(|times| times[1].wrapping_sub(times[0]) == times[2].wrapping_sub(times[1]));
    let mut shared = Offsets::default();
    for (group, out) in out.chunks_mut(LANES).enumerate() {
        if context.shared.is_canceled() {
            break;
        }
        let first = group * LANES;
        let bounds = &ranges.bounds[first..first + out.len()];
        match <&[Bounds; LANES]>::try_from(bounds) {
            Ok(lanes) if even && shared.fit(times, lanes, first, &at) => {
                let zero = Sums::from([0.0; LANES]);
                let (mut y, mut xy) = (zero, zero);
                side_by_side(values, lanes, 0, |index, now| {
                    let x = shared.seconds[index];
                    y.add(now);
                    xy.add(now.map(|value| x * value));
                });
                for (lane, (range, out)) in lanes.iter().zip(out).enumerate() {
                    let range = *range;
                    let line = match (y.of(lane), xy.of(lane)) {
                        (Some(y), Some(xy)) => flat(&values[range.first..range.end])
                            .unwrap_or_else(|| shared.moments.line(y.0 + y.1, xy.0 + xy.1)),
                        _ => {
                            let floats = ranges.floats.slice(range.first, range.end);
                            line(&floats, at(first + lane))
                        }
                    };
                    *out = value(first + lane, line);
                }
            }
            _ => {
                for (step, out) in (first..).zip(out) {
                    let Bounds { first, end } = ranges.bounds[step];
                    if end - first >= 2 {
                        let line = line(&ranges.floats.slice(first, end), at(step));
                        *out = value(step, line);
                    }
                }
            }
        }
    }
}

/// The times of ranges as seen from their steps.
#[derive(Default)]
struct Offsets {
    /// Of the first sample, in milliseconds.
    first: i64,
    /// Of each sample.
    seconds: Vec<f64>,
    moments: Moments,
}

impl Offsets {
    /// Whether ranges of evenly spaced samples all have the same times as seen from their steps, which are from then
    /// on in here.
    fn fit(
        &mut self,
        times: &[i64],
        lanes: &[Bounds; LANES],
        step: usize,
        at: impl Fn(usize) -> i64,
    ) -> bool {
        let range = lanes[0];
        let length = range.len();
        if length < 2 {
            return false;
        }
        let first = times[range.first].wrapping_sub(at(step));
        let alike = lanes.iter().enumerate().all(|(lane, other)| {
            other.len() == length && times[other.first].wrapping_sub(at(step + lane)) == first
        });
        if alike && (first != self.first || length != self.seconds.len()) {
            let (times, at) = (&times[range.first..range.end], at(step));
            self.first = first;
            self.seconds.clear();
            self.seconds
                .extend(times.iter().map(|&time| seconds(time, at)));
            self.moments = Moments::of(times, at);
        }
        alike
    }
}

/// `double_exponential_smoothing`
pub(super) struct Smoothing {
    /// How much the newest value counts, at each step; between 0 and 1.
    pub level: Vec<f64>,
    /// How much the newest slope counts, at each step; between 0 and 1.
    pub trend: Vec<f64>,
}

impl Smoothing {
    fn refuse(&self, step: usize) -> Option<String> {
        let factors = [
            ("smoothing", "sf", &self.level),
            ("trend", "tf", &self.trend),
        ];
        factors.into_iter().find_map(|(name, short, values)| {
            let value = values[step];
            (value <= 0.0 || value >= 1.0).then(|| {
                format!(
                    "invalid {name} factor. Expected: 0 < {short} < 1, got: {}",
                    fixed(value)
                )
            })
        })
    }
}

impl OverRange for Smoothing {
    fn floats(&self, window: &Window<'_>, context: &mut Context<'_>) -> f64 {
        if let Some(error) = self.refuse(window.step) {
            context.error = Some(error);
            return stale();
        }
        let values = window.floats.values;
        if values.len() < 2 {
            return stale();
        }
        let (level, trend) = (self.level[window.step], self.trend[window.step]);
        let (mut before, mut smooth) = (0.0, values[0]);
        let mut slope = values[1] - values[0];
        for (index, value) in values.iter().enumerate().skip(1) {
            if index > 1 {
                slope = trend * (smooth - before) + (1.0 - trend) * slope;
            }
            let next = level * value + (1.0 - level) * (smooth + slope);
            (before, smooth) = (smooth, next);
        }
        smooth
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        if window.floats.values.len() < 2 {
            context.error = self.refuse(window.step);
            return too_few(window, context);
        }
        ignoring(self, window, context)
    }

    fn sees_step(&self) -> bool {
        true
    }
}

/// Go's `%f`.
fn fixed(value: f64) -> String {
    if value.is_infinite() {
        return crate::model::number::format_g(value);
    }
    format!("{value:.6}")
}
