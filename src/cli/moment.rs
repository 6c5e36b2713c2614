//! Times and durations as people write them on a command line.

use std::str::FromStr;

use stentor_lang::model::{Duration, Timestamp};

/// A time, or one relative to the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    At(Timestamp),
    /// So long after the first sample.
    AfterFirst(Duration),
    /// So long before the last sample.
    BeforeLast(Duration),
}

impl FromStr for Moment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(at) = Timestamp::parse(text) {
            return Ok(Self::At(at));
        }
        let (unsigned, relative): (_, fn(Duration) -> Self) = match text.strip_prefix('-') {
            Some(rest) => (rest, Self::BeforeLast),
            None => (text.strip_prefix('+').unwrap_or(text), Self::AfterFirst),
        };
        Duration::parse(unsigned).map(relative).map_err(|_| {
            "expected seconds since 1970, RFC 3339, or a duration such as 5m or -5m".to_owned()
        })
    }
}

impl Moment {
    /// The instant, for samples from `first` to `last`.
    pub(crate) fn of(self, first: Timestamp, last: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::AfterFirst(by) => first + by,
            Self::BeforeLast(by) => {
                Timestamp::from_millis(last.millis().saturating_sub(by.millis()))
            }
        }
    }
}

/// A duration as Prometheus writes it, or a number of seconds.
pub(crate) fn step(text: &str) -> Result<Duration, String> {
    /// Some 285 years, as long as Prometheus can say.
    const LONGEST: f64 = 9e9;
    let step = match text.parse::<f64>() {
        #[expect(clippy::cast_possible_truncation, reason = "bounded by LONGEST")]
        Ok(seconds) if seconds.abs() <= LONGEST => {
            Duration::from_millis((seconds * 1000.0).round() as i64)
        }
        Ok(_) => return Err("too long".to_owned()),
        Err(_) => Duration::parse(text)?,
    };
    if step <= Duration::ZERO {
        return Err("expected more than nothing".to_owned());
    }
    Ok(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let read = |text: &str| text.parse::<Moment>().ok();
        let at = |millis| Some(Moment::At(Timestamp::from_millis(millis)));
        assert_eq!(read("90"), at(90_000));
        assert_eq!(read("-1.5"), at(-1500));
        assert_eq!(read("1970-01-01T00:00:01Z"), at(1000));
        assert_eq!(read("5m"), Some(Moment::AfterFirst(Duration::from_mins(5))));
        assert_eq!(
            read("+5m"),
            Some(Moment::AfterFirst(Duration::from_mins(5)))
        );
        assert_eq!(
            read("-5m"),
            Some(Moment::BeforeLast(Duration::from_mins(5)))
        );
        assert_eq!(read("noon"), None);
    }

    #[test]
    fn steps() {
        assert_eq!(step("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(step("1m30s"), Ok(Duration::from_secs(90)));
        for text in ["0", "-1", "x", "1e300", "NaN"] {
            assert!(step(text).is_err(), "{text}");
        }
    }
}
