//! A rule: its fields, its expression, its labels and annotations.

use std::collections::BTreeMap;
use std::sync::Arc;

use stentor_lang::model::{Diagnostic, Duration, METRIC_NAME, Span};
use stentor_lang::promql::{self, ValueType};
use stentor_lang::template::Template;
use stentor_lang::yaml::{Fields, Node, Scalar, Spanned};

use super::{AlertingRule, Context, Dialect, Expression, RecordingRule, Rule};

/// Labels or annotations as they stand in the file.
type Pairs<'n> = Vec<(&'n Scalar, &'n Scalar)>;

/// The fields of a rule before it is known which kind it is.
struct Draft<'n> {
    name: &'n Scalar,
    /// `None` where it was refused.
    expr: Option<Expression>,
    hold: Option<Spanned<Duration>>,
    keep_firing_for: Option<Spanned<Duration>>,
    labels: BTreeMap<&'n str, &'n Scalar>,
    annotations: Pairs<'n>,
}

/// Reads a rule of a group with these labels; `None` where it has an error, after that was noted.
pub(super) fn read<'n>(
    context: &Context<'_>,
    node: &'n Node,
    group_labels: &[(&'n Scalar, &'n Scalar)],
    sink: &mut Vec<Diagnostic>,
) -> Option<Rule> {
    let before = sink.len();
    let what = describe(node);
    let mut fields = Fields::new(node, &what, sink)?;
    let record = named(&mut fields, "record");
    let alert = named(&mut fields, "alert");
    let expr = expression(context, &mut fields);
    let hold = fields.duration("for");
    let keep_firing_for = fields.duration("keep_firing_for");
    let own_labels = fields.map_of_scalars("labels");
    check_label_names(&own_labels, "label", fields.sink());
    let annotations = fields.map_of_scalars("annotations");
    check_label_names(&annotations, "annotation", fields.sink());
    // vmalert's: what the API keeps of a rule is not set for each of them.
    fields.bool("debug");
    fields.unsigned("update_entries_limit");
    let head = fields.head();
    fields.finish();

    let labels = group_labels.iter().chain(&own_labels);
    let labels = labels.map(|(name, value)| (name.text(), *value)).collect();
    let draft = |name| Draft {
        name,
        expr,
        hold,
        keep_firing_for,
        labels,
        annotations,
    };
    let rule = match (record, alert) {
        (Some(record), Some(alert)) => {
            let later = if alert.span.start > record.span.start {
                alert
            } else {
                record
            };
            let message = "only one of `record` and `alert` may be set";
            sink.push(Diagnostic::error("rule/kind", later.span, message));
            None
        }
        (None, None) => {
            let message = "one of `record` or `alert` must be set";
            sink.push(Diagnostic::error("rule/kind", head, message));
            None
        }
        (Some(record), None) => recording(context, draft(record), sink),
        (None, Some(alert)) => alerting(context, draft(alert), sink),
    };
    let sound = sink[before..]
        .iter()
        .all(|finding| finding.level != stentor_lang::model::Level::Error);
    rule.filter(|_| sound)
}

/// The rule's name for messages.
fn describe(node: &Node) -> String {
    let name = |key| {
        let scalar = node.as_mapping()?.get(key)?.as_scalar()?;
        Some(scalar.text()).filter(|text| !text.is_empty())
    };
    match name("alert").or_else(|| name("record")) {
        Some(name) => format!("rule `{name}`"),
        None => "the rule".to_owned(),
    }
}

/// A name field; an empty name is none, as in Go.
fn named<'n>(fields: &mut Fields<'n, '_>, name: &'static str) -> Option<&'n Scalar> {
    fields
        .scalar(name)
        .filter(|scalar| !scalar.text().is_empty())
}

fn expression(context: &Context<'_>, fields: &mut Fields<'_, '_>) -> Option<Expression> {
    let scalar = fields.scalar("expr");
    let Some(scalar) = scalar.filter(|scalar| !scalar.text().is_empty()) else {
        let place = scalar.map_or(fields.head(), |scalar| scalar.span);
        fields.error("rule/expr", place, "field `expr` must be set in a rule");
        return None;
    };
    let text: Arc<str> = scalar.text().into();
    if context.options.dialect == Dialect::Opaque {
        return Some(Expression { text, parsed: None });
    }
    match promql::parse(&text, context.options.promql) {
        Ok(expr) => {
            let value_type = expr.value_type();
            if matches!(value_type, ValueType::Matrix | ValueType::String) {
                let message = format!(
                    "the expression is a {}: a rule needs an instant vector or a scalar, and every evaluation of this one will fail",
                    value_type.documented()
                );
                let span = scalar.source_span(&context.source.text, expr.span());
                let warning = Diagnostic::warning("rule/expr-type", span, message);
                fields.sink().push(warning);
            }
            Some(Expression {
                text,
                parsed: Some(Arc::new(expr)),
            })
        }
        Err(errors) => {
            for mut error in errors {
                error.span = scalar.source_span(&context.source.text, error.span);
                fields.sink().push(error);
            }
            None
        }
    }
}

fn recording(context: &Context<'_>, draft: Draft<'_>, sink: &mut Vec<Diagnostic>) -> Option<Rule> {
    let name = draft.name;
    let mut refuse = |span: Span, message: String| {
        sink.push(Diagnostic::error("rule/recording", span, message));
    };
    if let Some((first, _)) = draft.annotations.first() {
        refuse(
            first.span,
            "a recording rule has no `annotations`".to_owned(),
        );
    }
    for (field, value) in [
        ("for", &draft.hold),
        ("keep_firing_for", &draft.keep_firing_for),
    ] {
        if let Some(value) = value.as_ref().filter(|value| !value.value.is_zero()) {
            refuse(value.span, format!("a recording rule has no `{field}`"));
        }
    }
    if name.text().contains(['{', '}']) {
        let message = format!(
            "braces in the name of the recorded series `{}`",
            name.text()
        );
        let diagnostic = Diagnostic::error("rule/recording", name.span, message);
        sink.push(diagnostic.with_hint("a selector belongs in `expr`, labels belong in `labels`"));
    }
    let labels = draft.labels.iter();
    Some(Rule::Recording(Arc::new(RecordingRule {
        record: name.text().into(),
        expr: draft.expr?,
        labels: labels
            .map(|(name, value)| ((*name).to_owned(), value.text().to_owned()))
            .collect(),
        place: context.place(name.span),
    })))
}

fn alerting(context: &Context<'_>, draft: Draft<'_>, sink: &mut Vec<Diagnostic>) -> Option<Rule> {
    let alert = draft.name.text();
    let annotations: BTreeMap<&str, &Scalar> = draft
        .annotations
        .iter()
        .map(|(name, value)| (name.text(), *value))
        .collect();
    let name = template_name(alert);
    let labels = templates(context, &name, "label", &draft.labels, sink);
    let annotations = templates(context, &name, "annotation", &annotations, sink);
    let duration = |field: Option<Spanned<Duration>>| field.map_or(Duration::ZERO, |f| f.value);
    Some(Rule::Alerting(Arc::new(AlertingRule {
        alert: alert.into(),
        expr: draft.expr?,
        hold: duration(draft.hold),
        keep_firing_for: duration(draft.keep_firing_for),
        labels: labels?,
        annotations: annotations?,
        place: context.place(draft.name.span),
    })))
}

/// Parses the templates of labels or annotations; all their errors are noted.
fn templates(
    context: &Context<'_>,
    name: &str,
    what: &str,
    texts: &BTreeMap<&str, &Scalar>,
    sink: &mut Vec<Diagnostic>,
) -> Option<Vec<(String, Template)>> {
    let mut parsed = Vec::with_capacity(texts.len());
    for (label, scalar) in texts {
        match Template::parse(name, scalar.text()) {
            Ok(template) => parsed.push(((*label).to_owned(), template)),
            Err(mut error) => {
                error.span = scalar.source_span(&context.source.text, error.span);
                error.message = format!("{what} `{label}`: {}", error.message);
                sink.push(error);
            }
        }
    }
    (parsed.len() == texts.len()).then_some(parsed)
}

/// The name that errors of a rule's templates carry, as in Prometheus.
pub(super) fn template_name(alert: &str) -> String {
    format!("__alert_{alert}")
}

/// Label names may be any text but the empty one, and no label but the metric's name is reserved.
pub(super) fn check_label_names(
    pairs: &[(&Scalar, &Scalar)],
    what: &str,
    sink: &mut Vec<Diagnostic>,
) {
    for (name, _) in pairs {
        if name.text().is_empty() || (what == "label" && name.text() == METRIC_NAME) {
            let message = format!("invalid {what} name `{}`", name.text());
            sink.push(Diagnostic::error("rule/label-name", name.span, message));
        }
    }
}
