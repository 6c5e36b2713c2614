//! A rule group as the engine runs it, and the state of its present slot.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stentor_lang::model::{Duration, LabelSet, Timestamp};

use super::io::{Answer, EvalId, GroupName, QueryError};
use super::rules::RuleNo;
use super::slots::Schedule;
use super::texts::TextAnswers;
use super::write::Recorder;
use super::{Write, plan};
use crate::rulefile::{Rule, RuleGroup};

/// Names a group within this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GroupId(pub(super) u64);

/// Names a group's cursor durably: groups keep it through edits and when they move to another file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SlotKey {
    /// The data source.
    pub datasource: Arc<str>,
    /// The group's name.
    pub group: Arc<str>,
    /// The place among groups of that name.
    pub ordinal: u32,
}

/// A rule group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: Arc<GroupName>,
    pub(super) key: SlotKey,
    /// Its place among all groups.
    pub(super) place: usize,
    pub(super) def: Arc<RuleGroup>,
    pub(super) schedule: Schedule,
    pub(super) query_offset: Duration,
    /// Its alerting rules in the order of the file.
    pub(super) rules: Vec<RuleNo>,
    /// What is evaluated, in the order of the file.
    pub(super) members: Vec<Member>,
    /// How many stages a live slot has.
    pub(super) stages: usize,
    pub(super) run: Option<Run>,
    /// Until when it may catch up, over as many runs as that takes, before it goes on live.
    pub(super) catch_up_until: Option<Timestamp>,
    /// From where on a catch-up had no answer at all, until the next live slot tells more.
    pub(super) silent_from: Option<Timestamp>,
    /// Its entry among the engine's timers.
    pub(super) timer: Option<Timestamp>,
    pub(super) last_evaluation: Option<Timestamp>,
    pub(super) evaluation_time: Duration,
}

impl Group {
    pub(super) fn is_catching_up(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.from.is_some())
    }
}

/// A rule that is evaluated.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Its place among all rules of the group.
    pub(super) place: usize,
    /// The stage of a live slot in which it is asked.
    pub(super) stage: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Alerting(RuleNo),
    Recording(Box<Recorder>),
}

impl Member {
    pub(super) fn recorder_mut(&mut self) -> Option<&mut Recorder> {
        match &mut self.kind {
            Kind::Recording(recorder) => Some(recorder),
            Kind::Alerting(_) => None,
        }
    }

    pub(super) fn recorder(&self) -> Option<&Recorder> {
        match &self.kind {
            Kind::Recording(recorder) => Some(recorder),
            Kind::Alerting(_) => None,
        }
    }

    pub(super) const fn alerting(&self) -> Option<RuleNo> {
        match self.kind {
            Kind::Alerting(no) => Some(no),
            Kind::Recording(_) => None,
        }
    }

    /// The members of a group with these alerting rules, and the number of stages. Where nothing is
    /// written, recording rules are not evaluated, and no rule waits for another.
    pub(super) fn all(def: &RuleGroup, rules: &[RuleNo], write: Write) -> (Vec<Self>, usize) {
        let stages = match write {
            Write::None => vec![0; def.rules.len()],
            Write::Series => plan::stages(&def.rules),
        };
        let mut numbers = rules.iter();
        let mut members = Vec::new();
        for (place, rule) in def.rules.iter().enumerate() {
            let kind = match rule {
                Rule::Alerting(_) => numbers.next().copied().map(Kind::Alerting),
                Rule::Recording(rule) => (write == Write::Series)
                    .then(|| Kind::Recording(Box::new(Recorder::new(rule, def.limit)))),
            };
            let stage = stages[place];
            members.extend(kind.map(|kind| Self { place, stage, kind }));
        }
        (members, stages.iter().max().map_or(1, |last| last + 1))
    }
}

/// The slot that is being evaluated, or the slots that are being caught up.
#[derive(Debug)]
pub(super) struct Run {
    /// The slot; the last one of a catch-up.
    pub(super) at: Timestamp,
    /// The first slot of a catch-up; `None` for a live slot.
    pub(super) from: Option<Timestamp>,
    pub(super) started: Timestamp,
    pub(super) deadline: Timestamp,
    /// One for each member of the group.
    pub(super) rules: Vec<Progress>,
    /// The stage that a live slot has reached.
    pub(super) stage: usize,
    /// How many members are not done; of a live slot, those of its stage.
    pub(super) open: usize,
    /// Whether an alerting rule had an answer.
    pub(super) answered: bool,
    /// The alerts that changed.
    pub(super) touched: LabelSet,
}

/// How far the evaluation of one rule has come.
#[derive(Debug)]
pub(super) enum Progress {
    /// Not asked yet: a catch-up query that waits for its turn, or a rule that waits for others.
    Queued,
    /// Asked, not answered.
    Asked,
    /// Answered; its labels need answers of their own.
    Labels(Box<LabelQueries>),
    /// Answered, or failed.
    Done {
        answer: Result<Answer, QueryError>,
        texts: TextAnswers,
        took: Duration,
    },
}

impl Progress {
    pub(super) const fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

/// What a rule with `query` in a label waits for.
#[derive(Debug)]
pub(super) struct LabelQueries {
    pub(super) answer: Answer,
    pub(super) texts: TextAnswers,
    pub(super) open: BTreeMap<EvalId, String>,
    pub(super) round: u32,
    pub(super) took: Duration,
}

/// What a query is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// A rule's expression.
    Rule { group: GroupId, index: usize },
    /// A query in a label of a rule.
    Label { group: GroupId, index: usize },
    /// A query in an annotation.
    Text,
}
