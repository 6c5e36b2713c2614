//! In which order the rules of a group run within a slot. A rule that may read what an earlier one
//! writes waits for it, and one that writes what an earlier one may read does not come before it;
//! all others are asked side by side. So the answers are those of one rule after the other in the
//! order of the file, as Prometheus asks them.

use stentor_lang::model::ALERT_NAME;
use stentor_lang::promql::Expr;
use stentor_lang::promql::ast::VectorSelector;
use stentor_lang::regex::LabelMatcher;

use super::write::{ALERTS, ALERTS_FOR_STATE};
use crate::rulefile::{Expression, Rule};

/// For each rule the stage of the slot in which it is asked, counted from 0.
pub(super) fn stages(rules: &[Rule]) -> Vec<usize> {
    let reads: Vec<Reads> = rules.iter().map(Reads::of).collect();
    let mut stages: Vec<usize> = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        let after = |earlier: usize| {
            let stage = stages[earlier];
            if reads[index].may_meet(&rules[earlier]) || write_the_same(rule, &rules[earlier]) {
                stage + 1
            } else if reads[earlier].may_meet(rule) {
                stage
            } else {
                0
            }
        };
        stages.push((0..index).map(after).max().unwrap_or(0));
    }
    stages
}

/// Whether two rules write series of one name.
fn write_the_same(rule: &Rule, other: &Rule) -> bool {
    match (rule, other) {
        (Rule::Recording(_), Rule::Recording(_)) | (Rule::Alerting(_), Rule::Alerting(_)) => {
            rule.name() == other.name()
        }
        (Rule::Recording(rule), Rule::Alerting(_)) | (Rule::Alerting(_), Rule::Recording(rule)) => {
            is_of_alerts(&rule.record)
        }
    }
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

    /// Whether it may read what the rule writes.
    pub(super) fn may_meet(&self, writer: &Rule) -> bool {
        match self {
            Self::Anything => true,
            Self::Of(reads) => reads.iter().any(|read| read.may_meet(writer)),
        }
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

    fn may_meet(&self, writer: &Rule) -> bool {
        match writer {
            Rule::Recording(rule) => self.name == *rule.record,
            Rule::Alerting(rule) => {
                is_of_alerts(&self.name)
                    && self
                        .alert
                        .iter()
                        .all(|matcher| matcher.matches_value(&rule.alert))
            }
        }
    }
}
