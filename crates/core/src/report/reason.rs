//! Why something differs between two versions of rules and routes, in words.

use std::collections::BTreeSet;
use std::sync::Arc;

use stentor_lang::model::{Duration, Labels, Timestamp};

use super::compare::{Page, Side};
use crate::rulefile::{AlertingRule, Rule};
use crate::timeline::Episode;

/// Of the alerts of a page so many are explained: the others are of the same rules, as a rule.
const MOST_NAMES: usize = 3;

/// Why a page is new, gone, later or elsewhere.
pub(super) fn of_page(
    old: Side<'_>,
    new: Side<'_>,
    before: Option<&Page>,
    now: Option<&Page>,
) -> String {
    let pages = [before, now].into_iter().flatten();
    let alerts: Vec<&Labels> = pages.flat_map(|page| &page.alerts).collect();
    let names: BTreeSet<&str> = alerts
        .iter()
        .map(|labels| labels.get("alertname"))
        .collect();
    let mut reasons: Vec<String> = Vec::new();
    for name in names.iter().take(MOST_NAMES) {
        reasons.extend(rules_differ(old, new, name));
    }
    let is_elsewhere = before
        .zip(now)
        .is_some_and(|(a, b)| a.integration != b.integration);
    if reasons.is_empty() || is_elsewhere {
        let first = alerts.first();
        reasons.extend(first.and_then(|labels| routes_differ(old, new, labels)));
    }
    if reasons.is_empty() {
        reasons.push(elsewhere(old, new));
    }
    let (other, page, word) = match (before, now) {
        (None, Some(page)) => (old, page, "the old version"),
        (Some(page), None) => (new, page, "the new version"),
        _ => return reasons.join("; "),
    };
    let labels = page.alerts.first();
    reasons.extend(labels.map(|labels| format!("{word} {}", did(other, labels, page.at))));
    reasons.join("; ")
}

/// Why an alert fires or does not.
pub(super) fn of_alert(
    old: Side<'_>,
    new: Side<'_>,
    before: Option<&Episode>,
    now: Option<&Episode>,
) -> String {
    let Some(episode) = now.or(before) else {
        return String::new();
    };
    let mut reasons = rules_differ(old, new, episode.labels.get("alertname"));
    if reasons.is_empty() {
        reasons.push(elsewhere(old, new));
    }
    let at = episode.fired_at.unwrap_or(episode.active_at);
    match (before, now) {
        (None, Some(_)) => {
            reasons.push(format!("the old version {}", did(old, &episode.labels, at)));
        }
        (Some(_), None) => {
            reasons.push(format!("the new version {}", did(new, &episode.labels, at)));
        }
        _ => {}
    }
    reasons.join("; ")
}

/// What is different about the rules with a name.
fn rules_differ(old: Side<'_>, new: Side<'_>, name: &str) -> Vec<String> {
    let (olds, news) = (rules(old, name), rules(new, name));
    if olds.is_empty() && !news.is_empty() {
        return vec![format!("rule {name} is new")];
    }
    if news.is_empty() && !olds.is_empty() {
        return vec![format!("rule {name} was removed")];
    }
    let mut reasons = Vec::new();
    for (a, b) in olds.iter().zip(&news) {
        rule_differs(a, b, &mut reasons);
    }
    if olds.len() != news.len() {
        let (a, b) = (olds.len(), news.len());
        reasons.push(format!("there were {a} rules {name}, and are {b}"));
    }
    reasons
}

/// A rule with the interval, query offset and limit of its group.
type InGroup<'a> = (&'a AlertingRule, Option<Duration>, Option<Duration>, usize);

fn rules<'a>(side: Side<'a>, name: &str) -> Vec<InGroup<'a>> {
    let groups = side.groups.iter();
    groups
        .flat_map(|group| {
            group.rules.iter().filter_map(move |rule| match rule {
                Rule::Alerting(rule) => {
                    Some((&**rule, group.interval, group.query_offset, group.limit))
                }
                Rule::Recording(_) => None,
            })
        })
        .filter(|(rule, ..)| *rule.alert == *name)
        .collect()
}

fn rule_differs(old: &InGroup<'_>, new: &InGroup<'_>, reasons: &mut Vec<String>) {
    let (a, b) = (old.0, new.0);
    let name = &b.alert;
    if a.expr.to_string() != b.expr.to_string() {
        reasons.push(format!(
            "the expression of {name} changed: {} was {}",
            b.expr, a.expr
        ));
    }
    let mut span = |what: &str, old: Duration, new: Duration| {
        if old != new {
            reasons.push(format!("`{what}` of {name} changed from {old} to {new}"));
        }
    };
    span("for", a.hold, b.hold);
    span("keep_firing_for", a.keep_firing_for, b.keep_firing_for);
    if a.labels != b.labels {
        let texts = |rule: &AlertingRule| {
            let labels = rule.labels.iter();
            let texts = labels.map(|(name, text)| format!("{name}={:?}", text.source()));
            texts.collect::<BTreeSet<String>>()
        };
        let (a, b) = (texts(a), texts(b));
        let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
            let own: Vec<&str> = a.difference(b).map(String::as_str).collect();
            if own.is_empty() {
                "nothing".to_owned()
            } else {
                own.join(", ")
            }
        };
        let (was, is) = (only(&a, &b), only(&b, &a));
        reasons.push(format!("the labels of {name} changed: {is} was {was}"));
    }
    if old.1 != new.1 || old.2 != new.2 {
        reasons.push(format!("the interval or query offset of {name} changed"));
    }
    if old.3 != new.3 {
        reasons.push(format!("the limit of the group of {name} changed"));
    }
}

/// What is different about who is told of an alert.
fn routes_differ(old: Side<'_>, new: Side<'_>, labels: &Labels) -> Option<String> {
    let reached = |side: Side<'_>| {
        let routing = side.routing?;
        let found = routing.root().matching(labels);
        let names: Vec<Arc<str>> = found
            .iter()
            .map(|route| Arc::clone(&route.receiver))
            .collect();
        let times: Vec<_> = found
            .iter()
            .map(|route| {
                let group_by = route.group_by.clone();
                (
                    group_by,
                    route.group_wait,
                    route.group_interval,
                    route.repeat_interval,
                )
            })
            .collect();
        Some((names, times))
    };
    let (old, new) = match (reached(old), reached(new)) {
        (Some(old), Some(new)) => (old, new),
        (None, None) => return None,
        (None, _) => return Some("routes are new".to_owned()),
        (_, None) => return Some("routes were removed".to_owned()),
    };
    if old.0 != new.0 {
        let (was, is) = (old.0.join(", "), new.0.join(", "));
        return Some(format!("the route changed: to {is}, was to {was}"));
    }
    (old.1 != new.1).then(|| "the route's group_by or times changed".to_owned())
}

/// What else may be the cause.
fn elsewhere(old: Side<'_>, new: Side<'_>) -> String {
    let recording = |side: Side<'_>| {
        let rules = side.groups.iter().flat_map(|group| &group.rules);
        let recording = rules.filter_map(|rule| match rule {
            Rule::Recording(rule) => Some((
                rule.record.to_string(),
                rule.expr.to_string(),
                rule.labels.clone(),
            )),
            Rule::Alerting(_) => None,
        });
        recording.collect::<BTreeSet<_>>()
    };
    let (a, b) = (recording(old), recording(new));
    let names: BTreeSet<&String> = a.symmetric_difference(&b).map(|(name, ..)| name).collect();
    if names.is_empty() {
        return "another rule or alert of its group changed".to_owned();
    }
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    format!("recording rules changed: {}", names.join(", "))
}

/// What a version did around an instant with an alert that may have other labels there.
fn did(side: Side<'_>, labels: &Labels, at: Timestamp) -> String {
    let rules = &side.report.timeline.rules;
    let name = labels.get("alertname");
    if !rules.iter().any(|rule| *rule.rule.alert == *name) {
        return "has no such rule".to_owned();
    }
    let set = |episode: &Episode, name: &str| {
        let own = rules[episode.rule].rule.labels.iter();
        own.clone().any(|(own, _)| own == name)
    };
    let like = |episode: &&Episode| {
        episode.labels.get("alertname") == name
            && episode
                .labels
                .iter()
                .all(|(name, value)| set(episode, name) || labels.get(name) == value)
    };
    let around = |episode: &&Episode| {
        let ended = episode.ended_at.unwrap_or(side.report.timeline.end);
        let slack = Duration::from_hours(1);
        episode.active_at <= at + slack && ended >= at - slack
    };
    let episodes = side.report.episodes.iter();
    let near = episodes.filter(like).filter(around);
    let near = near.min_by_key(|episode| episode.active_at.since(at).millis().abs());
    let Some(episode) = near else {
        return "had it inactive then".to_owned();
    };
    let active = episode.active_at;
    match (episode.fired_at, episode.ended_at) {
        (Some(fired), Some(ended)) => format!("had it firing from {fired} to {ended}"),
        (Some(fired), None) => format!("had it firing from {fired} on"),
        (None, Some(ended)) => format!("had it pending from {active} to {ended}"),
        (None, None) => format!("had it pending from {active} on"),
    }
}
