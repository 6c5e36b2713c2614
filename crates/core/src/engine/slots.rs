//! When a rule group is due: slots aligned to its interval, shifted by a hash of its name, so that
//! groups spread over the interval and every process computes the same slots.
//!
//! Prometheus hashes the file's path too (`rules/group.go`, `EvalTimestamp`); here CI and
//! production, which keep the same file in different places, must agree.

use stentor_lang::model::{Duration, Timestamp};
use xxhash_rust::xxh64::xxh64;

/// The slots of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    interval: i64,
    offset: i64,
}

/// When groups are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Slots {
    /// At their intervals, each with an offset of its own.
    #[default]
    Spread,
    /// At their intervals, without an offset, as tests count them.
    Aligned,
    /// All of them at this interval, counted from this instant: promtool's schedule.
    Every {
        /// In the place of the groups' own.
        interval: Duration,
        /// One of the instants.
        from: Timestamp,
    },
}

impl Slots {
    /// The slots of a group of this name and interval.
    pub fn of(self, name: &str, interval: Duration) -> Schedule {
        let (interval, shift) = match self {
            Self::Spread => {
                let hash = xxh64(name.as_bytes(), 0) >> 1;
                let hash = i64::try_from(hash).expect("invariant: 63 bits");
                (interval, hash)
            }
            Self::Aligned => (interval, 0),
            Self::Every { interval, from } => (interval, from.millis()),
        };
        let interval = interval.millis().max(1);
        Schedule {
            interval,
            offset: shift.rem_euclid(interval),
        }
    }
}

impl Schedule {
    /// The distance between two slots.
    pub const fn interval(self) -> Duration {
        Duration::from_millis(self.interval)
    }

    /// The newest slot that is not later than `now`.
    pub const fn newest(self, now: Timestamp) -> Timestamp {
        let steps = (now.millis() - self.offset).div_euclid(self.interval);
        Timestamp::from_millis(steps * self.interval + self.offset)
    }

    /// The slot after the newest one at `at`.
    pub fn after(self, at: Timestamp) -> Timestamp {
        self.newest(at) + self.interval()
    }

    /// How many slots lie after `from`, up to `to` included.
    pub fn between(self, from: Timestamp, to: Timestamp) -> u64 {
        u64::try_from(self.newest(to).since(self.newest(from)).millis() / self.interval)
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn t(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn slots_are_aligned_and_spread() {
        let interval = Duration::from_secs(15);
        let aligned = Slots::Aligned.of("any", interval);
        assert_eq!(aligned.newest(t(44_999)), t(30_000));
        assert_eq!(aligned.newest(t(45_000)), t(45_000));
        assert_eq!(aligned.after(t(45_000)), t(60_000));
        assert_eq!(aligned.newest(t(-1)), t(-15_000));
        assert_eq!(aligned.between(t(15_000), t(61_000)), 3);
        assert_eq!(aligned.between(t(61_000), t(15_000)), 0);

        let a = Slots::Spread.of("a", interval);
        let b = Slots::Spread.of("b", interval);
        assert_ne!(a.newest(t(1_000_000)), b.newest(t(1_000_000)));
        assert_eq!(a, Slots::Spread.of("a", interval));
        for now in (0..100_000).step_by(977) {
            assert!(a.newest(t(now)) <= t(now) && a.after(t(now)) > t(now));
        }
    }
}
