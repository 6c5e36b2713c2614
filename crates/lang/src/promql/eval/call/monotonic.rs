//! The hint that counts of classic buckets did not rise with their bounds: one for each metric, that
//! tells of all its samples.

use super::bucket::with_name;
use crate::model::{Span, Timestamp, number};
use crate::promql::eval::Severity;
use crate::promql::eval::evaluator::Evaluator;
use crate::promql::eval::quantile_classic::Forced;

/// The samples of a call whose counts had to be raised.
pub(super) struct ForcedInfo {
    span: Span,
    by_name: Vec<(String, Extent)>,
}

/// What was raised, and when.
struct Extent {
    forced: Forced,
    first: i64,
    last: i64,
    samples: usize,
}

impl ForcedInfo {
    pub(super) fn new(span: Span) -> Self {
        Self {
            span,
            by_name: Vec::new(),
        }
    }

    /// Takes in one sample.
    pub(super) fn add(&mut self, name: &str, at: i64, forced: Forced) {
        let Some((_, extent)) = self.by_name.iter_mut().find(|(known, _)| known == name) else {
            let extent = Extent {
                forced,
                first: at,
                last: at,
                samples: 1,
            };
            self.by_name.push((name.to_owned(), extent));
            return;
        };
        let all = &mut extent.forced;
        all.min_bucket = all.min_bucket.min(forced.min_bucket);
        all.max_bucket = all.max_bucket.max(forced.max_bucket);
        all.max_diff = all.max_diff.max(forced.max_diff);
        extent.first = extent.first.min(at);
        extent.last = extent.last.max(at);
        extent.samples += 1;
    }

    /// Tells of them.
    pub(super) fn note(self, ev: Evaluator<'_>) {
        for (name, extent) in self.by_name {
            let message = "input to histogram_quantile needed to be fixed for monotonicity (see \
                https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
            let forced = extent.forced;
            let message = format!(
                "{}, from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
                with_name(message, &name),
                number::format_g(forced.min_bucket),
                number::format_g(forced.max_bucket),
                two_digits(forced.max_diff),
                extent.samples,
                second(extent.first),
                second(extent.last),
            );
            ev.shared.note(Severity::Info, message, self.span);
        }
    }
}

fn second(at: i64) -> String {
    Timestamp::from_millis(at - at % 1000).rfc3339()
}

/// Go's `%.2g` of a positive number.
fn two_digits(value: f64) -> String {
    if !value.is_finite() {
        return number::format_g(value);
    }
    let text = format!("{value:.1e}");
    let rounded: f64 = text.parse().expect("invariant: a printed number");
    if rounded == 0.0 || (1e-4..100.0).contains(&rounded) {
        number::format_f(rounded)
    } else {
        number::format_e(rounded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_are_those_of_go() {
        for (value, text) in [
            (10.0, "10"),
            (5.0, "5"),
            (0.126, "0.13"),
            (99.6, "1e+02"),
            (1234.0, "1.2e+03"),
            (0.000_012_3, "1.2e-05"),
        ] {
            assert_eq!(two_digits(value), text);
        }
    }
}
