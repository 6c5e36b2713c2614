//! Sums, differences and scaling of histograms.
//!
//! As Prometheus does it (`model/histogram/float_histogram.go`): the coarser schema, the wider zero bucket and the
//! common custom bounds decide, and what is odd about the operands is told beside the result.

use super::cells::{Cell, merge, reduce};
use super::custom::{common_bounds, spread};
use super::{Buckets, Histogram, HistogramError, Merged, ResetHint};
use crate::model::number::kahan_add;

/// How the counts of the right operand come into the left one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Add,
    Sub,
    /// Addition that keeps what rounding loses.
    Compensated,
}

impl Operation {
    /// One cell of two with the same index.
    fn join(self, mut to: Cell, other: Cell) -> Cell {
        match self {
            Self::Compensated => {
                (to.count, to.compensation) = kahan_add(other.count, to.count, to.compensation);
                if other.compensation != 0.0 {
                    (to.count, to.compensation) =
                        kahan_add(other.compensation, to.count, to.compensation);
                }
            }
            Self::Add | Self::Sub => to.count += other.count,
        }
        to
    }

    /// One cell of two that a coarser schema holds in one bucket.
    fn collapse(self, mut to: Cell, other: Cell) -> Cell {
        match self {
            Self::Compensated => {
                (to.count, to.compensation) = kahan_add(other.count, to.count, to.compensation);
                (to.count, to.compensation) =
                    kahan_add(other.compensation, to.count, to.compensation);
            }
            Self::Add | Self::Sub => to.count += other.count,
        }
        to
    }
}

impl Histogram {
    /// Adds a histogram. Buckets left without observations are not removed: see [`Self::compact`].
    pub fn add(&mut self, other: &Self) -> Result<Merged, HistogramError> {
        self.combine(other, Operation::Add, &mut None)
    }

    /// Subtracts a histogram. For the operator `-` of PromQL, whose result is a gauge, the caller sets the reset
    /// hint; in a mean it stays what addition makes it.
    pub fn sub(&mut self, other: &Self) -> Result<Merged, HistogramError> {
        self.combine(other, Operation::Sub, &mut None)
    }

    /// Adds a histogram by Kahan summation. The compensation has the same buckets as the sum, is made by the
    /// first call, and is to be scaled with the sum; in the end the caller adds it to the sum.
    pub fn kahan_add(
        &mut self,
        other: &Self,
        compensation: &mut Option<Self>,
    ) -> Result<Merged, HistogramError> {
        self.check_compatible(other)?;
        compensation.get_or_insert_with(|| self.zeroed());
        self.combine(other, Operation::Compensated, compensation)
    }

    /// Multiplies all counts and the sum. A negative factor makes it a gauge.
    pub fn mul(&mut self, factor: f64) {
        self.scale(|value| value * factor);
        if factor < 0.0 {
            self.reset_hint = ResetHint::Gauge;
        }
    }

    /// Divides all counts and the sum. Division by zero leaves no buckets, a negative divisor a gauge.
    pub fn div(&mut self, divisor: f64) {
        if divisor == 0.0 {
            self.positive = Buckets::default();
            self.negative = Buckets::default();
        }
        self.scale(|value| value / divisor);
        if divisor < 0.0 {
            self.reset_hint = ResetHint::Gauge;
        }
    }

    /// Lowers the resolution of exponential buckets to a coarser schema.
    pub fn reduce_resolution(&mut self, schema: i32) -> Result<(), HistogramError> {
        if self.has_custom_buckets() {
            return Err(HistogramError::ReduceCustom);
        }
        if schema >= self.schema || !super::EXPONENTIAL_SCHEMAS.contains(&schema) {
            return Err(HistogramError::ReduceTo {
                from: self.schema,
                to: schema,
            });
        }
        for buckets in [&mut self.positive, &mut self.negative] {
            let cells = buckets.to_cells(&[]);
            let cells = reduce(&cells, self.schema, schema, |a, b| {
                Operation::Add.collapse(a, b)
            });
            *buckets = Buckets::from_cells(&cells).0;
        }
        self.schema = schema;
        Ok(())
    }

    /// Whether a count, a sum or a bound is infinite.
    pub fn has_overflow(&self) -> bool {
        let scalars = [self.zero_count, self.count, self.sum];
        let buckets = self.positive.counts.iter().chain(&self.negative.counts);
        let mut all = scalars.iter().chain(buckets).chain(&*self.custom_values);
        all.any(|value| value.is_infinite())
    }

    fn scale(&mut self, by: impl Fn(f64) -> f64) {
        for value in [&mut self.zero_count, &mut self.count, &mut self.sum] {
            *value = by(*value);
        }
        let counts = self.positive.counts.iter_mut();
        for count in counts.chain(&mut self.negative.counts) {
            *count = by(*count);
        }
    }

    fn check_compatible(&self, other: &Self) -> Result<(), HistogramError> {
        if self.has_custom_buckets() == other.has_custom_buckets() {
            Ok(())
        } else {
            Err(HistogramError::IncompatibleSchemas)
        }
    }

    /// The same buckets with nothing in them.
    fn zeroed(&self) -> Self {
        let mut zeroed = self.clone();
        zeroed.scale(|_| 0.0);
        zeroed
    }

    fn combine(
        &mut self,
        other: &Self,
        operation: Operation,
        compensation: &mut Option<Self>,
    ) -> Result<Merged, HistogramError> {
        self.check_compatible(other)?;
        let reset_collision = self.combine_hints(other);
        if !self.has_custom_buckets() {
            let (zero, lost) = self.reconcile_zero_buckets(other, compensation);
            self.combine_zero(zero, lost, operation, compensation);
        }
        self.combine_totals(other, operation, compensation);
        let bounds_reconciled = if self.has_custom_buckets() {
            self.combine_custom(other, operation, compensation)
        } else {
            self.combine_exponential(other, operation, compensation);
            false
        };
        Ok(Merged {
            reset_collision,
            bounds_reconciled,
        })
    }

    fn combine_zero(
        &mut self,
        other: f64,
        lost: f64,
        operation: Operation,
        compensation: &mut Option<Self>,
    ) {
        match (operation, compensation) {
            (Operation::Compensated, Some(c)) => {
                (self.zero_count, c.zero_count) = kahan_add(other, self.zero_count, c.zero_count);
                (self.zero_count, c.zero_count) = kahan_add(lost, self.zero_count, c.zero_count);
            }
            (Operation::Sub, _) => self.zero_count -= other,
            _ => self.zero_count += other,
        }
    }

    fn combine_totals(
        &mut self,
        other: &Self,
        operation: Operation,
        compensation: &mut Option<Self>,
    ) {
        match (operation, compensation) {
            (Operation::Compensated, Some(c)) => {
                (self.count, c.count) = kahan_add(other.count, self.count, c.count);
                (self.sum, c.sum) = kahan_add(other.sum, self.sum, c.sum);
            }
            (Operation::Sub, _) => {
                self.count -= other.count;
                self.sum -= other.sum;
            }
            _ => {
                self.count += other.count;
                self.sum += other.sum;
            }
        }
    }

    fn combine_exponential(
        &mut self,
        other: &Self,
        operation: Operation,
        compensation: &mut Option<Self>,
    ) {
        let schema = self.schema.min(other.schema);
        let threshold = self.zero_threshold;
        let from = self.schema;
        let side = |own: &Buckets, lost: &[f64], theirs: &Buckets| {
            let collapse = |a, b| operation.collapse(a, b);
            let own = reduce(&own.to_cells(lost), from, schema, collapse);
            let mut theirs = reduce(&theirs.to_cells(&[]), other.schema, schema, collapse);
            let inside = |cell: &Cell| super::exponential_bound(cell.index, schema) <= threshold;
            let skipped = theirs.iter().take_while(|cell| inside(cell)).count();
            theirs.drain(..skipped);
            if operation == Operation::Sub {
                for cell in &mut theirs {
                    cell.count *= -1.0;
                }
            }
            Buckets::from_cells(&merge(&own, &theirs, |a, b| operation.join(a, b)))
        };
        let (lost_positive, lost_negative) =
            compensation.as_ref().map_or((&[][..], &[][..]), |c| {
                (&c.positive.counts, &c.negative.counts)
            });
        let (positive, positive_lost) = side(&self.positive, lost_positive, &other.positive);
        let (negative, negative_lost) = side(&self.negative, lost_negative, &other.negative);
        self.positive = positive;
        self.negative = negative;
        self.schema = schema;
        if let Some(c) = compensation {
            c.schema = schema;
            c.zero_threshold = threshold;
            c.positive = self.positive.with_counts(positive_lost);
            c.negative = self.negative.with_counts(negative_lost);
        }
    }

    /// Whether the bounds differed, so that only those in common are left.
    fn combine_custom(
        &mut self,
        other: &Self,
        operation: Operation,
        compensation: &mut Option<Self>,
    ) -> bool {
        let lost = compensation
            .as_ref()
            .map_or(&[][..], |c| &c.positive.counts);
        let own = self.positive.to_cells(lost);
        let mut theirs = other.positive.to_cells(&[]);
        if operation == Operation::Sub {
            for cell in &mut theirs {
                cell.count *= -1.0;
            }
        }
        let reconciled = *self.custom_values != *other.custom_values;
        let cells = if reconciled {
            let bounds = common_bounds(&self.custom_values, &other.custom_values);
            let mut target = vec![(0.0, 0.0); bounds.len() + 1];
            spread(&own, &self.custom_values, &bounds, &mut target);
            spread(&theirs, &other.custom_values, &bounds, &mut target);
            self.custom_values = bounds.into();
            super::custom::populated(&target)
        } else {
            merge(&own, &theirs, |a, b| operation.join(a, b))
        };
        let (positive, lost) = Buckets::from_cells(&cells);
        self.positive = positive;
        if let Some(c) = compensation {
            c.custom_values = self.custom_values.clone();
            c.positive = self.positive.with_counts(lost);
        }
        reconciled
    }

    /// Sets what is known about resets of a sum; whether the operands contradict each other.
    fn combine_hints(&mut self, other: &Self) -> bool {
        use ResetHint::{Gauge, NotReset, Reset, Unknown};
        let (hint, collision) = match (self.reset_hint, other.reset_hint) {
            (Gauge, _) | (_, Gauge) => (Gauge, false),
            (Unknown, _) | (_, Unknown) => (Unknown, false),
            (Reset, Reset) => (Reset, false),
            (NotReset, NotReset) => (NotReset, false),
            (Reset, NotReset) | (NotReset, Reset) => (Unknown, true),
        };
        self.reset_hint = hint;
        collision
    }
}

impl Buckets {
    /// The same buckets with other counts.
    fn with_counts(&self, counts: Vec<f64>) -> Self {
        Self {
            spans: self.spans.clone(),
            counts,
        }
    }
}
