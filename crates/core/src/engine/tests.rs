//! The engine on virtual time: one rule file, a data source that is a function of time, receivers
//! that answer at once. What happened is told in lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use expect_test::{Expect, expect};
use stentor_lang::model::{Duration, Labels, Sample, Series, Shape, SourceText, Timestamp};

use super::*;
use crate::notify::{self, Route, Routing};
use crate::receiver::{
    Integration, IntegrationKey, Kind, Outcome, Receiver, SecretRef, Settings as Target, Status,
    Webhook,
};
use crate::rulefile::{self, LoadOptions};

/// When the story begins: a whole hour, so that slots are easy to read.
const START: Timestamp = Timestamp::from_millis(3_600_000 * 1000);

const fn mins(minutes: i64) -> Duration {
    Duration::from_mins(minutes)
}

/// What the data source does at one minute of the story.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    /// Answers with these values of the series `{a="x"}`, `{a="y"}`, ...
    Answers(&'static str),
    /// The same, with a warning that says that something is missing.
    Partly(&'static str),
    /// Answers with an error.
    Fails,
    /// Does not answer.
    Hangs,
}

mod trouble;

/// The story of one engine.
struct World {
    engine: Engine,
    setup: Arc<Setup>,
    now: Timestamp,
    source: fn(&str, i64) -> Source,
    /// What a receiver says at one minute.
    receiver: fn(&IntegrationKey, i64) -> Outcome,
    /// The store: the newest value of each key.
    rows: BTreeMap<(&'static str, String), String>,
    shapes: BTreeMap<String, Arc<Shape>>,
    log: String,
    queries: usize,
    /// The value of all samples of instant queries.
    value: f64,
    /// Queries that hang.
    held: Vec<Query>,
}

fn delivered(_: &IntegrationKey, _: i64) -> Outcome {
    Outcome::Delivered
}

fn webhook() -> Target {
    let url = SecretRef::Inline("url".to_owned());
    Target::Webhook(Webhook { url, max_alerts: 0 })
}

fn integration(receiver: &str, kind: Kind, target: Target) -> Arc<Integration> {
    Arc::new(Integration {
        key: IntegrationKey {
            receiver: receiver.into(),
            kind,
            index: 0,
        },
        send_resolved: true,
        timeout: Duration::from_secs(10),
        rate_limit: u32::MAX,
        rate_window: Duration::from_secs(1),
        http: crate::receiver::HttpConfig::default(),
        settings: target,
    })
}

/// Critical alerts to `pager` at once, everything else to `chat` after 30 s; grouped by name.
fn routing() -> Arc<Routing> {
    let mut root = Route::new("chat".into());
    root.group_by = notify::GroupBy::Labels(vec!["alertname".into()]);
    let mut critical = root.clone();
    critical.receiver = "pager".into();
    critical.group_wait = Duration::ZERO;
    let matcher = stentor_lang::model::Matcher {
        name: "severity".to_owned(),
        op: stentor_lang::model::MatchOp::Equal,
        value: "critical".to_owned(),
    };
    critical.matchers = vec![notify::LabelMatcher::new(&matcher).expect("a plain matcher")];
    root.routes = vec![critical];
    let receivers = ["chat", "pager"].map(|name| Receiver {
        name: name.into(),
        integrations: vec![integration(name, Kind::Webhook, webhook())],
    });
    Arc::new(Routing::new(root, receivers, None))
}

fn setup_of(rules: &str) -> Arc<Setup> {
    setup_with(rules, &[])
}

fn setup_with(rules: &str, external: &[(&str, &str)]) -> Arc<Setup> {
    let source = SourceText::new("rules.yml", rules);
    let file = rulefile::load(&source, &LoadOptions::default())
        .unwrap_or_else(|errors| panic!("{}", errors[0].one_line(&source)));
    let datasource = Datasource {
        name: "main".into(),
        external_labels: Labels::from_pairs(external.iter().copied()),
        external_url: "http://prometheus".into(),
        url_functions: true,
        opaque: false,
    };
    Arc::new(Setup {
        rules: RuleSet {
            datasources: vec![DatasourceRules {
                datasource: Arc::new(datasource),
                interval: mins(1),
                query_offset: Duration::ZERO,
                groups: file.groups.into_iter().map(Arc::new).collect(),
            }],
        },
        routing: routing(),
        external_url: "".into(),
        accepted: "".into(),
    })
}

const SETTINGS: Settings = Settings {
    dry_run: false,
    seed: 1,
    slots: Slots::Aligned,
    write: Write::None,
};

impl World {
    fn new(rules: &str, source: fn(&str, i64) -> Source) -> Self {
        let setup = setup_of(rules);
        let (engine, actions) = Engine::new(&setup, SETTINGS, START);
        let mut world = Self {
            engine,
            setup,
            now: START,
            source,
            receiver: delivered,
            rows: BTreeMap::new(),
            shapes: BTreeMap::new(),
            log: String::new(),
            queries: 0,
            value: 1.0,
            held: Vec::new(),
        };
        world.take(actions);
        world
    }

    fn minute(&self) -> i64 {
        self.now.since(START).millis() / 60_000
    }

    fn say(&mut self, line: impl std::fmt::Display) {
        let at = self.now.since(START);
        writeln!(self.log, "{at} {line}").expect("a String takes all");
    }

    fn give(&mut self, input: Input) {
        let actions = self.engine.handle(self.now, input);
        self.take(actions);
    }

    /// Lets the story go on, from deadline to deadline.
    fn until(&mut self, minute: i64) -> &mut Self {
        let end = START + mins(minute);
        while let Some(next) = self.engine.deadline().filter(|next| *next <= end) {
            assert!(next > self.now || self.queries < 1_000_000, "time goes on");
            self.now = next.max(self.now);
            self.give(Input::Wake);
        }
        self.now = end;
        self
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Record(record) => self.store(&record),
                Action::Query(query) => self.answer(&query),
                Action::Deliver(deliver) => self.deliver(&deliver),
                Action::Emit(Event::Transition {
                    labels, from, to, ..
                }) => {
                    let name = labels.get("a").to_owned();
                    self.say(format_args!("{name} {from} -> {to}"));
                }
                Action::Emit(Event::SlotsMissed { count, .. }) => {
                    self.say(format_args!("missed {count}"));
                }
                Action::Emit(Event::UnknownId { kind }) => self.say(format_args!("unknown {kind}")),
                Action::Emit(_) | Action::Write(_) => {}
            }
        }
    }

    fn store(&mut self, record: &Record) {
        let row = record.encode();
        match row.value {
            Some(value) => drop(self.rows.insert((row.table, row.key), value)),
            None => drop(self.rows.remove(&(row.table, row.key))),
        }
    }

    fn answer(&mut self, query: &Query) {
        self.queries += 1;
        let answer = match query.time {
            QueryTime::Instant(at) => self.instant(&query.expr, at),
            QueryTime::Range { start, end, step } => self.range(&query.expr, start, end, step),
        };
        if let Some(answer) = answer {
            self.give(Input::Answered {
                eval: query.eval,
                answer,
            });
        } else {
            self.held.push(query.clone());
        }
    }

    fn instant(&mut self, expr: &str, at: Timestamp) -> Option<Result<Answer, QueryError>> {
        let minute = at.since(START).millis() / 60_000;
        let (names, partial) = match (self.source)(expr, minute) {
            Source::Answers(names) => (names, None),
            Source::Partly(names) => (names, Some(Arc::from("a store was down"))),
            Source::Fails => return Some(Err(failure())),
            Source::Hangs => return None,
        };
        let shape = self.shapes.entry(names.to_owned()).or_insert_with(|| {
            Arc::new(Shape {
                series: names.chars().map(series).collect(),
            })
        });
        let values = vec![self.value; names.len()];
        let data = AnswerData::Vector {
            shape: Arc::clone(shape),
            values,
            histograms: Vec::new(),
        };
        Some(Ok(Answer {
            data,
            partial,
            annotations: Arc::new([]),
        }))
    }

    fn range(
        &mut self,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Option<Result<Answer, QueryError>> {
        // Whether a range is answered is decided when it is asked, not by the time it asks for.
        match (self.source)(expr, self.minute()) {
            Source::Fails => return Some(Err(failure())),
            Source::Hangs => return None,
            Source::Answers(_) | Source::Partly(_) => {}
        }
        let mut found: BTreeMap<char, Vec<Sample>> = BTreeMap::new();
        let mut at = start;
        while at <= end {
            let minute = at.since(START).millis() / 60_000;
            if let Source::Answers(names) | Source::Partly(names) = (self.source)(expr, minute) {
                for name in names.chars() {
                    found
                        .entry(name)
                        .or_default()
                        .push(Sample { at, value: 1.0 });
                }
            }
            at += step;
        }
        let series = found.into_iter().map(|(name, samples)| Series {
            labels: series(name),
            samples,
        });
        let data = AnswerData::Matrix(series.collect());
        Some(Ok(Answer {
            data,
            partial: None,
            annotations: Arc::new([]),
        }))
    }

    fn deliver(&mut self, deliver: &Deliver) {
        let message = &deliver.message;
        let names = |status: Status| {
            let of = message.alerts.iter().filter(|alert| alert.status == status);
            let name = |labels: &Labels| match labels.get("a") {
                "" => labels.get("alertname").to_owned(),
                name => name.to_owned(),
            };
            of.map(|alert| name(&alert.labels))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let outcome = (self.receiver)(&deliver.integration.key, self.minute());
        let line = format!(
            "{}: {} [{}] firing: {} resolved: {} {}",
            message.receiver,
            message.reason,
            message.group_labels.get("alertname"),
            names(Status::Firing),
            names(Status::Resolved),
            if outcome == Outcome::Delivered {
                ""
            } else {
                "(not taken)"
            },
        );
        self.say(line.trim_end());
        self.give(Input::Delivered {
            attempt: deliver.attempt,
            outcome,
            secret: None,
        });
    }

    /// `kill -9` and a new start after some minutes, from the rows alone, in another order.
    fn restart_at(&mut self, minute: i64) -> &mut Self {
        let setup = Arc::clone(&self.setup);
        self.restart_with(minute, setup)
    }

    fn restart_with(&mut self, minute: i64, setup: Arc<Setup>) -> &mut Self {
        self.now = START + mins(minute);
        self.say("restart");
        let records: Vec<Record> = self
            .rows
            .iter()
            .rev()
            .map(|((table, key), value)| Record::decode(table, key, value).expect("own rows"))
            .collect();
        let (engine, actions) = Engine::recover(&setup, SETTINGS, &records, self.now);
        self.engine = engine;
        self.setup = setup;
        self.take(actions);
        self
    }

    fn reload(&mut self, setup: Arc<Setup>) -> &mut Self {
        self.setup = Arc::clone(&setup);
        self.say("reload");
        self.give(Input::Reload(setup));
        self
    }

    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "so that a test reads `told(expect![...])`"
    )]
    fn told(&self, expected: Expect) {
        expected.assert_eq(&self.log);
    }
}

fn series(name: char) -> Labels {
    Labels::from_pairs([("a", name.to_string()), ("__name__", "up".to_owned())])
}

fn failure() -> QueryError {
    QueryError {
        kind: QueryErrorKind::Connection,
        message: "connection refused".to_owned(),
    }
}

const PAGE: &str = "
groups:
- name: g
  rules:
  - alert: Down
    expr: up == 0
    for: 2m
    labels: {severity: critical}
    annotations: {summary: '{{ $labels.a }} is down'}
";

#[test]
fn a_fault_is_told_after_its_time_and_ends() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        3..=8 => Source::Answers("x"),
        _ => Source::Answers(""),
    });
    world.until(20).told(expect![[r#"
        3m x inactive -> pending
        5m x pending -> firing
        5m pager: first notification [Down] firing: x resolved:
        9m x firing -> inactive
        10m pager: all alerts resolved [Down] firing:  resolved: x
    "#]]);
}

#[test]
fn a_brief_spike_pages_nobody() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        3..=4 => Source::Answers("x"),
        _ => Source::Answers(""),
    });
    world.until(20).told(expect![[r#"
        3m x inactive -> pending
        5m x pending -> inactive
    "#]]);
}

#[test]
fn gap_row_failed_nothing_resolves_and_nothing_fires() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        1..=4 => Source::Answers("x"),
        5..=20 => Source::Fails,
        _ => Source::Answers("x"),
    });
    world.until(22).told(expect![[r#"
        0s x inactive -> pending
        2m x pending -> firing
        2m pager: first notification [Down] firing: x resolved:
        10m pager: first notification [StentorDatasourceDown] firing: StentorDatasourceDown resolved:
    "#]]);
    let mut world = World::new(PAGE, |_, minute| match minute {
        1..=2 => Source::Answers("x"),
        3..=4 => Source::Hangs,
        5 => Source::Answers("x"),
        _ => Source::Answers(""),
    });
    world.until(12).told(expect![[r#"
        1m x inactive -> pending
        5m x pending -> firing
        5m pager: first notification [Down] firing: x resolved:
        7m x firing -> inactive
        10m pager: all alerts resolved [Down] firing:  resolved: x
    "#]]);
}

#[test]
fn gap_row_partial_may_fire_and_never_resolves() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        1..=4 => Source::Partly("x"),
        5..=9 => Source::Partly(""),
        _ => Source::Answers(""),
    });
    world.until(30).told(expect![[r#"
        1m x inactive -> pending
        3m x pending -> firing
        3m pager: first notification [Down] firing: x resolved:
        6m pager: first notification [StentorRuleBlind] firing: StentorRuleBlind resolved:
        11m pager: all alerts resolved [StentorRuleBlind] firing:  resolved: StentorRuleBlind
        15m x firing -> inactive
        18m pager: all alerts resolved [Down] firing:  resolved: x
    "#]]);
}

#[test]
fn gap_row_settle_the_first_empty_answers_after_an_outage_are_not_trusted() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        1..=4 => Source::Answers("x"),
        5..=7 => Source::Fails,
        _ => Source::Answers(""),
    });
    world.until(20).told(expect![[r#"
        1m x inactive -> pending
        3m x pending -> firing
        3m pager: first notification [Down] firing: x resolved:
        11m x firing -> inactive
        13m pager: all alerts resolved [Down] firing:  resolved: x
    "#]]);
}

#[test]
fn gap_row_missed_slots_are_caught_up() {
    // Killed while pending; back when the alert has long been due.
    let mut world = World::new(PAGE, |_, minute| match minute {
        3..=60 => Source::Answers("x"),
        _ => Source::Answers(""),
    });
    world.until(4).restart_at(10).until(12).told(expect![[r#"
        3m x inactive -> pending
        10m restart
        10m missed 5
        10m pager: first notification [Down] firing: x resolved:
    "#]]);
    // Killed while firing; what ended meanwhile is told as ended.
    let mut world = World::new(PAGE, |_, minute| match minute {
        1..=6 => Source::Answers("x"),
        _ => Source::Answers(""),
    });
    world.until(5).restart_at(10).until(20).told(expect![[r#"
        1m x inactive -> pending
        3m x pending -> firing
        3m pager: first notification [Down] firing: x resolved:
        10m restart
        10m missed 4
        13m pager: all alerts resolved [Down] firing:  resolved: x
    "#]]);
    // Killed while firing; on again as if nothing had been.
    let mut world = World::new(PAGE, |_, _| Source::Answers("x"));
    world.until(5).restart_at(10).until(60).told(expect![[r#"
        0s x inactive -> pending
        2m x pending -> firing
        2m pager: first notification [Down] firing: x resolved:
        10m restart
        10m missed 4
    "#]]);
}

#[test]
fn gap_row_missed_slots_that_cannot_be_answered_are_a_blind_spell() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        1..=6 => Source::Answers("x"),
        10 => Source::Fails,
        _ => Source::Answers(""),
    });
    world.until(5).restart_at(10).until(30).told(expect![[r#"
        1m x inactive -> pending
        3m x pending -> firing
        3m pager: first notification [Down] firing: x resolved:
        10m restart
        10m missed 4
        16m x firing -> inactive
        18m pager: all alerts resolved [Down] firing:  resolved: x
    "#]]);
}

#[test]
fn a_stalled_process_catches_up() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        3..=30 => Source::Answers("x"),
        _ => Source::Answers(""),
    });
    world.until(4);
    world.now = START + mins(9);
    world.give(Input::Wake);
    world.until(12).told(expect![[r#"
        3m x inactive -> pending
        9m missed 4
        9m pager: first notification [Down] firing: x resolved:
    "#]]);
}

#[test]
fn a_data_source_that_is_down_is_told_once_and_ends() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        3..=20 => Source::Fails,
        _ => Source::Answers(""),
    });
    world.until(40).told(expect![[r#"
        8m pager: first notification [StentorDatasourceDown] firing: StentorDatasourceDown resolved:
        23m pager: all alerts resolved [StentorDatasourceDown] firing:  resolved: StentorDatasourceDown
    "#]]);
}

const TWO: &str = "
groups:
- name: g
  rules:
  - {alert: Down, expr: up == 0, labels: {severity: critical}}
  - {alert: Slow, expr: slow > 1, labels: {severity: warning, team: core}}
";

#[test]
fn a_blind_rule_speaks_with_its_own_labels() {
    let mut world = World::new(TWO, |expr, minute| match (expr, minute) {
        ("slow > 1", 3..=20) => Source::Fails,
        _ => Source::Answers(""),
    });
    world.until(40).told(expect![[r#"
        8m30s chat: first notification [StentorRuleBlind] firing: StentorRuleBlind resolved:
        23m30s chat: all alerts resolved [StentorRuleBlind] firing:  resolved: StentorRuleBlind
    "#]]);
}

#[test]
fn duplicates_freeze_the_rule() {
    let mut world = World::new(PAGE, |_, minute| match minute {
        1..=4 => Source::Answers("x"),
        5..=20 => Source::Answers("yy"),
        _ => Source::Answers(""),
    });
    world.until(40).told(expect![[r#"
        1m x inactive -> pending
        3m x pending -> firing
        3m pager: first notification [Down] firing: x resolved:
        10m pager: first notification [StentorRuleBlind] firing: StentorRuleBlind resolved:
        25m pager: all alerts resolved [StentorRuleBlind] firing:  resolved: StentorRuleBlind
        26m x firing -> inactive
        28m pager: all alerts resolved [Down] firing:  resolved: x
    "#]]);
}

#[test]
fn over_its_limit_the_first_fire_and_somebody_is_told() {
    let rules = "
groups:
- name: g
  limit: 2
  rules:
  - {alert: Down, expr: up == 0, labels: {severity: critical}}
";
    let mut world = World::new(rules, |_, minute| match minute {
        1 => Source::Answers("x"),
        2..=9 => Source::Answers("cxba"),
        _ => Source::Answers(""),
    });
    world.until(20).told(expect![[r#"
        1m x inactive -> firing
        1m pager: first notification [Down] firing: x resolved:
        2m a inactive -> firing
        2m pager: first notification [StentorRuleOverLimit] firing: StentorRuleOverLimit resolved:
        6m pager: new alerts added [Down] firing: a x resolved:
        10m x firing -> inactive
        10m a firing -> inactive
        11m pager: all alerts resolved [Down] firing:  resolved: a x
        12m pager: all alerts resolved [StentorRuleOverLimit] firing:  resolved: StentorRuleOverLimit
    "#]]);
}

#[test]
fn a_removed_rule_ends_its_alerts() {
    let mut world = World::new(TWO, |_, _| Source::Answers("x"));
    world.until(3);
    let one = setup_of(PAGE);
    world.reload(one).until(20).told(expect![[r#"
        0s x inactive -> firing
        0s x inactive -> firing
        0s pager: first notification [Down] firing: x resolved:
        30s chat: first notification [Slow] firing: x resolved:
        3m reload
        5m30s chat: all alerts resolved [Slow] firing:  resolved: x
    "#]]);
}

#[test]
fn a_rule_removed_while_stopped_ends_its_alerts() {
    let mut world = World::new(TWO, |_, _| Source::Answers("x"));
    world.until(3);
    let other = setup_of("groups: []");
    world.restart_with(6, other).until(20).told(expect![[r#"
        0s x inactive -> firing
        0s x inactive -> firing
        0s pager: first notification [Down] firing: x resolved:
        30s chat: first notification [Slow] firing: x resolved:
        6m restart
        10m pager: all alerts resolved [Down] firing:  resolved: x
        10m30s chat: all alerts resolved [Slow] firing:  resolved: x
    "#]]);
}

#[test]
fn a_reload_that_changes_nothing_says_nothing() {
    let mut world = World::new(PAGE, |_, _| Source::Answers("x"));
    world.until(5);
    let same = setup_of(PAGE);
    let actions = world.engine.handle(world.now, Input::Reload(same));
    assert_eq!(actions.len(), 0, "{actions:?}");
}

#[test]
fn an_edit_of_the_expression_keeps_the_alerts() {
    let mut world = World::new(PAGE, |_, _| Source::Answers("x"));
    world.until(5);
    let edited = setup_of(
        &PAGE
            .replace("up == 0", "up < 1")
            .replace("for: 2m", "for: 1h"),
    );
    world.reload(edited).until(20).told(expect![[r#"
        0s x inactive -> pending
        2m x pending -> firing
        2m pager: first notification [Down] firing: x resolved:
        5m reload
    "#]]);
}

#[test]
fn other_external_labels_end_the_old_alert_and_begin_a_new_one() {
    let mut world = World::new(PAGE, |_, _| Source::Answers("x"));
    world.until(5);
    let moved = setup_with(PAGE, &[("region", "eu")]);
    world.reload(moved).until(20).told(expect![[r#"
        0s x inactive -> pending
        2m x pending -> firing
        2m pager: first notification [Down] firing: x resolved:
        5m reload
        7m pager: new alerts added [Down] firing: x resolved: x
    "#]]);
}

#[test]
fn a_refused_configuration_is_told_until_the_next_good_one() {
    let mut world = World::new(PAGE, |_, _| Source::Answers(""));
    world.until(2);
    world.give(Input::ConfigRejected {
        why: "rules.yml:3:1: no such field".into(),
    });
    world.until(10);
    let same = setup_of(PAGE);
    world.reload(same).until(20).told(expect![[r#"
        2m30s chat: first notification [StentorConfigRejected] firing: StentorConfigRejected resolved:
        10m reload
        12m30s chat: all alerts resolved [StentorConfigRejected] firing:  resolved: StentorConfigRejected
    "#]]);
}

#[test]
fn a_clock_that_is_stepped_back_changes_no_phase() {
    let mut world = World::new(PAGE, |_, _| Source::Answers("x"));
    world.until(5);
    world.now = START - mins(55);
    world.give(Input::ClockStepped { by: mins(-60) });
    world.until(-50).told(expect![[r#"
        0s x inactive -> pending
        2m x pending -> firing
        2m pager: first notification [Down] firing: x resolved:
    "#]]);
}

#[test]
fn values_that_json_lacks_survive_a_restart() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1, 1e300, 5.0] {
        let instance = crate::alert::Instance {
            labels: series('x'),
            series: series('x'),
            phase: crate::alert::Phase::Pending { active_at: START },
            value,
        };
        let no = crate::alert::InstanceNo(0);
        let record = Record::Instance {
            rule: RuleNo(0),
            no,
            row: Some(instance),
        };
        let row = record.encode();
        let value_text = row.value.expect("a value");
        match Record::decode(row.table, &row.key, &value_text).expect("own row") {
            Record::Instance {
                row: Some(read), ..
            } => {
                assert!(read.value.to_bits() == value.to_bits() || read.value.is_nan());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_open_incident_is_seen_in_the_store_until_it_ends() {
    let open = |world: &World| {
        let rows = world.rows.iter();
        let records = rows.map(|((table, key), value)| Record::decode(table, key, value));
        records
            .filter(|record| record.as_ref().expect("own rows").is_open_incident())
            .count()
    };
    let mut world = World::new(PAGE, |_, minute| match minute {
        1..=9 => Source::Answers("x"),
        _ => Source::Answers(""),
    });
    world.until(2);
    assert_eq!(open(&world), 0);
    world.until(5);
    assert_eq!(open(&world), 1);
    world.until(20);
    assert_eq!(open(&world), 0);
}

#[test]
fn a_store_that_recovers_gets_everything_again() {
    let mut world = World::new(TWO, |_, _| Source::Answers("x"));
    world.until(3);
    let rows = std::mem::take(&mut world.rows);
    world.give(Input::StoreFailed);
    world.give(Input::StoreRecovered);
    assert_eq!(world.rows, rows);
}

#[test]
fn templates_ask_and_are_not_waited_for() {
    let rules = "
groups:
- name: g
  rules:
  - alert: Down
    expr: up == 0
    annotations: {summary: '{{ with query \"owner\" }}{{ . | first | label \"a\" }}{{ end }}'}
";
    let source = |expr: &str, _| match expr {
        "owner" => Source::Answers("o"),
        _ => Source::Answers("x"),
    };
    let mut world = World::new(rules, source);
    world.until(2);
    let snapshot = world.engine.snapshot();
    let alerts = snapshot.groups[0].rules[0].alerts();
    assert_eq!(alerts[0].annotations[0].1, "o");
}

/// The same story, killed and started again at every minute, tells the receivers the same.
#[test]
fn a_restart_at_any_minute_loses_nothing() {
    let source = |_: &str, minute| match minute {
        3..=12 => Source::Answers("x"),
        20..=24 => Source::Answers("xy"),
        _ => Source::Answers(""),
    };
    let told = |log: &str| {
        let told = log.lines().filter(|line| line.contains(": "));
        told.map(|line| line.split_once(' ').expect("a time").1.to_owned())
            .collect::<Vec<_>>()
    };
    let mut calm = World::new(PAGE, source);
    calm.until(40);
    for minute in 1..39 {
        let mut world = World::new(PAGE, source);
        world.until(minute).restart_at(minute).until(40);
        assert_eq!(
            told(&world.log),
            told(&calm.log),
            "killed at {minute}: {}",
            world.log
        );
    }
}
