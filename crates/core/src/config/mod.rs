//! The configuration: `stentor.yml`, with Alertmanager's sections in it or in a file of its own,
//! read into values that need no further checks, with every default filled in.
//!
//! All mistakes are found at once, each with its place; what Stentor does not build yet is refused
//! by name. Nothing here reads a file: secrets in files are named, inline secrets are handed to
//! the caller apart from the configuration.

mod context;
mod datasource;
mod effective;
mod global;
mod http;
mod receivers;
mod route;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use stentor_lang::model::{Diagnostic, Duration, Labels, Level, SourceText, Span};
use stentor_lang::yaml::{Fields, Node, Spanned};

pub use context::SecretFile;
pub use datasource::{
    DEFAULT_MAX_CONCURRENT_QUERIES, DEFAULT_MAX_RESPONSE_BYTES, DEFAULT_MAX_SERIES,
    DEFAULT_QUERY_TIMEOUT, Datasource, Dialect, shared_files,
};
pub use global::DEFAULT_EVALUATION_INTERVAL;
pub use receivers::DEFAULT_ATTEMPT_TIMEOUT;

use context::Context;
use global::NotifyDefaults;

use crate::notify::Routing;

/// What Stentor is told to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How often rule groups without an interval of their own are evaluated.
    pub evaluation_interval: Duration,
    /// How far behind the slot queries ask, for rule groups without an offset of their own.
    pub query_offset: Duration,
    /// Labels that all alerts carry when they leave; each datasource's hold them already.
    pub external_labels: Labels,
    /// After what time an alert that was posted without an end counts as resolved.
    pub resolve_timeout: Duration,
    /// Where rules are evaluated, in the order of the file.
    pub datasources: Vec<Datasource>,
    /// Who is told; nobody only in a dry run.
    pub routing: Option<Routing>,
}

/// What is read: the main file, and Alertmanager's where the main file names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// `stentor.yml`.
    pub main: SourceText,
    /// The file that [`alertmanager_path`] names.
    pub alertmanager: Option<SourceText>,
}

/// How to read it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether nobody is told anything, so that routes and receivers may be missing.
    pub dry_run: bool,
    /// The secrets of a configuration that was stored: see [`Loaded::durable`].
    pub stored: Option<BTreeMap<String, String>>,
}

/// Diagnostics by the file that they speak of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Of the main file.
    pub main: Vec<Diagnostic>,
    /// Of Alertmanager's file.
    pub alertmanager: Vec<Diagnostic>,
    /// The texts to show beside them: as they were read, with all secrets made unreadable.
    pub masked: Option<Sources>,
}

impl Findings {
    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        let mut all = self.main.iter().chain(&self.alertmanager);
        all.any(|diagnostic| diagnostic.level == Level::Error)
    }

    /// All of them, each with the text to show beside it.
    pub fn with_sources(&self) -> impl Iterator<Item = (&SourceText, &Diagnostic)> {
        self.masked.iter().flat_map(|masked| {
            let alertmanager = masked.alertmanager.as_ref().unwrap_or(&masked.main);
            let main = self.main.iter().map(|found| (&masked.main, found));
            let other = self.alertmanager.iter();
            main.chain(other.map(move |found| (alertmanager, found)))
        })
    }

    /// In the order of the files, whatever the order of the reading.
    fn sorted(mut self, main: &Context<'_>, alertmanager: Option<&Context<'_>>) -> Self {
        self.main.sort_by_key(|found| found.span.start);
        self.alertmanager.sort_by_key(|found| found.span.start);
        self.masked = Some(Sources {
            main: main.masked(),
            alertmanager: alertmanager.map(Context::masked),
        });
        self
    }
}

/// An accepted configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// The secrets that it holds, by the names that `SecretRef::Inline` uses.
    pub secrets: Secrets,
    /// The texts with every inline secret replaced by a mark. Together with `secrets`, given as
    /// [`Options::stored`], they load as the same configuration.
    pub durable: Sources,
    /// What was accepted and is probably not meant.
    pub warnings: Findings,
    /// The files that hold secrets, each with the place that names it.
    pub secret_files: SecretFiles,
}

/// Files of secrets by the file that names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretFiles {
    /// Named in the main file.
    pub main: Vec<SecretFile>,
    /// Named in Alertmanager's file.
    pub alertmanager: Vec<SecretFile>,
}

/// Inline secrets by name. Their debug output shows only the names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(pub BTreeMap<String, String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The path of the file that `alertmanager_config` names, relative paths from the main file's
/// folder; `None` where there is none, or where the main file cannot be read as YAML.
pub fn alertmanager_path(main: &SourceText) -> Option<String> {
    let parsed = stentor_lang::yaml::parse(&main.text);
    let node = parsed
        .documents
        .first()?
        .as_mapping()?
        .get("alertmanager_config")?;
    let path = node.as_scalar().map(|path| path.text().to_owned())?;
    (!path.is_empty()).then(|| context::beside(&main.name, &path))
}

/// Reads the configuration.
///
/// # Errors
/// All that is wrong, and the warnings beside it.
pub fn load(sources: &Sources, options: &Options) -> Result<Loaded, Findings> {
    let mut findings = Findings::default();
    let mut main = Context::new(&sources.main, options, "");
    let mut other = sources
        .alertmanager
        .as_ref()
        .map(|source| Context::new(source, options, "alertmanager."));
    let read = read_main(&mut main, other.as_mut(), &mut findings);
    let findings = findings.sorted(&main, other.as_ref());
    let (Some(config), false) = (read, findings.has_errors()) else {
        return Err(findings);
    };
    let durable = Sources {
        main: main.durable(),
        alertmanager: other.as_ref().map(Context::durable),
    };
    let mut secrets = main.secrets;
    let mut secret_files = SecretFiles {
        main: main.files,
        alertmanager: Vec::new(),
    };
    if let Some(other) = other {
        secrets.extend(other.secrets);
        secret_files.alertmanager = other.files;
    }
    Ok(Loaded {
        config,
        secrets: Secrets(secrets),
        durable,
        warnings: findings,
        secret_files,
    })
}

/// Reads Alertmanager's file alone, as Alertmanager itself would; what is found is that of the
/// main file.
///
/// # Errors
/// All that is wrong, and what Stentor does not build yet.
pub fn load_alertmanager(source: &SourceText) -> Result<(Routing, Findings), Findings> {
    let options = Options::default();
    let mut context = Context::new(source, &options, "");
    let mut findings = Findings::default();
    let routing = read_alertmanager(&mut context, None, &mut findings.main);
    let findings = findings.sorted(&context, None);
    match routing {
        Some((routing, _)) if !findings.has_errors() => Ok((routing, findings)),
        _ => Err(findings),
    }
}

fn read_main(
    context: &mut Context<'_>,
    alertmanager: Option<&mut Context<'_>>,
    findings: &mut Findings,
) -> Option<Config> {
    let document = document(context.source, &mut findings.main)?;
    let mut fields = Fields::new(&document, "the configuration", &mut findings.main)?;
    let named = fields.string("alertmanager_config");
    let fallback = fields.string("fallback_receiver");
    let global = global::read(&mut fields, context, named.is_none());
    let datasources = datasource::read_all(&mut fields, context, &global);
    refuse_unbuilt(&mut fields);
    fields.refuse("remote_write", "recording rules are not evaluated yet");
    let mut routing = None;
    let mut resolve_timeout = global.notify.resolve_timeout;
    match (named, alertmanager) {
        (None, _) => {
            routing = read_routing(&mut fields, context, &global.notify, fallback.as_ref());
            fields.finish();
        }
        (Some(named), None) => {
            let message = format!("the file `{}` was not read", named.value);
            fields.error("config/alertmanager", named.span, message);
            fields.finish();
        }
        (Some(_), Some(other)) => {
            let why = "it belongs in the file that `alertmanager_config` names";
            for field in ["route", "receivers"] {
                fields.refuse(field, why);
            }
            fields.finish();
            let fallback = fallback.map(|name| (name, &mut findings.main));
            if let Some((read, defaults)) =
                read_alertmanager(other, fallback, &mut findings.alertmanager)
            {
                routing = Some(read);
                resolve_timeout = defaults.resolve_timeout;
            }
        }
    }
    Some(Config {
        evaluation_interval: global.evaluation_interval,
        query_offset: global.query_offset,
        external_labels: global.external_labels,
        resolve_timeout,
        datasources,
        routing,
    })
}

type NamedFallback<'a> = (Spanned<String>, &'a mut Vec<Diagnostic>);

fn read_alertmanager(
    context: &mut Context<'_>,
    fallback: Option<NamedFallback<'_>>,
    sink: &mut Vec<Diagnostic>,
) -> Option<(Routing, NotifyDefaults)> {
    let document = document(context.source, sink)?;
    let mut fields = Fields::new(&document, "Alertmanager's configuration", sink)?;
    let global = global::read_notify(&mut fields, context);
    refuse_unbuilt(&mut fields);
    let required = fields.head();
    let receivers = receivers::read_all(&mut fields, context, &global);
    let route = route::read_root(&mut fields, context, &receivers);
    if route.is_none() && !context.options.dry_run {
        fields.error("config/route", required, "no route provided in config");
    }
    fields.finish();
    let fallback = fallback.and_then(|(name, main)| route::known(&name, &receivers, main));
    Some((Routing::new(route?, receivers.list, fallback), global))
}

/// Routes and receivers in the main file.
fn read_routing(
    fields: &mut Fields<'_, '_>,
    context: &mut Context<'_>,
    defaults: &NotifyDefaults,
    fallback: Option<&Spanned<String>>,
) -> Option<Routing> {
    let place = fields.head();
    let receivers = receivers::read_all(fields, context, defaults);
    let before = fields.sink().len();
    let route = route::read_root(fields, context, &receivers);
    if route.is_none() && fields.sink().len() == before && !context.options.dry_run {
        let message = "there is no `route`: nobody would be told of any alert";
        let hint = "add `route` and `receivers`, or name a file with `alertmanager_config`; \
                    with --notify.dry-run they may be missing";
        let missing = Diagnostic::error("config/route", place, message).with_hint(hint);
        fields.sink().push(missing);
    }
    let fallback = fallback.and_then(|name| route::known(name, &receivers, fields.sink()));
    Some(Routing::new(route?, receivers.list, fallback))
}

/// The sections of Alertmanager that are not built yet; a list without items says nothing.
fn refuse_unbuilt(fields: &mut Fields<'_, '_>) {
    let unbuilt = [
        ("inhibit_rules", "inhibition is not built yet"),
        ("time_intervals", "time intervals are not built yet"),
        ("mute_time_intervals", "time intervals are not built yet"),
        ("templates", "notification templates are not built yet"),
        ("tracing", "Stentor does not trace itself"),
        ("event_recorder", "Stentor has no event recorder"),
    ];
    for (name, why) in unbuilt {
        context::refuse_filled(fields, name, why);
    }
}

/// The one document of a file.
fn document(source: &SourceText, sink: &mut Vec<Diagnostic>) -> Option<Node> {
    let parsed = stentor_lang::yaml::parse(&source.text);
    sink.extend(parsed.diagnostics);
    if let Some(second) = parsed.documents.get(1) {
        let message = "a second document begins here: a configuration is one document";
        sink.push(Diagnostic::error(
            "config/documents",
            second.head(),
            message,
        ));
    }
    let first = parsed.documents.into_iter().next();
    if first.is_none() && sink.is_empty() {
        let message = "the configuration is empty";
        sink.push(Diagnostic::error("config/empty", Span::at(0), message));
    }
    first
}

/// A name that many will hold.
fn shared(text: &str) -> Arc<str> {
    Arc::from(text)
}
