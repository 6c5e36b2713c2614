//! The engine: inputs in, actions out. It owns every rule group's slots, every alert's phase and
//! the whole of notification, and decides all that Stentor decides.
//!
//! It never reads a clock, a file or the network, never waits and draws no random number: the same
//! inputs give the same actions, byte for byte, in the daemon, in replay and in tests.
//!
//! 1. Time enters as `at`, the slot of an evaluation, or as `now`, the pipeline clock.
//! 2. Durable state changes only in `apply`, live and in recovery alike.
//! 3. A record stands before the delivery that it justifies.
//! 4. Not knowing changes no phase.

mod slots;
mod gaps;
mod io;
pub mod decode;
mod rules;
mod record;
mod group;
mod run;
mod evaluate;
mod plan;
mod write;
mod meta;
mod texts;
mod reload;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stentor_lang::model::{Duration, LabelMap, Timestamp};

use crate::notify::Notify;

pub use gaps::{MAX_SETTLE, Seen, Sight};
pub use group::SlotKey;
pub use io::{
    Action, Answer, AnswerData, Deliver, EvalId, Event, GroupName, Input, Query, QueryError,
    QueryErrorKind, QueryTime, RulePlace, Setup, Written,
};
pub use meta::{BLIND_BOUND, META_GROUP, MetaAlert, MetaKey, MetaKind};
pub(crate) use plan::Reads;
pub use record::{Record, RecordError, Row, RuleRow, SECRET};
pub use rules::{Datasource, DatasourceRules, Definition, Health, RuleKey, RuleNo, RuleSet};
pub use slots::{Schedule, Slots};
pub use snapshot::{AlertView, Ask, GroupView, RuleKind, RuleView, Snapshot};
pub use write::recorded_labels;

use evaluate::Sources;
use group::{Asked, Group, GroupId};
use meta::Meta;
use rules::Rule;
use texts::Texts;

/// A query's share of its interval, and the most it may take: a slower answer is of no use to the
/// slot, and the next slot asks again.
pub const MAX_QUERY_TIME: Duration = Duration::from_secs(10);
/// How far back missed slots are caught up; what is older is a blind spell.
pub const MAX_CATCH_UP: Duration = Duration::from_hours(1);
/// How long catching up may take in all before live evaluation goes on without it.
pub const MAX_CATCH_UP_TIME: Duration = Duration::from_secs(30);
/// A process that missed slots for so long has overdue flushes too; these wait for catching up.
pub const LONG_STALL: Duration = Duration::from_secs(30);
/// Catch-up queries under way at a time, so that a restart does not flood the data source.
pub const MAX_CATCH_UP_QUERIES: usize = 4;

/// What is set once for a process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Everything but delivery.
    pub dry_run: bool,
    /// Where the jitter of retries comes from.
    pub seed: u64,
    /// When groups are due.
    pub slots: Slots,
    /// Whether rules write series.
    pub write: Write,
}

/// Whether rules write series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Write {
    /// There is nowhere to write to: recording rules are not evaluated.
    #[default]
    None,
    /// The results of recording rules, `ALERTS` and `ALERTS_FOR_STATE`.
    Series,
}

/// The engine. See the module's words.
#[derive(Debug)]
pub struct Engine {
    setup: Arc<Setup>,
    settings: Settings,
    notify: Notify,
    groups: BTreeMap<GroupId, Group>,
    /// The groups as configured; ids of groups are given out in this order.
    order: Vec<GroupId>,
    next_group: u64,
    /// The next instant of each group at which something is due.
    timers: BTreeSet<(Timestamp, GroupId)>,
    /// The newest finished slot of each group, durably.
    cursors: BTreeMap<SlotKey, Timestamp>,
    rules: BTreeMap<RuleNo, Rule>,
    next_rule: u64,
    sources: LabelMap<Sources>,
    /// What each query under way is for.
    asked: BTreeMap<EvalId, Asked>,
    next_eval: u64,
    /// Catch-up queries under way.
    catching_up: usize,
    /// Until when notifications wait for catching up, after a start or a long stall.
    hold_until: Option<Timestamp>,
    meta: Meta,
    texts: Texts,
    out: Vec<Action>,
}

impl Engine {
    /// An engine that remembers nothing.
    pub fn new(setup: &Arc<Setup>, settings: Settings, now: Timestamp) -> (Self, Vec<Action>) {
        Self::recover(setup, settings, &[], now)
    }

    /// An engine that goes on where the one that made these records stopped. Their order does not
    /// matter.
    pub fn recover(
        setup: &Arc<Setup>,
        settings: Settings,
        records: &[Record],
        now: Timestamp,
    ) -> (Self, Vec<Action>) {
        let mut engine = Self {
            notify: Notify::new(Arc::clone(&setup.routing), notify_settings(setup, settings)),
            setup: Arc::clone(setup),
            settings,
            groups: BTreeMap::new(),
            order: Vec::new(),
            next_group: 0,
            timers: BTreeSet::new(),
            cursors: BTreeMap::new(),
            rules: BTreeMap::new(),
            next_rule: 0,
            sources: LabelMap::default(),
            asked: BTreeMap::new(),
            next_eval: 0,
            catching_up: 0,
            hold_until: None,
            meta: Meta::default(),
            texts: Texts::default(),
            out: Vec::new(),
        };
        let restarted = !records.is_empty();
        for record in records {
            engine.apply(record);
        }
        engine.restore_sources();
        engine.with_notify(|notify, effects| notify.recovered(now, effects), now);
        // From here on as at a reload: the setup may be another one than before.
        let before = engine.firing_labels();
        engine.install(setup, now);
        engine.restore_after_reload(&before, now);
        engine.end_strays(now);
        engine.forget_gone_subjects(now);
        if restarted {
            engine.hold_until = Some(now + MAX_CATCH_UP_TIME);
        }
        engine.record_setup(setup);
        let actions = engine.settle(now);
        (engine, actions)
    }

    /// Takes one input at one time. The actions are to be done in their order.
    #[must_use = "what the engine wants done is done by nobody else"]
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Action> {
        match input {
            Input::Wake => {}
            Input::Answered { eval, answer } => self.answered(eval, answer, now),
            Input::Delivered {
                attempt,
                outcome,
                secret,
            } => {
                let told = |notify: &mut Notify, effects: &mut Vec<_>| {
                    notify.delivered(attempt, outcome, secret, now, effects);
                };
                self.with_notify(told, now);
            }
            Input::Reload(setup) => self.reload(setup, now),
            Input::ConfigRejected { why } => self.config_rejected(&why, now),
            Input::StoreFailed => {}
            Input::StoreRecovered => self.record_everything(),
            Input::ClockStepped { by } => self.clock_stepped(by, now),
        }
        self.settle(now)
    }

    /// The next instant of the pipeline clock at which the engine has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let groups = self.timers.first().map(|(at, _)| *at);
        let notify = if self.hold_until.is_some() {
            [self.hold_until, None]
        } else {
            [self.notify.deadline(), self.texts.deadline()]
        };
        notify.into_iter().chain([groups]).flatten().min()
    }

    /// Does what is due, groups first, so that all alerts of a slot are in their groups before any
    /// of these flushes.
    fn settle(&mut self, now: Timestamp) -> Vec<Action> {
        self.run_due_groups(now);
        let waits = |groups: &BTreeMap<_, Group>| groups.values().any(Group::is_catching_up);
        if self
            .hold_until
            .is_some_and(|until| now >= until || !waits(&self.groups))
        {
            self.hold_until = None;
        }
        if self.hold_until.is_none() {
            self.with_notify(|notify, effects| notify.wake(now, effects), now);
            self.start_ready_jobs(now);
        }
        std::mem::take(&mut self.out)
    }

    /// Makes a record true, and passes it on to the store.
    fn commit(&mut self, record: Record) {
        self.apply(&record);
        self.out.push(Action::Record(record));
    }

    fn emit(&mut self, event: Event) {
        self.out.push(Action::Emit(event));
    }
}

fn notify_settings(setup: &Setup, settings: Settings) -> crate::notify::Settings {
    crate::notify::Settings {
        seed: settings.seed,
        dry_run: settings.dry_run,
        external_url: Arc::clone(&setup.external_url),
    }
}

#[cfg(test)]
mod tests;
