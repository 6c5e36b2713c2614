//! Which selectors are asked for, and the stretches of time in which.

use stentor_core::needs::Need;
use stentor_lang::model::{Duration, Matcher, Timestamp};

/// Samples that a chunk should have: enough that a request by itself costs nothing, and few enough that
/// the one in use and the one ahead fit into a small process.
const SAMPLES: f64 = 1_500_000.0;

const HOUR: i64 = 3_600_000;

/// The lengths of chunks. They end at multiples of their length, so that the same ones are asked for, and
/// found on disk, by a replay that begins a little later.
const LENGTHS: [i64; 8] = [
    HOUR,
    2 * HOUR,
    4 * HOUR,
    8 * HOUR,
    12 * HOUR,
    24 * HOUR,
    48 * HOUR,
    96 * HOUR,
];

/// Samples with `after` < time <= `to`, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) after: i64,
    pub(super) to: i64,
}

impl Window {
    /// The earlier and the later half, if it is longer than a minute.
    pub(super) fn halves(self) -> Option<[Self; 2]> {
        const SHORTEST: i64 = 60_000;
        let length = self.to.checked_sub(self.after)?;
        let middle = self.after + length / 2;
        let first = Self { to: middle, ..self };
        let second = Self {
            after: middle,
            ..self
        };
        (length > SHORTEST).then_some([first, second])
    }
}

/// The selectors without those whose series others name too, each with the larger reach of both.
pub(super) fn widest(mut needs: Vec<Need>) -> Vec<Need> {
    let covers = |wide: &[Matcher], narrow: &[Matcher]| wide.iter().all(|m| narrow.contains(m));
    // What has fewer matchers names more series.
    needs.sort_by_key(|need| need.matchers.len());
    let mut kept: Vec<Need> = Vec::new();
    for need in needs {
        match kept
            .iter_mut()
            .find(|wide| covers(&wide.matchers, &need.matchers))
        {
            Some(wide) => {
                wide.before = wide.before.max(need.before);
                wide.after = wide.after.max(need.after);
                wide.fixed.extend(need.fixed);
            }
            None => kept.push(need),
        }
    }
    kept
}

/// The ends of chunks.
#[derive(Debug)]
pub(super) struct Plan {
    /// Up to when samples are asked for, at present.
    at: i64,
    /// Up to when they are asked for in the end.
    end: i64,
    /// How far the samples are ahead of the evaluations that read them.
    after: Duration,
    length: i64,
    begun: bool,
}

impl Plan {
    pub(super) fn new(start: Timestamp, end: Timestamp, after: Duration) -> Self {
        Self {
            at: (start + after).millis(),
            end: (end + after).millis(),
            after,
            length: LENGTHS[0],
            begun: false,
        }
    }

    /// The next stretch, and the last evaluation that can be made with its samples.
    pub(super) fn next(&mut self) -> Option<(Window, Timestamp)> {
        // The first stretch is asked for with what is before it, and may have nothing of its own.
        if self.begun && self.at >= self.end {
            return None;
        }
        self.begun = true;
        let after = self.at;
        let next = after.div_euclid(self.length).saturating_add(1);
        self.at = next.saturating_mul(self.length).min(self.end);
        let until = if self.at == self.end {
            Timestamp::from_millis(i64::MAX)
        } else {
            Timestamp::from_millis(self.at) - self.after
        };
        Some((Window { after, to: self.at }, until))
    }

    /// How much of the way is behind, from 0 to 1.
    pub(super) fn done(&self, start: Timestamp) -> f64 {
        let whole = self.end - start.millis();
        let left = self.end - self.at;
        #[expect(clippy::cast_precision_loss, reason = "a part of a bar")]
        let left = left as f64 / whole.max(1) as f64;
        1.0 - left.clamp(0.0, 1.0)
    }

    /// What a stretch held, from which the next one's length follows.
    pub(super) fn held(&mut self, window: Window, samples: usize) {
        let length = window.to.saturating_sub(window.after).max(1);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let fits = |length_: &&i64| samples as f64 / length as f64 * **length_ as f64 <= SAMPLES;
        self.length = *LENGTHS.iter().rev().find(fits).unwrap_or(&LENGTHS[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(selector: &str, before: i64) -> Need {
        Need {
            matchers: stentor_lang::promql::parse_selector(selector).expect("a selector"),
            text: selector.to_owned(),
            before: Duration::from_millis(before),
            after: Duration::ZERO,
            fixed: Vec::new(),
        }
    }

    #[test]
    fn a_selector_within_another_is_not_asked_for() {
        let kept = widest(vec![
            need(r#"a{job="x"}"#, 3),
            need("b", 1),
            need("a", 2),
            need(r#"{job="x"}"#, 1),
        ]);
        let shown: Vec<_> = kept.iter().map(|n| (&*n.text, n.before.millis())).collect();
        assert_eq!(shown, [("b", 1), ("a", 3), (r#"{job="x"}"#, 1)]);
    }

    #[test]
    fn chunks_end_at_multiples_of_their_length_and_follow_the_samples() {
        let at = |hours: i64| Timestamp::from_millis(hours * HOUR + 60_000);
        let mut plan = Plan::new(at(0), at(100), Duration::ZERO);
        let mut ends = Vec::new();
        while let Some((window, until)) = plan.next() {
            assert_eq!(until.millis() == i64::MAX, window.to == at(100).millis());
            ends.push(window.to / HOUR);
            let samples = (window.to - window.after) / 60;
            plan.held(window, usize::try_from(samples).expect("a number"));
        }
        assert_eq!(ends, [1, 24, 48, 72, 96, 100]);
        let mut plan = Plan::new(at(0), at(0), Duration::ZERO);
        let (window, until) = plan.next().expect("one instant is a stretch");
        assert_eq!((window.after, window.to), (60_000, 60_000));
        assert_eq!((until.millis(), plan.next()), (i64::MAX, None));
        let [first, second] = Window { after: 0, to: HOUR }.halves().expect("halves");
        assert_eq!(
            (first.to, second.after, second.to),
            (HOUR / 2, HOUR / 2, HOUR)
        );
        assert_eq!(
            Window {
                after: 0,
                to: 60_000
            }
            .halves(),
            None
        );
    }
}
