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
