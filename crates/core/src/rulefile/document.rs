//! The documents of a file: Prometheus' own form, and Kubernetes objects.

use std::collections::BTreeSet;

use stentor_lang::model::Diagnostic;
use stentor_lang::yaml::{Fields, Mapping, Node};

use super::{Context, RuleGroup, group};

/// Reads the groups of all documents.
pub(super) fn read_all(
    context: &Context<'_>,
    documents: &[Node],
    sink: &mut Vec<Diagnostic>,
) -> Vec<RuleGroup> {
    let mut groups = Vec::new();
    // The plain documents of a file are one file to Prometheus; objects are files of their own.
    let mut names = BTreeSet::new();
    for document in documents {
        match document.as_mapping() {
            Some(object) if object.get("kind").is_some() => {
                read_object(context, object, sink, &mut groups);
            }
            _ => {
                if let Some(mut fields) = Fields::new(document, "the rule file", sink) {
                    let nodes = fields.list("groups");
                    fields.finish();
                    read_groups(context, nodes, sink, &mut names, &mut groups);
                }
            }
        }
    }
    groups
}

/// Reads a Kubernetes object; only what Kubernetes itself does not check is checked.
fn read_object(
    context: &Context<'_>,
    object: &Mapping,
    sink: &mut Vec<Diagnostic>,
    groups: &mut Vec<RuleGroup>,
) {
    let mut fields = Fields::of(object, "the object", sink);
    let Some(kind) = fields.string("kind") else {
        return;
    };
    match kind.value.as_str() {
        "PrometheusRule" => {
            let Some(spec) = fields.required("spec") else {
                return;
            };
            if let Some(mut fields) = Fields::new(spec, "the spec", sink) {
                let nodes = fields.list("groups");
                fields.finish();
                read_groups(context, nodes, sink, &mut BTreeSet::new(), groups);
            }
        }
        "List" => {
            for item in fields.list("items") {
                match item.as_mapping() {
                    // A list in a list is no object of Kubernetes, and would let the depth grow.
                    Some(object) if !is_list(object) => read_object(context, object, sink, groups),
                    _ => sink.push(Diagnostic::error(
                        "rule/object",
                        item.head(),
                        format!(
                            "an item of a list must be an object, not {}",
                            item.kind_name()
                        ),
                    )),
                }
            }
        }
        other => {
            let message = format!("an object of kind `{other}` holds no rules");
            let diagnostic = Diagnostic::error("rule/object", kind.span, message).with_hint(
                "of Kubernetes' objects only `PrometheusRule` is read: leave the others out",
            );
            sink.push(diagnostic);
        }
    }
}

fn is_list(object: &Mapping) -> bool {
    let kind = object.get("kind").and_then(Node::as_scalar);
    kind.is_some_and(|kind| kind.value == "List")
}

fn read_groups<'n>(
    context: &Context<'_>,
    nodes: &'n [Node],
    sink: &mut Vec<Diagnostic>,
    names: &mut BTreeSet<&'n str>,
    groups: &mut Vec<RuleGroup>,
) {
    for node in given(nodes, "group", sink) {
        let name = node
            .as_mapping()
            .and_then(|mapping| mapping.get("name"))
            .and_then(Node::as_scalar);
        if let Some(name) = name
            && !names.insert(name.text())
        {
            let message = format!("group name `{}` is repeated in the same file", name.text());
            sink.push(Diagnostic::error(
                "rule/duplicate-group",
                name.span,
                message,
            ));
        }
        groups.extend(group::read(context, node, sink));
    }
}

/// The items of a list without those that are nothing: go-yaml leaves them out in silence.
pub(super) fn given<'n>(
    nodes: &'n [Node],
    what: &str,
    sink: &mut Vec<Diagnostic>,
) -> Vec<&'n Node> {
    let (nothing, given): (Vec<&Node>, Vec<&Node>) = nodes.iter().partition(|node| node.is_null());
    for node in nothing {
        let message = format!("an empty item is no {what}, and left out");
        sink.push(Diagnostic::warning("rule/empty", node.span(), message));
    }
    given
}
