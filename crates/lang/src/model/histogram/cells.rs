//! Buckets as pairs of index and count, and back to spans: how the arithmetic reads and writes them.
//!
//! Reading takes any data: counts without a span and spans without counts are left out, and an index
//! stops at the largest one.

use super::{BucketSpan, Buckets};

/// A bucket's index and count, with the compensation of a Kahan summation beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    pub index: i32,
    pub count: f64,
    pub compensation: f64,
}

impl Cell {
    /// Whether nothing is lost without it.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0.0 && self.compensation == 0.0
    }
}

impl Buckets {
    /// The index and count of each bucket, in order.
    pub fn cells(&self) -> Cells<'_> {
        Cells::new(&self.spans, &self.counts)
    }

    /// The same, to compute with; compensations stand in a list beside the counts.
    pub(super) fn to_cells(&self, compensations: &[f64]) -> Vec<Cell> {
        let more = compensations.iter().copied().chain(std::iter::repeat(0.0));
        let cell = |((index, count), compensation)| Cell {
            index,
            count,
            compensation,
        };
        self.cells().zip(more).map(cell).collect()
    }

    /// The spans that hold exactly these cells, and the compensations.
    pub(super) fn from_cells(cells: &[Cell]) -> (Self, Vec<f64>) {
        let mut spans: Vec<BucketSpan> = Vec::new();
        let mut next = 0i32;
        for cell in cells {
            match spans.last_mut() {
                Some(span) if cell.index == next => span.length += 1,
                _ => spans.push(BucketSpan {
                    offset: cell.index.saturating_sub(next),
                    length: 1,
                }),
            }
            next = cell.index.saturating_add(1);
        }
        let counts = cells.iter().map(|cell| cell.count).collect();
        let compensations = cells.iter().map(|cell| cell.compensation).collect();
        (Self { spans, counts }, compensations)
    }
}

/// Walks over the index and count of each bucket, from both ends.
#[derive(Debug, Clone)]
pub struct Cells<'a> {
    spans: &'a [BucketSpan],
    counts: &'a [f64],
    front: Place,
    back: Place,
}

/// A place between two buckets: in which span, how many of its buckets lie before, and the index of the
/// bucket behind the place.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    span: usize,
    within: u32,
    index: i32,
}

impl<'a> Cells<'a> {
    fn new(spans: &'a [BucketSpan], counts: &'a [f64]) -> Self {
        let mut end = Place::default();
        let mut rest = counts.len();
        for (position, span) in spans.iter().enumerate() {
            let length = usize::try_from(span.length).unwrap_or(usize::MAX).min(rest);
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            let first = end.index.saturating_add(span.offset);
            end = Place {
                span: position,
                within: length,
                index: first.saturating_add_unsigned(length),
            };
            rest -= length as usize;
            if rest == 0 {
                break;
            }
        }
        Self {
            spans,
            counts: &counts[..counts.len() - rest],
            front: Place {
                span: 0,
                within: 0,
                index: spans.first().map_or(0, |span| span.offset),
            },
            back: end,
        }
    }
}

impl Iterator for Cells<'_> {
    type Item = (i32, f64);

    fn next(&mut self) -> Option<Self::Item> {
        let (count, rest) = self.counts.split_first()?;
        let place = &mut self.front;
        while place.within >= self.spans.get(place.span)?.length {
            place.span += 1;
            place.within = 0;
            let offset = self.spans.get(place.span)?.offset;
            place.index = place.index.saturating_add(offset);
        }
        self.counts = rest;
        let index = place.index;
        place.within += 1;
        place.index = index.saturating_add(1);
        Some((index, *count))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.counts.len(), Some(self.counts.len()))
    }
}

impl DoubleEndedIterator for Cells<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let (count, rest) = self.counts.split_last()?;
        let place = &mut self.back;
        while place.within == 0 {
            let offset = self.spans[place.span].offset;
            place.span = place.span.checked_sub(1)?;
            place.within = self.spans[place.span].length;
            place.index = place.index.saturating_sub(offset);
        }
        self.counts = rest;
        place.within -= 1;
        place.index = place.index.saturating_sub(1);
        Some((place.index, *count))
    }
}

/// Joins two lists in order of their indexes: `join` makes one cell of two with the same index.
pub(super) fn merge(left: &[Cell], right: &[Cell], join: impl Fn(Cell, Cell) -> Cell) -> Vec<Cell> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(&&a), Some(&&b)) = (left.peek(), right.peek()) {
        let order = a.index.cmp(&b.index);
        if order.is_le() {
            left.next();
        }
        if order.is_ge() {
            right.next();
        }
        merged.push(match order {
            std::cmp::Ordering::Less => a,
            std::cmp::Ordering::Greater => b,
            std::cmp::Ordering::Equal => join(a, b),
        });
    }
    merged.extend(left.copied());
    merged.extend(right.copied());
    merged
}

/// The cells of a coarser schema: those that fall into one of its buckets are joined in order.
pub(super) fn reduce(
    cells: &[Cell],
    from: i32,
    to: i32,
    join: impl Fn(Cell, Cell) -> Cell,
) -> Vec<Cell> {
    let mut reduced: Vec<Cell> = Vec::new();
    for cell in cells {
        let index = coarser_index(cell.index, from, to);
        let cell = Cell { index, ..*cell };
        match reduced.last_mut() {
            Some(last) if last.index == index => *last = join(*last, cell),
            _ => reduced.push(cell),
        }
    }
    reduced
}

/// Which bucket of the schema `to` holds the bucket `index` of the schema `from`.
pub(super) fn coarser_index(index: i32, from: i32, to: i32) -> i32 {
    let shift = from.saturating_sub(to).clamp(0, 31);
    (index.saturating_sub(1) >> shift).saturating_add(1)
}
