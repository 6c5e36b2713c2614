//! Floating point numbers as Go prints them (`strconv.FormatFloat` with the shortest precision).

/// Go's `%v` of a float64, the same as `'g'` with the shortest precision: `100000`, `1e+06`,
/// `1e-05`, `+Inf`, `NaN`.
pub fn format_g(value: f64) -> String {
    let magnitude = value.abs();
    if value != 0.0 && value.is_finite() && !(1e-4..1e6).contains(&magnitude) {
        format_e(value)
    } else {
        format_f(value)
    }
}

/// Prometheus' sample values: Go's `'f'` with the shortest precision, so never an exponent.
pub fn format_f(value: f64) -> String {
    special(value).map_or_else(|| to_even(format!("{value}"), value), ToOwned::to_owned)
}

/// How Prometheus' HTTP API writes sample values: with an exponent only below 1e-6 and from 1e21 on.
pub fn format_api(value: f64) -> String {
    if value != 0.0 && value.is_finite() && !(1e-6..1e21).contains(&value.abs()) {
        format_e(value)
    } else {
        format_f(value)
    }
}

/// Go's `'e'` with the shortest precision, such as `1e+00`: how Prometheus' API prints the value
/// of an alert.
pub fn format_e(value: f64) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let text = to_even(format!("{value:e}"), value);
    let (mantissa, exponent) = text
        .split_once('e')
        .expect("invariant: {:e} prints an exponent");
    let exponent: i32 = exponent.parse().expect("invariant: {:e} prints a number");
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// One step of Neumaier's variant of Kahan summation: adds `value` to a sum and its compensation, which
/// is to be added in the end. In the order of operations of Prometheus' `kahansum.Inc`.
pub fn kahan_add(value: f64, sum: f64, compensation: f64) -> (f64, f64) {
    let total = sum + value;
    let compensation = if total.is_infinite() {
        0.0
    } else if sum.abs() >= value.abs() {
        compensation + ((sum - total) + value)
    } else {
        compensation + ((value - total) + sum)
    };
    (total, compensation)
}

/// Whether two numbers differ by less than `epsilon` of the sum of their magnitudes. NaN equals NaN.
/// Prometheus' `almost.Equal`.
pub fn almost_equal(a: f64, b: f64, epsilon: f64) -> bool {
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < epsilon * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < epsilon
}

/// Makes the last digit even where two shortest texts are equally near to a number, as in Go: 271510251540960.125 is
/// `...960.12` there, `...960.13` in Rust.
fn to_even(text: String, value: f64) -> String {
    // A number right between two texts of at most 17 digits has 18 itself. With k bits of fraction it is a
    // multiple of 5^k behind the point, and 5^26 has more digits than that.
    if fraction_bits(value) > 25 {
        return text;
    }
    let shortest = format!("{:e}", value.abs());
    let digits = mantissa_digits(&shortest);
    let exact = format!("{:.*e}", digits.len() + 20, value.abs());
    let exact = mantissa_digits(&exact);
    let (kept, rest) = exact.split_at(digits.len());
    let between = rest.starts_with('5') && rest[1..].bytes().all(|digit| digit == b'0');
    let odd = digits.ends_with(['1', '3', '5', '7', '9']);
    if !(between && odd) {
        return text;
    }
    // No carry: the digit before a zero would end a shorter text.
    let step: i8 = if digits == kept { 1 } else { -1 };
    let end = text.find('e').unwrap_or(text.len());
    let Some(last) = text[..end].rfind(|c: char| ('1'..='9').contains(&c)) else {
        return text;
    };
    let digit = text.as_bytes()[last].saturating_add_signed(step);
    let even = format!(
        "{}{}{}",
        &text[..last],
        char::from(digit),
        &text[last + 1..]
    );
    // Below a power of two, floats are twice as dense: the text below may be that of another one.
    if even.parse() == Ok(value) {
        even
    } else {
        text
    }
}

/// How many binary digits a number has behind the point.
#[expect(clippy::cast_possible_wrap, reason = "an exponent has eleven bits")]
fn fraction_bits(value: f64) -> i32 {
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7FF) as i32 - 1023;
    let trailing = (bits | 1 << 52).trailing_zeros() as i32;
    52 - exponent - trailing
}

fn mantissa_digits(text: &str) -> String {
    let mantissa = text.split('e').next().unwrap_or(text);
    mantissa.replace('.', "")
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("+Inf")
    } else if value == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_in_go() {
        for (value, v, f, e) in [
            (0.0, "0", "0", "0e+00"),
            (1.0, "1", "1", "1e+00"),
            (-2.5, "-2.5", "-2.5", "-2.5e+00"),
            (0.0001, "0.0001", "0.0001", "1e-04"),
            (0.00001, "1e-05", "0.00001", "1e-05"),
            (12_345_678.0, "1.2345678e+07", "12345678", "1.2345678e+07"),
            (100_000.0, "100000", "100000", "1e+05"),
            (1_000_000.0, "1e+06", "1000000", "1e+06"),
            (
                2_172_082_012_327_681.0 / 8.0,
                "2.7151025154096012e+14",
                "271510251540960.12",
                "2.7151025154096012e+14",
            ),
            (
                1.0 / 16_777_216.0,
                "5.960464477539063e-08",
                "0.00000005960464477539063",
                "5.960464477539063e-08",
            ),
            (1e21, "1e+21", "1000000000000000000000", "1e+21"),
            (f64::INFINITY, "+Inf", "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf", "-Inf"),
            (f64::NAN, "NaN", "NaN", "NaN"),
        ] {
            assert_eq!(format_g(value), v);
            assert_eq!(format_f(value), f);
            assert_eq!(format_e(value), e);
        }
    }
}
