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
    special(value).map_or_else(|| format!("{value}"), ToOwned::to_owned)
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
    let text = format!("{value:e}");
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
