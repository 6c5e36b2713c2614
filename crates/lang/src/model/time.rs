//! Milliseconds: instants since the Unix epoch, and spans of time in Prometheus' notation.

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use super::labels::quote;

/// An instant: milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A span of time in milliseconds; negative where a language allows it (`offset -5m`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(i64);

impl Timestamp {
    /// The epoch.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch, with the milliseconds as fraction.
    #[expect(clippy::cast_precision_loss, reason = "exact below the year 285,000")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The time since `earlier`; negative where `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }

    /// A time as Prometheus' API reads it: seconds since the epoch, rounded to milliseconds, or RFC 3339.
    pub fn parse(text: &str) -> Option<Self> {
        /// What a timestamp holds at most, in seconds.
        const FARTHEST: f64 = 9.2e15;
        if let Ok(seconds) = text.parse::<f64>() {
            if seconds.abs() > FARTHEST || seconds.is_nan() {
                return None;
            }
            #[expect(clippy::cast_possible_truncation, reason = "bounded by FARTHEST")]
            let (whole, millis) = (
                seconds.trunc() as i64,
                (seconds.fract() * 1000.0).round() as i64,
            );
            return Some(Self(whole * 1000 + millis));
        }
        let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
        Some(Self(time.timestamp_millis()))
    }

    /// RFC 3339 in UTC with as many fractional digits as needed, as Go's `RFC3339Nano` prints.
    pub fn rfc3339(self) -> String {
        let Some(time) = chrono::DateTime::from_timestamp_millis(self.0) else {
            return format!("{}ms", self.0);
        };
        let whole = time.format("%Y-%m-%dT%H:%M:%S");
        match self.0.rem_euclid(1000) {
            0 => format!("{whole}Z"),
            millis => format!("{whole}.{}Z", format!("{millis:03}").trim_end_matches('0')),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// The units of Prometheus' duration notation, largest first: name and milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Go's time.Duration holds nanoseconds in 64 bits, and so Prometheus refuses anything longer.
const LONGEST_MILLIS: i64 = i64::MAX / 1_000_000;

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds * 1000)
    }

    /// From minutes.
    pub const fn from_mins(minutes: i64) -> Self {
        Self(minutes * 60_000)
    }

    /// From hours.
    pub const fn from_hours(hours: i64) -> Self {
        Self(hours * 3_600_000)
    }

    /// Milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Seconds, with the milliseconds as fraction.
    #[expect(clippy::cast_precision_loss, reason = "exact below 285,000 years")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Whether it is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `times` as long, saturating.
    #[must_use]
    pub const fn times(self, times: i64) -> Self {
        Self(self.0.saturating_mul(times))
    }

    /// For the standard library's timers; negative becomes zero.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }

    /// Reads `1h30m`, as Prometheus does in rule files and configurations: units `y w d h m s ms`
    /// from large to small, each at most once, whole numbers, or a bare `0`
    /// (`model.ParseDuration` of prometheus/common).
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "0" {
            return Ok(Self::ZERO);
        }
        if text.is_empty() {
            return Err("empty duration string".to_owned());
        }
        let refuse = || format!("not a valid duration string: {}", quote(text));
        let mut rest = text;
        let mut units = UNITS.iter();
        let mut total = 0_i64;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let letters = rest[digits..]
                .bytes()
                .take_while(|b| !b.is_ascii_digit())
                .count();
            let number: i64 = rest[..digits].parse().map_err(|_| refuse())?;
            let unit = &rest[digits..digits + letters];
            if letters > 0 && !UNITS.iter().any(|(name, _)| *name == unit) {
                let (unit, text) = (quote(unit), quote(text));
                return Err(format!("unknown unit {unit} in duration {text}"));
            }
            let (_, millis) = units.find(|(name, _)| *name == unit).ok_or_else(refuse)?;
            total = number
                .checked_mul(*millis)
                .and_then(|part| total.checked_add(part))
                .filter(|total| *total <= LONGEST_MILLIS)
                .ok_or_else(|| "duration out of range".to_owned())?;
            rest = &rest[digits + letters..];
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Duration {
    /// As Prometheus prints: `1h30m`, `0s`; weeks and years only where they divide evenly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        for (name, millis) in UNITS {
            let millis = millis.unsigned_abs();
            let exact_only = matches!(name, "y" | "w");
            if exact_only && !rest.is_multiple_of(millis) {
                continue;
            }
            if rest >= millis {
                write!(f, "{}{name}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by.0))
    }
}
impl AddAssign<Duration> for Timestamp {
    fn add_assign(&mut self, by: Duration) {
        *self = *self + by;
    }
}
impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by.0))
    }
}
impl SubAssign<Duration> for Timestamp {
    fn sub_assign(&mut self, by: Duration) {
        *self = *self - by;
    }
}
impl Sub for Timestamp {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}
impl Add for Duration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}
impl Sub for Duration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}
impl Neg for Duration {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, millis: i64, printed: &str) {
        let parsed = Duration::parse(text).expect(text);
        assert_eq!(parsed.millis(), millis, "{text}");
        assert_eq!(parsed.to_string(), printed, "{text}");
    }

    #[test]
    fn durations_read_and_print_as_prometheus_does() {
        check("0", 0, "0s");
        check("0s", 0, "0s");
        check("324ms", 324, "324ms");
        check("3s", 3000, "3s");
        check("5m", 300_000, "5m");
        check("1h", 3_600_000, "1h");
        check("4d", 4 * 86_400_000, "4d");
        check("4d1h", 4 * 86_400_000 + 3_600_000, "4d1h");
        check("14d", 14 * 86_400_000, "2w");
        check("3w2d1h", (23 * 24 + 1) * 3_600_000, "23d1h");
        check("10y", 3650 * 86_400_000, "10y");
        check("8w5d", 61 * 86_400_000, "61d");
        check("90m", 5_400_000, "1h30m");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "1",
            "1y1m1d",
            "-1w",
            "1.5d",
            "d",
            "294y",
            "200y10400w",
            "107675d",
            "2584200h",
            "5m5m",
        ] {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_seconds_or_rfc3339() {
        let millis = |text| Timestamp::parse(text).map(Timestamp::millis);
        assert_eq!(millis("1435781451.7815"), Some(1_435_781_451_782));
        assert_eq!(millis("-1.5"), Some(-1500));
        assert_eq!(millis("2015-07-01T20:10:51.781Z"), Some(1_435_781_451_781));
        assert_eq!(millis("2015-07-01T22:10:51+02:00"), Some(1_435_781_451_000));
        for text in ["", "yesterday", "NaN", "1e300", "inf", "2015-07-01"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    #[test]
    fn timestamps_print_as_rfc3339_nano() {
        assert_eq!(
            Timestamp::from_millis(0).to_string(),
            "1970-01-01T00:00:00Z"
        );
        assert_eq!(
            Timestamp::from_millis(1_500).to_string(),
            "1970-01-01T00:00:01.5Z"
        );
        assert_eq!(
            Timestamp::from_millis(-1).to_string(),
            "1969-12-31T23:59:59.999Z"
        );
    }
}
