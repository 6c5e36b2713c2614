//! Puts together what the selectors of many rules read.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use stentor_lang::model::{Duration, METRIC_NAME, MatchOp, Matcher, Timestamp};
use stentor_lang::promql::selector_text;

use super::reach::Base;
use super::{Need, Needs};
use crate::rulefile::Place;

/// A time range without its first instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub base: Base,
    pub after: Duration,
    pub until: Duration,
}

/// What has been found so far.
pub(super) struct Collector {
    /// The metrics that the rules write.
    written: BTreeSet<Arc<str>>,
    /// By the sorted matchers, in the order in which they came.
    found: IndexMap<Vec<Matcher>, Vec<Window>>,
    unknown: Vec<String>,
}

impl Collector {
    pub(super) fn new(written: BTreeSet<Arc<str>>) -> Self {
        Self {
            written,
            found: IndexMap::new(),
            unknown: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, mut matchers: Vec<Matcher>, window: Window) {
        matchers.sort();
        matchers.dedup();
        self.found.entry(matchers).or_default().push(window);
    }

    pub(super) fn unknown(&mut self, rule: &str, place: &Place, why: &str) {
        self.unknown.push(format!("rule `{rule}` ({place}): {why}"));
    }

    pub(super) fn needs(self) -> Needs {
        let mut needs = Needs {
            unknown: self.unknown,
            ..Needs::default()
        };
        for (matchers, windows) in self.found {
            let is_written = matchers.iter().any(|m| {
                m.name == METRIC_NAME
                    && m.op == MatchOp::Equal
                    && self.written.contains(m.value.as_str())
            });
            let into = if is_written {
                &mut needs.recorded
            } else {
                &mut needs.selectors
            };
            into.extend(split(&matchers, &windows));
        }
        needs
    }
}

/// One need for each time that moves with the evaluation; the fixed ones are the first's.
fn split(matchers: &[Matcher], windows: &[Window]) -> Vec<Need> {
    let of = |base| {
        let since = |time| Timestamp::EPOCH + time;
        let windows = windows.iter().filter(|window| window.base == base);
        apart(windows.map(|w| (since(w.after), since(w.until))).collect())
    };
    let mut moving = of(Base::Evaluation);
    if moving.is_empty() {
        moving.push((Timestamp::EPOCH, Timestamp::EPOCH));
    }
    let mut fixed = of(Base::Epoch);
    let text = selector_text(matchers);
    // The newest first.
    let needs = moving.into_iter().rev().map(|(after, until)| Need {
        matchers: matchers.to_vec(),
        text: text.clone(),
        before: Timestamp::EPOCH.since(after),
        after: until.since(Timestamp::EPOCH),
        fixed: std::mem::take(&mut fixed),
    });
    needs.collect()
}

/// The same ranges in order, those that touch put together.
pub(super) fn apart(mut ranges: Vec<(Timestamp, Timestamp)>) -> Vec<(Timestamp, Timestamp)> {
    ranges.sort_unstable();
    let mut apart: Vec<(Timestamp, Timestamp)> = Vec::with_capacity(ranges.len());
    for (after, until) in ranges {
        match apart.last_mut() {
            Some(last) if after <= last.1 => last.1 = last.1.max(until),
            _ => apart.push((after, until)),
        }
    }
    apart
}
