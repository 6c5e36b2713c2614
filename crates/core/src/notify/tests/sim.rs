//! A world around the state machine: a clock that jumps from deadline to deadline, a store that
//! holds the rows, and services that remember what they were told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use stentor_lang::model::{Duration, Labels, MatchOp, Matcher, Timestamp};

use super::super::*;
use crate::receiver::{
    HttpConfig, Integration, Kind, Message, Outcome, Receiver, SecretRef, Settings as Service,
    Status, Webhook,
};

pub(super) fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split_whitespace().map(|pair| {
        let (name, value) = pair.split_once('=').expect("name=value");
        (name, value)
    }))
}

pub(super) fn at(seconds: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "tests use small numbers")]
    Timestamp::from_millis((seconds * 1000.0).round() as i64)
}

pub(super) fn secs(seconds: i64) -> Duration {
    Duration::from_secs(seconds)
}

/// A webhook; `place` is where it leads to.
pub(super) fn webhook(receiver: &str, index: u32, place: &str) -> Integration {
    Integration {
        key: IntegrationKey {
            receiver: receiver.into(),
            kind: Kind::Webhook,
            index,
        },
        send_resolved: true,
        timeout: secs(10),
        rate_limit: u32::MAX,
        rate_window: secs(1),
        http: HttpConfig::default(),
        settings: Service::Webhook(Webhook {
            url: SecretRef::Inline(place.to_owned()),
            max_alerts: 0,
        }),
    }
}

pub(super) fn receiver(name: &str, integrations: Vec<Integration>) -> Receiver {
    Receiver {
        name: name.into(),
        integrations: integrations.into_iter().map(Arc::new).collect(),
    }
}

/// A receiver with one webhook that leads to a place of its own name.
pub(super) fn simple(name: &str) -> Receiver {
    receiver(name, vec![webhook(name, 0, name)])
}

pub(super) fn route(receiver: &str, group_by: &str, times: [i64; 3]) -> Route {
    let mut route = Route::new(receiver.into());
    route.group_by = GroupBy::Labels(group_by.split_whitespace().map(Arc::from).collect());
    let [wait, interval, repeat] = times.map(secs);
    (
        route.group_wait,
        route.group_interval,
        route.repeat_interval,
    ) = (wait, interval, repeat);
    route
}

pub(super) fn matcher(name: &str, op: MatchOp, value: &str) -> LabelMatcher {
    LabelMatcher::for_alertmanager(&Matcher {
        name: name.to_owned(),
        op,
        value: value.to_owned(),
    })
    .expect("a matcher")
}

pub(super) fn child(mut parent: Route, label: &str, mut child: Route) -> Route {
    let (name, value) = label.split_once('=').expect("name=value");
    child.matchers.push(matcher(name, MatchOp::Equal, value));
    parent.routes.push(child);
    parent
}

pub(super) fn fires(text: &str, now: Timestamp) -> Arrival {
    Arrival {
        labels: labels(text),
        change: Change::Firing { since: now },
    }
}

pub(super) fn ends(text: &str, now: Timestamp) -> Arrival {
    Arrival {
        labels: labels(text),
        change: Change::Ended {
            at: now,
            reason: None,
        },
    }
}

pub(super) fn settings() -> Settings {
    Settings {
        seed: 1,
        dry_run: false,
        external_url: "".into(),
    }
}

/// A request that reached a service.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) at: Timestamp,
    /// The place and the version of the key: `slack#1`.
    pub(super) place: String,
    pub(super) message: Arc<Message>,
    pub(super) outcome: Outcome,
}

impl Told {
    pub(super) fn may_have_arrived(&self) -> bool {
        match &self.outcome {
            Outcome::Delivered => true,
            Outcome::Retry {
                maybe_delivered, ..
            } => *maybe_delivered,
            Outcome::Refused { .. } => false,
        }
    }

    pub(super) fn line(&self) -> String {
        let message = &self.message;
        let firing = message.alerts.iter().filter(|a| a.status == Status::Firing);
        let firing = firing.count();
        let mut line = format!(
            "{} {}: {} firing={firing} resolved={}",
            self.at.since(Timestamp::EPOCH),
            self.place,
            message.reason,
            message.alerts.len() - firing,
        );
        if message.corrected {
            line.push_str(" corrected");
        }
        if let Some(why) = &message.fallback_for {
            write!(line, " for {why}").expect("a String");
        }
        match &self.outcome {
            Outcome::Delivered => {}
            Outcome::Retry { why, .. } => write!(line, " ~ {why}").expect("a String"),
            Outcome::Refused { why } => write!(line, " ! {why}").expect("a String"),
        }
        line
    }
}

/// How the services answer: by place, time and message.
pub(super) type Answers = Box<dyn FnMut(&str, Timestamp, &Message) -> Outcome>;

pub(super) struct Sim {
    pub(super) notify: Notify,
    pub(super) routing: Arc<Routing>,
    pub(super) now: Timestamp,
    /// The store: the newest row of each key, as text.
    pub(super) store: BTreeMap<String, Record>,
    /// All records in order.
    pub(super) journal: Vec<Record>,
    pub(super) told: Vec<Told>,
    pub(super) events: Vec<String>,
    pub(super) answers: Answers,
    pub(super) latency: Duration,
    /// The version of each place's key.
    pub(super) keys: BTreeMap<String, u64>,
    pub(super) secrets: BTreeSet<SecretId>,
    /// At each record: how many are durable, how many requests were made, and when.
    pub(super) moments: Option<Vec<(usize, usize, Timestamp)>>,
    pending: Vec<(Timestamp, AttemptId, Outcome, SecretId)>,
}

pub(super) fn key_of(record: &Record) -> String {
    match record {
        Record::Alert { no, .. } => format!("alert {}", no.0),
        Record::Group { no, .. } => format!("group {}", no.0),
        Record::Told { group, lane, .. } => format!("told {} {lane}", group.0),
        Record::Job { no, .. } => format!("job {}", no.0),
        Record::Secret { id } => format!("secret {}", id.0),
    }
}

pub(super) fn removes(record: &Record) -> bool {
    matches!(
        record,
        Record::Alert { row: None, .. }
            | Record::Group { row: None, .. }
            | Record::Told { row: None, .. }
            | Record::Job { row: None, .. }
            | Record::Secret { .. }
    )
}

pub(super) fn place_of(integration: &Integration) -> String {
    match &integration.settings {
        Service::Webhook(Webhook {
            url: SecretRef::Inline(place),
            ..
        }) => place.clone(),
        _ => integration.key.to_string(),
    }
}

impl Sim {
    pub(super) fn new(root: Route, receivers: Vec<Receiver>) -> Self {
        Self::with(Routing::new(root, receivers, None))
    }

    pub(super) fn with(routing: Routing) -> Self {
        let routing = Arc::new(routing);
        Self {
            notify: Notify::new(Arc::clone(&routing), settings()),
            routing,
            now: Timestamp::EPOCH,
            store: BTreeMap::new(),
            journal: Vec::new(),
            told: Vec::new(),
            events: Vec::new(),
            answers: Box::new(|_, _, _| Outcome::Delivered),
            latency: Duration::ZERO,
            keys: BTreeMap::new(),
            secrets: BTreeSet::new(),
            moments: None,
            pending: Vec::new(),
        }
    }

    /// Lets time pass up to `seconds`, and then has alerts arrive.
    pub(super) fn arrive(&mut self, seconds: f64, batch: &[&str]) {
        self.run(seconds);
        let batch: Vec<Arrival> = batch
            .iter()
            .map(|text| match text.strip_prefix("end ") {
                Some(text) => ends(text, self.now),
                None => fires(text, self.now),
            })
            .collect();
        let mut out = Vec::new();
        self.notify.arrive(&batch, self.now, &mut out);
        self.take(out);
        self.step();
    }

    pub(super) fn reload(&mut self, seconds: f64, routing: Routing) -> usize {
        self.run(seconds);
        self.routing = Arc::new(routing);
        let mut out = Vec::new();
        self.notify
            .reload(Arc::clone(&self.routing), self.now, &mut out);
        let effects = out.len();
        self.take(out);
        self.step();
        effects
    }

    /// The process is killed: what was under way is forgotten, the rows remain.
    pub(super) fn crash(&mut self) {
        self.pending.clear();
        self.notify = Notify::new(Arc::clone(&self.routing), settings());
        let rows: Vec<Record> = self.store.values().cloned().collect();
        self.recover(&rows);
        self.step();
    }

    /// Applies rows in the given order to a machine without state.
    pub(super) fn recover(&mut self, rows: &[Record]) {
        for record in rows {
            self.notify.apply(record);
        }
        let mut out = Vec::new();
        self.notify.recovered(self.now, &mut out);
        self.take(out);
    }

    /// Lets time pass: from one deadline to the next, up to `seconds`.
    pub(super) fn run(&mut self, seconds: f64) {
        let until = at(seconds);
        loop {
            let answer = self.pending.iter().map(|(at, ..)| *at).min();
            let next = [self.notify.deadline(), answer].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            self.step();
        }
        self.now = self.now.max(until);
    }

    fn step(&mut self) {
        let mut out = Vec::new();
        let due = self.pending.iter().filter(|(at, ..)| *at <= self.now);
        let due: Vec<_> = due.cloned().collect();
        self.pending.retain(|(at, ..)| *at > self.now);
        for (_, attempt, outcome, secret) in due {
            let secret = Some(secret);
            self.notify
                .delivered(attempt, outcome, secret, self.now, &mut out);
        }
        if self.notify.deadline().is_some_and(|at| at <= self.now) {
            self.notify.wake(self.now, &mut out);
        }
        for ready in self.notify.ready(self.now) {
            let view = AlertView {
                annotations: Arc::from([]),
                generator_url: "".into(),
                value: None,
            };
            let views = vec![view; ready.alerts.len()];
            assert!(self.notify.start(ready.job, views, self.now, &mut out));
        }
        let again = !out.is_empty();
        self.take(out);
        self.check_sound();
        if again {
            self.step();
        }
    }

    /// What holds at all times: whatever a receiver believes, or is about to be told, is about
    /// alerts of the group; what fires is in the groups of its routes; rows and indexes agree.
    fn check_sound(&self) {
        let notify = &self.notify;
        if notify.alerts.len() > 100 {
            return;
        }
        for (no, group) in &notify.groups {
            let mut lanes = group.lanes.values();
            let alive = !group.members.is_empty() || lanes.any(|lane| lane.in_flight.is_some());
            assert!(group.row.is_some() && alive, "{no:?}");
            for (lane, told) in &group.told {
                let believed = told.firing.iter().chain(told.maybe.iter());
                for alert in believed {
                    assert!(group.members.contains(alert), "{alert:?} at {lane}");
                }
            }
            for member in &group.members {
                let row = &notify.alerts[member];
                assert!(row.groups.contains(no), "{member:?} in {no:?}");
                assert_eq!(row.ends_at.is_some(), group.ended.contains(member));
            }
            assert!(
                group
                    .timer
                    .is_none_or(|at| notify.timers.contains(&(at, *no)))
            );
        }
        for (no, job) in &notify.jobs {
            let group = &notify.groups[&job.group];
            let slots = &group.lanes[&job.lane];
            let flies = slots.in_flight.is_some_and(|(_, flying)| flying == *no);
            // Of what is under way nothing changes any more, but what fires must not be lost.
            let ended = if flies { &[][..] } else { &job.resolved };
            let mut shown = job.firing.iter().chain(ended);
            assert!(shown.all(|alert| group.members.contains(alert)), "{job:?}");
        }
        for row in notify.alerts.values() {
            assert!(!row.groups.is_empty() && row.groups.is_sorted(), "{row:?}");
            let routes = notify.routing.root().matching(&row.labels);
            for route in routes.into_iter().filter(|_| row.ends_at.is_none()) {
                let identity = (route.index(), route.group_labels(&row.labels));
                assert!(row.groups.contains(&notify.by_identity[&identity]));
            }
        }
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Record(record) => self.commit(record),
                Effect::Event(event) => self.event(&event),
                Effect::Deliver {
                    attempt,
                    integration,
                    message,
                    secret,
                    ..
                } => self.deliver(attempt, &integration, message, secret),
            }
        }
    }

    fn commit(&mut self, record: Record) {
        let text = serde_json::to_string(&record).expect("records are written");
        let read: Record = serde_json::from_str(&text).expect("records are read");
        assert_eq!(read, record);
        if let Record::Secret { id } = &record {
            assert!(self.secrets.remove(id), "unknown secret {id:?}");
        }
        if removes(&record) {
            self.store.remove(&key_of(&record));
        } else {
            self.store.insert(key_of(&record), record.clone());
        }
        self.journal.push(record);
        self.remember();
    }

    fn remember(&mut self) {
        if let Some(moments) = &mut self.moments {
            moments.push((self.journal.len(), self.told.len(), self.now));
        }
    }

    fn event(&mut self, event: &Event) {
        let now = self.now.since(Timestamp::EPOCH);
        let line = match event {
            Event::Failed {
                integration,
                why,
                retry_at,
                ..
            } => format!(
                "{integration} failed: {why}, retry in {}",
                retry_at.since(self.now)
            ),
            Event::Refused {
                integration, why, ..
            } => format!("{integration} refused: {why}"),
            Event::Superseded { integration, .. } => format!("{integration} superseded"),
            Event::LimitReached { integration, .. } => format!("{integration} full"),
            Event::UnknownAttempt { .. } => "unknown attempt".to_owned(),
            Event::Flushed { .. } | Event::Queued { .. } | Event::Delivered { .. } => return,
        };
        self.events.push(format!("{now} {line}"));
    }

    fn deliver(
        &mut self,
        attempt: AttemptId,
        integration: &Integration,
        message: Arc<Message>,
        secret: Option<SecretId>,
    ) {
        let place = place_of(integration);
        let newest = SecretId(self.keys.get(&place).copied().unwrap_or(1));
        let secret = secret.unwrap_or(newest);
        if secret == newest {
            self.secrets.insert(secret);
        }
        assert!(self.secrets.contains(&secret), "secret {secret:?} is gone");
        let outcome = (self.answers)(&place, self.now, &message);
        let place = format!("{place}#{}", secret.0);
        self.told.push(Told {
            at: self.now,
            place,
            message,
            outcome: outcome.clone(),
        });
        self.remember();
        self.pending
            .push((self.now + self.latency, attempt, outcome, secret));
    }

    pub(super) fn lines(&self) -> String {
        let mut text = String::new();
        for told in &self.told {
            writeln!(text, "{}", told.line()).expect("a String");
        }
        text
    }

    /// What each place believes to fire, by group key. A time-out counts as arrived.
    pub(super) fn open(&self) -> BTreeMap<(String, String), usize> {
        let mut open: BTreeMap<(String, String), usize> = BTreeMap::new();
        for told in &self.told {
            let message = &told.message;
            let arrived = told.may_have_arrived();
            let refused = matches!(told.outcome, Outcome::Refused { .. });
            if message.corrected && message.status == Status::Resolved && (arrived || refused) {
                // The second attempt goes by the newest key, and is over where it is refused.
                let place = told.place.split('#').next().expect("a place");
                open.retain(|(other, group), _| {
                    !other.starts_with(&format!("{place}#")) || **group != *message.group_key
                });
            } else if arrived {
                let key = (told.place.clone(), message.group_key.to_string());
                let alerts = message.alerts.iter();
                let firing = alerts.filter(|a| a.status == Status::Firing).count();
                open.insert(key, firing);
            }
        }
        open.retain(|_, firing| *firing > 0);
        open
    }

    /// Whether nothing at all is left.
    pub(super) fn is_quiet(&self) -> bool {
        self.store.is_empty() && self.secrets.is_empty() && self.pending.is_empty()
    }
}
