//! From files to a configuration that can run: start and reload go the same way. All files are
//! read first, until they hold still; then everything in them is checked, and either all of it is
//! good, or all that is wrong is told at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stentor_core::check::{LintOptions, lint};
use stentor_core::config::{self, Config};
use stentor_core::engine::decode::Caps;
use stentor_core::engine::{Datasource, DatasourceRules, RuleSet, Setup};
use stentor_core::notify::{Route, Routing};
use stentor_core::rulefile::{self, Dialect, LoadOptions, RuleGroup};
use stentor_lang::model::{Diagnostic, Level, SourceText};
use stentor_lang::yaml;

use super::client::Options as ClientOptions;
use super::secrets::{self, Inline};
use super::transport::unsupported;
use crate::cli::diagnostics::{Findings, Output, render};
use crate::cli::files::{self, Unread};

/// Files must be the same twice this far apart: whoever writes one in place needs less between two
/// of his writes.
const STILL: Duration = Duration::from_millis(50);

/// How often they are read again before they are taken as they are; what is half written then
/// usually has an error.
const READS: usize = 20;

/// Samples of one answer to a range query: an hour of 15 s slots of as many series as an answer
/// usually has at most.
const MOST_SAMPLES: usize = 10_000_000;

/// As many errors as anybody reads in a log.
const MOST_SHOWN: usize = 100;

/// More queries at a time than this only wait for each other.
const MOST_QUERIES: usize = 1000;

/// What names the configuration.
#[derive(Debug, Clone)]
pub(crate) struct From {
    pub(crate) files: Files,
    /// `--web.external-url`, or empty.
    pub(crate) external_url: String,
    /// Nothing is sent, so that receivers may be missing.
    pub(crate) dry_run: bool,
    /// A rule file may be empty that was not before.
    pub(crate) allow_empty: bool,
}

/// Where the configuration is.
#[derive(Debug, Clone)]
pub(crate) enum Files {
    /// In a file.
    Config(PathBuf),
    /// In the flags for a first look.
    Flags {
        url: String,
        rule_files: Vec<String>,
    },
    /// In the flags of a replay, which asks nobody unless there is a URL, and tells nobody.
    Rules {
        url: Option<String>,
        rule_files: Vec<String>,
    },
}

/// The texts of all files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sources {
    main: File,
    /// Alertmanager's file, where the configuration names one.
    alertmanager: Option<File>,
    /// The rule files of each data source, in the order of their names.
    rules: BTreeMap<String, Vec<File>>,
}

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    name: String,
    text: String,
}

/// A configuration that can run.
pub(crate) struct Prepared {
    /// For the engine; what it keeps of the sources is filled in later.
    pub(crate) setup: Setup,
    /// For the clients.
    pub(crate) datasources: Vec<ClientOptions>,
    /// Secrets written in the configuration.
    pub(crate) inline: Inline,
    /// The effective configuration without secrets, as YAML.
    pub(crate) shown: Arc<str>,
    /// What it was made from.
    pub(crate) sources: Sources,
    /// The same without inline secrets, to be kept.
    pub(crate) durable: Sources,
    /// What is worth a line in the log, though nothing is wrong.
    pub(crate) notes: Vec<String>,
}

/// Reads and checks everything. The error is all that is wrong, ready to be shown.
pub(crate) fn load(from: &From, before: Option<&Sources>) -> Result<Prepared, String> {
    let read = read_still(from)?;
    let prepared = prepare(read.sources, from, None, read.findings)?;
    compare(&prepared, before, from)?;
    Ok(prepared)
}

/// Refuses a file that held rules before and holds none now: it is half written, or somebody's
/// program failed while it wrote it.
pub(crate) fn compare(
    prepared: &Prepared,
    before: Option<&Sources>,
    from: &From,
) -> Result<(), String> {
    let Some(before) = before.filter(|_| !from.allow_empty) else {
        return Ok(());
    };
    let mut problems = Vec::new();
    for (datasource, files) in &before.rules {
        let now = prepared.sources.rules.get(datasource);
        if now.is_some_and(Vec::is_empty) && !files.is_empty() {
            problems.push(format!(
                "datasource {datasource}: its rule files, {} before, are all gone",
                files.len()
            ));
        }
        for file in now.into_iter().flatten().filter(|file| is_empty(file)) {
            let old = files.iter().find(|old| old.name == file.name);
            if old.is_some_and(|old| !is_empty(old)) {
                problems.push(format!(
                    "{}: the rules of this file are all gone",
                    file.name
                ));
            }
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    problems.push("if that is meant, pass --rule.allow-empty".to_owned());
    Err(problems.join("\n"))
}

/// Whether a rule file says nothing at all.
fn is_empty(file: &File) -> bool {
    let source = file.source();
    rulefile::load(&source, &LoadOptions::default()).is_ok_and(|read| read.groups.is_empty())
}

/// Checks the texts of all files, of which some things were found already. Texts that were kept come
/// with the secrets that were taken out.
pub(crate) fn prepare(
    sources: Sources,
    from: &From,
    stored: Option<BTreeMap<String, String>>,
    mut findings: Vec<Findings>,
) -> Result<Prepared, String> {
    let options = config::Options {
        dry_run: from.dry_run,
        stored,
    };
    let texts = sources.config();
    let loaded =
        config::load(&texts, &options).map_err(|found| shown(&of_config(&found, &texts)))?;
    findings.extend(of_config(&loaded.warnings, &texts));
    let config = loaded.config;
    let mut rules = RuleSet::default();
    let mut names = Vec::new();
    for datasource in &config.datasources {
        let files = sources.rules.get(&*datasource.name);
        let mut groups = Vec::new();
        for file in files.into_iter().flatten() {
            let (read, found) = read_rules(file.source(), dialect(datasource));
            groups.extend(read);
            findings.push(found);
        }
        let files = files.into_iter().flatten();
        names.push(files.map(|file| file.name.clone()).collect());
        rules
            .datasources
            .push(rules_of(&config, datasource, groups));
    }
    let masked = loaded.warnings.masked.as_ref().unwrap_or(&texts);
    findings.push(Findings {
        source: masked.main.clone(),
        diagnostics: config::shared_files(&config.datasources, &names),
    });
    if findings.iter().any(Findings::has_errors) {
        return Err(shown(&findings));
    }
    refuse_unsupported(&config)?;
    let effective = config.to_yaml();
    let nobody = || Routing::new(Route::new("nobody".into()), [], None);
    Ok(Prepared {
        setup: Setup {
            rules,
            routing: Arc::new(config.routing.unwrap_or_else(nobody)),
            external_url: from.external_url.as_str().into(),
            accepted: "".into(),
        },
        datasources: config.datasources.iter().map(client_options).collect(),
        inline: Inline(loaded.secrets.0),
        shown: effective.into(),
        durable: sources.with_config(&loaded.durable),
        sources,
        notes: findings.iter().flat_map(one_lines).collect(),
    })
}

/// Refuses what no HTTP client here can do.
fn refuse_unsupported(config: &Config) -> Result<(), String> {
    let mut problems = Vec::new();
    for datasource in &config.datasources {
        let why = unsupported(&datasource.http);
        problems.extend(why.map(|why| format!("datasource {}: {why}", datasource.name)));
    }
    let routing = config.routing.iter();
    let receivers = routing.flat_map(|routing| routing.receivers().values());
    for integration in receivers.flat_map(|receiver| &receiver.integrations) {
        let why = unsupported(&integration.http);
        problems.extend(why.map(|why| format!("receiver {}: {why}", integration.key)));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

fn of_config(found: &config::Findings, texts: &config::Sources) -> Vec<Findings> {
    // Findings are shown beside their lines, which must not hold a secret.
    let texts = found.masked.as_ref().unwrap_or(texts);
    let main = Findings {
        source: texts.main.clone(),
        diagnostics: found.main.clone(),
    };
    let alertmanager = texts.alertmanager.as_ref().map(|source| Findings {
        source: source.clone(),
        diagnostics: found.alertmanager.clone(),
    });
    std::iter::once(main).chain(alertmanager).collect()
}

fn rules_of(
    config: &Config,
    datasource: &config::Datasource,
    groups: Vec<Arc<RuleGroup>>,
) -> DatasourceRules {
    DatasourceRules {
        datasource: Arc::new(Datasource {
            name: Arc::clone(&datasource.name),
            external_labels: datasource.external_labels.clone(),
            external_url: datasource.external_url.as_str().into(),
            url_functions: true,
            opaque: dialect(datasource) == Dialect::Opaque,
        }),
        interval: config.evaluation_interval,
        query_offset: config.query_offset,
        groups,
    }
}

fn dialect(datasource: &config::Datasource) -> Dialect {
    match datasource.dialect {
        config::Dialect::Prometheus => Dialect::PromQl,
        config::Dialect::Opaque => Dialect::Opaque,
    }
}

fn client_options(datasource: &config::Datasource) -> ClientOptions {
    let number = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    ClientOptions {
        name: Arc::clone(&datasource.name),
        url: datasource.url.clone(),
        http: datasource.http.clone(),
        caps: Caps {
            series: number(datasource.max_series),
            samples: MOST_SAMPLES,
        },
        max_bytes: number(datasource.max_response_bytes),
        timeout: datasource.timeout.to_std(),
        concurrency: number(datasource.max_concurrent_queries).min(MOST_QUERIES),
    }
}

fn read_rules(source: SourceText, dialect: Dialect) -> (Vec<Arc<RuleGroup>>, Findings) {
    let options = LoadOptions {
        dialect,
        ..LoadOptions::default()
    };
    let parsed = yaml::parse(&source.text);
    let (groups, diagnostics) = match rulefile::load_documents(&source, &parsed, &options) {
        Ok(mut file) => {
            let mut found = std::mem::take(&mut file.warnings);
            found.extend(lint(
                &source,
                &parsed,
                &file,
                &LintOptions::default(),
                Vec::new(),
            ));
            (file.groups, found)
        }
        Err(diagnostics) => (Vec::new(), diagnostics),
    };
    let findings = Findings {
        source,
        diagnostics,
    };
    (groups.into_iter().map(Arc::new).collect(), findings)
}

/// Everything that is an error, each with its source line. Of very many the first are shown: this
/// goes to the log.
fn shown(findings: &[Findings]) -> String {
    let mut left = MOST_SHOWN;
    let mut hidden = 0;
    let errors: Vec<Findings> = findings
        .iter()
        .map(|findings| Findings {
            source: findings.source.clone(),
            diagnostics: {
                let mut errors: Vec<Diagnostic> =
                    only(&findings.diagnostics, Level::Error).cloned().collect();
                errors.sort_by_key(|error| error.span.start);
                hidden += errors.len().saturating_sub(left);
                errors.truncate(left);
                left -= errors.len();
                errors
            },
        })
        .collect();
    let mut text = render(&errors, Output::Text, false);
    if hidden > 0 {
        let _ = writeln!(text, "and {hidden} more errors: `stentor check` shows all");
    }
    text
}

fn only(diagnostics: &[Diagnostic], level: Level) -> impl Iterator<Item = &Diagnostic> {
    diagnostics.iter().filter(move |found| found.level == level)
}

fn one_lines(findings: &Findings) -> Vec<String> {
    let lines = findings.diagnostics.iter();
    lines
        .map(|found| found.one_line(&findings.source))
        .collect()
}

/// All files as they were read, and what is wrong with them before their texts are looked into.
#[derive(PartialEq)]
struct Read {
    sources: Sources,
    findings: Vec<Findings>,
}

/// Reads all files until they are the same twice.
fn read_still(from: &From) -> Result<Read, String> {
    let mut before = read(from);
    for _ in 0..READS {
        std::thread::sleep(STILL);
        let again = read(from);
        if again == before {
            break;
        }
        before = again;
    }
    before
}

fn read(from: &From) -> Result<Read, String> {
    let main = match &from.files {
        Files::Config(path) => read_config(path)?,
        Files::Flags { url, rule_files } => flags_as_config(url, rule_files),
        Files::Rules { url, rule_files } => rules_as_config(url.as_deref(), rule_files),
    };
    let alertmanager = match config::alertmanager_path(&main.source()) {
        Some(path) => Some(read_config(Path::new(&path))?),
        None => None,
    };
    let mut sources = Sources {
        main,
        alertmanager,
        rules: BTreeMap::new(),
    };
    let options = config::Options {
        dry_run: from.dry_run,
        stored: None,
    };
    let mut findings = Vec::new();
    // What is wrong in it is told later; until it is mended nobody knows which files it names.
    let Ok(loaded) = config::load(&sources.config(), &options) else {
        return Ok(Read { sources, findings });
    };
    let mut found = loaded.warnings;
    (found.main, found.alertmanager) = (Vec::new(), Vec::new());
    for datasource in &loaded.config.datasources {
        let mut of_datasource = BTreeMap::new();
        for pattern in &datasource.rule_files {
            for path in files::expand(pattern, &mut found.main) {
                match files::read(&path) {
                    Ok(text) => drop(of_datasource.insert(path, File::from(&text))),
                    Err(Unread::NoText(unread)) => findings.push(unread),
                    Err(Unread::Unopened(why)) => {
                        let why = Diagnostic::error(files::CODE, pattern.span, why);
                        found.main.push(why);
                    }
                }
            }
        }
        let of_datasource = of_datasource.into_values().collect();
        sources
            .rules
            .insert(datasource.name.to_string(), of_datasource);
    }
    if !from.dry_run {
        let secret_files = loaded.secret_files;
        found.main.extend(secrets::problems(&secret_files.main));
        found
            .alertmanager
            .extend(secrets::problems(&secret_files.alertmanager));
    }
    findings.extend(of_config(&found, &sources.config()));
    Ok(Read { sources, findings })
}

/// Reads a file without which nothing is known of the others.
fn read_config(path: &Path) -> Result<File, String> {
    match files::read(path) {
        Ok(text) => Ok(File::from(&text)),
        Err(Unread::Unopened(why)) => Err(why),
        Err(Unread::NoText(Findings {
            source,
            diagnostics,
        })) => {
            // It may hold secrets, and nobody can say where.
            let places = diagnostics.iter();
            let lines: Vec<String> = places.map(|found| found.one_line(&source)).collect();
            Err(lines.join("\n"))
        }
    }
}

/// The flags of a first look as the configuration they stand for. What would be sent is logged, so
/// there is a receiver, which nobody reaches.
fn flags_as_config(url: &str, rule_files: &[String]) -> File {
    let config = serde_json::json!({
        "datasources": [{"name": "default", "url": url, "rule_files": rule_files}],
        "route": {"receiver": "dry-run", "group_by": ["alertname"]},
        "receivers": [{
            "name": "dry-run",
            "webhook_configs": [{"url": "http://dry-run.invalid/"}],
        }],
    });
    File {
        name: "command line".to_owned(),
        text: config.to_string(),
    }
}

/// Rules alone, of one data source.
fn rules_as_config(url: Option<&str>, rule_files: &[String]) -> File {
    let url = url.unwrap_or("http://fixture.invalid/");
    let config = serde_json::json!({
        "datasources": [{"name": "default", "url": url, "rule_files": rule_files}],
    });
    File {
        name: "command line".to_owned(),
        text: config.to_string(),
    }
}

impl File {
    fn from(source: &SourceText) -> Self {
        Self {
            name: source.name.to_string(),
            text: source.text.to_string(),
        }
    }

    fn source(&self) -> SourceText {
        SourceText::new(self.name.as_str(), self.text.as_str())
    }
}

impl Sources {
    /// As the configuration's reader takes them.
    fn config(&self) -> config::Sources {
        config::Sources {
            main: self.main.source(),
            alertmanager: self.alertmanager.as_ref().map(File::source),
        }
    }

    /// The same with other texts of the configuration; rules stay.
    fn with_config(&self, texts: &config::Sources) -> Self {
        Self {
            main: File::from(&texts.main),
            alertmanager: texts.alertmanager.as_ref().map(File::from),
            rules: self.rules.clone(),
        }
    }
}

#[cfg(test)]
#[path = "setup_tests.rs"]
mod tests;
