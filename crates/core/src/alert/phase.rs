//! The phases of one alert, and the one function that changes them.

use serde::{Deserialize, Serialize};
use stentor_lang::model::{Duration, Timestamp};

/// How long a resolved alert is remembered (Prometheus' `resolvedRetention`).
pub const RESOLVED_RETENTION: Duration = Duration::from_mins(15);

/// Where an alert stands. An alert without a phase is inactive and not remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Its condition holds, for less than the rule's `for`.
    Pending {
        /// The slot since which the condition holds.
        active_at: Timestamp,
    },
    /// Its condition has held for the rule's `for`.
    Firing {
        /// The slot since which the condition holds.
        active_at: Timestamp,
        /// The slot since which it fires.
        fired_at: Timestamp,
        /// The slot since which the condition no longer holds, while `keep_firing_for` lasts.
        absent_since: Option<Timestamp>,
    },
    /// It fired and ended.
    Resolved {
        /// The slot since which it fired.
        fired_at: Timestamp,
        /// The slot at which it ended.
        resolved_at: Timestamp,
    },
}

impl Phase {
    /// Pending or firing.
    pub const fn is_active(&self) -> bool {
        !matches!(self, Self::Resolved { .. })
    }

    /// Firing.
    pub const fn is_firing(&self) -> bool {
        matches!(self, Self::Firing { .. })
    }

    /// The slot at which it began.
    pub const fn since(&self) -> Timestamp {
        match self {
            Self::Pending { active_at } => *active_at,
            Self::Firing { fired_at, .. } => *fired_at,
            Self::Resolved { resolved_at, .. } => *resolved_at,
        }
    }

    /// The word that APIs and logs use: `pending`, `firing`, or `inactive` for a resolved alert.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Firing { .. } => "firing",
            Self::Resolved { .. } => "inactive",
        }
    }
}

/// What an evaluation says of an alert's condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The answer has it.
    Present,
    /// The answer does not have it, and the answer is to be believed.
    Absent,
    /// There is no answer, or none whose gaps can be believed.
    Unknown,
}

/// The times of a rule that decide about phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    /// `for`: how long a condition must hold before the alert fires.
    pub hold: Duration,
    /// How long the alert goes on firing without its condition.
    pub keep_firing_for: Duration,
}

/// The phase after the evaluation of slot `at`; `None` where nothing is to be remembered.
///
/// This is Prometheus' `AlertingRule.Eval`, with two differences: what is unknown changes nothing,
/// and a firing alert never goes back to pending (there a raised `for` or a clock that was stepped
/// back does that). A pending alert whose `active_at` lies in the future, after such a step,
/// begins anew.
pub fn step(
    rule: Holds,
    before: Option<Phase>,
    presence: Presence,
    at: Timestamp,
) -> Option<Phase> {
    use Phase::{Firing, Pending, Resolved};
    use Presence::{Absent, Present, Unknown};
    match (before, presence) {
        (before, Unknown) => before,
        (None | Some(Resolved { .. }), Present) => Some(pend(rule, at, at)),
        (Some(Pending { active_at }), Present) => Some(pend(rule, active_at.min(at), at)),
        (
            Some(Firing {
                active_at,
                fired_at,
                ..
            }),
            Present,
        ) => Some(Firing {
            active_at,
            fired_at,
            absent_since: None,
        }),
        (None | Some(Pending { .. }), Absent) => None,
        (
            Some(Firing {
                active_at,
                fired_at,
                absent_since,
            }),
            Absent,
        ) => {
            let since = absent_since.unwrap_or(at).min(at);
            if at.since(since) < rule.keep_firing_for {
                Some(Firing {
                    active_at,
                    fired_at,
                    absent_since: Some(since),
                })
            } else {
                Some(Resolved {
                    fired_at,
                    resolved_at: at,
                })
            }
        }
        (resolved @ Some(Resolved { resolved_at, .. }), Absent) => {
            resolved.filter(|_| at.since(resolved_at) <= RESOLVED_RETENTION)
        }
    }
}

/// Pending, or firing at once where the condition has held long enough.
fn pend(rule: Holds, active_at: Timestamp, at: Timestamp) -> Phase {
    if at.since(active_at) >= rule.hold {
        Phase::Firing {
            active_at,
            fired_at: at,
            absent_since: None,
        }
    } else {
        Phase::Pending { active_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Presence::{Absent, Present, Unknown};

    const fn t(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * 60_000)
    }

    fn show(phase: Option<Phase>) -> String {
        let m = |at: Timestamp| at.millis() / 60_000;
        match phase {
            None => "-".to_owned(),
            Some(Phase::Pending { active_at }) => format!("pending({})", m(active_at)),
            Some(Phase::Firing {
                active_at,
                fired_at,
                absent_since,
            }) => {
                let absent = absent_since.map_or(String::new(), |at| format!(", absent {}", m(at)));
                format!("firing({}, {}{absent})", m(active_at), m(fired_at))
            }
            Some(Phase::Resolved {
                fired_at,
                resolved_at,
            }) => {
                format!("resolved({}, {})", m(fired_at), m(resolved_at))
            }
        }
    }

    /// One letter a minute: `p`resent, `a`bsent, `u`nknown; what each minute makes of the alert.
    #[track_caller]
    fn timeline(hold: i64, keep: i64, letters: &str, expected: &[&str]) {
        let rule = Holds {
            hold: Duration::from_mins(hold),
            keep_firing_for: Duration::from_mins(keep),
        };
        let mut phase = None;
        let mut seen = Vec::new();
        for (minute, letter) in (0..).zip(letters.chars()) {
            let presence = match letter {
                'p' => Present,
                'a' => Absent,
                _ => Unknown,
            };
            phase = step(rule, phase, presence, t(minute));
            seen.push(show(phase));
        }
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_condition_must_hold_for_its_time() {
        timeline(
            2,
            0,
            "pppa",
            &["pending(0)", "pending(0)", "firing(0, 2)", "resolved(2, 3)"],
        );
        timeline(
            2,
            0,
            "papp",
            &["pending(0)", "-", "pending(2)", "pending(2)"],
        );
        timeline(0, 0, "pa", &["firing(0, 0)", "resolved(0, 1)"]);
    }

    #[test]
    fn not_knowing_changes_nothing_and_counts_towards_for() {
        timeline(2, 0, "uup", &["-", "-", "pending(2)"]);
        timeline(
            2,
            0,
            "puup",
            &["pending(0)", "pending(0)", "pending(0)", "firing(0, 3)"],
        );
        timeline(
            0,
            0,
            "puua",
            &[
                "firing(0, 0)",
                "firing(0, 0)",
                "firing(0, 0)",
                "resolved(0, 3)",
            ],
        );
        timeline(
            0,
            2,
            "pauua",
            &[
                "firing(0, 0)",
                "firing(0, 0, absent 1)",
                "firing(0, 0, absent 1)",
                "firing(0, 0, absent 1)",
                "resolved(0, 4)",
            ],
        );
    }

    #[test]
    fn keep_firing_for_bridges_gaps() {
        timeline(
            0,
            2,
            "papaaa",
            &[
                "firing(0, 0)",
                "firing(0, 0, absent 1)",
                "firing(0, 0)",
                "firing(0, 0, absent 3)",
                "firing(0, 0, absent 3)",
                "resolved(0, 5)",
            ],
        );
    }

    #[test]
    fn a_resolved_alert_is_forgotten_or_begins_anew() {
        let rule = Holds {
            hold: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
        };
        let resolved = Some(Phase::Resolved {
            fired_at: t(0),
            resolved_at: t(1),
        });
        assert_eq!(step(rule, resolved, Absent, t(16)), resolved);
        assert_eq!(step(rule, resolved, Absent, t(17)), None);
        assert_eq!(step(rule, resolved, Unknown, t(99)), resolved);
        assert_eq!(show(step(rule, resolved, Present, t(2))), "firing(2, 2)");
    }

    /// Every phase, presence and time in a small space, against what must hold of each step.
    #[test]
    fn every_step_keeps_the_rules() {
        let phases = || {
            let times = || (0..6).map(t);
            let firing = times().flat_map(move |active_at| {
                times().flat_map(move |fired_at| {
                    [None, Some(t(2)), Some(t(4))].map(|absent_since| {
                        Some(Phase::Firing {
                            active_at,
                            fired_at,
                            absent_since,
                        })
                    })
                })
            });
            let resolved = times().map(|resolved_at| {
                Some(Phase::Resolved {
                    fired_at: t(0),
                    resolved_at,
                })
            });
            let pending = times().map(|active_at| Some(Phase::Pending { active_at }));
            pending.chain(firing).chain(resolved).chain([None])
        };
        let mut steps = 0;
        for hold in 0..3 {
            for keep in 0..3 {
                let rule = Holds {
                    hold: Duration::from_mins(hold),
                    keep_firing_for: Duration::from_mins(keep),
                };
                for before in phases() {
                    for at in (0..6).chain([40]).map(t) {
                        for presence in [Present, Absent, Unknown] {
                            let after = step(rule, before, presence, at);
                            check(rule, before, presence, at, after);
                            steps += 1;
                        }
                    }
                }
            }
        }
        assert!(steps > 20_000, "the space was covered: {steps}");
    }

    #[track_caller]
    fn check(
        rule: Holds,
        before: Option<Phase>,
        presence: Presence,
        at: Timestamp,
        after: Option<Phase>,
    ) {
        let case = format!("{} {presence:?} at {at:?} -> {}", show(before), show(after));
        let fires = |phase: Option<Phase>| phase.is_some_and(|phase| phase.is_firing());
        let active = |phase: Option<Phase>| phase.is_some_and(|phase| phase.is_active());
        if presence == Unknown {
            assert_eq!(before, after, "{case}");
        }
        if presence == Present {
            assert!(active(after), "{case}");
            assert!(
                fires(after) || !fires(before),
                "no way back to pending: {case}"
            );
            assert!(fires(after) || !rule.hold.is_zero(), "{case}");
        }
        if presence == Absent && fires(after) {
            assert!(fires(before) && !rule.keep_firing_for.is_zero(), "{case}");
        }
        if presence == Absent && fires(before) && !fires(after) {
            assert!(
                matches!(after, Some(Phase::Resolved { resolved_at, .. }) if resolved_at == at)
            );
        }
        if let (Some(Phase::Pending { active_at }), true) = (after, presence == Present) {
            assert!(active_at <= at && at.since(active_at) < rule.hold, "{case}");
        }
        if let (
            false,
            Some(Phase::Firing {
                fired_at,
                active_at,
                ..
            }),
        ) = (fires(before), after)
        {
            assert_eq!(fired_at, at, "{case}");
            assert!(at.since(active_at) >= rule.hold, "{case}");
        }
    }
}
