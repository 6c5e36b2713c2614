//! Quantiles of the numbers of a range.

use super::super::value::SampleValue;
use super::over_time::{IGNORED, ignoring};
use super::ranges::{Context, OverRange, Window};
use crate::model::labels::quote;
use crate::model::{METRIC_NAME, Span};
use crate::promql::eval::Severity;

/// The quantile of numbers in any order, between the two nearest where it falls between them; NaN counts
/// as the smallest (upstream's `quantile`). The numbers are put into another order.
pub(in super::super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    #[expect(clippy::cast_precision_loss, reason = "a count, as upstream")]
    let rank = q * (values.len() as f64 - 1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the count"
    )]
    let lower = rank.floor() as usize;
    let weight = rank - rank.floor();
    let (_, low, above) = values.select_nth_unstable_by(lower, |a, b| nan_first(*a, *b));
    let low = *low;
    let high = above
        .iter()
        .copied()
        .min_by(|a, b| nan_first(*a, *b))
        .unwrap_or(low);
    low * (1.0 - weight) + high * weight
}

fn nan_first(a: f64, b: f64) -> std::cmp::Ordering {
    let by_nan = b.is_nan().cmp(&a.is_nan());
    by_nan.then_with(|| a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal))
}

/// `quantile_over_time`
pub(super) struct Quantile {
    /// Which quantile, at each step.
    pub q: Vec<f64>,
    /// Where that argument stands, which is where upstream sees all that it notes.
    pub span: Span,
}

impl OverRange for Quantile {
    fn floats(&self, window: &Window<'_>, context: &mut Context<'_>) -> f64 {
        let q = self.q[window.step];
        if !(0.0..=1.0).contains(&q) {
            let got = crate::model::number::format_g(q);
            let message = format!("quantile value should be between 0 and 1, got {got}");
            context.shared.note(Severity::Warning, message, self.span);
        }
        context.scratch.clear();
        context.scratch.extend_from_slice(window.floats.values);
        quantile(q, context.scratch)
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        if window.floats.values.is_empty() {
            return None;
        }
        let name = quote(context.labels.get(METRIC_NAME));
        context
            .shared
            .note(Severity::Info, format!("{IGNORED} {name}"), self.span);
        Some(SampleValue::Float(self.floats(window, context)))
    }

    fn sees_step(&self) -> bool {
        self.q.iter().any(|q| q.to_bits() != self.q[0].to_bits())
    }
}

/// `mad_over_time`: the median of the distances from the median.
pub(super) struct Deviation;

impl OverRange for Deviation {
    fn floats(&self, window: &Window<'_>, context: &mut Context<'_>) -> f64 {
        let values = &mut *context.scratch;
        values.clear();
        values.extend_from_slice(window.floats.values);
        if values.iter().any(|value| value.is_nan()) {
            return f64::NAN;
        }
        let median = quantile(0.5, values);
        for value in values.iter_mut() {
            *value = (*value - median).abs();
        }
        quantile(0.5, values)
    }

    fn mixed(&self, window: &Window<'_>, context: &mut Context<'_>) -> Option<SampleValue> {
        ignoring(self, window, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_values() {
        let check = |q: f64, expected: f64| {
            let got = quantile(q, &mut [4.0, 1.0, 3.0, 2.0]);
            assert_eq!(format!("{got:?}"), format!("{expected:?}"), "{q}");
        };
        check(0.0, 1.0);
        check(0.5, 2.5);
        check(1.0, 4.0);
        check(-0.1, f64::NEG_INFINITY);
        check(1.1, f64::INFINITY);
        check(f64::NAN, f64::NAN);
        assert_eq!(quantile(1.0, &mut [f64::NAN, 1.0]), 1.0);
        assert!(quantile(0.0, &mut [1.0, f64::NAN]).is_nan());
    }
}
