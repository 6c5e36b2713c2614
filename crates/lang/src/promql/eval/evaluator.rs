//! One query: its steps, what its nodes share, and which module evaluates which node.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::column::{Column, Rows, Series, Steps};
use super::outline::Reading;
use super::{
    Annotations, Answer, CANCELED, EvalError, EvalOptions, RangeSeries, SampleValue, Severity,
    Stats, Value, VectorSample, aggregate, binary, call, names, select, unary, window,
};
use crate::model::{Duration, LabelMap, Labels, Sample, Span, Timestamp};
use crate::promql::ast::{Expr, ValueType};
use crate::promql::store::{SeriesStore, is_stale};

/// The most steps of a query or subquery: a column of them takes 8 MB.
const MAX_STEPS: i64 = 1_000_000;

pub(super) fn instant(
    expr: &Expr,
    store: &dyn SeriesStore,
    at: Timestamp,
    options: &EvalOptions,
) -> Result<Answer, EvalError> {
    let shared = Shared::of(options);
    let ev = Evaluator {
        store,
        options,
        steps: Steps::one(at),
        query: Bounds {
            start: at,
            end: at,
            step: Duration::from_millis(0),
        },
        shared: &shared,
        reading: Reading::Whole,
    };
    let value = match expr.value_type() {
        ValueType::Scalar => Value::Scalar(Sample {
            at,
            value: ev.scalar(expr)?[0],
        }),
        ValueType::String => Value::String(at, ev.text(expr)?),
        ValueType::Vector => Value::Vector(ev.vector_at(expr, at)?),
        ValueType::Matrix => Value::Matrix(select::matrix(&ev, expr)?),
    };
    Ok(shared.answer(value))
}

pub(super) fn range(
    expr: &Expr,
    store: &dyn SeriesStore,
    start: Timestamp,
    end: Timestamp,
    step: Duration,
    options: &EvalOptions,
) -> Result<Answer, EvalError> {
    let shared = Shared::of(options);
    let ev = Evaluator {
        store,
        options,
        steps: checked_steps(start, end, step, expr.span())?,
        query: Bounds { start, end, step },
        shared: &shared,
        reading: Reading::Whole,
    };
    let value = match expr.value_type() {
        ValueType::Scalar => {
            let floats = ev.scalar(expr)?;
            let series = Series {
                labels: Labels::default(),
                drop_name: false,
                column: Column {
                    floats,
                    histograms: Vec::new(),
                },
            };
            vec![ev.range_series(series)]
        }
        ValueType::Vector => {
            let whole = ev.finish(ev.collect(expr)?, expr.span())?;
            let mut all: Vec<_> = whole.into_iter().map(|s| ev.range_series(s)).collect();
            all.sort_by(|a, b| a.labels.cmp(&b.labels));
            all
        }
        other => {
            let message = format!(
                "invalid expression type {:?} for range query, must be Scalar or instant Vector",
                other.documented()
            );
            return Err(EvalError {
                message,
                span: expr.span(),
            });
        }
    };
    Ok(shared.answer(Value::Matrix(value)))
}

/// The steps of a range, if they are not too many.
pub(super) fn checked_steps(
    start: Timestamp,
    end: Timestamp,
    step: Duration,
    span: Span,
) -> Result<Steps, EvalError> {
    let error = |message: String| Err(EvalError { message, span });
    if step.millis() <= 0 {
        return error("zero or negative step: give a positive duration".into());
    }
    let length = i128::from(end.millis()) - i128::from(start.millis());
    if length / i128::from(step.millis()) >= i128::from(MAX_STEPS) {
        return error(format!(
            "more than {MAX_STEPS} steps: use a longer step or a shorter range"
        ));
    }
    Ok(Steps::over(start, end, step))
}

/// The range of the whole query: what `@ start()`, `@ end()`, `step()` and `range()` mean, also inside
/// subqueries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub start: Timestamp,
    pub end: Timestamp,
    /// Zero in an instant query.
    pub step: Duration,
}

/// What all nodes of a query write to.
#[derive(Debug, Default)]
pub(super) struct Shared {
    annotations: Mutex<Annotations>,
    series: AtomicUsize,
    samples: AtomicUsize,
    cancel: Option<Arc<AtomicBool>>,
}

impl Shared {
    fn of(options: &EvalOptions) -> Self {
        Self {
            cancel: options.cancel.clone(),
            ..Self::default()
        }
    }

    /// One for another thread, to be taken in by [`Self::absorb`].
    pub(super) fn apart(&self) -> Self {
        Self {
            cancel: self.cancel.clone(),
            ..Self::default()
        }
    }

    /// Whether nobody waits for the answer any more.
    pub(super) fn is_canceled(&self) -> bool {
        let cancel = self.cancel.as_ref();
        cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed))
    }

    /// Refuses to go on when [`Self::is_canceled`].
    pub(super) fn check_canceled(&self, span: Span) -> Result<(), EvalError> {
        if self.is_canceled() {
            let message = CANCELED.to_owned();
            return Err(EvalError { message, span });
        }
        Ok(())
    }

    pub(super) fn note(&self, severity: Severity, message: impl Into<String>, span: Span) {
        let mut annotations = self
            .annotations
            .lock()
            .expect("invariant: no holder panics");
        annotations.add(severity, message, span);
    }

    /// Counts a series that was read.
    pub(super) fn count(&self, samples: usize) {
        self.series.fetch_add(1, Ordering::Relaxed);
        self.samples.fetch_add(samples, Ordering::Relaxed);
    }

    /// Takes in what was noted and counted elsewhere.
    pub(super) fn absorb(&self, other: Self) {
        let annotations = other.annotations.into_inner();
        let annotations = annotations.expect("invariant: no holder panics");
        if !annotations.is_empty() {
            let mut own = self
                .annotations
                .lock()
                .expect("invariant: no holder panics");
            own.extend(annotations);
        }
        let (series, samples) = (other.series.into_inner(), other.samples.into_inner());
        self.series.fetch_add(series, Ordering::Relaxed);
        self.samples.fetch_add(samples, Ordering::Relaxed);
    }

    fn answer(self, value: Value) -> Answer {
        Answer {
            value,
            annotations: self
                .annotations
                .into_inner()
                .expect("invariant: no holder panics"),
            stats: Stats {
                series: self.series.into_inner(),
                samples: self.samples.into_inner(),
            },
        }
    }
}

/// Evaluates nodes at its steps. A subquery has an evaluator of its own, with other steps.
#[derive(Clone, Copy)]
pub(super) struct Evaluator<'a> {
    pub store: &'a dyn SeriesStore,
    pub options: &'a EvalOptions,
    pub steps: Steps,
    pub query: Bounds,
    pub shared: &'a Shared,
    /// How selectors read histograms.
    pub reading: Reading,
}

impl<'a> Evaluator<'a> {
    /// The same query at the steps of a subquery.
    pub(super) fn at_steps(&self, steps: Steps) -> Self {
        let reading = Reading::AlwaysWhole;
        Self {
            steps,
            reading,
            ..*self
        }
    }

    /// The series of an instant vector, one after the other. No two have the same final labels and a
    /// value at the same step.
    pub(super) fn rows<'e>(&self, expr: &'e Expr) -> Result<Rows<'e>, EvalError>
    where
        'a: 'e,
    {
        let reading = self.reading.below(expr);
        let ev = Self { reading, ..*self };
        self.shared.check_canceled(expr.span())?;
        match expr {
            Expr::Paren(paren) => ev.rows(&paren.expr),
            Expr::Vector(selector) => select::vector(ev, selector),
            Expr::Call(call) if window::is_over_range(call) => window::rows(ev, call),
            Expr::Call(call) => call::rows(ev, call),
            Expr::Aggregate(aggregate) => aggregate::rows(ev, aggregate),
            Expr::Binary(binary) => binary::rows(ev, binary),
            Expr::Unary(unary) => unary::rows(ev, unary),
            other => Err(mistyped(other)),
        }
    }

    /// All series of an instant vector that have a value at some step.
    ///
    /// # Errors
    /// They hold more values than the query may hold at a time.
    pub(super) fn collect(&self, expr: &Expr) -> Result<Vec<Series>, EvalError> {
        let mut all = Vec::new();
        for series in self.rows(expr)? {
            let series = series?;
            if series.column.is_empty() {
                continue;
            }
            all.push(series);
            self.check_held(all.len().saturating_mul(self.steps.count), expr.span())?;
        }
        Ok(all)
    }

    /// Refuses to hold more than `max_samples` samples.
    pub(super) fn check_held(&self, samples: usize, span: Span) -> Result<(), EvalError> {
        if samples <= self.options.max_samples {
            return Ok(());
        }
        let message =
            "query processing would load too many samples into memory in query execution".into();
        Err(EvalError { message, span })
    }

    /// A number for each step.
    pub(super) fn scalar(&self, expr: &Expr) -> Result<Vec<f64>, EvalError> {
        match expr {
            Expr::Paren(paren) => self.scalar(&paren.expr),
            Expr::Number(number) => Ok(vec![number.value; self.steps.count]),
            Expr::Call(call) => call::scalar(*self, call),
            Expr::Binary(binary) => binary::scalar(*self, binary),
            Expr::Unary(unary) => unary::scalar(*self, unary),
            other => Err(mistyped(other)),
        }
    }

    /// A text.
    #[expect(clippy::unused_self, reason = "as its siblings")]
    pub(super) fn text(&self, expr: &Expr) -> Result<String, EvalError> {
        match expr.unwrap_parens() {
            Expr::String(text) => Ok(text.value.clone()),
            other => Err(mistyped(other)),
        }
    }

    /// Makes the labels of a series those that the rest of the expression sees. To be called before
    /// anyone looks at the labels.
    pub(super) fn settle(&self, series: &mut Series) {
        if series.drop_name && !self.options.delayed_name_removal {
            series.labels = names::without_name(&series.labels);
            series.drop_name = false;
        }
    }

    /// Puts together series that have the same labels and values at different steps.
    ///
    /// # Errors
    /// Two of them have a value at the same step.
    pub(super) fn merge(&self, all: Vec<Series>, span: Span) -> Result<Vec<Series>, EvalError> {
        let mut merged: LabelMap<Series> = LabelMap::default();
        for mut series in all {
            self.settle(&mut series);
            match merged.entry(series.labels.clone()) {
                indexmap::map::Entry::Vacant(entry) => drop(entry.insert(series)),
                indexmap::map::Entry::Occupied(mut entry) => {
                    merge_columns(&mut entry.get_mut().column, &series.column, span)?;
                }
            }
        }
        Ok(merged.into_values().collect())
    }

    /// The series of an instant vector, no two of which have the same labels, not even at different steps.
    pub(super) fn distinct_rows<'e>(&self, expr: &'e Expr) -> Result<Rows<'e>, EvalError>
    where
        'a: 'e,
    {
        if names::may_repeat(expr) {
            let merged = self.merge(self.collect(expr)?, expr.span())?;
            Ok(Box::new(merged.into_iter().map(Ok)))
        } else {
            self.rows(expr)
        }
    }

    /// Drops the names that are still to be dropped, at the end of the query, and puts together what then
    /// has the same labels.
    ///
    /// # Errors
    /// See [`Self::merge`].
    pub(super) fn finish(
        &self,
        mut all: Vec<Series>,
        span: Span,
    ) -> Result<Vec<Series>, EvalError> {
        for series in all.iter_mut().filter(|series| series.drop_name) {
            series.labels = names::without_name(&series.labels);
            series.drop_name = false;
        }
        self.merge(all, span)
    }

    /// The same series, whose names are to be dropped, those that then have the same labels put together.
    /// They come one by one where `expr`, which they are of, has but one name.
    ///
    /// # Errors
    /// See [`Self::merge`].
    pub(super) fn apart<'e>(
        &self,
        rows: Rows<'e>,
        expr: &Expr,
        span: Span,
    ) -> Result<Rows<'e>, EvalError> {
        if self.options.delayed_name_removal || !names::may_collide(self, expr) {
            return Ok(rows);
        }
        let merged = self.merge(rows.collect::<Result<_, _>>()?, span)?;
        Ok(Box::new(merged.into_iter().map(Ok)))
    }

    fn vector_at(&self, expr: &Expr, at: Timestamp) -> Result<Vec<VectorSample>, EvalError> {
        let mut samples = Vec::new();
        for series in self.finish(self.collect(expr)?, expr.span())? {
            let value = match series.column.histogram(0) {
                Some(histogram) => SampleValue::Histogram(histogram.clone()),
                None if is_stale(series.column.floats[0]) => continue,
                None => SampleValue::Float(series.column.floats[0]),
            };
            samples.push(VectorSample {
                labels: series.labels,
                at,
                value,
            });
        }
        Ok(samples)
    }

    /// A series as the answer has it.
    pub(super) fn range_series(&self, series: Series) -> RangeSeries {
        let labels = series.labels;
        let at = |index| Timestamp::from_millis(self.steps.at(index));
        let column = series.column;
        let floats = column.floats.iter().enumerate();
        let floats = floats.filter(|(_, value)| !is_stale(**value));
        let histograms = column.histograms.into_iter().enumerate();
        RangeSeries {
            labels,
            floats: floats
                .map(|(index, value)| Sample {
                    at: at(index),
                    value: *value,
                })
                .collect(),
            histograms: histograms
                .filter_map(|(index, h)| Some((at(index), h?)))
                .collect(),
        }
    }
}

fn merge_columns(into: &mut Column, from: &Column, span: Span) -> Result<(), EvalError> {
    for index in 0..from.floats.len() {
        if !from.is_present(index) {
            continue;
        }
        if into.is_present(index) {
            let message = "vector cannot contain metrics with the same labelset".into();
            return Err(EvalError { message, span });
        }
        into.floats[index] = from.floats[index];
        if let Some(histogram) = from.histogram(index) {
            into.set_histogram(index, histogram.clone());
        }
    }
    Ok(())
}

/// The parser lets no such tree pass; a tree put together elsewhere ends here.
fn mistyped(expr: &Expr) -> EvalError {
    EvalError {
        message: format!(
            "{expr} is a {}, which cannot stand here",
            expr.value_type().documented()
        ),
        span: expr.span(),
    }
}

/// As well: the evaluator has all functions of the table, each where its type says.
pub(super) fn misplaced(function: &str, span: Span) -> EvalError {
    EvalError {
        message: format!("the function {function} cannot stand here"),
        span,
    }
}
