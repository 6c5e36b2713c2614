//! Rules beside the YAML they were read from, so that a finding inside an expression or a template
//! points at its place in the file.

use std::collections::BTreeMap;

use stentor_lang::model::{Duration, SourceText, Span};
use stentor_lang::promql::Expr;
use stentor_lang::yaml::{Mapping, Node, Parsed, Scalar};

use crate::rulefile::{AlertingRule, Rule, RuleFile, RuleGroup};

/// Prometheus' default scrape interval: a group may be evaluated more rarely than its samples come.
const SCRAPE_INTERVAL: Duration = Duration::from_mins(1);

/// The rules of a file.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    pub source: &'a SourceText,
    pub parsed: &'a Parsed,
    pub file: &'a RuleFile,
    /// The interval of groups that set none.
    interval: Option<Duration>,
    /// The mapping of each rule, by where its name begins.
    mappings: BTreeMap<usize, &'a Mapping>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(
        source: &'a SourceText,
        parsed: &'a Parsed,
        file: &'a RuleFile,
        interval: Option<Duration>,
    ) -> Self {
        let mut mappings = BTreeMap::new();
        for document in &parsed.documents {
            collect(document, &mut mappings);
        }
        Self {
            source,
            parsed,
            file,
            interval,
            mappings,
        }
    }

    /// All rules with their groups.
    pub(super) fn iter(&self) -> impl Iterator<Item = Written<'_>> {
        let groups = self.file.groups.iter();
        groups.flat_map(move |group| {
            group.rules.iter().map(move |rule| Written {
                rules: self,
                group,
                rule,
            })
        })
    }

    /// All rules that PromQL is known of, with the expression.
    pub(super) fn expressions(&self) -> impl Iterator<Item = (Written<'_>, &Expr)> {
        self.iter()
            .filter_map(|rule| Some((rule, rule.rule.expr().parsed.as_deref()?)))
    }

    /// All alerting rules.
    pub(super) fn alerting(&self) -> impl Iterator<Item = (Written<'_>, &AlertingRule)> {
        self.iter().filter_map(|rule| match rule.rule {
            Rule::Alerting(alerting) => Some((rule, &**alerting)),
            Rule::Recording(_) => None,
        })
    }
}

/// Notes every mapping that has a rule's name.
fn collect<'a>(node: &'a Node, mappings: &mut BTreeMap<usize, &'a Mapping>) {
    match node {
        Node::Scalar(_) => {}
        Node::Sequence(sequence) => sequence
            .items
            .iter()
            .for_each(|item| collect(item, mappings)),
        Node::Mapping(mapping) => {
            for name in ["alert", "record"] {
                if let Some(name) = mapping.get(name).and_then(Node::as_scalar) {
                    mappings.insert(name.span.start, mapping);
                }
            }
            mapping
                .entries
                .iter()
                .for_each(|entry| collect(&entry.value, mappings));
        }
    }
}

/// A rule and where it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written<'a> {
    rules: &'a Rules<'a>,
    pub group: &'a RuleGroup,
    pub rule: &'a Rule,
}

impl Written<'_> {
    /// Where its name stands.
    pub(super) fn place(&self) -> Span {
        self.rule.place().span
    }

    /// The place in the file of a part of the expression.
    pub(super) fn in_expr(&self, inner: Span) -> Span {
        self.scalar(&["expr"]).map_or(self.place(), |expr| {
            expr.source_span(&self.rules.source.text, inner)
        })
    }

    /// The place of a field's value, or of an entry in it; the rule's own where it stands elsewhere
    /// (a label of the group).
    pub(super) fn at(&self, path: &[&str]) -> Span {
        self.scalar(path).map_or(self.place(), |scalar| scalar.span)
    }

    fn scalar(&self, path: &[&str]) -> Option<&Scalar> {
        let mut mapping = *self.rules.mappings.get(&self.place().start)?;
        let (last, folders) = path.split_last()?;
        for folder in folders {
            mapping = mapping.get(folder)?.as_mapping()?;
        }
        mapping.get(last)?.as_scalar()
    }

    /// How often the rule is evaluated, if that is known.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.group.interval.or(self.rules.interval)
    }

    /// The longest time between two samples that is plausible, if the interval is known.
    pub(super) fn scrape_interval(&self) -> Option<Duration> {
        Some(self.interval()?.min(SCRAPE_INTERVAL))
    }
}
