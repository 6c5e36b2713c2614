//! Incidents as people labelled them, and how they were noticed.

use std::collections::BTreeSet;

use stentor_lang::model::{Diagnostic, Duration, Labels, Level, SourceText, Timestamp};
use stentor_lang::yaml::{self, Fields, Node, Spanned};

use super::receivers::is_page;
use super::{Incident, IncidentFigures, Options};
use crate::receiver::Status;
use crate::timeline::{Episode, Notification, Timeline, ToldAlert};

const CODE: &str = "incidents/file";

/// Reads a list of incidents: `name`, `start`, `end` and `labels`. A time is RFC 3339, seconds since
/// 1970, or a duration after `origin`.
///
/// # Errors
/// All that is wrong.
pub fn load(source: &SourceText, origin: Timestamp) -> Result<Vec<Incident>, Vec<Diagnostic>> {
    let parsed = yaml::parse(&source.text);
    let mut found = parsed.diagnostics;
    let mut incidents = Vec::new();
    let mut names = BTreeSet::new();
    for document in &parsed.documents {
        let Some(items) = document.as_sequence() else {
            let message = format!(
                "expected a list of incidents, each with `name`, `start` and `end`, found {}",
                document.kind_name()
            );
            found.push(Diagnostic::error(CODE, document.head(), message));
            continue;
        };
        for item in items {
            incidents.extend(one(item, origin, &mut names, &mut found));
        }
    }
    if found.iter().any(|found| found.level == Level::Error) {
        return Err(found);
    }
    Ok(incidents)
}

fn one(
    node: &Node,
    origin: Timestamp,
    names: &mut BTreeSet<String>,
    sink: &mut Vec<Diagnostic>,
) -> Option<Incident> {
    let mut fields = Fields::new(node, "the incident", sink)?;
    let name = fields.required_string("name");
    let (start, end) = (
        fields.required_string("start"),
        fields.required_string("end"),
    );
    let labels = fields.map_of_strings("labels");
    let start = start.and_then(|start| time("start", &start, origin, &mut fields));
    let end = end.and_then(|end| time("end", &end, origin, &mut fields));
    if let Some(name) = &name
        && !names.insert(name.value.clone())
    {
        let message = format!("two incidents are named `{}`", name.value);
        fields.error(CODE, name.span, message);
    }
    if let (Some(start), Some(end)) = (&start, &end)
        && end.value < start.value
    {
        let message = format!("the end {} is before the start {}", end.value, start.value);
        fields.error(CODE, end.span, message);
    }
    fields.finish();
    let labels = labels
        .into_iter()
        .map(|(name, value)| (name.value, value.value));
    Some(Incident {
        name: name?.value,
        start: start?.value,
        end: end?.value,
        labels: Labels::from_pairs(labels),
    })
}

fn time(
    field: &str,
    text: &Spanned<String>,
    origin: Timestamp,
    fields: &mut Fields<'_, '_>,
) -> Option<Spanned<Timestamp>> {
    let after = |text: &str| Duration::parse(text).ok().map(|after| origin + after);
    let time = Timestamp::parse(&text.value).or_else(|| after(&text.value));
    if time.is_none() {
        let message = format!(
            "field `{field}`: expected a time such as 2026-11-24T03:10:00Z, or a duration after the first sample, found `{}`",
            text.value
        );
        fields.error(CODE, text.span, message);
    }
    let span = text.span;
    time.map(|value| Spanned { value, span })
}

/// How an incident was noticed: by the first alert that began to fire in it, and by the first page for
/// such an alert. What fired before it began counts only where it fires anew.
pub(super) fn figures(
    incident: Incident,
    timeline: &Timeline,
    episodes: &[Episode],
    options: &Options,
) -> IncidentFigures {
    let is_in = |at: Timestamp| (incident.start..=incident.end).contains(&at);
    let fired = episodes.iter().filter_map(|episode| {
        let at = episode.fired_at.filter(|at| is_in(*at))?;
        counts(&incident, &episode.labels, options).then_some((at, &episode.labels))
    });
    let detected = fired.min_by_key(|(at, _)| *at);
    let speaks = |alert: &ToldAlert| {
        alert.status == Status::Firing
            && is_in(alert.starts_at)
            && counts(&incident, &alert.labels, options)
    };
    let pages = |told: &&Notification| is_page(told, options) && told.alerts.iter().any(speaks);
    let paged = timeline.notifications.iter().find(pages);
    IncidentFigures {
        detected: detected.map(|(at, labels)| (at.since(incident.start), labels.clone())),
        paged: paged.map(|told| (told.at.since(incident.start), told.integration.clone())),
        incident,
    }
}

/// Whether an alert has all labels that the incident names, external ones among them.
fn counts(incident: &Incident, labels: &Labels, options: &Options) -> bool {
    incident.labels.iter().all(|(name, value)| {
        let own = labels.get(name);
        let have = if own.is_empty() {
            options.external_labels.get(name)
        } else {
            own
        };
        have == value
    })
}
