//! New rules and routes in the place of the old ones, recovery's last step included: rules are
//! matched by their keys and groups by their names, so that what an edit does not touch keeps its
//! alerts, its slots and its timers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stentor_lang::model::{Duration, LabelSet, Labels, Timestamp};

use super::Engine;
use super::group::{Asked, Group, GroupId, Member, SlotKey};
use super::io::{Action, Deliver, Event};
use super::io::{GroupName, Setup};
use super::meta::MetaKind;
use super::record::Record;
use super::rules::{DatasourceRules, Definition, Rule, RuleKey, RuleNo, Stored};
use crate::alert::{Phase, RESOLVED_RETENTION};
use crate::notify::{self, Arrival, Change, Notify};
use crate::rulefile::{self, AlertingRule, RuleGroup};

impl Engine {
    /// Takes a new setup; one that changes nothing does nothing.
    pub(super) fn reload(&mut self, setup: Arc<Setup>, now: Timestamp) {
        self.config_accepted(now);
        if *self.setup == *setup {
            return;
        }
        self.record_setup(&setup);
        let before = self.firing_labels();
        self.install(&setup, now);
        let old = std::mem::replace(&mut self.setup, setup);
        self.restore_after_reload(&before, now);
        if old.routing != self.setup.routing {
            let routing = Arc::clone(&self.setup.routing);
            self.with_notify(|notify, effects| notify.reload(routing, now, effects), now);
        }
        self.forget_gone_subjects(now);
    }

    pub(super) fn record_setup(&mut self, setup: &Setup) {
        if !setup.accepted.is_empty() {
            self.commit(Record::Accepted {
                text: Arc::clone(&setup.accepted),
            });
        }
    }

    /// Puts the groups and rules of a setup in the place of the present ones.
    pub(super) fn install(&mut self, setup: &Setup, now: Timestamp) {
        let by_key: BTreeMap<RuleKey, RuleNo> = self
            .rules
            .iter()
            .map(|(no, rule)| (rule.key.clone(), *no))
            .collect();
        let mut old: BTreeMap<SlotKey, (GroupId, Group)> = std::mem::take(&mut self.groups)
            .into_iter()
            .map(|(id, group)| (group.key.clone(), (id, group)))
            .collect();
        self.order.clear();
        let mut live = BTreeSet::new();
        let mut keys = Ordinals::default();
        for source in &setup.rules.datasources {
            for def in &source.groups {
                let key = keys.group(source, def);
                let rules = self.install_rules(source, def, &mut keys, &by_key);
                live.extend(rules.iter().copied());
                let kept = old.remove(&key);
                self.install_group(source, def, &key, rules, kept, now);
            }
        }
        for (key, (id, group)) in old {
            self.drop_group(id, &group);
            self.commit(Record::Cursor { key, at: None });
        }
        self.retire_rules(&live, now);
        self.forget_queries_of_gone_groups();
        self.ask_queued();
    }

    fn install_rules(
        &mut self,
        source: &DatasourceRules,
        group: &RuleGroup,
        keys: &mut Ordinals,
        by_key: &BTreeMap<RuleKey, RuleNo>,
    ) -> Vec<RuleNo> {
        let name = Arc::new(group_name(source, group));
        let mut numbers = Vec::new();
        for rule in group.rules.iter().filter_map(alerting) {
            let key = keys.rule(source, group, rule);
            let def = Arc::new(Definition {
                datasource: Arc::clone(&source.datasource),
                group: Arc::clone(&name),
                rule: Arc::clone(rule),
                limit: group.limit,
            });
            let no = match by_key.get(&key) {
                Some(no) => *no,
                None => self.next_rule_no(),
            };
            match self.rules.get_mut(&no) {
                Some(known) => known.redefine(def),
                None => drop(self.rules.insert(no, Rule::new(key, def))),
            }
            numbers.push(no);
        }
        numbers
    }

    fn install_group(
        &mut self,
        source: &DatasourceRules,
        def: &Arc<RuleGroup>,
        key: &SlotKey,
        rules: Vec<RuleNo>,
        kept: Option<(GroupId, Group)>,
        now: Timestamp,
    ) {
        let interval = def.interval.unwrap_or(source.interval);
        let schedule = self.settings.slots.of(&def.name, interval);
        let query_offset = def.query_offset.unwrap_or(source.query_offset);
        let unchanged = |group: &Group| {
            group.def == *def
                && group.schedule == schedule
                && group.query_offset == query_offset
                && group.rules == rules
        };
        let (id, group) = match kept {
            Some((id, group)) if unchanged(&group) => (
                id,
                Group {
                    def: Arc::clone(def),
                    name: self.name_of(&rules, source, def),
                    place: self.order.len(),
                    ..group
                },
            ),
            kept => {
                if let Some((id, group)) = &kept {
                    self.drop_group(*id, group);
                    if group.schedule != schedule {
                        // Slots of another schedule are no missed slots of this one.
                        let at = schedule.newest(now) - interval;
                        self.commit(Record::Cursor {
                            key: key.clone(),
                            at: Some(at),
                        });
                    }
                }
                let last = kept.map(|(_, group)| (group.last_evaluation, group.evaluation_time));
                let (last_evaluation, evaluation_time) = last.unwrap_or((None, Duration::ZERO));
                let (members, stages) = Member::all(def, &rules, self.settings.write);
                let id = GroupId(self.next_group);
                self.next_group += 1;
                let group = Group {
                    name: self.name_of(&rules, source, def),
                    key: key.clone(),
                    place: self.order.len(),
                    def: Arc::clone(def),
                    schedule,
                    query_offset,
                    rules,
                    members,
                    stages,
                    run: None,
                    catch_up_until: None,
                    silent_from: None,
                    timer: None,
                    last_evaluation,
                    evaluation_time,
                };
                (id, group)
            }
        };
        let idle = group.run.is_none();
        self.groups.insert(id, group);
        self.order.push(id);
        if idle {
            self.schedule_next(id, now);
        }
    }

    fn name_of(
        &self,
        rules: &[RuleNo],
        source: &DatasourceRules,
        def: &RuleGroup,
    ) -> Arc<GroupName> {
        let first = rules.first().and_then(|no| self.rules.get(no));
        first.map_or_else(
            || Arc::new(group_name(source, def)),
            |rule| Arc::clone(&rule.def.group),
        )
    }

    fn drop_group(&mut self, id: GroupId, group: &Group) {
        if let Some(timer) = group.timer {
            self.timers.remove(&(timer, id));
        }
    }

    fn forget_queries_of_gone_groups(&mut self) {
        let live: BTreeSet<GroupId> = self.groups.keys().copied().collect();
        self.forget_queries(|asked| match asked {
            Asked::Rule { group, .. } | Asked::Label { group, .. } => !live.contains(group),
            Asked::Text => false,
        });
        let asked = self.asked.values();
        let catching_up = asked.filter(|asked| match asked {
            Asked::Rule { group, .. } => self.groups[group].is_catching_up(),
            Asked::Label { .. } | Asked::Text => false,
        });
        self.catching_up = catching_up.count();
    }

    /// Ends the alerts of rules that are no longer configured. Their definitions stay until nobody
    /// needs to be told any more.
    fn retire_rules(&mut self, live: &BTreeSet<RuleNo>, now: Timestamp) {
        let gone: Vec<RuleNo> = self
            .rules
            .iter()
            .filter(|(no, rule)| !rule.retired && !live.contains(no))
            .map(|(no, _)| *no)
            .collect();
        let reason: Arc<str> = Arc::from("the rule was removed");
        for no in gone {
            self.forget_rule_alerts(no, now);
            let mut touched = LabelSet::default();
            self.end_alerts(no, &reason, now, &mut touched);
            if let Some(rule) = self.rules.get_mut(&no) {
                rule.retired = true;
            }
        }
        self.forget_retired(now);
    }

    /// Forgets ended alerts of rules that are gone, and the rules with the last of these.
    pub(super) fn forget_retired(&mut self, now: Timestamp) {
        let retired: Vec<RuleNo> = self
            .rules
            .iter()
            .filter(|(_, rule)| rule.retired)
            .map(|(no, _)| *no)
            .collect();
        for no in retired {
            let old: Vec<_> = self.rules[&no]
                .state
                .iter()
                .filter(|(_, alert)| match alert.phase {
                    Phase::Resolved { resolved_at, .. } => {
                        now.since(resolved_at) > RESOLVED_RETENTION
                    }
                    Phase::Pending { .. } | Phase::Firing { .. } => false,
                })
                .map(|(instance, alert)| (instance, alert.clone()))
                .collect();
            for (instance, before) in old {
                self.commit(Record::Instance {
                    rule: no,
                    no: instance,
                    row: None,
                });
                self.note_source(no, instance, Some(&before), None, &mut LabelSet::default());
            }
            if self.rules[&no].state.is_empty() {
                if self.rules[&no].stored != Stored::Nothing {
                    self.commit(Record::Rule { no, row: None });
                }
                self.rules.remove(&no);
            }
        }
    }

    pub(super) fn firing_labels(&self) -> BTreeSet<Labels> {
        let firing = self
            .sources
            .iter()
            .filter(|(_, sources)| !sources.firing.is_empty());
        firing.map(|(labels, _)| labels.clone()).collect()
    }

    /// After a reload: external labels may have changed, and rules may be gone.
    pub(super) fn restore_after_reload(&mut self, before: &BTreeSet<Labels>, now: Timestamp) {
        let reasons: BTreeMap<Labels, Arc<str>> = self
            .sources
            .iter()
            .filter_map(|(labels, s)| Some((labels.clone(), s.end_reason.clone()?)))
            .collect();
        let old = self.sources.clone();
        self.restore_sources();
        let after = self.firing_labels();
        for labels in before.difference(&after) {
            let reason = reasons.get(labels).cloned();
            let reason = reason.unwrap_or_else(|| Arc::from("its external labels were changed"));
            let known = self.sources.entry(labels.clone());
            let sources = known.or_insert_with(|| old[labels].clone());
            sources.firing.clear();
            sources.end_reason = Some(reason);
        }
        let touched: LabelSet = before.symmetric_difference(&after).cloned().collect();
        self.tell_notify(&touched, now, now);
    }

    /// After recovery: what fires for notification and for no rule any more has ended.
    pub(super) fn end_strays(&mut self, now: Timestamp) {
        let firing = self.firing_labels();
        let told = |notify: &Notify| -> BTreeSet<Labels> {
            let firing = notify.alerts().filter(|(_, row)| row.ends_at.is_none());
            firing.map(|(_, row)| row.labels.clone()).collect()
        };
        let known = told(&self.notify);
        let strays: Vec<Arrival> = known
            .iter()
            .filter(|labels| !firing.contains(*labels) && self.meta.by_labels(labels).is_none())
            .map(|labels| Arrival {
                labels: labels.clone(),
                change: Change::Ended {
                    at: now,
                    reason: self.sources.get(labels).and_then(|s| s.end_reason.clone()),
                },
            })
            .collect();
        let missing: LabelSet = firing.difference(&known).cloned().collect();
        if !strays.is_empty() {
            self.with_notify(|notify, effects| notify.arrive(&strays, now, effects), now);
        }
        self.tell_notify(&missing, now, now);
    }

    /// The wall clock was stepped: timers keep their distance, slots follow the wall.
    pub(super) fn clock_stepped(&mut self, by: Duration, now: Timestamp) {
        self.with_notify(|notify, effects| notify.clock_stepped(by, effects), now);
        self.texts.clock_stepped(by);
        self.hold_until = self.hold_until.map(|until| until + by);
        for id in self.order.clone() {
            let Some(group) = self.groups.get_mut(&id) else {
                continue;
            };
            group.catch_up_until = group.catch_up_until.map(|until| until + by);
            match &mut group.run {
                Some(run) => {
                    run.started += by;
                    run.deadline += by;
                    let deadline = run.deadline;
                    self.set_timer(id, Some(deadline));
                }
                None => self.schedule_next(id, now),
            }
        }
    }

    /// Everything durable once more, for a store that lost writes.
    pub(super) fn record_everything(&mut self) {
        let mut records = Vec::new();
        for (no, rule) in &self.rules {
            if rule.stored != Stored::Nothing {
                let row = Some(Box::new(super::record::RuleRow::of(rule)));
                records.push(Record::Rule { no: *no, row });
            }
            for (instance, alert) in rule.state.iter() {
                records.push(Record::Instance {
                    rule: *no,
                    no: instance,
                    row: Some(alert.clone()),
                });
            }
        }
        for (key, at) in &self.cursors {
            records.push(Record::Cursor {
                key: key.clone(),
                at: Some(*at),
            });
        }
        for (key, alert) in &self.meta.firing {
            records.push(Record::Meta {
                key: key.clone(),
                row: Some(alert.clone()),
            });
        }
        if !self.setup.accepted.is_empty() {
            records.push(Record::Accepted {
                text: Arc::clone(&self.setup.accepted),
            });
        }
        records.extend(notify_records(&self.notify).map(Record::Notify));
        self.out.extend(records.into_iter().map(Action::Record));
    }

    /// The one place where durable state changes.
    pub(super) fn apply(&mut self, record: &Record) {
        match record {
            Record::Rule { no, row } => {
                self.next_rule = self.next_rule.max(no.0 + 1);
                match (row, self.rules.get_mut(no)) {
                    (Some(row), Some(rule)) => rule.restore(row),
                    (Some(row), None) => drop(self.rules.insert(*no, Rule::restored(row))),
                    (None, Some(rule)) => rule.stored = Stored::Nothing,
                    (None, None) => {}
                }
            }
            Record::Instance { rule, no, row } => {
                self.next_rule = self.next_rule.max(rule.0 + 1);
                let rule = self.rules.entry(*rule).or_insert_with(Rule::unknown);
                Arc::make_mut(&mut rule.state).apply(*no, row.clone());
            }
            Record::Cursor { key, at: Some(at) } => drop(self.cursors.insert(key.clone(), *at)),
            Record::Cursor { key, at: None } => drop(self.cursors.remove(key)),
            Record::Meta { key, row } => self.meta.apply(key, row.as_ref()),
            Record::Accepted { .. } => {}
            Record::Notify(record) => self.notify.apply(record),
        }
    }

    /// Lets notification do something, and passes on what comes of it.
    pub(super) fn with_notify(
        &mut self,
        act: impl FnOnce(&mut Notify, &mut Vec<notify::Effect>),
        now: Timestamp,
    ) {
        let mut effects = Vec::new();
        act(&mut self.notify, &mut effects);
        for effect in effects {
            self.pass_on(effect, now);
        }
    }

    /// Turns what notification wants into the engine's own words.
    fn pass_on(&mut self, effect: notify::Effect, now: Timestamp) {
        match effect {
            notify::Effect::Record(record) => self.out.push(Action::Record(Record::Notify(record))),
            notify::Effect::Deliver {
                attempt,
                integration,
                message,
                secret,
                deadline,
            } => {
                let deliver = Deliver {
                    attempt,
                    integration,
                    message,
                    secret,
                    deadline,
                };
                self.out.push(Action::Deliver(deliver));
            }
            notify::Effect::Event(event) => {
                match &event {
                    notify::Event::Delivered { integration, .. } => {
                        self.delivery_succeeded(&integration.clone(), now);
                    }
                    notify::Event::Refused {
                        integration,
                        why,
                        fallback: false,
                        alert_names,
                        ..
                    } if !speak_of_refusals(alert_names) => {
                        self.delivery_refused(&integration.clone(), &why.clone(), now);
                    }
                    _ => {}
                }
                self.emit(Event::Notify(event));
            }
        }
    }
}

/// Whether a notification told of nothing but refusals: its own refusal raises no alert.
fn speak_of_refusals(alert_names: &BTreeSet<Arc<str>>) -> bool {
    let own = MetaKind::DeliveryRefused.as_str();
    !alert_names.is_empty() && alert_names.iter().all(|name| **name == *own)
}

/// All that is durable of notification.
fn notify_records(notify: &Notify) -> impl Iterator<Item = notify::Record> {
    let alerts = notify.alerts().map(|(no, row)| notify::Record::Alert {
        no,
        row: Some(Arc::new(row.clone())),
    });
    let groups = notify.groups().map(|(no, row)| notify::Record::Group {
        no,
        row: Some(row.clone()),
    });
    let log = notify.log().map(|(group, lane, row)| notify::Record::Told {
        group,
        lane: lane.clone(),
        row: Some(Box::new(row.clone())),
    });
    let jobs = notify.jobs().map(|(no, row)| notify::Record::Job {
        no,
        row: Some(Box::new(row.clone())),
    });
    alerts.chain(groups).chain(log).chain(jobs)
}

fn group_name(source: &DatasourceRules, group: &RuleGroup) -> GroupName {
    GroupName {
        datasource: Arc::clone(&source.datasource.name),
        file: Arc::clone(&group.file),
        group: Arc::clone(&group.name),
    }
}

fn alerting(rule: &rulefile::Rule) -> Option<&Arc<AlertingRule>> {
    match rule {
        rulefile::Rule::Alerting(rule) => Some(rule),
        rulefile::Rule::Recording(_) => None,
    }
}

/// Gives rules and groups that are equal in all that they are known by their ordinals.
#[derive(Default)]
struct Ordinals {
    groups: BTreeMap<(Arc<str>, Arc<str>), u32>,
    rules: BTreeMap<RuleKey, u32>,
}

impl Ordinals {
    fn group(&mut self, source: &DatasourceRules, group: &RuleGroup) -> SlotKey {
        let (datasource, group) = (Arc::clone(&source.datasource.name), Arc::clone(&group.name));
        let next = self
            .groups
            .entry((Arc::clone(&datasource), Arc::clone(&group)))
            .or_default();
        let ordinal = *next;
        *next += 1;
        SlotKey {
            datasource,
            group,
            ordinal,
        }
    }

    fn rule(
        &mut self,
        source: &DatasourceRules,
        group: &RuleGroup,
        rule: &AlertingRule,
    ) -> RuleKey {
        let labels = rule.labels.iter();
        let mut key = RuleKey {
            datasource: Arc::clone(&source.datasource.name),
            group: Arc::clone(&group.name),
            alert: Arc::clone(&rule.alert),
            labels: labels
                .map(|(name, text)| (name.clone(), text.source().to_owned()))
                .collect(),
            ordinal: 0,
        };
        let next = self.rules.entry(key.clone()).or_default();
        key.ordinal = *next;
        *next += 1;
        key
    }
}
