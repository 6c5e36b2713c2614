//! The demo on the wall clock: a thread that lets it go on, and views of it for everybody else.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration as Real, Instant};

use stentor_lang::model::{Duration, Timestamp};
use tokio::sync::Notify;

use super::pace::Pace;
use super::{Demo, Happening, View};

/// How often virtual time goes on, at least.
const TICK: Real = Real::from_millis(100);
/// Where it lags behind, readers get their turn all the same.
const BREATH: Real = Real::from_millis(1);
/// A view is shared by all who ask within this time of the wall clock, as it is a copy of all series.
const FRESH: i64 = 300;

/// A demo that goes on.
pub(crate) struct Live {
    demo: Mutex<Demo>,
    speed: i64,
    view: Mutex<Option<Arc<View>>>,
    stopped: (Mutex<bool>, Condvar),
    ended: Notify,
}

/// What is told while it goes on.
#[derive(Debug)]
pub(crate) enum Told {
    /// Something happened.
    Happened(Happening),
    /// The machine is too slow: the speed that it reaches.
    Slow(f64),
}

impl Live {
    pub(crate) fn new(demo: Demo, speed: i64) -> Self {
        Self {
            demo: Mutex::new(demo),
            speed,
            view: Mutex::new(None),
            stopped: (Mutex::new(false), Condvar::new()),
            ended: Notify::new(),
        }
    }

    /// Virtual seconds in a real one.
    pub(crate) fn speed(&self) -> i64 {
        self.speed
    }

    /// Goes on until it is stopped, or nobody listens any more.
    pub(crate) fn run(&self, tell: impl FnMut(Told) -> std::io::Result<()>) {
        /// Tells it whatever ends the thread.
        struct Ended<'a>(&'a Notify);
        impl Drop for Ended<'_> {
            fn drop(&mut self) {
                self.0.notify_one();
            }
        }
        let _ended = Ended(&self.ended);
        self.go_on(tell);
    }

    /// Comes when [`run`](Self::run) has ended.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
    }

    fn go_on(&self, mut tell: impl FnMut(Told) -> std::io::Result<()>) {
        let begun = Instant::now();
        let mut pace = Pace::new(self.speed, self.demo().now());
        loop {
            let due = pace.due(begun.elapsed());
            let (happenings, reached) = self.step(due);
            let slow = pace.worked(begun.elapsed(), reached);
            let told = happenings.into_iter().map(Told::Happened);
            let told = told.chain(slow.map(Told::Slow));
            if told.map(&mut tell).any(|told| told.is_err()) {
                return;
            }
            let wait = if reached < due { BREATH } else { TICK };
            if self.stopped_within(wait) {
                return;
            }
        }
    }

    /// Ends [`run`](Self::run) soon.
    pub(crate) fn stop(&self) {
        *lock(&self.stopped.0) = true;
        self.stopped.1.notify_all();
    }

    /// The demo as it is, or was a moment ago.
    pub(crate) fn view(&self) -> Arc<View> {
        let mut view = lock(&self.view);
        let demo = self.demo();
        let fresh = Duration::from_millis(FRESH).times(self.speed);
        match &*view {
            Some(view) if demo.now() - view.now < fresh => Arc::clone(view),
            _ => {
                let new = Arc::new(demo.view());
                *view = Some(Arc::clone(&new));
                new
            }
        }
    }

    /// Goes on for one scrape at most, so that readers wait for no more than that.
    fn step(&self, due: Timestamp) -> (Vec<Happening>, Timestamp) {
        let mut demo = self.demo();
        let to = due.min(demo.next_scrape()).max(demo.now());
        (demo.advance(to), to)
    }

    fn demo(&self) -> MutexGuard<'_, Demo> {
        lock(&self.demo)
    }

    fn stopped_within(&self, wait: Real) -> bool {
        let stopped = lock(&self.stopped.0);
        let waited = self
            .stopped
            .1
            .wait_timeout_while(stopped, wait, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Nothing here is left half done by a panic that somebody could see.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
