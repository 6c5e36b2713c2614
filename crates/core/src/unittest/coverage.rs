//! What a test shows of rules and routes: which alerts fire, which stay quiet over series that they
//! ask for, and which routes tell somebody. It judges nothing, and changes no outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stentor_lang::model::{Labels, Position, Timestamp};
use stentor_lang::promql::ast::VectorSelector;
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::regex::LabelMatcher;

use super::{Given, Test};
use crate::engine::{Deliver, Event};
use crate::receiver::{Outcome, group_key};
use crate::replay::Observer;
use crate::rulefile::{Expression, Place, Rule};

/// Where a rule stands: its file, and its place in it.
pub type RulePlace = (Arc<str>, Position);

/// How far a test saw an alerting rule come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// It was never active, over series that it asks for.
    Quiet,
    /// Its condition held, and not for long enough.
    Pending,
    /// It fired.
    Fired,
}

/// What a test shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The alerting rules of which it shows something. One whose series are all missing is quiet in
    /// any case, and not among them.
    pub rules: BTreeMap<RulePlace, Sight>,
    /// The routes by which somebody was told: [`crate::notify::Route::index`].
    pub routes: BTreeSet<usize>,
}

/// Watches the run of a test.
#[derive(Debug)]
pub struct Watch<'a> {
    given: &'a Given<'a>,
    seen: Seen,
}

impl<'a> Watch<'a> {
    /// For the run of this test over these rules.
    pub fn new(test: &Test, given: &'a Given<'a>) -> Self {
        let mut seen = Seen::default();
        for place in fed(test, given) {
            seen.rules.insert(place, Sight::Quiet);
        }
        Self { given, seen }
    }

    /// What it saw.
    pub fn seen(self) -> Seen {
        self.seen
    }
}

impl Observer for Watch<'_> {
    fn deliver(&mut self, _: Timestamp, deliver: &Deliver) -> Outcome {
        let routing = self.given.production.and_then(|p| p.routing.as_ref());
        let message = &deliver.message;
        if let Some(routing) = routing {
            routing.root().walk(&mut |route| {
                if route.receiver == deliver.integration.key.receiver
                    && *group_key(route.key(), &message.group_labels) == *message.group_key
                {
                    self.seen.routes.insert(route.index());
                }
            });
        }
        Outcome::Delivered
    }

    fn event(&mut self, _: Timestamp, event: &Event) {
        let Event::Transition { rule, to, .. } = event else {
            return;
        };
        let sight = match *to {
            "firing" => Sight::Fired,
            "pending" => Sight::Pending,
            _ => return,
        };
        let seen = self.seen.rules.entry(rule_place(&rule.rule.place));
        let seen = seen.or_insert(sight);
        *seen = sight.max(*seen);
    }
}

/// The place by which rules are told apart.
pub fn rule_place(place: &Place) -> RulePlace {
    (Arc::clone(&place.file), place.position)
}

/// The alerting rules that ask for series which the test has, or which a rule over such series records.
fn fed(test: &Test, given: &Given<'_>) -> Vec<RulePlace> {
    let of_files = given.files.into_iter().flat_map(MemoryStore::iter);
    let series: Vec<&Labels> = test
        .series
        .keys()
        .chain(of_files.map(|(labels, _)| labels))
        .collect();
    let rules: Vec<&Rule> = given.groups.iter().flat_map(|group| &group.rules).collect();
    let mut recorded: BTreeSet<&str> = BTreeSet::new();
    loop {
        let before = recorded.len();
        for rule in &rules {
            if matches!(rule, Rule::Recording(_))
                && !recorded.contains(rule.name())
                && is_fed(rule.expr(), &series, &recorded)
            {
                recorded.insert(rule.name());
            }
        }
        if recorded.len() == before {
            break;
        }
    }
    let alerting = rules.iter().filter_map(|rule| match rule {
        Rule::Alerting(rule) => Some(rule),
        Rule::Recording(_) => None,
    });
    alerting
        .filter(|rule| is_fed(&rule.expr, &series, &recorded))
        .map(|rule| rule_place(&rule.place))
        .collect()
}

/// Whether one of an expression's selectors finds something. One without selectors asks for nothing.
fn is_fed(expr: &Expression, series: &[&Labels], recorded: &BTreeSet<&str>) -> bool {
    let Some(parsed) = &expr.parsed else {
        return true;
    };
    let selectors = parsed.selectors();
    let finds = |selector: &&VectorSelector| {
        if selector
            .metric_name()
            .is_some_and(|name| recorded.contains(name) || name == "ALERTS")
        {
            return true;
        }
        let matchers = selector.matchers().map(LabelMatcher::new);
        let Ok(matchers) = matchers.collect::<Result<Vec<_>, _>>() else {
            return false;
        };
        let matches = |labels: &&&Labels| matchers.iter().all(|matcher| matcher.matches(labels));
        series.iter().any(|labels| matches(&labels))
    };
    selectors.is_empty() || selectors.iter().any(finds)
}
