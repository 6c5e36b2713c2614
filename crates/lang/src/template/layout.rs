//! Go's layouts of times, `Mon Jan 2 15:04:05 MST 2006`, for times in UTC.

use chrono::{DateTime, Datelike, Timelike, Utc};

/// What is written for a piece of a layout.
type Show = fn(DateTime<Utc>) -> String;

/// The pieces of a layout, longest first where one begins another.
const PIECES: &[(&str, Show)] = &[
    ("January", |t| t.format("%B").to_string()),
    ("Jan", |t| t.format("%b").to_string()),
    ("Monday", |t| t.format("%A").to_string()),
    ("Mon", |t| t.format("%a").to_string()),
    ("MST", |_| "UTC".to_owned()),
    ("01", |t| format!("{:02}", t.month())),
    ("02", |t| format!("{:02}", t.day())),
    ("03", |t| format!("{:02}", hour12(t))),
    ("04", |t| format!("{:02}", t.minute())),
    ("05", |t| format!("{:02}", t.second())),
    ("06", |t| format!("{:02}", t.year().rem_euclid(100))),
    ("002", |t| format!("{:03}", t.ordinal())),
    ("15", |t| format!("{:02}", t.hour())),
    ("1", |t| t.month().to_string()),
    ("2006", |t| format!("{:04}", t.year())),
    ("2", |t| t.day().to_string()),
    ("_2", |t| format!("{:2}", t.day())),
    ("__2", |t| format!("{:3}", t.ordinal())),
    ("3", |t| hour12(t).to_string()),
    ("4", |t| t.minute().to_string()),
    ("5", |t| t.second().to_string()),
    ("PM", |t| {
        if t.hour() >= 12 { "PM" } else { "AM" }.to_owned()
    }),
    ("pm", |t| {
        if t.hour() >= 12 { "pm" } else { "am" }.to_owned()
    }),
    ("-070000", |_| "+000000".to_owned()),
    ("-07:00:00", |_| "+00:00:00".to_owned()),
    ("-0700", |_| "+0000".to_owned()),
    ("-07:00", |_| "+00:00".to_owned()),
    ("-07", |_| "+00".to_owned()),
    ("Z070000", |_| "Z".to_owned()),
    ("Z07:00:00", |_| "Z".to_owned()),
    ("Z0700", |_| "Z".to_owned()),
    ("Z07:00", |_| "Z".to_owned()),
    ("Z07", |_| "Z".to_owned()),
];

fn hour12(time: DateTime<Utc>) -> u32 {
    match time.hour() % 12 {
        0 => 12,
        hour => hour,
    }
}

/// A time in the form of a layout.
pub(super) fn format(time: DateTime<Utc>, layout: &str) -> String {
    let mut out = String::with_capacity(layout.len() + 8);
    let mut rest = layout;
    while let Some(c) = rest.chars().next() {
        if let Some((digits, trimmed)) = fraction(rest) {
            let nanos = format!("{:09}", time.nanosecond() % 1_000_000_000);
            let shown = nanos.get(..digits).unwrap_or(&nanos);
            let shown = if trimmed {
                shown.trim_end_matches('0')
            } else {
                shown
            };
            if !shown.is_empty() {
                out.push(c);
                out.push_str(shown);
            }
            rest = &rest[1 + digits..];
        } else if let Some((piece, show)) = piece(rest) {
            out.push_str(&show(time));
            rest = &rest[piece.len()..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// The piece at the start of a text.
fn piece(text: &str) -> Option<&'static (&'static str, Show)> {
    // `_2006` is an underscore and a year.
    if text.starts_with("_2006") {
        return None;
    }
    let fits = |piece: &&(&str, _)| match text.strip_prefix(piece.0) {
        // `Mont` is no `Mon`.
        Some(behind) if matches!(piece.0, "Jan" | "Mon") => {
            !behind.starts_with(|c: char| c.is_ascii_lowercase())
        }
        found => found.is_some(),
    };
    PIECES.iter().find(fits)
}

/// How many digits of a second stand at the start of a text, as `.000` or `,999`, and whether zeros
/// at their end are left out.
fn fraction(text: &str) -> Option<(usize, bool)> {
    let digits = text.strip_prefix(['.', ','])?;
    let digit = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let count = digits.len() - digits.trim_start_matches(digit).len();
    let ends = !digits[count..].starts_with(|c: char| c.is_ascii_digit());
    ends.then_some((count, digit == '9'))
}
