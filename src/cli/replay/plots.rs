//! What rules measured around the lives of their alerts, evaluated once more for the report.

use std::sync::Arc;

use stentor_core::engine::Slots;
use stentor_core::replay::Run;
use stentor_core::report::plot::measured;
use stentor_core::report::{Plot, PlotSeries};
use stentor_core::rulefile::{AlertingRule, Rule, RuleGroup};
use stentor_core::timeline::{Episode, Timeline};
use stentor_lang::model::{Duration, Labels, METRIC_NAME, Timestamp};
use stentor_lang::promql::Expr;
use stentor_lang::promql::eval::{self, EvalOptions, RangeSeries, Value};

use super::setting::Setting;

/// Around the life of an alert at least this is shown.
const LEAST_MARGIN: Duration = Duration::from_mins(30);
/// Lines that can still be told apart.
const MOST_SERIES: usize = 20;
/// Points of a line: about one for each pixel of a page.
const MOST_POINTS: i64 = 600;
/// Plots of one rule: who looks at more looks for something else.
const MOST_WINDOWS: usize = 10;

/// The plots of a run, made part by part while its samples are there.
pub(super) struct Plots {
    rules: Vec<Measure>,
    eval: EvalOptions,
}

/// What is drawn of a rule.
struct Measure {
    rule: Arc<AlertingRule>,
    /// `None` where the expression cannot be looked into.
    expr: Option<Expr>,
    text: Arc<str>,
    threshold: Option<(&'static str, f64)>,
    slots: stentor_core::engine::Schedule,
    offset: Duration,
    done: Vec<Plot>,
}

impl Plots {
    pub(super) fn new(setting: &Setting) -> Self {
        let of = |group: &Arc<RuleGroup>| {
            let (interval, offset) = setting.times(group);
            let slots = Slots::Spread.of(&group.name, interval);
            let rules = group.rules.iter().filter_map(|rule| match rule {
                Rule::Alerting(rule) => Some(Measure::new(rule, slots, offset)),
                Rule::Recording(_) => None,
            });
            rules.collect::<Vec<_>>()
        };
        Self {
            rules: setting.groups.iter().flat_map(of).collect(),
            eval: setting.eval(),
        }
    }

    /// Draws what belongs between two instants, of which all samples are there.
    pub(super) fn draw(&mut self, run: &Run, timeline: &Timeline, from: Timestamp, to: Timestamp) {
        let episodes = timeline.episodes();
        for (index, measure) in self.rules.iter_mut().enumerate() {
            let of_rule: Vec<&Episode> = episodes.iter().filter(|e| e.rule == index).collect();
            for (start, end) in windows(&of_rule, to) {
                let window = (start.max(from), end.min(to));
                measure.draw(index, run, &of_rule, window, &self.eval);
            }
        }
    }

    /// All plots, by rule and time.
    pub(super) fn finish(self) -> Vec<Plot> {
        self.rules.into_iter().flat_map(|rule| rule.done).collect()
    }
}

impl Measure {
    fn new(
        rule: &Arc<AlertingRule>,
        slots: stentor_core::engine::Schedule,
        offset: Duration,
    ) -> Self {
        let measured = rule.expr.parsed.as_deref().map(measured);
        let text = measured.as_ref().map_or_else(
            || rule.expr.text.to_string(),
            |found| found.expr.to_string(),
        );
        Self {
            rule: Arc::clone(rule),
            threshold: measured.as_ref().and_then(|found| found.threshold),
            expr: measured.map(|found| found.expr.clone()),
            text: text.into(),
            slots,
            offset,
            done: Vec::new(),
        }
    }

    /// Draws what is new of a window: its beginning may be drawn already.
    fn draw(
        &mut self,
        rule: usize,
        run: &Run,
        episodes: &[&Episode],
        (start, end): (Timestamp, Timestamp),
        options: &EvalOptions,
    ) {
        let drawn = self.done.last().map(|last| last.end);
        let start = drawn.map_or(start, |drawn| start.max(drawn));
        let Some(expr) = self.expr.as_ref().filter(|_| start < end) else {
            return;
        };
        let goes_on = drawn == Some(start);
        if !goes_on && self.done.len() >= MOST_WINDOWS {
            return;
        }
        let interval = self.slots.interval();
        let wanted = end.since(start).millis() / MOST_POINTS;
        let step = interval.times(wanted / interval.millis().max(1) + 1);
        let first = self.slots.after(start - Duration::from_millis(1));
        let answer = eval::range(
            expr,
            run.store(),
            first - self.offset,
            end - self.offset,
            step,
            options,
        );
        let Ok(Value::Matrix(series)) = answer.map(|answer| answer.value) else {
            return;
        };
        if let Some(last) = self.done.last_mut().filter(|_| goes_on) {
            extend(last, series, self.offset, end);
            return;
        }
        let has_alert = |labels: &Labels| {
            let names = &self.rule.labels;
            let same = |episode: &&Episode| {
                labels.iter().all(|(name, value)| {
                    let set = name == METRIC_NAME || names.iter().any(|(own, _)| own == name);
                    set || episode.labels.get(name) == value
                })
            };
            episodes.iter().any(same)
        };
        let (mut shown, others): (Vec<_>, Vec<_>) = series
            .into_iter()
            .partition(|series| has_alert(&series.labels));
        shown.extend(others);
        let left_out = shown.len().saturating_sub(MOST_SERIES);
        shown.truncate(MOST_SERIES);
        self.done.push(Plot {
            rule,
            start,
            end,
            expr: Arc::clone(&self.text),
            threshold: self.threshold,
            series: shown
                .into_iter()
                .map(|series| PlotSeries {
                    points: points(&series, self.offset).collect(),
                    labels: series.labels,
                })
                .collect(),
            left_out,
        });
    }
}

/// A series' numbers at the slots that saw them.
fn points(series: &RangeSeries, offset: Duration) -> impl Iterator<Item = (Timestamp, f64)> {
    let samples = series.floats.iter();
    samples.map(move |sample| (sample.at + offset, sample.value))
}

/// Adds the next part of a plot; series that begin only now are drawn while there is room.
fn extend(plot: &mut Plot, series: Vec<RangeSeries>, offset: Duration, end: Timestamp) {
    plot.end = end;
    for new in series {
        let has_room = plot.series.len() < MOST_SERIES;
        match plot.series.iter_mut().find(|old| old.labels == new.labels) {
            Some(old) => {
                let last = old.points.last().map(|(at, _)| *at);
                old.points
                    .extend(points(&new, offset).filter(|(at, _)| Some(*at) > last));
            }
            None if has_room => plot.series.push(PlotSeries {
                points: points(&new, offset).collect(),
                labels: new.labels,
            }),
            None => {}
        }
    }
}

/// The times around the lives of alerts: before each twice as long as it lasted, after it half of that;
/// what touches is one.
fn windows(episodes: &[&Episode], now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let mut all: Vec<(Timestamp, Timestamp)> = episodes
        .iter()
        .map(|episode| {
            let end = episode.ended_at.unwrap_or(now);
            let margin = end.since(episode.active_at).times(2).max(LEAST_MARGIN);
            let after = Duration::from_millis(margin.millis() / 2);
            (episode.active_at - margin, end + after)
        })
        .collect();
    all.sort();
    let mut merged: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (start, end) in all {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}
