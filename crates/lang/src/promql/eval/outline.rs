//! Histograms of which only count and sum will be looked at, as in `histogram_count(rate(x[5m]))`: they are
//! read without their buckets (upstream's `HistogramStatsIterator` and `detectHistogramStatsDecoding`).
//!
//! Since resets cannot be seen without buckets, each histogram says whether one came before it.

use std::sync::Arc;

use crate::model::histogram::{Histogram, ResetHint};
use crate::promql::ast::{BinaryOp, Expr};
use crate::promql::store::{Samples, is_stale};

/// How the selectors below a node read histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Reading {
    /// Whole.
    #[default]
    Whole,
    /// Whole, whatever comes.
    AlwaysWhole,
    /// Without buckets.
    Outline,
}

impl Reading {
    /// How those below `expr` do.
    pub(super) fn below(self, expr: &Expr) -> Self {
        match expr {
            Expr::Call(call) => match call.function.name {
                "histogram_quantile" | "histogram_quantiles" | "histogram_fraction" => {
                    Self::AlwaysWhole
                }
                "histogram_count" | "histogram_sum" | "histogram_avg" if self == Self::Whole => {
                    Self::Outline
                }
                _ => self,
            },
            Expr::Binary(binary) => match binary.op {
                BinaryOp::TrimUpper | BinaryOp::TrimLower => Self::AlwaysWhole,
                _ => self,
            },
            _ => self,
        }
    }

    /// The samples of a series as they are read; `outlines` keeps what is made.
    pub(super) fn read<'s>(
        self,
        samples: Samples<'s>,
        outlines: &'s mut Vec<Option<Arc<Histogram>>>,
    ) -> Samples<'s> {
        if self != Self::Outline || samples.histograms.is_empty() {
            return samples;
        }
        outlines.clear();
        let mut before: Option<&Histogram> = None;
        for histogram in samples.histograms {
            let Some(histogram) = histogram else {
                outlines.push(None);
                continue;
            };
            let hint = match (before, histogram.reset_hint) {
                _ if is_stale(histogram.sum) => histogram.reset_hint,
                (Some(before), ResetHint::Unknown) if histogram.detect_reset(before) => {
                    ResetHint::Reset
                }
                (Some(_), ResetHint::Unknown) => ResetHint::NotReset,
                (_, hint) => hint,
            };
            outlines.push(Some(Arc::new(Histogram {
                reset_hint: hint,
                schema: histogram.schema,
                count: histogram.count,
                sum: histogram.sum,
                ..Histogram::default()
            })));
            if !is_stale(histogram.sum) {
                before = Some(histogram);
            }
        }
        Samples {
            histograms: outlines,
            ..samples
        }
    }
}
