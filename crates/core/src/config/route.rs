//! `route`: the tree with inherited options filled in, checked as Alertmanager checks it.

use std::sync::Arc;

use stentor_lang::model::labels::is_legacy_name;
use stentor_lang::model::{Diagnostic, MatchOp, Matcher, Span, parse_matchers};
use stentor_lang::yaml::{Fields, Node, Scalar, Spanned, closest};

use super::context::{Context, filled, refuse_filled};
use super::receivers::Receivers;
use super::shared;
use crate::notify::{GroupBy, LabelMatcher, Route};

/// The tree below `route`, if there is one.
pub(super) fn read_root(
    fields: &mut Fields<'_, '_>,
    context: &Context<'_>,
    receivers: &Receivers,
) -> Option<Route> {
    let node = fields.take("route")?;
    let head = node.head();
    if given(node, "receiver").is_none() {
        let message = "the root route must name a receiver";
        fields.error("config/route", head, message);
    }
    for name in ["match", "match_re", "matchers"] {
        if let Some(matchers) = given(node, name) {
            let message = "the root route takes all alerts: it has no matchers";
            fields.error("config/route", matchers.head(), message);
        }
    }
    let mut reader = Reader { context, receivers };
    let parent = Route::new(shared(""));
    let root = reader.read(node, &parent, fields.sink())?;
    if root.continues {
        fields.error(
            "config/route",
            head,
            "the root route has no siblings to continue with",
        );
    }
    Some(root)
}

/// The value of a field, where it says something.
fn given<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let value = node.as_mapping()?.get(name)?;
    let empty = match value {
        Node::Scalar(scalar) => scalar.text().is_empty(),
        Node::Sequence(sequence) => sequence.items.is_empty(),
        Node::Mapping(mapping) => mapping.entries.is_empty(),
    };
    (!empty).then_some(value)
}

/// The name of a receiver that exists; one that does not is noted.
pub(super) fn known(
    name: &Spanned<String>,
    receivers: &Receivers,
    sink: &mut Vec<Diagnostic>,
) -> Option<Arc<str>> {
    if name.value.is_empty() {
        return None;
    }
    if receivers.names.contains(&name.value) {
        return Some(shared(&name.value));
    }
    let message = format!("there is no receiver `{}`", name.value);
    let mut found = Diagnostic::error("config/receiver", name.span, message);
    let names = receivers.names.iter().map(String::as_str);
    if let Some(near) = closest(&name.value, names) {
        found = found.with_hint(format!("did you mean `{near}`?"));
    }
    sink.push(found);
    None
}

struct Reader<'a, 'c> {
    context: &'a Context<'c>,
    receivers: &'a Receivers,
}

impl Reader<'_, '_> {
    fn read(&mut self, node: &Node, parent: &Route, sink: &mut Vec<Diagnostic>) -> Option<Route> {
        let mut fields = Fields::new(node, "the route", sink)?;
        let mut route = Route::new(Arc::clone(&parent.receiver));
        route.group_by = parent.group_by.clone();
        route.group_wait = parent.group_wait;
        route.group_interval = parent.group_interval;
        route.repeat_interval = parent.repeat_interval;
        route.labels = parent.labels.clone();
        let receiver = fields.string("receiver");
        if let Some(name) = receiver.and_then(|n| known(&n, self.receivers, fields.sink())) {
            route.receiver = name;
        }
        if let Some(group_by) = group_by(&mut fields) {
            route.group_by = group_by;
        }
        timings(&mut fields, &mut route);
        route.continues = fields.bool("continue").is_some_and(|flag| flag.value);
        route.matchers = self.matchers(&mut fields);
        labels(&mut fields, &mut route);
        let why = "time intervals are not built yet";
        refuse_filled(&mut fields, "mute_time_intervals", why);
        refuse_filled(&mut fields, "active_time_intervals", why);
        for child in fields.list("routes") {
            let child = self.read(child, &route, fields.sink());
            route.routes.extend(child);
        }
        fields.finish();
        Some(route)
    }

    fn matchers(&self, fields: &mut Fields<'_, '_>) -> Vec<LabelMatcher> {
        let mut matchers = Vec::new();
        for (name, op) in [("match", MatchOp::Equal), ("match_re", MatchOp::Regex)] {
            for (label, value) in fields.map_of_scalars(name) {
                if !is_legacy_name(label.text()) {
                    let message = format!("invalid label name `{}`", label.text());
                    fields.error("config/label", label.span, message);
                }
                if op == MatchOp::Regex && value.is_null() {
                    let message = format!("no expression for the label `{}`", label.text());
                    fields.error("config/matcher", label.span, message);
                    continue;
                }
                let matcher = Matcher {
                    name: label.text().to_owned(),
                    op,
                    value: value.text().to_owned(),
                };
                matchers.extend(compile(&matcher, value.span, fields.sink()));
            }
        }
        for node in fields.list("matchers") {
            let Some(text) = node.as_scalar() else {
                let message = format!("a matcher is a text, not {}", node.kind_name());
                let hint = "write it as `severity=\"critical\"`, with single quotes around all";
                let found = Diagnostic::error("config/matcher", node.head(), message);
                fields.sink().push(found.with_hint(hint));
                continue;
            };
            matchers.extend(self.parse(text, fields.sink()));
        }
        matchers
    }

    fn parse(&self, text: &Scalar, sink: &mut Vec<Diagnostic>) -> Vec<LabelMatcher> {
        match parse_matchers(text.text()) {
            Ok(parsed) => {
                if let Some(warning) = parsed.warning {
                    sink.push(Diagnostic::warning("config/matcher", text.span, warning));
                }
                let all = parsed.matchers.iter();
                all.filter_map(|matcher| compile(matcher, text.span, sink))
                    .collect()
            }
            Err(error) => {
                let span = text.source_span(&self.context.source.text, error.span);
                sink.push(Diagnostic::error("config/matcher", span, error.message));
                Vec::new()
            }
        }
    }
}

fn timings(fields: &mut Fields<'_, '_>, route: &mut Route) {
    if let Some(wait) = fields.duration("group_wait") {
        route.group_wait = wait.value;
    }
    let not_zero = [
        ("group_interval", &mut route.group_interval),
        ("repeat_interval", &mut route.repeat_interval),
    ];
    for (name, place) in not_zero {
        match fields.duration(name) {
            Some(interval) if interval.value.is_zero() => {
                let message = format!("{name} cannot be zero");
                fields.error("config/route", interval.span, message);
            }
            Some(interval) => *place = interval.value,
            None => {}
        }
    }
}

fn compile(matcher: &Matcher, span: Span, sink: &mut Vec<Diagnostic>) -> Option<LabelMatcher> {
    match LabelMatcher::for_alertmanager(matcher) {
        Ok(matcher) => Some(matcher),
        Err(error) => {
            let message = format!("matcher for `{}`: {error}", matcher.name);
            sink.push(Diagnostic::error("config/matcher", span, message));
            None
        }
    }
}

/// `None` where the field is left out, so that the parent's counts; an empty list groups all.
fn group_by(fields: &mut Fields<'_, '_>) -> Option<GroupBy> {
    fields.take("group_by")?;
    let names = fields.strings("group_by");
    let all = names.iter().find(|name| name.value == "...");
    if let (Some(all), true) = (all, names.iter().any(|name| name.value != "...")) {
        let message = "`...` groups by all labels and cannot stand beside others";
        fields.error("config/group-by", all.span, message);
    }
    if all.is_some() {
        return Some(GroupBy::All);
    }
    let mut labels: Vec<Arc<str>> = Vec::new();
    for name in names {
        if name.value.is_empty() {
            fields.error("config/group-by", name.span, "a label needs a name");
        } else if labels.iter().any(|label| **label == *name.value) {
            let message = format!("label `{}` stands twice in group_by", name.value);
            fields.error("config/group-by", name.span, message);
        } else {
            labels.push(shared(&name.value));
        }
    }
    Some(GroupBy::Labels(labels))
}

/// The route's own labels over its parents'.
fn labels(fields: &mut Fields<'_, '_>, route: &mut Route) {
    let pairs = fields.map_of_scalars("labels");
    let mut labels = route.labels.to_builder();
    for (name, value) in pairs {
        if filled(Some(name)).is_none() {
            fields.error("config/label", name.span, "a label needs a name");
        }
        if value.text().contains("{{") {
            let message = "templates in route labels are not supported yet";
            fields.error("config/template", value.span, message);
        }
        labels.set(name.text(), value.text());
    }
    let labels = labels.build();
    route.labels = labels;
}
