//! The life of one alert, from the slot in which its condition began to hold to the one in which it
//! ended.

use stentor_lang::model::{LabelMap, Labels, Timestamp};

use super::{State, Timeline, Transition};

/// One alert from its beginning to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// Whose alert: an index into [`Timeline::rules`].
    pub rule: usize,
    /// Its labels before external ones.
    pub labels: Labels,
    /// The slot in which the condition began to hold.
    pub active_at: Timestamp,
    /// The slot in which it began to fire, if it did.
    pub fired_at: Option<Timestamp>,
    /// The slot in which it was no longer active; `None` if it was at the end of the run.
    pub ended_at: Option<Timestamp>,
    /// The value at its last change of state.
    pub value: f64,
}

impl Timeline {
    /// All episodes, by the time of their beginning; among equals in the order of the rules and labels.
    pub fn episodes(&self) -> Vec<Episode> {
        let mut open: Vec<LabelMap<usize>> = vec![LabelMap::default(); self.rules.len()];
        let mut episodes: Vec<Episode> = Vec::new();
        for transition in &self.transitions {
            let of_rule = &mut open[transition.rule];
            match (of_rule.get(&transition.labels).copied(), transition.to) {
                (None, State::Inactive) => {}
                (None, _) => {
                    of_rule.insert(transition.labels.clone(), episodes.len());
                    episodes.push(Episode::new(transition));
                }
                (Some(index), to) => {
                    let episode = &mut episodes[index];
                    episode.value = transition.value;
                    match to {
                        State::Firing => {
                            episode.fired_at.get_or_insert(transition.at);
                        }
                        State::Pending => {}
                        State::Inactive => {
                            episode.ended_at = Some(transition.at);
                            of_rule.swap_remove(&transition.labels);
                        }
                    }
                }
            }
        }
        episodes.sort_by(|a, b| {
            let key = |episode: &Episode| (episode.active_at, episode.rule);
            key(a).cmp(&key(b)).then_with(|| a.labels.cmp(&b.labels))
        });
        episodes
    }
}

impl Episode {
    fn new(first: &Transition) -> Self {
        Self {
            rule: first.rule,
            labels: first.labels.clone(),
            active_at: first.at,
            fired_at: (first.to == State::Firing).then_some(first.at),
            ended_at: None,
            value: first.value,
        }
    }
}
