//! The daemon: everything around the engine that touches the world.
//!
//! One thread owns the engine ([`core`]), one the store ([`store::writer`]), one turns events into
//! logs and metrics ([`observer`]); queries, deliveries and HTTP run on tokio. They speak by
//! messages alone.

mod accepted;
pub(crate) mod client;
mod clock;
mod core;
mod dispatch;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod virtual_tests;
mod http;
mod inbox;
mod metrics;
mod observer;
mod process;
mod reload;
pub(crate) mod secrets;
mod sender;
pub(crate) mod setup;
mod store;
pub(crate) mod transport;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use stentor_core::engine::{Action, Engine, Input, Record, Settings, Setup, Slots, Write};
use stentor_lang::model::Timestamp;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use accepted::Accepted;
use clock::Clock;
use dispatch::{Clients, Deliveries};
use http::{App, Guard};
pub(crate) use http::{alerts_of, harden, rules_of};
use inbox::{Inbox, Letter};
use metrics::Metrics;
use reload::{Reloader, Running};
use sender::Sender;
use setup::Prepared;
use store::writer::Job;
use store::{Loaded, Sqlite, writer};
use transport::Transports;

/// How long requests under way may take to end after a signal to stop. What has not ended by then
/// is sent again at the next start.
const DRAIN: Duration = Duration::from_secs(10);

/// How long readers get after that.
const CLOSE: Duration = Duration::from_secs(2);

/// How the daemon is to run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Where the configuration is.
    pub(crate) from: setup::From,
    /// The directory of the store.
    pub(crate) storage: PathBuf,
    /// Where HTTP is served.
    pub(crate) listen: SocketAddr,
}

/// Why the daemon does not run.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration is refused, and there is none to go back to; with all errors.
    Config(String),
    /// The environment: storage, port, threads.
    Environment(String),
}

/// Runs until a signal ends it.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    transport::install_crypto();
    let clock = Arc::new(Clock::system());
    let loaded = setup::load(&options.from, None);
    if let Err(errors) = &loaded
        && !Sqlite::is_there(&options.storage)
    {
        return Err(Failure::Config(errors.clone()));
    }
    let label = clock.now().rfc3339().replace(':', "");
    let opened = Sqlite::open(&options.storage, &label, store::LOCK_WAIT);
    let (mut store, rows) = match (opened, &loaded) {
        (Ok(opened), _) => opened,
        // Whoever runs it for the first time is told of the first thing to mend.
        (Err(_), Err(errors)) => {
            return Err(Failure::Config(errors.clone()));
        }
        (Err(error), Ok(_)) => return Err(Failure::Environment(error.to_string())),
    };
    for damage in &rows.damage {
        tracing::error!("the store was damaged: {damage}");
    }
    let accepted = Accepted::find(&rows.rows);
    let (prepared, errors) = choose(loaded, accepted.as_ref(), &options.from, &mut store)?;
    // Notifications and readers: data sources are asked by a thread of their own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(environment)?;
    let daemon = Daemon {
        options,
        clock,
        accepted,
        errors,
    };
    runtime.block_on(daemon.run(prepared, store, rows))
}

/// The configuration to run: what the files say, or what was accepted last, with the errors.
fn choose(
    loaded: Result<Prepared, String>,
    accepted: Option<&Accepted>,
    from: &setup::From,
    store: &mut Sqlite,
) -> Result<(Prepared, Option<String>), Failure> {
    use store::Store as _;
    let errors = match loaded {
        Ok(prepared) => {
            // A rule file that was cut to nothing while nobody ran is caught here.
            let before = accepted.map(|accepted| &accepted.sources);
            match setup::compare(&prepared, before, from) {
                Ok(()) => return Ok((prepared, None)),
                Err(errors) => errors,
            }
        }
        Err(errors) => errors,
    };
    let Some(accepted) = accepted else {
        return Err(Failure::Config(errors));
    };
    let secrets = accepted.secrets.and_then(|id| store.secret(id).ok()?);
    let secrets = secrets.unwrap_or_default().0;
    match setup::prepare(accepted.sources.clone(), from, Some(secrets), Vec::new()) {
        Ok(prepared) => Ok((prepared, Some(errors))),
        Err(_) => Err(Failure::Config(errors)),
    }
}

fn environment(error: impl std::fmt::Display) -> Failure {
    Failure::Environment(error.to_string())
}

struct Daemon<'a> {
    options: &'a Options,
    clock: Arc<Clock>,
    accepted: Option<Accepted>,
    /// Why the configuration of the files is refused, where it is.
    errors: Option<String>,
}

/// The threads, and what ends them.
struct Parts {
    inbox: Arc<Inbox>,
    store: writer::Handle,
    store_thread: JoinHandle<()>,
    core: JoinHandle<()>,
    under_way: TaskTracker,
    draining: Arc<AtomicBool>,
    /// Cancelled when one of the threads ends by itself.
    broken: CancellationToken,
}

impl Daemon<'_> {
    async fn run(self, prepared: Prepared, store: Sqlite, rows: Loaded) -> Result<(), Failure> {
        let address = self.options.listen;
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Failure::Environment(format!("cannot listen on {address}: {error}"))
        })?;
        let address = listener.local_addr().map_err(environment)?;
        let external_url = self.options.from.external_url.clone();
        let (parts, app) = self
            .start(prepared, store, rows, Guard::new(address, &external_url))
            .await?;
        let stop = CancellationToken::new();
        let reloader = Arc::clone(&app.reloader);
        let server = tokio::spawn(http::serve(listener, app, stop.clone()));
        tracing::info!("listening on http://{address}");
        tokio::select! {
            ended = wait_for_end(&reloader) => ended.map_err(environment)?,
            () = parts.broken.cancelled() => {
                let why = "a thread ended by itself, which is a mistake in Stentor; see the log";
                return Err(Failure::Environment(why.to_owned()));
            }
        }
        drop(reloader);
        shut_down(parts, stop, server).await;
        Ok(())
    }

    /// The engine, where the process before this one left it.
    fn recover(
        &self,
        rows: &[store::Found],
        setup: &Arc<Setup>,
        metrics: &Metrics,
        now: Timestamp,
    ) -> Result<(Engine, Vec<Action>), Failure> {
        let dry_run = self.options.from.dry_run;
        let records = decode(rows, metrics);
        if dry_run {
            refuse_open_incidents(&records, &self.options.storage)?;
        }
        let settings = Settings {
            dry_run,
            seed: now.millis().cast_unsigned() ^ u64::from(std::process::id()),
            slots: Slots::Spread,
            write: Write::None,
        };
        Ok(Engine::recover(setup, settings, &records, now))
    }

    async fn start(
        self,
        prepared: Prepared,
        store: Sqlite,
        rows: Loaded,
        guard: Guard,
    ) -> Result<(Parts, Arc<App>), Failure> {
        let clock = Arc::clone(&self.clock);
        let now = clock.now();
        let inbox = Arc::new(Inbox::new(Arc::clone(&clock)));
        let metrics = Arc::new(Metrics::new(now));
        metrics
            .own
            .store_damage
            .set(i64::try_from(rows.damage.len()).unwrap_or(i64::MAX));
        let dry_run = self.options.from.dry_run;
        let (draining, under_way) = (Arc::new(AtomicBool::new(false)), TaskTracker::new());
        let broken = CancellationToken::new();
        // The sender needs the store's thread, which needs the sender.
        let slot = sender::Slot::default();
        let deliveries = Deliveries {
            runtime: tokio::runtime::Handle::current(),
            sender: slot.clone(),
            clock: Arc::clone(&clock),
            inbox: Arc::clone(&inbox),
            metrics: Arc::clone(&metrics),
            under_way: under_way.clone(),
            draining: Arc::clone(&draining),
            _alive: broken.clone().drop_guard(),
        };
        let (store, store_thread) =
            writer::start(store, deliveries, writer::PROBE_INTERVAL).map_err(environment)?;
        let sender = Arc::new(Sender::new(store.clone(), Arc::default(), dry_run));
        slot.fill(Arc::clone(&sender));

        let clients: Arc<Clients> = Arc::default();
        let shown: Arc<RwLock<Arc<str>>> = Arc::new(RwLock::new("".into()));
        let reloader = Arc::new(Reloader {
            from: self.options.from.clone(),
            clients: Arc::clone(&clients),
            sender,
            shown: Arc::clone(&shown),
            inbox: Arc::clone(&inbox),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            store: store.clone(),
            transports: Arc::new(Transports::default()),
            running: Mutex::default(),
        });
        let mut running = Running::before(self.accepted.as_ref());
        let setup = reloader.install(prepared, &mut running).await;
        let setup = setup.map_err(Failure::Config)?;
        *reloader.running.lock().await = running;

        let (engine, first) = self.recover(&rows.rows, &setup, &metrics, now)?;
        match &self.errors {
            Some(errors) => reloader.rejected(errors),
            // Nothing changes, but the alert about an earlier refusal ends.
            None => inbox.input(Input::Reload(Arc::clone(&setup))),
        }
        let pulse = Arc::new(core::Pulse::default());
        let thread = core::Core {
            engine,
            clock: Arc::clone(&clock),
            inbox: Arc::clone(&inbox),
            outlets: core::Outlets {
                queries: dispatch::start_queries(&clients, &clock, &inbox, &metrics)
                    .map_err(environment)?,
                store: store.clone(),
                events: observer::start(Arc::clone(&metrics)).map_err(environment)?,
            },
            pulse: Arc::clone(&pulse),
        };
        let core = start_core(thread, first, broken.clone().drop_guard()).map_err(environment)?;
        let app = App {
            inbox: Arc::clone(&inbox),
            clock,
            pulse,
            metrics,
            reloader,
            config: shown,
            guard,
        };
        let parts = Parts {
            inbox,
            store,
            store_thread,
            core,
            under_way,
            draining,
            broken,
        };
        Ok((parts, Arc::new(app)))
    }
}

/// Starts the engine's thread.
fn start_core(
    core: core::Core,
    first: Vec<Action>,
    alive: DropGuard,
) -> std::io::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name("engine".to_owned());
    thread.spawn(move || {
        let _alive = alive;
        core.run(first);
    })
}

/// A dry run would mark what receivers were really told of as resolved, and tell nobody.
fn refuse_open_incidents(records: &[Record], storage: &Path) -> Result<(), Failure> {
    match records
        .iter()
        .filter(|record| record.is_open_incident())
        .count()
    {
        0 => Ok(()),
        open => Err(Failure::Config(format!(
            "{} holds {open} open incidents, which a dry run would never resolve: run it without \
             --notify.dry-run, or with another --storage.path",
            storage.display()
        ))),
    }
}

/// Rows as records. One that cannot be read is lost, and said to be.
fn decode(rows: &[store::Found], metrics: &Metrics) -> Vec<Record> {
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        match Record::decode(&row.table, &row.key, &row.value) {
            Ok(record) => records.push(record),
            Err(error) => {
                tracing::error!("a row of the store cannot be read and is lost: {error}");
                metrics.own.store_damage.inc();
            }
        }
    }
    records
}

/// Until SIGTERM or SIGINT; SIGHUP reloads.
async fn wait_for_end(reloader: &Arc<Reloader>) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                let reloader = Arc::clone(reloader);
                // What is wrong is logged there.
                tokio::spawn(async move { drop(reloader.reload().await) });
            }
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

/// Begins nothing new, lets what is under way end and be recorded, and closes.
async fn shut_down(parts: Parts, stop: CancellationToken, server: tokio::task::JoinHandle<()>) {
    tracing::info!("stopping");
    parts.draining.store(true, Ordering::Relaxed);
    parts.inbox.push(Letter::Drain);
    parts.under_way.close();
    if tokio::time::timeout(DRAIN, parts.under_way.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            "deliveries under way did not end in time; they are sent again at the next start"
        );
    }
    stop.cancel();
    let _ = tokio::time::timeout(CLOSE, server).await;
    // Outcomes that came last are handled before the thread ends.
    parts.inbox.input(Input::Wake);
    parts.inbox.push(Letter::Stop);
    let Parts {
        store,
        store_thread,
        core,
        ..
    } = parts;
    let ended = tokio::task::spawn_blocking(move || {
        let _ = core.join();
        store.send(Job::Stop);
        let _ = store_thread.join();
    });
    let _ = ended.await;
    tracing::info!("stopped");
}
