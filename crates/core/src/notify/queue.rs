//! The queue of one integration, over all groups: which notification may start, and when.

use std::collections::{BTreeSet, VecDeque};

use stentor_lang::model::{Duration, Timestamp};

use super::numbers::JobNo;
use crate::receiver::Integration;

/// Attempts of one integration at the same time: enough that a slow answer does not make a storm
/// of groups crawl, few enough that a struggling service is not trampled.
pub const MAX_IN_FLIGHT: usize = 8;

/// Notifications that wait for one integration, one or two a group: as many groups as a service
/// could be told of within an hour and a half at PagerDuty's 120 a minute. What does not fit waits
/// as the state of its group.
pub const MAX_WAITING: usize = 10_000;

/// The wait after the first failed attempt; each further one doubles it.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest wait that we choose ourselves: an open alert is not left alone for longer.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// The queue of one integration.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The notifications that may start next, one of each group.
    waiting: BTreeSet<(Timestamp, JobNo)>,
    /// Those that were handed out and have not started yet.
    handed: BTreeSet<JobNo>,
    in_flight: usize,
    /// When the attempts within the last window started; the newest last.
    started: VecDeque<Timestamp>,
    limit: Option<(usize, Duration)>,
    /// The service asked for quiet until then.
    blocked_until: Option<Timestamp>,
}

impl Queue {
    /// Takes over the limits of the integration.
    pub(super) fn configure(&mut self, integration: &Integration) {
        let limit = usize::try_from(integration.rate_limit).unwrap_or(usize::MAX);
        let limited = integration.rate_limit != u32::MAX;
        self.limit = limited.then_some((limit.max(1), integration.rate_window));
    }

    pub(super) fn add(&mut self, at: Timestamp, job: JobNo) {
        if !self.handed.contains(&job) {
            self.waiting.insert((at, job));
        }
    }

    pub(super) fn remove(&mut self, at: Timestamp, job: JobNo) {
        self.waiting.remove(&(at, job));
        self.handed.remove(&job);
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING
    }

    /// The service named a time before which it takes nothing.
    pub(super) fn block(&mut self, until: Timestamp) {
        self.blocked_until = self.blocked_until.max(Some(until));
    }

    pub(super) fn start(&mut self, now: Timestamp) {
        self.in_flight += 1;
        if self.limit.is_some() {
            self.started.push_back(now);
        }
        self.forget_started(now);
    }

    pub(super) fn finish(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    pub(super) fn shift(&mut self, by: Duration) {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting = waiting
            .into_iter()
            .map(|(at, job)| (at + by, job))
            .collect();
        for at in &mut self.started {
            *at += by;
        }
        self.blocked_until = self.blocked_until.map(|at| at + by);
    }

    fn forget_started(&mut self, now: Timestamp) {
        let Some((limit, window)) = self.limit else {
            self.started.clear();
            return;
        };
        while self
            .started
            .front()
            .is_some_and(|at| *at + window <= now || self.started.len() > limit)
        {
            self.started.pop_front();
        }
    }

    /// How many attempts may start now.
    fn free(&self, now: Timestamp) -> usize {
        if self.blocked_until.is_some_and(|until| now < until) {
            return 0;
        }
        let places = MAX_IN_FLIGHT.saturating_sub(self.in_flight + self.handed.len());
        let Some((limit, window)) = self.limit else {
            return places;
        };
        let used = self.started.iter().filter(|at| **at + window > now).count();
        places.min(limit.saturating_sub(used + self.handed.len()))
    }

    /// Hands out the notifications that may start now, those that wait longest first.
    pub(super) fn hand_out(&mut self, now: Timestamp) -> Vec<JobNo> {
        let mut jobs = Vec::new();
        for _ in 0..self.free(now) {
            let Some((_, job)) = self.waiting.first().copied().filter(|(at, _)| *at <= now) else {
                break;
            };
            self.waiting.pop_first();
            self.handed.insert(job);
            jobs.push(job);
        }
        jobs
    }

    /// When [`Queue::hand_out`] will next have something; `None` while only an outcome changes that.
    pub(super) fn next_start(&self) -> Option<Timestamp> {
        let (at, _) = self.waiting.first()?;
        let taken = self.in_flight + self.handed.len();
        let limit = self.limit.map_or(usize::MAX, |(limit, _)| limit);
        if taken >= MAX_IN_FLIGHT || self.handed.len() >= limit {
            return None;
        }
        let free_slot = self.limit.and_then(|(limit, window)| {
            let oldest = (self.started.len() + self.handed.len()).checked_sub(limit)?;
            Some(*self.started.get(oldest)? + window)
        });
        [Some(*at), self.blocked_until, free_slot]
            .into_iter()
            .flatten()
            .max()
    }
}

/// The time to wait after the given number of failed attempts, at least `asked`: doubling from a
/// second to a minute, between half of it and all of it, so that what failed together does not
/// come back together. `asked` is lengthened by up to a tenth.
pub(super) fn backoff(seed: u64, job: JobNo, attempts: u32, asked: Option<Duration>) -> Duration {
    let doubled = FIRST_BACKOFF.times(1 << attempts.saturating_sub(1).min(16));
    let longest = doubled.min(LONGEST_BACKOFF).millis();
    let draw = mix(seed ^ mix(job.0 ^ mix(u64::from(attempts))));
    let part = |of: i64| {
        let range = u64::try_from(of).unwrap_or(0) + 1;
        i64::try_from(draw % range).unwrap_or(0)
    };
    let own = Duration::from_millis(longest / 2 + part(longest / 2));
    asked.map_or(own, |asked| {
        own.max(asked + Duration::from_millis(part(asked.millis() / 10)))
    })
}

/// A hash of a number that changes all its bits (the finaliser of `SplitMix64`).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_a_minute_and_honours_what_was_asked() {
        for attempts in 1..40 {
            let full = (1000_i64 << (attempts - 1).min(16)).min(60_000);
            for job in 0..50 {
                let wait = backoff(7, JobNo(job), attempts, None).millis();
                assert!(wait >= full / 2 && wait <= full, "{attempts}: {wait}");
                assert_eq!(wait, backoff(7, JobNo(job), attempts, None).millis());
                let asked = Duration::from_secs(90);
                let wait = backoff(7, JobNo(job), attempts, Some(asked)).millis();
                assert!((90_000..=99_000).contains(&wait), "{attempts}: {wait}");
            }
        }
        let differing: BTreeSet<_> = (0..50).map(|job| backoff(7, JobNo(job), 7, None)).collect();
        assert!(differing.len() > 40);
    }

    #[test]
    fn no_window_holds_more_than_the_limit() {
        let mut queue = Queue {
            limit: Some((3, Duration::from_secs(10))),
            ..Queue::default()
        };
        let mut starts = Vec::new();
        for job in 0..10 {
            queue.add(Timestamp::EPOCH, JobNo(job));
        }
        while let Some(now) = queue.next_start() {
            let ready = queue.hand_out(now);
            assert!(!ready.is_empty(), "nothing to do at {now}");
            for job in ready {
                queue.remove(Timestamp::EPOCH, job);
                queue.start(now);
                queue.finish();
                starts.push(now.millis() / 1000);
            }
        }
        assert_eq!(starts, [0, 0, 0, 10, 10, 10, 20, 20, 20, 30]);
    }
}
