//! The values of literals: numbers in Go's notations, durations, quoted texts.

use crate::model::Duration;

/// Go's `time.Duration` counts nanoseconds in 64 bits; no duration is longer than this in seconds.
const LONGEST_SECONDS: f64 = 9_223_372_036.854_775;

/// Reads a number: first as an integer in any of Go's notations (`010` is octal), then as a decimal
/// fraction, as upstream does.
pub(super) fn number(text: &str) -> Result<f64, String> {
    if let Some(integer) = integer(text) {
        return Ok(integer);
    }
    let is_hex = text
        .get(..2)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"));
    let parsed = if is_hex {
        None
    } else {
        text.replace('_', "").parse::<f64>().ok()
    };
    let refuse =
        |why: &str| format!("error parsing number: strconv.ParseFloat: parsing \"{text}\": {why}");
    match parsed {
        None => Err(refuse("invalid syntax")),
        Some(value) if value.is_infinite() && !text.eq_ignore_ascii_case("inf") => {
            Err(refuse("value out of range"))
        }
        Some(value) => Ok(value),
    }
}

/// An integer that fits in 64 bits, with its prefix for the base (Go's `ParseInt` with base 0).
#[expect(clippy::cast_precision_loss, reason = "a number of PromQL is a float")]
fn integer(text: &str) -> Option<f64> {
    let digits = text.replace('_', "");
    let lower = digits.to_ascii_lowercase();
    let value = if let Some(hex) = lower.strip_prefix("0x") {
        i64::from_str_radix(hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(&digits, 8)
    } else {
        digits.parse()
    };
    value.ok().map(|value| value as f64)
}

/// The seconds of a duration such as `1h30m`, computed as Go's `Duration.Seconds`.
#[expect(clippy::cast_precision_loss, reason = "at most 2^63 nanoseconds")]
pub(super) fn duration_seconds(text: &str) -> Result<f64, String> {
    let millis = Duration::parse(text)?.millis();
    let (whole, rest) = (millis / 1000, millis % 1000);
    Ok(whole as f64 + (rest * 1_000_000) as f64 / 1e9)
}

/// Whether no duration is that long.
pub(super) fn is_out_of_range(seconds: f64) -> bool {
    seconds.abs() > LONGEST_SECONDS
}

/// A number of seconds as a duration: rounded to nanoseconds as upstream does, of which only whole
/// milliseconds count in an evaluation.
#[expect(clippy::cast_possible_truncation, reason = "out of range saturates")]
pub(super) fn from_seconds(seconds: f64) -> Duration {
    let nanos = (seconds * 1e9).round() as i64;
    Duration::from_millis(nanos / 1_000_000)
}

/// The text is one to Go, whose texts are any bytes, and none here.
pub(super) const NOT_UTF8: &str = "escapes in the text do not build valid UTF-8";

/// The text between quotes, with its escapes read (upstream's `strutil.Unquote`). Escapes must
/// build valid UTF-8.
pub(super) fn unquote(quoted: &str) -> Result<String, String> {
    let inner = &quoted[1..quoted.len() - 1];
    if quoted.starts_with('`') || !inner.contains('\\') {
        return Ok(inner.to_owned());
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = unescape(&rest[at + 1..], &quoted[..1], &mut bytes)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_err(|_| NOT_UTF8.to_owned())
}

/// Reads the escape behind a backslash, and returns what follows it.
fn unescape<'a>(escape: &'a str, quote: &str, out: &mut Vec<u8>) -> Result<&'a str, String> {
    let letter = escape
        .chars()
        .next()
        .ok_or("escape sequence not terminated")?;
    let behind = &escape[letter.len_utf8()..];
    let byte = match letter {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '\'' | '"' if quote.starts_with(letter) => quote.as_bytes()[0],
        '0'..='7' => return unescape_number(escape, 3, 8, out),
        'x' => return unescape_number(behind, 2, 16, out),
        'u' => return unescape_number(behind, 4, 16, out),
        'U' => return unescape_number(behind, 8, 16, out),
        other => {
            let code = u32::from(other);
            return Err(format!("unknown escape sequence U+{code:04X} '{other}'"));
        }
    };
    out.push(byte);
    Ok(behind)
}

/// Two or three digits are a byte, more of them a character.
fn unescape_number<'a>(
    escape: &'a str,
    digits: usize,
    base: u32,
    out: &mut Vec<u8>,
) -> Result<&'a str, String> {
    let mut value = 0_u32;
    let mut chars = escape.chars();
    for _ in 0..digits {
        let c = chars.next().ok_or("escape sequence not terminated")?;
        let digit = c.to_digit(base).ok_or_else(|| {
            format!(
                "illegal character U+{:04X} '{c}' in escape sequence",
                u32::from(c)
            )
        })?;
        value = value.wrapping_mul(base).wrapping_add(digit);
    }
    let invalid = || "escape sequence is an invalid Unicode code point".to_owned();
    if digits <= 3 {
        out.push(u8::try_from(value).map_err(|_| invalid())?);
    } else {
        let c = char::from_u32(value).ok_or_else(invalid)?;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(chars.as_str())
}
