//! Custom buckets whose bounds differ: both sides are brought to the bounds they have in common.

use super::Histogram;
use super::cells::Cell;
use crate::model::number::kahan_add;

/// The bounds that stand in both lists.
pub(super) fn common_bounds(left: &[f64], right: &[f64]) -> Vec<f64> {
    let mut common = Vec::new();
    let (mut i, mut j) = (0, 0);
    while let (Some(a), Some(b)) = (left.get(i), right.get(j)) {
        if a == b {
            common.push(*a);
            i += 1;
            j += 1;
        } else if a < b {
            i += 1;
        } else {
            j += 1;
        }
    }
    common
}

/// Adds each bucket to the target bucket that holds it, the last one being that without an upper bound.
pub(super) fn spread(cells: &[Cell], bounds: &[f64], common: &[f64], target: &mut [(f64, f64)]) {
    let mut at = 0;
    for cell in cells {
        let bound = usize::try_from(cell.index)
            .ok()
            .and_then(|index| bounds.get(index));
        let place = bound.map_or(common.len(), |bound| {
            while common.get(at).is_some_and(|target| target < bound) {
                at += 1;
            }
            at
        });
        let (count, lost) = &mut target[place];
        (*count, *lost) = kahan_add(cell.count, *count, *lost);
        if cell.compensation != 0.0 {
            (*count, *lost) = kahan_add(cell.compensation, *count, *lost);
        }
    }
}

/// The target buckets that hold anything.
pub(super) fn populated(target: &[(f64, f64)]) -> Vec<Cell> {
    let cells = (0..)
        .zip(target)
        .map(|(index, &(count, compensation))| Cell {
            index,
            count,
            compensation,
        });
    cells.filter(|cell| !cell.is_empty()).collect()
}

impl Histogram {
    /// Whether, at a bound that both histograms have, the observations since the last such bound are fewer
    /// than before.
    pub(super) fn has_fewer_between_common_bounds(&self, before: &Self) -> bool {
        let common = common_bounds(&self.custom_values, &before.custom_values);
        let between = |histogram: &Self| -> Vec<f64> {
            let mut sums = vec![0.0; common.len() + 1];
            let mut at = 0;
            for bucket in histogram.positive_buckets() {
                while common.get(at).is_some_and(|bound| bucket.upper > *bound) {
                    at += 1;
                }
                sums[at] += bucket.count;
            }
            sums
        };
        let (now, before) = (between(self), between(before));
        now.iter().zip(&before).any(|(now, before)| now < before)
    }
}
