//! When people sleep.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Timelike as _};
use chrono_tz::Tz;
use stentor_lang::model::Timestamp;

/// From one time of day to another, over midnight where the second is the earlier one; in minutes
/// since midnight. The end does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Night {
    from: u32,
    to: u32,
}

impl Night {
    /// Whether clocks in that zone show a time of the night.
    pub fn contains(self, at: Timestamp, timezone: Tz) -> bool {
        let Some(time) = DateTime::from_timestamp_millis(at.millis()) else {
            return false;
        };
        let minute = time.with_timezone(&timezone).num_seconds_from_midnight() / 60;
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

impl FromStr for Night {
    type Err = String;

    /// Reads `22:00-07:00`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected a night such as 22:00-07:00, found `{text}`");
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let (from, to) = (
            minute(from).ok_or_else(wrong)?,
            minute(to).ok_or_else(wrong)?,
        );
        if from == to {
            return Err(format!("the night `{text}` ends when it begins"));
        }
        Ok(Self { from, to })
    }
}

/// `07:30`, up to `24:00`.
fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |text: &str| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= 24 * 60).then_some(minute)
}

impl fmt::Display for Night {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            to / 60,
            to % 60
        )
    }
}
