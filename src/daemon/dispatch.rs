//! Carries out what the engine wants done: queries as soon as it says so, deliveries as soon as
//! the store has what justifies them. Each ends with an input for the engine.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use stentor_core::engine::{Deliver, Input, Query, QueryError, QueryErrorKind};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use super::client::Client;
use super::clock::Clock;
use super::inbox::Inbox;
use super::metrics::{Metrics, OfQuery};
use super::sender::Slot;
use super::store::writer::{News, Outlet};

/// The data sources, by name; replaced by a reload.
pub(crate) type Clients = RwLock<Arc<BTreeMap<Arc<str>, Arc<Client>>>>;

/// Starts the thread that asks the data sources. One thread is enough, because nothing on it waits
/// or computes long, and asking from one thread takes less time than handing work between several.
pub(crate) fn start_queries(
    clients: &Arc<Clients>,
    clock: &Arc<Clock>,
    inbox: &Arc<Inbox>,
    metrics: &Arc<Metrics>,
) -> std::io::Result<UnboundedSender<Vec<Query>>> {
    let (sender, batches) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let asking = queries(
        batches,
        Arc::clone(clients),
        Arc::clone(clock),
        Arc::clone(inbox),
        Arc::clone(metrics),
    );
    std::thread::Builder::new()
        .name("queries".to_owned())
        .spawn(move || runtime.block_on(asking))?;
    Ok(sender)
}

/// Starts queries as they come, until the engine's thread ends.
async fn queries(
    mut batches: UnboundedReceiver<Vec<Query>>,
    clients: Arc<Clients>,
    clock: Arc<Clock>,
    inbox: Arc<Inbox>,
    metrics: Arc<Metrics>,
) {
    while let Some(batch) = batches.recv().await {
        let clients = Arc::clone(&clients.read().unwrap_or_else(PoisonError::into_inner));
        for query in batch {
            let client = clients.get(&query.datasource).cloned();
            let (clock, inbox) = (Arc::clone(&clock), Arc::clone(&inbox));
            let metrics = Arc::clone(&metrics);
            tokio::spawn(async move {
                let answer = match client {
                    Some(client) => client.query(&query, clock.until(query.deadline)).await,
                    None => Err(QueryError {
                        kind: QueryErrorKind::Connection,
                        message: "the data source is not configured any more".to_owned(),
                    }),
                };
                let outcome = answer.as_ref().err().map_or("ok", |e| e.kind.as_str());
                let labels = OfQuery {
                    datasource: Arc::clone(&query.datasource),
                    outcome,
                };
                metrics.own.queries.get_or_create(&labels).inc();
                let eval = query.eval;
                inbox.input(Input::Answered { eval, answer });
            });
        }
    }
}

/// Starts deliveries, and tells the engine how the store does.
pub(crate) struct Deliveries {
    pub(crate) runtime: Handle,
    pub(crate) sender: Slot,
    pub(crate) clock: Arc<Clock>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) metrics: Arc<Metrics>,
    /// The attempts under way.
    pub(crate) under_way: TaskTracker,
    /// No more attempts are begun: what waits is durable, and goes out after the next start.
    pub(crate) draining: Arc<AtomicBool>,
    /// Tells that the store's thread has ended.
    pub(crate) _alive: DropGuard,
}

impl Outlet for Deliveries {
    fn deliver(&mut self, delivery: Deliver) {
        if self.draining.load(Ordering::Relaxed) {
            return;
        }
        let sender = Arc::clone(self.sender.get());
        let (clock, inbox) = (Arc::clone(&self.clock), Arc::clone(&self.inbox));
        let attempt = async move {
            let within = clock.until(delivery.deadline);
            let (outcome, secret) = sender.attempt(&delivery, within).await;
            inbox.input(Input::Delivered {
                attempt: delivery.attempt,
                outcome,
                secret,
            });
        };
        self.under_way.spawn_on(attempt, &self.runtime);
    }

    fn news(&mut self, news: News) {
        match news {
            News::Committed { took, .. } => self.metrics.committed(took),
            News::Failed(why) => {
                tracing::error!(
                    "the store fails: {why}; state is kept in memory, and pages go out"
                );
                self.metrics.store_fails(true);
                self.inbox.input(Input::StoreFailed);
            }
            News::Recovered => {
                tracing::info!("the store takes writes again; all state is written anew");
                self.metrics.store_fails(false);
                self.inbox.input(Input::StoreRecovered);
            }
        }
    }
}
