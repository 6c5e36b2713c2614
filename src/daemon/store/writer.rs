//! The thread that owns the store. It takes all jobs that wait, makes them durable in one
//! transaction, and only then lets go what came with them.
//!
//! When a commit fails, deliveries go on without it: a page that may be sent twice after a crash is
//! better than none. What is recorded while the store fails is not kept; the engine records all of
//! its state anew once the store is back.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use stentor_core::engine::{Deliver, Record};
use stentor_core::receiver::{SecretBundle, SecretId};
use tokio::sync::oneshot;

use super::{Change, Store, StoreError};

/// How often a store that failed is tried again.
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// Jobs that are made durable in one transaction at most: a limit on what one failure takes along.
const GROUP_LIMIT: usize = 1024;

/// What the thread is asked to do.
pub(crate) enum Job {
    /// Makes records durable, then starts the deliveries.
    Commit {
        records: Vec<Record>,
        /// Whether these are all the rows there are, after a failure.
        all: bool,
        deliveries: Vec<Deliver>,
    },
    /// Makes something other than rows durable.
    Change(Change),
    /// Keeps a version of secrets, and names it once it is durable; nothing where that failed.
    KeepSecret(SecretBundle, oneshot::Sender<Option<SecretId>>),
    /// Finds a version of secrets.
    Secret(SecretId, oneshot::Sender<Option<SecretBundle>>),
    /// Does the jobs before, closes the store and ends the thread.
    Stop,
}

/// What the thread tells.
#[derive(Debug)]
pub(crate) enum News {
    /// A commit failed; so will the next ones, until the store is back.
    Failed(String),
    /// The store takes writes: all rows are to be recorded again.
    Recovered,
    /// A transaction took so long.
    Committed { took: Duration },
}

/// What the thread does with deliveries and news.
pub(crate) trait Outlet: Send + 'static {
    /// The records of this delivery are durable, or cannot be.
    fn deliver(&mut self, delivery: Deliver);
    /// Something happened to the store.
    fn news(&mut self, news: News);
}

/// Hands jobs to the thread.
#[derive(Clone)]
pub(crate) struct Handle(Sender<Job>);

impl Handle {
    /// Queues a job. After the thread has ended, at shutdown, nothing happens.
    pub(crate) fn send(&self, job: Job) {
        let _ = self.0.send(job);
    }

    /// See [`Job::KeepSecret`].
    pub(crate) async fn keep_secret(&self, bundle: SecretBundle) -> Option<SecretId> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::KeepSecret(bundle, reply));
        answer.await.ok().flatten()
    }

    /// See [`Job::Secret`].
    pub(crate) async fn secret(&self, id: SecretId) -> Option<SecretBundle> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Secret(id, reply));
        answer.await.ok().flatten()
    }
}

/// Starts the thread, which ends with [`Job::Stop`].
pub(crate) fn start(
    store: impl Store + 'static,
    outlet: impl Outlet,
    probe_interval: Duration,
) -> std::io::Result<(Handle, JoinHandle<()>)> {
    let (sender, receiver) = channel();
    let thread = std::thread::Builder::new()
        .name("store".to_owned())
        .spawn(move || {
            let mut writer = Writer {
                store,
                outlet,
                probe_interval,
                state: State::Good,
            };
            writer.run(&receiver);
        })?;
    Ok((Handle(sender), thread))
}

enum State {
    Good,
    /// Commits fail; the next try is at this time.
    Failed(Instant),
    /// The store is back, and its rows are old until all are recorded again.
    Stale,
}

struct Writer<S, O> {
    store: S,
    outlet: O,
    probe_interval: Duration,
    state: State,
}

impl<S: Store, O: Outlet> Writer<S, O> {
    fn run(&mut self, jobs: &Receiver<Job>) {
        loop {
            let first = match self.state {
                State::Failed(probe_at) => {
                    jobs.recv_timeout(probe_at.saturating_duration_since(Instant::now()))
                }
                _ => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match first {
                Ok(first) => {
                    let group = std::iter::once(first).chain(jobs.try_iter());
                    if self.handle(group.take(GROUP_LIMIT)).is_break() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.probe();
        }
    }

    fn probe(&mut self) {
        let State::Failed(at) = self.state else {
            return;
        };
        if Instant::now() < at {
            return;
        }
        if self.store.probe().is_ok() {
            self.state = State::Stale;
            self.outlet.news(News::Recovered);
        } else {
            self.state = State::Failed(Instant::now() + self.probe_interval);
        }
    }

    /// Does the jobs in their order: rows that follow each other in one transaction, and what waits
    /// for them after it.
    fn handle(&mut self, jobs: impl Iterator<Item = Job>) -> ControlFlow<()> {
        let mut batch = Batch::default();
        for job in jobs {
            match job {
                Job::Commit {
                    records,
                    all,
                    deliveries,
                } => {
                    if all && matches!(self.state, State::Stale) {
                        self.state = State::Good;
                    }
                    if all {
                        batch.pieces.push(Piece::Change(Change::ForgetRows));
                    }
                    if !records.is_empty() {
                        batch.pieces.push(Piece::Records(records));
                    }
                    batch.deliveries.extend(deliveries);
                }
                Job::Change(change) => batch.pieces.push(Piece::Change(change)),
                Job::KeepSecret(bundle, reply) => {
                    self.commit(std::mem::take(&mut batch));
                    let kept = self.store.keep_secret(&bundle);
                    let _ = reply.send(self.told(kept));
                }
                Job::Secret(id, reply) => {
                    let found = self.store.secret(id);
                    let _ = reply.send(found.unwrap_or_else(|error| {
                        tracing::error!(%error, "a stored version of secrets cannot be read");
                        None
                    }));
                }
                Job::Stop => {
                    self.commit(batch);
                    return ControlFlow::Break(());
                }
            }
        }
        self.commit(batch);
        ControlFlow::Continue(())
    }

    fn commit(&mut self, batch: Batch) {
        if !batch.pieces.is_empty() && matches!(self.state, State::Good) {
            let begun = Instant::now();
            let mut changes = batch.pieces.into_iter().flat_map(Piece::changes);
            let result = self.store.commit(&mut changes);
            if self.told(result).is_some() {
                self.outlet.news(News::Committed {
                    took: begun.elapsed(),
                });
            }
        }
        for delivery in batch.deliveries {
            self.outlet.deliver(delivery);
        }
    }

    /// The result, where there is one; a failure changes the state.
    fn told<T>(&mut self, result: Result<T, StoreError>) -> Option<T> {
        let error = match result {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        if !matches!(self.state, State::Failed(_)) {
            self.state = State::Failed(Instant::now() + self.probe_interval);
            self.outlet.news(News::Failed(error.to_string()));
        }
        None
    }
}

#[derive(Default)]
struct Batch {
    pieces: Vec<Piece>,
    deliveries: Vec<Deliver>,
}

/// A part of a batch. Records become rows one by one while they are written: as text, 100,000
/// alerts take ten times the memory.
enum Piece {
    Records(Vec<Record>),
    Change(Change),
}

impl Piece {
    fn changes(self) -> impl Iterator<Item = Change> {
        let (records, change) = match self {
            Self::Records(records) => (records, None),
            Self::Change(change) => (Vec::new(), Some(change)),
        };
        let rows = records
            .into_iter()
            .map(|record| Change::Row(record.encode()));
        rows.chain(change)
    }
}
