//! At which instants the nodes of an expression are evaluated, and so which samples its selectors read.

use stentor_lang::model::{Duration, Timestamp};
use stentor_lang::promql::Expr;
use stentor_lang::promql::ast::{
    AtModifier, Call, DurationValue, Extended, MatrixSelector, Modifiers, Subquery, VectorSelector,
};
use stentor_lang::promql::eval::{EvalError, instant_duration};

use super::Options;
use super::collect::{Collector, Window};

/// What a time is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// The evaluation of the rule.
    Evaluation,
    /// The epoch: what `@` says.
    Epoch,
}

/// The instants at which a node is evaluated: from the first to the last, both included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instants {
    base: Base,
    first: Duration,
    last: Duration,
}

impl Instants {
    /// The one instant so long after the evaluation.
    pub(super) fn at(after: Duration) -> Self {
        Self {
            base: Base::Evaluation,
            first: after,
            last: after,
        }
    }

    /// The windows up to these instants.
    fn windows(self, length: Duration, ahead: Duration) -> Window {
        Window {
            base: self.base,
            after: self.first - length,
            until: self.last + ahead,
        }
    }
}

/// Notes what an expression reads that is evaluated at these instants.
pub(super) fn of(
    expr: &Expr,
    at: Instants,
    options: &Options,
    collector: &mut Collector,
) -> Result<(), EvalError> {
    let mut reach = Reach {
        query: at,
        lookback: options.lookback,
        collector,
    };
    reach.node(expr, at)
}

struct Reach<'c> {
    /// The instant of the whole query: what `start()` and `end()` mean, in subqueries too.
    query: Instants,
    lookback: Duration,
    collector: &'c mut Collector,
}

impl Reach<'_> {
    fn node(&mut self, expr: &Expr, at: Instants) -> Result<(), EvalError> {
        match expr {
            Expr::Vector(selector) => self.vector(selector, at),
            Expr::Matrix(matrix) => self.matrix(matrix, at),
            Expr::Subquery(subquery) => self.subquery(subquery, at),
            Expr::Call(call) if call.function.name == "info" => self.info(call, at),
            other => other
                .children()
                .into_iter()
                .try_for_each(|child| self.node(child, at)),
        }
    }

    fn vector(&mut self, selector: &VectorSelector, at: Instants) -> Result<(), EvalError> {
        let mut at = self.modified(at, (selector.fixed, selector.offset.as_ref()))?;
        if selector.fixed.is_some() && selector.offset.is_some() {
            // `timestamp(x @ 100 offset -5m)` reads at 100.
            let fixed = self.modified(at, (selector.fixed, None))?;
            at.first = at.first.min(fixed.first);
        }
        let ahead = match selector.extended {
            Some(Extended::Smoothed) => self.lookback,
            Some(Extended::Anchored) | None => Duration::ZERO,
        };
        let matchers = selector.matchers().cloned().collect();
        let window = at.windows(self.lookback, ahead);
        self.collector.add(matchers, window);
        Ok(())
    }

    fn matrix(&mut self, matrix: &MatrixSelector, at: Instants) -> Result<(), EvalError> {
        let selector = &matrix.selector;
        let at = self.modified(at, (selector.fixed, selector.offset.as_ref()))?;
        let range = instant_duration(&matrix.range, false)?;
        let (more, ahead) = match selector.extended {
            None => (Duration::ZERO, Duration::ZERO),
            Some(Extended::Anchored) => (self.lookback, Duration::ZERO),
            Some(Extended::Smoothed) => (self.lookback, self.lookback),
        };
        let matchers = selector.matchers().cloned().collect();
        self.collector
            .add(matchers, at.windows(range + more, ahead));
        Ok(())
    }

    /// The steps of a subquery begin behind the start of its range, so that being multiples of the step
    /// takes them no farther.
    fn subquery(&mut self, subquery: &Subquery, at: Instants) -> Result<(), EvalError> {
        let mut at = self.modified(at, (subquery.fixed, subquery.offset.as_ref()))?;
        at.first = at.first - instant_duration(&subquery.range, false)?;
        self.node(&subquery.expr, at)
    }

    /// `info` reads its info series at the time of the first selector.
    fn info(&mut self, call: &Call, at: Instants) -> Result<(), EvalError> {
        let Some(vector) = call.args.first() else {
            return Ok(());
        };
        self.node(vector, at)?;
        let mut read = at;
        let mut offset = Duration::ZERO;
        for (fixed, by) in vector.first_modifiers() {
            offset = offset + offset_of(by)?;
            if fixed.is_some() {
                read = self.modified(at, (fixed, None))?;
                break;
            }
        }
        read.first = read.first - offset;
        read.last = read.last - offset;
        let window = read.windows(self.lookback, Duration::ZERO);
        self.collector.add(call.info_matchers(), window);
        Ok(())
    }

    fn modified(&self, at: Instants, modifiers: Modifiers<'_>) -> Result<Instants, EvalError> {
        let (fixed, offset) = modifiers;
        let mut at = match fixed {
            None => at,
            Some(AtModifier::Start | AtModifier::End) => self.query,
            Some(AtModifier::Time(time)) => {
                let time = time.since(Timestamp::EPOCH);
                Instants {
                    base: Base::Epoch,
                    first: time,
                    last: time,
                }
            }
        };
        let offset = offset_of(offset)?;
        at.first = at.first - offset;
        at.last = at.last - offset;
        Ok(at)
    }
}

fn offset_of(offset: Option<&DurationValue>) -> Result<Duration, EvalError> {
    offset.map_or(Ok(Duration::ZERO), |offset| instant_duration(offset, true))
}
