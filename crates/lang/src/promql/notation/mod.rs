//! The series notation of promtool and promqltest: `1+2x5 _ stale {{schema:0 sum:5 count:4}}`.
//!
//! A text becomes a [`Sequence`] in which a repetition stays one item, so that `0x1000000000` costs
//! nothing until its values are taken one after the other. Nothing here knows time or stores samples.

mod histogram;
mod read;
mod stored;

use std::sync::Arc;

use super::store;
use crate::model::histogram::{Histogram, HistogramError};
use crate::model::{Diagnostic, Labels, Span};

pub use stored::stored_hint;

/// The most positions that [`Sequence::within`] lets a caller take who names no limit: some years of
/// minutes, far above any test; and 0.8 GB of numbers.
pub const MAX_SAMPLES: u64 = 100_000_000;

/// As how many numbers a histogram counts beside its buckets: some hundred bytes.
pub const HISTOGRAM_WEIGHT: u64 = 64;

/// A series with its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels, metric name included.
    pub labels: Labels,
    /// Its values, one for each step.
    pub values: Sequence,
}

/// Reads `metric{label="value"} 1+2x5 _ stale`. The spans of errors are byte ranges of the text.
pub fn parse_series(text: &str) -> Result<Series, Vec<Diagnostic>> {
    read::series(text)
}

/// Reads values alone: `1+2x5 _ stale`.
pub fn parse_values(text: &str) -> Result<Sequence, Vec<Diagnostic>> {
    read::values(text, 0).map_err(|error| vec![error])
}

/// Values at regular steps, some of them left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sequence {
    /// The numbers of the [`Item::Plain`] items, one after the other.
    plain: Vec<f64>,
    items: Vec<(Item, Span)>,
    length: u64,
}

/// Positions that are written as one.
#[derive(Debug, Clone, PartialEq)]
enum Item {
    /// Numbers that stand one by one, taken from [`Sequence::plain`].
    Plain { count: usize },
    /// Positions without value.
    Gap { count: u64 },
    /// A number repeated, with something added each time.
    Run {
        start: f64,
        delta: Option<f64>,
        count: u64,
    },
    /// A histogram repeated.
    Histograms {
        start: Arc<Histogram>,
        change: Option<Change>,
        count: u64,
        hinted: bool,
    },
}

/// What happens to a histogram from one repetition to the next.
#[derive(Debug, Clone, PartialEq)]
enum Change {
    Add(Arc<Histogram>),
    Subtract(Arc<Histogram>),
}

impl Change {
    fn apply(&self, to: &Histogram) -> Result<Histogram, HistogramError> {
        let mut changed = to.clone();
        match self {
            Self::Add(other) => changed.add(other)?,
            Self::Subtract(other) => changed.sub(other)?,
        };
        Ok(changed)
    }
}

/// One position of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Without value: `_`.
    Gap,
    /// A number; `stale` is the staleness marker.
    Float(f64),
    /// A histogram, and whether its text names the counter reset hint.
    Histogram(Arc<Histogram>, bool),
}

impl Entry {
    /// `stale`
    pub const fn stale() -> Self {
        Self::Float(store::stale())
    }
}

impl Sequence {
    /// How many positions it has, those without value included.
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether it has no position.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether every value is a number.
    pub fn is_numeric(&self) -> bool {
        let histogram = |item: &Item| matches!(item, Item::Histograms { .. });
        !self.items.iter().any(|(item, _)| histogram(item))
    }

    /// As how many numbers a position counts where memory is limited: each histogram may be one of its own,
    /// with all its buckets.
    pub fn weight(&self) -> u64 {
        let buckets = |h: &Histogram| h.positive.counts.len() + h.negative.counts.len();
        let weights = self.items.iter().map(|(item, _)| match item {
            Item::Histograms { start, change, .. } => {
                let changed = change.as_ref().map_or(0, |change| match change {
                    Change::Add(other) | Change::Subtract(other) => buckets(other),
                });
                HISTOGRAM_WEIGHT + (buckets(start) + changed) as u64
            }
            _ => 1,
        });
        weights.max().unwrap_or(1)
    }

    /// All positions, computed one by one: to be stopped where enough is known, as there may be 2^64.
    pub fn iter(&self) -> Entries<'_> {
        Entries {
            plain: self.plain.iter(),
            items: self.items.iter(),
            now: Now::Nothing,
        }
    }

    /// The sequence, if it has no more positions than that.
    ///
    /// # Errors
    /// It has more: the error points at the item that goes beyond.
    pub fn within(&self, limit: u64) -> Result<&Self, Diagnostic> {
        if self.length <= limit {
            return Ok(self);
        }
        let span = self.place(limit);
        let length = self.length;
        Err(
            Diagnostic::error(read::CODE, span, format!("a series of {length} samples"))
                .with_hint(format!("at most {limit} can be used here")),
        )
    }

    /// The item that a position, from 0, belongs to.
    fn place(&self, position: u64) -> Span {
        let mut length = 0_u64;
        let item = self.items.iter().find(|(item, _)| {
            length = length.saturating_add(item.count());
            length > position
        });
        item.map_or(Span::at(0), |(_, span)| *span)
    }

    fn push_plain(&mut self, value: f64, span: Span) {
        self.plain.push(value);
        self.length = self.length.saturating_add(1);
        if let Some((Item::Plain { count }, whole)) = self.items.last_mut() {
            *count += 1;
            whole.end = span.end;
        } else {
            self.items.push((Item::Plain { count: 1 }, span));
        }
    }

    fn push(&mut self, item: Item, span: Span) {
        self.length = self.length.saturating_add(item.count());
        self.items.push((item, span));
    }

    /// Adds a value `count` times, `delta` later each time; for sequences that are not read from a text
    /// in this notation.
    pub(super) fn push_run(&mut self, start: f64, delta: Option<f64>, count: u64, span: Span) {
        self.push(
            Item::Run {
                start,
                delta,
                count,
            },
            span,
        );
    }

    /// Adds positions without value.
    pub(super) fn push_gap(&mut self, count: u64, span: Span) {
        self.push(Item::Gap { count }, span);
    }
}

impl Item {
    fn count(&self) -> u64 {
        match self {
            Self::Plain { count } => *count as u64,
            Self::Gap { count } | Self::Run { count, .. } | Self::Histograms { count, .. } => {
                *count
            }
        }
    }
}

impl<'a> IntoIterator for &'a Sequence {
    type Item = Entry;
    type IntoIter = Entries<'a>;
    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

/// The positions of a sequence, computed one by one.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    plain: std::slice::Iter<'a, f64>,
    items: std::slice::Iter<'a, (Item, Span)>,
    now: Now<'a>,
}

/// What is left of the current item.
#[derive(Debug, Clone)]
enum Now<'a> {
    Nothing,
    Plain(usize),
    Gap(u64),
    Run {
        next: f64,
        delta: Option<f64>,
        left: u64,
    },
    Histograms {
        next: Arc<Histogram>,
        change: Option<&'a Change>,
        left: u64,
        hinted: bool,
    },
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    #[inline]
    fn next(&mut self) -> Option<Entry> {
        loop {
            match &mut self.now {
                Now::Plain(left) if *left > 0 => {
                    *left -= 1;
                    return self.plain.next().map(|value| Entry::Float(*value));
                }
                Now::Gap(left) if *left > 0 => {
                    *left -= 1;
                    return Some(Entry::Gap);
                }
                Now::Run { next, delta, left } if *left > 0 => {
                    *left -= 1;
                    let value = *next;
                    if let Some(delta) = delta {
                        *next += *delta;
                    }
                    return Some(Entry::Float(value));
                }
                Now::Histograms {
                    next,
                    change,
                    left,
                    hinted,
                } if *left > 0 => {
                    *left -= 1;
                    let value = Arc::clone(next);
                    if let (Some(change), true) = (change, *left > 0) {
                        // The reader has tried the first change, and what stops one stops the first.
                        *next = Arc::new(change.apply(&value).ok()?);
                    }
                    return Some(Entry::Histogram(value, *hinted));
                }
                _ => self.now = Now::of(&self.items.next()?.0),
            }
        }
    }
}

impl<'a> Now<'a> {
    fn of(item: &'a Item) -> Self {
        match item {
            Item::Plain { count } => Self::Plain(*count),
            Item::Gap { count } => Self::Gap(*count),
            Item::Run {
                start,
                delta,
                count,
            } => Self::Run {
                next: *start,
                delta: *delta,
                left: *count,
            },
            Item::Histograms {
                start,
                change,
                count,
                hinted,
            } => Self::Histograms {
                next: Arc::clone(start),
                change: change.as_ref(),
                left: *count,
                hinted: *hinted,
            },
        }
    }
}

#[cfg(test)]
mod tests;
