//! Constants as Go reads them: quoted texts and numbers.

use super::tree::Number;
use crate::model::labels::quote;

/// Go's `strconv.Unquote` of a text in double or back quotes.
pub(super) fn unquote(quoted: &str) -> Option<String> {
    let inner = quoted.get(1..quoted.len().checked_sub(1)?)?;
    if quoted.starts_with('`') {
        return Some(inner.replace('\r', ""));
    }
    // Escapes of bytes may build any bytes; what is not UTF-8 becomes the replacement character.
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((unit, behind)) = unquote_unit(rest, '"') {
        match unit {
            Unit::Char(c) => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Unit::Byte(byte) => bytes.push(byte),
        }
        rest = behind;
    }
    if !rest.is_empty() {
        return None;
    }
    Some(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into()))
}

enum Unit {
    Char(char),
    Byte(u8),
}

/// One character or escape at the start of a text inside the given quotes.
fn unquote_unit(text: &str, quote: char) -> Option<(Unit, &str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first == quote || first == '\n' {
        return None;
    }
    if first != '\\' {
        return Some((Unit::Char(first), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let simple = match escape {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        c if c == quote => c,
        'x' => {
            let (code, rest) = digits(rest, 2, 16)?;
            return Some((Unit::Byte(u8::try_from(code).ok()?), rest));
        }
        'u' | 'U' => {
            let (code, rest) = digits(rest, if escape == 'u' { 4 } else { 8 }, 16)?;
            return Some((Unit::Char(char::from_u32(code)?), rest));
        }
        '0'..='7' => {
            let (code, rest) = digits(&text[1..], 3, 8)?;
            return Some((Unit::Byte(u8::try_from(code).ok()?), rest));
        }
        _ => return None,
    };
    Some((Unit::Char(simple), rest))
}

fn digits(text: &str, count: usize, radix: u32) -> Option<(u32, &str)> {
    let digits = text.get(..count)?;
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    Some((u32::from_str_radix(digits, radix).ok()?, &text[count..]))
}

/// A number or character constant.
pub(super) fn number(text: &str) -> Result<Number, String> {
    let number = |int: Option<i64>, float, is_float| Number {
        text: text.into(),
        int,
        float,
        is_float,
    };
    if let Some(inner) = text.strip_prefix('\'') {
        return match unquote_unit(inner, '\'') {
            Some((unit, "'")) => {
                let code = match unit {
                    Unit::Char(c) => u32::from(c),
                    Unit::Byte(byte) => u32::from(byte),
                };
                Ok(number(Some(i64::from(code)), f64::from(code), false))
            }
            Some(_) => Err(format!("malformed character constant: {text}")),
            None => Err("invalid syntax".to_owned()),
        };
    }
    if text.ends_with('i') {
        return Err(format!("complex number {} is not supported", quote(text)));
    }
    match integer(text) {
        Some(Ok(int)) => {
            #[expect(clippy::cast_precision_loss, reason = "as Go converts a constant")]
            return Ok(number(Some(int), int as f64, false));
        }
        Some(Err(())) if text.parse::<u64>().is_ok() => {
            return Err(format!("{text} overflows int"));
        }
        Some(Err(())) | None => {}
    }
    let float = parse_float(text);
    let float = float.map_err(|_| format!("illegal number syntax: {}", quote(text)))?;
    if !text.contains(['.', 'e', 'E', 'p', 'P']) {
        return Err(format!("integer overflow: {}", quote(text)));
    }
    // A float that is whole may stand where an integer is needed.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "compared with the float again"
    )]
    let int = Some(float as i64).filter(|int| {
        #[expect(
            clippy::cast_precision_loss,
            reason = "equal only where nothing was lost"
        )]
        let back = *int as f64;
        back == float
    });
    Ok(number(int, float, true))
}

/// An integer constant with its base prefix and underscores; an error where it is too large, nothing
/// where the text is no integer.
fn integer(text: &str) -> Option<Result<i64, ()>> {
    let (negative, body) = match text.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = body.to_ascii_lowercase();
    let (radix, digits) = match (lower.get(..2), lower.get(2..)) {
        (Some("0x"), Some(digits)) => (16, digits),
        (Some("0o"), Some(digits)) => (8, digits),
        (Some("0b"), Some(digits)) => (2, digits),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, &*lower),
    };
    let prefixed = radix != 10;
    let placed =
        !digits.ends_with('_') && !digits.contains("__") && (prefixed || !digits.starts_with('_'));
    let plain = digits.replace('_', "");
    if !placed || plain.is_empty() || !plain.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let signed = if negative { format!("-{plain}") } else { plain };
    Some(i64::from_str_radix(&signed, radix).map_err(drop))
}

/// Go's `strconv.ParseFloat` and its errors.
pub(super) fn parse_float(text: &str) -> Result<f64, String> {
    let failure = |why| {
        Err(format!(
            "strconv.ParseFloat: parsing {}: {why}",
            quote(text)
        ))
    };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if let Some(digits) = unsigned.strip_prefix("0x").or(unsigned.strip_prefix("0X")) {
        let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
        return match hexadecimal(&digits.to_ascii_lowercase().replace('_', "")) {
            Some(value) if value.is_infinite() => failure("value out of range"),
            Some(value) => Ok(sign * value),
            None => failure("invalid syntax"),
        };
    }
    let numeric = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let signed_nan = unsigned.len() < text.len() && unsigned.eq_ignore_ascii_case("nan");
    match text.parse::<f64>() {
        Ok(value) if value.is_infinite() && numeric => failure("value out of range"),
        Ok(value) if !signed_nan => Ok(value),
        _ => failure("invalid syntax"),
    }
}

/// A hexadecimal float behind its `0x`: digits, and an exponent of two, which must be there.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let shift = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    let exponent: i32 = exponent.parse().ok()?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "rounded to the nearest, as it should be"
    )]
    let mantissa = u64::from_str_radix(&digits, 16).ok()? as f64;
    Some(mantissa * 2_f64.powi(exponent.checked_sub(shift)?))
}
