//! Series computed in blocks, by all cores: fork and join, in this file alone. The results come in the order of the
//! input and do not depend on how many cores there are.
//!
//! Why not threads that live as long as the query: a block is hundreds of times more work than starting them.

use std::sync::OnceLock;
use std::thread;

use super::EvalError;
use super::column::{Rows, Series};
use super::evaluator::Shared;
use crate::model::Span;

/// The most threads that compute a query: more are seldom free.
const MAX_THREADS: usize = 8;

/// About how many values a block has: some megabytes.
const BLOCK_VALUES: usize = 1 << 20;

/// The most series of a block, where they have few values.
const MAX_BLOCK: usize = 4096;

/// A block with less work than this, in values, is not worth a thread.
const WORTH_A_THREAD: usize = 1 << 15;

/// What a series costs beside its values.
const SERIES_COST: usize = 32;

/// The series that `work` makes of each item, in order. `work` notes into the `Shared` that it is given, and keeps
/// memory from item to item in its scratch.
pub(super) fn rows<'e, T, S, W>(
    items: impl Iterator<Item = Result<T, EvalError>> + 'e,
    steps: usize,
    shared: &'e Shared,
    work: W,
) -> Rows<'e>
where
    T: Send + 'e,
    S: Default + Send + 'e,
    W: Fn(T, &mut S, &Shared) -> Result<Series, EvalError> + Sync + 'e,
{
    let mut items = items.fuse();
    let mut scratch: Vec<S> = Vec::new();
    let mut ready = Vec::new().into_iter();
    let whole = (BLOCK_VALUES / steps.max(1)).clamp(16, MAX_BLOCK);
    Box::new(std::iter::from_fn(move || {
        if let Some(next) = ready.next() {
            return Some(next);
        }
        let block: Vec<Result<T, EvalError>> = items.by_ref().take(whole).collect();
        if block.is_empty() {
            return None;
        }
        let values = block.len() * (steps + SERIES_COST);
        let threads = (values / WORTH_A_THREAD).clamp(1, threads());
        scratch.resize_with(threads.max(scratch.len()), S::default);
        ready = compute(block, &mut scratch[..threads], shared, &work).into_iter();
        ready.next()
    }))
}

/// How many threads compute.
fn threads() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| {
        let available = thread::available_parallelism().map_or(1, usize::from);
        available.min(MAX_THREADS)
    })
}

/// Computes a block, a part of it for each scratch.
fn compute<T, S, W>(
    mut block: Vec<Result<T, EvalError>>,
    scratch: &mut [S],
    shared: &Shared,
    work: &W,
) -> Vec<Result<Series, EvalError>>
where
    T: Send,
    S: Send,
    W: Fn(T, &mut S, &Shared) -> Result<Series, EvalError> + Sync,
{
    let part = block.len().div_ceil(scratch.len());
    let mut others = Vec::new();
    while block.len() > part {
        others.push(block.split_off(part * ((block.len() - 1) / part)));
    }
    others.reverse();
    let (own, rest) = scratch.split_first_mut().expect("invariant: one at least");
    thread::scope(|scope| {
        let parts = others.into_iter().zip(rest);
        let running: Vec<_> = parts
            .map(|(part, scratch)| {
                scope.spawn(move || {
                    let local = shared.apart();
                    let done = run(part, scratch, &local, work);
                    (done, local)
                })
            })
            .collect();
        let mut done = run(block, own, shared, work);
        for part in running {
            let (more, local) = match part.join() {
                Ok(finished) => finished,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            done.extend(more);
            shared.absorb(local);
        }
        done
    })
}

fn run<T, S, W>(
    part: Vec<Result<T, EvalError>>,
    scratch: &mut S,
    shared: &Shared,
    work: &W,
) -> Vec<Result<Series, EvalError>>
where
    W: Fn(T, &mut S, &Shared) -> Result<Series, EvalError>,
{
    part.into_iter()
        .map(|item| {
            let done = work(item?, scratch, shared)?;
            // Behind the work, which may have ended early.
            shared.check_canceled(Span::at(0))?;
            Ok(done)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;
    use crate::promql::eval::column::Column;

    #[test]
    fn the_order_is_that_of_the_input() {
        let shared = Shared::default();
        for count in [0, 1, 2, 3, 100, 1000, 5000] {
            let items = (0..count).map(|item| Ok(f64::from(item)));
            let rows = rows(items, 1000, &shared, |item, (): &mut (), _| {
                Ok(Series {
                    labels: Labels::default(),
                    drop_name: false,
                    column: Column {
                        floats: vec![item],
                        histograms: Vec::new(),
                    },
                })
            });
            let got: Vec<f64> = rows
                .map(|series| series.unwrap().column.floats[0])
                .collect();
            assert_eq!(got, (0..count).map(f64::from).collect::<Vec<_>>());
        }
    }
}
