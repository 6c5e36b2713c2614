//! What goes into the engine and what comes out: the whole contract between it and a shell.

use std::fmt;
use std::sync::Arc;

use stentor_lang::model::histogram::Histogram;
use stentor_lang::model::{Duration, Labels, Series, Shape, Timestamp};
use stentor_lang::promql::Expr;

use crate::notify::{self, AttemptId};
use crate::receiver::{Integration, Message, Outcome, SecretId};

use super::record::Record;
use super::rules::{Definition, RuleSet};

/// Names a query that is under way. Never used twice in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EvalId(pub u64);

/// What a shell tells the engine.
#[derive(Debug, Clone)]
pub enum Input {
    /// The deadline that the engine named has come, or time has passed anyway.
    Wake,
    /// A query was answered, or failed. An answer to an unknown id is dropped and counted.
    Answered {
        /// The id of [`Action::Query`].
        eval: EvalId,
        /// The answer; an error changes no phase.
        answer: Result<Answer, QueryError>,
    },
    /// A delivery ended.
    Delivered {
        /// The id of [`Action::Deliver`].
        attempt: AttemptId,
        /// What came of it.
        outcome: Outcome,
        /// The version of the secrets that was used, where there were any.
        secret: Option<SecretId>,
    },
    /// New rules and configuration, already validated; both are replaced whole. A start whose
    /// configuration is good gives it too: it ends the alert about an earlier refusal.
    Reload(Arc<Setup>),
    /// A reload or a start was refused and the last accepted configuration goes on:
    /// `StentorConfigRejected` fires with this summary until the next [`Input::Reload`].
    ConfigRejected {
        /// The errors in short.
        why: Arc<str>,
    },
    /// A commit failed: what was recorded since is not durable.
    StoreFailed,
    /// The store takes writes again: all durable state is recorded anew.
    StoreRecovered,
    /// The wall clock was stepped, and the pipeline clock with it, by this much.
    ClockStepped {
        /// Forward where positive.
        by: Duration,
    },
}

/// All that the user configured, as the engine needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The rules of each data source, in the order of the configuration.
    pub rules: RuleSet,
    /// Routes and receivers.
    pub routing: Arc<crate::notify::Routing>,
    /// Where people reach this Stentor; empty where unknown.
    pub external_url: Arc<str>,
    /// The configuration's text with references in the place of secrets, to be run again after a
    /// restart with a bad one; empty where there is no file.
    pub accepted: Arc<str>,
}

/// What the engine wants done. The order is part of the contract: a record stands before the
/// delivery that it justifies, and must be durable before that starts.
#[derive(Debug, Clone)]
pub enum Action {
    /// Ask a data source, and answer with [`Input::Answered`] before the deadline.
    Query(Query),
    /// Make this durable.
    Record(Record),
    /// Write these samples of a rule; they must be readable before queries that come later are
    /// answered.
    Write(Written),
    /// Start this attempt now, and answer with [`Input::Delivered`] before the deadline.
    Deliver(Deliver),
    /// Something happened that logs and metrics speak of.
    Emit(Event),
}

/// A query to a data source.
#[derive(Debug, Clone)]
pub struct Query {
    /// To be named in the answer.
    pub eval: EvalId,
    /// The name of the data source.
    pub datasource: Arc<str>,
    /// The expression, as it is sent.
    pub expr: Arc<str>,
    /// The expression of a rule, parsed, for whoever evaluates it here.
    pub parsed: Option<Arc<Expr>>,
    /// Which rule asks its expression; `None` for the query of a template.
    pub rule: Option<RulePlace>,
    /// For when.
    pub time: QueryTime,
    /// On the pipeline clock; the engine gives up then by itself.
    pub deadline: Timestamp,
    /// The label sets of the last answer: where the new ones are equal, the answer shares them.
    pub known_shape: Option<Arc<Shape>>,
}

/// A rule by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RulePlace {
    /// The group's place among all, those of earlier data sources first.
    pub group: usize,
    /// The rule's place in its group.
    pub rule: usize,
}

/// For when a query asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryTime {
    /// One instant.
    Instant(Timestamp),
    /// From start to end, both included, in steps.
    Range {
        /// The first instant.
        start: Timestamp,
        /// The last instant.
        end: Timestamp,
        /// The distance between two.
        step: Duration,
    },
}

/// What a rule writes in a slot.
#[derive(Debug, Clone)]
pub struct Written {
    /// The rule's group.
    pub group: Arc<GroupName>,
    /// The name of the alert or of the recorded series.
    pub rule: Arc<str>,
    /// The time of the samples: the slot's without the query offset.
    pub at: Timestamp,
    /// The series.
    pub shape: Arc<Shape>,
    /// As many as the shape has; 0 where the sample is a histogram.
    pub values: Vec<f64>,
    /// The histograms; empty where there is none, else as many as the shape has.
    pub histograms: Vec<Option<Arc<Histogram>>>,
    /// The series that the rule wrote in its slot before and does not write any more: to be marked
    /// stale, unless there is another sample of that time.
    pub stale: Vec<Labels>,
}

/// A notification to hand to its receiver.
#[derive(Debug, Clone)]
pub struct Deliver {
    /// To be named in the outcome.
    pub attempt: AttemptId,
    /// Where to.
    pub integration: Arc<Integration>,
    /// What to say; render it with [`crate::receiver::render`].
    pub message: Arc<Message>,
    /// The version of the secrets to use; `None` for the present ones.
    pub secret: Option<SecretId>,
    /// On the pipeline clock; the engine gives up then by itself.
    pub deadline: Timestamp,
}

/// An answer of a data source.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The samples.
    pub data: AnswerData,
    /// Why the answer may be incomplete (warnings other than PromQL's own annotations,
    /// `isPartial`); such an answer resolves nothing.
    pub partial: Option<Arc<str>>,
    /// PromQL's own warnings and infos: shown, and no reason to distrust the answer.
    pub annotations: Arc<[String]>,
}

/// The samples of an answer.
#[derive(Debug, Clone)]
pub enum AnswerData {
    /// Of an instant query: the label sets and the value of each. A scalar is one empty set.
    Vector {
        /// The label sets.
        shape: Arc<Shape>,
        /// As many as the shape has; 0 where the sample is a histogram.
        values: Vec<f64>,
        /// The histograms; empty where there is none, else as many as the shape has.
        histograms: Vec<Option<Arc<Histogram>>>,
    },
    /// Of a range query.
    Matrix(Vec<Series>),
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    /// The class of the failure.
    pub kind: QueryErrorKind,
    /// What happened, in words for the rule's `lastError`.
    pub message: String,
}

/// Classes of failures of queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueryErrorKind {
    /// No connection, or it broke.
    Connection,
    /// Not in time.
    Timeout,
    /// The data source answered with an error.
    Refused,
    /// What came is not an answer: cut, malformed, of another type.
    Malformed,
    /// More bytes or series than the limits allow.
    TooLarge,
}

impl QueryErrorKind {
    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Names a rule group in events.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName {
    /// The data source.
    pub datasource: Arc<str>,
    /// The file, as the configuration names it.
    pub file: Arc<str>,
    /// The group.
    pub group: Arc<str>,
}

/// What happened, for logs and metrics. Nothing depends on it.
#[derive(Debug, Clone)]
pub enum Event {
    /// A rule was evaluated.
    Evaluated {
        /// Of which group.
        group: Arc<GroupName>,
        /// The alert's name.
        rule: Arc<str>,
        /// From query to answer, on the pipeline clock.
        took: Duration,
        /// What went wrong.
        error: Option<Arc<str>>,
        /// How many new alerts the rule's limit kept out, and the limit.
        over_limit: Option<(usize, usize)>,
    },
    /// All rules of a slot were evaluated, or failed.
    SlotDone {
        /// Of which group.
        group: Arc<GroupName>,
        /// The slot.
        at: Timestamp,
        /// From the slot's start to its end, on the pipeline clock.
        took: Duration,
    },
    /// Slots went by unevaluated; what could be caught up was.
    SlotsMissed {
        /// Of which group.
        group: Arc<GroupName>,
        /// How many.
        count: u64,
    },
    /// An alert changed its phase.
    Transition {
        /// Whose alert.
        rule: Arc<Definition>,
        /// Its labels before external ones.
        labels: Labels,
        /// The newest value.
        value: f64,
        /// The phase before: `inactive`, `pending`, `firing`.
        from: &'static str,
        /// The phase now.
        to: &'static str,
        /// The slot.
        at: Timestamp,
        /// How it came to that, such as `5m since becoming active`.
        why: Arc<str>,
    },
    /// Something happened to a notification.
    Notify(notify::Event),
    /// An answer or an outcome came that nobody waits for any more.
    UnknownId {
        /// `query` or `delivery`.
        kind: &'static str,
    },
}
