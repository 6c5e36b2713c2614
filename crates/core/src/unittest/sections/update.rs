//! What a run makes of a test's own lists: their entries as it went, and the golden bodies that they
//! name. It writes nothing, and leaves promtool's assertions and `detection_test` alone: what a system
//! promises is not for a run to say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use stentor_lang::model::{Duration, Labels, Level, Span, Timestamp};
use stentor_lang::yaml;

use super::notification::{self, integration_name};
use super::timeline::{self, Times};
use super::{ExpectedEpisode, ExpectedNotification, Listed, Selector, golden_text, has_labels};
use crate::notify::Routing;
use crate::timeline::{Episode, Notification, Timeline};
use crate::unittest::{Given, Test};

/// The most alerts of a name that are listed one by one, where nobody has said how to tell them apart.
const MOST_SINGLE: usize = 10;

/// What is to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// Lists that are not as the run has them.
    pub lists: Vec<NewList>,
    /// The golden files that the lists name, by path: what each should hold.
    pub goldens: Vec<(String, String)>,
}

/// A list as the run has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewList {
    /// `timeline_test`, `notification_test`
    pub name: &'static str,
    /// The field's name in the file.
    pub key: Span,
    /// The list in the file.
    pub span: Span,
    /// Its entries, each a mapping in a line; never none.
    pub entries: Vec<String>,
}

/// What a run makes of a test's lists. A list that names rules or receivers which do not exist stays:
/// that is for its writer to mend. So does all of a test whose rules fail.
pub fn update(test: &Test, given: &Given<'_>, timeline: &Timeline) -> Update {
    let mut update = Update::default();
    if timeline.error_count > 0 {
        return update;
    }
    if let Some(expected) = &test.sections.timeline
        && let Some(entries) = episodes(expected, timeline)
    {
        update.lists.push(NewList {
            name: "timeline_test",
            key: expected.key,
            span: expected.span,
            entries,
        });
    }
    let routing = given.production.and_then(|p| p.routing.as_ref());
    if let (Some(expected), Some(routing)) = (&test.sections.notifications, routing) {
        let (entries, goldens) = notifications(expected, timeline, routing);
        update.goldens = goldens;
        update.lists.extend(entries.map(|entries| NewList {
            name: "notification_test",
            key: expected.key,
            span: expected.span,
            entries,
        }));
    }
    update
}

/// The lives of the alerts that a list speaks of, of all where it is empty; `None` where it is right.
fn episodes(expected: &Listed<ExpectedEpisode>, timeline: &Timeline) -> Option<Vec<String>> {
    if timeline::compare(expected, timeline).is_empty() {
        return None;
    }
    let known = |item: &ExpectedEpisode| {
        let mut rules = timeline.rules.iter();
        rules.any(|rule| *rule.rule.alert == *item.selector.alertname)
    };
    if !expected.items.iter().all(known) {
        return None;
    }
    let episodes = timeline.episodes();
    let listed = expected.items.iter().map(|item| item.selector.clone());
    let selectors: BTreeSet<Selector> = match expected.items.first() {
        Some(_) => listed.collect(),
        None => telling_apart(&episodes, timeline),
    };
    let mut entries = Vec::new();
    let mut never = Vec::new();
    for selector in &selectors {
        let mut lives: BTreeMap<Times, usize> = BTreeMap::new();
        for episode in &episodes {
            if *timeline.rules[episode.rule].rule.alert == *selector.alertname
                && has_labels(&selector.labels, &episode.labels)
            {
                *lives.entry(Times::of(episode, timeline.start)).or_default() += 1;
            }
        }
        if lives.is_empty() {
            never.push(episode_entry(selector, None));
        }
        for life in lives {
            entries.push((life.0, episode_entry(selector, Some(life))));
        }
    }
    entries.sort_by_key(|(times, _)| *times);
    let entries = entries.into_iter().map(|(_, entry)| entry);
    Some(entries.chain(never).collect())
}

/// A selector for each episode, by the labels in which those of its name differ and its severity.
fn telling_apart(episodes: &[Episode], timeline: &Timeline) -> BTreeSet<Selector> {
    let name = |episode: &Episode| &*timeline.rules[episode.rule].rule.alert;
    let mut by_name: BTreeMap<&str, BTreeSet<&Labels>> = BTreeMap::new();
    for episode in episodes {
        by_name
            .entry(name(episode))
            .or_default()
            .insert(&episode.labels);
    }
    let mut told: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, all) in by_name {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for labels in &all {
            names.extend(labels.iter().map(|(name, _)| name));
        }
        let differs = |name: &str| {
            let values: BTreeSet<&str> = all.iter().map(|labels| labels.get(name)).collect();
            values.len() > 1
        };
        names.retain(|name| *name == "severity" || (all.len() <= MOST_SINGLE && differs(name)));
        told.insert(name, names.into_iter().collect());
    }
    let selector = |episode: &Episode| Selector {
        alertname: name(episode).to_owned(),
        labels: told[name(episode)]
            .iter()
            .map(|label| ((*label).to_owned(), episode.labels.get(label).to_owned()))
            .collect(),
    };
    episodes.iter().map(selector).collect()
}

/// `{alertname: X, labels: {a: b}, pending: 1m, firing: 2m, count: 2}`
fn episode_entry(selector: &Selector, life: Option<(Times, usize)>) -> String {
    let mut entry = format!("{{alertname: {}", scalar(&selector.alertname));
    let labels = selector.labels.iter().map(|(n, v)| (&**n, &**v));
    push_labels(&mut entry, labels);
    if let Some((times, count)) = life {
        for (phase, time) in times.phases() {
            let _ = write!(entry, ", {phase}: {time}");
        }
        if count > 1 {
            let _ = write!(entry, ", count: {count}");
        }
    }
    entry + "}"
}

/// What the receivers of a list are told, or all where it is empty, and the golden bodies of what stays
/// in it. No entries where the list is right, or names a receiver that does not exist.
fn notifications(
    expected: &Listed<ExpectedNotification>,
    timeline: &Timeline,
    routing: &Routing,
) -> (Option<Vec<String>>, Vec<(String, String)>) {
    let start = timeline.start;
    let all: BTreeSet<&str> = routing.receivers().keys().map(|name| &**name).collect();
    let listed: BTreeSet<&str> = expected.items.iter().map(|i| &*i.receiver.value).collect();
    let receivers = if listed.is_empty() { &all } else { &listed };
    let mut right = listed.is_subset(&all);
    let known = right;
    let mut lines: Vec<(Timestamp, String)> = Vec::new();
    let mut never = Vec::new();
    let mut goldens = Vec::new();
    for receiver in receivers {
        let of_receiver = expected.items.iter();
        let items: Vec<&ExpectedNotification> = of_receiver
            .filter(|item| item.receiver.value == *receiver)
            .collect();
        let sent = notification::sent_to(timeline, receiver);
        let pairs = notification::paired(&items, &sent, start);
        let entry_of = entries_of(&items, &sent, &pairs, start);
        let as_listed = pairs.iter().flatten().count();
        right &=
            as_listed == sent.len() && items.iter().filter(|i| !i.is_never()).count() == as_listed;
        if sent.is_empty() && !items.is_empty() {
            never.push(format!("{{receiver: {}}}", scalar(receiver)));
        }
        let several = routing.integrations(receiver).len() > 1;
        for (sent, item) in sent.iter().zip(entry_of) {
            lines.push((sent.at, notification_entry(sent, item, several, start)));
            let path = item.and_then(|item| item.body.as_ref());
            if let (Some(path), Some(body)) = (path, &sent.body) {
                goldens.push((path.value.clone(), golden_text(body)));
            }
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    let entries = lines.into_iter().map(|(_, entry)| entry).chain(never);
    let entries = (known && !right).then(|| entries.collect());
    (entries, goldens)
}

/// For each notification its entry, or else one that is left and speaks of the like: it keeps its form.
fn entries_of<'e>(
    items: &[&'e ExpectedNotification],
    sent: &[&Notification],
    pairs: &[Option<usize>],
    start: Timestamp,
) -> Vec<Option<&'e ExpectedNotification>> {
    let mut entries: Vec<Option<&ExpectedNotification>> = vec![None; sent.len()];
    for (item, pair) in items.iter().zip(pairs) {
        if let Some(place) = pair {
            entries[*place] = Some(item);
        }
    }
    for (item, _) in items.iter().zip(pairs).filter(|(_, pair)| pair.is_none()) {
        let Some(at) = &item.at else { continue };
        let distance = |place: &usize| {
            let off = sent[*place].at.since(start) - at.value;
            off.millis().saturating_abs()
        };
        let free = (0..sent.len()).filter(|place| entries[*place].is_none());
        let alike = free.filter(|place| item.is_like(sent[*place]));
        if let Some(place) = alike.min_by_key(distance) {
            entries[place] = Some(item);
        }
    }
    entries
}

/// `{receiver: X, at: 1m, status: firing, alerts: 1, labels: {alertname: Y}}`, and what else its entry said.
fn notification_entry(
    sent: &Notification,
    item: Option<&ExpectedNotification>,
    several: bool,
    start: Timestamp,
) -> String {
    let mut entry = format!(
        "{{receiver: {}, at: {}, status: {}, alerts: {}",
        scalar(&sent.integration.receiver),
        sent.at.since(start),
        sent.status.as_str(),
        sent.alerts.len()
    );
    if item.map_or(several, |item| item.integration.is_some()) {
        let name = integration_name(&sent.integration);
        let _ = write!(entry, ", integration: {}", scalar(&name));
    }
    if item.is_some_and(|item| item.reason.is_some()) {
        let _ = write!(entry, ", reason: {}", sent.reason);
    }
    let wanted = |name: &str| match item {
        Some(item) => item.labels.iter().any(|(wanted, _)| wanted == name),
        None => name == "alertname" || sent.group_labels.get("alertname").is_empty(),
    };
    let labels = sent.group_labels.iter().filter(|(name, _)| wanted(name));
    push_labels(&mut entry, labels);
    if let Some(path) = item.and_then(|item| item.body.as_ref()) {
        let _ = write!(entry, ", body: {}", scalar(&path.value));
    }
    entry + "}"
}

fn push_labels<'l>(entry: &mut String, labels: impl Iterator<Item = (&'l str, &'l str)>) {
    let labels: Vec<String> = labels
        .map(|(name, value)| format!("{}: {}", scalar(name), scalar(value)))
        .collect();
    if !labels.is_empty() {
        let _ = write!(entry, ", labels: {{{}}}", labels.join(", "));
    }
}

/// A text as YAML inside braces, with quotes where it would be something else without.
fn scalar(text: &str) -> String {
    /// Words that YAML 1.1 or 1.2 reads as something else, in small letters.
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_duration = text.ends_with(begins) && Duration::parse(text).is_ok();
    if (text.starts_with(begins) || is_duration)
        && text.chars().all(plain)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
    {
        return text.to_owned();
    }
    let printable = |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    if text.chars().all(printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if printable(c) => quoted.push(c),
            c => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
        }
    }
    quoted + "\""
}

/// The text of a file with other lists in it; everything else stays as it is, byte for byte. Comments
/// between the entries of a list are lost.
///
/// # Errors
/// Why a list cannot be written: it is an alias of another one, or the file could not be read any more.
pub fn rewrite(text: &str, lists: &[&NewList]) -> Result<String, String> {
    let reads = |text: &str| {
        let found = yaml::parse(text).diagnostics;
        found.iter().all(|found| found.level != Level::Error)
    };
    for list in lists {
        if list.begins(text).is_none() {
            return Err(format!(
                "`{}` is not written where it stands: it has an anchor, a tag, or is an alias",
                list.name
            ));
        }
    }
    let mut texts = [Form::Block, Form::Flow]
        .into_iter()
        .map(|form| with_lists(text, lists, form));
    texts
        .find(|text| reads(text))
        .ok_or_else(|| "the file could not be read any more with its new lists".to_owned())
}

/// How lists are written that have been between brackets.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Block,
    Flow,
}

fn with_lists(text: &str, lists: &[&NewList], form: Form) -> String {
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lists: Vec<&NewList> = lists.to_vec();
    lists.sort_by_key(|list| list.span.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for list in lists {
        let Some(start) = list.begins(text) else {
            continue;
        };
        let in_brackets = text[start..].starts_with('[');
        let mut before = &text[done..start];
        if !in_brackets {
            let indent = column(text, start);
            out.push_str(before);
            out.push_str(&block(&list.entries, indent, line_end));
        } else if form == Form::Flow {
            out.push_str(before);
            let _ = write!(out, "[{}]", list.entries.join(", "));
        } else {
            before = before.trim_end();
            let indent = column(text, list.key.start) + 2;
            out.push_str(before);
            let _ = write!(out, "{line_end}{:indent$}", "");
            out.push_str(&block(&list.entries, indent, line_end));
        }
        done = list.span.end;
    }
    out + &text[done..]
}

fn block(entries: &[String], indent: usize, line_end: &str) -> String {
    let entries: Vec<String> = entries.iter().map(|entry| format!("- {entry}")).collect();
    entries.join(&format!("{line_end}{:indent$}", ""))
}

/// How many characters stand in front of a place in its line.
fn column(text: &str, at: usize) -> usize {
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    text[line..at].chars().count()
}

impl NewList {
    /// Where its first entry or its bracket stands: behind the field's name come only blanks and
    /// comments, unless the list stands elsewhere.
    fn begins(&self, text: &str) -> Option<usize> {
        let colon = self.key.end + text.get(self.key.end..)?.find(':')?;
        let mut at = colon + 1;
        let begin = loop {
            let rest = text.get(at..)?;
            at += rest.len() - rest.trim_start().len();
            if !text[at..].starts_with('#') {
                break at;
            }
            at += text[at..].find('\n')?;
        };
        let rest = &text[begin..];
        let is_list = rest.starts_with('[')
            || rest.starts_with("- ")
            || rest.starts_with("-\n")
            || rest.starts_with("-\r");
        (is_list && text[self.key.end..colon].trim().is_empty() && begin < self.span.end)
            .then_some(begin)
    }
}

impl ExpectedNotification {
    /// Whether it speaks of such a notification, at another time or with other alerts.
    fn is_like(&self, sent: &Notification) -> bool {
        let status = self.status.as_ref();
        let integration = self.integration.as_ref();
        status.is_none_or(|status| status.value == sent.status)
            && integration.is_none_or(|name| name.value == integration_name(&sent.integration))
            && has_labels(&self.labels, &sent.group_labels)
    }
}

#[cfg(test)]
mod tests;
