//! The thread that owns the engine: takes what waits, lets the engine decide, and hands on what it
//! wants done. Nothing else touches the engine.
//!
//! Queries start at once. Records go to the store's thread, and deliveries with them, so that they
//! start only when the records before them are durable. Cursors of slots, which nothing waits for,
//! go along with the next records, within a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use stentor_core::engine::{Action, Deliver, Engine, Event, Input, Query, Record};
use stentor_lang::model::Timestamp;
use tokio::sync::mpsc::UnboundedSender;

use super::clock::Clock;
use super::inbox::{Inbox, Letter};
use super::store::writer::{Handle, Job};

/// How long a record may wait that nothing waits for; also how often the clocks are compared.
const RIDE: Duration = Duration::from_secs(1);

/// So many records go to the store at once, whether or not something waits for them.
const MANY_RECORDS: usize = 4096;

/// Everything the thread needs.
pub(crate) struct Core {
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<Clock>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) outlets: Outlets,
    pub(crate) pulse: Arc<Pulse>,
}

/// Where actions go.
pub(crate) struct Outlets {
    pub(crate) queries: UnboundedSender<Vec<Query>>,
    pub(crate) store: Handle,
    pub(crate) events: std::sync::mpsc::Sender<Vec<Event>>,
}

/// When the engine is due, for those who watch over its thread; while the thread works, that is since
/// when it does.
pub(crate) struct Pulse(AtomicI64);

impl Default for Pulse {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

impl Pulse {
    /// By how much the thread is late.
    pub(crate) fn late(&self, now: Timestamp) -> Duration {
        let due = Timestamp::from_millis(self.0.load(Ordering::Relaxed));
        (now - due).to_std()
    }

    /// When the engine is due next; `None` while it has nothing to wait for.
    #[cfg(test)]
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let due = self.0.load(Ordering::Relaxed);
        (due < i64::MAX).then(|| Timestamp::from_millis(due))
    }

    fn due(&self, at: Timestamp) {
        self.0.store(at.millis(), Ordering::Relaxed);
    }
}

/// What a turn collects before it is handed on.
#[derive(Default)]
struct Turn {
    queries: Vec<Query>,
    deliveries: Vec<Deliver>,
    events: Vec<Event>,
}

impl Core {
    /// Starts with the actions of the engine's recovery, and ends with [`Letter::Stop`].
    pub(crate) fn run(mut self, first: Vec<Action>) {
        let mut waiting = Waiting::default();
        let mut draining = false;
        let mut turn = Turn::default();
        turn.collect(first, &mut waiting);
        loop {
            self.hand_on(&mut turn, &mut waiting, draining);
            let letters = self.inbox.take(self.sleep(&waiting));
            let now = self.clock.now();
            self.pulse.due(now);
            let stepped = self.clock.take_step();
            if let Some(by) = stepped {
                tracing::warn!(%by, "the wall clock was stepped");
                self.step(Input::ClockStepped { by }, now, &mut turn, &mut waiting);
            }
            for (came, letter) in letters {
                // What came before a step of the clock has no time on the clock of now, and what came
                // since the clock was read did not come before the rest.
                let at = if stepped.is_some() {
                    now
                } else {
                    came.min(now)
                };
                match letter {
                    Letter::Input(Input::StoreRecovered) => {
                        self.rewrite(at, &mut turn, &mut waiting, draining);
                    }
                    Letter::Input(input) => self.step(input, at, &mut turn, &mut waiting),
                    Letter::Look(reply) => drop(reply.send(self.engine.snapshot())),
                    Letter::Drain => draining = true,
                    Letter::Stop => {
                        waiting.urgent = true;
                        self.hand_on(&mut turn, &mut waiting, true);
                        return;
                    }
                }
            }
            let now = self.clock.now();
            if self.engine.deadline().is_some_and(|at| at <= now) {
                self.step(Input::Wake, now, &mut turn, &mut waiting);
            }
        }
    }

    fn step(&mut self, input: Input, at: Timestamp, turn: &mut Turn, waiting: &mut Waiting) {
        let actions = self.engine.handle(at, input);
        turn.collect(actions, waiting);
    }

    /// All state is recorded again, and takes the place of what the store still has.
    fn rewrite(&mut self, at: Timestamp, turn: &mut Turn, waiting: &mut Waiting, draining: bool) {
        self.hand_on(turn, waiting, draining);
        *waiting = Waiting::default();
        self.step(Input::StoreRecovered, at, turn, waiting);
        self.outlets.store.send(Job::Commit {
            records: std::mem::take(waiting).records,
            all: true,
            deliveries: Vec::new(),
        });
    }

    /// Starts what the turn asked for.
    fn hand_on(&mut self, turn: &mut Turn, waiting: &mut Waiting, draining: bool) {
        let Turn {
            queries,
            mut deliveries,
            events,
        } = std::mem::take(turn);
        if draining {
            // Their jobs are durable, and start again with the next process.
            deliveries.clear();
        } else if !queries.is_empty() {
            let _ = self.outlets.queries.send(queries);
        }
        if !deliveries.is_empty() || waiting.must_go() {
            self.outlets.store.send(Job::Commit {
                records: std::mem::take(waiting).records,
                all: false,
                deliveries,
            });
        }
        if !events.is_empty() {
            let _ = self.outlets.events.send(events);
        }
    }

    /// Until something is due; and no longer than the clocks may go uncompared.
    fn sleep(&self, waiting: &Waiting) -> Duration {
        let mut sleep = RIDE;
        if let Some(since) = waiting.since {
            sleep = sleep.min(RIDE.saturating_sub(since.elapsed()));
        }
        let deadline = self.engine.deadline();
        if let Some(deadline) = deadline {
            sleep = sleep.min(self.clock.until(deadline));
        }
        self.pulse
            .due(deadline.unwrap_or(Timestamp::from_millis(i64::MAX)));
        sleep
    }
}

/// Records that the store does not have yet.
#[derive(Default)]
struct Waiting {
    records: Vec<Record>,
    /// When the first of them came.
    since: Option<Instant>,
    /// One of them is more than a cursor, or nothing comes after them.
    urgent: bool,
}

impl Waiting {
    fn push(&mut self, record: Record) {
        self.since.get_or_insert_with(Instant::now);
        // Without its cursor a group catches up a slot that it had evaluated, and nobody notices.
        self.urgent |= !matches!(record, Record::Cursor { .. });
        self.records.push(record);
    }

    fn must_go(&self) -> bool {
        let old = self.since.is_some_and(|since| since.elapsed() >= RIDE);
        let many = self.records.len() >= MANY_RECORDS;
        !self.records.is_empty() && (old || many || self.urgent)
    }
}

impl Turn {
    fn collect(&mut self, actions: Vec<Action>, waiting: &mut Waiting) {
        for action in actions {
            match action {
                Action::Query(query) => self.queries.push(query),
                // The engine is told that there is nowhere to write to.
                Action::Write(_) => {}
                Action::Record(record) => waiting.push(record),
                Action::Deliver(delivery) => self.deliveries.push(delivery),
                Action::Emit(event) => self.events.push(event),
            }
        }
    }
}
