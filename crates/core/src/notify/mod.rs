//! Who is told what, and when: routes, aggregation groups, deduplication, the notification log and
//! the queues of the receivers. Never renders, never sends, knows no rules and reads no clock.
//!
//! [`Notify`] is a state machine. Its methods take what happened and the pipeline clock, and append
//! what is to be done. Its durable state is rows ([`Record`]); they change in [`Notify::apply`]
//! alone, live and in recovery. Everything else is rebuilt from them by [`Notify::recovered`].
//!
//! An alert stays in a group until nobody told by the group believes it to fire. So an open
//! incident always has its alerts, and a group without alerts has no open incident.

mod arrive;
mod dedup;
mod delivery;
mod flush;
mod group;
mod lane;
mod numbers;
mod queue;
mod read;
mod record;
mod reroute;
mod route;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;
use stentor_lang::model::{Duration, LabelMap, Labels, Timestamp};
pub use stentor_lang::regex::LabelMatcher;

pub use arrive::{Arrival, Change};
pub use numbers::{AlertNo, Alerts, AttemptId, GroupNo, JobNo};
pub use queue::{MAX_IN_FLIGHT, MAX_WAITING};
pub use record::{
    AlertRow, AlertView, Effect, Event, GroupRow, JobRow, LaneKey, Ready, Record, Refusal, ToldRow,
};
pub use route::{GroupBy, Route, Routing, route_key};

use crate::receiver::{IntegrationKey, SecretId};
use delivery::Attempt;
use group::Group;
use queue::Queue;
use reroute::Options;

/// What does not change while the process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Makes the jitter of retries differ between processes, and be the same in a replay.
    pub seed: u64,
    /// Whether nothing is really sent (`--notify.dry-run`).
    pub dry_run: bool,
    /// Where people reach this Stentor; empty where unknown.
    pub external_url: Arc<str>,
}

/// The notification pipeline.
#[derive(Debug)]
pub struct Notify {
    settings: Settings,
    routing: Arc<Routing>,
    /// The options of each route by [`Route::index`].
    options: Vec<Options>,

    // The durable rows, and what follows from them directly.
    alerts: BTreeMap<AlertNo, Arc<AlertRow>>,
    by_labels: LabelMap<AlertNo>,
    groups: BTreeMap<GroupNo, Group>,
    jobs: BTreeMap<JobNo, JobRow>,
    /// How many rows of the notification log refer to a secret.
    secrets: BTreeMap<SecretId, usize>,

    // What is rebuilt.
    by_identity: IndexMap<(usize, Labels), GroupNo>,
    timers: BTreeSet<(Timestamp, GroupNo)>,
    queues: BTreeMap<IntegrationKey, Queue>,
    attempts: BTreeMap<AttemptId, Attempt>,
    /// The order of the alerts in a job's message, where it was asked for.
    prepared: BTreeMap<JobNo, Vec<AlertNo>>,
    /// Secrets that were used, and may be referred to by nothing.
    spent_secrets: BTreeSet<SecretId>,
    counters: Counters,
}

/// The last number of each kind that was given away.
#[derive(Debug, Default)]
struct Counters {
    alert: u64,
    group: u64,
    job: u64,
    attempt: u64,
}

impl Notify {
    /// Without any state.
    pub fn new(routing: Arc<Routing>, settings: Settings) -> Self {
        Self {
            settings,
            options: reroute::options(&routing),
            routing,
            alerts: BTreeMap::new(),
            by_labels: LabelMap::default(),
            groups: BTreeMap::new(),
            jobs: BTreeMap::new(),
            secrets: BTreeMap::new(),
            by_identity: IndexMap::new(),
            timers: BTreeSet::new(),
            queues: BTreeMap::new(),
            attempts: BTreeMap::new(),
            prepared: BTreeMap::new(),
            spent_secrets: BTreeSet::new(),
            counters: Counters::default(),
        }
    }

    /// Makes a record true. Recovery applies the newest of each key, in any order, and then calls
    /// [`Notify::recovered`]; records that this machine returned are applied already.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Alert { no, row } => self.apply_alert(*no, row.as_ref()),
            Record::Group { no, row } => {
                self.groups.entry(*no).or_default().row.clone_from(row);
                self.forget_blank_group(*no);
            }
            Record::Told { group, lane, row } => self.apply_told(*group, lane, row.as_deref()),
            Record::Job { no, row: Some(row) } => drop(self.jobs.insert(*no, JobRow::clone(row))),
            Record::Job { no, row: None } => drop(self.jobs.remove(no)),
            Record::Secret { .. } => {}
        }
    }

    fn apply_alert(&mut self, no: AlertNo, row: Option<&Arc<AlertRow>>) {
        if let Some(row) = row {
            if let Some(old) = self.alerts.get_mut(&no) {
                *old = Arc::clone(row);
            } else {
                self.alerts.insert(no, Arc::clone(row));
                self.by_labels.insert(row.labels.clone(), no);
            }
        } else if let Some(old) = self.alerts.remove(&no) {
            self.by_labels.swap_remove(&old.labels);
        }
    }

    fn apply_told(&mut self, group: GroupNo, lane: &LaneKey, row: Option<&ToldRow>) {
        let told = &mut self.groups.entry(group).or_default().told;
        let old = match row {
            Some(row) => told.insert(lane.clone(), row.clone()),
            None => told.remove(lane),
        };
        if let Some(secret) = row.and_then(|row| row.secret) {
            *self.secrets.entry(secret).or_default() += 1;
        }
        if let Some(secret) = old.and_then(|old| old.secret) {
            self.spent_secrets.insert(secret);
            if let Some(count) = self.secrets.get_mut(&secret) {
                *count -= 1;
                if *count == 0 {
                    self.secrets.remove(&secret);
                }
            }
        }
        self.forget_blank_group(group);
    }

    fn forget_blank_group(&mut self, no: GroupNo) {
        if self.groups.get(&no).is_some_and(Group::is_blank) {
            self.groups.remove(&no);
        }
    }

    /// Changes durable state, and says so.
    fn commit(&mut self, record: Record, out: &mut Vec<Effect>) {
        self.apply(&record);
        out.push(Effect::Record(record));
    }

    /// When [`Notify::wake`] or [`Notify::ready`] has something to do; this may be in the past.
    pub fn deadline(&self) -> Option<Timestamp> {
        let flush = self.timers.first().map(|(at, _)| *at);
        let attempt = self.attempts.values().map(Attempt::expires).min();
        let start = self.queues.values().filter_map(Queue::next_start).min();
        [flush, attempt, start].into_iter().flatten().min()
    }

    /// Fails the attempts of which nothing was heard, and flushes the groups whose time has come,
    /// the earliest first and then by number.
    pub fn wake(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        self.expire_attempts(now, out);
        while let Some((_, group)) = self.timers.first().filter(|(at, _)| *at <= now) {
            self.flush(*group, now, out);
        }
        self.drop_spent_secrets(out);
    }

    /// The wall clock stepped, and the pipeline clock with it: shifts all times.
    pub fn clock_stepped(&mut self, by: Duration, out: &mut Vec<Effect>) {
        for no in self.groups.keys().copied().collect::<Vec<_>>() {
            self.shift_group(no, by, out);
        }
        for no in self.jobs.keys().copied().collect::<Vec<_>>() {
            let Some(mut row) = self.jobs.get(&no).cloned() else {
                continue;
            };
            row.created += by;
            row.next_try += by;
            self.commit(
                Record::Job {
                    no,
                    row: Some(Box::new(row)),
                },
                out,
            );
        }
        for attempt in self.attempts.values_mut() {
            attempt.deadline += by;
        }
        for queue in self.queues.values_mut() {
            queue.shift(by);
        }
    }

    fn shift_group(&mut self, no: GroupNo, by: Duration, out: &mut Vec<Effect>) {
        let Some(group) = self.groups.get(&no) else {
            return;
        };
        let row = group.row.clone().map(|mut row| {
            row.next_flush += by;
            row
        });
        let timer = group.timer;
        for (lane, mut row) in group.told.clone() {
            row.at += by;
            if let Some(refused) = &mut row.refused {
                refused.at += by;
            }
            let row = Some(Box::new(row));
            self.commit(
                Record::Told {
                    group: no,
                    lane,
                    row,
                },
                out,
            );
        }
        self.commit(Record::Group { no, row }, out);
        self.set_timer(no, timer.map(|at| at + by));
    }
}
