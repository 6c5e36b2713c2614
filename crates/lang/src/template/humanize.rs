//! Numbers for people: the `humanize` family of Prometheus and of its common library.

use super::float;
use super::time::{GoTime, TimeError};

/// Go's `%.4g`.
fn four_digits(value: f64) -> String {
    float::format(value, 'g', Some(4))
}

fn scaled_up(mut value: f64, step: f64, units: &[&'static str]) -> String {
    let mut unit = "";
    for next in units {
        if value.abs() < step {
            break;
        }
        unit = next;
        value /= step;
    }
    four_digits(value) + unit
}

fn scaled_down(mut value: f64, suffix: &str) -> String {
    let mut unit = "";
    for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        unit = next;
        value *= 1000.0;
    }
    four_digits(value) + unit + suffix
}

/// `humanize`: metric prefixes.
pub(super) fn metric(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return four_digits(value);
    }
    if value.abs() >= 1.0 {
        return scaled_up(value, 1000.0, &["k", "M", "G", "T", "P", "E", "Z", "Y"]);
    }
    scaled_down(value, "")
}

/// `humanize1024`: binary prefixes.
pub(super) fn binary(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return four_digits(value);
    }
    scaled_up(
        value,
        1024.0,
        &["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"],
    )
}

/// `humanizePercentage`: a ratio in per cent.
pub(super) fn percentage(value: f64) -> String {
    four_digits(value * 100.0) + "%"
}

/// `humanizeDuration`: a number of seconds.
pub(super) fn duration(value: f64) -> String {
    if !value.is_finite() {
        return four_digits(value);
    }
    if value == 0.0 {
        return four_digits(value) + "s";
    }
    if value.abs() < 1.0 {
        return scaled_down(value, "s");
    }
    let sign = if value < 0.0 { "-" } else { "" };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "larger than any time that is meant"
    )]
    let whole = value.abs() as i64;
    let (seconds, minutes) = (whole % 60, whole / 60 % 60);
    let (hours, days) = (whole / 3600 % 24, whole / 86_400);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", four_digits(value.abs()))
    }
}

/// `humanizeTimestamp`: seconds since the epoch as a date.
pub(super) fn timestamp(value: f64) -> Result<String, String> {
    match GoTime::from_seconds(value) {
        Ok(time) => Ok(time.to_string()),
        Err(TimeError::NotFinite) => Ok(four_digits(value)),
        Err(error) => Err(error.to_string()),
    }
}
