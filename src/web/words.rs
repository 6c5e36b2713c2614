//! Times, spans and numbers as people read them on a page, and what makes foreign text safe to look at.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use stentor_lang::model::{Duration, Labels, METRIC_NAME, Timestamp};

/// The time of day in UTC: `14:02:15`.
pub(super) fn clock(at: Timestamp) -> String {
    written(at, "%H:%M:%S")
}

/// The day and the time in UTC: `24 Nov 14:02:15`.
pub(super) fn moment(at: Timestamp) -> String {
    written(at, "%-d %b %H:%M:%S")
}

/// The day: `24 November 2026`.
pub(super) fn day(at: Timestamp) -> String {
    written(at, "%-d %B %Y")
}

/// A time in a format of `chrono`; milliseconds where it has no calendar.
pub(super) fn written(at: Timestamp, format: &str) -> String {
    match DateTime::<Utc>::from_timestamp_millis(at.millis()) {
        Some(time) => time.format(format).to_string(),
        None => format!("{} ms", at.millis()),
    }
}

/// A span in its two largest units: `2m 15s`, `3h 5m`, `450ms`.
pub(super) fn span(span: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
    ];
    let sign = if span.millis() < 0 { "−" } else { "" };
    let millis = span.millis().unsigned_abs();
    let Some(first) = UNITS.iter().position(|(_, unit)| millis >= *unit) else {
        return format!("{sign}{millis}ms");
    };
    let (name, unit) = UNITS[first];
    let mut text = format!("{sign}{}{name}", millis / unit);
    if let Some((name, smaller)) = UNITS.get(first + 1) {
        let rest = millis % unit / smaller;
        if rest > 0 {
            let _ = write!(text, " {rest}{name}");
        }
    }
    text
}

/// A number with up to four digits and a unit of thousands: `26.04 M`, `0.45`, `−3.2 k`.
pub(super) fn number(value: f64) -> String {
    const UNITS: [(f64, &str); 6] = [
        (1e15, " P"),
        (1e12, " T"),
        (1e9, " G"),
        (1e6, " M"),
        (1e3, " k"),
        (1.0, ""),
    ];
    if !value.is_finite() {
        return stentor_lang::model::number::format_g(value).replace('-', "−");
    }
    let magnitude = value.abs();
    let sign = if value < 0.0 { "−" } else { "" };
    if magnitude == 0.0 {
        return "0".to_owned();
    }
    // a thousandth, and below it powers of ten; beyond a thousand P too
    if !(1e-3..1e18).contains(&magnitude) {
        return format!("{sign}{magnitude:.2e}");
    }
    // what rounds up to a thousand is one of the next unit
    let (unit, name) = *UNITS
        .iter()
        .find(|(unit, _)| magnitude >= 0.999_95 * unit)
        .unwrap_or(&UNITS[5]);
    let scaled = magnitude / unit;
    let decimals = match scaled {
        _ if scaled >= 999.95 => 0,
        _ if scaled >= 99.995 => 1,
        _ if scaled >= 9.9995 => 2,
        _ if scaled >= 0.99995 => 3,
        _ if scaled >= 0.1 => 4,
        _ if scaled >= 0.01 => 5,
        _ => 6,
    };
    let text = format!("{scaled:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{sign}{text}{name}")
}

/// A number in a sentence: as [`number`], but in full below ten thousand.
pub(super) fn reading(value: f64) -> String {
    if value.fract() != 0.0 && (1e3..1e4).contains(&value.abs()) {
        return reading(value.round());
    }
    if (1e3..1e4).contains(&value.abs()) {
        return format!("{value:.0}").replace('-', "−");
    }
    number(value)
}

/// A count with a thin space between thousands: `12 900 000`.
pub(super) fn count(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `1 page`, `2 pages`
pub(super) fn plural(number: usize, one: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {one}{s}", count(number))
}

/// Labels without the alert's name and severity, which pages show elsewhere.
pub(super) fn own_labels(labels: &Labels) -> Vec<(&str, &str)> {
    let shown = |name: &str| !matches!(name, METRIC_NAME | "alertname" | "severity");
    labels.iter().filter(|(name, _)| shown(name)).collect()
}

/// A page in which no character is left that would change how the text around it reads: controls, and those that
/// turn its direction around, stand there as `[U+202E]`. Goes over the finished page, so that no value is
/// forgotten.
pub(super) fn visible(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    for char in page.chars() {
        match char {
            '\n' | '\t' => text.push(char),
            '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => {
                let _ = write!(text, "[U+{:04X}]", u32::from(char));
            }
            char => text.push(char),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units_of_thousands() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.45, "0.45"),
            (0.001, "0.001"),
            (0.002_5, "0.0025"),
            (0.012_345_6, "0.01235"),
            (0.000_25, "2.50e-4"),
            (999.96, "1 k"),
            (12.345_6, "12.35"),
            (500.0, "500"),
            (4_500.0, "4.5 k"),
            (50_000.0, "50 k"),
            (999_999.0, "1 M"),
            (26_041_233.0, "26.04 M"),
            (-3_200.0, "−3.2 k"),
            (1e300, "1.00e300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "−Inf"),
        ] {
            assert_eq!(number(value), text, "{value}");
        }
    }

    #[test]
    fn readings_are_in_full_below_ten_thousand() {
        for (value, text) in [
            (1_278.4, "1278"),
            (-8_412.0, "−8412"),
            (9_999.7, "10 k"),
            (999.0, "999"),
            (26_041_233.0, "26.04 M"),
        ] {
            assert_eq!(reading(value), text, "{value}");
        }
    }

    #[test]
    fn spans_have_their_two_largest_units() {
        for (millis, text) in [
            (0, "0ms"),
            (450, "450ms"),
            (15_000, "15s"),
            (135_000, "2m 15s"),
            (120_000, "2m"),
            (3_605_000, "1h"),
            (90_000_000, "1d 1h"),
            (-61_000, "−1m 1s"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn times_are_utc_and_may_be_absurd() {
        assert_eq!(clock(Timestamp::from_millis(1_500)), "00:00:01");
        assert_eq!(moment(Timestamp::EPOCH), "1 Jan 00:00:00");
        assert_eq!(day(Timestamp::EPOCH), "1 January 1970");
        assert!(clock(Timestamp::from_millis(i64::MAX)).ends_with(" ms"));
    }

    #[test]
    fn what_hides_is_made_visible() {
        assert_eq!(visible("a\u{202e}b\u{1b}[1m\n"), "a[U+202E]b[U+001B][1m\n");
        assert_eq!(count(12_900_000), "12\u{202f}900\u{202f}000");
        assert_eq!(visible(&plural(2, "page")), "2 pages");
    }
}
