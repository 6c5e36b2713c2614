//! Summation that carries the lost digits along (Kahan, with Neumaier's improvement), digit for digit as
//! Prometheus does it (`util/kahansum`).

/// Adds `value` to a sum and its compensation.
#[inline]
pub(super) fn add(value: f64, sum: f64, lost: f64) -> (f64, f64) {
    let total = sum + value;
    let lost = if total.is_infinite() {
        0.0
    } else if sum.abs() >= value.abs() {
        lost + ((sum - total) + value)
    } else {
        lost + ((value - total) + sum)
    };
    (total, lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_digits_are_kept() {
        let (mut sum, mut lost) = (0.0, 0.0);
        for value in [1.0, 1e100, 1.0, -1e100] {
            (sum, lost) = add(value, sum, lost);
        }
        assert_eq!(sum + lost, 2.0);
        assert_eq!(add(f64::INFINITY, 1.0, 0.5), (f64::INFINITY, 0.0));
    }
}
