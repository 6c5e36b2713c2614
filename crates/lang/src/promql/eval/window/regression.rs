//! Straight lines and smooth curves through the numbers of a range.

use super::super::value::SampleValue;
use super::over_time::{IGNORED, ignoring};
use super::ranges::{Context, Floats, OverRange, Window};
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

/// The line with the least squares (upstream's `linearRegression`).
#[expect(clippy::cast_precision_loss, reason = "milliseconds, as upstream")]
fn line(floats: &Floats<'_>, at: i64) -> Line {
    let first = floats.values[0];
    if floats.values[1..].iter().all(|value| *value == first) {
        if first.is_infinite() {
            let (slope, intercept) = (f64::NAN, f64::NAN);
            return Line { slope, intercept };
        }
        let (slope, intercept) = (0.0, first);
        return Line { slope, intercept };
    }
    let mut count = 0.0;
    let (mut x_sum, mut x_lost) = (0.0, 0.0);
    let (mut y_sum, mut y_lost) = (0.0, 0.0);
    let (mut xy_sum, mut xy_lost) = (0.0, 0.0);
    let (mut xx_sum, mut xx_lost) = (0.0, 0.0);
    for (&time, &y) in floats.times.iter().zip(floats.values) {
        count += 1.0;
        let x = time.wrapping_sub(at) as f64 / 1e3;
        (x_sum, x_lost) = kahan_add(x, x_sum, x_lost);
        (y_sum, y_lost) = kahan_add(y, y_sum, y_lost);
        (xy_sum, xy_lost) = kahan_add(x * y, xy_sum, xy_lost);
        (xx_sum, xx_lost) = kahan_add(x * x, xx_sum, xx_lost);
    }
    let (x, y) = (x_sum + x_lost, y_sum + y_lost);
    let (xy, xx) = (xy_sum + xy_lost, xx_sum + xx_lost);
    let covariance = xy - x * y / count;
    let variance = xx - x * x / count;
    let slope = covariance / variance;
    let intercept = y / count - slope * x / count;
    Line { slope, intercept }
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
