//! Which series rules read, and how far around each instant: what has to be there before they can be
//! evaluated over a time range.
//!
//! It looks at expressions only; it fetches nothing. The reach is the evaluator's own (upstream's
//! `getTimeRangesForSelector`), but for a millisecond for each subquery.

mod collect;
mod reach;

use std::collections::BTreeSet;
use std::sync::Arc;

use stentor_lang::model::{Duration, Matcher, Timestamp};
use stentor_lang::promql::{self, ParseOptions};
use stentor_lang::template::Template;

use crate::rulefile::{AlertingRule, Rule, RuleGroup};
use collect::Collector;
use reach::Instants;

/// The metrics that alerting rules write.
const ALERTS: [&str; 2] = ["ALERTS", "ALERTS_FOR_STATE"];

/// How the rules are going to be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How far behind the slot queries look, of groups that say nothing about it.
    pub query_offset: Duration,
    /// How old a sample may be to count as the current one.
    pub lookback: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            query_offset: Duration::ZERO,
            lookback: Duration::from_mins(5),
        }
    }
}

/// What rules need.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Needs {
    /// The selectors, in the order of the rules. One stands here twice where it reads two times that do
    /// not touch, as in `x - x offset 1w`.
    pub selectors: Vec<Need>,
    /// Selectors of what the rules themselves record, `ALERTS` among them: evaluating the rules makes these
    /// series, from the first evaluation on.
    pub recorded: Vec<Need>,
    /// What cannot be looked into, in words: expressions of opaque dialects, `query` in a template
    /// whose text is made at run time.
    pub unknown: Vec<String>,
}

/// A selector with its reach: an evaluation at `t` reads samples of the time range (`t - before`, `t + after`],
/// without its first instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// What the series match.
    pub matchers: Vec<Matcher>,
    /// The same as a PromQL selector.
    pub text: String,
    /// How far before an evaluation samples are read: look-back, range, subqueries, offsets, query
    /// offset.
    pub before: Duration,
    /// How far after an evaluation: negative offsets. Below zero where the newest samples are not read
    /// either, as behind `offset 1w`.
    pub after: Duration,
    /// Further ranges that do not move with the evaluation, of `@`: from, which is left out, and to. Where a
    /// selector reads nothing else, `before` and `after` are zero.
    pub fixed: Vec<(Timestamp, Timestamp)>,
}

impl Needs {
    /// The farthest that any selector looks back.
    pub fn before(&self) -> Duration {
        let reaches = self.selectors.iter().map(|need| need.before);
        reaches.max().unwrap_or_default().max(Duration::ZERO)
    }

    /// The farthest that any selector looks ahead.
    pub fn after(&self) -> Duration {
        let reaches = self.selectors.iter().map(|need| need.after);
        reaches.max().unwrap_or_default().max(Duration::ZERO)
    }
}

impl Need {
    /// The time ranges that evaluations from `start` to `end` read, in order and apart from each other;
    /// the first instant of each is left out.
    pub fn ranges(&self, start: Timestamp, end: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let moving = (start - self.before, end + self.after);
        let mut all = self.fixed.clone();
        all.extend((self.before > -self.after).then_some(moving));
        collect::apart(all)
    }
}

/// The metrics that these rules write themselves: those of recording rules, `ALERTS` and
/// `ALERTS_FOR_STATE`.
pub fn written(groups: &[Arc<RuleGroup>]) -> BTreeSet<Arc<str>> {
    let rules = groups.iter().flat_map(|group| &group.rules);
    let recorded = rules.filter_map(|rule| match rule {
        Rule::Recording(rule) => Some(Arc::clone(&rule.record)),
        Rule::Alerting(_) => None,
    });
    recorded.chain(ALERTS.map(Arc::from)).collect()
}

/// What these rules read, expressions and the queries of their templates.
pub fn needs(groups: &[Arc<RuleGroup>], options: &Options) -> Needs {
    let mut collector = Collector::new(written(groups));
    for group in groups {
        let offset = group.query_offset.unwrap_or(options.query_offset);
        for rule in &group.rules {
            expression(rule, offset, options, &mut collector);
            if let Rule::Alerting(rule) = rule {
                templates(rule, options, &mut collector);
            }
        }
    }
    collector.needs()
}

fn expression(rule: &Rule, offset: Duration, options: &Options, collector: &mut Collector) {
    let expr = rule.expr();
    let Some(parsed) = &expr.parsed else {
        collector.unknown(rule.name(), rule.place(), "its expression is not PromQL");
        return;
    };
    let at = Instants::at(-offset);
    if let Err(error) = reach::of(parsed, at, options, collector) {
        let why = format!("its expression fails: {error}");
        collector.unknown(rule.name(), rule.place(), &why);
    }
}

/// Queries of templates are asked for the slot itself, whatever the query offset is.
fn templates(rule: &AlertingRule, options: &Options, collector: &mut Collector) {
    let texts = rule.labels.iter().chain(&rule.annotations);
    for (name, template) in texts {
        if let Err(why) = template_queries(template, options, collector) {
            collector.unknown(&rule.alert, &rule.place, &format!("`{name}` {why}"));
        }
    }
}

fn template_queries(
    template: &Template,
    options: &Options,
    collector: &mut Collector,
) -> Result<(), String> {
    let queries = template.queries();
    let mut failed = queries
        .computed
        .first()
        .map(|text| format!("makes a query when it runs: {text}"));
    for text in queries.literal {
        let result = promql::parse(text, ParseOptions::all())
            .map_err(|errors| {
                errors
                    .into_iter()
                    .next()
                    .map_or(String::new(), |e| e.message)
            })
            .and_then(|expr| {
                let at = Instants::at(Duration::ZERO);
                reach::of(&expr, at, options, collector).map_err(|error| error.to_string())
            });
        if let Err(why) = result {
            failed.get_or_insert(format!("asks `{text}`, which fails: {why}"));
        }
    }
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
