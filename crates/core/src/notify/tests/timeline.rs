//! Timelines: alerts in, one line per request out.

use std::sync::Arc;

use expect_test::{Expect, expect};
use stentor_lang::model::{Duration, Timestamp};

use super::super::*;
use super::sim::{Sim, child, labels, receiver, route, secs, settings, simple, webhook};
use crate::receiver::{Message, Outcome, Status};

const TIMES: [i64; 3] = [30, 300, 3600];

fn slack() -> Sim {
    Sim::new(route("slack", "alertname", TIMES), vec![simple("slack")])
}

fn failed(why: &str, maybe_delivered: bool) -> Outcome {
    Outcome::Retry {
        after: None,
        maybe_delivered,
        why: why.to_owned(),
    }
}

fn refused(why: &str) -> Outcome {
    Outcome::Refused {
        why: why.to_owned(),
    }
}

/// The services answer so until the given second, and well from then on.
fn until(seconds: i64, outcome: Outcome) -> super::sim::Answers {
    let until = Timestamp::EPOCH + secs(seconds);
    Box::new(move |_, now, _| {
        if now < until {
            outcome.clone()
        } else {
            Outcome::Delivered
        }
    })
}

/// Requests and what went wrong, merged by time.
#[track_caller]
fn check(sim: &Sim, requests: &Expect, events: &Expect) {
    requests.assert_eq(&sim.lines());
    let mut lines = sim.events.join("\n");
    if !lines.is_empty() {
        lines.push('\n');
    }
    events.assert_eq(&lines);
}

/// All alerts have ended and everybody knows.
#[track_caller]
fn check_quiet(sim: &Sim) {
    assert_eq!(sim.open(), [].into(), "open incidents");
    assert!(sim.is_quiet(), "left over: {:#?}", sim.store);
}

#[test]
fn a_group_from_its_first_alert_to_its_end() {
    let mut sim = slack();
    sim.arrive(0.0, &["alertname=A i=1", "alertname=A i=2"]);
    sim.arrive(100.0, &["alertname=A i=3"]);
    sim.arrive(400.0, &["end alertname=A i=1"]);
    sim.arrive(5000.0, &["end alertname=A i=2", "end alertname=A i=3"]);
    sim.run(10_000.0);
    expect![[r#"
        30s slack#1: first notification firing=2 resolved=0
        5m30s slack#1: new alerts added firing=3 resolved=0
        10m30s slack#1: some alerts resolved firing=2 resolved=1
        1h15m30s slack#1: repeat interval elapsed firing=2 resolved=0
        1h25m30s slack#1: all alerts resolved firing=0 resolved=2
    "#]]
    .assert_eq(&sim.lines());
    check_quiet(&sim);
}

#[test]
fn what_ends_before_it_was_told_is_never_told() {
    let mut sim = slack();
    sim.arrive(0.0, &["alertname=A"]);
    sim.arrive(20.0, &["end alertname=A"]);
    sim.arrive(25.0, &["end alertname=Unknown"]);
    sim.run(1000.0);
    expect![""].assert_eq(&sim.lines());
    check_quiet(&sim);
}

#[test]
fn flapping_between_ticks_tells_nothing() {
    let mut sim = slack();
    sim.arrive(0.0, &["alertname=A"]);
    for second in [100, 120, 140, 160] {
        sim.arrive(f64::from(second), &["end alertname=A"]);
        sim.arrive(f64::from(second) + 5.0, &["alertname=A"]);
    }
    sim.arrive(1000.0, &["end alertname=A"]);
    sim.arrive(1300.0, &["alertname=A"]);
    sim.arrive(1400.0, &["end alertname=A"]);
    sim.run(9000.0);
    expect![[r#"
        30s slack#1: first notification firing=1 resolved=0
        20m30s slack#1: all alerts resolved firing=0 resolved=1
        22m10s slack#1: first notification firing=1 resolved=0
        27m10s slack#1: all alerts resolved firing=0 resolved=1
    "#]]
    .assert_eq(&sim.lines());
    check_quiet(&sim);
}

#[test]
fn an_idle_group_keeps_its_ticks() {
    let mut sim = slack();
    sim.arrive(0.0, &["alertname=A i=1"]);
    sim.run(31.0);
    assert_eq!(
        sim.notify.deadline(),
        Some(Timestamp::EPOCH + secs(30 + 3900))
    );
    // The ticks are at 30 s and every 300 s after it, looked at or not.
    sim.arrive(1000.0, &["alertname=A i=2"]);
    assert_eq!(sim.notify.deadline(), Some(Timestamp::EPOCH + secs(1230)));
    sim.run(1300.0);
    expect![[r#"
        30s slack#1: first notification firing=1 resolved=0
        20m30s slack#1: new alerts added firing=2 resolved=0
    "#]]
    .assert_eq(&sim.lines());
}

#[test]
fn routes_that_continue_tell_each_receiver() {
    let mut all = route("archive", "", [0, 60, 3600]);
    all.continues = true;
    let root = route("slack", "alertname", TIMES);
    let root = child(root, "severity=critical", all);
    let root = child(
        root,
        "severity=critical",
        route("pager", "alertname", [0, 60, 3600]),
    );
    let receivers = ["slack", "archive", "pager"].map(simple);
    let mut sim = Sim::new(root, receivers.into());
    sim.arrive(0.0, &["alertname=A severity=critical", "alertname=B"]);
    sim.arrive(
        50.0,
        &["end alertname=A severity=critical", "end alertname=B"],
    );
    sim.run(1000.0);
    expect![[r#"
        0s archive#1: first notification firing=1 resolved=0
        0s pager#1: first notification firing=1 resolved=0
        30s slack#1: first notification firing=1 resolved=0
        1m archive#1: all alerts resolved firing=0 resolved=1
        1m pager#1: all alerts resolved firing=0 resolved=1
        5m30s slack#1: all alerts resolved firing=0 resolved=1
    "#]]
    .assert_eq(&sim.lines());
    check_quiet(&sim);
}

#[test]
fn a_receiver_that_wants_no_resolves_gets_none() {
    let mut quiet = webhook("slack", 0, "slack");
    quiet.send_resolved = false;
    let both = vec![quiet, webhook("slack", 1, "other")];
    let mut sim = Sim::new(route("slack", "", TIMES), vec![receiver("slack", both)]);
    sim.arrive(0.0, &["a=1", "a=2"]);
    sim.arrive(100.0, &["end a=1"]);
    // As in Alertmanager: the receiver still believes in this one, and is told nothing.
    sim.arrive(400.0, &["a=1"]);
    sim.arrive(1000.0, &["end a=1", "end a=2"]);
    sim.arrive(2000.0, &["a=1"]);
    sim.arrive(2100.0, &["end a=1"]);
    sim.run(9000.0);
    expect![[r#"
        30s slack#1: first notification firing=2 resolved=0
        30s other#1: first notification firing=2 resolved=0
        5m30s other#1: some alerts resolved firing=1 resolved=1
        10m30s other#1: new alerts added firing=2 resolved=0
        20m30s other#1: all alerts resolved firing=0 resolved=2
        33m50s slack#1: first notification firing=1 resolved=0
        33m50s other#1: first notification firing=1 resolved=0
        38m50s other#1: all alerts resolved firing=0 resolved=1
    "#]]
    .assert_eq(&sim.lines());
    let open: Vec<_> = sim.open().into_keys().map(|(place, _)| place).collect();
    assert_eq!(open, ["slack#1"]);
    assert_eq!(sim.store.len(), 0, "{:#?}", sim.store);
}

#[test]
fn a_receiver_that_is_down_gets_the_newest_state() {
    let mut sim = slack();
    sim.answers = until(1000, failed("refused connection", false));
    sim.arrive(0.0, &["alertname=A i=1"]);
    sim.arrive(100.0, &["alertname=A i=2"]);
    sim.arrive(500.0, &["end alertname=A i=1"]);
    sim.run(1100.0);
    let failures = sim.told.iter().filter(|t| t.outcome != Outcome::Delivered);
    assert!(failures.count() > 15);
    sim.told.retain(|told| told.outcome == Outcome::Delivered);
    expect![[r#"
        17m7s416ms slack#1: first notification firing=1 resolved=1
    "#]]
    .assert_eq(&sim.lines());
    sim.arrive(1200.0, &["end alertname=A i=2"]);
    sim.run(9000.0);
    check_quiet(&sim);
}

#[test]
fn what_begins_and_ends_while_the_receiver_is_down_is_dropped() {
    let mut sim = slack();
    sim.answers = until(1000, failed("refused connection", false));
    sim.arrive(0.0, &["alertname=A"]);
    sim.arrive(100.0, &["end alertname=A"]);
    sim.run(9000.0);
    assert!(
        sim.told
            .iter()
            .all(|told| told.message.status == Status::Firing)
    );
    check_quiet(&sim);
}

#[test]
fn what_may_have_arrived_is_resolved() {
    let mut sim = slack();
    sim.answers = until(1000, failed("time-out", true));
    sim.arrive(0.0, &["alertname=A"]);
    sim.arrive(100.0, &["end alertname=A"]);
    sim.run(9000.0);
    sim.told.retain(|told| told.outcome == Outcome::Delivered);
    expect![[r#"
        16m55s480ms slack#1: all alerts resolved firing=0 resolved=1
    "#]]
    .assert_eq(&sim.lines());
    check_quiet(&sim);
}

#[test]
fn a_certain_failure_does_not_undo_an_uncertain_one() {
    let mut sim = slack();
    let mut outcomes = vec![failed("reset", false), failed("time-out", true)];
    sim.answers = Box::new(move |_, _, _| outcomes.pop().unwrap_or(failed("down", false)));
    sim.arrive(0.0, &["alertname=A"]);
    sim.arrive(50.0, &["end alertname=A"]);
    sim.run(400.0);
    sim.answers = Box::new(|_, _, _| Outcome::Delivered);
    sim.run(1000.0);
    check_quiet(&sim);
}

#[test]
fn a_waiting_resolve_goes_out_before_the_next_trigger() {
    let mut sim = slack();
    sim.arrive(0.0, &["alertname=A"]);
    sim.run(100.0);
    sim.answers = until(1000, failed("down", false));
    sim.arrive(200.0, &["end alertname=A"]);
    sim.arrive(400.0, &["alertname=A"]);
    sim.run(999.0);
    sim.told.clear();
    sim.run(1100.0);
    expect![[r#"
        17m17s681ms slack#1: all alerts resolved firing=0 resolved=1
        17m17s681ms slack#1: first notification firing=1 resolved=0
    "#]]
    .assert_eq(&sim.lines());
    sim.told.clear();
    sim.arrive(1200.0, &["end alertname=A"]);
    sim.run(2000.0);
    expect![[r#"
        20m30s slack#1: all alerts resolved firing=0 resolved=1
    "#]]
    .assert_eq(&sim.lines());
    check_quiet(&sim);
}

#[test]
fn a_resolve_that_waits_makes_a_flap_quiet() {
    let mut sim = slack();
    sim.arrive(0.0, &["alertname=A"]);
    sim.run(100.0);
    sim.answers = until(2000, failed("down", false));
    sim.arrive(200.0, &["end alertname=A"]);
    sim.arrive(400.0, &["alertname=A"]);
    sim.arrive(700.0, &["end alertname=A"]);
    sim.run(1999.0);
    sim.told.clear();
    sim.run(4000.0);
    expect![[r#"
        33m28s72ms slack#1: all alerts resolved firing=0 resolved=1
    "#]]
    .assert_eq(&sim.lines());
    check_quiet(&sim);
}

#[test]
fn a_slow_attempt_holds_its_own_group_only() {
    let mut sim = slack();
    sim.latency = secs(8);
    sim.arrive(0.0, &["alertname=A i=1", "alertname=B i=1"]);
    sim.run(31.0);
    sim.arrive(33.0, &["alertname=C"]);
    sim.run(100.0);
    expect![[r#"
        30s slack#1: first notification firing=1 resolved=0
        30s slack#1: first notification firing=1 resolved=0
        1m3s slack#1: first notification firing=1 resolved=0
    "#]]
    .assert_eq(&sim.lines());
}

#[test]
fn an_attempt_without_outcome_fails_after_its_deadline() {
    let mut sim = slack();
    sim.latency = secs(15);
    sim.arrive(0.0, &["alertname=A"]);
    sim.run(45.0);
    sim.latency = secs(1);
    sim.run(100.0);
    sim.arrive(100.0, &["end alertname=A"]);
    sim.run(1000.0);
    check(
        &sim,
        &expect![[r#"
        30s slack#1: first notification firing=1 resolved=0
        41s914ms slack#1: first notification firing=1 resolved=0
        54s342ms slack#1: first notification firing=1 resolved=0
        5m30s slack#1: all alerts resolved firing=0 resolved=1
    "#]],
        &expect![[r#"
        41s slack/webhook[0] failed: no outcome within 10s, retry in 914ms
        45s unknown attempt
        52s914ms slack/webhook[0] failed: no outcome within 10s, retry in 1s428ms
        56s914ms unknown attempt
    "#]],
    );
    check_quiet(&sim);
}

#[test]
fn the_time_that_a_service_asks_for_holds_for_all_groups() {
    let mut sim = slack();
    let limited = Outcome::Retry {
        after: Some(secs(60)),
        maybe_delivered: false,
        why: "429".to_owned(),
    };
    sim.answers = until(40, limited);
    sim.arrive(0.0, &["alertname=A"]);
    sim.arrive(15.0, &["alertname=B"]);
    sim.run(300.0);
    check(
        &sim,
        &expect![[r#"
        30s slack#1: first notification firing=1 resolved=0 ~ 429
        1m30s slack#1: first notification firing=1 resolved=0
        1m35s784ms slack#1: first notification firing=1 resolved=0
    "#]],
        &expect![[r#"
        30s slack/webhook[0] failed: 429, retry in 1m5s784ms
    "#]],
    );
}

#[test]
fn the_rate_limit_and_the_places_are_kept() {
    let mut limited = webhook("slack", 0, "slack");
    limited.rate_limit = 2;
    limited.rate_window = secs(10);
    let mut sim = Sim::new(
        route("slack", "alertname", [0, 300, 3600]),
        vec![receiver("slack", vec![limited])],
    );
    let alerts: Vec<String> = (0..5).map(|no| format!("alertname={no}")).collect();
    let alerts: Vec<&str> = alerts.iter().map(String::as_str).collect();
    sim.arrive(0.0, &alerts);
    sim.run(100.0);
    expect![[r#"
        0s slack#1: first notification firing=1 resolved=0
        0s slack#1: first notification firing=1 resolved=0
        10s slack#1: first notification firing=1 resolved=0
        10s slack#1: first notification firing=1 resolved=0
        20s slack#1: first notification firing=1 resolved=0
    "#]]
    .assert_eq(&sim.lines());

    let mut sim = Sim::new(route("slack", "i", [0, 300, 3600]), vec![simple("slack")]);
    sim.latency = secs(5);
    let alerts: Vec<String> = (0..20).map(|no| format!("i={no}")).collect();
    let alerts: Vec<&str> = alerts.iter().map(String::as_str).collect();
    sim.arrive(0.0, &alerts);
    sim.run(100.0);
    let seconds: Vec<i64> = sim
        .told
        .iter()
        .map(|told| told.at.millis() / 1000)
        .collect();
    assert_eq!(seconds, [[0; 8].as_slice(), &[5; 8], &[10; 4]].concat());
}

fn with_fallback(root: Route, receivers: Vec<crate::receiver::Receiver>) -> Sim {
    Sim::with(Routing::new(root, receivers, Some("fallback".into())))
}

fn refuses(place: &'static str) -> super::sim::Answers {
    Box::new(move |to, _, _| {
        if to == place {
            refused("bad")
        } else {
            Outcome::Delivered
        }
    })
}

#[test]
fn a_refusal_is_corrected_once_and_then_goes_to_the_fallback_receiver() {
    let mut sim = with_fallback(
        route("pager", "alertname", TIMES),
        vec![simple("pager"), simple("fallback")],
    );
    sim.answers = refuses("pager");
    sim.arrive(0.0, &["alertname=A i=1"]);
    // Nothing changes until the repeat interval; a new state is tried at once.
    sim.arrive(4000.0, &["alertname=A i=2"]);
    sim.arrive(5000.0, &["end alertname=A i=1", "end alertname=A i=2"]);
    sim.run(20_000.0);
    check(
        &sim,
        &expect![[r#"
        30s pager#1: first notification firing=1 resolved=0 ! bad
        30s pager#1: first notification firing=1 resolved=0 corrected ! bad
        30s fallback#1: first notification firing=1 resolved=0 for pager/webhook[0]: bad
        1h5m30s pager#1: first notification firing=1 resolved=0 ! bad
        1h5m30s pager#1: first notification firing=1 resolved=0 corrected ! bad
        1h5m30s fallback#1: first notification firing=1 resolved=0 for pager/webhook[0]: bad
        1h10m30s pager#1: first notification firing=2 resolved=0 ! bad
        1h10m30s pager#1: first notification firing=2 resolved=0 corrected ! bad
        1h10m30s fallback#1: first notification firing=2 resolved=0 for pager/webhook[0]: bad
        1h25m30s fallback#1: all alerts resolved firing=0 resolved=2 for pager/webhook[0]: bad
    "#]],
        &expect![[r#"
        30s pager/webhook[0] failed: bad, retry in 0s
        30s pager/webhook[0] refused: bad
        1h5m30s pager/webhook[0] failed: bad, retry in 0s
        1h5m30s pager/webhook[0] refused: bad
        1h10m30s pager/webhook[0] failed: bad, retry in 0s
        1h10m30s pager/webhook[0] refused: bad
    "#]],
    );
    check_quiet(&sim);
}

#[test]
fn a_correction_that_is_taken_ends_the_trouble() {
    let mut sim = slack();
    sim.answers = Box::new(|_, _, message: &Message| {
        if message.corrected {
            Outcome::Delivered
        } else {
            refused("bad field")
        }
    });
    sim.arrive(0.0, &["alertname=A"]);
    sim.arrive(100.0, &["end alertname=A"]);
    sim.run(9000.0);
    check(
        &sim,
        &expect![[r#"
        30s slack#1: first notification firing=1 resolved=0 ! bad field
        30s slack#1: first notification firing=1 resolved=0 corrected
        5m30s slack#1: all alerts resolved firing=0 resolved=1 ! bad field
        5m30s slack#1: all alerts resolved firing=0 resolved=1 corrected
    "#]],
        &expect![[r#"
        30s slack/webhook[0] failed: bad field, retry in 0s
        5m30s slack/webhook[0] failed: bad field, retry in 0s
    "#]],
    );
    check_quiet(&sim);
}

#[test]
fn a_refused_resolve_goes_to_the_fallback_receiver_and_is_over() {
    let mut sim = with_fallback(
        route("pager", "alertname", TIMES),
        vec![simple("pager"), simple("fallback")],
    );
    sim.arrive(0.0, &["alertname=A"]);
    sim.run(100.0);
    sim.answers = refuses("pager");
    sim.arrive(200.0, &["end alertname=A"]);
    sim.run(50_000.0);
    check(
        &sim,
        &expect![[r#"
        30s pager#1: first notification firing=1 resolved=0
        5m30s pager#1: all alerts resolved firing=0 resolved=1 ! bad
        5m30s pager#1: all alerts resolved firing=0 resolved=1 corrected ! bad
        5m30s fallback#1: all alerts resolved firing=0 resolved=1 for pager/webhook[0]: bad
    "#]],
        &expect![[r#"
        5m30s pager/webhook[0] failed: bad, retry in 0s
        5m30s pager/webhook[0] refused: bad
    "#]],
    );
    assert_eq!(sim.store.len(), 0, "{:#?}", sim.store);
}

#[test]
fn the_fallback_receivers_own_refusal_is_final() {
    let mut sim = with_fallback(
        route("pager", "alertname", TIMES),
        vec![simple("pager"), simple("fallback")],
    );
    sim.answers = Box::new(|_, _, _| refused("bad"));
    sim.arrive(0.0, &["alertname=A"]);
    sim.run(3000.0);
    check(
        &sim,
        &expect![[r#"
        30s pager#1: first notification firing=1 resolved=0 ! bad
        30s pager#1: first notification firing=1 resolved=0 corrected ! bad
        30s fallback#1: first notification firing=1 resolved=0 for pager/webhook[0]: bad ! bad
        30s fallback#1: first notification firing=1 resolved=0 corrected for pager/webhook[0]: bad ! bad
    "#]],
        &expect![[r#"
        30s pager/webhook[0] failed: bad, retry in 0s
        30s pager/webhook[0] refused: bad
        30s fallback/webhook[0] failed: bad, retry in 0s
        30s fallback/webhook[0] refused: bad
    "#]],
    );
    sim.arrive(3100.0, &["end alertname=A"]);
    sim.run(50_000.0);
    check_quiet(&sim);
}

fn two_routes(first: &str, second: &str) -> Routing {
    let root = route(first, "alertname", TIMES);
    let root = child(root, "team=x", route(second, "alertname", TIMES));
    Routing::new(root, ["one", "two", "three"].map(simple), None)
}

#[test]
fn a_reload_that_changes_nothing_does_nothing() {
    let mut sim = Sim::with(two_routes("one", "two"));
    sim.arrive(0.0, &["alertname=A team=x", "alertname=A"]);
    sim.run(100.0);
    assert_eq!(sim.reload(100.0, two_routes("one", "two")), 0);
    // A receiver that nobody uses, and one in use whose limits change.
    let mut hurried = webhook("two", 0, "two");
    hurried.timeout = secs(3);
    let root = route("one", "alertname", TIMES);
    let root = child(root, "team=x", route("two", "alertname", TIMES));
    let receivers = vec![
        simple("one"),
        receiver("two", vec![hurried]),
        simple("four"),
    ];
    assert_eq!(sim.reload(100.0, Routing::new(root, receivers, None)), 0);
    sim.arrive(200.0, &["alertname=A team=x i=2"]);
    assert_eq!(sim.reload(250.0, two_routes("one", "two")), 0);
    sim.run(400.0);
    expect![[r#"
        30s one#1: first notification firing=1 resolved=0
        30s two#1: first notification firing=1 resolved=0
        5m30s two#1: new alerts added firing=2 resolved=0
    "#]]
    .assert_eq(&sim.lines());
}

#[test]
fn what_is_routed_elsewhere_is_resolved_where_it_was_told() {
    let mut sim = Sim::with(two_routes("one", "two"));
    sim.arrive(0.0, &["alertname=A team=x", "alertname=B team=x"]);
    sim.run(100.0);
    sim.reload(100.0, two_routes("one", "three"));
    // A new alert of the old group goes to the new place only, and so do repeats.
    sim.arrive(110.0, &["alertname=A team=x i=2"]);
    sim.arrive(5000.0, &["end alertname=A team=x"]);
    sim.arrive(5400.0, &["end alertname=A team=x i=2"]);
    sim.run(6000.0);
    // And back again: the incident of B is still open there, so nobody is paged.
    sim.reload(6000.0, two_routes("one", "two"));
    sim.arrive(7000.0, &["end alertname=B team=x"]);
    sim.run(10_000.0);
    check(
        &sim,
        &expect![[r#"
            30s two#1: first notification firing=1 resolved=0
            30s two#1: first notification firing=1 resolved=0
            2m10s three#1: first notification firing=2 resolved=0
            2m10s three#1: first notification firing=1 resolved=0
            1h7m10s three#1: repeat interval elapsed firing=2 resolved=0
            1h7m10s three#1: repeat interval elapsed firing=1 resolved=0
            1h25m30s two#1: all alerts resolved firing=0 resolved=1
            1h27m10s three#1: some alerts resolved firing=1 resolved=1
            1h32m10s three#1: all alerts resolved firing=0 resolved=1
            1h40m30s two#1: repeat interval elapsed firing=1 resolved=0
            1h57m10s three#1: all alerts resolved firing=0 resolved=1
            2h30s two#1: all alerts resolved firing=0 resolved=1
        "#]],
        &expect![""],
    );
    check_quiet(&sim);
}

#[test]
fn part_of_a_group_may_be_routed_elsewhere() {
    let with = |label: &str| {
        let root = route("one", "alertname", TIMES);
        let root = child(root, label, route("two", "alertname", TIMES));
        Routing::new(root, ["one", "two"].map(simple), None)
    };
    let mut sim = Sim::with(with("nothing=here"));
    sim.arrive(0.0, &["alertname=A i=1", "alertname=A i=2"]);
    sim.run(100.0);
    sim.reload(100.0, with("i=1"));
    sim.arrive(800.0, &["end alertname=A i=2"]);
    sim.run(8000.0);
    sim.arrive(8000.0, &["end alertname=A i=1"]);
    sim.run(10_000.0);
    check(
        &sim,
        &expect![[r#"
        30s one#1: first notification firing=2 resolved=0
        2m10s two#1: first notification firing=1 resolved=0
        15m30s one#1: some alerts resolved firing=1 resolved=1
        1h7m10s two#1: repeat interval elapsed firing=1 resolved=0
        2h12m10s two#1: repeat interval elapsed firing=1 resolved=0
        2h15m30s one#1: all alerts resolved firing=0 resolved=1
        2h17m10s two#1: all alerts resolved firing=0 resolved=1
    "#]],
        &expect![""],
    );
    check_quiet(&sim);
}

#[test]
fn what_was_not_told_yet_just_moves() {
    let mut sim = Sim::with(two_routes("one", "two"));
    sim.arrive(0.0, &["alertname=A team=x"]);
    sim.reload(10.0, two_routes("one", "three"));
    sim.arrive(100.0, &["end alertname=A team=x"]);
    sim.run(1000.0);
    expect![[r#"
        40s three#1: first notification firing=1 resolved=0
        5m40s three#1: all alerts resolved firing=0 resolved=1
    "#]]
    .assert_eq(&sim.lines());
    check_quiet(&sim);
}

#[test]
fn what_waits_for_a_receiver_that_is_no_more_is_dropped() {
    let mut sim = Sim::with(two_routes("one", "two"));
    sim.answers = Box::new(|to, _, _| {
        if to == "two" {
            failed("down", false)
        } else {
            Outcome::Delivered
        }
    });
    sim.arrive(0.0, &["alertname=A team=x"]);
    sim.run(32.0);
    sim.reload(32.0, two_routes("one", "three"));
    sim.arrive(100.0, &["end alertname=A team=x"]);
    sim.run(1000.0);
    check(
        &sim,
        &expect![[r#"
        30s two#1: first notification firing=1 resolved=0 ~ down
        30s914ms two#1: first notification firing=1 resolved=0 ~ down
        1m2s three#1: first notification firing=1 resolved=0
        6m2s three#1: all alerts resolved firing=0 resolved=1
    "#]],
        &expect![[r#"
        30s two/webhook[0] failed: down, retry in 914ms
        30s914ms two/webhook[0] failed: down, retry in 1s428ms
    "#]],
    );
    check_quiet(&sim);
}

#[test]
fn a_removed_integration_resolves_and_a_new_one_is_told() {
    let with = |integrations: Vec<crate::receiver::Integration>| {
        let one = receiver("one", integrations);
        Routing::new(route("one", "alertname", TIMES), vec![one], None)
    };
    let mut sim = Sim::with(with(vec![
        webhook("one", 0, "old"),
        webhook("one", 1, "gone"),
    ]));
    sim.arrive(0.0, &["alertname=A"]);
    sim.run(100.0);
    // The first one leads elsewhere now, the second is no more, a third is new.
    let mut third = webhook("one", 0, "third");
    third.key.index = 2;
    sim.reload(100.0, with(vec![webhook("one", 0, "new"), third]));
    sim.run(1000.0);
    sim.arrive(1000.0, &["end alertname=A"]);
    sim.run(2000.0);
    expect![[r#"
        30s old#1: first notification firing=1 resolved=0
        30s gone#1: first notification firing=1 resolved=0
        5m30s new#1: first notification firing=1 resolved=0
        5m30s third#1: first notification firing=1 resolved=0
        20m30s new#1: all alerts resolved firing=0 resolved=1
        20m30s old#1: all alerts resolved firing=0 resolved=1
        20m30s gone#1: all alerts resolved firing=0 resolved=1
        20m30s third#1: all alerts resolved firing=0 resolved=1
    "#]]
    .assert_eq(&sim.lines());
    check_quiet(&sim);
}

#[test]
fn an_attempt_under_way_ends_on_the_definition_it_began_with() {
    let with = |place: &str| {
        let one = receiver("one", vec![webhook("one", 0, place)]);
        Routing::new(route("one", "alertname", TIMES), vec![one], None)
    };
    let mut sim = Sim::with(with("old"));
    sim.latency = secs(5);
    sim.arrive(0.0, &["alertname=A"]);
    sim.reload(32.0, with("new"));
    sim.run(1000.0);
    sim.arrive(1000.0, &["end alertname=A"]);
    sim.run(2000.0);
    expect![[r#"
        30s old#1: first notification firing=1 resolved=0
        5m30s new#1: first notification firing=1 resolved=0
        20m30s new#1: all alerts resolved firing=0 resolved=1
        20m30s old#1: all alerts resolved firing=0 resolved=1
    "#]]
    .assert_eq(&sim.lines());
    check_quiet(&sim);
}

#[test]
fn an_incident_is_resolved_by_the_key_that_opened_it() {
    let mut sim = slack();
    sim.arrive(0.0, &["alertname=A i=1"]);
    sim.run(100.0);
    sim.keys.insert("slack".to_owned(), 2);
    sim.arrive(1000.0, &["end alertname=A i=1"]);
    sim.run(2000.0);
    // Where an addition goes out by the new key, both incidents are resolved.
    sim.arrive(2000.0, &["alertname=A i=1"]);
    sim.run(2100.0);
    sim.keys.insert("slack".to_owned(), 3);
    sim.arrive(2200.0, &["alertname=A i=2"]);
    sim.run(3000.0);
    sim.arrive(3000.0, &["end alertname=A i=1", "end alertname=A i=2"]);
    sim.run(9000.0);
    expect![[r#"
        30s slack#1: first notification firing=1 resolved=0
        20m30s slack#1: all alerts resolved firing=0 resolved=1
        33m50s slack#2: first notification firing=1 resolved=0
        38m50s slack#3: new alerts added firing=2 resolved=0
        53m50s slack#3: all alerts resolved firing=0 resolved=2
        53m50s slack#2: all alerts resolved firing=0 resolved=1
    "#]]
    .assert_eq(&sim.lines());
    check_quiet(&sim);
}

#[test]
fn a_shorter_interval_shortens_the_wait() {
    let with = |interval| {
        let root = route("slack", "alertname", [30, interval, 7200]);
        Routing::new(root, vec![simple("slack")], None)
    };
    let mut sim = Sim::with(with(3000));
    sim.arrive(0.0, &["alertname=A"]);
    sim.arrive(100.0, &["alertname=A i=2"]);
    sim.reload(200.0, with(60));
    sim.run(3000.0);
    expect![[r#"
        30s slack#1: first notification firing=1 resolved=0
        4m20s slack#1: new alerts added firing=2 resolved=0
    "#]]
    .assert_eq(&sim.lines());
}

#[test]
fn a_kill_during_a_delivery_repeats_it_and_no_more() {
    let mut sim = slack();
    sim.latency = secs(5);
    sim.arrive(0.0, &["alertname=A i=1"]);
    sim.run(32.0);
    sim.crash();
    sim.run(200.0);
    sim.crash();
    sim.arrive(210.0, &["alertname=A i=2"]);
    sim.crash();
    sim.run(400.0);
    // It ends while the process is down: the resolve goes out all the same.
    sim.arrive(700.0, &["alertname=A i=3"]);
    sim.run(931.0);
    sim.crash();
    sim.arrive(
        940.0,
        &[
            "end alertname=A i=1",
            "end alertname=A i=2",
            "end alertname=A i=3",
        ],
    );
    sim.run(9000.0);
    expect![[r#"
        30s slack#1: first notification firing=1 resolved=0
        32s slack#1: first notification firing=1 resolved=0
        5m30s slack#1: new alerts added firing=2 resolved=0
        15m30s slack#1: new alerts added firing=3 resolved=0
        15m31s slack#1: new alerts added firing=3 resolved=0
        20m30s slack#1: all alerts resolved firing=0 resolved=3
    "#]]
    .assert_eq(&sim.lines());
    assert_eq!(sim.open(), [].into());
    assert_eq!(sim.store.len(), 0, "{:#?}", sim.store);
}

#[test]
fn an_overdue_flush_is_made_up_for_and_ticks_keep_their_phase() {
    let mut sim = slack();
    sim.arrive(0.0, &["alertname=A"]);
    sim.run(100.0);
    sim.arrive(200.0, &["alertname=A i=2"]);
    sim.now = Timestamp::EPOCH + secs(2000);
    sim.crash();
    sim.run(2001.0);
    sim.now = Timestamp::EPOCH + secs(5000);
    sim.crash();
    sim.run(9000.0);
    expect![[r#"
        30s slack#1: first notification firing=1 resolved=0
        33m20s slack#1: new alerts added firing=2 resolved=0
        1h38m20s slack#1: repeat interval elapsed firing=2 resolved=0
    "#]]
    .assert_eq(&sim.lines());
}

#[test]
fn going_live_forgets_what_a_dry_run_would_have_told() {
    let dry = Settings {
        dry_run: true,
        ..settings()
    };
    let mut sim = slack();
    sim.notify = Notify::new(Arc::clone(&sim.routing), dry);
    sim.arrive(0.0, &["alertname=A"]);
    sim.run(1000.0);
    sim.crash();
    sim.run(2000.0);
    expect![[r#"
        30s slack#1: first notification firing=1 resolved=0
        20m30s slack#1: first notification firing=1 resolved=0
    "#]]
    .assert_eq(&sim.lines());
}

#[test]
fn a_step_of_the_clock_shifts_all_timers() {
    let mut sim = slack();
    sim.arrive(0.0, &["alertname=A"]);
    sim.run(40.0);
    sim.arrive(50.0, &["alertname=A i=2"]);
    let day = Duration::from_hours(24);
    let mut out = Vec::new();
    sim.notify.clock_stepped(day, &mut out);
    assert!(out.iter().all(|effect| matches!(effect, Effect::Record(_))));
    sim.now += day;
    assert_eq!(
        sim.notify.deadline(),
        Some(Timestamp::EPOCH + day + secs(330))
    );
    sim.run(86_400.0 + 5000.0);
    expect![[r#"
        30s slack#1: first notification firing=1 resolved=0
        1d5m30s slack#1: new alerts added firing=2 resolved=0
        1d1h10m30s slack#1: repeat interval elapsed firing=2 resolved=0
    "#]]
    .assert_eq(&sim.lines());
}

#[test]
fn what_finds_no_place_in_the_queue_waits_in_its_group() {
    let mut sim = Sim::new(route("slack", "i", [0, 300, 3600]), vec![simple("slack")]);
    sim.answers = until(1, failed("down", false));
    let count = MAX_WAITING + 50;
    let alerts: Vec<String> = (0..count).map(|no| format!("i={no}")).collect();
    let alerts: Vec<&str> = alerts.iter().map(String::as_str).collect();
    sim.arrive(0.0, &alerts);
    sim.run(0.9);
    assert!(
        sim.events
            .iter()
            .any(|event| event == "0s slack/webhook[0] full")
    );
    sim.run(1000.0);
    assert_eq!(sim.open().len(), count);
}

#[test]
fn alerts_are_in_the_order_of_alertmanager() {
    let mut sim = Sim::new(route("slack", "", TIMES), vec![simple("slack")]);
    let alerts = [
        "a=1",
        "b=1 c=1",
        "job=b",
        "job=a instance=2",
        "instance=1",
        "job=a instance=1",
        "b=1",
        "a=0",
    ];
    sim.arrive(0.0, &alerts);
    sim.run(100.0);
    let told: Vec<String> = sim.told[0]
        .message
        .alerts
        .iter()
        .map(|alert| alert.labels.to_string())
        .collect();
    let order = [
        "job=a instance=1",
        "job=a instance=2",
        "job=b",
        "instance=1",
        "b=1",
        "a=0",
        "a=1",
        "b=1 c=1",
    ];
    assert_eq!(told, order.map(|text| labels(text).to_string()));
}
