//! How soon an incident is detected and paged, against what a test promises.

use stentor_lang::model::{Diagnostic, Duration, Timestamp};
use stentor_lang::yaml::closest;

use super::{ExpectedDetection, has_labels};
use crate::notify::Routing;
use crate::receiver::{Kind, NotifyReason, Status};
use crate::timeline::{Episode, Notification, Timeline};

const CODE: &str = "test/detection";

/// All promises that are not kept.
pub(super) fn compare(
    expected: &[ExpectedDetection],
    timeline: &Timeline,
    routing: Option<&Routing>,
) -> Vec<Diagnostic> {
    let episodes = timeline.episodes();
    let mut failures = Vec::new();
    for item in expected {
        let case = Case::new(item, timeline, &episodes);
        match case.unknown(routing) {
            Some(unknown) => failures.push(unknown),
            None => {
                failures.extend(case.detected());
                failures.extend(case.paged());
            }
        }
    }
    failures
}

struct Case<'a> {
    item: &'a ExpectedDetection,
    timeline: &'a Timeline,
    episodes: &'a [Episode],
    start: Timestamp,
    end: Timestamp,
}

impl<'a> Case<'a> {
    fn new(item: &'a ExpectedDetection, timeline: &'a Timeline, episodes: &'a [Episode]) -> Self {
        let until = item.until.as_ref();
        Self {
            item,
            timeline,
            episodes,
            start: timeline.start + item.incident.value,
            end: until.map_or(timeline.end, |until| timeline.start + until.value),
        }
    }

    /// `the incident`, or its name.
    fn name(&self) -> String {
        if self.item.name.is_empty() {
            format!("the incident at {}", self.item.incident.value)
        } else {
            format!("incident `{}`", self.item.name)
        }
    }

    /// Names that nothing has.
    fn unknown(&self, routing: Option<&Routing>) -> Option<Diagnostic> {
        let item = self.item;
        if self.start > self.timeline.end {
            let end = self.timeline.end.since(self.timeline.start);
            let message = format!("{} begins after the test's end at {end}", self.name());
            return Some(Diagnostic::error(CODE, item.incident.span, message));
        }
        if let Some(name) = &item.alertname {
            let rules = || self.timeline.rules.iter().map(|rule| &*rule.rule.alert);
            if !rules().any(|rule| rule == name.value) {
                let message = format!("no alerting rule is named `{}`", name.value);
                let mut failure = Diagnostic::error(CODE, name.span, message);
                failure.hint =
                    closest(&name.value, rules()).map(|near| format!("did you mean `{near}`?"));
                return Some(failure);
            }
        }
        let paged = item.paged_within.as_ref()?;
        let routing = routing?;
        let Some(receiver) = &item.receiver else {
            let receivers = routing.receivers().values();
            let mut integrations = receivers.flat_map(|receiver| &receiver.integrations);
            let pages = integrations.any(|one| one.key.kind == Kind::PagerDuty);
            let message = "no receiver pages by PagerDuty: name the `receiver` that wakes somebody";
            return (!pages).then(|| Diagnostic::error(CODE, paged.span, message));
        };
        let names = || routing.receivers().keys().map(|name| &**name);
        (!names().any(|name| name == receiver.value)).then(|| {
            let message = format!("no receiver is named `{}`", receiver.value);
            let mut failure = Diagnostic::error(CODE, receiver.span, message);
            failure.hint =
                closest(&receiver.value, names()).map(|near| format!("did you mean `{near}`?"));
            failure
        })
    }

    fn counts(&self, labels: &stentor_lang::model::Labels) -> bool {
        let name = self.item.alertname.as_ref();
        name.is_none_or(|name| labels.get("alertname") == name.value)
            && has_labels(&self.item.labels, labels)
    }

    fn within(&self, at: Timestamp) -> bool {
        self.start <= at && at <= self.end
    }

    /// The first alert of the incident that fired.
    fn first(&self) -> Option<(Duration, &'a Episode)> {
        let counting = self
            .episodes
            .iter()
            .filter(|episode| self.counts(&episode.labels));
        let fired = counting.filter_map(|episode| Some((episode.fired_at?, episode)));
        let mut first: Option<(Timestamp, &Episode)> = None;
        for (at, episode) in fired.filter(|(at, _)| self.within(*at)) {
            if first.is_none_or(|(earliest, _)| at < earliest) {
                first = Some((at, episode));
            }
        }
        first.map(|(at, episode)| (at.since(self.start), episode))
    }

    fn detected(&self) -> Option<Diagnostic> {
        let item = self.item;
        let name = self.name();
        match (&item.missed, &item.detected_within, self.first()) {
            (Some(missed), _, Some((after, episode))) if missed.value => {
                let message = format!(
                    "{name} is detected after {after}, and stands here as missed\n+ {}",
                    self.life(episode)
                );
                let hint = format!("write `detected_within: {after}` in its place");
                Some(Diagnostic::error(CODE, missed.span, message).with_hint(hint))
            }
            (_, Some(within), Some((after, episode))) if after > within.value => {
                let message = format!(
                    "{name} is detected after {after}, not within {}\n+ {}",
                    within.value,
                    self.life(episode)
                );
                let rule = &self.timeline.rules[episode.rule].rule;
                let hint = format!("`for: {}` ({})", rule.hold, rule.place);
                Some(Diagnostic::error(CODE, within.span, message).with_hint(hint))
            }
            (_, Some(within), None) => {
                let message = format!("{name} is not detected");
                let failure = Diagnostic::error(CODE, within.span, message);
                Some(failure.with_hint(self.why_not()))
            }
            _ => None,
        }
    }

    /// `ConnectionDrop pending at 1m, fired at 2m30s {…}`
    fn life(&self, episode: &Episode) -> String {
        let since = |at: Timestamp| at.since(self.timeline.start);
        let fired = episode
            .fired_at
            .map_or(String::new(), |at| format!(", fired at {}", since(at)));
        format!(
            "active at {}{fired} {}",
            since(episode.active_at),
            episode.labels
        )
    }

    /// What comes nearest to a detection.
    fn why_not(&self) -> String {
        let counts = |episode: &&Episode| self.counts(&episode.labels);
        let before = self.episodes.iter().filter(counts).find(|episode| {
            let ended = episode.ended_at.unwrap_or(self.timeline.end);
            episode.fired_at.is_some_and(|at| at < self.start) && ended > self.start
        });
        if let Some(episode) = before {
            return format!(
                "an alert that fired before does not count: {}",
                self.life(episode)
            );
        }
        let mut active = self
            .episodes
            .iter()
            .filter(|episode| self.within(episode.active_at));
        if let Some(episode) = active.clone().find(counts) {
            let rule = &self.timeline.rules[episode.rule].rule;
            return format!(
                "pending and never fired: {}, `for: {}` ({})",
                self.life(episode),
                rule.hold,
                rule.place
            );
        }
        match active.find(|episode| episode.fired_at.is_some()) {
            Some(other) => format!("what fires does not count here: {}", self.life(other)),
            None => "no alert fires".to_owned(),
        }
    }

    fn is_page(&self, sent: &Notification) -> bool {
        let by = match &self.item.receiver {
            Some(receiver) => *sent.integration.receiver == *receiver.value,
            None => sent.integration.kind == Kind::PagerDuty,
        };
        let new = |alert: &crate::timeline::ToldAlert| {
            alert.status == Status::Firing
                && alert.starts_at >= self.start
                && self.counts(&alert.labels)
        };
        by && self.within(sent.at)
            && sent.reason != NotifyReason::RepeatInterval
            && sent.alerts.iter().any(new)
    }

    fn paged(&self) -> Option<Diagnostic> {
        let within = self.item.paged_within.as_ref()?;
        let pages = self.timeline.notifications.iter();
        let first = pages
            .filter(|sent| self.is_page(sent))
            .min_by_key(|sent| sent.at);
        let name = self.name();
        let Some(page) = first else {
            let message = format!("nobody is paged for {name}");
            let failure = Diagnostic::error(CODE, within.span, message);
            let detected = self.first();
            let why = detected.map_or_else(
                || self.why_not(),
                |(after, episode)| format!("detected after {after}: {}", self.life(episode)),
            );
            return Some(failure.with_hint(why));
        };
        let after = page.at.since(self.start);
        (after > within.value).then(|| {
            let message = format!(
                "{name} is paged after {after}, not within {}\n+ {} at {}, {} {}",
                within.value,
                page.integration,
                page.at.since(self.timeline.start),
                page.reason,
                page.group_labels
            );
            Diagnostic::error(CODE, within.span, message)
        })
    }
}
