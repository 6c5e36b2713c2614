//! From YAML to what a test expects.

use stentor_lang::model::{Diagnostic, Duration};
use stentor_lang::yaml::{Fields, Node, Spanned};

use super::{ExpectedEpisode, Listed, Sections, Selector};

const CODE: &str = "test/file";

/// Reads the sections of a test.
pub(in crate::unittest) fn read(fields: &mut Fields<'_, '_>) -> Sections {
    let until = fields.duration("until");
    let timeline = listed(fields, "timeline_test", "no alert is ever active", episode);
    if let Some(timeline) = &timeline {
        contradictions(&timeline.items, fields.sink());
    }
    Sections { until, timeline }
}

/// A field whose list says something where it is empty: then it has to be written as a list.
fn listed<T>(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    empty_says: &str,
    item: fn(&Node, &mut Vec<Diagnostic>) -> Option<T>,
) -> Option<Listed<T>> {
    let entry = fields.entry(name)?;
    let Node::Sequence(sequence) = &entry.value else {
        fields
            .sink()
            .push(not_a_list(name, &entry.value, empty_says));
        return None;
    };
    let sink = fields.sink();
    let items = sequence.items.iter();
    Some(Listed {
        key: entry.key.span,
        span: sequence.span,
        items: items.filter_map(|node| item(node, sink)).collect(),
    })
}

fn not_a_list(name: &str, node: &Node, empty_says: &str) -> Diagnostic {
    let message = format!("field `{name}` must be a list, not {}", node.kind_name());
    let hint = format!("`{name}: []` says that {empty_says}");
    Diagnostic::error("yaml/type", node.head(), message).with_hint(hint)
}

fn episode(node: &Node, sink: &mut Vec<Diagnostic>) -> Option<ExpectedEpisode> {
    let mut fields = Fields::new(node, "the expected alert", sink)?;
    let alertname = fields.required_string("alertname");
    let labels = labels(&mut fields);
    let pending = fields.duration("pending");
    let firing = fields.duration("firing");
    let resolved = fields.duration("resolved");
    let count = fields.unsigned("count");
    fields.finish();
    let alertname = alertname?;
    if let Some(count) = count.as_ref().filter(|count| count.value == 0) {
        let message = "`count` must be at least 1";
        let hint = "an alert that is never active is an entry with its `alertname` alone";
        sink.push(Diagnostic::error(CODE, count.span, message).with_hint(hint));
    }
    in_order(
        [
            ("pending", &pending),
            ("firing", &firing),
            ("resolved", &resolved),
        ],
        sink,
    );
    if let (None, None, Some(resolved)) = (&pending, &firing, &resolved) {
        let message = "an alert that is resolved was `pending` or `firing` before: say since when";
        sink.push(Diagnostic::error(CODE, resolved.span, message));
    }
    Some(ExpectedEpisode {
        span: alertname.span,
        selector: Selector {
            alertname: alertname.value,
            labels,
        },
        pending,
        firing,
        resolved,
        count: count.map_or(1, |count| {
            usize::try_from(count.value).unwrap_or(usize::MAX)
        }),
    })
}

/// The labels of a subset, in order.
fn labels(fields: &mut Fields<'_, '_>) -> Vec<(String, String)> {
    let pairs = fields.map_of_strings("labels").into_iter();
    let mut pairs: Vec<_> = pairs
        .map(|(name, value)| (name.value, value.value))
        .collect();
    pairs.sort();
    pairs
}

/// Times that cannot be: a phase comes after the one before it.
fn in_order(times: [(&str, &Option<Spanned<Duration>>); 3], sink: &mut Vec<Diagnostic>) {
    let given = times
        .iter()
        .filter_map(|(name, time)| Some((name, time.as_ref()?)));
    let given: Vec<_> = given.collect();
    for pair in given.windows(2) {
        let ((earlier, first), (later, second)) = (pair[0], pair[1]);
        if second.value < first.value {
            let message = format!(
                "`{later}: {}` lies before `{earlier}: {}`",
                second.value, first.value
            );
            sink.push(Diagnostic::error(CODE, second.span, message));
        }
    }
}

/// An alert that is never active is not active at some time.
fn contradictions(items: &[ExpectedEpisode], sink: &mut Vec<Diagnostic>) {
    for item in items.iter().filter(|item| item.is_never()) {
        let other = items
            .iter()
            .find(|other| !other.is_never() && other.selector == item.selector);
        if other.is_some() {
            let message = format!(
                "this entry says that {} is never active, another one says when it is",
                item.selector
            );
            sink.push(Diagnostic::error(CODE, item.span, message));
        }
    }
}
