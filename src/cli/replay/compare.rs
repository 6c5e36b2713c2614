//! Two versions of rules and routes over the same data, for people and programs; and whether the
//! difference is within what was allowed.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;
use stentor_core::report::{
    AlertChange, Change, Comparison, Page, PageChange, Report, Side, compare,
};
use stentor_lang::model::Timestamp;

use super::clock::Clock;
use super::setting::{Setting, What};
use super::words::{self, Table};
use super::{Output, json, markdown, text};
use crate::cli::diagnostics::visible;

/// The arguments that name the old version and what it may differ by.
#[derive(Debug, clap::Args)]
pub(super) struct Old {
    /// Compares with an older version over the same data: the configuration that --config.file has
    /// replaced; or the rule files that --rule.files have; or a folder, such as a checkout of the
    /// base branch, below which these have the same paths
    #[arg(long, value_name = "OLD", num_args = 1..)]
    compare: Vec<PathBuf>,
    /// With more new pages the exit code is 1
    #[arg(long = "max-added-pages", value_name = "COUNT", requires = "compare")]
    max_added_pages: Option<usize>,
    /// With more pages gone the exit code is 1
    #[arg(long = "max-removed-pages", value_name = "COUNT", requires = "compare")]
    max_removed_pages: Option<usize>,
    /// With more notifications than that beyond those of the old version the exit code is 1
    #[arg(
        long = "max-added-messages",
        value_name = "COUNT",
        requires = "compare"
    )]
    max_added_messages: Option<usize>,
}

impl Old {
    /// The old version, where one is named.
    pub(super) fn load(&self, what: &What, output: Output) -> Result<Option<Setting>, String> {
        if self.compare.is_empty() {
            return Ok(None);
        }
        if output == Output::Html {
            let why = "--compare: a comparison has no HTML page, expected --output text, json or markdown";
            return Err(why.to_owned());
        }
        Setting::load_old(what, &self.compare).map(Some)
    }

    /// What is beyond the allowed.
    pub(super) fn over_budget(&self, comparison: &Comparison) -> Vec<String> {
        let budgets = [
            (
                self.max_added_pages,
                comparison.added_pages(),
                "max-added-pages",
                "added page",
            ),
            (
                self.max_removed_pages,
                comparison.removed_pages(),
                "max-removed-pages",
                "removed page",
            ),
            (
                self.max_added_messages,
                comparison.added_messages(),
                "max-added-messages",
                "added message",
            ),
        ];
        let over = budgets.into_iter().filter_map(|(most, count, flag, what)| {
            let most = most.filter(|most| count > *most)?;
            Some(format!(
                "{} are more than --{flag} {most}",
                words::count(count, what)
            ))
        });
        over.collect()
    }
}

/// Two versions with their difference.
pub(super) struct Compared<'a> {
    pub(super) comparison: Comparison,
    old: &'a Report,
    new: &'a Report,
}

impl<'a> Compared<'a> {
    pub(super) fn new(old: (&'a Setting, &'a Report), new: (&'a Setting, &'a Report)) -> Self {
        let side = |(setting, report): (&'a Setting, &'a Report)| Side {
            report,
            groups: &setting.groups,
            routing: setting.routing.as_deref(),
        };
        Self {
            comparison: compare(side(old), side(new)),
            old: old.1,
            new: new.1,
        }
    }

    pub(super) fn shown(&self, output: Output, clock: Clock) -> String {
        match output {
            Output::Text | Output::Html => self.text(clock),
            Output::Json => self.json(),
            Output::Markdown => self.markdown(clock),
        }
    }

    /// The difference in a line.
    fn verdict(&self) -> Vec<String> {
        let found = &self.comparison;
        let count = |change: Change| {
            found
                .pages
                .iter()
                .filter(|page| page.change == change)
                .count()
        };
        let pages = [
            Change::Added,
            Change::Removed,
            Change::Shifted,
            Change::ReRouted,
        ]
        .map(|change| format!("{} {}", count(change), change.as_str()));
        let alert = |change: Change| {
            found
                .alerts
                .iter()
                .filter(|found| found.change == change)
                .count()
        };
        let alerts = [Change::Added, Change::Removed, Change::Shifted]
            .map(|change| format!("{} {}", alert(change), change.as_str()));
        let (old, new) = found.messages;
        vec![
            format!(
                "pages: {}, {} as before",
                pages.join(", "),
                found.same_pages
            ),
            format!(
                "alerts that fired: {}, {} as before",
                alerts.join(", "),
                found.same_alerts
            ),
            format!("messages: {new}, were {old}"),
        ]
    }

    fn text(&self, clock: Clock) -> String {
        let mut lines = words::summary(self.new, clock);
        lines.push(String::new());
        lines.extend(self.verdict());
        for page in &self.comparison.pages {
            lines.push(String::new());
            lines.push(format!(
                "{} page: {}",
                page.change.as_str(),
                page_line(page, clock)
            ));
            lines.extend(alerts_of(page).map(|alert| format!("  {alert}")));
            lines.push(format!("  why: {}", page.reason));
        }
        for alert in &self.comparison.alerts {
            lines.push(String::new());
            lines.push(format!(
                "{} alert: {}",
                alert.change.as_str(),
                alert_line(alert, clock)
            ));
            lines.push(format!("  why: {}", alert.reason));
        }
        let mut out: String = lines
            .iter()
            .map(|line| visible(line).into_owned() + "\n")
            .collect();
        let receivers = self.receivers();
        if !receivers.rows.is_empty() {
            out.push('\n');
            out.push_str(&text::table(&receivers));
        }
        out
    }

    fn markdown(&self, clock: Clock) -> String {
        let mut out = "## Replay: what this change does to pages\n\n".to_owned();
        for line in words::summary(self.new, clock)
            .iter()
            .chain(&self.verdict())
        {
            let _ = writeln!(out, "- {}", markdown::escaped(line));
        }
        let pages = self.pages(clock);
        if !pages.rows.is_empty() {
            let _ = write!(out, "\n### Pages\n\n{}", markdown::table(&pages));
        }
        let receivers = self.receivers();
        if !receivers.rows.is_empty() {
            let _ = write!(out, "\n### Receivers\n\n{}", markdown::table(&receivers));
        }
        let alerts = self.alerts(clock);
        if !alerts.rows.is_empty() {
            let summary = words::count(alerts.rows.len(), "changed alert");
            markdown::folded(&mut out, &summary, &alerts);
        }
        out
    }

    fn pages(&self, clock: Clock) -> Table {
        let row = |page: &PageChange| {
            let alerts: Vec<String> = alerts_of(page).collect();
            let change = page.change.as_str().to_owned();
            vec![
                change,
                page_line(page, clock),
                alerts.join(", "),
                page.reason.clone(),
            ]
        };
        Table {
            head: vec!["page", "when and to whom", "alerts", "why"],
            rows: self.comparison.pages.iter().map(row).collect(),
        }
    }

    fn alerts(&self, clock: Clock) -> Table {
        let row = |alert: &AlertChange| {
            let change = alert.change.as_str().to_owned();
            vec![change, alert_line(alert, clock), alert.reason.clone()]
        };
        Table {
            head: vec!["alert", "which and when", "why"],
            rows: self.comparison.alerts.iter().map(row).collect(),
        }
    }

    /// Pages and messages of both versions, receiver by receiver.
    fn receivers(&self) -> Table {
        let both = self.old.receivers.iter().chain(&self.new.receivers);
        let keys: std::collections::BTreeSet<_> = both.map(|found| &found.integration).collect();
        let rows = keys.into_iter().map(|key| {
            let of = |report: &Report| {
                let mut all = report.receivers.iter();
                all.find(|found| found.integration == *key)
                    .map_or((0, 0), |f| (f.pages, f.messages))
            };
            let (old, new) = (of(self.old), of(self.new));
            let numbers = [old.0, new.0, old.1, new.1].map(|number| number.to_string());
            std::iter::once(key.to_string()).chain(numbers).collect()
        });
        Table {
            head: vec![
                "receiver",
                "pages before",
                "pages now",
                "messages before",
                "messages now",
            ],
            rows: rows.collect(),
        }
    }

    fn json(&self) -> String {
        let found = &self.comparison;
        json::pretty(&JsonComparison {
            version: json::VERSION,
            start: json::time(self.new.timeline.start),
            end: json::time(self.new.timeline.end),
            added_pages: found.added_pages(),
            removed_pages: found.removed_pages(),
            same_pages: found.same_pages,
            same_alerts: found.same_alerts,
            messages_before: found.messages.0,
            messages_now: found.messages.1,
            pages: found.pages.iter().map(json_change).collect(),
            alerts: found.alerts.iter().map(json_alert).collect(),
        })
    }
}

/// `2026-11-24 03:11:32 oncall/pagerduty[0], was 2026-11-24 03:13:32`
fn page_line(page: &PageChange, clock: Clock) -> String {
    let at = |page: &Page| format!("{} {}", clock.time(page.at), page.integration);
    match (&page.old, &page.new) {
        (Some(old), Some(new)) if old.integration == new.integration => {
            format!("{}, was {}", at(new), clock.time(old.at))
        }
        (Some(old), Some(new)) => format!("{}, was {}", at(new), at(old)),
        (Some(one), None) | (None, Some(one)) => at(one),
        (None, None) => String::new(),
    }
}

/// The alerts of a page, of the new version where there is one; of many the first.
fn alerts_of(page: &PageChange) -> impl Iterator<Item = String> + '_ {
    const MOST: usize = 5;
    let found = page.new.as_ref().or(page.old.as_ref());
    let alerts = found.map_or(&[][..], |page| &page.alerts);
    let more = alerts.len().saturating_sub(MOST);
    let more = (more > 0).then(|| format!("and {more} more"));
    alerts
        .iter()
        .take(MOST)
        .map(ToString::to_string)
        .chain(more)
}

fn alert_line(alert: &AlertChange, clock: Clock) -> String {
    let time = |at: Timestamp| clock.time(at);
    let labels = &alert.labels;
    match (alert.old, alert.new) {
        (Some(old), Some(new)) => format!("{labels} fires {}, fired {}", time(new), time(old)),
        (None, Some(new)) => format!("{labels} fires {}", time(new)),
        (Some(old), None) => format!("{labels} fired {}", time(old)),
        (None, None) => labels.to_string(),
    }
}

#[derive(Serialize)]
struct JsonComparison<'a> {
    version: u32,
    start: String,
    end: String,
    added_pages: usize,
    removed_pages: usize,
    same_pages: usize,
    same_alerts: usize,
    messages_before: usize,
    messages_now: usize,
    pages: Vec<JsonChange<'a>>,
    alerts: Vec<JsonAlertChange<'a>>,
}

#[derive(Serialize)]
struct JsonChange<'a> {
    change: &'static str,
    old: Option<JsonPage>,
    new: Option<JsonPage>,
    reason: &'a str,
}

#[derive(Serialize)]
struct JsonPage {
    at: String,
    integration: String,
    pages_people: bool,
    group_labels: json::JsonLabels,
    alerts: Vec<json::JsonLabels>,
}

#[derive(Serialize)]
struct JsonAlertChange<'a> {
    change: &'static str,
    labels: json::JsonLabels,
    old: Option<String>,
    new: Option<String>,
    reason: &'a str,
}

fn json_change(page: &PageChange) -> JsonChange<'_> {
    let shown = |page: &Page| JsonPage {
        at: json::time(page.at),
        integration: page.integration.to_string(),
        pages_people: page.pages_people,
        group_labels: json::labels(&page.group_labels),
        alerts: page.alerts.iter().map(json::labels).collect(),
    };
    JsonChange {
        change: page.change.as_str(),
        old: page.old.as_ref().map(shown),
        new: page.new.as_ref().map(shown),
        reason: &page.reason,
    }
}

fn json_alert(alert: &AlertChange) -> JsonAlertChange<'_> {
    JsonAlertChange {
        change: alert.change.as_str(),
        labels: json::labels(&alert.labels),
        old: alert.old.map(json::time),
        new: alert.new.map(json::time),
        reason: &alert.reason,
    }
}
