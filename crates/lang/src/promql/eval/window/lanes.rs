//! Sums over the ranges of several steps at once. Each sum takes its values in their order, so that its digits are
//! those of a plain loop; but no sum waits for another, and the processor adds them side by side.

use super::ranges::Bounds;

/// How many sums run side by side.
pub(super) const LANES: usize = 8;

/// Sums with the digits that they lost, one for each lane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums {
    pub sum: [f64; LANES],
    pub lost: [f64; LANES],
    /// Whether a sum ever was infinite.
    pub overflow: [bool; LANES],
}

impl Sums {
    /// Sums that begin with these values.
    pub(super) fn from(sum: [f64; LANES]) -> Self {
        Self {
            sum,
            lost: [0.0; LANES],
            overflow: [false; LANES],
        }
    }

    /// Adds one value to each sum: `number::kahan_add` without its branches.
    #[inline]
    pub(super) fn add(&mut self, values: [f64; LANES]) {
        for (lane, value) in values.into_iter().enumerate() {
            let sum = self.sum[lane];
            let total = sum + value;
            let sum_is_big = sum.abs() >= value.abs();
            let big = if sum_is_big { sum } else { value };
            let small = if sum_is_big { value } else { sum };
            let lost = self.lost[lane] + ((big - total) + small);
            let infinite = total.abs() == f64::INFINITY;
            self.lost[lane] = if infinite { 0.0 } else { lost };
            self.sum[lane] = total;
            self.overflow[lane] |= infinite;
        }
    }
}

/// Calls `step` with the values of several ranges side by side: first the first of each range, then the second,
/// and so on, `from` the given one, as long as all ranges have one more.
#[inline]
pub(super) fn side_by_side(
    values: &[f64],
    ranges: &[Bounds; LANES],
    from: usize,
    mut step: impl FnMut(usize, [f64; LANES]),
) -> usize {
    let common = ranges.iter().map(Bounds::len).min().unwrap_or(0);
    let first = ranges[0].first;
    let consecutive = ranges
        .iter()
        .enumerate()
        .all(|(lane, range)| range.first == first + lane);
    if consecutive && common > from {
        let all = &values[first + from..first + common + LANES - 1];
        for (index, now) in all.windows(LANES).enumerate() {
            let now: [f64; LANES] = now
                .try_into()
                .expect("invariant: as long as there are lanes");
            step(from + index, now);
        }
        return common;
    }
    let slices: [&[f64]; LANES] = ranges.map(|range| &values[range.first..range.first + common]);
    for index in from..common {
        step(index, slices.map(|slice| slice[index]));
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::number::kahan_add;

    #[test]
    fn the_digits_are_those_of_a_plain_loop() {
        let odd = [0.1, 1e16, -1e16, f64::NAN, f64::INFINITY, -0.0, 3.7, 1e-9];
        for period in 1..=odd.len() {
            let values: Vec<f64> = (0..64).map(|index| odd[index % period] * 1.1).collect();
            for stride in [1, 2] {
                let ranges: [Bounds; LANES] = std::array::from_fn(|lane| Bounds {
                    first: lane * stride,
                    end: lane * stride + 40,
                });
                let mut sums = Sums::from([0.0; LANES]);
                side_by_side(&values, &ranges, 0, |_, now| sums.add(now));
                for (lane, range) in ranges.iter().enumerate() {
                    let (mut sum, mut lost) = (0.0, 0.0);
                    for &value in &values[range.first..range.end] {
                        (sum, lost) = kahan_add(value, sum, lost);
                    }
                    let bits = |value: f64| if value.is_nan() { 0 } else { value.to_bits() };
                    assert_eq!(bits(sums.sum[lane]), bits(sum), "{period} {stride} {lane}");
                    assert_eq!(
                        bits(sums.lost[lane]),
                        bits(lost),
                        "{period} {stride} {lane}"
                    );
                }
            }
        }
    }
}
