//! Floating point numbers with a given precision, as Go's `strconv.FormatFloat` writes them.

use crate::model::number;

/// More digits than any float64 has behind its point; what is asked for beyond them is zeros.
const MAX_DIGITS: usize = 1100;

/// The verbs `e`, `f`, `g` and their capitals, and `b` and `x` by way of [`special`].
pub(super) fn format(value: f64, verb: char, precision: Option<usize>) -> String {
    if !value.is_finite() {
        return number::format_g(value);
    }
    let text = match (verb.to_ascii_lowercase(), precision) {
        ('e', None) => number::format_e(value),
        ('e', Some(precision)) => scientific(value, precision),
        ('f', None) => number::format_f(value),
        ('f', Some(precision)) => padded(precision, |digits| format!("{value:.digits$}")),
        ('b', _) => binary(value),
        ('x', precision) => hexadecimal(value, precision),
        (_, None) => number::format_g(value),
        (_, Some(precision)) => general(value, precision.max(1)),
    };
    if verb.is_ascii_uppercase() {
        text.to_ascii_uppercase()
    } else {
        text
    }
}

fn padded(precision: usize, make: impl Fn(usize) -> String) -> String {
    let mut text = make(precision.min(MAX_DIGITS));
    let zeros = precision.saturating_sub(MAX_DIGITS);
    text.extend(std::iter::repeat_n('0', zeros));
    text
}

fn scientific(value: f64, precision: usize) -> String {
    let (mantissa, exponent) = parts(value, precision.min(MAX_DIGITS));
    let mantissa = padded(precision, |_| mantissa.clone());
    join(&mantissa, exponent)
}

fn join(mantissa: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// The mantissa with the given digits behind its point, and the exponent.
fn parts(value: f64, precision: usize) -> (String, i32) {
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text
        .split_once('e')
        .expect("invariant: {:e} prints an exponent");
    let exponent = exponent
        .parse()
        .expect("invariant: {:e} prints a whole exponent");
    (mantissa.to_owned(), exponent)
}

/// `%g` with a number of significant digits, zeros at the end left out.
fn general(value: f64, precision: usize) -> String {
    if value == 0.0 {
        return number::format_g(value);
    }
    let precision = precision.min(MAX_DIGITS);
    let (mantissa, exponent) = parts(value, precision - 1);
    let mantissa = if mantissa.contains('.') {
        mantissa.trim_end_matches('0').trim_end_matches('.')
    } else {
        &mantissa
    };
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let whole = usize::try_from(exponent + 1).unwrap_or(0);
    let limit = if precision > digits && digits >= whole {
        digits
    } else {
        precision
    };
    if exponent < -4 || (exponent >= 0 && whole > limit) {
        return join(mantissa, exponent);
    }
    let behind = digits.saturating_sub(whole);
    let behind = if exponent < 0 {
        digits + usize::try_from(-exponent - 1).unwrap_or(0)
    } else {
        behind
    };
    // The mantissa is already rounded: rounding the value itself again, at the same digit, gives it.
    format!("{value:.behind$}")
}

/// `%b`: the mantissa as a whole number, and the exponent of two.
fn binary(value: f64) -> String {
    let (sign, mantissa, exponent) = bits(value);
    format!("{sign}{mantissa}p{exponent:+}")
}

fn bits(value: f64) -> (&'static str, u64, i64) {
    let bits = value.to_bits();
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let exponent = i64::try_from(bits >> 52 & 0x7ff).expect("invariant: eleven bits");
    let fraction = bits & ((1 << 52) - 1);
    if exponent == 0 {
        (sign, fraction, -1074)
    } else {
        (sign, fraction | 1 << 52, exponent - 1075)
    }
}

/// `%x`: hexadecimal mantissa, exponent of two.
fn hexadecimal(value: f64, precision: Option<usize>) -> String {
    let (sign, mut mantissa, mut exponent) = bits(value);
    if mantissa == 0 {
        let zeros = precision.map_or_else(String::new, |p| match p {
            0 => String::new(),
            p => format!(".{}", "0".repeat(p)),
        });
        return format!("{sign}0x0{zeros}p+00");
    }
    while mantissa >> 52 == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    // One hexadecimal digit before the point, thirteen behind it.
    if let Some(precision) = precision.filter(|p| *p < 13) {
        let dropped = u32::try_from(4 * (13 - precision)).expect("invariant: at most 52");
        let half = 1_u64 << (dropped - 1);
        let odd = mantissa >> dropped & 1;
        mantissa = (mantissa + half - 1 + odd) >> dropped << dropped;
        if mantissa >> 53 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let fraction = format!("{:013x}", mantissa & ((1 << 52) - 1));
    let fraction = match precision {
        None => fraction.trim_end_matches('0').to_owned(),
        Some(precision) if precision < 13 => fraction[..precision].to_owned(),
        Some(precision) => fraction + &"0".repeat(precision - 13),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let exponent = exponent + 52;
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    let exponent = exponent.unsigned_abs();
    format!("{sign}0x1{point}{fraction}p{exponent_sign}{exponent:02}")
}
