//! What the default texts say, whatever the service: the headline, a line for each alert, links
//! and notes. Plain text; each service escapes it in its own way.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use stentor_lang::model::ALERT_NAME;
use stentor_lang::model::number::format_g;

use super::message::{Alert, Message, Status};

/// How many alerts of a group the texts name; more is read by nobody at three in the morning.
pub(super) const ALERTS_SHOWN: usize = 10;

/// How much of one label value or annotation stands in a line, in characters.
const VALUE_SHOWN: usize = 200;

/// How many different alert names a headline lists.
const NAMES_SHOWN: usize = 3;

/// How many firing and how many resolved alerts there are.
pub(super) fn counts(message: &Message) -> (usize, usize) {
    let firing = message
        .alerts
        .iter()
        .filter(|alert| alert.status == Status::Firing)
        .count();
    (firing, message.alerts.len() - firing)
}

/// The alerts in the order in which texts name them: what fires first.
pub(super) fn firing_first(message: &Message) -> impl Iterator<Item = &Alert> {
    let of = |status| {
        message
            .alerts
            .iter()
            .filter(move |alert| alert.status == status)
    };
    of(Status::Firing).chain(of(Status::Resolved))
}

/// `[FIRING:2] Disk (cluster=a): disk of 1 is full (and 1 more)`, on one line, of any length.
pub(super) fn headline(message: &Message) -> String {
    let (firing, _) = counts(message);
    let subject = subject(message);
    match message.status {
        Status::Firing => format!("[FIRING:{firing}] {subject}"),
        Status::Resolved => format!("[RESOLVED] {subject}"),
    }
}

/// What the group is about: the summary that all its alerts share, or their names, the group's
/// labels, and the first summary.
fn subject(message: &Message) -> String {
    let speaking: Vec<&Alert> = firing_first(message)
        .filter(|alert| alert.status == message.status)
        .collect();
    let mut summaries: Vec<&str> = Vec::new();
    for alert in &speaking {
        let summary = annotation(alert, "summary");
        if !summary.is_empty() && !summaries.contains(&summary) {
            summaries.push(summary);
        }
        if summaries.len() > 1 {
            break;
        }
    }
    let shared = |summary: &&&str| {
        speaking
            .iter()
            .all(|alert| annotation(alert, "summary") == **summary)
    };
    if let Some(summary) = summaries.first().filter(shared) {
        return value(summary).into_owned();
    }
    let mut subject = names(&speaking);
    let labels = message
        .group_labels
        .iter()
        .filter(|(name, _)| *name != ALERT_NAME);
    let labels = pairs(labels);
    if !labels.is_empty() {
        write!(subject, " ({labels})").expect("invariant: writing to a String");
    }
    if let Some(summary) = summaries.first() {
        write!(subject, ": {}", value(summary)).expect("invariant: writing to a String");
        if speaking.len() > 1 {
            let more = speaking.len() - 1;
            write!(subject, " (and {more} more)").expect("invariant: writing to a String");
        }
    }
    subject
}

fn names(alerts: &[&Alert]) -> String {
    let mut names: Vec<&str> = alerts
        .iter()
        .map(|alert| alert.labels.get(ALERT_NAME))
        .collect();
    names.sort_unstable();
    names.dedup();
    let more = names.len().saturating_sub(NAMES_SHOWN);
    names.truncate(NAMES_SHOWN);
    let shown: Vec<Cow<'_, str>> = names.into_iter().map(value).collect();
    let mut text = shown.join(", ");
    if more > 0 {
        write!(text, " and {more} more").expect("invariant: writing to a String");
    }
    if text.is_empty() {
        "alerts without a name".clone_into(&mut text);
    }
    text
}

/// `instance=1, path=/x`: labels, with long values shortened.
fn pairs<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<String> = labels
        .map(|(name, text)| format!("{}={}", value(name), value(text)))
        .collect();
    pairs.join(", ")
}

/// One alert on one line: the labels in which it differs from the others, its own summary, value
/// and times.
pub(super) fn alert_line(alert: &Alert, common: &Common<'_>, alone: bool) -> String {
    let own = alert.labels.iter().filter(|(name, text)| {
        if alone {
            *name != ALERT_NAME
        } else {
            common.labels.get(name) != Some(text)
        }
    });
    let mut line = pairs(own);
    if line.is_empty() {
        line = value(alert.labels.get(ALERT_NAME)).into_owned();
    }
    let own_summary = annotation(alert, "summary");
    if !own_summary.is_empty() && common.annotations.get("summary") != Some(&own_summary) {
        write!(line, ": {}", value(own_summary)).expect("invariant: writing to a String");
    }
    let mut facts = Vec::new();
    if let Some(number) = alert.value {
        facts.push(format!("value {}", format_g(number)));
    }
    facts.push(format!("since {}", alert.starts_at));
    if let Some(end) = alert.ends_at {
        facts.push(format!("resolved {end}"));
    }
    if let Some(reason) = &alert.end_reason {
        facts.push(value(reason).into_owned());
    }
    write!(line, " ({})", facts.join(", ")).expect("invariant: writing to a String");
    line
}

/// What has to be said besides the alerts.
pub(super) fn notes(message: &Message) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(why) = &message.fallback_for {
        notes.push(format!("sent to the fallback receiver: {}", value(why)));
    }
    if message.corrected {
        notes.push("shortened: the full message was refused".to_owned());
    }
    for alert in &message.alerts {
        if let Some(reason) = &alert.end_reason {
            let note = format!("ended: {}", value(reason));
            if !notes.contains(&note) && notes.len() < ALERTS_SHOWN {
                notes.push(note);
            }
        }
    }
    notes
}

/// The runbook that the alerts share, or else the first one's.
pub(super) fn runbook(message: &Message) -> Option<&str> {
    ["runbook_url", "runbook"].into_iter().find_map(|name| {
        firing_first(message)
            .map(|alert| annotation(alert, name))
            .find(|url| is_web_url(url))
    })
}

/// The link to the first alert's expression at its data source.
pub(super) fn source(message: &Message) -> Option<&str> {
    firing_first(message)
        .map(|alert| &*alert.generator_url)
        .find(|url| is_web_url(url))
}

/// The labels and annotations that all alerts of a list share.
#[derive(Debug, Default)]
pub(super) struct Common<'a> {
    pub(super) labels: BTreeMap<&'a str, &'a str>,
    pub(super) annotations: BTreeMap<&'a str, &'a str>,
}

impl<'a> Common<'a> {
    /// As Alertmanager finds them: what the first alert has and no other contradicts. A missing
    /// one is equal to an empty one.
    pub(super) fn of(alerts: &'a [Alert]) -> Self {
        let Some((first, others)) = alerts.split_first() else {
            return Self::default();
        };
        let mut common = Self {
            labels: first.labels.iter().collect(),
            annotations: first
                .annotations
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str()))
                .collect(),
        };
        for alert in others {
            if common.labels.is_empty() && common.annotations.is_empty() {
                break;
            }
            common
                .labels
                .retain(|name, text| alert.labels.get(name) == *text);
            common
                .annotations
                .retain(|name, text| annotation(alert, name) == *text);
        }
        common
    }
}

/// An annotation, empty where it is not there.
pub(super) fn annotation<'a>(alert: &'a Alert, name: &str) -> &'a str {
    alert
        .annotations
        .iter()
        .find(|(annotation, _)| annotation == name)
        .map_or("", |(_, text)| text)
}

/// One value as a line shows it. It is cut first: label values can be megabytes.
pub(super) fn value(text: &str) -> Cow<'_, str> {
    clean(text, VALUE_SHOWN)
}

/// At most `limit` characters, on one line.
pub(super) fn clean(text: &str, limit: usize) -> Cow<'_, str> {
    match shorten(text, limit) {
        Cow::Borrowed(text) => one_line(text),
        Cow::Owned(text) => Cow::Owned(one_line(&text).into_owned()),
    }
}

/// At most `limit` characters; what is cut off is replaced by `…`, as Alertmanager does.
pub(super) fn shorten(text: &str, limit: usize) -> Cow<'_, str> {
    if text.chars().nth(limit).is_none() {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    Cow::Owned(format!("{kept}…"))
}

/// Without line breaks and other control characters, nor those that reverse the direction of what
/// follows: a foreign text must not look like another line of ours.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    replace_controls(text, false)
}

/// The same, with line breaks left.
pub(super) fn many_lines(text: &str) -> Cow<'_, str> {
    replace_controls(text, true)
}

fn replace_controls(text: &str, keep_breaks: bool) -> Cow<'_, str> {
    let directs = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = |c| matches!(c, '\u{2028}' | '\u{2029}');
    let kept = |c: char| keep_breaks && c == '\n';
    let strange = |c: char| c.is_control() || directs(c) || breaks(c);
    if !text.chars().any(|c| strange(c) && !kept(c)) {
        return Cow::Borrowed(text);
    }
    let clean = text.chars().filter(|c| !directs(*c));
    Cow::Owned(
        clean
            .map(|c| if strange(c) && !kept(c) { ' ' } else { c })
            .collect(),
    )
}

/// Whether a text is a URL that a browser opens over the web, and nothing besides.
pub(crate) fn is_web_url(text: &str) -> bool {
    /// What browsers still take; a longer one is an accident or an attack.
    const LONGEST_URL: usize = 8000;
    if text.len() > LONGEST_URL {
        return false;
    }
    let scheme = ["http://", "https://"].into_iter().find(|scheme| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let Some(scheme) = scheme else {
        return false;
    };
    let rest = &text[scheme.len()..];
    !rest.is_empty()
        && !rest.starts_with(['/', '?', '#', ':'])
        && !text.chars().any(|c| {
            c.is_whitespace() || matches!(one_line(c.encode_utf8(&mut [0; 4])), Cow::Owned(_))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_shortened_in_characters() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöüß", 3), "äö…");
        assert_eq!(shorten("", 3), "");
    }

    #[test]
    fn a_line_stays_one_line_and_keeps_its_direction() {
        assert_eq!(one_line("a\r\nb\u{202e}c\u{2028}\u{1b}[31m"), "a  bc  [31m");
        assert_eq!(many_lines("a\r\nb"), "a \nb");
        assert_eq!(one_line("é日本🦀"), "é日本🦀");
    }

    #[test]
    fn only_urls_of_the_web_become_links() {
        for url in ["http://x", "https://x/y?a=b|c", "HTTPS://x"] {
            assert!(is_web_url(url), "{url}");
        }
        for text in [
            "",
            "x",
            "http://",
            "https:///x",
            "javascript:alert(1)",
            "http://x y",
            "http://x\n",
            "ftp://x",
            "é",
        ] {
            assert!(!is_web_url(text), "{text}");
        }
    }
}
