//! The sections of a test that promtool does not have: when alerts change their phase, who is told of
//! it, and how soon an incident is detected.
//!
//! They are looked at in a run of their own, on the slots that production has (with an offset of zero),
//! over the same series as promtool's assertions.

mod detection;
mod golden;
mod notification;
mod read;
mod run;
mod timeline;
mod update;

use std::sync::Arc;

use stentor_lang::model::{Duration, Labels, Span};
use stentor_lang::yaml::Spanned;

use crate::config::Config;
use crate::engine::Datasource;
use crate::notify::Routing;
use crate::receiver::{NotifyReason, Status};

pub use golden::{Goldens, golden_difference, golden_text};
pub(super) use read::read;
pub(super) use run::{options, run};
pub use update::{NewList, Update, rewrite, update};

/// What a test expects beside promtool's assertions.
#[derive(Debug, Clone, Default)]
pub struct Sections {
    /// The end of the run since its start; else the last sample.
    pub until: Option<Spanned<Duration>>,
    /// When alerts change their phase.
    pub timeline: Option<Listed<ExpectedEpisode>>,
    /// Who is told what.
    pub notifications: Option<Listed<ExpectedNotification>>,
    /// How soon incidents are detected.
    pub detections: Vec<ExpectedDetection>,
}

/// What a configuration says of a run: the rest of it speaks of servers.
#[derive(Debug, Clone)]
pub struct Production {
    /// The interval of groups that name none; `None` where the file does not know it.
    pub interval: Option<Duration>,
    /// How far behind the slot queries ask.
    pub query_offset: Duration,
    /// The data source that the series stand for: its labels and its address.
    pub datasource: Datasource,
    /// Who is told.
    pub routing: Option<Arc<Routing>>,
}

/// A list with its place.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// The field's name.
    pub key: Span,
    /// The list.
    pub span: Span,
    /// What is listed; empty where nothing of the kind may happen at all.
    pub items: Vec<T>,
}

/// The life of an alert, or of several at once, as a test expects it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedEpisode {
    /// The entry.
    pub span: Span,
    /// Whose.
    pub selector: Selector,
    /// When it became pending.
    pub pending: Option<Spanned<Duration>>,
    /// When it began to fire.
    pub firing: Option<Spanned<Duration>>,
    /// When it ended.
    pub resolved: Option<Spanned<Duration>>,
    /// How many alerts live so.
    pub count: usize,
}

/// A notification as a test expects it. What is left out may be anything.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedNotification {
    /// The entry.
    pub span: Span,
    /// Who gets it.
    pub receiver: Spanned<String>,
    /// When; left out where the receiver is never told anything.
    pub at: Option<Spanned<Duration>>,
    /// Whether something still fires.
    pub status: Option<Spanned<Status>>,
    /// How many alerts it names.
    pub alerts: Option<Spanned<usize>>,
    /// Which of the receiver's integrations: `pagerduty[0]`.
    pub integration: Option<Spanned<String>>,
    /// Why it goes out.
    pub reason: Option<Spanned<NotifyReason>>,
    /// Labels of its group, among others.
    pub labels: Vec<(String, String)>,
    /// The golden file of the request's body, relative to the test file.
    pub body: Option<Spanned<String>>,
}

/// An incident, and how soon it has to be noticed.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedDetection {
    /// When it begins.
    pub incident: Spanned<Duration>,
    /// When it is over: what fires later does not count. Else the end of the test.
    pub until: Option<Spanned<Duration>>,
    /// What it is called.
    pub name: String,
    /// The name of the alerts that count; any where it is left out.
    pub alertname: Option<Spanned<String>>,
    /// Labels of the alerts that count.
    pub labels: Vec<(String, String)>,
    /// The time from its beginning to the first alert that fires.
    pub detected_within: Option<Spanned<Duration>>,
    /// The time from its beginning to the first page.
    pub paged_within: Option<Spanned<Duration>>,
    /// Whose notifications are pages; else those of PagerDuty.
    pub receiver: Option<Spanned<String>>,
    /// It is known not to be detected.
    pub missed: Option<Spanned<bool>>,
}

/// Which alerts an entry speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// The alert's name.
    pub alertname: String,
    /// Labels that it has, among others; an empty value stands for a label that is not there.
    pub labels: Vec<(String, String)>,
}

impl Sections {
    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        self.timeline.is_none() && self.notifications.is_none() && self.detections.is_empty()
    }

    /// The golden files that are named.
    pub fn goldens(&self) -> impl Iterator<Item = &Spanned<String>> {
        let notifications = self.notifications.iter().flat_map(|listed| &listed.items);
        notifications.filter_map(|item| item.body.as_ref())
    }

    /// What cannot be looked at without a configuration.
    fn needs_routes(&self) -> Option<(&'static str, Span)> {
        if let Some(notifications) = &self.notifications {
            return Some(("notification_test", notifications.key));
        }
        let mut paged = self
            .detections
            .iter()
            .filter_map(|item| item.paged_within.as_ref());
        paged.next().map(|paged| ("paged_within", paged.span))
    }
}

impl ExpectedEpisode {
    /// Whether it says that no such alert is ever active.
    pub fn is_never(&self) -> bool {
        self.pending.is_none() && self.firing.is_none() && self.resolved.is_none()
    }
}

impl ExpectedNotification {
    /// Whether it says that the receiver is never told anything.
    pub fn is_never(&self) -> bool {
        self.at.is_none()
    }
}

impl Production {
    /// What a configuration says. Labels and address are those of its data source, where there is only
    /// one.
    pub fn of(config: &Config) -> Self {
        let mut datasource = nameless();
        datasource.external_labels = config.external_labels.clone();
        if let [only] = config.datasources.as_slice() {
            datasource.name = Arc::clone(&only.name);
            datasource.external_labels = only.external_labels.clone();
            datasource.external_url = only.external_url.as_str().into();
        }
        Self {
            interval: Some(config.evaluation_interval),
            query_offset: config.query_offset,
            datasource,
            routing: config.routing.clone().map(Arc::new),
        }
    }

    /// What Alertmanager's own file says.
    pub fn of_alertmanager(routing: Routing) -> Self {
        Self {
            interval: None,
            query_offset: Duration::ZERO,
            datasource: nameless(),
            routing: Some(Arc::new(routing)),
        }
    }
}

/// A data source of which nothing is known.
fn nameless() -> Datasource {
    Datasource {
        name: "test".into(),
        external_labels: Labels::default(),
        external_url: "".into(),
        url_functions: true,
        opaque: false,
    }
}

/// Whether all labels of a subset are there, with their values.
fn has_labels(wanted: &[(String, String)], labels: &Labels) -> bool {
    let mut wanted = wanted.iter();
    wanted.all(|(name, value)| labels.get(name) == value)
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}", self.alertname)?;
        if !self.labels.is_empty() {
            let labels = Labels::from_pairs(self.labels.iter().map(|(n, v)| (&**n, &**v)));
            write!(f, "{labels}")?;
        }
        f.write_str("`")
    }
}
