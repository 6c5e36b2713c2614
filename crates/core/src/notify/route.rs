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

#[cfg(test)]
mod tests {
    use stentor_lang::model::Labels;

    use super::*;

    fn node(receiver: &str, matchers: &[(&str, MatchOp, &str)], routes: Vec<Route>) -> Route {
        let mut route = Route::new(receiver.into());
        route.matchers = matchers
            .iter()
            .map(|(name, op, value)| {
                let (name, value) = ((*name).to_owned(), (*value).to_owned());
                LabelMatcher::for_alertmanager(&Matcher {
                    name,
                    op: *op,
                    value,
                })
                .expect("a matcher")
            })
            .collect();
        route.routes = routes;
        route
    }

    /// The tree of Alertmanager's own test (`dispatch/route_test.go`), in its newer notation.
    fn tree() -> Routing {
        use MatchOp::{Equal, NotEqual, NotRegex, Regex};
        let mut production = node(
            "notify-productionA",
            &[("env", Equal, "production")],
            vec![],
        );
        production.continues = true;
        let team_a = node(
            "notify-A",
            &[("owner", Equal, "team-A"), ("level", NotEqual, "critical")],
            vec![
                node(
                    "notify-testing",
                    &[("env", Equal, "testing"), ("baz", NotRegex, ".*quux")],
                    vec![],
                ),
                production,
                node(
                    "notify-productionB",
                    &[("env", Regex, "produ.*"), ("job", Regex, ".*")],
                    vec![],
                ),
            ],
        );
        let bc = node("notify-BC", &[("owner", Regex, "team-(B|C)")], vec![]);
        let long = node("notify-testing", &[("wait", Equal, "long")], vec![]);
        let testing = node("notify-testing", &[("env", Equal, "testing")], vec![long]);
        let role = node("notify-def", &[("group_by", Equal, "role")], vec![testing]);
        Routing::new(node("notify-def", &[], vec![team_a, bc, role]), [], None)
    }

    #[track_caller]
    fn check(labels: &[(&str, &str)], expected: &[(&str, &str)]) {
        let tree = tree();
        let found = tree
            .root()
            .matching(&Labels::from_pairs(labels.iter().copied()));
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|route| (&*route.receiver, &**route.key()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn routes_match_as_in_alertmanager() {
        const A: &str = r#"{}/{level!="critical",owner="team-A"}"#;
        check(&[("owner", "team-A")], &[("notify-A", A)]);
        check(&[("owner", "team-A"), ("env", "unset")], &[("notify-A", A)]);
        check(
            &[("owner", "team-C")],
            &[("notify-BC", r#"{}/{owner=~"team-(B|C)"}"#)],
        );
        check(
            &[("owner", "team-A"), ("env", "testing")],
            &[(
                "notify-testing",
                &format!(r#"{A}/{{baz!~".*quux",env="testing"}}"#),
            )],
        );
        check(
            &[("owner", "team-A"), ("env", "production")],
            &[
                (
                    "notify-productionA",
                    &format!(r#"{A}/{{env="production"}}"#),
                ),
                (
                    "notify-productionB",
                    &format!(r#"{A}/{{env=~"produ.*",job=~".*"}}"#),
                ),
            ],
        );
        check(
            &[("group_by", "role")],
            &[("notify-def", r#"{}/{group_by="role"}"#)],
        );
        check(
            &[("group_by", "role"), ("env", "testing")],
            &[("notify-testing", r#"{}/{group_by="role"}/{env="testing"}"#)],
        );
        check(
            &[("group_by", "role"), ("env", "testing"), ("wait", "long")],
            &[(
                "notify-testing",
                r#"{}/{group_by="role"}/{env="testing"}/{wait="long"}"#,
            )],
        );
        check(&[("owner", "nobody")], &[("notify-def", "{}")]);
        check(
            &[("owner", "team-A"), ("level", "critical")],
            &[("notify-def", "{}")],
        );
    }

    #[test]
    fn the_tree_is_walked_in_its_order() {
        let tree = tree();
        let mut walked = Vec::new();
        tree.root()
            .walk(&mut |route| walked.push((route.index(), &*route.receiver)));
        let expected = [
            "notify-def",
            "notify-A",
            "notify-testing",
            "notify-productionA",
            "notify-productionB",
            "notify-BC",
            "notify-def",
            "notify-testing",
            "notify-testing",
        ];
        assert_eq!(walked, expected.into_iter().enumerate().collect::<Vec<_>>());
    }

    #[test]
    fn equal_keys_are_told_apart_by_an_ordinal() {
        let foo = || {
            let bar = node("x", &[("bar", MatchOp::Equal, "baz")], vec![]);
            node("x", &[("foo", MatchOp::Equal, "bar")], vec![bar])
        };
        let tree = Routing::new(node("x", &[], vec![foo(), foo(), foo()]), [], None);
        let mut keys = Vec::new();
        tree.root()
            .walk(&mut |route| keys.push(format!("{} {}", route.key(), route.ordinal())));
        let foo = r#"{}/{foo="bar"}"#;
        let bar = format!(r#"{foo}/{{bar="baz"}}"#);
        let expected = [
            "{} 0".to_owned(),
            format!("{foo} 0"),
            format!("{bar} 0"),
            format!("{foo} 1"),
            format!("{bar} 1"),
            format!("{foo} 2"),
            format!("{bar} 2"),
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn matchers_are_sorted_and_printed_as_in_alertmanager() {
        use MatchOp::{Equal, NotEqual, NotRegex, Regex};
        let route = node(
            "x",
            &[
                ("b", Regex, "2"),
                ("b", NotEqual, "1"),
                ("b", Equal, "1"),
                ("köy.dots", Equal, "é\u{200b}"),
                ("a b", NotRegex, "tab\tquote\"\u{200b}"),
                ("a", Equal, "back\\slash \"quoted\"\nline\ttab"),
            ],
            vec![],
        );
        let tree = Routing::new(route, [], None);
        let expected = concat!(
            r#"{a="back\\slash \"quoted\"\nline"#,
            "\t",
            r#"tab","a b"!~"tab\tquote\"\u200b",b="1",b!="1",b=~"2",köy.dots="é"#,
            "\u{200b}\"}"
        );
        assert_eq!(&**tree.root().key(), expected);
    }

    #[test]
    fn groups_are_named_by_their_labels() {
        let labels = Labels::from_pairs([("a", "1"), ("b", "2"), ("c", "3")]);
        let mut route = Route::new("x".into());
        assert_eq!(route.group_labels(&labels).to_string(), "{}");
        route.group_by = GroupBy::Labels(vec!["c".into(), "a".into(), "z".into()]);
        assert_eq!(route.group_labels(&labels).to_string(), r#"{a="1", c="3"}"#);
        route.group_by = GroupBy::All;
        assert_eq!(route.group_labels(&labels), labels);
    }
}
