//! Which of the series that rules read were there, and from when on.

use std::collections::BTreeSet;
use std::sync::Arc;

use stentor_core::needs::{Need, Needs};
use stentor_lang::model::{Matcher, Timestamp};
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::store::{SampleBuffer, SeriesStore as _};
use stentor_lang::regex::LabelMatcher;

use super::clock::Clock;

/// The most lines about one thing: who reads more than these has one cause for all.
const MOST_LINES: usize = 5;

/// What was seen of each selector.
pub(super) struct Seen {
    selectors: Vec<(Need, Vec<LabelMatcher>, Option<Timestamp>)>,
    unknown: Vec<String>,
    /// Metrics that the rules write themselves, and of which there were series.
    left_out: BTreeSet<Arc<str>>,
}

impl Seen {
    pub(super) fn new(needs: Needs) -> Self {
        let selectors = needs.selectors.into_iter().filter_map(|need| {
            let matchers = need
                .matchers
                .iter()
                .map(|matcher: &Matcher| LabelMatcher::new(matcher));
            let matchers = matchers.collect::<Result<Vec<_>, _>>().ok()?;
            Some((need, matchers, None))
        });
        Self {
            selectors: selectors.collect(),
            unknown: needs.unknown,
            left_out: BTreeSet::new(),
        }
    }

    /// Remembers that series of this metric were not used.
    pub(super) fn leave_out(&mut self, metric: &Arc<str>) {
        if !self.left_out.contains(metric) {
            self.left_out.insert(Arc::clone(metric));
        }
    }

    /// Looks for the first samples of selectors that had none so far.
    pub(super) fn look(&mut self, store: &MemoryStore) {
        let (from, to) = (
            Timestamp::from_millis(i64::MIN),
            Timestamp::from_millis(i64::MAX),
        );
        let mut buffer = SampleBuffer::default();
        for (_, matchers, first) in &mut self.selectors {
            if first.is_some() {
                continue;
            }
            let found = store.select(matchers, from, to);
            let times = found.iter().filter_map(|series| {
                let samples = store.samples(series.id, from, to, &mut buffer);
                samples.times.first().copied()
            });
            *first = times.min().map(Timestamp::from_millis);
        }
    }

    /// Whether a selector found anything, or there is none.
    pub(super) fn has_data(&self) -> bool {
        self.selectors.is_empty() || self.selectors.iter().any(|(_, _, first)| first.is_some())
    }

    /// The selectors that found nothing, with the range that they read.
    pub(super) fn missing(&self, start: Timestamp, end: Timestamp, clock: Clock) -> Vec<String> {
        let missing = self
            .selectors
            .iter()
            .filter(|(_, _, first)| first.is_none());
        let lines = missing.map(|(need, ..)| {
            let (from, to) = reach(need, start, end);
            let text = &need.text;
            format!(
                "no series match {text} from {} to {}",
                clock.time(from),
                clock.time(to)
            )
        });
        shortened(lines.collect())
    }

    /// What was missing or is doubtful, in words.
    pub(super) fn notes(&self, start: Timestamp, end: Timestamp, clock: Clock) -> Vec<String> {
        let mut notes = self.missing(start, end, clock);
        let late = self.selectors.iter().filter_map(|(need, _, first)| {
            let (from, _) = reach(need, start, end);
            let late = (*first)?.since(start.min(from + super::LATE));
            (late > stentor_lang::model::Duration::ZERO).then_some((need, (*first)?, from))
        });
        let lines = late.map(|(need, first, from)| {
            let (text, first, from) = (&need.text, clock.time(first), clock.time(from));
            format!("{text} is read from {from} on, and its first sample is of {first}")
        });
        notes.extend(shortened(lines.collect()));
        notes.extend(shortened(self.unknown.clone()));
        let left_out = self.left_out.iter();
        let lines = left_out
            .map(|name| format!("series of {name} are left out: the rules write them themselves"));
        notes.extend(shortened(lines.collect()));
        notes
    }
}

/// The first and the last instant that a selector reads.
fn reach(need: &Need, start: Timestamp, end: Timestamp) -> (Timestamp, Timestamp) {
    let ranges = need.ranges(start, end);
    let (first, last) = (ranges.first(), ranges.last());
    (
        first.map_or(start, |first| first.0),
        last.map_or(end, |last| last.1),
    )
}

/// Each once, and of many the first.
fn shortened(lines: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut lines: Vec<String> = lines
        .into_iter()
        .filter(|line| seen.insert(line.clone()))
        .collect();
    let more = lines.len().saturating_sub(MOST_LINES);
    if more > 0 {
        lines.truncate(MOST_LINES);
        lines.push(format!("and {more} more such selectors"));
    }
    lines
}
