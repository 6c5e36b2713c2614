//! The virtual clock, driven by the wall clock times a speed. Where the machine cannot keep up it goes
//! slower: nothing is skipped.

use std::ops::RangeInclusive;
use std::time::Duration as Real;

use stentor_lang::model::{Duration, Timestamp};

/// The speeds: virtual seconds in a real one.
pub(crate) const SPEEDS: RangeInclusive<i64> = 1..=600;
/// A lag that is more than a hiccup.
const PATIENCE: Real = Real::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    speed: i64,
    /// A moment of the wall clock and of the virtual one: from there on the speed holds.
    from: (Real, Timestamp),
    /// The time at which it was said last that the machine is too slow.
    said: Option<Real>,
}

impl Pace {
    pub(super) fn new(speed: i64, start: Timestamp) -> Self {
        Self {
            speed,
            from: (Real::ZERO, start),
            said: None,
        }
    }

    /// The virtual time that should be reached so long after the start.
    pub(super) fn due(&self, real: Real) -> Timestamp {
        let passed = real.saturating_sub(self.from.0).as_millis();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX / SPEEDS.end());
        self.from.1 + Duration::from_millis(passed).times(self.speed)
    }

    /// After some work: where virtual time lags too far behind it goes on from where it is. The answer is
    /// the speed that was reached, the first time in a minute.
    pub(super) fn worked(&mut self, real: Real, reached: Timestamp) -> Option<f64> {
        /// How long it is not said again.
        const QUIET: Real = Real::from_mins(1);
        let lag = self.due(real) - reached;
        if lag.to_std() <= PATIENCE.saturating_mul(u32::try_from(self.speed).unwrap_or(u32::MAX)) {
            return None;
        }
        let passed = real.saturating_sub(self.from.0).as_secs_f64();
        let speed = (reached - self.from.1).seconds() / passed.max(f64::MIN_POSITIVE);
        self.from = (real, reached);
        if self.said.is_some_and(|said| real < said + QUIET) {
            return None;
        }
        self.said = Some(real);
        Some(speed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn virtual_time_follows_the_wall_clock() {
        let mut pace = Pace::new(60, at(100));
        assert_eq!(pace.due(Real::ZERO), at(100));
        assert_eq!(pace.due(Real::from_millis(500)), at(130));
        assert_eq!(pace.worked(Real::from_secs(10), at(690)), None);
        assert_eq!(pace.due(Real::from_secs(10)), at(700));
    }

    #[test]
    fn a_machine_that_is_too_slow_is_told_once_and_skips_nothing() {
        let mut pace = Pace::new(60, at(0));
        let speed = pace.worked(Real::from_secs(10), at(300));
        assert_eq!(speed, Some(30.0));
        assert_eq!(pace.due(Real::from_secs(10)), at(300));
        assert_eq!(pace.due(Real::from_secs(11)), at(360));
        assert_eq!(pace.worked(Real::from_secs(20), at(400)), None);
        assert_eq!(pace.due(Real::from_secs(20)), at(400));
        assert!(pace.worked(Real::from_mins(2), at(1000)).is_some());
    }
}
