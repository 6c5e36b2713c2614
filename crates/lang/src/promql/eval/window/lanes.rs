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
}

impl Sums {
    /// Sums that begin with these values.
    pub(super) fn from(sum: [f64; LANES]) -> Self {
        let lost = [0.0; LANES];
        Self { sum, lost }
    }

    /// Adds one value to each sum. What an addition loses is a number like others, and there are two ways to it: that
    /// of `number::kahan_add`, which has to know the larger operand, and Knuth's, which has not and so needs no branch.
    /// They part only where a sum is infinite or NaN, which it stays then: see [`Self::of`].
    #[inline]
    pub(super) fn add(&mut self, values: [f64; LANES]) {
        for (lane, value) in values.into_iter().enumerate() {
            let sum = self.sum[lane];
            let total = sum + value;
            let added = total - sum;
            self.lost[lane] += (sum - (total - added)) + (value - added);
            self.sum[lane] = total;
        }
    }

    /// The sum of a lane and what it lost; none if a plain loop has to find them.
    #[inline]
    pub(super) fn of(&self, lane: usize) -> Option<(f64, f64)> {
        let (sum, lost) = (self.sum[lane], self.lost[lane]);
        (sum + lost).is_finite().then_some((sum, lost))
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
