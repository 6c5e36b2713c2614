//! Kills the process behind every single record of a history, and lets it recover from the rows in
//! any order: every incident is resolved, nothing that fires is forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use stentor_lang::model::Timestamp;

use super::super::*;
use super::sim::{Sim, Told, child, key_of, removes, route, settings, simple};
use crate::receiver::{Message, Outcome, SecretId};

/// What happens at which second.
const SCRIPT: [(f64, &[&str]); 8] = [
    (0.0, &["alertname=A i=1", "alertname=B severity=critical"]),
    (15.0, &["alertname=A i=2"]),
    (40.0, &["end alertname=A i=1", "alertname=C"]),
    (100.0, &["end alertname=A i=2"]),
    (130.0, &["alertname=A i=1"]),
    (
        170.0,
        &["end alertname=B severity=critical", "alertname=A i=3"],
    ),
    (200.0, &["end alertname=A i=1", "end alertname=A i=3"]),
    (260.0, &["alertname=B severity=critical"]),
];

fn world() -> Sim {
    let root = route("slack", "alertname", [10, 30, 120]);
    let root = child(
        root,
        "severity=critical",
        route("pager", "alertname", [0, 20, 60]),
    );
    let receivers = ["slack", "pager", "fallback"].map(simple);
    let mut sim = Sim::with(Routing::new(root, receivers, Some("fallback".into())));
    sim.latency = super::sim::secs(2);
    sim.answers = Box::new(|place, now: Timestamp, message: &Message| {
        match (place, now.millis() / 1000 % 60) {
            ("slack", 10..20) => Outcome::Retry {
                after: None,
                maybe_delivered: now.millis() / 60_000 % 2 == 1,
                why: "down".to_owned(),
            },
            ("pager", 0..2) if !message.corrected => Outcome::Refused {
                why: "bad".to_owned(),
            },
            ("pager", 40..50) => Outcome::Refused {
                why: "worse".to_owned(),
            },
            _ => Outcome::Delivered,
        }
    });
    sim
}

/// Runs the script from the given second on, and then until all is at rest.
fn play(sim: &mut Sim, from: f64) {
    for (second, batch) in SCRIPT.iter().filter(|(second, _)| *second >= from) {
        sim.arrive(*second, batch);
    }
    sim.run(400.0);
}

/// The alerts that fire after the script's events up to, and with, a second.
fn truth(until: f64) -> BTreeMap<String, bool> {
    let mut fires = BTreeMap::new();
    for (_, batch) in SCRIPT.iter().filter(|(second, _)| *second <= until) {
        for text in *batch {
            let (text, ended) = match text.strip_prefix("end ") {
                Some(text) => (text, true),
                None => (*text, false),
            };
            fires.insert(text.to_owned(), !ended);
        }
    }
    fires
}

/// A moment of the history: how many records were durable, and which requests had been made.
struct Moment {
    records: usize,
    told: usize,
    now: Timestamp,
}

fn recover(history: &Sim, moment: &Moment, shuffle: usize) -> Sim {
    let mut store = BTreeMap::new();
    for record in &history.journal[..moment.records] {
        if removes(record) {
            store.remove(&key_of(record));
        } else {
            store.insert(key_of(record), record.clone());
        }
    }
    let mut rows: Vec<Record> = store.values().cloned().collect();
    if !rows.is_empty() {
        let by = shuffle % rows.len();
        rows.rotate_left(by);
        if shuffle % 2 == 1 {
            rows.reverse();
        }
    }
    let mut sim = world();
    sim.store = store;
    sim.secrets = (1..4).map(SecretId).collect();
    sim.told = history.told[..moment.told].to_vec();
    sim.now = moment.now;
    sim.notify = Notify::new(Arc::clone(&sim.routing), settings());
    sim.recover(&rows);
    sim
}

/// All ended while the process was down.
#[track_caller]
fn check_end(history: &Sim, moment: &Moment, shuffle: usize) {
    let mut sim = recover(history, moment, shuffle);
    let second = sim.now.seconds();
    let ends = truth(second).into_keys().map(|text| format!("end {text}"));
    let ends: Vec<String> = ends.collect();
    let ends: Vec<&str> = ends.iter().map(String::as_str).collect();
    sim.arrive(second, &ends);
    sim.run(1000.0);
    let at = format!("killed at {second} s behind record {}", moment.records);
    assert_eq!(sim.open(), [].into(), "{at}:\n{}", sim.lines());
    assert!(sim.store.is_empty(), "{at}: {:#?}", sim.store);
}

/// All goes on as before.
#[track_caller]
fn check(history: &Sim, moment: &Moment, shuffle: usize) {
    let mut sim = recover(history, moment, shuffle);
    // What the rules found meanwhile arrives as after any catch-up.
    let second = sim.now.seconds();
    let fires = truth(second);
    let batch: Vec<String> = fires
        .iter()
        .map(|(text, fires)| format!("{}{text}", if *fires { "" } else { "end " }))
        .collect();
    let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
    sim.arrive(second, &batch);
    play(&mut sim, second + 0.001);
    let at = format!("killed at {second} s behind record {}", moment.records);
    let place = |group: &str, place: &str| (place.to_owned(), group.to_owned());
    let expected = [
        place(r#"{}/{severity="critical"}:{alertname="B"}"#, "pager#1"),
        place(r#"{}:{alertname="C"}"#, "slack#1"),
    ];
    let open = sim.open();
    let open: Vec<_> = open
        .into_keys()
        .filter(|(p, _)| p != "fallback#1")
        .collect();
    assert_eq!(open, expected, "{at}:\n{}", sim.lines());
    sim.arrive(
        500.0,
        &["end alertname=B severity=critical", "end alertname=C"],
    );
    sim.run(1000.0);
    assert_eq!(sim.open(), [].into(), "{at}:\n{}", sim.lines());
    assert!(sim.store.is_empty(), "{at}: {:#?}", sim.store);
    check_order(&sim.told, &at);
}

/// No trigger comes after its resolve unless something fired anew.
#[track_caller]
fn check_order(told: &[Told], at: &str) {
    let mut resolved: BTreeMap<(&str, &str), Timestamp> = BTreeMap::new();
    for told in told {
        let key = (told.place.as_str(), &*told.message.group_key);
        if told.message.status == crate::receiver::Status::Resolved {
            resolved.insert(key, told.at);
        } else if let Some(resolve) = resolved.remove(&key) {
            let second = resolve.seconds();
            let fires = |labels: &Labels| {
                let known = truth(told.at.seconds());
                let text = known
                    .iter()
                    .find(|(text, _)| super::sim::labels(text) == *labels);
                text.is_some_and(|(_, fires)| *fires)
            };
            let mut alerts = told.message.alerts.iter();
            assert!(
                alerts.any(|alert| fires(&alert.labels) || alert.starts_at >= resolve),
                "{at}: {} after the resolve at {second} s",
                told.line()
            );
        }
    }
}

#[test]
fn a_kill_behind_any_record() {
    let mut history = world();
    history.moments = Some(Vec::new());
    play(&mut history, 0.0);
    let moments = history.moments.take().expect("moments were kept");
    assert!(moments.len() > 80, "{}", moments.len());
    for (index, (records, told, now)) in moments.into_iter().enumerate() {
        let moment = Moment { records, told, now };
        check(&history, &moment, index);
        check_end(&history, &moment, index);
    }
}
