//! Takes a new configuration into use, at start and later on the same way; a bad one changes
//! nothing but that everybody is told.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use stentor_core::engine::{GroupName, Input, Row, Setup};
use stentor_core::receiver::SecretId;
use stentor_core::rulefile::Rule;
use tokio::sync::Mutex;

use super::accepted::{self, Accepted};
use super::client::Client;
use super::clock::Clock;
use super::dispatch::Clients;
use super::inbox::Inbox;
use super::metrics::Metrics;
use super::sender::Sender;
use super::setup::{self, Prepared, Sources};
use super::store::Change;
use super::store::writer::{Handle, Job};
use super::transport::Transports;

/// How much of the errors the alert `StentorConfigRejected` repeats, in lines.
const WHY_LINES: usize = 3;

/// What is replaced by a reload, and what it needs.
pub(crate) struct Reloader {
    pub(crate) from: setup::From,
    pub(crate) clients: Arc<Clients>,
    pub(crate) sender: Arc<Sender>,
    pub(crate) shown: Arc<RwLock<Arc<str>>>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) store: Handle,
    pub(crate) transports: Arc<Transports>,
    pub(crate) running: Mutex<Running>,
}

/// What runs.
#[derive(Default)]
pub(crate) struct Running {
    sources: Option<Sources>,
    /// The version of its inline secrets.
    secrets: Option<SecretId>,
}

impl Running {
    /// What ran before, as the store knew it.
    pub(crate) fn before(accepted: Option<&Accepted>) -> Self {
        Self {
            sources: accepted.map(|accepted| accepted.sources.clone()),
            secrets: accepted.and_then(|accepted| accepted.secrets),
        }
    }
}

impl Reloader {
    /// Reads all files anew. The error is all that is wrong, ready to be shown.
    pub(crate) async fn reload(&self) -> Result<(), String> {
        let mut running = self.running.lock().await;
        let (from, before) = (self.from.clone(), running.sources.clone());
        let loaded = tokio::task::spawn_blocking(move || setup::load(&from, before.as_ref()));
        let loaded = loaded
            .await
            .unwrap_or_else(|error| Err(format!("loading failed: {error}")));
        match loaded {
            Ok(prepared) => {
                let setup = self.install(prepared, &mut running).await?;
                self.inbox.input(Input::Reload(setup));
                Ok(())
            }
            Err(errors) => {
                self.rejected(&errors);
                Err(errors)
            }
        }
    }

    /// Tells everybody that a configuration was refused, and what runs goes on.
    pub(crate) fn rejected(&self, errors: &str) {
        tracing::error!("the configuration is refused, and the last one goes on:\n{errors}");
        self.metrics.loaded(false, self.clock.now());
        let why: Vec<&str> = errors.lines().take(WHY_LINES).collect();
        let why = why.join("\n").into();
        self.inbox.input(Input::ConfigRejected { why });
    }

    /// Everything but the engine takes the new configuration; the engine gets what is returned.
    pub(crate) async fn install(
        &self,
        prepared: Prepared,
        running: &mut Running,
    ) -> Result<Arc<Setup>, String> {
        let inline = Arc::new(prepared.inline);
        let mut clients = BTreeMap::new();
        for options in prepared.datasources {
            let name = Arc::clone(&options.name);
            let client = Client::new(options, Arc::clone(&inline), Arc::clone(&self.transports))
                .map_err(|why| format!("data source {name}: {why}"))?;
            clients.insert(name, Arc::new(client));
        }
        let secrets = if inline.0.is_empty() {
            None
        } else {
            self.store.keep_secret(accepted::bundle(&inline)).await
        };
        let accepted = Accepted::new(prepared.durable, secrets);
        let setup = Setup {
            accepted: accepted.encode(),
            ..prepared.setup
        };
        *write(&self.clients) = Arc::new(clients);
        *write(&self.shown) = prepared.shown;
        self.sender.set_inline(inline);
        if let Some(old) = running.secrets.filter(|old| Some(*old) != secrets) {
            // It is deleted at the next start, when nothing can need it any more.
            self.store.send(Job::Change(Change::Row(Row {
                table: "secret",
                key: old.0.to_string(),
                value: None,
            })));
        }
        running.sources = Some(prepared.sources);
        running.secrets = secrets;
        for note in prepared.notes {
            tracing::warn!("{note}");
        }
        tell_what_runs(&setup, self.from.dry_run);
        for of_datasource in &setup.rules.datasources {
            for group in &of_datasource.groups {
                self.metrics.expect_group(&GroupName {
                    datasource: Arc::clone(&of_datasource.datasource.name),
                    file: Arc::clone(&group.file),
                    group: Arc::clone(&group.name),
                });
            }
        }
        self.metrics.loaded(true, self.clock.now());
        Ok(Arc::new(setup))
    }
}

/// One line that says what is running, as far as the files decide it.
fn tell_what_runs(setup: &Setup, dry_run: bool) {
    let datasources = &setup.rules.datasources;
    let groups = || datasources.iter().flat_map(|of_one| &of_one.groups);
    let rules = || groups().flat_map(|group| &group.rules);
    let alerting = rules()
        .filter(|rule| matches!(rule, Rule::Alerting(_)))
        .count();
    tracing::info!(
        datasources = datasources.len(),
        groups = groups().count(),
        alerting_rules = alerting,
        recording_rules_not_evaluated = rules().count() - alerting,
        receivers = setup.routing.receivers().len(),
        dry_run,
        "configuration loaded"
    );
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
