//! From YAML to what a test expects.

use std::collections::BTreeSet;

use stentor_lang::model::{Diagnostic, Duration};
use stentor_lang::yaml::{Fields, Node, Spanned, closest};

use super::{ExpectedDetection, ExpectedEpisode, ExpectedNotification, Listed, Sections, Selector};
use crate::receiver::{NotifyReason, Status};

const CODE: &str = "test/file";

/// Reads the sections of a test.
pub(in crate::unittest) fn read(fields: &mut Fields<'_, '_>) -> Sections {
    let until = fields.duration("until");
    let timeline = listed(fields, "timeline_test", "no alert is ever active", episode);
    if let Some(timeline) = &timeline {
        contradictions(&timeline.items, fields.sink());
    }
    let nobody = "nobody is told anything";
    let notifications = listed(fields, "notification_test", nobody, notification);
    if let Some(notifications) = &notifications {
        told_and_never_told(&notifications.items, fields.sink());
    }
    let detections = fields.list("detection_test").iter();
    let sink = fields.sink();
    Sections {
        until,
        timeline,
        notifications,
        detections: detections
            .filter_map(|node| detection(node, sink))
            .collect(),
    }
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

fn notification(node: &Node, sink: &mut Vec<Diagnostic>) -> Option<ExpectedNotification> {
    let mut fields = Fields::new(node, "the expected notification", sink)?;
    let receiver = fields.required_string("receiver");
    let at = fields.duration("at");
    let status = word(&mut fields, "status", &STATUSES);
    let alerts = fields.unsigned("alerts");
    let integration = fields.string("integration");
    let reason = word(&mut fields, "reason", &REASONS);
    let labels = labels(&mut fields);
    let body = fields.string("body");
    let is_never = at.is_none()
        && status.is_none()
        && alerts.is_none()
        && integration.is_none()
        && reason.is_none()
        && labels.is_empty()
        && body.is_none();
    if !is_never {
        let given = [
            ("at", at.is_some()),
            ("status", status.is_some()),
            ("alerts", alerts.is_some()),
        ];
        for (name, _) in given.iter().filter(|(_, given)| !given) {
            fields.missing(name);
        }
    }
    fields.finish();
    let receiver = receiver?;
    Some(ExpectedNotification {
        span: receiver.span,
        receiver,
        at,
        status,
        alerts: alerts
            .map(|alerts| alerts.map(|alerts| usize::try_from(alerts).unwrap_or(usize::MAX))),
        integration,
        reason,
        labels,
        body,
    })
}

fn detection(node: &Node, sink: &mut Vec<Diagnostic>) -> Option<ExpectedDetection> {
    let mut fields = Fields::new(node, "the expected detection", sink)?;
    let incident = match fields.required("incident") {
        Some(_) => fields.duration("incident"),
        None => None,
    };
    let until = fields.duration("until");
    let name = fields.string("name").map(|name| name.value);
    let alertname = fields.string("alertname");
    let labels = labels(&mut fields);
    let detected_within = fields.duration("detected_within");
    let paged_within = fields.duration("paged_within");
    let receiver = fields.string("receiver");
    let missed = fields.bool("missed");
    let head = fields.head();
    fields.finish();
    let incident = incident?;
    in_order(
        [("incident", &Some(incident.clone())), ("until", &until)],
        sink,
    );
    let is_missed = missed.as_ref().is_some_and(|missed| missed.value);
    let is_promised = detected_within.is_some() || paged_within.is_some();
    let wrong = match (is_missed, is_promised) {
        (true, true) => "an incident that is `missed` is not detected or paged within any time",
        (false, false) => "the incident needs `detected_within`, `paged_within` or `missed: true`",
        _ if receiver.is_some() && paged_within.is_none() => {
            "`receiver` says whose pages count, and there is no `paged_within`"
        }
        _ => "",
    };
    if !wrong.is_empty() {
        sink.push(Diagnostic::error(CODE, head, wrong));
    }
    Some(ExpectedDetection {
        incident,
        until,
        name: name.unwrap_or_default(),
        alertname,
        labels,
        detected_within,
        paged_within,
        receiver,
        missed,
    })
}

const STATUSES: [(&str, Status); 2] = [("firing", Status::Firing), ("resolved", Status::Resolved)];

/// Alertmanager's words.
const REASONS: [(&str, NotifyReason); 5] = [
    ("first notification", NotifyReason::FirstNotification),
    ("new alerts added", NotifyReason::NewAlerts),
    ("some alerts resolved", NotifyReason::SomeResolved),
    ("all alerts resolved", NotifyReason::AllResolved),
    ("repeat interval elapsed", NotifyReason::RepeatInterval),
];

/// One of some words.
fn word<T: Copy>(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    words: &[(&str, T)],
) -> Option<Spanned<T>> {
    let text = fields.string(name)?;
    let found = words.iter().find(|(word, _)| *word == text.value);
    if found.is_none() {
        let all: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let message = format!(
            "field `{name}` must be {}, not `{}`",
            all.join(" or "),
            text.value
        );
        let near = closest(&text.value, words.iter().map(|(word, _)| *word));
        let mut wrong = Diagnostic::error(CODE, text.span, message);
        wrong.hint = near.map(|near| format!("did you mean `{near}`?"));
        fields.sink().push(wrong);
    }
    found.map(|(_, value)| text.map(|_| *value))
}

/// A receiver that is never told anything is told something.
fn told_and_never_told(items: &[ExpectedNotification], sink: &mut Vec<Diagnostic>) {
    let told: BTreeSet<&str> = items
        .iter()
        .filter(|item| !item.is_never())
        .map(|item| &*item.receiver.value)
        .collect();
    let both = items
        .iter()
        .filter(|item| item.is_never() && told.contains(&*item.receiver.value));
    sink.extend(both.map(|item| {
        let message = format!(
            "this entry says that receiver `{}` is never told anything, another one says when it is",
            item.receiver.value
        );
        Diagnostic::error(CODE, item.span, message)
    }));
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
fn in_order<const N: usize>(
    times: [(&str, &Option<Spanned<Duration>>); N],
    sink: &mut Vec<Diagnostic>,
) {
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

/// An alert that is never active is active at some time.
fn contradictions(items: &[ExpectedEpisode], sink: &mut Vec<Diagnostic>) {
    let active: BTreeSet<&Selector> = items
        .iter()
        .filter(|item| !item.is_never())
        .map(|item| &item.selector)
        .collect();
    let both = items
        .iter()
        .filter(|item| item.is_never() && active.contains(&item.selector));
    sink.extend(both.map(|item| {
        let message = format!(
            "this entry says that {} is never active, another one says when it is",
            item.selector
        );
        Diagnostic::error(CODE, item.span, message)
    }));
}
