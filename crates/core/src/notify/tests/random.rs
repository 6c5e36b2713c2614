//! Random histories of alerts, failing services, reloads, key rotations and kills. At the end all
//! services work: then everybody knows what fires, and when all has ended nothing is left.

use std::collections::BTreeMap;

use stentor_lang::model::{Labels, Timestamp};

use super::super::*;
use super::sim::{Sim, child, labels, receiver, route, secs, webhook};
use crate::receiver::{Alert, Outcome, Status};

/// A small generator of numbers (`xorshift64*`).
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// One of several configurations: other receivers, places, groupings and intervals.
fn routing(draw: &mut Draw) -> Routing {
    let by = ["", "team", "team i"][usize::try_from(draw.below(3)).expect("small")];
    let interval = [20, 30, 60][usize::try_from(draw.below(3)).expect("small")];
    let mut root = route("slack", by, [10, interval, 300]);
    if !draw.one_in(3) {
        let mut pager = route("pager", "team", [0, 20, 200]);
        pager.continues = draw.one_in(2);
        root = child(root, "team=x", pager);
    }
    if draw.one_in(3) {
        root = child(root, "i=1", route("other", "", [5, 25, 100]));
    }
    let place = ["pager-a", "pager-b"][usize::try_from(draw.below(2)).expect("small")];
    let mut pager = vec![webhook("pager", 0, place)];
    if draw.one_in(2) {
        pager.push(webhook("pager", 1, "second"));
    }
    let receivers = vec![
        receiver("slack", vec![webhook("slack", 0, "slack")]),
        receiver("pager", pager),
        receiver("other", vec![webhook("other", 0, "other")]),
        receiver("fallback", vec![webhook("fallback", 0, "fallback")]),
    ];
    let fallback = (!draw.one_in(3)).then(|| "fallback".into());
    Routing::new(root, receivers, fallback)
}

fn trouble(seed: u64) -> super::sim::Answers {
    let mut draw = Draw(seed | 1);
    Box::new(move |place, _, _| {
        if draw.one_in(2) {
            return Outcome::Delivered;
        }
        match draw.below(8) {
            0 if place != "fallback" => Outcome::Refused {
                why: "bad".to_owned(),
            },
            1 => Outcome::Retry {
                after: Some(secs(40)),
                maybe_delivered: false,
                why: "429".to_owned(),
            },
            2..5 => Outcome::Retry {
                after: None,
                maybe_delivered: true,
                why: "time-out".to_owned(),
            },
            _ => Outcome::Retry {
                after: None,
                maybe_delivered: false,
                why: "refused connection".to_owned(),
            },
        }
    })
}

/// Every receiver of an alert's routes believes it to fire, and a message says so.
#[track_caller]
fn check_told(sim: &Sim, fires: &BTreeMap<String, bool>, seed: u64) {
    for (text, fires) in fires {
        let labels = labels(text);
        assert_eq!(sim.notify.is_firing(&labels), *fires, "seed {seed}: {text}");
        if !fires {
            continue;
        }
        for route in sim.routing.root().matching(&labels) {
            let key = crate::receiver::group_key(route.key(), &route.group_labels(&labels));
            for integration in sim.routing.integrations(&route.receiver) {
                let place = super::sim::place_of(integration);
                let newest = sim.told.iter().rev().find(|told| {
                    told.place.starts_with(&format!("{place}#"))
                        && *told.message.group_key == *key
                        && told.outcome == Outcome::Delivered
                });
                let newest = newest.unwrap_or_else(|| panic!("seed {seed}: {text} at {place}"));
                let shown = newest.message.alerts.iter();
                let mut shown = shown.filter(|alert| alert.status == Status::Firing);
                assert!(
                    shown.any(|alert| alert.labels == labels),
                    "seed {seed}: {text} at {place}:\n{}",
                    sim.lines()
                );
            }
        }
    }
}

/// No trigger comes after its resolve unless something fires anew.
#[track_caller]
fn check_order(sim: &Sim, seed: u64) {
    // Since when each alert fired in the triggers so far, and in those before the last resolve.
    type Shown = BTreeMap<Labels, Timestamp>;
    let mut places: BTreeMap<(&str, &str), (Shown, Shown)> = BTreeMap::new();
    for told in &sim.told {
        let place = told.place.split('#').next().expect("a place");
        let key = (place, &*told.message.group_key);
        let (shown, resolved) = places.entry(key).or_default();
        if told.message.status == Status::Resolved {
            if told.outcome == Outcome::Delivered {
                resolved.clone_from(shown);
            }
            continue;
        }
        let firing = told.message.alerts.iter();
        let firing: Vec<_> = firing.filter(|a| a.status == Status::Firing).collect();
        let anew = |alert: &&&Alert| resolved.get(&alert.labels) != Some(&alert.starts_at);
        assert!(
            firing.iter().any(|alert| anew(&alert)) || shown != resolved,
            "seed {seed}: {}\n{}",
            told.line(),
            sim.lines()
        );
        if told.may_have_arrived() {
            let firing = firing.into_iter();
            shown.extend(firing.map(|alert| (alert.labels.clone(), alert.starts_at)));
        }
    }
}

/// Whether of all that is open or under way it is known by what secret.
fn knows_secrets(sim: &Sim) -> bool {
    let mut told = sim.notify.log();
    sim.notify.in_flight() == 0 && told.all(|(_, _, told)| !told.is_open() || told.secret.is_some())
}

fn play(seed: u64) {
    let mut draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut sim = Sim::with(routing(&mut draw));
    sim.answers = trouble(seed.wrapping_mul(7919));
    sim.latency = secs(i64::try_from(draw.below(4)).expect("small"));
    let mut fires: BTreeMap<String, bool> = BTreeMap::new();
    let mut second = 0.0;
    for _ in 0..60 {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let pause = draw.below(30) as f64;
        second += pause;
        match draw.below(20) {
            0 | 1 => drop(sim.reload(second, routing(&mut draw))),
            2 => {
                sim.run(second);
                sim.crash();
            }
            // By what secret an attempt was made is known with its outcome. A kill before that, and
            // another key before the next attempt, lose it.
            3 if knows_secrets(&sim) => {
                let place = ["slack", "pager-a", "other"];
                let place = place[usize::try_from(draw.below(3)).expect("small")];
                let key = sim.keys.entry(place.to_owned()).or_insert(1);
                *key = *key % 3 + 1;
            }
            _ => {
                let mut batch = Vec::new();
                for _ in 0..=draw.below(3) {
                    let team = ["x", "y"][usize::try_from(draw.below(2)).expect("small")];
                    let text = format!("team={team} i={}", draw.below(3));
                    let known = fires.entry(text.clone()).or_insert(false);
                    *known = !*known;
                    batch.push(if *known { text } else { format!("end {text}") });
                }
                let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
                sim.arrive(second, &batch);
            }
        }
    }
    sim.answers = Box::new(|_, _, _| Outcome::Delivered);
    second += 1000.0;
    sim.run(second);
    check_told(&sim, &fires, seed);
    let ends: Vec<String> = fires.keys().map(|text| format!("end {text}")).collect();
    let ends: Vec<&str> = ends.iter().map(String::as_str).collect();
    sim.arrive(second, &ends);
    sim.run(second + 2000.0);
    assert_eq!(sim.open(), [].into(), "seed {seed}:\n{}", sim.lines());
    assert!(sim.store.is_empty(), "seed {seed}: {:#?}", sim.store);
    check_order(&sim, seed);
}

#[test]
fn random_histories_end_well() {
    for seed in 1..150 {
        play(seed);
    }
}

#[test]
fn the_same_history_gives_the_same_bytes() {
    let run = || {
        let mut draw = Draw(42);
        let mut sim = Sim::with(routing(&mut draw));
        sim.answers = trouble(5);
        for second in 0..40 {
            let text = format!("team=x i={}", draw.below(4));
            sim.arrive(f64::from(second) * 10.0, &[&text]);
        }
        sim.run(2000.0);
        (sim.lines(), sim.journal)
    };
    assert_eq!(run(), run());
}
