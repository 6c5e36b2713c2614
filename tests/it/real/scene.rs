//! A backend, the Prometheus that watches it, Stentor, and the receivers' servers.

use std::time::Duration;

use super::eventually;
use super::prometheus::{Backend, Prometheus};
use super::sink::Sink;
use super::stentor::Stentor;

pub(super) const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";

/// What must come comes within this, on a machine that is busy with other things.
pub(super) const SOON: Duration = Duration::from_secs(20);

pub(super) struct Scene {
    pub(super) sink: Sink,
    pub(super) backend: Backend,
    pub(super) prometheus: Prometheus,
    pub(super) stentor: Stentor,
}

impl Scene {
    /// 50,000 connections for an hour, and Stentor with these rules: critical to PagerDuty, all else
    /// to Slack, and nothing to tell. None where there is no Prometheus to be had.
    pub(super) fn start(rules: &str) -> Option<Self> {
        let prometheus = Prometheus::start(&[], "1s")?;
        let backend = Backend::start(&prometheus, 50_000);
        let sink = Sink::start();
        let config = format!(
            r#"
global: {{evaluation_interval: 1s}}
datasources:
  - {{name: main, url: "http://127.0.0.1:{port}", rule_files: [rules.yml]}}
route:
  receiver: slack
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
  routes:
    - {{matchers: ['severity="critical"'], receiver: pagerduty}}
receivers:
  - name: pagerduty
    pagerduty_configs: [{{routing_key: {ROUTING_KEY}, url: "{pagerduty}"}}]
  - name: slack
    slack_configs: [{{api_url: "{slack}", send_resolved: true}}]
"#,
            port = prometheus.port,
            pagerduty = sink.url(super::sink::PAGERDUTY),
            slack = sink.url(super::sink::SLACK),
        );
        let stentor = Stentor::start(&[("stentor.yml", &config), ("rules.yml", rules)]);
        Some(Self {
            sink,
            backend,
            prometheus,
            stentor,
        })
    }

    /// Waits until an alert is in a state, and returns its `activeAt`.
    #[track_caller]
    pub(super) fn alert_is(&self, name: &str, state: &str) -> String {
        eventually(&format!("{name} is {state}"), SOON, || {
            let alerts = self.stentor.alerts(name).into_iter();
            let mut of_state = alerts.filter(|(is, _)| is == state);
            of_state.next().map(|(_, active_at)| active_at)
        })
    }

    /// Waits until there are at least `count` requests at a path.
    #[track_caller]
    pub(super) fn received(&self, path: &str, count: usize) {
        eventually(&format!("{count} requests at {path}"), SOON, || {
            (self.sink.received(path).len() >= count).then_some(())
        });
    }

    /// Lets some slots and group intervals pass.
    pub(super) fn pass(time: Duration) {
        std::thread::sleep(time);
    }
}
