//! In which order the rules of a group run within a slot. A rule that may read what an earlier one
//! writes waits for it, and one that writes what an earlier one may read does not come before it;
//! all others are asked side by side. So the answers are those of one rule after the other in the
//! order of the file, as Prometheus asks them.

use std::collections::BTreeMap;
use std::sync::Arc;

use stentor_lang::model::ALERT_NAME;
use stentor_lang::promql::Expr;
use stentor_lang::promql::ast::VectorSelector;
use stentor_lang::regex::LabelMatcher;

use super::write::{ALERTS, ALERTS_FOR_STATE};
use crate::rulefile::{Expression, Rule};

/// For each rule the stage of the slot in which it is asked, counted from 0.
pub(super) fn stages(rules: &[Rule]) -> Vec<usize> {
    let mut earlier = Earlier::default();
    let stages = rules.iter().map(|rule| {
        let reads = Reads::of(rule);
        let stage = earlier.stage_of(rule, &reads);
        earlier.add(rule, &reads, stage);
        stage
    });
    stages.collect()
}

/// The earlier rules of a group, each kind with the last stage of those.
#[derive(Default)]
struct Earlier {
    /// By what they record.
    records: BTreeMap<Arc<str>, usize>,
    /// By the alert's name.
    alerts: BTreeMap<Arc<str>, usize>,
    /// By the metrics that they read.
    reads: BTreeMap<String, usize>,
    /// Those that read anything.
    reads_anything: Option<usize>,
    /// All of them.
    all: Option<usize>,
}

impl Earlier {
    fn stage_of(&self, rule: &Rule, reads: &Reads) -> usize {
        let behind = [self.writers_read(reads), self.same_writers(rule)];
        let behind = behind.into_iter().flatten().map(|stage| stage + 1);
        let beside = self.readers(rule).into_iter().chain(self.reads_anything);
        behind.chain(beside).max().unwrap_or(0)
    }

    fn add(&mut self, rule: &Rule, reads: &Reads, stage: usize) {
        let (writers, name) = match rule {
            Rule::Recording(rule) => (&mut self.records, Arc::clone(&rule.record)),
            Rule::Alerting(rule) => (&mut self.alerts, Arc::clone(&rule.alert)),
        };
        raise(writers, name, stage);
        match reads {
            Reads::Anything => self.reads_anything = self.reads_anything.max(Some(stage)),
            Reads::Of(reads) => {
                for read in reads {
                    raise(&mut self.reads, read.name.clone(), stage);
                }
            }
        }
        self.all = self.all.max(Some(stage));
    }

    /// The rules that write what a rule may read.
    fn writers_read(&self, reads: &Reads) -> Option<usize> {
        let Reads::Of(reads) = reads else {
            return self.all;
        };
        let of = |read: &Read| {
            let alerts = self.alerts.iter();
            let alerts = alerts.filter(|(alert, _)| read.reads_alert(alert));
            let alerts = alerts.map(|(_, stage)| *stage).max();
            self.records.get(&*read.name).copied().max(alerts)
        };
        reads.iter().filter_map(of).max()
    }

    /// The rules that write series of the same name: of one alert, or of one metric.
    fn same_writers(&self, rule: &Rule) -> Option<usize> {
        match rule {
            Rule::Recording(rule) if is_of_alerts(&rule.record) => self.all,
            Rule::Recording(rule) => self.records.get(&rule.record).copied(),
            Rule::Alerting(rule) => {
                let records = [ALERTS, ALERTS_FOR_STATE].map(|name| self.records.get(name));
                let records = records.into_iter().flatten();
                let alerts = self.alerts.get(&rule.alert);
                records.chain(alerts).copied().max()
            }
        }
    }

    /// The rules that may read what a rule writes.
    fn readers(&self, rule: &Rule) -> Option<usize> {
        match rule {
            Rule::Recording(rule) => self.reads.get(&*rule.record).copied(),
            Rule::Alerting(_) => {
                let reads = [ALERTS, ALERTS_FOR_STATE].map(|name| self.reads.get(name));
                reads.into_iter().flatten().copied().max()
            }
        }
    }
}

fn raise<K: Ord>(stages: &mut BTreeMap<K, usize>, key: K, stage: usize) {
    let known = stages.entry(key).or_default();
    *known = stage.max(*known);
}

fn is_of_alerts(name: &str) -> bool {
    name == ALERTS || name == ALERTS_FOR_STATE
}

/// What a rule reads.
#[derive(Debug)]
pub(crate) enum Reads {
    /// Anything: its expression is not parsed, selects without a metric name, or it has labels that
    /// ask the data source.
    Anything,
    /// What these selectors match.
    Of(Vec<Read>),
}

/// What a selector reads.
#[derive(Debug)]
pub(crate) struct Read {
    name: String,
    /// The matchers of the alert's name, where the metric is one of alerts.
    alert: Vec<LabelMatcher>,
}

impl Reads {
    pub(crate) fn of(rule: &Rule) -> Self {
        if let Rule::Alerting(rule) = rule
            && rule.labels.iter().any(|(_, text)| text.uses_query())
        {
            return Self::Anything;
        }
        Self::of_expression(rule.expr())
    }

    fn of_expression(expr: &Expression) -> Self {
        let Some(expr) = &expr.parsed else {
            return Self::Anything;
        };
        let mut reads = Some(Vec::new());
        expr.walk(&mut |node| {
            let read = match node {
                Expr::Vector(selector) => Read::of(selector),
                Expr::Matrix(matrix) => Read::of(&matrix.selector),
                // It reads info metrics of any name.
                Expr::Call(call) if call.function.name == "info" => None,
                _ => return,
            };
            match (read, &mut reads) {
                (Some(read), Some(reads)) => reads.push(read),
                _ => reads = None,
            }
        });
        reads.map_or(Self::Anything, Self::Of)
    }
}

impl Read {
    fn of(selector: &VectorSelector) -> Option<Self> {
        let name = selector.metric_name()?.to_owned();
        let mut alert = Vec::new();
        if is_of_alerts(&name) {
            let matchers = selector.matchers();
            for matcher in matchers.filter(|matcher| matcher.name == ALERT_NAME) {
                alert.push(LabelMatcher::new(matcher).ok()?);
            }
        }
        Some(Self { name, alert })
    }

    /// The metric's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it reads the series of alerts.
    pub(crate) fn is_of_alerts(&self) -> bool {
        is_of_alerts(&self.name)
    }

    /// Whether it may read the series of that alert.
    fn reads_alert(&self, alert: &str) -> bool {
        self.is_of_alerts()
            && self
                .alert
                .iter()
                .all(|matcher| matcher.matches_value(alert))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rulefile::{LoadOptions, load};
    use stentor_lang::model::SourceText;

    /// Rules as `name: expression`, alerts with a capital; the stage of each.
    #[track_caller]
    fn check(rules: &[&str], expected: &[usize]) {
        let written = rules.iter().map(|rule| {
            let (name, expr) = rule.split_once(": ").expect("a name and an expression");
            let kind = if name.starts_with(|c: char| c.is_uppercase()) && name != "ALERTS" {
                "alert"
            } else {
                "record"
            };
            format!("  - {kind}: {name}\n    expr: '{expr}'\n")
        });
        let text = format!(
            "groups:\n- name: g\n  rules:\n{}",
            written.collect::<String>()
        );
        let file = load(&SourceText::new("rules.yml", text), &LoadOptions::default());
        let file = file.expect("rules");
        assert_eq!(stages(&file.groups[0].rules), expected, "{rules:?}");
    }

    #[test]
    fn rules_wait_for_what_they_may_read_and_no_longer() {
        check(&["a: x", "b: x", "c: y"], &[0, 0, 0]);
        check(&["a: x", "b: a", "c: b + a", "d: x"], &[0, 1, 2, 0]);
        check(&["b: a", "a: x"], &[0, 0]);
        // What reads the older samples is asked before the new ones are written.
        check(&["r: x", "b: r + a", "a: x"], &[0, 1, 1]);
        check(&["a: x", "a: y"], &[0, 1]);
        check(&["a: x", "b: sum_over_time(a[5m])"], &[0, 1]);
    }

    #[test]
    fn alerts_are_read_by_name() {
        let read = "B: ALERTS{alertname=\"A\"}";
        check(&["A: x", read, "C: y"], &[0, 1, 1]);
        check(&["D: x", read], &[0, 0]);
        check(&["D: x", "r: ALERTS_FOR_STATE"], &[0, 1]);
        check(&["A: x", "ALERTS: y", "B: z"], &[0, 1, 2]);
    }

    #[test]
    fn a_selector_without_a_name_reads_everything() {
        check(&["a: x", "b: {job=\"x\"}", "c: y"], &[0, 1, 1]);
        check(&["a: x", "b: info(y)"], &[0, 1]);
    }
}
