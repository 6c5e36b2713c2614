//! `datasources`: where rules are evaluated, how it is reached, and how much it may answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use stentor_lang::model::{Diagnostic, Duration, Labels, Span};
use stentor_lang::yaml::{Fields, Node, Spanned};

use super::context::{Context, filled, open_url};
use super::global::{Global, labels};
use super::{http, shared};
use crate::receiver::HttpConfig;

/// A query that takes longer would miss the next slot of most groups; a slot has never more.
pub const DEFAULT_QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// Enough for 250,000 series of eight labels; a few such answers at a time fit into half a
/// gigabyte.
pub const DEFAULT_MAX_RESPONSE_BYTES: u64 = 64 << 20;

/// More alerts of one rule than this help nobody; an expression that returns more is a mistake.
pub const DEFAULT_MAX_SERIES: u64 = 200_000;

/// Prometheus runs twenty queries at a time by default; half of them are left to others.
pub const DEFAULT_MAX_CONCURRENT_QUERIES: u64 = 10;

/// The language of a datasource's expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PromQL: parsed and checked here.
    Prometheus,
    /// Another: sent as it is.
    Opaque,
}

/// A server that answers Prometheus' query API.
#[derive(Debug, Clone, PartialEq)]
pub struct Datasource {
    /// Its name, part of the identity of its rules.
    pub name: Arc<str>,
    /// The address of its API, without a slash at the end.
    pub url: String,
    /// How it is reached.
    pub http: HttpConfig,
    /// Labels of all its alerts, the global ones among them.
    pub external_labels: Labels,
    /// Its address for people, for links, without a slash at the end.
    pub external_url: String,
    /// Patterns of its rule files, relative ones from the configuration's folder.
    pub rule_files: Vec<Spanned<String>>,
    /// The language of its expressions.
    pub dialect: Dialect,
    /// How long a query may take; a group's interval bounds it too.
    pub timeout: Duration,
    /// How many bytes of an answer are read, after decompression.
    pub max_response_bytes: u64,
    /// How many series an answer may hold.
    pub max_series: u64,
    /// How many queries run at a time.
    pub max_concurrent_queries: u64,
}

pub(super) fn read_all(
    fields: &mut Fields<'_, '_>,
    context: &mut Context<'_>,
    global: &Global,
) -> Vec<Datasource> {
    let place = fields.head();
    let nodes = fields.list("datasources");
    if nodes.is_empty() {
        let message = "there are no `datasources`: no rule could be evaluated";
        fields.error("config/datasources", place, message);
    }
    let mut names: BTreeMap<String, Span> = BTreeMap::new();
    let mut datasources = Vec::new();
    for node in nodes {
        let Some((datasource, name)) = read(node, context, global, fields.sink()) else {
            continue;
        };
        if names.insert(name.value.clone(), name.span).is_some() {
            let message = format!("the datasource name `{}` is not unique", name.value);
            fields.error("config/datasources", name.span, message);
        }
        datasources.push(datasource);
    }
    same_patterns(&datasources, fields.sink());
    datasources
}

fn read(
    node: &Node,
    context: &mut Context<'_>,
    global: &Global,
    sink: &mut Vec<Diagnostic>,
) -> Option<(Datasource, Spanned<String>)> {
    let mut fields = Fields::new(node, "the datasource", sink)?;
    let name = fields.required_string("name");
    let url = match open_url(&mut fields, context, "url") {
        None if filled(fields.scalar("url")).is_none() => {
            fields.missing("url");
            None
        }
        url => url,
    };
    let path = name.as_ref().map_or("", |name| name.value.as_str());
    let http = http::read(&mut fields, context, &format!("datasources[{path}]"));
    let external_url = open_url(&mut fields, context, "external_url");
    let own = labels(&mut fields, "external_labels");
    let mut external_labels = global.external_labels.to_builder();
    for (label, value) in &own {
        external_labels.set(label, value);
    }
    let external_labels = external_labels.build();
    let rule_files = fields.strings("rule_files");
    let rule_files = rule_files
        .into_iter()
        .map(|pattern| pattern.map(|pattern| context.path(&pattern)))
        .collect();
    let timeout = match fields.duration("timeout") {
        Some(timeout) if timeout.value.is_zero() => {
            fields.error(
                "config/limit",
                timeout.span,
                "field `timeout` cannot be zero",
            );
            DEFAULT_QUERY_TIMEOUT
        }
        Some(timeout) => timeout.value,
        None => DEFAULT_QUERY_TIMEOUT,
    };
    let dialect = dialect(&mut fields);
    let max_response_bytes = limit(
        &mut fields,
        "max_response_bytes",
        DEFAULT_MAX_RESPONSE_BYTES,
    );
    let max_series = limit(&mut fields, "max_series", DEFAULT_MAX_SERIES);
    let max_concurrent_queries = limit(
        &mut fields,
        "max_concurrent_queries",
        DEFAULT_MAX_CONCURRENT_QUERIES,
    );
    fields.finish();
    let (name, url) = (name?, url?);
    let without_slash = |url: &str| url.trim_end_matches('/').to_owned();
    let datasource = Datasource {
        name: shared(&name.value),
        external_url: without_slash(external_url.as_ref().map_or(&url.value, |url| &url.value)),
        url: without_slash(&url.value),
        http,
        external_labels,
        rule_files,
        dialect,
        timeout,
        max_response_bytes,
        max_series,
        max_concurrent_queries,
    };
    Some((datasource, name))
}

fn dialect(fields: &mut Fields<'_, '_>) -> Dialect {
    let Some(dialect) = fields.string("dialect") else {
        return Dialect::Prometheus;
    };
    match dialect.value.as_str() {
        "prometheus" => {}
        "opaque" => return Dialect::Opaque,
        other => {
            let message = format!("dialect `{other}` is not one of `prometheus` and `opaque`");
            fields.error("config/dialect", dialect.span, message);
        }
    }
    Dialect::Prometheus
}

fn limit(fields: &mut Fields<'_, '_>, name: &'static str, default: u64) -> u64 {
    let Some(limit) = fields.unsigned(name) else {
        return default;
    };
    if limit.value == 0 {
        let message = format!("field `{name}` cannot be zero");
        fields.error("config/limit", limit.span, message);
    }
    limit.value
}

/// Datasources that name the same rule files and differ in no external label: which of them an
/// alert comes from could not be told, and a resolve of one would end the other's.
fn same_patterns(datasources: &[Datasource], sink: &mut Vec<Diagnostic>) {
    for (index, one) in datasources.iter().enumerate() {
        for other in &datasources[..index] {
            if one.external_labels != other.external_labels {
                continue;
            }
            for pattern in &one.rule_files {
                if other
                    .rule_files
                    .iter()
                    .any(|twin| twin.value == pattern.value)
                {
                    sink.push(conflict(pattern, one, other));
                }
            }
        }
    }
}

/// The same for the files that the patterns were found to name: `files[i]` are those of
/// `datasources[i]`.
pub fn shared_files(datasources: &[Datasource], files: &[Vec<String>]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (index, (one, own)) in datasources.iter().zip(files).enumerate() {
        for (other, others) in datasources.iter().zip(files).take(index) {
            let shares = own.iter().any(|file| others.contains(file));
            if let (true, true, Some(pattern)) = (
                shares,
                one.external_labels == other.external_labels,
                one.rule_files.first(),
            ) {
                found.push(conflict(pattern, one, other));
            }
        }
    }
    found
}

fn conflict(pattern: &Spanned<String>, one: &Datasource, other: &Datasource) -> Diagnostic {
    let message = format!(
        "the datasources `{}` and `{}` load the same rules and have the same external labels",
        other.name, one.name
    );
    Diagnostic::error("config/datasources", pattern.span, message).with_hint(
        "give each an external label of its own: else a resolve of one ends the other's alert",
    )
}
