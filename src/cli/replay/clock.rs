//! How instants are written for people.

use stentor_lang::model::Timestamp;

/// How instants are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    synthetic: bool,
}

impl Clock {
    /// `synthetic` times count from the epoch, as those of scripts and tests do.
    pub(super) fn new(synthetic: bool) -> Self {
        Self { synthetic }
    }

    /// `2026-11-24 03:10:15`, or `10m15s`.
    pub(super) fn time(self, at: Timestamp) -> String {
        if self.synthetic && at >= Timestamp::EPOCH {
            return at.since(Timestamp::EPOCH).to_string();
        }
        at.rfc3339()
            .replace('T', " ")
            .trim_end_matches('Z')
            .to_owned()
    }

    /// What the times are told in.
    pub(super) fn zone(self) -> &'static str {
        if self.synthetic {
            "after the epoch"
        } else {
            "UTC"
        }
    }
}
