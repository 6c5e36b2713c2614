//! What waits for the engine's thread. It takes all of it at once.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stentor_core::engine::{Input, Snapshot};
use stentor_lang::model::Timestamp;
use tokio::sync::oneshot;

use super::clock::Clock;

/// How long the thread stays asleep after the first letter, so that answers which come one after
/// the other are handled together: waking a thread costs more than handling an answer.
const LINGER: Duration = Duration::from_micros(300);

/// Something for the engine's thread.
pub(crate) enum Letter {
    /// For the engine.
    Input(Input),
    /// Somebody wants to see the state.
    Look(oneshot::Sender<Snapshot>),
    /// No new work is begun from here on.
    Drain,
    /// The thread ends.
    Stop,
}

/// The queue of letters, each with the moment of the pipeline clock at which it came: an answer that
/// was there in time is in time, however long the thread was busy.
pub(crate) struct Inbox {
    clock: Arc<Clock>,
    letters: Mutex<Vec<(Timestamp, Letter)>>,
    bell: Condvar,
}

impl Inbox {
    /// An empty queue.
    pub(crate) fn new(clock: Arc<Clock>) -> Self {
        Self {
            clock,
            letters: Mutex::default(),
            bell: Condvar::new(),
        }
    }

    /// Puts a letter in.
    pub(crate) fn push(&self, letter: Letter) {
        let mut letters = self.lock();
        letters.push((self.clock.now(), letter));
        if letters.len() == 1 {
            self.bell.notify_one();
        }
    }

    /// Puts an input for the engine in.
    pub(crate) fn input(&self, input: Input) {
        self.push(Letter::Input(input));
    }

    /// Waits for letters, at most this long, and takes all that are there.
    pub(crate) fn take(&self, within: Duration) -> Vec<(Timestamp, Letter)> {
        let until = Instant::now() + within;
        let mut letters = self.lock();
        let mut slept = false;
        while letters.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Vec::new();
            }
            slept = true;
            letters = self
                .bell
                .wait_timeout(letters, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if slept {
            drop(letters);
            std::thread::sleep(LINGER);
            letters = self.lock();
        }
        std::mem::take(&mut *letters)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Timestamp, Letter)>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_letters_are_taken_at_once_in_their_order() {
        let inbox = Inbox::new(Arc::new(Clock::system()));
        assert!(inbox.take(Duration::ZERO).is_empty());
        inbox.input(Input::Wake);
        inbox.push(Letter::Stop);
        let letters = inbox.take(Duration::ZERO);
        assert!(matches!(
            letters[..],
            [(_, Letter::Input(Input::Wake)), (_, Letter::Stop)]
        ));
        std::thread::scope(|scope| {
            scope.spawn(|| inbox.push(Letter::Drain));
            let letters = inbox.take(Duration::from_secs(20));
            assert!(matches!(letters[..], [(_, Letter::Drain)]));
        });
    }
}
