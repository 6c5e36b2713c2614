use std::collections::BTreeSet;
use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::*;

/// A small fleet, so that hours pass in seconds. What happens to a share of it happens to as large a share.
fn demo(seed: u64) -> Demo {
    let options = Options {
        size: Size { gateways: 12, seed },
        start: Timestamp::parse("2026-05-01T12:00:00Z").expect("a time"),
        url: "http://127.0.0.1:9095".into(),
    };
    Demo::new(options).expect("good rules and a good configuration")
}

/// The lines of some kinds within so many minutes.
fn lines(demo: &mut Demo, minutes: i64, kinds: &[Kind]) -> String {
    let to = demo.options.start + Duration::from_mins(minutes);
    let mut shown = String::new();
    for happening in demo.advance(to) {
        if kinds.contains(&happening.kind) {
            let time = happening.at.rfc3339();
            let (kind, text) = (happening.kind, happening.text);
            let _ = writeln!(shown, "{} {kind:?} {text}", &time[11..19]);
        }
    }
    shown
}

#[track_caller]
fn check(minutes: i64, kinds: &[Kind], expected: &Expect) {
    expected.assert_eq(&lines(&mut demo(1), minutes, kinds));
}

#[test]
fn the_first_incident_goes_from_pending_to_resolved_within_twenty_minutes() {
    let kinds = [
        Kind::Now,
        Kind::Over,
        Kind::Pending,
        Kind::Firing,
        Kind::Resolved,
        Kind::Cleared,
        Kind::Page,
        Kind::Update,
        Kind::Closed,
        Kind::Slack,
        Kind::Error,
    ];
    check(
        22,
        &kinds,
        &expect![[r#"
            12:08:00 Now a deployment without graceful shutdown restarts 5 of the 12 gateways in eu-1: 1.2 million users are thrown out within seconds
            12:08:07 Pending ConnectionDrop critical {cluster="eu-1", job="realtime"} at 0.418, for 1m
            12:08:52 Pending ConnectionDrop warning {cluster="eu-1", job="realtime"} at 0.204, for 5m
            12:09:07 Firing ConnectionDrop critical {cluster="eu-1", job="realtime"} at 0.386: 1m since becoming active
            12:09:07 Page #1 [FIRING:1] realtime lost 38.64% of its connections
            12:13:52 Firing ConnectionDrop warning {cluster="eu-1", job="realtime"} at 0.283: 5m since becoming active
            12:13:52 Slack #realtime [FIRING:1] realtime is 28.32% below its usual connections
            12:17:22 Resolved ConnectionDrop critical {cluster="eu-1", job="realtime"} after 8m15s
            12:18:07 Closed #1 [RESOLVED] realtime lost 20.23% of its connections
            12:18:22 Resolved ConnectionDrop warning {cluster="eu-1", job="realtime"} after 4m30s
            12:18:52 Slack #realtime [RESOLVED] realtime is 20.05% below its usual connections
            12:22:00 Over the last users are back in eu-1
        "#]],
    );
}

#[test]
fn a_whole_round_pages_for_each_incident_and_for_no_planned_work() {
    let kinds = [
        Kind::Now,
        Kind::Cleared,
        Kind::Page,
        Kind::Closed,
        Kind::Slack,
        Kind::Error,
    ];
    check(
        200,
        &kinds,
        &expect![[r#"
            12:08:00 Now a deployment without graceful shutdown restarts 5 of the 12 gateways in eu-1: 1.2 million users are thrown out within seconds
            12:09:07 Page #1 [FIRING:1] realtime lost 38.64% of its connections
            12:13:52 Slack #realtime [FIRING:1] realtime is 28.32% below its usual connections
            12:18:07 Closed #1 [RESOLVED] realtime lost 20.23% of its connections
            12:18:52 Slack #realtime [RESOLVED] realtime is 20.05% below its usual connections
            12:33:00 Now a transit provider of us-1 drops packets and holds up one message in 25: the median stays below 10 ms, the tail passes a second
            12:35:07 Page #2 [FIRING:1] realtime delivers messages too late: P99 1278 ms
            12:41:07 Closed #2 [RESOLVED] realtime delivers messages too late: P99 509 ms
            12:43:07 Cleared LatencyHigh warning {cluster="us-1", job="realtime"}
            12:53:00 Now an authentication service begins to refuse tokens: 4 % of all messages in eu-1 fail
            12:55:07 Page #3 [FIRING:1] 4.064% of the messages of realtime fail
            13:04:07 Slack #realtime [FIRING:1] realtime keeps failing 4.072% of its messages
            13:07:07 Closed #3 [RESOLVED] 1.41% of the messages of realtime fail
            13:10:07 Slack #realtime [RESOLVED] realtime keeps failing 1.136% of its messages
            13:13:00 Now planned work: 1 of the 12 gateways in us-1 are drained, and their users move to the others. Nobody is to be paged
            13:35:00 Now the broadcast bus in us-1 loses its partitions: users still send as ever, and hear nothing
            13:36:09 Page #4 [FIRING:1] realtime takes messages in, and sends 85.09% fewer out
            13:41:09 Slack #realtime [FIRING:1] realtime has sent 85.12% fewer messages out for a while
            13:43:09 Closed #4 [RESOLVED] realtime takes messages in, and sends 85.1% fewer out
            13:44:09 Slack #realtime [RESOLVED] realtime has sent 61% fewer messages out for a while
            13:58:00 Now the host of one gateway in eu-1 throttles its CPU: one user in 24 is slow, and the fleet's percentile hides it
            14:01:01 Page #5 [FIRING:1] rt-eu-1-10:9100 of realtime is far slower than the others: P99 2203 ms
            14:08:16 Slack #realtime [FIRING:1] rt-eu-1-10:9100 of realtime has been slower than the others for a while: P99 2203 ms
            14:16:01 Closed #5 [RESOLVED] rt-eu-1-10:9100 of realtime is far slower than the others: P99 704 ms
            14:18:16 Slack #realtime [RESOLVED] rt-eu-1-10:9100 of realtime has been slower than the others for a while: P99 455 ms
            14:25:00 Now a load balancer in us-1 cuts silent connections: users reconnect again and again, and the number of connections hardly moves
            14:26:09 Page #6 [FIRING:1] 76.68% of the closes of realtime have code 1006
            14:32:09 Closed #6 [RESOLVED] 52.76% of the closes of realtime have code 1006
            14:32:39 Cleared ConnectionSurge warning {cluster="us-1", job="realtime"}
            14:34:54 Cleared AbnormalCloses warning {cluster="us-1", code="1006", job="realtime"}
            14:48:00 Now consumers in eu-1 fall behind: the queues grow by 1800 messages a second
            14:49:39 Page #7 [FIRING:1] The queue of realtime is full in 9m 18s
            14:54:39 Closed #7 [RESOLVED] The queue of realtime is full in 5m 3s
            14:54:54 Cleared QueueFilling warning {cluster="eu-1", job="realtime"}
        "#]],
    );
}

#[test]
fn the_same_seed_tells_the_same_and_another_one_differs() {
    let all = |seed| demo(seed).advance(demo(seed).options.start + Duration::from_mins(12));
    let (first, again, other) = (all(1), all(1), all(2));
    assert!(!first.is_empty());
    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[test]
fn steps_of_any_length_tell_the_same() {
    let mut by_seconds = Vec::new();
    let mut small = demo(1);
    for second in 0..=720 {
        let to = small.options.start + Duration::from_secs(second);
        by_seconds.extend(small.advance(to));
    }
    let mut large = demo(1);
    assert_eq!(
        by_seconds,
        large.advance(large.options.start + Duration::from_mins(12))
    );
}

#[test]
fn every_metric_of_the_rules_is_there() {
    let demo = demo(1);
    let known: BTreeSet<&str> = demo
        .backend
        .series()
        .iter()
        .map(|series| series.get("__name__"))
        .collect();
    for group in setup::rules().expect("good rules") {
        for rule in &group.rules {
            let expr = rule.expr().parsed.as_ref().expect("PromQL");
            expr.walk(&mut |node| {
                if let stentor_lang::promql::Expr::Vector(selector) = node
                    && let Some(name) = selector.name()
                {
                    assert!(known.contains(name), "{name}");
                }
            });
        }
    }
}
