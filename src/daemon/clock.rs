//! The pipeline clock: the boot-time clock, which goes on during suspension and never jumps, plus
//! an offset to the wall clock. A step of the wall clock moves the offset, and the engine is told.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use stentor_lang::model::{Duration, Timestamp};

/// Clocks that are further apart than this were stepped: slewing by NTP is slower than half a
/// millisecond a second, and timers need no more exactness.
const STEP: Duration = Duration::from_millis(250);

type Millis = Box<dyn Fn() -> i64 + Send + Sync>;

/// The clock of this process.
pub(crate) struct Clock {
    boot: Millis,
    wall: Millis,
    offset: AtomicI64,
}

impl Clock {
    /// The clock of the system.
    pub(crate) fn system() -> Self {
        Self::new(Box::new(boot_millis), Box::new(wall_millis))
    }

    pub(crate) fn new(boot: Millis, wall: Millis) -> Self {
        let offset = AtomicI64::new(wall() - boot());
        Self { boot, wall, offset }
    }

    /// The pipeline clock now.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis((self.boot)() + self.offset.load(Ordering::Relaxed))
    }

    /// By how much the wall clock was stepped since the last call; the pipeline clock follows.
    pub(crate) fn take_step(&self) -> Option<Duration> {
        let by = Timestamp::from_millis((self.wall)()) - self.now();
        if by.millis().abs() <= STEP.millis() {
            return None;
        }
        self.offset.fetch_add(by.millis(), Ordering::Relaxed);
        Some(by)
    }

    /// The time until a moment of the pipeline clock; none where it has passed.
    pub(crate) fn until(&self, moment: Timestamp) -> std::time::Duration {
        (moment - self.now()).to_std()
    }
}

fn boot_millis() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

fn wall_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_step_of_the_wall_moves_the_clock_once() {
        let (boot, wall) = (
            Arc::new(AtomicI64::new(100)),
            Arc::new(AtomicI64::new(9_000)),
        );
        let read = |clock: &Arc<AtomicI64>| {
            let clock = Arc::clone(clock);
            Box::new(move || clock.load(Ordering::Relaxed))
        };
        let clock = Clock::new(read(&boot), read(&wall));
        let pass = |boot_by, wall_by| {
            boot.fetch_add(boot_by, Ordering::Relaxed);
            wall.fetch_add(wall_by, Ordering::Relaxed);
        };
        assert_eq!(clock.now().millis(), 9_000);
        pass(1_000, 1_100);
        assert_eq!(clock.take_step(), None);
        assert_eq!(clock.now().millis(), 10_000);
        pass(1_000, -3_600_000);
        assert_eq!(clock.now().millis(), 11_000);
        assert_eq!(clock.take_step(), Some(Duration::from_millis(-3_600_900)));
        assert_eq!(clock.take_step(), None);
        assert_eq!(clock.now().millis(), -3_589_900);
    }

    #[test]
    fn the_system_has_both_clocks() {
        let clock = Clock::system();
        assert!(clock.now().millis() > 1_700_000_000_000);
        assert_eq!(clock.take_step(), None);
        assert_eq!(clock.until(Timestamp::EPOCH), std::time::Duration::ZERO);
    }
}
