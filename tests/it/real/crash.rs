//! `kill -9` at the worst moments, and a start on what was left.

use std::time::Duration;

use super::scene::Scene;
use super::sink::{PAGERDUTY, Reply, SLACK};

const RULES: &str = r"
groups:
  - name: plain
    rules:
      - alert: LowConnections
        expr: sum by (job) (ws_connections) < 10000
        for: 5s
        labels: {severity: critical}
        annotations: {summary: few connections}
";

/// SHA-256 of the group key `{}/{severity="critical"}:{alertname="LowConnections"}`.
const DEDUP_KEY: &str = "e8c46ee72072f8dbdbcca8d06bffa114e0e19c0f635d9d897014892e7aa60738";

impl Scene {
    /// Everybody is back: PagerDuty gets the resolve, and there was one incident in all.
    #[track_caller]
    fn ends_with_one_incident(&self) {
        let before = self.sink.received(PAGERDUTY).len();
        self.backend.set(50_000);
        self.received(PAGERDUTY, before + 1);
        Self::pass(Duration::from_secs(3));
        let events = self.sink.events();
        assert_eq!(events.len(), before + 1, "{events:?}");
        assert!(
            events.iter().all(|(_, _, key)| key == DEDUP_KEY),
            "{events:?}"
        );
        let (opened, open) = self.sink.incidents();
        assert_eq!((opened, open.len()), (1, 0), "{events:?}");
        assert_eq!(self.sink.received(SLACK).len(), 0, "no other route matched");
    }
}

#[test]
fn killed_while_pending_it_goes_on_waiting_from_where_it_was() {
    let Some(mut scene) = Scene::start(RULES) else {
        return;
    };
    scene.backend.set(5_000);
    let active_at = scene.alert_is("LowConnections", "pending");
    scene.stentor.kill();
    scene.stentor.start_again();
    let since = scene.alert_is("LowConnections", "pending");
    assert_eq!(since, active_at, "pending since the same moment");
    scene.received(PAGERDUTY, 1);
    Scene::pass(Duration::from_secs(3));
    assert_eq!(scene.sink.received(PAGERDUTY).len(), 1, "one page");
    scene.ends_with_one_incident();
}

#[test]
fn killed_while_firing_it_says_nothing_twice() {
    let Some(mut scene) = Scene::start(RULES) else {
        return;
    };
    scene.backend.set(5_000);
    scene.received(PAGERDUTY, 1);
    let active_at = scene.alert_is("LowConnections", "firing");
    // its outcome is on disk
    Scene::pass(Duration::from_secs(1));
    scene.stentor.kill();
    scene.stentor.start_again();
    assert_eq!(scene.alert_is("LowConnections", "firing"), active_at);
    Scene::pass(Duration::from_secs(4));
    assert_eq!(scene.sink.received(PAGERDUTY).len(), 1, "one page");
    scene.ends_with_one_incident();
}

#[test]
fn what_recovers_while_it_is_dead_is_resolved_when_it_is_back() {
    let Some(mut scene) = Scene::start(RULES) else {
        return;
    };
    scene.backend.set(5_000);
    scene.received(PAGERDUTY, 1);
    Scene::pass(Duration::from_secs(1));
    scene.stentor.kill();
    scene.backend.set(50_000);
    Scene::pass(Duration::from_secs(3));
    scene.stentor.start_again();
    scene.received(PAGERDUTY, 2);
    let (opened, open) = scene.sink.incidents();
    assert_eq!((opened, open.len()), (1, 0));
}

#[test]
fn killed_during_a_delivery_it_sends_it_again_with_the_same_key() {
    let Some(mut scene) = Scene::start(RULES) else {
        return;
    };
    // PagerDuty has the event, and Stentor will never know.
    let hang = Reply::Hang(Duration::from_mins(1));
    scene.sink.script(PAGERDUTY, [hang]);
    scene.backend.set(5_000);
    scene.received(PAGERDUTY, 1);
    scene.stentor.kill();
    scene.stentor.start_again();
    scene.received(PAGERDUTY, 2);
    Scene::pass(Duration::from_secs(3));
    let events = scene.sink.events();
    assert_eq!(events.len(), 2, "sent again once: {events:?}");
    assert_eq!(events[0], events[1]);
    scene.ends_with_one_incident();
}
