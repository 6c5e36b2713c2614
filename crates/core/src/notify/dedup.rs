//! Whether a receiver needs to hear of a group's state, given what it knows: Alertmanager's table
//! (`notify/dedup_stage.go`), with what an unanswered attempt leaves open, and with alerts that are
//! routed elsewhere now.

use std::sync::Arc;

use stentor_lang::model::{Duration, Timestamp};

use super::numbers::{Alerts, is_subset, none};
use super::record::{JobRow, ToldRow};
use crate::receiver::NotifyReason;

/// A group's state as one lane is to show it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    /// The alerts that fire.
    pub(super) firing: Alerts,
    /// Those of them that the receiver must know of: all, but for those routed elsewhere now.
    pub(super) asks: Alerts,
    /// The alerts that have ended.
    pub(super) resolved: Alerts,
}

/// What a receiver knows, or will know.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    pub(super) firing: Alerts,
    pub(super) maybe: Alerts,
    pub(super) resolved: Alerts,
    pub(super) at: Timestamp,
}

impl Known {
    /// By the notification log; `None` where there is no entry.
    pub(super) fn by(told: Option<&ToldRow>) -> Option<Self> {
        let told = told.filter(|told| told.is_open() || !told.resolved.is_empty())?;
        Some(Self {
            firing: Arc::clone(&told.firing),
            maybe: Arc::clone(&told.maybe),
            resolved: Arc::clone(&told.resolved),
            at: told.at,
        })
    }

    /// Once a job is delivered.
    pub(super) fn after(job: &JobRow, now: Timestamp) -> Self {
        Self {
            firing: Arc::clone(&job.firing),
            maybe: none(),
            resolved: Arc::clone(&job.resolved),
            at: now,
        }
    }
}

/// The reason to notify, if there is one.
pub(super) fn needs_update(
    known: Option<&Known>,
    state: &State,
    send_resolved: bool,
    repeat: Duration,
    now: Timestamp,
) -> Option<NotifyReason> {
    let Some(known) = known else {
        return (!state.asks.is_empty()).then_some(NotifyReason::FirstNotification);
    };
    if !is_subset(&state.asks, &known.firing) {
        return Some(if known.firing.is_empty() {
            NotifyReason::FirstNotification
        } else {
            NotifyReason::NewAlerts
        });
    }
    if state.firing.is_empty() {
        let open = !known.firing.is_empty() || !known.maybe.is_empty();
        return open.then_some(NotifyReason::AllResolved);
    }
    let told = !known.firing.is_empty();
    if told && send_resolved && !is_subset(&state.resolved, &known.resolved) {
        return Some(NotifyReason::SomeResolved);
    }
    let repeats = !state.asks.is_empty() && known.at < now - repeat;
    repeats.then_some(NotifyReason::RepeatInterval)
}

/// Whether this very state was refused for good, so recently that it is not tried again.
pub(super) fn is_refused(
    told: Option<&ToldRow>,
    state: &State,
    repeat: Duration,
    now: Timestamp,
) -> bool {
    told.and_then(|told| told.refused.as_ref())
        .is_some_and(|refused| {
            refused.firing == state.firing
                && refused.resolved == state.resolved
                && refused.at >= now - repeat
        })
}

#[cfg(test)]
mod tests {
    use super::super::numbers::AlertNo;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(100_000_000);
    const REPEAT: Duration = Duration::from_mins(10);

    fn set(numbers: &[u64]) -> Alerts {
        numbers.iter().copied().map(AlertNo).collect()
    }

    fn state(firing: &[u64], resolved: &[u64]) -> State {
        State {
            firing: set(firing),
            asks: set(firing),
            resolved: set(resolved),
        }
    }

    fn known(firing: &[u64], resolved: &[u64], minutes_ago: i64) -> Known {
        Known {
            firing: set(firing),
            maybe: none(),
            resolved: set(resolved),
            at: NOW - Duration::from_mins(minutes_ago),
        }
    }

    #[track_caller]
    fn check(
        known: impl Into<Option<Known>>,
        state: &State,
        send_resolved: bool,
        expected: Option<NotifyReason>,
    ) {
        let reason = needs_update(known.into().as_ref(), state, send_resolved, REPEAT, NOW);
        assert_eq!(reason, expected);
    }

    #[test]
    fn the_cases_of_alertmanagers_own_test() {
        use NotifyReason::{
            AllResolved, FirstNotification, NewAlerts, RepeatInterval, SomeResolved,
        };
        let (quiet, wants) = (false, true);
        check(
            None,
            &state(&[2, 3, 4], &[]),
            quiet,
            Some(FirstNotification),
        );
        check(None, &state(&[], &[2, 3, 4]), quiet, None);
        check(
            known(&[1, 2, 3], &[], 0),
            &state(&[2, 3, 4], &[]),
            quiet,
            Some(NewAlerts),
        );
        check(
            known(&[1, 2, 3], &[], 1000),
            &state(&[1, 2, 3], &[]),
            quiet,
            Some(RepeatInterval),
        );
        check(
            known(&[1, 2, 3], &[], 9),
            &state(&[1, 2, 3], &[]),
            quiet,
            None,
        );
        check(
            known(&[1, 2, 3], &[], 11),
            &state(&[1, 2, 3], &[]),
            quiet,
            Some(RepeatInterval),
        );
        check(
            known(&[], &[1, 2, 3], 11),
            &state(&[], &[3, 4, 5]),
            wants,
            None,
        );
        check(known(&[1, 2], &[3], 9), &state(&[1], &[2, 3]), quiet, None);
        check(
            known(&[1, 2], &[3], 9),
            &state(&[1], &[2, 3]),
            wants,
            Some(SomeResolved),
        );
        check(
            known(&[1, 2], &[3], 9),
            &state(&[], &[1, 2, 3]),
            quiet,
            Some(AllResolved),
        );
        check(
            known(&[1, 2], &[3], 9),
            &state(&[], &[1, 2, 3]),
            wants,
            Some(AllResolved),
        );
    }

    #[test]
    fn the_repeat_interval_must_have_passed_and_more() {
        let now = state(&[1], &[]);
        check(known(&[1], &[], 10), &now, true, None);
        let mut past = known(&[1], &[], 10);
        past.at -= Duration::from_millis(1);
        check(past, &now, true, Some(NotifyReason::RepeatInterval));
    }

    /// The table as Alertmanager writes it, over all sets of two alerts.
    fn alertmanagers(
        known: Option<&Known>,
        firing: &[u64],
        resolved: &[u64],
        send_resolved: bool,
    ) -> Option<NotifyReason> {
        let Some(known) = known else {
            return (!firing.is_empty()).then_some(NotifyReason::FirstNotification);
        };
        let within = |part: &[u64], whole: &Alerts| {
            part.iter()
                .all(|no| whole.iter().any(|other| other.0 == *no))
        };
        if !within(firing, &known.firing) {
            return Some(if known.firing.is_empty() {
                NotifyReason::FirstNotification
            } else {
                NotifyReason::NewAlerts
            });
        }
        if firing.is_empty() {
            return (!known.firing.is_empty()).then_some(NotifyReason::AllResolved);
        }
        if send_resolved && !within(resolved, &known.resolved) {
            return Some(NotifyReason::SomeResolved);
        }
        (known.at < NOW - REPEAT).then_some(NotifyReason::RepeatInterval)
    }

    #[test]
    fn all_small_cases() {
        let sets: [&[u64]; 4] = [&[], &[1], &[2], &[1, 2]];
        let mut entries = vec![None];
        for firing in sets {
            for resolved in sets {
                entries.extend([9, 11].map(|ago| Some(known(firing, resolved, ago))));
            }
        }
        for entry in entries {
            for firing in sets {
                for resolved in sets {
                    for send_resolved in [false, true] {
                        let expected =
                            alertmanagers(entry.as_ref(), firing, resolved, send_resolved);
                        check(
                            entry.clone(),
                            &state(firing, resolved),
                            send_resolved,
                            expected,
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn an_unanswered_attempt_counts_as_told_for_its_resolve_only() {
        let maybe = |firing: &[u64]| Known {
            maybe: set(&[2]),
            ..known(firing, &[], 1)
        };
        let again = Some(NotifyReason::FirstNotification);
        check(maybe(&[]), &state(&[2], &[]), true, again);
        check(
            maybe(&[]),
            &state(&[], &[2]),
            true,
            Some(NotifyReason::AllResolved),
        );
        check(
            maybe(&[1]),
            &state(&[1, 2], &[]),
            true,
            Some(NotifyReason::NewAlerts),
        );
        check(
            maybe(&[1]),
            &state(&[1], &[2]),
            true,
            Some(NotifyReason::SomeResolved),
        );
    }

    #[test]
    fn what_is_routed_elsewhere_asks_for_nothing_but_its_resolve() {
        let elsewhere = |firing: &[u64], resolved: &[u64]| State {
            asks: none(),
            ..state(firing, resolved)
        };
        check(None, &elsewhere(&[1], &[]), true, None);
        check(known(&[], &[], 1), &elsewhere(&[1], &[]), true, None);
        check(known(&[1], &[], 1000), &elsewhere(&[1], &[]), true, None);
        let some = Some(NotifyReason::SomeResolved);
        check(known(&[1, 2], &[], 1), &elsewhere(&[1], &[2]), true, some);
        let all = Some(NotifyReason::AllResolved);
        check(known(&[1], &[], 1), &elsewhere(&[], &[1]), true, all);
    }
}
