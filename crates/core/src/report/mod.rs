//! What a timeline means to a team: pages for each receiver, time to detect for each incident, and
//! how each rule behaved. Figures only; how they look is the shell's.

mod compare;
mod incident;
mod night;
pub mod plot;
mod reason;
mod receivers;
mod rules;

use std::sync::Arc;

use chrono_tz::Tz;
use stentor_lang::model::{Duration, Labels, Timestamp};

use crate::notify::Routing;
use crate::receiver::IntegrationKey;
use crate::timeline::{Episode, Timeline};

pub use compare::{AlertChange, Change, Comparison, Page, PageChange, Side, compare};
pub use incident::load as load_incidents;
pub use night::Night;

/// A timeline with its figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Where the data came from.
    pub data: Data,
    /// All that happened.
    pub timeline: Timeline,
    /// The lives of alerts.
    pub episodes: Vec<Episode>,
    /// For each integration that was told something or could have been.
    pub receivers: Vec<ReceiverFigures>,
    /// For each rule, as in [`Timeline::rules`].
    pub rules: Vec<RuleFigures>,
    /// For each labelled incident.
    pub incidents: Vec<IncidentFigures>,
    /// What there is to draw, by time.
    pub plots: Vec<Plot>,
    /// How the figures were made.
    pub options: Options,
}

/// How figures are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// When people sleep; no page is at night without it.
    pub night: Option<Night>,
    /// Where they do.
    pub timezone: Tz,
    /// Receivers that wake people, besides those of PagerDuty.
    pub pagers: Vec<Arc<str>>,
    /// What alerts get that do not have them: incidents may name these labels too.
    pub external_labels: Labels,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            night: None,
            timezone: Tz::UTC,
            pagers: Vec::new(),
            external_labels: Labels::default(),
        }
    }
}

impl Report {
    /// The figures of a timeline. Where nobody is told, there is no routing.
    pub fn new(
        data: Data,
        timeline: Timeline,
        routing: Option<&Routing>,
        incidents: Vec<Incident>,
        plots: Vec<Plot>,
        options: Options,
    ) -> Self {
        let episodes = timeline.episodes();
        let incidents = incidents.into_iter();
        Self {
            data,
            receivers: receivers::figures(&timeline, routing, &options),
            rules: rules::figures(&timeline, &episodes),
            incidents: incidents
                .map(|incident| incident::figures(incident, &timeline, &episodes, &options))
                .collect(),
            episodes,
            timeline,
            plots,
            options,
        }
    }
}

/// Where the data came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Data {
    /// In words: `fixture incident.om.gz`, `remote read of http://…, cached`.
    pub source: String,
    /// How many series were read.
    pub series: usize,
    /// How many samples were read.
    pub samples: usize,
    /// What was missing or is doubtful, in words.
    pub notes: Vec<String>,
}

/// How one integration fared.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceiverFigures {
    /// Which.
    pub integration: IntegrationKey,
    /// Whether it wakes people: PagerDuty does, and what the user names.
    pub pages_people: bool,
    /// Notifications that open an incident, where it pages: nothing of their group was open there.
    pub pages: usize,
    /// Those of them at night.
    pub pages_at_night: usize,
    /// All notifications, resolves and repetitions too.
    pub messages: usize,
    /// How many groups began to fire again within an hour of their resolve.
    pub flaps: usize,
    /// The most messages within ten minutes, and when these began.
    pub storm: Option<(usize, Timestamp)>,
}

/// How one rule behaved.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleFigures {
    /// How often an alert of it fired.
    pub fired: usize,
    /// For how long at least one fired.
    pub firing_for: Duration,
    /// How many pending alerts ended without having fired.
    pub never_fired: usize,
    /// How many alerts were pending or firing at the end.
    pub active_at_end: usize,
}

/// An incident, as a person labelled it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// What it is called.
    pub name: String,
    /// When it began.
    pub start: Timestamp,
    /// When it was over; what fires later does not count.
    pub end: Timestamp,
    /// Labels that an alert must have to count, `alertname` among them; any alert where empty.
    pub labels: Labels,
}

/// How an incident was noticed.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentFigures {
    /// Which.
    pub incident: Incident,
    /// From its start to the first alert that fired, and which; `None` where it was missed.
    pub detected: Option<(Duration, Labels)>,
    /// From its start to the first page, and to whom; `None` where nobody was paged.
    pub paged: Option<(Duration, IntegrationKey)>,
}

/// What a rule measured around the lives of its alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// Whose: an index into [`Timeline::rules`].
    pub rule: usize,
    /// The first instant.
    pub start: Timestamp,
    /// The last instant.
    pub end: Timestamp,
    /// What is drawn, as PromQL: the side of the comparison that is not the threshold, else the
    /// expression.
    pub expr: Arc<str>,
    /// The threshold, where the expression compares with a number: its operator and the number.
    pub threshold: Option<(&'static str, f64)>,
    /// The series, those with alerts first.
    pub series: Vec<PlotSeries>,
    /// How many further series are not drawn.
    pub left_out: usize,
}

/// A line of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotSeries {
    /// Its labels.
    pub labels: Labels,
    /// Its points, in order of time, without those that are missing.
    pub points: Vec<(Timestamp, f64)>,
}

#[cfg(test)]
mod tests;
