//! The lives of alerts that a test lists against those that came.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use stentor_lang::model::{Diagnostic, Duration, Timestamp};
use stentor_lang::yaml::closest;

use super::{ExpectedEpisode, Listed, Selector, has_labels};
use crate::timeline::{Episode, Timeline, TimelineRule};

const CODE: &str = "test/timeline";
/// The most failures of one list: enough to see what is wrong.
const MOST_FAILURES: usize = 20;
/// The most alerts that one failure shows.
const MOST_SHOWN: usize = 20;

/// When an alert changed its phase, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Times {
    begin: Duration,
    /// `None` where it fired at once.
    pending: Option<Duration>,
    firing: Option<Duration>,
    resolved: Option<Duration>,
}

/// All that is not as listed.
pub(super) fn compare(expected: &Listed<ExpectedEpisode>, timeline: &Timeline) -> Vec<Diagnostic> {
    let episodes = timeline.episodes();
    let judge = Judge {
        timeline,
        episodes: &episodes,
    };
    if expected.items.is_empty() {
        return judge.nothing(expected).into_iter().collect();
    }
    let mut by_selector: BTreeMap<&Selector, Vec<&ExpectedEpisode>> = BTreeMap::new();
    for item in &expected.items {
        by_selector.entry(&item.selector).or_default().push(item);
    }
    let failures = by_selector
        .into_iter()
        .flat_map(|(selector, items)| judge.alerts(selector, &items));
    failures.take(MOST_FAILURES).collect()
}

/// An entry, and how many alerts are missing that should live so.
type Missing<'a> = (Times, &'a ExpectedEpisode, usize);

struct Judge<'a> {
    timeline: &'a Timeline,
    episodes: &'a [Episode],
}

impl<'a> Judge<'a> {
    /// `[]`: no alert of any rule is ever active.
    fn nothing(&self, expected: &Listed<ExpectedEpisode>) -> Option<Diagnostic> {
        let count = self.episodes.len();
        if count == 0 {
            return None;
        }
        let plural = if count == 1 {
            "alert was"
        } else {
            "alerts were"
        };
        let message = format!("no alert should be active, and {count} {plural}");
        let all: Vec<&Episode> = self.episodes.iter().collect();
        let lines = self.unexpected(&all);
        Some(Diagnostic::error(CODE, expected.key, message + &lines))
    }

    /// The alerts of one selector.
    fn alerts(&self, selector: &Selector, items: &[&'a ExpectedEpisode]) -> Vec<Diagnostic> {
        if let Some(unknown) = self.unknown(selector, items[0]) {
            return vec![unknown];
        }
        let of_selector = |episode: &&Episode| {
            *self.rule(episode).rule.alert == *selector.alertname
                && has_labels(&selector.labels, &episode.labels)
        };
        let mut got: Vec<(Times, &Episode)> = self
            .episodes
            .iter()
            .filter(of_selector)
            .map(|episode| (Times::of(episode, self.timeline.start), episode))
            .collect();
        got.sort_by_key(|(times, _)| *times);
        let mut missing: Vec<Missing<'_>> = Vec::new();
        for item in items.iter().filter(|item| !item.is_never()) {
            let times = Times::expected(item);
            let from = got.partition_point(|(other, _)| *other < times);
            let to = got.partition_point(|(other, _)| *other <= times);
            let found = (to - from).min(item.count);
            got.drain(from..from + found);
            if found < item.count {
                missing.push((times, item, item.count - found));
            }
        }
        let mut failures = Vec::new();
        for missing in missing {
            failures.push(self.missing(selector, missing, &mut got));
        }
        if !got.is_empty() {
            failures.push(self.surplus(selector, items[0], &got));
        }
        failures
    }

    fn unknown(&self, selector: &Selector, item: &ExpectedEpisode) -> Option<Diagnostic> {
        let names = self.timeline.rules.iter().map(|rule| &*rule.rule.alert);
        let names: Vec<&str> = names.collect();
        if names.contains(&&*selector.alertname) {
            return None;
        }
        let message = format!("no alerting rule is named `{}`", selector.alertname);
        let mut failure = Diagnostic::error(CODE, item.span, message);
        failure.hint =
            closest(&selector.alertname, names).map(|near| format!("did you mean `{near}`?"));
        Some(failure)
    }

    /// An entry without its alert. The one that came in its place, if there is any, leaves `got`.
    fn missing(
        &self,
        selector: &Selector,
        (times, item, count): Missing<'_>,
        got: &mut Vec<(Times, &'a Episode)>,
    ) -> Diagnostic {
        let nearest = got
            .iter()
            .enumerate()
            .max_by_key(|(_, (other, _))| (times.likeness(*other), -times.distance(*other)))
            .map(|(index, _)| index);
        let Some(index) = nearest else {
            let many = if count == 1 {
                String::new()
            } else {
                format!(", {count} times")
            };
            let title = if self.any(selector) {
                format!("alert {selector} is not active another time{many}")
            } else {
                format!("alert {selector} is never active")
            };
            let failure = Diagnostic::error(CODE, item.span, format!("{title}\n- {times}"));
            return failure.with_hint(self.why_missing(selector, times));
        };
        let (other, _) = got[index];
        let first = got.partition_point(|(times, _)| *times < other);
        let alike = got[first..].partition_point(|(times, _)| *times == other);
        let alike = alike.min(count);
        let (_, episode) = got[first];
        got.drain(first..first + alike);
        let (what, span) = times.difference(other, item);
        let number = |count: usize| {
            if count == 1 {
                String::new()
            } else {
                format!(" ({count} alerts)")
            }
        };
        let message = format!(
            "alert {selector} is not as expected: {what}\n- {times}{}\n+ {other}{} {}",
            number(count),
            number(alike),
            episode.labels
        );
        Diagnostic::error(CODE, span, message).with_hint(self.why(times, other, episode))
    }

    /// Alerts that no entry speaks of.
    fn surplus(
        &self,
        selector: &Selector,
        item: &ExpectedEpisode,
        got: &[(Times, &Episode)],
    ) -> Diagnostic {
        let count = got.len();
        let title = if item.is_never() {
            let times = if count == 1 { "once" } else { "several times" };
            format!("alert {selector} should never be active, and was {times}")
        } else {
            let are = if count == 1 {
                "once more"
            } else {
                "more often"
            };
            format!("alert {selector} is active {are} than listed")
        };
        let episodes: Vec<&Episode> = got.iter().map(|(_, episode)| *episode).collect();
        let lines = self.unexpected(&episodes);
        let failure = Diagnostic::error(CODE, item.span, title + &lines);
        let (times, episode) = got[0];
        failure.with_hint(self.lived(times, episode))
    }

    /// Lines of alerts that should not be there.
    fn unexpected(&self, episodes: &[&Episode]) -> String {
        let mut lines = String::new();
        for episode in episodes.iter().take(MOST_SHOWN) {
            let times = Times::of(episode, self.timeline.start);
            let _ = write!(lines, "\n+ {times} {}", episode.labels);
        }
        if episodes.len() > MOST_SHOWN {
            let more = episodes.len() - MOST_SHOWN;
            let _ = write!(lines, "\n  ... and {more} more");
        }
        lines
    }

    fn any(&self, selector: &Selector) -> bool {
        let mut episodes = self.episodes.iter();
        episodes.any(|episode| {
            *self.rule(episode).rule.alert == *selector.alertname
                && has_labels(&selector.labels, &episode.labels)
        })
    }

    fn rule(&self, episode: &Episode) -> &TimelineRule {
        &self.timeline.rules[episode.rule]
    }

    /// Why no alert came.
    fn why_missing(&self, selector: &Selector, times: Times) -> String {
        let mut of_name = self
            .episodes
            .iter()
            .filter(|episode| *self.rule(episode).rule.alert == *selector.alertname);
        if let Some(other) = of_name.next()
            && !self.any(selector)
        {
            return format!("alerts of that name have other labels: {}", other.labels);
        }
        let mut rules = self.timeline.rules.iter();
        let rule = rules.find(|rule| *rule.rule.alert == *selector.alertname);
        let place = rule.map_or(String::new(), |rule| format!(" ({})", rule.rule.place));
        self.beyond_the_end(times)
            .unwrap_or_else(|| format!("the condition did not hold{place}"))
    }

    /// Why an alert lived otherwise than expected.
    fn why(&self, expected: Times, got: Times, episode: &Episode) -> String {
        let beyond = self.beyond_the_end(expected);
        if let Some(beyond) = beyond.filter(|_| episode.ended_at.is_none()) {
            return beyond;
        }
        let interval = self.rule(episode).interval;
        let off = |time: &Duration| {
            let millis = (self.timeline.start + *time).millis();
            millis.rem_euclid(interval.millis().max(1)) != 0
        };
        let times = [expected.pending, expected.firing, expected.resolved];
        if let Some(time) = times.into_iter().flatten().find(off) {
            return format!(
                "{time} is no slot: the rule is evaluated every {interval}, counted from 1970"
            );
        }
        self.lived(got, episode)
    }

    /// How it came that an alert lived as it did.
    fn lived(&self, got: Times, episode: &Episode) -> String {
        let rule = &self.rule(episode).rule;
        let place = format!("({})", rule.place);
        let begin = match (got.pending, got.firing) {
            (Some(pending), Some(firing)) => {
                format!(
                    "pending since {pending}, fired at {firing}: `for: {}`",
                    rule.hold
                )
            }
            (_, Some(firing)) => {
                format!("fired at {firing}, in the first slot in which the condition held")
            }
            (_, None) => match got.resolved {
                Some(resolved) => format!(
                    "the condition held from {} until {resolved}, less than `for: {}`",
                    got.begin, rule.hold
                ),
                None => format!(
                    "pending since {} until the end at {}: `for: {}`",
                    got.begin,
                    self.timeline.end.since(self.timeline.start),
                    rule.hold
                ),
            },
        };
        let end = match (got.firing, got.resolved) {
            (Some(_), Some(resolved)) if rule.keep_firing_for.is_zero() => {
                format!("; the condition no longer held at {resolved}")
            }
            (Some(_), Some(resolved)) => {
                format!(
                    "; ended at {resolved}: `keep_firing_for: {}`",
                    rule.keep_firing_for
                )
            }
            _ => String::new(),
        };
        format!("{begin}{end} {place}")
    }

    fn beyond_the_end(&self, times: Times) -> Option<String> {
        let end = self.timeline.end.since(self.timeline.start);
        let times = [times.pending, times.firing, times.resolved];
        let late = times.into_iter().flatten().find(|time| *time > end)?;
        Some(format!(
            "the test ends at {end}, before {late}: `until: {late}` makes it longer"
        ))
    }
}

impl Times {
    /// Of an alert that lived.
    pub(super) fn of(episode: &Episode, start: Timestamp) -> Self {
        let since = |at: Timestamp| at.since(start);
        Self::new(
            Some(since(episode.active_at)),
            episode.fired_at.map(since),
            episode.ended_at.map(since),
        )
    }

    /// As an entry has it.
    fn expected(item: &ExpectedEpisode) -> Self {
        let time = |time: &Option<stentor_lang::yaml::Spanned<Duration>>| {
            time.as_ref().map(|time| time.value)
        };
        Self::new(
            time(&item.pending),
            time(&item.firing),
            time(&item.resolved),
        )
    }

    /// An alert that fires in the slot in which it became active was never pending.
    fn new(
        pending: Option<Duration>,
        firing: Option<Duration>,
        resolved: Option<Duration>,
    ) -> Self {
        Self {
            begin: pending.or(firing).unwrap_or(Duration::ZERO),
            pending: pending.filter(|pending| firing != Some(*pending)),
            firing,
            resolved,
        }
    }

    /// Its phases, each with its beginning.
    pub(super) fn phases(self) -> impl Iterator<Item = (&'static str, Duration)> {
        let phases = [
            ("pending", self.pending),
            ("firing", self.firing),
            ("resolved", self.resolved),
        ];
        let begun = phases.into_iter();
        begun.filter_map(|(phase, time)| Some((phase, time?)))
    }

    fn likeness(self, other: Self) -> usize {
        usize::from(self.pending == other.pending)
            + usize::from(self.firing == other.firing)
            + usize::from(self.resolved == other.resolved)
    }

    fn distance(self, other: Self) -> i64 {
        (self.begin - other.begin).millis().saturating_abs()
    }

    /// The first phase that is not at its time, and its place.
    fn difference(self, got: Self, item: &ExpectedEpisode) -> (String, stentor_lang::model::Span) {
        let phases = [
            ("pending", self.pending, got.pending, &item.pending),
            ("firing", self.firing, got.firing, &item.firing),
            ("resolved", self.resolved, got.resolved, &item.resolved),
        ];
        let differs = phases.iter().find(|(_, expected, got, _)| expected != got);
        let Some((phase, expected, got, written)) = differs else {
            return (String::new(), item.span);
        };
        let what = match (expected, got) {
            (Some(expected), Some(got)) => format!("{phase} at {got}, not at {expected}"),
            (Some(_), None) => format!("never {phase}"),
            (None, Some(got)) => format!("{phase} at {got}, and the entry has no `{phase}`"),
            (None, None) => String::new(),
        };
        (
            what,
            written.as_ref().map_or(item.span, |written| written.span),
        )
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (phase, time) in self.phases() {
            write!(f, "{comma}{phase} {time}")?;
            comma = ", ";
        }
        if self.resolved.is_none() {
            f.write_str(", to the end")?;
        }
        Ok(())
    }
}
