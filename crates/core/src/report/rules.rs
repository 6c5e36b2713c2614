//! How often and for how long rules fired.

use stentor_lang::model::{Duration, Timestamp};

use super::RuleFigures;
use crate::timeline::{Episode, Timeline};

/// The figures of all rules, in their order.
pub(super) fn figures(timeline: &Timeline, episodes: &[Episode]) -> Vec<RuleFigures> {
    let mut of_rules: Vec<Vec<&Episode>> = vec![Vec::new(); timeline.rules.len()];
    for episode in episodes {
        of_rules[episode.rule].push(episode);
    }
    let figures = of_rules.iter().map(|episodes| one(episodes, timeline.end));
    figures.collect()
}

fn one(episodes: &[&Episode], end: Timestamp) -> RuleFigures {
    let count = |is: fn(&Episode) -> bool| episodes.iter().filter(|episode| is(episode)).count();
    let firing = episodes.iter().filter_map(|episode| {
        let fired_at = episode.fired_at?;
        Some((fired_at, episode.ended_at.unwrap_or(end)))
    });
    RuleFigures {
        fired: count(|episode| episode.fired_at.is_some()),
        firing_for: union(firing.collect()),
        never_fired: count(|episode| episode.fired_at.is_none() && episode.ended_at.is_some()),
        active_at_end: count(|episode| episode.ended_at.is_none()),
    }
}

/// How long at least one of the intervals lasts.
fn union(mut intervals: Vec<(Timestamp, Timestamp)>) -> Duration {
    intervals.sort();
    let mut total = 0;
    let mut covered = None;
    for (from, to) in intervals {
        let from = covered.map_or(from, |covered| from.max(covered));
        if to > from {
            total += to.since(from).millis();
            covered = Some(to);
        }
    }
    Duration::from_millis(total)
}
