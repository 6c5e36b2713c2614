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

impl Schedule {
    /// The slots of a group of this name; with `aligned`, without an offset, as tests want it.
    pub fn new(name: &str, interval: Duration, aligned: bool) -> Self {
        let interval = interval.millis().max(1);
        let hash = i64::try_from(xxh64(name.as_bytes(), 0) >> 1).expect("invariant: 63 bits");
        Self {
            interval,
            offset: if aligned { 0 } else { hash % interval },
        }
    }

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
        let aligned = Schedule::new("any", interval, true);
        assert_eq!(aligned.newest(t(44_999)), t(30_000));
        assert_eq!(aligned.newest(t(45_000)), t(45_000));
        assert_eq!(aligned.after(t(45_000)), t(60_000));
        assert_eq!(aligned.newest(t(-1)), t(-15_000));
        assert_eq!(aligned.between(t(15_000), t(61_000)), 3);
        assert_eq!(aligned.between(t(61_000), t(15_000)), 0);

        let a = Schedule::new("a", interval, false);
        let b = Schedule::new("b", interval, false);
        assert_ne!(a.newest(t(1_000_000)), b.newest(t(1_000_000)));
        assert_eq!(a, Schedule::new("a", interval, false));
        for now in (0..100_000).step_by(977) {
            assert!(a.newest(t(now)) <= t(now) && a.after(t(now)) > t(now));
        }
    }
}
