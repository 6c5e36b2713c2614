//! Instants and spans as Go prints them.

use std::fmt::{self, Write as _};

use chrono::{DateTime, Utc};

/// An instant in UTC: Go's `time.Time` as `toTime` makes it, in milliseconds since the epoch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct GoTime(pub(super) i64);

impl GoTime {
    /// For the calendar; the epoch where the calendar does not reach.
    pub(super) fn date(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }

    /// The instant of a number of seconds, or why there is none.
    pub(super) fn from_seconds(seconds: f64) -> Result<Self, TimeError> {
        if !seconds.is_finite() {
            return Err(TimeError::NotFinite);
        }
        let nanos = seconds * 1e9;
        // The same comparison as Go's: the bounds are rounded to floats.
        #[expect(clippy::cast_precision_loss, reason = "as in Go")]
        let (min, max) = (i64::MIN as f64, i64::MAX as f64);
        if nanos > max || nanos < min {
            return Err(TimeError::Overflow(seconds));
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounds are checked above")]
        let nanos = nanos as i64;
        Ok(Self(nanos / 1_000_000))
    }
}

/// Why a number is no instant.
pub(super) enum TimeError {
    NotFinite,
    Overflow(f64),
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite => f.write_str("value is NaN or Inf"),
            Self::Overflow(seconds) => write!(
                f,
                "{} cannot be represented as a nanoseconds timestamp since it overflows int64",
                crate::model::number::format_g(*seconds)
            ),
        }
    }
}

impl fmt::Display for GoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date().format("%Y-%m-%d %H:%M:%S"))?;
        let millis = self.0.rem_euclid(1000);
        if millis > 0 {
            write!(f, ".{}", format!("{millis:03}").trim_end_matches('0'))?;
        }
        f.write_str(" +0000 UTC")
    }
}

/// A span in nanoseconds as Go's `time.Duration` prints: `1h0m0.5s`, `1.5ms`, `0s`.
pub(super) fn duration(nanos: i64) -> String {
    let mut out = String::new();
    if nanos < 0 {
        out.push('-');
    }
    let size = nanos.unsigned_abs();
    let (unit, name) = match size {
        0 => return "0s".to_owned(),
        1..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let mut whole = size / unit;
    if unit == 1_000_000_000 {
        let (hours, minutes) = (whole / 3600, whole / 60 % 60);
        if hours > 0 {
            let _ = write!(out, "{hours}h");
        }
        if whole >= 60 {
            let _ = write!(out, "{minutes}m");
        }
        whole %= 60;
    }
    let _ = write!(out, "{whole}");
    if !size.is_multiple_of(unit) {
        let width = unit.ilog10() as usize;
        let fraction = format!("{:0width$}", size % unit);
        let _ = write!(out, ".{}", fraction.trim_end_matches('0'));
    }
    out + name
}
