//! `info(v, selector)`: adds the labels of info series, such as those of `target_info`, to the series of a
//! vector that have the same `instance` and `job` (upstream's `promql/info.go`).

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{LabelMap, Labels, METRIC_NAME};
use crate::promql::ast::{Call, Expr};
use crate::promql::eval::EvalError;
use crate::promql::eval::column::{Column, Rows, Series};
use crate::promql::eval::evaluator::Evaluator;
use crate::promql::eval::select::{self, Instant, Part};
use crate::regex::LabelMatcher;

/// The labels by which series and info series belong together.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

pub(super) fn rows<'e>(ev: Evaluator<'e>, call: &'e Call) -> Result<Rows<'e>, EvalError> {
    let selection = Selection::of(call)?;
    let mut base = ev.collect(&call.args[0])?;
    for series in &mut base {
        ev.settle(series);
    }
    let instant = instant_of(&ev, &call.args[0])?;
    let infos = Infos::read(ev, call, &selection, &base, instant)?;
    let mut out = Vec::new();
    for series in base {
        if selection.is_info_metric(&series.labels) {
            out.push(series);
        } else {
            enrich(series, &infos, &selection, &mut out).map_err(|message| EvalError {
                message,
                span: call.at.0,
            })?;
        }
    }
    Ok(Box::new(ev.merge(out, call.at.0)?.into_iter().map(Ok)))
}

/// What the second argument says.
struct Selection {
    /// The metrics that are info metrics.
    names: Vec<LabelMatcher>,
    /// Conditions on the labels of info series.
    data: Vec<LabelMatcher>,
}

impl Selection {
    fn of(call: &Call) -> Result<Self, EvalError> {
        let compiled = call.info_matchers().into_iter().map(|matcher| {
            LabelMatcher::new(&matcher).map_err(|error| EvalError {
                message: error.to_string(),
                span: call.args.get(1).map_or(call.at.0, Expr::span),
            })
        });
        let compiled = compiled.collect::<Result<Vec<_>, _>>()?;
        let is_name = |m: &LabelMatcher| m.matcher().name == METRIC_NAME;
        let (names, data) = compiled.into_iter().partition(is_name);
        Ok(Self { names, data })
    }

    /// Whether a series is itself one of those that tell about others.
    fn is_info_metric(&self, labels: &Labels) -> bool {
        let name = labels.get(METRIC_NAME);
        self.names.iter().all(|m| m.matches_value(name))
    }

    /// Whether a label of an info series is asked for.
    fn takes(&self, label: &str) -> bool {
        self.data.is_empty() || self.data.iter().any(|m| m.matcher().name == label)
    }

    /// Whether series without info series are part of the result.
    fn keeps_unmatched(&self) -> bool {
        self.data.iter().all(|m| m.matches_value(""))
    }
}

/// The time at which info series are looked up: that of the first selector in the expression, moved by
/// the subqueries around it up to the first `@`.
fn instant_of(ev: &Evaluator<'_>, expr: &Expr) -> Result<Instant, EvalError> {
    let mut instant = Instant {
        fixed: None,
        offset: 0,
    };
    for (fixed, offset) in expr.first_modifiers() {
        let modifier = Instant::of(ev, fixed, offset)?;
        instant.offset = instant.offset.saturating_add(modifier.offset);
        if modifier.fixed.is_some() {
            instant.fixed = modifier.fixed;
            break;
        }
    }
    Ok(instant)
}

/// The info series, by what they identify.
struct Infos {
    labels: Vec<Labels>,
    /// For each identity one list for each info metric: the series that counts at each step.
    by_identity: LabelMap<BTreeMap<String, Vec<Option<usize>>>>,
}

impl Infos {
    fn read(
        ev: Evaluator<'_>,
        call: &Call,
        selection: &Selection,
        base: &[Series],
        instant: Instant,
    ) -> Result<Self, EvalError> {
        let mut infos = Self {
            labels: Vec::new(),
            by_identity: LabelMap::default(),
        };
        let wanted = IDENTIFYING.map(|label| {
            let enriched = base.iter().filter(|s| !selection.is_info_metric(&s.labels));
            let values = enriched.map(|s| s.labels.get(label));
            values.filter(|v| !v.is_empty()).collect::<BTreeSet<_>>()
        });
        if wanted.iter().all(BTreeSet::is_empty) {
            return Ok(infos);
        }
        let is_wanted = |labels: &Labels| {
            let mut pairs = IDENTIFYING.iter().zip(&wanted);
            pairs.all(|(label, values)| values.is_empty() || values.contains(labels.get(label)))
        };
        let matchers: Vec<_> = selection
            .names
            .iter()
            .chain(&selection.data)
            .cloned()
            .collect();
        let seen: Vec<bool> = (0..ev.steps.count)
            .map(|step| base.iter().any(|s| s.column.is_present(step)))
            .collect();
        let mut times: Vec<Column> = Vec::new();
        for series in select::read(ev, &matchers, instant, Part::TimeOfNumber) {
            let series = series?;
            if is_wanted(&series.labels) {
                infos
                    .add(series, &seen, &mut times)
                    .map_err(|message| EvalError {
                        message,
                        span: call.at.0,
                    })?;
            }
        }
        Ok(infos)
    }

    /// Takes in an info series, whose column holds the times of its samples: the newest sample counts.
    fn add(
        &mut self,
        series: Series,
        seen: &[bool],
        times: &mut Vec<Column>,
    ) -> Result<(), String> {
        let index = self.labels.len();
        let name = series.labels.get(METRIC_NAME).to_owned();
        let metrics = self
            .by_identity
            .entry(series.labels.only(&IDENTIFYING))
            .or_default();
        let chosen = metrics
            .entry(name)
            .or_insert_with(|| vec![None; seen.len()]);
        for (step, chosen) in chosen.iter_mut().enumerate() {
            if !seen[step] || !series.column.is_present(step) {
                continue;
            }
            if series.column.histogram(step).is_some() {
                return Err("info sample should be float".into());
            }
            let time = series.column.floats[step];
            if let Some(other) = *chosen {
                let other_time = times[other].floats[step];
                if other_time == time {
                    return Err(format!(
                        "found duplicate series for info metric: existing {} @ {time}, new {} @ {time}",
                        self.labels[other], series.labels
                    ));
                }
                if other_time > time {
                    continue;
                }
            }
            *chosen = Some(index);
        }
        self.labels.push(series.labels);
        times.push(series.column);
        Ok(())
    }
}

/// Adds the labels of its info series to a series: one series more for each set of them over the steps.
fn enrich(
    series: Series,
    infos: &Infos,
    selection: &Selection,
    out: &mut Vec<Series>,
) -> Result<(), String> {
    let Some(metrics) = infos.by_identity.get(&series.labels.only(&IDENTIFYING)) else {
        if selection.keeps_unmatched() {
            out.push(series);
        }
        return Ok(());
    };
    let count = series.column.floats.len();
    let mut by_infos: BTreeMap<Vec<usize>, Option<Series>> = BTreeMap::new();
    let mut chosen = Vec::new();
    for step in (0..count).filter(|step| series.column.is_present(*step)) {
        chosen.clear();
        chosen.extend(metrics.values().filter_map(|metric| metric[step]));
        if !by_infos.contains_key(&chosen) {
            let labels = enriched(&series.labels, infos, &chosen, selection)?;
            let target = labels.map(|labels| Series {
                labels,
                drop_name: series.drop_name,
                column: Column::absent(count),
            });
            by_infos.insert(chosen.clone(), target);
        }
        let Some(Some(target)) = by_infos.get_mut(&chosen) else {
            continue;
        };
        match series.column.histogram(step) {
            Some(histogram) => target.column.set_histogram(step, histogram.clone()),
            None => target.column.floats[step] = series.column.floats[step],
        }
    }
    out.extend(by_infos.into_values().flatten());
    Ok(())
}

/// The labels of a series with those of its info series; none where it is left out.
fn enriched(
    base: &Labels,
    infos: &Infos,
    chosen: &[usize],
    selection: &Selection,
) -> Result<Option<Labels>, String> {
    if chosen.is_empty() && !selection.keeps_unmatched() {
        return Ok(None);
    }
    let mut added: BTreeMap<&str, &str> = BTreeMap::new();
    for &index in chosen {
        let labels = infos.labels[index].iter();
        for (name, value) in labels.filter(|(n, _)| *n != METRIC_NAME && selection.takes(n)) {
            if added.get(name).is_some_and(|other| *other != value) {
                return Err(format!("conflicting label: {name}"));
            }
            if !base.contains(name) {
                added.insert(name, value);
            }
        }
    }
    let mut builder = base.to_builder();
    for (name, value) in added {
        builder.set(name, value);
    }
    Ok(Some(builder.build()))
}
