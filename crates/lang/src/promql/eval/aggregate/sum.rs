//! `sum` and `avg`.

use super::super::column::{Column, Series};

use super::fold::{Context, Fold};
use super::histograms::{Cells, Goal};
use crate::model::number::kahan_add;
use crate::promql::store::is_stale;

/// A sum at each step, with the digits that it lost. A group of one series takes no more memory than the
/// series.
pub(super) struct Sum {
    sums: Vec<f64>,
    /// Empty until there are two series.
    lost: Vec<f64>,
    cells: Cells,
}

impl Fold for Sum {
    fn first(mut series: Series, context: &Context<'_>) -> Self {
        let mut sum = Self {
            sums: std::mem::take(&mut series.column.floats),
            lost: Vec::new(),
            cells: Cells::default(),
        };
        sum.cells.add_all(&sum.sums, &series, Goal::Sum, context);
        sum
    }

    fn add(&mut self, series: &Series, context: &Context<'_>) {
        self.lost.resize(self.sums.len(), 0.0);
        let column = &series.column;
        if self.cells.is_empty() {
            let sums = self.sums.iter_mut().zip(&mut self.lost);
            for ((sum, lost), &value) in sums.zip(&column.floats) {
                add(sum, lost, value);
            }
        } else {
            for (step, &value) in column.floats.iter().enumerate() {
                if !self.cells.is_spoiled(step) {
                    add(&mut self.sums[step], &mut self.lost[step], value);
                }
            }
        }
        self.cells.add_all(&self.sums, series, Goal::Sum, context);
    }

    fn finish(mut self, context: &Context<'_>) -> Column {
        self.lost.resize(self.sums.len(), 0.0);
        for (sum, lost) in self.sums.iter_mut().zip(&self.lost) {
            if !is_stale(*sum) {
                *sum += lost;
            }
        }
        self.cells.finish(self.sums, Goal::Sum, context)
    }
}

/// Adds a value, if there is one; the first one is the sum.
#[inline]
fn add(sum: &mut f64, lost: &mut f64, value: f64) {
    let (total, rest) = kahan_add(value, *sum, *lost);
    let is_first = is_stale(*sum);
    let is_absent = is_stale(value);
    *lost = if is_first | is_absent { *lost } else { rest };
    let total = if is_first { value } else { total };
    *sum = if is_absent { *sum } else { total };
}

/// A mean at each step: of the sum as long as that is finite, else kept as a running mean.
pub(super) struct Avg {
    /// The sum, or the running mean.
    sums: Vec<f64>,
    /// Empty until there are two series, like those below.
    lost: Vec<f64>,
    counts: Vec<f64>,
    /// Where the sum would be infinite; empty where it never was.
    running: Vec<bool>,
    cells: Cells,
}

impl Fold for Avg {
    fn first(mut series: Series, context: &Context<'_>) -> Self {
        let mut avg = Self {
            sums: std::mem::take(&mut series.column.floats),
            lost: Vec::new(),
            counts: Vec::new(),
            running: Vec::new(),
            cells: Cells::default(),
        };
        avg.cells.add_all(&avg.sums, &series, Goal::Mean, context);
        avg
    }

    fn add(&mut self, series: &Series, context: &Context<'_>) {
        self.grow();
        for (step, &value) in series.column.floats.iter().enumerate() {
            if is_stale(value) || self.cells.is_spoiled(step) {
                continue;
            }
            let sum = self.sums[step];
            if is_stale(sum) {
                self.sums[step] = value;
                self.counts[step] = 1.0;
                continue;
            }
            self.counts[step] += 1.0;
            let (total, lost) = kahan_add(value, sum, self.lost[step]);
            if total.is_infinite() || !self.running.is_empty() {
                self.add_running(step, value);
            } else {
                self.sums[step] = total;
                self.lost[step] = lost;
            }
        }
        self.cells.add_all(&self.sums, series, Goal::Mean, context);
    }

    fn finish(mut self, context: &Context<'_>) -> Column {
        self.grow();
        for (step, sum) in self.sums.iter_mut().enumerate() {
            if is_stale(*sum) {
                continue;
            }
            let (count, lost) = (self.counts[step], self.lost[step]);
            *sum = if self.running.get(step) == Some(&true) {
                *sum + lost
            } else {
                *sum / count + lost / count
            };
        }
        self.cells.finish(self.sums, Goal::Mean, context)
    }
}

impl Avg {
    fn grow(&mut self) {
        self.lost.resize(self.sums.len(), 0.0);
        self.counts.resize(self.sums.len(), 1.0);
    }

    /// The rare way: some sum was infinite.
    #[cold]
    fn add_running(&mut self, step: usize, value: f64) {
        self.running.resize(self.sums.len(), false);
        let (sum, lost) = (self.sums[step], self.lost[step]);
        let count = self.counts[step];
        if !self.running[step] {
            let (total, rest) = kahan_add(value, sum, lost);
            if !total.is_infinite() {
                self.sums[step] = total;
                self.lost[step] = rest;
                return;
            }
            self.running[step] = true;
            self.sums[step] = sum / (count - 1.0);
            self.lost[step] = lost / (count - 1.0);
        }
        let before = (count - 1.0) / count;
        let (mean, rest) = kahan_add(
            value / count,
            before * self.sums[step],
            before * self.lost[step],
        );
        self.sums[step] = mean;
        self.lost[step] = rest;
    }
}
