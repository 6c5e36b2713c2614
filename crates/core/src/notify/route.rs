//! The route tree: which receivers a label set reaches, by which options, and in which group.
//! Match order, keys and inherited options are Alertmanager's (`dispatch/route.go`); inheritance
//! itself is the work of `config`, which hands over routes with all their options.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use stentor_lang::model::labels::quote;
use stentor_lang::model::{Duration, Labels, MatchOp, Matcher};

use crate::receiver::{Integration, IntegrationKey, Receiver};
use stentor_lang::regex::LabelMatcher;

/// Who is told of what: the route tree and the receivers that it names.
#[derive(Debug, Clone, PartialEq)]
pub struct Routing {
    root: Route,
    receivers: BTreeMap<Arc<str>, Receiver>,
    fallback: Option<Arc<str>>,
}

/// By which labels the alerts of a route are grouped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// By all of them (`group_by: ['...']`): each alert is its own group.
    All,
    /// By these; by none, so that all alerts are one group, where the list is empty.
    Labels(Vec<Arc<str>>),
}

/// A node of the route tree, with its inherited options filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// How its alerts are grouped.
    pub group_by: GroupBy,
    /// All must match; the root has none.
    pub matchers: Vec<LabelMatcher>,
    /// Whether the siblings behind it are asked too where this one matched (`continue`).
    pub continues: bool,
    /// How long a new group waits for more alerts.
    pub group_wait: Duration,
    /// How often a group looks for changes; above zero.
    pub group_interval: Duration,
    /// After what time an unchanged group is told again; above zero.
    pub repeat_interval: Duration,
    /// `labels` of the route and of those above it.
    pub labels: Labels,
    /// The nodes below.
    pub routes: Vec<Route>,
    key: Arc<str>,
    ordinal: u32,
    index: usize,
}

impl Route {
    /// A route to a receiver with Alertmanager's defaults, no matchers and nothing below it.
    /// [`Routing::new`] gives it its key.
    pub fn new(receiver: Arc<str>) -> Self {
        Self {
            receiver,
            group_by: GroupBy::Labels(Vec::new()),
            matchers: Vec::new(),
            continues: false,
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_mins(5),
            repeat_interval: Duration::from_hours(4),
            labels: Labels::default(),
            routes: Vec::new(),
            key: Arc::from(""),
            ordinal: 0,
            index: 0,
        }
    }

    /// Alertmanager's route key: the printed matchers of all nodes from the root.
    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// The place among the routes with an equal key, in the order of the tree.
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// The place in the tree's depth-first order.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The nodes that a label set reaches, in the order in which Alertmanager finds them: depth
    /// first; the first child that matches ends the search among its siblings unless it
    /// continues; a node itself is reached where none of its children is.
    pub fn matching(&self, labels: &Labels) -> Vec<&Route> {
        let mut found = Vec::new();
        self.search(labels, &mut found);
        found
    }

    fn search<'a>(&'a self, labels: &Labels, found: &mut Vec<&'a Route>) -> bool {
        if !self.matchers.iter().all(|matcher| matcher.matches(labels)) {
            return false;
        }
        let before = found.len();
        for child in &self.routes {
            if child.search(labels, found) && !child.continues {
                break;
            }
        }
        if found.len() == before {
            found.push(self);
        }
        true
    }

    /// The labels that name the group of an alert with these labels.
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => labels.only(names),
        }
    }

    /// This node and all below it, depth first.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Route)) {
        visit(self);
        for child in &self.routes {
            child.walk(visit);
        }
    }

    fn name(
        &mut self,
        parent: Option<&str>,
        seen: &mut BTreeMap<Arc<str>, u32>,
        index: &mut usize,
    ) {
        self.index = *index;
        *index += 1;
        self.matchers
            .sort_by(|a, b| matcher_order(a.matcher(), b.matcher()));
        let matchers: Vec<&Matcher> = self.matchers.iter().map(LabelMatcher::matcher).collect();
        self.key = route_key(parent, &matchers).into();
        let ordinal = seen.entry(Arc::clone(&self.key)).or_default();
        self.ordinal = *ordinal;
        *ordinal += 1;
        for child in &mut self.routes {
            child.name(Some(&self.key), seen, index);
        }
    }
}

impl Routing {
    /// The tree, ready for use: sorts each node's matchers and gives each its key.
    ///
    /// Every receiver that a route or `fallback` names must be among the receivers.
    pub fn new(
        mut root: Route,
        receivers: impl IntoIterator<Item = Receiver>,
        fallback: Option<Arc<str>>,
    ) -> Self {
        root.name(None, &mut BTreeMap::new(), &mut 0);
        let receivers = receivers
            .into_iter()
            .map(|receiver| (Arc::clone(&receiver.name), receiver))
            .collect();
        Self {
            root,
            receivers,
            fallback,
        }
    }

    /// The tree's root.
    pub fn root(&self) -> &Route {
        &self.root
    }

    /// All receivers by name.
    pub fn receivers(&self) -> &BTreeMap<Arc<str>, Receiver> {
        &self.receivers
    }

    /// The receiver of what others refused for good.
    pub fn fallback(&self) -> Option<&Receiver> {
        self.receivers.get(self.fallback.as_ref()?)
    }

    /// The integrations of a receiver; none where there is no such receiver.
    pub fn integrations(&self, receiver: &str) -> &[Arc<Integration>] {
        self.receivers
            .get(receiver)
            .map_or(&[], |receiver| &receiver.integrations)
    }

    /// An integration by its name.
    pub fn integration(&self, key: &IntegrationKey) -> Option<&Arc<Integration>> {
        self.integrations(&key.receiver)
            .iter()
            .find(|integration| integration.key == *key)
    }
}

/// The order of a route's matchers: by name, value and operator (`labels.Matchers.Less`).
fn matcher_order(a: &Matcher, b: &Matcher) -> Ordering {
    let rank = |matcher: &Matcher| match matcher.op {
        MatchOp::Equal => 0,
        MatchOp::NotEqual => 1,
        MatchOp::Regex => 2,
        MatchOp::NotRegex => 3,
    };
    (&a.name, &a.value, rank(a)).cmp(&(&b.name, &b.value, rank(b)))
}

/// The key of a route below `parent`, from its sorted matchers: `{}/{a="x",b=~"y"}`.
pub fn route_key(parent: Option<&str>, matchers: &[&Matcher]) -> String {
    let mut key = String::new();
    if let Some(parent) = parent {
        key.push_str(parent);
        key.push('/');
    }
    key.push('{');
    for (index, matcher) in matchers.iter().enumerate() {
        if index > 0 {
            key.push(',');
        }
        print_matcher(&mut key, matcher);
    }
    key.push('}');
    key
}

/// As Alertmanager's `labels.Matcher.String`: a name with reserved characters is quoted, and then
/// the value is quoted as Go's `%q` does; else only `\`, newlines and `"` of the value are escaped.
fn print_matcher(out: &mut String, matcher: &Matcher) {
    let reserved = |c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c);
    let (name, value) = if matcher.name.contains(reserved) {
        (quote(&matcher.name), quote(&matcher.value))
    } else {
        let escaped = matcher
            .value
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('"', "\\\"");
        (matcher.name.clone(), format!("\"{escaped}\""))
    };
    write!(out, "{name}{}{value}", matcher.op).expect("invariant: a String takes all");
}
