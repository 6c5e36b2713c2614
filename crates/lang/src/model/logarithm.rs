//! Logarithms and powers of two to the last bit as Go's `math` package has them on amd64.
//!
//! Quantiles of histograms are interpolated on a logarithmic scale, and a threshold in an alert may
//! stand right at a result. The C library's functions differ from Go's in the last bit. The method and
//! its constants are those of FreeBSD's `e_log.c` and `e_exp.c` (Sun Microsystems, 1993), which Go uses.

use std::f64::consts::{LOG2_E, LOG10_E};

const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// The first number's parts beside the sign: how many bits of fraction, and the exponent of `[0.5, 1)`.
const FRACTION_BITS: u32 = 52;
const HALF_EXPONENT: u64 = 0x3FE;

/// Splits a number into a fraction of magnitude `[0.5, 1)` and a power of two. Zero, infinities and NaN
/// come back with the power 0.
#[expect(
    clippy::cast_possible_truncation,
    reason = "an exponent has eleven bits"
)]
pub fn frexp(value: f64) -> (f64, i32) {
    if value == 0.0 || !value.is_finite() {
        return (value, 0);
    }
    let (value, shift) = if value.is_subnormal() {
        (value * 2f64.powi(52), -52)
    } else {
        (value, 0)
    };
    let bits = value.to_bits();
    let exponent = (bits >> FRACTION_BITS) & 0x7FF;
    let fraction = (bits & !(0x7FF << FRACTION_BITS)) | (HALF_EXPONENT << FRACTION_BITS);
    let power = exponent as i32 - HALF_EXPONENT as i32 + shift;
    (f64::from_bits(fraction), power)
}

/// `fraction` times two to the power of `exponent`, rounded once.
pub fn ldexp(fraction: f64, exponent: i64) -> f64 {
    if fraction == 0.0 || !fraction.is_finite() {
        return fraction;
    }
    let (fraction, own) = frexp(fraction);
    // Beyond these every result is an infinity or zero.
    let exponent = exponent.saturating_add(i64::from(own)).clamp(-1200, 1200);
    let first = exponent.clamp(-1000, 1000);
    // The first factor is exact, so only the second rounds.
    fraction * power_of_two(first) * power_of_two(exponent - first)
}

/// Exact for −1022 to 1023.
fn power_of_two(exponent: i64) -> f64 {
    let biased = u64::try_from(exponent + 1023).expect("invariant: a normal power of two");
    f64::from_bits(biased << FRACTION_BITS)
}

/// The natural logarithm.
pub fn log(value: f64) -> f64 {
    const L: [f64; 7] = [
        6.666_666_666_666_735e-1,
        3.999_999_999_940_942e-1,
        2.857_142_874_366_239e-1,
        2.222_219_843_214_978_4e-1,
        1.818_357_216_161_805e-1,
        1.531_383_769_920_937_3e-1,
        1.479_819_860_511_658_6e-1,
    ];
    if value.is_nan() || value == f64::INFINITY {
        return value;
    }
    if value < 0.0 {
        return f64::NAN;
    }
    if value == 0.0 {
        return f64::NEG_INFINITY;
    }
    let (mut fraction, mut power) = frexp(value);
    if fraction < std::f64::consts::SQRT_2 / 2.0 {
        fraction *= 2.0;
        power -= 1;
    }
    let f = fraction - 1.0;
    let k = f64::from(power);
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let odd = s2 * (L[0] + s4 * (L[2] + s4 * (L[4] + s4 * L[6])));
    let even = s4 * (L[1] + s4 * (L[3] + s4 * L[5]));
    let r = odd + even;
    let half_square = 0.5 * f * f;
    k * LN2_HIGH - ((half_square - (s * (half_square + r) + k * LN2_LOW)) - f)
}

/// The binary logarithm; exact for powers of two.
pub fn log2(value: f64) -> f64 {
    let (fraction, power) = frexp(value);
    if fraction == 0.5 {
        return f64::from(power - 1);
    }
    log(fraction) * LOG2_E + f64::from(power)
}

/// The decimal logarithm.
pub fn log10(value: f64) -> f64 {
    log(value) * LOG10_E
}

/// Two to the power of `value`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the value is within the powers of two that a float may have"
)]
pub fn exp2(value: f64) -> f64 {
    if value.is_nan() {
        return value;
    }
    if value > 1.023_999_999_999_999_9e3 {
        return f64::INFINITY;
    }
    if value < -1.0740e3 {
        return 0.0;
    }
    let power = if value > 0.0 {
        (value + 0.5).trunc()
    } else {
        (value - 0.5).trunc()
    };
    let power = if value == 0.0 { 0.0 } else { power };
    let rest = value - power;
    exp_of_parts(rest * LN2_HIGH, -rest * LN2_LOW, power as i64)
}

/// e to the power of `high - low`, times two to the power of `power`.
fn exp_of_parts(high: f64, low: f64, power: i64) -> f64 {
    const P: [f64; 5] = [
        1.666_666_666_666_666_6e-1,
        -2.777_777_777_701_559_3e-3,
        6.613_756_321_437_934e-5,
        -1.653_390_220_546_525_2e-6,
        4.138_136_797_057_238_5e-8,
    ];
    let r = high - low;
    let t = r * r;
    let c = r - t * (P[0] + t * (P[1] + t * (P[2] + t * (P[3] + t * P[4]))));
    let y = 1.0 - ((low - (r * c) / (2.0 - c)) - high);
    ldexp(y, power)
}
