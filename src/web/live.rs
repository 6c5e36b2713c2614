//! The page of a running process: what fires now, since when, why, who was told, and the series behind it. Plain
//! data in, HTML out; it asks nobody.

use askama::Template;
use stentor_lang::model::{Duration, Labels, Timestamp};

use super::plot::Chart;
use super::{STYLE, words};

/// What the page shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page {
    /// What runs: `demo`.
    pub(crate) title: String,
    /// What watches: `26 million connections on 50 gateways`.
    pub(crate) subtitle: String,
    /// The clock of the run.
    pub(crate) now: Timestamp,
    /// How many seconds pass on it in a real one.
    pub(crate) speed: u32,
    /// What happens in the scenario, in a sentence; empty where there is none.
    pub(crate) scenario: String,
    /// The numbers on top, at most six.
    pub(crate) figures: Vec<Figure>,
    /// What fires, the gravest first.
    pub(crate) firing: Vec<Alert>,
    /// What waits to fire.
    pub(crate) pending: Vec<Alert>,
    /// What ended lately, the newest first.
    pub(crate) resolved: Vec<Resolved>,
    /// What PagerDuty shows, the newest first, for each receiver.
    pub(crate) pagerduty: Vec<Inbox<Incident>>,
    /// What Slack shows, the newest first, for each receiver.
    pub(crate) slack: Vec<Inbox<Message>>,
    /// Series that are worth a look while all is quiet.
    pub(crate) charts: Vec<Chart>,
    /// Where else to look: text and address (`Query API`, `/api/v1/query?query=up`).
    pub(crate) links: Vec<(String, String)>,
}

/// A number on top of the page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// What it counts: `connections`.
    pub(crate) name: String,
    /// How many now.
    pub(crate) value: f64,
    /// Its unit, if it has one: `/s`, ` ms`.
    pub(crate) unit: String,
}

/// An alert that waits or fires.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Alert {
    /// `alertname`
    pub(crate) name: String,
    /// `severity`; empty where it has none.
    pub(crate) severity: String,
    /// All its labels.
    pub(crate) labels: Labels,
    /// The annotation `summary`.
    pub(crate) summary: String,
    /// The annotation `description`.
    pub(crate) description: String,
    /// A link to what to do; only `http://` and `https://` become links.
    pub(crate) runbook: String,
    /// Since when the condition holds.
    pub(crate) active_at: Timestamp,
    /// Since when it fires; `None` while it is pending.
    pub(crate) fired_at: Option<Timestamp>,
    /// `for`
    pub(crate) hold: Duration,
    /// The rule's expression.
    pub(crate) expr: String,
    /// Its newest value.
    pub(crate) value: f64,
    /// What it is compared with.
    pub(crate) threshold: Option<(&'static str, f64)>,
    /// Who was told, in order of time.
    pub(crate) told: Vec<Told>,
    /// What it measures.
    pub(crate) chart: Option<Chart>,
}

/// A notification about an alert.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    /// When.
    pub(crate) at: Timestamp,
    /// The receiver's name.
    pub(crate) receiver: String,
    /// The service: `PagerDuty`, `Slack`.
    pub(crate) service: String,
    /// Why: `first notification`.
    pub(crate) reason: String,
}

/// An alert that ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resolved {
    /// `alertname`
    pub(crate) name: String,
    /// `severity`; empty where it has none.
    pub(crate) severity: String,
    /// All its labels.
    pub(crate) labels: Labels,
    /// When it began to fire; `None` where it never did.
    pub(crate) fired_at: Option<Timestamp>,
    /// When it ended.
    pub(crate) ended_at: Timestamp,
}

/// What one receiver got.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Inbox<T> {
    /// The receiver's name.
    pub(crate) receiver: String,
    /// The newest, newest first.
    pub(crate) items: Vec<T>,
    /// How many it got in all.
    pub(crate) total: usize,
}

/// An incident as PagerDuty shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Incident {
    /// `payload.summary`
    pub(crate) summary: String,
    /// `payload.severity`
    pub(crate) severity: String,
    /// `dedup_key`
    pub(crate) key: String,
    /// When it was triggered.
    pub(crate) triggered_at: Timestamp,
    /// When it was resolved.
    pub(crate) resolved_at: Option<Timestamp>,
    /// How many events it took in.
    pub(crate) events: usize,
}

/// A message as Slack shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    /// When.
    pub(crate) at: Timestamp,
    /// The channel; empty where the webhook decides.
    pub(crate) channel: String,
    /// Whether it says that something fires.
    pub(crate) firing: bool,
    /// The title.
    pub(crate) title: String,
    /// The text, without Slack's markup.
    pub(crate) text: String,
}

/// The whole page. It fetches [`fragment`] from `fragment` beside its own address every second, and
/// without JavaScript loads itself anew.
pub(crate) fn render(page: &Page) -> String {
    let policy = super::policy(Some(SCRIPT));
    let whole = Whole {
        page,
        policy: &policy,
        style: STYLE,
        script: SCRIPT,
        body: &body(page),
    };
    words::visible(&super::made(&whole))
}

/// What changes of the page, for the path `fragment` beside it.
pub(crate) fn fragment(page: &Page) -> String {
    words::visible(&body(page))
}

fn body(page: &Page) -> String {
    super::made(&Body { page })
}

const SCRIPT: &str = include_str!("templates/live.js");

#[derive(Template)]
#[template(path = "live.html")]
struct Whole<'a> {
    page: &'a Page,
    policy: &'a str,
    style: &'static str,
    script: &'static str,
    body: &'a str,
}

#[derive(Template)]
#[template(path = "live_body.html")]
struct Body<'a> {
    page: &'a Page,
}

impl Alert {
    /// Since when it is in its state.
    fn began(&self) -> Timestamp {
        self.fired_at.unwrap_or(self.active_at)
    }

    /// For how long.
    fn since(&self, now: Timestamp) -> Duration {
        now - self.began()
    }

    /// How much of `for` has passed, in percent.
    fn waited(&self, now: Timestamp) -> i64 {
        let hold = self.hold.millis().max(1);
        ((now - self.active_at).millis().saturating_mul(100) / hold).clamp(0, 100)
    }

    /// How long until it fires, if the condition goes on.
    fn left(&self, now: Timestamp) -> Duration {
        (self.active_at + self.hold - now).max(Duration::ZERO)
    }

    fn has_runbook(&self) -> bool {
        super::is_link(&self.runbook)
    }
}

impl Resolved {
    /// For how long it fired, in words; empty where it never did.
    fn lasted(&self) -> String {
        let fired = self.fired_at.map(|at| words::span(self.ended_at - at));
        fired.unwrap_or_default()
    }
}

impl Page {
    /// The gravest severity that fires, as a class.
    fn mood(&self) -> &'static str {
        match self.firing.first() {
            Some(alert) => super::tone(&alert.severity),
            None if self.pending.is_empty() => "good",
            None => "pending",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::sample;

    #[test]
    fn the_page_holds_its_fragment_and_runs_its_own_script_only() {
        let page = sample::page();
        let (whole, part) = (render(&page), fragment(&page));
        assert!(whole.contains(&part));
        assert_eq!(whole.matches("<script").count(), 1);
        assert!(!part.contains("<script") && !part.contains('\u{202e}'));
        assert!(whole.contains("script-src 'sha256-") || whole.contains("script-src &#39;sha256-"));
        for text in [
            "1 alert is firing",
            "1 pending",
            "firing for <b>3m</b>",
            "fires in <b>2m</b>",
            "60× real time",
            "fires if &#60; 0.5 for 6m",
            "[U+202E]gnp.exe",
            "25.96 M",
        ] {
            assert!(part.contains(text), "{text}");
        }
    }

    #[test]
    fn a_runbook_that_is_no_web_address_is_no_link() {
        let mut page = sample::page();
        page.firing[0].runbook = "javascript:alert(1)".to_owned();
        assert!(!fragment(&page).contains("javascript:"));
    }

    #[test]
    fn a_quiet_page_says_so() {
        let mut page = sample::page();
        (page.firing, page.pending) = (Vec::new(), Vec::new());
        assert!(fragment(&page).contains("All is quiet"));
        assert_eq!(page.mood(), "good");
    }
}
