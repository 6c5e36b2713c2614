//! Slots: when a group is due its rules are asked side by side, and when all have answered, or the
//! time is up, the answers are applied in the order of the file and notification gets one batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use stentor_lang::model::{Duration, LabelSet, Timestamp};

use super::evaluate::Missed;
use super::group::{Asked, Group, GroupId, Kind, LabelQueries, Member, Progress, Run};
use super::io::{
    Action, Answer, AnswerData, EvalId, Event, Query, QueryError, QueryErrorKind, QueryTime,
    RulePlace,
};
use super::record::Record;
use super::rules::RuleNo;
use super::texts::{MAX_QUERY_ROUNDS, TextAnswers};
use super::{
    Engine, LONG_STALL, MAX_CATCH_UP, MAX_CATCH_UP_QUERIES, MAX_CATCH_UP_TIME, MAX_QUERY_TIME,
};

impl Engine {
    /// Starts the slots that are due and ends those whose time is up.
    pub(super) fn run_due_groups(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.timers.first().copied()
            && at <= now
        {
            let run = self.groups.get(&id).and_then(|group| group.run.as_ref());
            match run.map(|run| run.deadline) {
                Some(deadline) if deadline <= now => self.give_up(id, now),
                Some(deadline) => self.set_timer(id, Some(deadline)),
                None => self.start(id, now),
            }
        }
    }

    /// Moves a group's entry among the timers.
    pub(super) fn set_timer(&mut self, id: GroupId, at: Option<Timestamp>) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        if let Some(old) = group.timer.take() {
            self.timers.remove(&(old, id));
        }
        group.timer = at;
        if let Some(at) = at {
            self.timers.insert((at, id));
        }
    }

    /// When a group without a run is due: the slot after its cursor, or the newest one where it
    /// has none. A cursor in the future, where the clock was stepped back, is reset.
    pub(super) fn schedule_next(&mut self, id: GroupId, now: Timestamp) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let key = &group.key;
        if self.cursors.get(key).is_some_and(|cursor| *cursor > now) {
            let key = key.clone();
            self.commit(Record::Cursor { key, at: None });
        }
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let due = match self.cursors.get(&group.key) {
            Some(cursor) => group.schedule.after(*cursor),
            None => group.schedule.newest(now),
        };
        self.set_timer(id, Some(due));
    }

    /// Starts the slot that is due; where slots were missed, catches these up first, unless that has
    /// taken too long already: then they are a blind spell.
    fn start(&mut self, id: GroupId, now: Timestamp) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let newest = group.schedule.newest(now);
        let next = match self.cursors.get(&group.key) {
            Some(cursor) => group.schedule.after(*cursor),
            None => newest,
        };
        if next > newest {
            self.set_timer(id, Some(next));
            return;
        }
        let schedule = group.schedule;
        let until = group.catch_up_until.unwrap_or(now + MAX_CATCH_UP_TIME);
        let run = if next < newest {
            let name = Arc::clone(&group.name);
            let last = newest - schedule.interval();
            let count = schedule.between(next, last) + 1;
            self.emit(Event::SlotsMissed { group: name, count });
            if now.since(next) >= LONG_STALL && self.hold_until.is_none() {
                self.hold_until = Some(until);
            }
            let from = next.max(schedule.after(newest - MAX_CATCH_UP)).min(last);
            let in_time = now < until;
            if from > next || !in_time {
                self.blind_before(id, next);
            }
            in_time.then(|| Run::new(last, Some(from), now, until))
        } else {
            None
        };
        if let Some(group) = self.groups.get_mut(&id) {
            group.catch_up_until = run.as_ref().map(|_| until);
        }
        let run = run.unwrap_or_else(|| {
            let deadline = now + schedule.interval().min(MAX_QUERY_TIME);
            Run::new(newest, None, now, deadline)
        });
        self.begin(id, run, now);
    }

    /// Asks for all rules of a run, as far as catch-ups may be asked at a time.
    fn begin(&mut self, id: GroupId, mut run: Run, now: Timestamp) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        run.open = group.members.len();
        run.rules.resize_with(run.open, || Progress::Queued);
        let (catch_up, deadline) = (run.from.is_some(), run.deadline);
        self.groups
            .get_mut(&id)
            .expect("invariant: looked up above")
            .run = Some(run);
        self.set_timer(id, Some(deadline));
        if catch_up {
            self.refuse_catch_up(id, now);
            self.ask_queued();
        } else {
            self.ask_stage(id);
        }
        self.finish_if_done(id, now);
    }

    /// Asks the rules of the stage that a live slot has reached.
    fn ask_stage(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let Some(run) = group.run.as_mut() else {
            return;
        };
        let members = group.members.iter().zip(&run.rules).enumerate();
        let open: Vec<usize> = members
            .filter(|(_, (member, rule))| member.stage == run.stage && !rule.is_done())
            .map(|(index, _)| index)
            .collect();
        run.open = open.len();
        for index in open {
            self.ask_rule(id, index);
        }
    }

    /// A rule whose expression means something else over a range is blind for the missed slots.
    fn refuse_catch_up(&mut self, id: GroupId, now: Timestamp) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let can = |member: &Member| {
            let rule = member.alerting().and_then(|no| self.rules.get(&no));
            rule.is_some_and(|rule| rule.def.can_catch_up())
        };
        let members = group.members.iter().enumerate();
        let cannot: Vec<usize> = members
            .filter(|(_, member)| !can(member))
            .map(|(index, _)| index)
            .collect();
        for index in cannot {
            let error = QueryError {
                kind: QueryErrorKind::Refused,
                message: "the expression cannot be asked over a range of missed slots".to_owned(),
            };
            self.done(
                id,
                index,
                Err(error),
                TextAnswers::default(),
                Duration::ZERO,
            );
        }
        self.finish_if_done(id, now);
    }

    /// Starts queued catch-up queries while there is room for them.
    pub(super) fn ask_queued(&mut self) {
        let queued: Vec<(GroupId, usize)> = self
            .groups
            .iter()
            .filter_map(|(id, group)| group.run.as_ref().map(|run| (*id, run)))
            .flat_map(|(id, run)| run.queued().map(move |index| (id, index)))
            .take(MAX_CATCH_UP_QUERIES.saturating_sub(self.catching_up))
            .collect();
        for (id, index) in queued {
            self.catching_up += 1;
            self.ask_rule(id, index);
        }
    }

    fn ask_rule(&mut self, id: GroupId, index: usize) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let Some(run) = group.run.as_mut() else {
            return;
        };
        let (expr, known_shape) = match &group.members[index].kind {
            Kind::Alerting(no) => {
                let rule = &self.rules[no];
                (&rule.def.rule.expr, rule.state.shape())
            }
            Kind::Recording(recorder) => (&recorder.rule.expr, recorder.known_shape()),
        };
        let offset = group.query_offset;
        let time = match run.from {
            None => QueryTime::Instant(run.at - offset),
            Some(from) => QueryTime::Range {
                start: from - offset,
                end: run.at - offset,
                step: group.schedule.interval(),
            },
        };
        run.rules[index] = Progress::Asked;
        let query = Query {
            eval: EvalId(self.next_eval),
            datasource: Arc::clone(&group.key.datasource),
            expr: Arc::clone(&expr.text),
            parsed: expr.parsed.clone(),
            rule: Some(RulePlace {
                group: group.place,
                rule: group.members[index].place,
            }),
            time,
            deadline: run.deadline,
            known_shape: known_shape.cloned(),
        };
        self.next_eval += 1;
        self.asked
            .insert(query.eval, Asked::Rule { group: id, index });
        self.out.push(Action::Query(query));
    }

    /// Takes an answer to whatever asked for it.
    pub(super) fn answered(
        &mut self,
        eval: EvalId,
        answer: Result<Answer, QueryError>,
        now: Timestamp,
    ) {
        match self.asked.remove(&eval) {
            None => self.emit(Event::UnknownId { kind: "query" }),
            Some(Asked::Text) => self.text_answered(eval, answer, now),
            Some(Asked::Rule { group, index }) => self.rule_answered(group, index, answer, now),
            Some(Asked::Label { group, index }) => {
                self.label_answered(group, index, eval, answer, now);
            }
        }
    }

    fn rule_answered(
        &mut self,
        id: GroupId,
        index: usize,
        answer: Result<Answer, QueryError>,
        now: Timestamp,
    ) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let Some(run) = &group.run else { return };
        let took = now.since(run.started);
        let catch_up = run.from.is_some();
        let rule = group.members[index].alerting();
        let rule = rule.and_then(|no| self.rules.get(&no));
        let asks = !catch_up && rule.is_some_and(|rule| rule.def.labels_query());
        match answer {
            Ok(answer) if asks => {
                let labels = LabelQueries {
                    answer,
                    texts: TextAnswers::default(),
                    open: BTreeMap::new(),
                    round: 0,
                    took,
                };
                self.ask_labels(id, index, labels);
            }
            answer => self.done(id, index, answer, TextAnswers::default(), took),
        }
        if catch_up {
            self.catching_up = self.catching_up.saturating_sub(1);
            self.ask_queued();
        }
        self.finish_if_done(id, now);
    }

    /// Asks what the labels of an answer need, or goes on where they need nothing more.
    fn ask_labels(&mut self, id: GroupId, index: usize, mut labels: LabelQueries) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let Some(run) = group.run.as_mut() else {
            return;
        };
        let rule = group.members[index].alerting();
        let Some(rule) = rule.and_then(|no| self.rules.get(&no)) else {
            return;
        };
        let needs = match &labels.answer.data {
            AnswerData::Vector { shape, values, .. } if labels.round < MAX_QUERY_ROUNDS => {
                labels.texts.label_needs(&rule.def, shape, values, run.at)
            }
            AnswerData::Vector { .. } | AnswerData::Matrix(_) => Vec::new(),
        };
        if needs.is_empty() {
            let LabelQueries {
                answer,
                texts,
                took,
                ..
            } = labels;
            self.done(id, index, Ok(answer), texts, took);
            return;
        }
        labels.round += 1;
        for expr in needs {
            let query = Query {
                eval: EvalId(self.next_eval),
                datasource: Arc::clone(&rule.def.datasource.name),
                expr: expr.as_str().into(),
                parsed: None,
                rule: None,
                time: QueryTime::Instant(run.at),
                deadline: run.deadline,
                known_shape: None,
            };
            self.next_eval += 1;
            labels.open.insert(query.eval, expr);
            self.asked
                .insert(query.eval, Asked::Label { group: id, index });
            self.out.push(Action::Query(query));
        }
        run.rules[index] = Progress::Labels(Box::new(labels));
    }

    fn label_answered(
        &mut self,
        id: GroupId,
        index: usize,
        eval: EvalId,
        answer: Result<Answer, QueryError>,
        now: Timestamp,
    ) {
        let Some(run) = self
            .groups
            .get_mut(&id)
            .and_then(|group| group.run.as_mut())
        else {
            return;
        };
        let Some(Progress::Labels(labels)) = run.rules.get_mut(index) else {
            return;
        };
        let Some(expr) = labels.open.remove(&eval) else {
            return;
        };
        match answer {
            Ok(answer) => {
                let partial = answer.partial.clone();
                labels.answer.partial = labels.answer.partial.take().or(partial);
                labels.texts.set(expr, Ok(answer));
            }
            Err(mut error) => {
                // Other labels would be another alert, and the known one would end.
                error.message = format!("the query {expr} of a label failed: {}", error.message);
                let took = labels.took;
                self.done(id, index, Err(error), TextAnswers::default(), took);
                self.finish_if_done(id, now);
                return;
            }
        }
        if labels.open.is_empty() {
            let Progress::Labels(labels) =
                std::mem::replace(&mut run.rules[index], Progress::Asked)
            else {
                return;
            };
            self.ask_labels(id, index, *labels);
            self.finish_if_done(id, now);
        }
    }

    fn done(
        &mut self,
        id: GroupId,
        index: usize,
        answer: Result<Answer, QueryError>,
        texts: TextAnswers,
        took: Duration,
    ) {
        let Some(run) = self
            .groups
            .get_mut(&id)
            .and_then(|group| group.run.as_mut())
        else {
            return;
        };
        if !run.rules[index].is_done() {
            run.open = run.open.saturating_sub(1);
        }
        run.rules[index] = Progress::Done {
            answer,
            texts,
            took,
        };
    }

    /// The time of a run is up: what has not answered has failed.
    fn give_up(&mut self, id: GroupId, now: Timestamp) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let Some(run) = &group.run else { return };
        let took = now.since(run.started);
        let open: Vec<usize> = (0..run.rules.len())
            .filter(|index| !run.rules[*index].is_done())
            .collect();
        self.forget_queries(|asked| {
            matches!(asked, Asked::Rule { group, .. } | Asked::Label { group, .. } if *group == id)
        });
        for index in open {
            let error = QueryError {
                kind: QueryErrorKind::Timeout,
                message: format!("no answer within {took}"),
            };
            self.done(id, index, Err(error), TextAnswers::default(), took);
        }
        self.finish_if_done(id, now);
        self.ask_queued();
    }

    /// Forgets queries under way; their answers will be dropped.
    pub(super) fn forget_queries(&mut self, which: impl Fn(&Asked) -> bool) {
        let groups = &self.groups;
        let mut catch_ups = 0;
        self.asked.retain(|_, asked| {
            let gone = which(asked);
            if let (true, Asked::Rule { group, .. }) = (gone, &*asked) {
                catch_ups += usize::from(groups.get(group).is_some_and(Group::is_catching_up));
            }
            !gone
        });
        self.catching_up = self.catching_up.saturating_sub(catch_ups);
    }

    /// Applies a stage whose rules are all done, and goes on to the next, or to the end.
    fn finish_if_done(&mut self, id: GroupId, now: Timestamp) {
        loop {
            let Some(group) = self.groups.get_mut(&id) else {
                return;
            };
            let Some(mut run) = group.run.take_if(|run| run.open == 0) else {
                return;
            };
            let stages = group.stages;
            self.apply_stage(id, &mut run);
            run.stage += 1;
            if run.from.is_some() || run.stage >= stages {
                self.finish(id, &run, now);
                return;
            }
            if let Some(group) = self.groups.get_mut(&id) {
                group.run = Some(run);
            }
            self.ask_stage(id);
        }
    }

    /// Applies the answers to the rules of a stage, in the order of the file.
    fn apply_stage(&mut self, id: GroupId, run: &mut Run) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let members = group.members.iter().enumerate();
        let stage: Vec<(usize, Option<RuleNo>)> = members
            .filter(|(_, member)| run.from.is_some() || member.stage == run.stage)
            .map(|(index, member)| (index, member.alerting()))
            .collect();
        let (interval, offset) = (group.schedule.interval(), group.query_offset);
        for (index, alerting) in stage {
            let progress = std::mem::replace(&mut run.rules[index], Progress::Queued);
            let Progress::Done {
                answer,
                texts,
                took,
            } = progress
            else {
                continue;
            };
            match (alerting, run.from) {
                (None, None) => self.record_live(id, index, answer, took, run.at),
                // Only alerts are caught up.
                (None, Some(_)) => {}
                (Some(no), None) => {
                    let touched = &mut run.touched;
                    if self.evaluate_live(no, answer, &texts, took, run.at, touched) {
                        self.write_alerts(id, no, run.at);
                    }
                }
                (Some(no), Some(from)) => {
                    run.answered |= answer.is_ok();
                    let missed = Missed {
                        from,
                        to: run.at,
                        interval,
                        offset,
                    };
                    self.evaluate_missed(no, answer, missed, &mut run.touched);
                }
            }
        }
    }

    /// Ends a run, and plans the next.
    fn finish(&mut self, id: GroupId, run: &Run, now: Timestamp) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let rules = group.rules.clone();
        let key = group.key.clone();
        let name = Arc::clone(&group.name);
        self.tell_notify(&run.touched, run.at, now);
        self.commit(Record::Cursor {
            key,
            at: Some(run.at),
        });
        if let (Some(from), Some(group)) = (run.from, self.groups.get_mut(&id)) {
            let silent = !run.answered;
            group.silent_from = silent.then(|| group.silent_from.unwrap_or(from));
        }
        if run.from.is_none() {
            self.judge_group(id, &rules, now);
            let took = now.since(run.started);
            if let Some(group) = self.groups.get_mut(&id) {
                group.silent_from = None;
                group.last_evaluation = Some(run.at);
                group.evaluation_time = took;
            }
            self.emit(Event::SlotDone {
                group: name,
                at: run.at,
                took,
            });
        }
        self.schedule_next(id, now);
    }

    /// Slots too old to be caught up are a blind spell of every rule of the group.
    fn blind_before(&mut self, id: GroupId, from: Timestamp) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        for no in group.rules.clone() {
            self.mark_blind(no, from);
        }
    }

    /// Tells notification what became of the alerts with these labels.
    pub(super) fn tell_notify(&mut self, touched: &LabelSet, at: Timestamp, now: Timestamp) {
        let arrivals = self.arrivals(touched, at);
        if !arrivals.is_empty() {
            self.with_notify(
                |notify, effects| notify.arrive(&arrivals, now, effects),
                now,
            );
        }
    }

    pub(super) fn next_rule_no(&mut self) -> RuleNo {
        let no = RuleNo(self.next_rule);
        self.next_rule += 1;
        no
    }
}

impl Run {
    fn new(at: Timestamp, from: Option<Timestamp>, now: Timestamp, deadline: Timestamp) -> Self {
        Self {
            at,
            from,
            started: now,
            deadline,
            rules: Vec::new(),
            stage: 0,
            open: 0,
            answered: false,
            touched: LabelSet::default(),
        }
    }

    fn queued(&self) -> impl Iterator<Item = usize> {
        let queued =
            |(index, rule): (usize, &Progress)| matches!(rule, Progress::Queued).then_some(index);
        self.rules.iter().enumerate().filter_map(queued)
    }
}
