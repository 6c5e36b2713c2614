//! How instants and spans are written for people.

use chrono::DateTime;
use chrono_tz::Tz;
use stentor_lang::model::{Duration, Timestamp};

/// How instants are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    synthetic: bool,
    timezone: Tz,
}

impl Clock {
    /// `synthetic` times count from the epoch, as those of scripts and tests do.
    pub(super) fn new(synthetic: bool, timezone: Tz) -> Self {
        Self {
            synthetic,
            timezone,
        }
    }

    /// `2026-11-24 03:10:15`, or `10m15s`. Parts of a second are left out: slots have them, and they
    /// tell nothing.
    pub(super) fn time(self, at: Timestamp) -> String {
        if self.synthetic {
            return span(at.since(Timestamp::EPOCH));
        }
        match DateTime::from_timestamp_millis(at.millis()) {
            Some(time) => time
                .with_timezone(&self.timezone)
                .format("%Y-%m-%d %H:%M:%S")
                .to_string(),
            None => at.to_string(),
        }
    }

    /// How wide times are in a column.
    pub(super) fn width(self) -> usize {
        if self.synthetic { 9 } else { 19 }
    }

    /// What the times are told in.
    pub(super) fn zone(self) -> &'static str {
        if self.synthetic {
            "after the epoch"
        } else {
            self.timezone.name()
        }
    }
}

/// Whole seconds, but for what is shorter than one.
pub(super) fn span(span: Duration) -> String {
    let millis = span.millis();
    if millis.abs() < 1000 {
        return span.to_string();
    }
    Duration::from_secs(millis / 1000).to_string()
}
