//! Cutting a histogram off at a value (`</`, `>/` in PromQL).
//!
//! What lies within a bucket is estimated as for quantiles; the sum is estimated anew from the middles of what is
//! left. As Prometheus' `TrimBuckets`.

use super::{Bucket, Buckets, Histogram};

/// Which observations stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Those up to the value (`</`).
    Below,
    /// Those from the value on (`>/`).
    Above,
}

/// What is left in the end.
#[derive(Default)]
struct Total {
    count: f64,
    sum: f64,
    changed: bool,
}

impl Total {
    /// Counts what is left of a bucket that held `before`.
    fn keep(&mut self, before: f64, kept: f64, middle: f64) {
        self.count += kept;
        self.sum += middle * kept;
        self.changed |= before != kept;
    }
}

impl Histogram {
    /// Keeps the observations on one side of a value.
    pub fn trim(&mut self, at: f64, keep: Keep) {
        let mut total = Total::default();
        let custom = self.has_custom_buckets();
        let positive: Vec<Bucket> = self.positive_buckets().collect();
        let negative: Vec<Bucket> = self.negative_buckets().collect();
        let cut = Cut {
            at,
            keep,
            linear: custom,
        };
        let has_positive = cut.side(&mut self.positive, &positive, true, &mut total);
        let has_negative = cut.side(&mut self.negative, &negative, false, &mut total);
        if let Some(zero) = self.zero_bucket().filter(|zero| zero.count > 0.0) {
            let lower = if has_positive && !has_negative {
                0.0
            } else {
                zero.lower
            };
            let upper = if has_negative && !has_positive {
                0.0
            } else {
                zero.upper
            };
            let (kept, middle) = cut.zero(lower, upper, zero.count);
            self.zero_count = kept;
            total.changed |= kept != zero.count;
            total.sum += middle * kept;
            total.count += kept;
        }
        if total.changed {
            self.count = total.count;
            self.sum = total.sum;
            self.compact(0);
        }
    }
}

/// Where to cut.
struct Cut {
    at: f64,
    keep: Keep,
    /// Whether values are spread evenly within a bucket, else on a logarithmic scale.
    linear: bool,
}

impl Cut {
    /// Cuts the buckets of one sign; whether any was populated.
    fn side(
        &self,
        counts: &mut Buckets,
        buckets: &[Bucket],
        positive: bool,
        total: &mut Total,
    ) -> bool {
        let mut populated = false;
        for (count, bucket) in counts.counts.iter_mut().zip(buckets) {
            if bucket.count == 0.0 {
                continue;
            }
            populated = true;
            let (whole, part) = match self.keep {
                Keep::Below => (bucket.upper <= self.at, bucket.lower < self.at),
                Keep::Above => (bucket.lower >= self.at, bucket.upper > self.at),
            };
            if whole {
                let middle = self.middle(bucket.lower, bucket.upper, positive);
                total.keep(bucket.count, bucket.count, middle);
            } else if part {
                let (kept, middle) = self.within(bucket, positive);
                total.keep(bucket.count, kept, middle);
                *count = kept;
            } else {
                *count = 0.0;
                total.changed = true;
            }
        }
        populated
    }

    /// What a bucket that holds the cut keeps, and the middle of that.
    fn within(&self, bucket: &Bucket, positive: bool) -> (f64, f64) {
        if bucket.lower == f64::NEG_INFINITY {
            return self.open_below(bucket);
        }
        if bucket.upper == f64::INFINITY {
            return self.open_above(bucket);
        }
        let below = if self.at <= bucket.lower {
            0.0
        } else if self.at >= bucket.upper {
            bucket.count
        } else {
            bucket.count * bucket.fraction_below(self.at, self.linear)
        };
        match self.keep {
            Keep::Below => (below, self.middle(bucket.lower, self.at, positive)),
            Keep::Above => (
                bucket.count - below,
                self.middle(self.at, bucket.upper, positive),
            ),
        }
    }

    /// A bucket without a lower bound. One that ends above zero is taken to begin at zero; from another,
    /// nothing is known of where in it the observations are.
    fn open_below(&self, bucket: &Bucket) -> (f64, f64) {
        let (at, upper) = (self.at, bucket.upper);
        let finite = upper != f64::INFINITY;
        let nothing = (0.0, finite_or_zero(upper));
        match self.keep {
            Keep::Below if at >= upper => (bucket.count, 0.0),
            Keep::Below if at > 0.0 && upper > 0.0 && finite => {
                (bucket.count * at / upper, at / 2.0)
            }
            Keep::Below if upper <= 0.0 => (bucket.count, at),
            Keep::Above if at <= bucket.lower => (bucket.count, 0.0),
            Keep::Above if at >= 0.0 && upper > at && finite => {
                (bucket.count * (1.0 - at / upper), middle_of(at, upper))
            }
            Keep::Below | Keep::Above => nothing,
        }
    }

    /// A bucket without an upper bound: nothing of it is surely below the cut.
    fn open_above(&self, bucket: &Bucket) -> (f64, f64) {
        if self.keep == Keep::Above && self.at >= bucket.lower {
            (bucket.count, self.at)
        } else {
            (0.0, finite_or_zero(bucket.lower))
        }
    }

    /// What the zero bucket keeps, and the middle of that.
    fn zero(&self, lower: f64, upper: f64, count: f64) -> (f64, f64) {
        let at = self.at;
        let whole = (count, middle_of(lower, upper));
        match self.keep {
            Keep::Below if at <= lower => (0.0, 0.0),
            Keep::Below if at >= upper => whole,
            Keep::Below => (
                count * ((at - lower) / (upper - lower)),
                middle_of(lower, at),
            ),
            Keep::Above if at <= lower => whole,
            Keep::Above if at >= upper => (0.0, 0.0),
            Keep::Above => (
                count * ((upper - at) / (upper - lower)),
                middle_of(at, upper),
            ),
        }
    }

    /// What the observations between two values are taken to be.
    fn middle(&self, lower: f64, upper: f64, positive: bool) -> f64 {
        match (lower.is_infinite(), upper.is_infinite()) {
            (true, true) => 0.0,
            (true, false) if upper > 0.0 => upper / 2.0,
            (true, false) => upper,
            (false, true) => lower,
            (false, false) if self.linear => middle_of(lower, upper),
            (false, false) => {
                let middle = (lower * upper).abs().sqrt();
                if positive { middle } else { -middle }
            }
        }
    }
}

#[expect(
    clippy::manual_midpoint,
    reason = "an overflow is to come out as in Prometheus"
)]
fn middle_of(lower: f64, upper: f64) -> f64 {
    (lower + upper) / 2.0
}

fn finite_or_zero(bound: f64) -> f64 {
    if bound.is_infinite() { 0.0 } else { bound }
}
