//! The engine in virtual time: the third of its shells, after the daemon and tests. Queries are
//! answered from series in memory, what rules write goes there too, and time goes on from one
//! deadline of the engine to the next.
//!
//! It decides nothing: what fires, and when, is the engine's word. It reads no clock and no file.

mod answer;
mod block;
mod overlay;
mod until;
mod writes;

use std::sync::Arc;

use stentor_lang::model::{Duration, Labels, Timestamp};
use stentor_lang::promql::Expr;
use stentor_lang::promql::eval::{self, EvalError, EvalOptions};
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::store::SampleBuffer;

use crate::engine::{
    Action, AlertView, Answer, Datasource, DatasourceRules, Deliver, Engine, Event, GroupName,
    Input, Query, QueryTime, RuleSet, Settings, Setup, Slots, Snapshot, Write, Written,
};
use crate::notify::{Route, Routing};
use crate::receiver::{Outcome, Receiver};
use crate::rulefile::RuleGroup;
pub use answer::query as answer;
use block::Blocks;
use until::Until;
use writes::Writes;

/// What a run does and from when on.
#[derive(Debug, Clone)]
pub struct Options {
    /// When groups are due.
    pub schedule: Schedule,
    /// The first instant.
    pub start: Timestamp,
    /// The interval of groups that name none.
    pub interval: Duration,
    /// The query offset of groups that name none.
    pub query_offset: Duration,
    /// The data source that the series in memory stand for: its name, `$externalLabels` and what alerts
    /// get that do not have them, `$externalURL`.
    pub datasource: Arc<Datasource>,
    /// Where people reach the process (`--web.external-url`), for links in notifications.
    pub external_url: Arc<str>,
    /// How expressions are evaluated.
    pub eval: EvalOptions,
    /// Who is told; `None` where nobody is.
    pub routing: Option<Arc<Routing>>,
    /// The last instant of the run, and the last one that rules are asked for ahead of their slots,
    /// which is faster and changes nothing; `None` where they are asked slot by slot.
    pub end: Option<Timestamp>,
}

/// When groups are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// As promtool's unit tests have it: every group at every `evaluation_interval` from the
    /// start, whatever interval it names, one group after the other.
    Promtool {
        /// The distance between two instants.
        evaluation_interval: Duration,
    },
    /// The slots that the daemon would use.
    Production,
    /// The same without the offsets that spread groups over their intervals.
    Aligned,
}

/// What else a run tells while it goes on.
pub trait Observer {
    /// A notification starts; what is its outcome?
    fn deliver(&mut self, _now: Timestamp, _deliver: &Deliver) -> Outcome {
        Outcome::Delivered
    }

    /// Something happened.
    fn event(&mut self, _now: Timestamp, _event: &Event) {}
}

impl Observer for () {}

/// A rule that failed in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The rule's group.
    pub group: Arc<GroupName>,
    /// The name of the alert or of the recorded series.
    pub rule: Arc<str>,
    /// The slot.
    pub at: Timestamp,
    /// What went wrong.
    pub message: String,
}

/// An engine with its series, at one moment of virtual time.
#[derive(Debug)]
pub struct Run {
    engine: Engine,
    store: MemoryStore,
    writes: Writes,
    blocks: Option<Blocks>,
    groups: Vec<Arc<RuleGroup>>,
    options: Options,
    now: Timestamp,
    /// Whether the series come in parts.
    is_fed: bool,
    /// What the engine wanted at its start.
    first: Vec<Action>,
    errors: Vec<RuleError>,
}

impl Run {
    /// A run at its start; nothing is evaluated yet. At one instant groups are evaluated in the
    /// given order.
    pub fn new(groups: Vec<Arc<RuleGroup>>, store: MemoryStore, options: Options) -> Self {
        let slots = match options.schedule {
            Schedule::Promtool {
                evaluation_interval,
            } => Slots::Every {
                interval: evaluation_interval,
                from: options.start,
            },
            Schedule::Production => Slots::Spread,
            Schedule::Aligned => Slots::Aligned,
        };
        let settings = Settings {
            dry_run: false,
            seed: 0,
            slots,
            write: Write::Series,
        };
        let setup = Arc::new(setup(&groups, &options));
        let blocks = options.end.map(|_| {
            let of = |group: &Arc<RuleGroup>| {
                let interval = group.interval.unwrap_or(options.interval);
                let offset = group.query_offset.unwrap_or(options.query_offset);
                (Arc::clone(group), slots.of(&group.name, interval), offset)
            };
            Blocks::new(groups.iter().map(of).collect())
        });
        let (engine, first) = Engine::new(&setup, settings, options.start);
        Self {
            engine,
            store,
            writes: Writes::default(),
            blocks,
            groups,
            now: options.start,
            is_fed: false,
            options,
            first,
            errors: Vec::new(),
        }
    }

    /// Goes on until `to`, included, or to the end of the first instant at which a rule failed: its
    /// errors are returned, and another call goes on from there.
    pub fn advance(&mut self, to: Timestamp, observer: &mut dyn Observer) -> Vec<RuleError> {
        let first = std::mem::take(&mut self.first);
        self.work_off(first, observer);
        while self.errors.is_empty()
            && let Some(next) = self.engine.deadline()
            && next <= to
        {
            self.now = self.now.max(next);
            self.prepare(to);
            self.give(Input::Wake, observer);
        }
        if self.errors.is_empty() {
            self.now = self.now.max(to);
        }
        std::mem::take(&mut self.errors)
    }

    /// Takes in more samples: those that came since, or the next part of a long recording. They are
    /// seen when their time has come. From now on rules are asked ahead only up to the instant that
    /// [`advance`](Self::advance) goes to: all samples up to there must be in by then.
    pub fn feed(&mut self, series: Vec<(Labels, SampleBuffer)>) {
        self.store.feed(series);
        self.is_fed = true;
    }

    /// Drops the samples from before an instant: those that nothing will read again.
    pub fn forget(&mut self, before: Timestamp) {
        self.store.forget(before);
    }

    /// The present instant: all that was due up to it is done.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The series, with what rules have written, and with the input that is still to come.
    pub fn store(&self) -> &MemoryStore {
        &self.store
    }

    /// The rule groups with their rules as of now.
    pub fn snapshot(&self) -> Snapshot {
        self.engine.snapshot()
    }

    /// The pending and firing alerts of all alerting rules of that name, in the order of the groups
    /// and rules, with their annotations' queries answered.
    pub fn alerts(&self, alertname: &str) -> Vec<AlertView> {
        let mut ask =
            |expr: &str, at: Timestamp| answer::text(expr, &self.seen(), at, &self.options.eval);
        let snapshot = self.snapshot();
        // The last group is the engine's own.
        let groups = snapshot.groups.iter().take(self.groups.len());
        groups
            .flat_map(|group| &group.rules)
            .filter(|rule| *rule.name == *alertname)
            .flat_map(|rule| rule.alerts_asking(&mut ask))
            .collect()
    }

    /// Evaluates an expression over the series, with what rules have written up to now.
    pub fn query(&self, expr: &Expr, at: Timestamp) -> Result<eval::Answer, EvalError> {
        eval::instant(expr, &self.seen(), at, &self.options.eval)
    }

    /// What is there now: samples of the future are not.
    fn seen(&self) -> Until<'_> {
        Until {
            store: &self.store,
            now: self.now,
        }
    }

    fn prepare(&mut self, to: Timestamp) {
        if let (Some(blocks), Some(end)) = (&mut self.blocks, self.options.end) {
            let end = if self.is_fed { end.min(to) } else { end };
            blocks.prepare(&self.engine, &self.store, &self.options.eval, self.now, end);
        }
    }

    fn give(&mut self, input: Input, observer: &mut dyn Observer) {
        let actions = self.engine.handle(self.now, input);
        self.work_off(actions, observer);
    }

    /// Does what the engine wants, depth first: what an answer brings about is done before the next
    /// query is answered. So at one instant a group is done before the next one begins.
    fn work_off(&mut self, actions: Vec<Action>, observer: &mut dyn Observer) {
        let mut open = vec![actions.into_iter()];
        while let Some(actions) = open.last_mut() {
            let Some(action) = actions.next() else {
                open.pop();
                continue;
            };
            if let Some(input) = self.act(action, observer) {
                open.push(self.engine.handle(self.now, input).into_iter());
            }
        }
    }

    fn act(&mut self, action: Action, observer: &mut dyn Observer) -> Option<Input> {
        match action {
            Action::Query(query) => Some(self.answer(&query)),
            Action::Deliver(deliver) => Some(Input::Delivered {
                attempt: deliver.attempt,
                outcome: observer.deliver(self.now, &deliver),
                secret: None,
            }),
            Action::Write(written) => {
                self.write(&written);
                None
            }
            Action::Emit(event) => {
                self.note(&event);
                observer.event(self.now, &event);
                None
            }
            // A run lives as long as its process.
            Action::Record(_) => None,
        }
    }

    fn answer(&self, query: &Query) -> Input {
        let known = match (&self.blocks, query.rule, query.time) {
            (Some(blocks), Some(place), QueryTime::Instant(at)) => blocks.answer(place, at),
            _ => None,
        };
        let answer = match known {
            Some(data) => Ok(Answer {
                data,
                partial: None,
                annotations: Arc::default(),
            }),
            None => answer::query(query, &self.seen(), &self.options.eval),
        };
        Input::Answered {
            eval: query.eval,
            answer,
        }
    }

    fn write(&mut self, written: &Written) {
        if let Err(error) = self.writes.add(&mut self.store, written, self.now) {
            self.errors.push(RuleError {
                group: Arc::clone(&written.group),
                rule: Arc::clone(&written.rule),
                at: self.now,
                message: error.to_string(),
            });
        }
    }

    /// Keeps the errors of rules. On promtool's schedule more alerts than a rule may have are one, as
    /// they are to Prometheus.
    fn note(&mut self, event: &Event) {
        let Event::Evaluated {
            group,
            rule,
            error,
            over_limit,
            ..
        } = event
        else {
            return;
        };
        let promtool = matches!(self.options.schedule, Schedule::Promtool { .. });
        let message = match (error, over_limit) {
            (Some(error), _) => error.to_string(),
            (None, Some((left_out, limit))) if promtool => {
                let all = limit + left_out;
                format!("exceeded limit of {limit} with {all} alerts")
            }
            (None, _) => return,
        };
        self.errors.push(RuleError {
            group: Arc::clone(group),
            rule: Arc::clone(rule),
            at: self.now,
            message,
        });
    }
}

/// One data source with all rules, and somebody to tell.
fn setup(groups: &[Arc<RuleGroup>], options: &Options) -> Setup {
    let rules = DatasourceRules {
        datasource: Arc::clone(&options.datasource),
        interval: options.interval,
        query_offset: options.query_offset,
        groups: groups.to_vec(),
    };
    let nobody = || {
        let receiver = Receiver {
            name: "nobody".into(),
            integrations: Vec::new(),
        };
        let root = Route::new(Arc::clone(&receiver.name));
        Arc::new(Routing::new(root, [receiver], None))
    };
    Setup {
        rules: RuleSet {
            datasources: vec![rules],
        },
        routing: options.routing.clone().unwrap_or_else(nobody),
        external_url: Arc::clone(&options.external_url),
        accepted: Arc::from(""),
    }
}

#[cfg(test)]
mod tests;
