//! What a rule's answers are worth: the gap table of the design. A rule is blind from its first
//! failed slot to its first full success, and for a while after that an alert that is missing from
//! the answer may still be missing because of the outage.

use serde::{Deserialize, Serialize};
use stentor_lang::model::{Duration, Timestamp};

/// The longest time after a blind spell in which absence is not believed: the usual look-back of
/// five minutes, after which a hole in the data no longer hides a series.
pub const MAX_SETTLE: Duration = Duration::from_mins(5);

/// What a slot brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A whole answer.
    All,
    /// An answer that may lack series.
    Part,
    /// No answer, or one that the rule could not take.
    Nothing,
}

/// How well a rule sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sight {
    /// The first slot of the blind spell that lasts.
    pub blind_since: Option<Timestamp>,
    /// Until this slot absence is not believed, after a blind spell that ended.
    pub settle_until: Option<Timestamp>,
}

impl Sight {
    /// How the rule sees after slot `at`.
    #[must_use]
    pub fn after(self, seen: Seen, at: Timestamp) -> Self {
        match (seen, self.blind_since) {
            (Seen::All, None) => Self {
                // After a clock that was stepped back the end may lie far in the future.
                settle_until: self
                    .settle_until
                    .map(|until| until.min(at + MAX_SETTLE))
                    .filter(|until| at < *until),
                ..self
            },
            (Seen::All, Some(since)) => {
                let spell = at.since(since).min(MAX_SETTLE);
                let before = self.settle_until.map(|until| until.min(at + MAX_SETTLE));
                Self {
                    blind_since: None,
                    settle_until: before.max(Some(at + spell)),
                }
            }
            (Seen::Part | Seen::Nothing, since) => Self {
                blind_since: Some(since.unwrap_or(at).min(at)),
                ..self
            },
        }
    }

    /// Whether an alert that the answer of slot `at` lacks has really gone. To be asked of the
    /// sight *after* that slot.
    pub fn believes_absence(self, at: Timestamp) -> bool {
        self.blind_since.is_none() && self.settle_until.is_none_or(|until| at >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A letter a minute: `a`ll, `p`art, `n`othing; for each whether absence is believed.
    #[track_caller]
    fn check(letters: &str, expected: &str) {
        let mut sight = Sight::default();
        let mut believed = String::new();
        for (minute, letter) in (0..).zip(letters.chars()) {
            let seen = match letter {
                'a' => Seen::All,
                'p' => Seen::Part,
                _ => Seen::Nothing,
            };
            let at = Timestamp::from_millis(minute * 60_000);
            sight = sight.after(seen, at);
            believed.push(if sight.believes_absence(at) { 'y' } else { '-' });
        }
        assert_eq!(believed, expected, "{letters}");
    }

    #[test]
    fn absence_is_believed_only_of_whole_answers() {
        check("aaa", "yyy");
        check("ppp", "---");
        check("nnn", "---");
    }

    #[test]
    fn after_a_blind_spell_absence_settles_as_long_as_it_was_at_most_five_minutes() {
        check("anaaa", "y--yy");
        check("annnaaaaa", "y------yy");
        check("appaaaa", "y----yy");
        check("nnnnnnnnnnaaaaaaa", "---------------yy");
        check("annnanaaaa", "y------yyy");
    }
}
