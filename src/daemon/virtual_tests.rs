//! The daemon's threads on a virtual clock, beside a replay of the same samples: both tell the same
//! story, to the millisecond.
//!
//! The engine's thread, its inbox, the store's thread and the store on disk are those of production.
//! The test stands in for the data source and the receivers, and moves the clock to the next
//! deadline once nothing is under way.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, mpsc};

use proptest::prelude::*;
use stentor_core::config;
use stentor_core::engine::{
    Answer, AnswerData, Datasource, DatasourceRules, Deliver, Query, QueryError, QueryTime,
    RulePlace, RuleSet, Snapshot,
};
use stentor_core::notify::{Route, Routing};
use stentor_core::replay::{self, Observer as _, Run, Schedule};
use stentor_core::rulefile::{self, LoadOptions, RuleGroup};
use stentor_core::timeline::{Bodies, Notification, Recorder, Timeline, Transition};
use stentor_lang::model::{Duration, Labels, Series, Shape, SourceText};
use stentor_lang::promql::eval::EvalOptions;
use stentor_lang::promql::memory::MemoryStore;
use tokio::sync::{mpsc as channel, oneshot};

use super::*;

/// Rules, routes and series, and how long they are watched.
pub(crate) struct Case {
    pub(crate) groups: Vec<Arc<RuleGroup>>,
    pub(crate) store: MemoryStore,
    pub(crate) options: replay::Options,
}

const INTERVAL: Duration = Duration::from_secs(15);

impl Case {
    /// The last instant.
    fn end(&self) -> Timestamp {
        self.options.end.expect("a case has an end")
    }

    /// What a replay tells.
    pub(crate) fn replay(&self) -> Timeline {
        let mut run = Run::new(
            self.groups.clone(),
            self.store.clone(),
            self.options.clone(),
        );
        let start = self.options.start;
        let mut recorder = Recorder::new(&self.groups, &run.snapshot(), start, Bodies::Keep);
        loop {
            let errors = run.advance(self.end(), &mut recorder);
            if errors.is_empty() {
                return recorder.finish(self.end());
            }
            recorder.failed(errors);
        }
    }

    fn setup(&self) -> Arc<Setup> {
        let options = &self.options;
        let nobody = || Arc::new(Routing::new(Route::new("nobody".into()), [], None));
        Arc::new(Setup {
            rules: RuleSet {
                datasources: vec![DatasourceRules {
                    datasource: Arc::clone(&options.datasource),
                    interval: options.interval,
                    query_offset: options.query_offset,
                    groups: self.groups.clone(),
                }],
            },
            routing: options.routing.clone().unwrap_or_else(nobody),
            external_url: Arc::clone(&options.external_url),
            accepted: "".into(),
        })
    }

    fn slots(&self) -> Slots {
        match self.options.schedule {
            Schedule::Production => Slots::Spread,
            Schedule::Aligned => Slots::Aligned,
            Schedule::Promtool { .. } => panic!("the daemon has no such schedule"),
        }
    }

    /// What the daemon does, with every alert's story and every request.
    pub(crate) fn daemon(&self) -> Timeline {
        let start = self.options.start;
        let folder = tempfile::tempdir().expect("a folder");
        let (store, _) = Sqlite::open(folder.path(), "now", store::LOCK_WAIT).expect("a store");
        let millis = Arc::new(AtomicI64::new(start.millis()));
        let read = || {
            let millis = Arc::clone(&millis);
            Box::new(move || millis.load(Ordering::SeqCst))
        };
        let clock = Arc::new(Clock::new(read(), read()));
        let inbox = Arc::new(Inbox::new(Arc::clone(&clock)));
        let setup = self.setup();
        let settings = Settings {
            dry_run: false,
            seed: 0,
            slots: self.slots(),
            write: Write::None,
        };
        let (engine, first) = Engine::new(&setup, settings, start);
        let recorder = Recorder::new(&self.groups, &engine.snapshot(), start, Bodies::Keep);
        let told = Mutex::new(recorder);
        let (outlet, sent) = mpsc::channel();
        let (handle, store_thread) =
            writer::start(store, Outlet(outlet), writer::PROBE_INTERVAL).expect("a thread");
        let (queries, asked) = channel::unbounded_channel();
        let (events, heard) = mpsc::channel();
        let pulse = Arc::new(core::Pulse::default());
        let thread = core::Core {
            engine,
            clock: Arc::clone(&clock),
            inbox: Arc::clone(&inbox),
            outlets: core::Outlets {
                queries,
                store: handle.clone(),
                events,
            },
            pulse: Arc::clone(&pulse),
        };
        inbox.input(Input::Reload(Arc::clone(&setup)));
        let core = std::thread::spawn(move || thread.run(first));
        let mut world = World {
            case: self,
            ahead: BTreeMap::new(),
            asked,
            heard,
            sent,
            told,
            inbox: Arc::clone(&inbox),
            store: handle.clone(),
            clock: Arc::clone(&clock),
        };
        world.settle();
        while let Some(next) = pulse.next().filter(|next| *next <= self.end()) {
            millis.fetch_max(next.millis(), Ordering::SeqCst);
            inbox.input(Input::Wake);
            world.settle();
        }
        inbox.push(Letter::Stop);
        core.join().expect("the engine's thread ends");
        handle.send(Job::Stop);
        store_thread.join().expect("the store's thread ends");
        world
            .told
            .into_inner()
            .expect("no panic")
            .finish(self.end())
    }
}

/// All that is not the daemon.
struct World<'a> {
    case: &'a Case,
    ahead: BTreeMap<RulePlace, Ahead>,
    asked: channel::UnboundedReceiver<Vec<Query>>,
    heard: mpsc::Receiver<Vec<stentor_core::engine::Event>>,
    sent: mpsc::Receiver<Deliver>,
    told: Mutex<Recorder>,
    inbox: Arc<Inbox>,
    store: writer::Handle,
    clock: Arc<Clock>,
}

impl World<'_> {
    /// Answers what is asked until nothing is under way any more. As in a replay data sources are
    /// faster than receivers: whether an alert that fires in the instant in which its group's resolve
    /// goes out begins a new group depends on that.
    fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 2 {
            self.barrier();
            quiet += 1;
            while let Ok(batch) = self.asked.try_recv() {
                quiet = 0;
                for query in batch {
                    let eval = query.eval;
                    let answer = self.answer(&query);
                    self.inbox.input(Input::Answered { eval, answer });
                }
            }
            if quiet > 0 {
                for delivery in self.sent.try_iter().collect::<Vec<_>>() {
                    quiet = 0;
                    self.deliver(&delivery);
                }
            }
            while let Ok(events) = self.heard.try_recv() {
                quiet = 0;
                let now = self.clock.now();
                let mut told = self.told.lock().expect("no panic");
                for event in &events {
                    told.event(now, event);
                }
            }
        }
    }

    /// Rules are asked for many slots at once: slot by slot takes too long without optimization.
    fn answer(&mut self, query: &Query) -> Result<Answer, QueryError> {
        let options = &self.case.options.eval;
        let store = &self.case.store;
        let (QueryTime::Instant(at), Some(place), Some(expr)) =
            (query.time, query.rule, &query.parsed)
        else {
            return replay::answer(query, store, options);
        };
        if expr.depends_on_range() {
            return replay::answer(query, store, options);
        }
        let group = &self.case.groups[place.group];
        let step = group.interval.unwrap_or(self.case.options.interval);
        let known = self.ahead.get(&place).is_some_and(|ahead| at <= ahead.last);
        if !known {
            let slots = self.case.end().since(at).millis() / step.millis();
            let last = at + step.times(slots.clamp(0, SLOTS_AHEAD));
            let range = Query {
                time: QueryTime::Range {
                    start: at,
                    end: last,
                    step,
                },
                ..query.clone()
            };
            // One slot of it may fail, such as by equal label sets, and not this one.
            let Ok(Answer {
                data: AnswerData::Matrix(series),
                ..
            }) = replay::answer(&range, store, options)
            else {
                return replay::answer(query, store, options);
            };
            self.ahead.insert(place, Ahead { last, series });
        }
        Ok(self.ahead[&place].at(at))
    }

    fn deliver(&self, delivery: &Deliver) {
        let now = self.clock.now();
        let outcome = self.told.lock().expect("no panic").deliver(now, delivery);
        self.inbox.input(Input::Delivered {
            attempt: delivery.attempt,
            outcome,
            secret: None,
        });
    }

    /// Returns when the engine's thread has handed on what the letters so far brought about, and the
    /// store's thread has done it.
    fn barrier(&self) {
        for _ in 0..2 {
            let (reply, seen) = oneshot::channel::<Snapshot>();
            self.inbox.push(Letter::Look(reply));
            seen.blocking_recv().expect("the engine's thread is there");
        }
        let (reply, done) = oneshot::channel();
        let nothing = stentor_core::receiver::SecretId(u64::MAX >> 1);
        self.store.send(Job::Secret(nothing, reply));
        done.blocking_recv().expect("the store's thread is there");
    }
}

/// So many slots of a rule are asked for at once.
const SLOTS_AHEAD: i64 = 256;

/// What a rule's query gives in the next slots.
struct Ahead {
    last: Timestamp,
    series: Vec<Series>,
}

impl Ahead {
    fn at(&self, at: Timestamp) -> Answer {
        let mut labels = Vec::new();
        let mut values = Vec::new();
        for series in &self.series {
            if let Ok(index) = series.samples.binary_search_by_key(&at, |sample| sample.at) {
                labels.push(series.labels.clone());
                values.push(series.samples[index].value);
            }
        }
        Answer {
            data: AnswerData::Vector {
                shape: Arc::new(Shape { series: labels }),
                values,
                histograms: Vec::new(),
            },
            partial: None,
            annotations: Arc::default(),
        }
    }
}

/// Hands on what the store's thread lets go.
struct Outlet(mpsc::Sender<Deliver>);

impl writer::Outlet for Outlet {
    fn deliver(&mut self, delivery: Deliver) {
        // The test may have ended.
        let _ = self.0.send(delivery);
    }

    fn news(&mut self, news: writer::News) {
        assert!(
            matches!(news, writer::News::Committed { .. }),
            "the store works: {news:?}"
        );
    }
}

/// In the order of time; receivers are told side by side, so those of one instant are in any order.
fn in_order(timeline: &Timeline) -> Timeline {
    let mut timeline = timeline.clone();
    timeline.notifications.sort_by(|a, b| {
        let key = |told: &Notification| (told.at, told.integration.clone(), told.group_key.clone());
        key(a).cmp(&key(b))
    });
    timeline.transitions.sort_by(|a, b| {
        let key = |transition: &Transition| (transition.at, transition.rule);
        key(a).cmp(&key(b)).then_with(|| a.labels.cmp(&b.labels))
    });
    timeline
}

fn lines(timeline: &Timeline) -> Vec<String> {
    let timeline = in_order(timeline);
    let transitions = timeline.transitions.iter().map(|it| format!("{it:?}"));
    transitions
        .chain(timeline.notifications.iter().map(|it| format!("{it:?}")))
        .collect()
}

/// Both tell the same.
#[track_caller]
pub(crate) fn check_equal(what: &str, one: &Timeline, other: &Timeline) {
    let (one, other) = (lines(one), lines(other));
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other, "{what}");
    }
    assert_eq!(one.len(), other.len(), "{what}");
}

fn case(groups: Vec<Arc<RuleGroup>>, store: MemoryStore, start: Timestamp, minutes: i64) -> Case {
    let datasource = Datasource {
        name: "main".into(),
        external_labels: Labels::default(),
        external_url: "".into(),
        url_functions: true,
        opaque: false,
    };
    let options = replay::Options {
        schedule: Schedule::Production,
        start,
        interval: INTERVAL,
        query_offset: Duration::ZERO,
        datasource: Arc::new(datasource),
        external_url: "".into(),
        eval: EvalOptions::default(),
        routing: Some(routing(ROUTES)),
        end: Some(start + Duration::from_mins(minutes)),
    };
    Case {
        groups,
        store,
        options,
    }
}

fn groups(text: &str) -> Vec<Arc<RuleGroup>> {
    let source = SourceText::new("rules.yml", text);
    let file = rulefile::load(&source, &LoadOptions::default());
    let file = file.unwrap_or_else(|errors| panic!("{}\n{text}", errors[0].one_line(&source)));
    file.groups.into_iter().map(Arc::new).collect()
}

fn routing(text: &str) -> Arc<Routing> {
    let source = SourceText::new("alertmanager.yml", text);
    let (routing, _) = config::load_alertmanager(&source).expect("a good configuration");
    Arc::new(routing)
}

const ROUTES: &str = "
route:
  receiver: chat
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 5m
  routes:
  - {matchers: [severity=\"critical\"], receiver: oncall, group_wait: 0s, continue: true}
  - {matchers: [instance=~\"1|2\"], receiver: hook, group_by: ['...']}
receivers:
- {name: chat, slack_configs: [{api_url: 'http://chat.invalid/x', send_resolved: true}]}
- {name: oncall, pagerduty_configs: [{routing_key: 0123456789abcdef0123456789abcdef}]}
- {name: hook, webhook_configs: [{url: 'http://hook.invalid/'}]}
";

/// A rule of random shape.
fn rule() -> impl Strategy<Value = String> {
    let expr = prop_oneof![
        (0..10).prop_map(|n| format!("x > {n}")),
        (0..10).prop_map(|n| format!("sum by (job) (x) > {}", n * 3)),
        (0..5).prop_map(|n| format!("rate(c[1m]) > {n}")),
        Just("absent(x{instance=\"1\"})".to_owned()),
        (1..8).prop_map(|n| format!("max_over_time(x[2m:30s]) >= {n}")),
        Just("x / on (instance) c > 0.1".to_owned()),
        Just("label_replace(x > 3, \"instance\", \"same\", \"\", \"\")".to_owned()),
    ];
    let (hold, keep) = (0..5_u32, 0..4_u32);
    let severity = prop_oneof![Just("critical"), Just("warning")];
    (expr, hold, keep, severity, 0..4).prop_map(|(expr, hold, keep, severity, name)| {
        format!(
            "  - {{alert: A{name}, expr: '{expr}', for: {}s, keep_firing_for: {}s, labels: {{severity: \
             {severity}}}, annotations: {{summary: '{{{{ $value }}}}'}}}}\n",
            hold * 15,
            keep * 20
        )
    })
}

fn rules() -> impl Strategy<Value = String> {
    let group = (prop::collection::vec(rule(), 1..4), 1..4_u32, 0..2_u32);
    prop::collection::vec(group, 1..4).prop_map(|groups| {
        let mut text = "groups:\n".to_owned();
        for (index, (rules, interval, limit)) in groups.into_iter().enumerate() {
            let interval = interval * 10;
            let head =
                format!("- name: g{index}\n  interval: {interval}s\n  limit: {limit}\n  rules:\n");
            text.push_str(&head);
            text += &rules.concat();
        }
        text
    })
}

fn series() -> impl Strategy<Value = Vec<Vec<Option<u8>>>> {
    let sample = prop_oneof![6 => (0..10_u8).prop_map(Some), 1 => Just(None)];
    // Values last, so that alerts have time to fire.
    let stretch = (sample, 1..12_usize).prop_map(|(value, count)| vec![value; count]);
    let series = prop::collection::vec(stretch, 1..12).prop_map(|parts| parts.concat());
    prop::collection::vec(series, 1..6)
}

/// The series `x` and the counter `c`, scraped every 15 s.
fn store_of(series: &[Vec<Option<u8>>], start: Timestamp) -> MemoryStore {
    let mut store = MemoryStore::default();
    for (instance, values) in series.iter().enumerate() {
        let instance = instance.to_string();
        let labels = |name: &str| {
            let job = if instance == "0" { "a" } else { "b" };
            Labels::from_pairs([
                ("__name__", name),
                ("job", job),
                ("instance", instance.as_str()),
            ])
        };
        let mut count = 0.0;
        for (step, value) in (0..).zip(values) {
            let Some(value) = value else { continue };
            let at = start + INTERVAL.times(step);
            count += f64::from(*value) * 15.0;
            store.push(&labels("x"), at, f64::from(*value));
            store.push(&labels("c"), at, count);
        }
    }
    store
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn daemon_and_replay_tell_the_same_of_random_rules(rules in rules(), series in series()) {
        let start = Timestamp::from_millis(1_700_000_000_000);
        let case = case(groups(&rules), store_of(&series, start), start, 30);
        check_equal("random rules", &case.replay(), &case.daemon());
    }
}

#[test]
fn an_incident_is_told_alike_by_daemon_and_replay() {
    let start = Timestamp::from_millis(1_700_000_000_000);
    let high: Vec<Option<u8>> = [vec![Some(1); 20], vec![Some(9); 20], vec![Some(1); 40]].concat();
    let rules = "groups: [{name: g, rules: [{alert: High, expr: x > 5, for: 1m, labels: {severity: critical}}]}]";
    let case = case(groups(rules), store_of(&[high], start), start, 20);
    let told = case.replay();
    check_equal("an incident", &told, &case.daemon());
    assert_eq!(told.transitions.len(), 3);
    // The page, its repetitions, the resolve; and the message to the default receiver is `continue`d.
    assert!(told.notifications.len() >= 2, "{:?}", told.notifications);
}
