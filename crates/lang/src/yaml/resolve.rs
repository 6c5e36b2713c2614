//! What plain scalars mean: go-yaml's `resolve.go`, versions 2 and 3.

/// Which go-yaml reads the file; they differ in what counts as true and false where no type is
/// asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// Configurations and unit test files: `yes`, `no`, `on`, `off`, `y`, `n` are booleans.
    V2,
    /// Rule files: only `true` and `false` are.
    V3,
}

/// A scalar's value where no type is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resolved {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// The text itself.
    Text,
}

pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

pub(super) fn resolve(text: &str, flavor: Flavor) -> Resolved {
    if is_null(text) {
        Resolved::Null
    } else if let Some(value) = boolean(text, flavor) {
        Resolved::Bool(value)
    } else if let Some(value) = written_integer(text) {
        Resolved::Integer(value)
    } else {
        float(text).map_or(Resolved::Text, Resolved::Float)
    }
}

pub(super) fn boolean(text: &str, flavor: Flavor) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ if flavor == Flavor::V3 => None,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// A whole number in any notation, also as a float such as `1e3`. A float with a fraction is
/// none: go-yaml would cut it off in silence.
pub(super) fn integer(text: &str) -> Option<i64> {
    written_integer(text).or_else(|| {
        let value = float(text)?;
        let exact = value.fract() == 0.0 && value.abs() < 9e15;
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        exact.then_some(value as i64)
    })
}

pub(super) fn number(text: &str) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "go-yaml converts the same way")]
    written_integer(text).map_or_else(|| float(text), |value| Some(value as f64))
}

/// Go's `strconv.ParseInt` with base 0, after underscores are taken out.
fn written_integer(text: &str) -> Option<i64> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-')) {
        return None;
    }
    let text = text.replace('_', "");
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", &text[..]),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), base).ok()
}

fn float(text: &str) -> Option<f64> {
    match text {
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let text = text.replace('_', "");
    let looks_like_one = text.bytes().any(|byte| byte.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-' | b'e' | b'E'));
    looks_like_one.then(|| text.parse().ok()).flatten()
}
