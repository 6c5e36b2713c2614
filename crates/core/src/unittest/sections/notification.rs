//! The notifications that a test lists against those that went out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use stentor_lang::model::{Diagnostic, Duration, Labels, Span, Timestamp};
use stentor_lang::yaml::{Spanned, closest};

use super::golden::{Goldens, golden_difference};
use super::{ExpectedNotification, Listed};
use crate::notify::Routing;
use crate::receiver::IntegrationKey;
use crate::timeline::{Notification, Timeline};

const CODE: &str = "test/notification";
/// The most failures of one list: enough to see what is wrong.
const MOST_FAILURES: usize = 20;
/// The most notifications that one failure shows.
const MOST_SHOWN: usize = 20;

/// All that is not as listed.
pub(super) fn compare(
    expected: &Listed<ExpectedNotification>,
    timeline: &Timeline,
    routing: &Routing,
    goldens: &Goldens,
) -> Vec<Diagnostic> {
    let judge = Judge { timeline, goldens };
    if expected.items.is_empty() {
        return judge.nothing(expected).into_iter().collect();
    }
    let mut by_receiver: BTreeMap<&str, Vec<&ExpectedNotification>> = BTreeMap::new();
    for item in &expected.items {
        let of_receiver = by_receiver.entry(&item.receiver.value).or_default();
        of_receiver.push(item);
    }
    let mut failures = Vec::new();
    for (receiver, items) in by_receiver {
        match unknown(receiver, items[0], routing) {
            Some(unknown) => failures.push(unknown),
            None => failures.extend(judge.receiver(receiver, &items)),
        }
    }
    failures.truncate(MOST_FAILURES);
    failures
}

/// The notifications of one receiver, paired with its entries where these are as expected: for each
/// entry the index of its notification. An entry that says more is served first.
pub(super) fn paired(
    items: &[&ExpectedNotification],
    sent: &[&Notification],
    start: Timestamp,
) -> Vec<Option<usize>> {
    let mut taken = vec![false; sent.len()];
    let mut pairs = vec![None; items.len()];
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(items[*index].precision()));
    for index in order {
        let item = items[index];
        let Some(at) = &item.at else { continue };
        let at = start + at.value;
        let from = sent.partition_point(|sent| sent.at < at);
        let to = sent.partition_point(|sent| sent.at <= at);
        let fits = |place: &usize| !taken[*place] && item.differs(sent[*place], start).is_none();
        let found = (from..to).find(fits);
        if let Some(place) = found {
            taken[place] = true;
        }
        pairs[index] = found;
    }
    pairs
}

/// What went to a receiver, by time.
pub(super) fn sent_to<'t>(timeline: &'t Timeline, receiver: &str) -> Vec<&'t Notification> {
    let all = timeline.notifications.iter();
    let mut sent: Vec<_> = all
        .filter(|sent| *sent.integration.receiver == *receiver)
        .collect();
    sent.sort_by_key(|sent| sent.at);
    sent
}

fn unknown(receiver: &str, item: &ExpectedNotification, routing: &Routing) -> Option<Diagnostic> {
    let names = || routing.receivers().keys().map(|name| &**name);
    if names().any(|name| name == receiver) {
        return None;
    }
    let message = format!("no receiver is named `{receiver}`");
    let mut failure = Diagnostic::error(CODE, item.span, message);
    failure.hint = Some(match closest(receiver, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
    });
    Some(failure)
}

struct Judge<'a> {
    timeline: &'a Timeline,
    goldens: &'a Goldens,
}

impl Judge<'_> {
    /// `[]`: nobody is told anything.
    fn nothing(&self, expected: &Listed<ExpectedNotification>) -> Option<Diagnostic> {
        let sent: Vec<&Notification> = self.timeline.notifications.iter().collect();
        let message = match sent.len() {
            0 => return None,
            1 => "nobody should be told anything, and one notification went out".to_owned(),
            count => format!("nobody should be told anything, and {count} notifications went out"),
        };
        Some(Diagnostic::error(
            CODE,
            expected.key,
            message + &self.lines(&sent),
        ))
    }

    fn receiver(&self, receiver: &str, items: &[&ExpectedNotification]) -> Vec<Diagnostic> {
        let sent = sent_to(self.timeline, receiver);
        let start = self.timeline.start;
        let pairs = paired(items, &sent, start);
        let mut failures = Vec::new();
        let mut left: Vec<usize> = (0..sent.len()).collect();
        left.retain(|place| !pairs.contains(&Some(*place)));
        for (item, pair) in items
            .iter()
            .zip(&pairs)
            .filter(|(item, _)| !item.is_never())
        {
            match pair {
                Some(place) => failures.extend(self.body(item, sent[*place])),
                None => failures.push(self.missing(item, &sent, &mut left)),
            }
            if failures.len() >= MOST_FAILURES {
                return failures;
            }
        }
        if !left.is_empty() {
            let more: Vec<&Notification> = left.iter().map(|place| sent[*place]).collect();
            failures.push(self.surplus(items[0], &more));
        }
        failures
    }

    /// The body of a notification that is as expected otherwise.
    fn body(&self, item: &ExpectedNotification, sent: &Notification) -> Option<Diagnostic> {
        let path = item.body.as_ref()?;
        let got = sent.body.as_deref().unwrap_or_default();
        let message = match self.goldens.get(&path.value) {
            None => format!("the golden file `{}` was not read", path.value),
            Some(Err(why)) => {
                let message = format!("the golden file cannot be read: {why}");
                let failure = Diagnostic::error(CODE, path.span, message);
                return Some(failure.with_hint("`--update` writes it"));
            }
            Some(Ok(golden)) => {
                let lines = golden_difference(golden, got)?;
                let what = &sent.integration;
                format!(
                    "the request's body to `{what}` is not that of `{}`{lines}",
                    path.value
                )
            }
        };
        Some(Diagnostic::error(CODE, path.span, message))
    }

    /// An entry whose notification did not go out. The one that went out in its place, if there is
    /// any, leaves `left`.
    fn missing(
        &self,
        item: &ExpectedNotification,
        sent: &[&Notification],
        left: &mut Vec<usize>,
    ) -> Diagnostic {
        let start = self.timeline.start;
        let at = item.at.as_ref().map_or(Duration::ZERO, |at| at.value);
        let likeness = |(_, place): &(usize, &usize)| {
            let sent = sent[**place];
            let distance = (sent.at.since(start) - at).millis().saturating_abs();
            (item.likeness(sent, start), -distance)
        };
        let nearest = left.iter().enumerate().max_by_key(likeness);
        let receiver = &item.receiver.value;
        let Some((index, place)) = nearest else {
            let message = format!("receiver `{receiver}` is not told at {at}\n- {item}");
            let failure = Diagnostic::error(CODE, item.span, message);
            return failure.with_hint(self.why_missing(at, sent));
        };
        let got = sent[*place];
        left.remove(index);
        let (what, span) = item
            .differs(got, start)
            .unwrap_or_else(|| ("told otherwise".to_owned(), item.span));
        let message = format!(
            "receiver `{receiver}` is not told as expected: {what}\n- {item}\n+ {}",
            shown(got, start)
        );
        let hint = format!("{}: {}", got.reason, names(got));
        Diagnostic::error(CODE, span, message).with_hint(hint)
    }

    fn why_missing(&self, at: Duration, sent: &[&Notification]) -> String {
        let end = self.timeline.end.since(self.timeline.start);
        if at > end {
            return format!("the test ends at {end}: `until: {at}` makes it longer");
        }
        if sent.is_empty() {
            let fired = self.timeline.episodes();
            let fired = fired.iter().filter(|episode| episode.fired_at.is_some());
            return match fired.count() {
                0 => "it is never told anything: no alert fires".to_owned(),
                1 => {
                    "it is never told anything: the alert that fires is routed elsewhere".to_owned()
                }
                _ => "it is never told anything: the alerts that fire are routed elsewhere"
                    .to_owned(),
            };
        }
        "all that it is told is listed by other entries".to_owned()
    }

    fn surplus(&self, item: &ExpectedNotification, sent: &[&Notification]) -> Diagnostic {
        let receiver = &item.receiver.value;
        let title = if item.is_never() {
            format!("receiver `{receiver}` should never be told anything, and was")
        } else {
            format!("receiver `{receiver}` is told more than is listed")
        };
        let failure = Diagnostic::error(CODE, item.span, title + &self.lines(sent));
        let first = sent[0];
        failure.with_hint(format!("{}: {}", first.reason, names(first)))
    }

    fn lines(&self, sent: &[&Notification]) -> String {
        let mut lines = String::new();
        for sent in sent.iter().take(MOST_SHOWN) {
            let _ = write!(lines, "\n+ {}", shown(sent, self.timeline.start));
        }
        if sent.len() > MOST_SHOWN {
            let _ = write!(lines, "\n  ... and {} more", sent.len() - MOST_SHOWN);
        }
        lines
    }
}

/// `oncall/pagerduty[0] at 2m firing, 1 alert, first notification {alertname="A"}`
fn shown(sent: &Notification, start: Timestamp) -> String {
    let count = sent.alerts.len();
    let plural = if count == 1 { "" } else { "s" };
    format!(
        "{} at {} {}, {count} alert{plural}, {} {}",
        sent.integration,
        sent.at.since(start),
        sent.status.as_str(),
        sent.reason,
        sent.group_labels
    )
}

/// `pagerduty[0]`
pub(super) fn integration_name(key: &IntegrationKey) -> String {
    format!("{}[{}]", key.kind.as_str(), key.index)
}

/// The alerts that a notification names.
fn names(sent: &Notification) -> String {
    /// More than these nobody reads in a line.
    const MOST: usize = 3;
    let one =
        |alert: &crate::timeline::ToldAlert| format!("{} {}", alert.labels, alert.status.as_str());
    let named: Vec<String> = sent.alerts.iter().take(MOST).map(one).collect();
    let more = sent.alerts.len().saturating_sub(MOST);
    match more {
        0 => named.join(", "),
        _ => format!("{} and {more} more", named.join(", ")),
    }
}

impl ExpectedNotification {
    /// How much it says beside what every entry says.
    fn precision(&self) -> usize {
        usize::from(self.integration.is_some())
            + usize::from(self.reason.is_some())
            + self.labels.len()
    }

    /// How many of its facts are those of a notification.
    fn likeness(&self, sent: &Notification, start: Timestamp) -> usize {
        self.facts(sent, start)
            .filter(|(differs, ..)| !differs)
            .count()
    }

    /// The first fact that is not that of a notification, and its place.
    fn differs(&self, sent: &Notification, start: Timestamp) -> Option<(String, Span)> {
        let mut facts = self.facts(sent, start).filter(|(differs, ..)| *differs);
        facts.next().map(|(_, what, span)| (what, span))
    }

    fn facts<'a>(
        &'a self,
        sent: &'a Notification,
        start: Timestamp,
    ) -> impl Iterator<Item = (bool, String, Span)> + 'a {
        let got_at = sent.at.since(start);
        let integration = self.integration.as_ref().map(|expected| {
            let got = integration_name(&sent.integration);
            fact(expected, got == expected.value, "by", &got, &expected.value)
        });
        let at = self.at.as_ref().map(|expected| {
            fact(
                expected,
                got_at == expected.value,
                "at",
                got_at,
                expected.value,
            )
        });
        let status = self.status.as_ref().map(|expected| {
            let (got, wanted) = (sent.status.as_str(), expected.value.as_str());
            fact(
                expected,
                sent.status == expected.value,
                "status",
                got,
                wanted,
            )
        });
        let alerts = self.alerts.as_ref().map(|expected| {
            let got = sent.alerts.len();
            fact(
                expected,
                got == expected.value,
                "alerts:",
                got,
                expected.value,
            )
        });
        let reason = self.reason.as_ref().map(|expected| {
            let got = sent.reason;
            fact(
                expected,
                got == expected.value,
                "because of",
                got,
                expected.value,
            )
        });
        let labels = self.labels.iter().map(move |(name, value)| {
            let got = sent.group_labels.get(name);
            let what = format!("the group has {name}={got:?}, not {value:?}");
            (got != value, what, self.span)
        });
        let first = [integration, at, status, alerts, reason];
        first.into_iter().flatten().chain(labels)
    }
}

fn fact<T>(
    expected: &Spanned<T>,
    same: bool,
    what: &str,
    got: impl std::fmt::Display,
    wanted: impl std::fmt::Display,
) -> (bool, String, Span) {
    (!same, format!("{what} {got}, not {wanted}"), expected.span)
}

impl std::fmt::Display for ExpectedNotification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.receiver.value)?;
        if let Some(integration) = &self.integration {
            write!(f, "/{}", integration.value)?;
        }
        if let Some(at) = &self.at {
            write!(f, " at {}", at.value)?;
        }
        if let Some(status) = &self.status {
            write!(f, " {}", status.value.as_str())?;
        }
        if let Some(alerts) = &self.alerts {
            let plural = if alerts.value == 1 { "" } else { "s" };
            write!(f, ", {} alert{plural}", alerts.value)?;
        }
        if let Some(reason) = &self.reason {
            write!(f, ", {}", reason.value)?;
        }
        if !self.labels.is_empty() {
            let labels = self.labels.iter().map(|(n, v)| (&**n, &**v));
            write!(f, " {}", Labels::from_pairs(labels))?;
        }
        Ok(())
    }
}
