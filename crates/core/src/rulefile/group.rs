//! A rule group and its fields, those of other rulers among them.

use stentor_lang::model::{Diagnostic, Duration};
use stentor_lang::yaml::{Fields, Node, Spanned};

use super::document::given;
use super::{Context, RuleGroup, rule};

/// Reads a group; `None` where it has no name, after that was noted.
pub(super) fn read(
    context: &Context<'_>,
    node: &Node,
    sink: &mut Vec<Diagnostic>,
) -> Option<RuleGroup> {
    let mut fields = Fields::new(node, "the group", sink)?;
    let name = fields.required_string("name");
    if let Some(name) = name.as_ref().filter(|name| name.value.is_empty()) {
        fields.error("rule/name", name.span, "the group's name must not be empty");
    }
    let interval = fields.duration("interval").map(|interval| interval.value);
    let query_offset = query_offset(&mut fields);
    let limit = limit(&mut fields);
    let labels = fields.map_of_scalars("labels");
    rule::check_label_names(&labels, "label", fields.sink());
    let nodes = fields.list("rules");
    accept_foreign(&mut fields);
    refuse_foreign(&mut fields);
    let head = fields.head();
    fields.finish();
    let rules = given(nodes, "rule", sink)
        .into_iter()
        .filter_map(|node| rule::read(context, node, &labels, sink))
        .collect();
    let name = name?;
    Some(RuleGroup {
        place: context.place(if name.value.is_empty() {
            head
        } else {
            name.span
        }),
        name: name.value.into(),
        file: context.source.name.clone(),
        interval: interval.filter(|interval| !interval.is_zero()),
        query_offset,
        limit,
        rules,
    })
}

/// Prometheus' `query_offset`, or what vmalert and Mimir call the same.
fn query_offset(fields: &mut Fields<'_, '_>) -> Option<Duration> {
    let mut found: Option<(&str, Spanned<Duration>)> = None;
    for name in ["query_offset", "eval_delay", "evaluation_delay"] {
        let Some(offset) = fields.duration(name) else {
            continue;
        };
        if let Some((first, _)) = &found {
            let message = format!("field `{name}` says the same as `{first}`: set one of them");
            fields.error("rule/field", offset.span, message);
        } else {
            found = Some((name, offset));
        }
    }
    found.map(|(_, offset)| offset.value)
}

/// The limit as Go reads it: the fraction is cut off, and what is negative limits nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and no rule has so many alerts"
)]
fn limit(fields: &mut Fields<'_, '_>) -> usize {
    let Some(limit) = fields.number("limit") else {
        return 0;
    };
    let read = limit.value.max(0.0) as usize;
    if limit.value < 0.0 || limit.value.fract() != 0.0 {
        let message = format!("a limit of {} is read as {read}", limit.value);
        let warning = Diagnostic::warning("rule/limit", limit.span, message);
        fields.sink().push(warning);
    }
    read
}

/// Fields of other rulers that ask for what is so here anyway.
fn accept_foreign(fields: &mut Fields<'_, '_>) {
    if let Some(kind) = fields.string("type")
        && kind.value != "prometheus"
    {
        let message = format!("groups of type `{}` are not supported", kind.value);
        fields.error("yaml/unsupported", kind.span, message);
    }
    for (name, wanted, why) in [
        (
            "eval_alignment",
            true,
            "evaluations are always aligned to the interval",
        ),
        (
            "align_evaluation_time_on_interval",
            false,
            "evaluations are aligned to the interval with an offset that spreads the groups",
        ),
    ] {
        if let Some(value) = fields.bool(name)
            && value.value != wanted
        {
            let message = format!("field `{name}` cannot be {}: {why}", value.value);
            fields.error("yaml/unsupported", value.span, message);
        }
    }
    if let Some(strategy) = fields.string("partial_response_strategy")
        && !matches!(
            strategy.value.to_lowercase().as_str(),
            "abort" | "warn" | ""
        )
    {
        let message = format!(
            "field `partial_response_strategy` must be `abort` or `warn`, not `{}`",
            strategy.value
        );
        fields.error("yaml/type", strategy.span, message);
    }
    // How many rules are asked side by side, the data source says; more output than the API gives
    // of each rule there is none.
    fields.unsigned("concurrency");
    fields.bool("debug");
}

/// Fields of other rulers that would change what a rule means.
fn refuse_foreign(fields: &mut Fields<'_, '_>) {
    const AT_DATASOURCE: &str = "what requests carry is set at the data source";
    fields.refuse(
        "eval_offset",
        "the offset in the interval follows from the group's name",
    );
    fields.refuse("params", AT_DATASOURCE);
    fields.refuse("headers", AT_DATASOURCE);
    fields.refuse("extra_filter_labels", AT_DATASOURCE);
    fields.refuse(
        "notifier_headers",
        "alerts go to receivers, which have headers of their own",
    );
    fields.refuse("tenant", "a tenant is a data source of its own");
    fields.refuse("source_tenants", "a tenant is a data source of its own");
}
