//! `stentor check FILE...`: everything that is wrong with files, at once. What a file is follows
//! from its fields; a configuration brings its rule files along.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use stentor_core::check::{self, LintOptions};
use stentor_core::config::{self, Datasource};
use stentor_core::rulefile::{self, Dialect, LoadOptions, Rule, RuleFile};
use stentor_core::unittest;
use stentor_lang::model::{Diagnostic, Duration, Level, SourceText};
use stentor_lang::promql::ParseOptions;
use stentor_lang::yaml::{self, Node, Parsed};

use super::Exit;
use super::diagnostics::{Findings, Output, render};
use super::files::{self, Unread};
use super::series::Source;

/// The arguments of `stentor check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rule files, their unit tests, configurations of stentor (with their rule files) and of
    /// Alertmanager
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to write the findings
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// The language of the expressions in rule files that are named here; opaque ones are not
    /// looked into
    #[arg(long, value_enum, default_value = "promql")]
    dialect: DialectArg,
    /// Lints that are switched off, by name; in a file: `# stentor: disable NAME: why`
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = lint_name)]
    disable: Vec<String>,
    /// How often groups without an interval of their own are evaluated; a configuration's
    /// `evaluation_interval` goes before it
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    interval: Option<Duration>,
    /// A server with Prometheus' API: selectors that match no series there are reported
    #[arg(long, value_name = "URL")]
    datasource: Option<String>,
}

/// [`Dialect`] as an argument.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum DialectArg {
    Promql,
    Opaque,
}

/// The name of a lint.
fn lint_name(text: &str) -> Result<String, String> {
    if check::names().any(|name| name == text) {
        return Ok(text.to_owned());
    }
    let near = check::nearest(text).map_or_else(
        || {
            format!(
                "the lints are {}",
                check::names().collect::<Vec<_>>().join(", ")
            )
        },
        |near| format!("did you mean `{near}`?"),
    );
    Err(format!("there is no such lint; {near}"))
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = Duration::parse(text)?;
    if interval.is_zero() {
        return Err("an interval is longer than nothing".to_owned());
    }
    Ok(interval)
}

/// Checks the files and prints what was found.
pub(crate) fn run(args: &Args) -> Exit {
    let dialect = match args.dialect {
        DialectArg::Promql => Dialect::PromQl,
        DialectArg::Opaque => Dialect::Opaque,
    };
    let mut checker = Checker {
        lints: LintOptions {
            interval: args.interval,
            disabled: args.disable.clone(),
        },
        ..Checker::default()
    };
    if let Some(url) = &args.datasource {
        match Source::new(url) {
            Ok(source) => checker.source = Some(source),
            Err(why) => {
                let _ = writeln!(std::io::stderr(), "stentor: --datasource: {why}");
                return Exit::Usage;
            }
        }
    }
    let mut unread = false;
    for file in &args.files {
        if let Err(why) = checker.file(file, dialect) {
            let _ = writeln!(std::io::stderr(), "stentor: cannot read {why}");
            unread = true;
        }
    }
    let mut stdout = std::io::stdout().lock();
    let color = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let mut report = render(&checker.findings, args.output, color);
    if args.output == Output::Text {
        report.push_str(&checker.summary());
    }
    // Whoever closes the pipe has read enough.
    let _ = stdout.write_all(report.as_bytes());
    if unread {
        Exit::Usage
    } else if let Some(why) = checker.unanswered {
        let _ = writeln!(std::io::stderr(), "stentor: --datasource: {why}");
        Exit::Environment
    } else if checker.findings.iter().any(Findings::has_errors) {
        Exit::Failed
    } else {
        Exit::Good
    }
}

/// What was checked so far.
#[derive(Default)]
struct Checker {
    findings: Vec<Findings>,
    lints: LintOptions,
    /// Whom to ask for series.
    source: Option<Source>,
    /// Why it did not answer; then it is not asked again.
    unanswered: Option<String>,

    /// A rule file that several data sources load is checked once for each of their languages.
    seen: BTreeSet<(PathBuf, Dialect)>,
    files: usize,
    alerting: usize,
    recording: usize,
}

/// What a file is, by its fields.
enum Kind {
    Rules,
    Config,
    Alertmanager,
    UnitTests,
}

impl Kind {
    fn of(parsed: &Parsed) -> Self {
        let Some(document) = parsed.documents.iter().find_map(Node::as_mapping) else {
            return Self::Rules;
        };
        let has = |names: &[&str]| names.iter().any(|name| document.get(name).is_some());
        if has(&["groups", "kind"]) {
            Self::Rules
        } else if has(&["datasources", "alertmanager_config", "fallback_receiver"]) {
            Self::Config
        } else if has(&["tests"]) {
            Self::UnitTests
        } else if has(&["route", "receivers", "inhibit_rules", "time_intervals"]) {
            Self::Alertmanager
        } else {
            Self::Rules
        }
    }

    /// The same for a file that is no YAML: by its first lines.
    fn of_broken(text: &str) -> Self {
        let has = |names: &[&str]| {
            let mut lines = text.lines();
            lines.any(|line| names.iter().any(|name| line.starts_with(name)))
        };
        if has(&["datasources:", "alertmanager_config:", "fallback_receiver:"]) {
            Self::Config
        } else if has(&["route:", "receivers:"]) {
            Self::Alertmanager
        } else {
            Self::Rules
        }
    }
}

impl Checker {
    /// Checks a file that the user named; an error is one of the command line.
    fn file(&mut self, path: &Path, dialect: Dialect) -> Result<(), String> {
        let Some(source) = self.read(path)? else {
            return Ok(());
        };
        let parsed = yaml::parse(&source.text);
        let kind = if parsed.documents.is_empty() && !parsed.diagnostics.is_empty() {
            Kind::of_broken(&source.text)
        } else {
            Kind::of(&parsed)
        };
        match kind {
            Kind::Rules => self.rules(source, &parsed, path, dialect),
            Kind::Config => self.config(source),
            Kind::Alertmanager => {
                let found = match config::load_alertmanager(&source) {
                    Ok((_, warnings)) => warnings,
                    Err(findings) => findings,
                };
                self.config_findings(found);
            }
            Kind::UnitTests => {
                let diagnostics =
                    match unittest::load_documents(&source, parsed, ParseOptions::all()) {
                        Err(diagnostics) => diagnostics,
                        Ok(file) => {
                            let of_tests = file.tests.into_iter().flat_map(|test| test.problems);
                            file.warnings.into_iter().chain(of_tests).collect()
                        }
                    };
                self.add(source, diagnostics);
            }
        }
        Ok(())
    }

    /// Reads a file; `None` where it is no text, after that was noted.
    fn read(&mut self, path: &Path) -> Result<Option<SourceText>, String> {
        match files::read(path) {
            Err(Unread::Unopened(why)) => return Err(why),
            Err(Unread::NoText(found)) => self.findings.push(found),
            Ok(source) => {
                self.files += 1;
                return Ok(Some(source));
            }
        }
        self.files += 1;
        Ok(None)
    }

    fn rules(&mut self, source: SourceText, parsed: &Parsed, path: &Path, dialect: Dialect) {
        if !self.seen.insert((path.to_owned(), dialect)) {
            self.files -= 1;
            return;
        }
        let options = LoadOptions {
            dialect,
            ..LoadOptions::default()
        };
        let diagnostics = match rulefile::load_documents(&source, parsed, &options) {
            Ok(file) => {
                self.count(&file);
                let found = self.no_series(&source, parsed, &file);
                let lints = check::lint(&source, parsed, &file, &self.lints, found);
                file.warnings.into_iter().chain(lints).collect()
            }
            Err(diagnostics) => diagnostics,
        };
        self.add(source, diagnostics);
    }

    /// The selectors without series, where a data source is asked.
    fn no_series(
        &mut self,
        source: &SourceText,
        parsed: &Parsed,
        file: &RuleFile,
    ) -> Vec<Diagnostic> {
        let off = self.unanswered.is_some() || self.lints.is_disabled(check::NO_SERIES);
        let Some(asked) = self.source.as_mut().filter(|_| !off) else {
            return Vec::new();
        };
        asked
            .check(&check::reads(source, parsed, file))
            .unwrap_or_else(|why| {
                self.unanswered = Some(why);
                Vec::new()
            })
    }

    /// Checks a configuration, the file of Alertmanager's sections that it names, and its rules.
    fn config(&mut self, main: SourceText) {
        let mut alertmanager = None;
        if let Some(path) = config::alertmanager_path(&main) {
            // Where it cannot be read, the configuration's own checks say so.
            alertmanager = self.read(Path::new(&path)).ok().flatten();
        }
        let sources = config::Sources { main, alertmanager };
        let loaded = match config::load(&sources, &config::Options::default()) {
            Ok(loaded) => loaded,
            Err(findings) => return self.config_findings(findings),
        };
        self.lints.interval = Some(loaded.config.evaluation_interval);
        let mut found = loaded.warnings;
        let mut names = Vec::new();
        let mut paths = Vec::new();
        for datasource in &loaded.config.datasources {
            let mut of_datasource = Vec::new();
            for pattern in &datasource.rule_files {
                for path in files::expand(pattern, &mut found.main) {
                    of_datasource.push(path.display().to_string());
                    paths.push((path, pattern.span, dialect(datasource)));
                }
            }
            names.push(of_datasource);
        }
        let shared = config::shared_files(&loaded.config.datasources, &names);
        found.main.extend(shared);
        let main = self.findings.len();
        self.config_findings(found);
        for (path, place, dialect) in paths {
            match self.read(&path) {
                Ok(Some(source)) => {
                    let parsed = yaml::parse(&source.text);
                    self.rules(source, &parsed, &path, dialect);
                }
                Ok(None) => {}
                Err(why) => {
                    let why = Diagnostic::error(files::CODE, place, why);
                    self.findings[main].diagnostics.push(why);
                }
            }
        }
    }

    /// Notes what was found in a configuration, beside a text without its secrets.
    fn config_findings(&mut self, found: config::Findings) {
        let Some(masked) = found.masked else {
            return;
        };
        self.add(masked.main, found.main);
        if let Some(alertmanager) = masked.alertmanager {
            self.add(alertmanager, found.alertmanager);
        }
    }

    fn add(&mut self, source: SourceText, diagnostics: Vec<Diagnostic>) {
        self.findings.push(Findings {
            source,
            diagnostics,
        });
    }

    fn count(&mut self, file: &RuleFile) {
        for rule in file.groups.iter().flat_map(|group| &group.rules) {
            match rule {
                Rule::Alerting(_) => self.alerting += 1,
                Rule::Recording(_) => self.recording += 1,
            }
        }
    }

    /// `2 files, 14 alerting rules, 1 recording rule: 1 error, 2 warnings`
    fn summary(&self) -> String {
        let number = |count: usize, what: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{count} {what}{plural}")
        };
        let of = |level| self.findings.iter().map(|text| text.count(level)).sum();
        format!(
            "{}, {}, {}: {}, {}\n",
            number(self.files, "file"),
            number(self.alerting, "alerting rule"),
            number(self.recording, "recording rule"),
            number(of(Level::Error), "error"),
            number(of(Level::Warning), "warning"),
        )
    }
}

fn dialect(datasource: &Datasource) -> Dialect {
    match datasource.dialect {
        config::Dialect::Prometheus => Dialect::PromQl,
        config::Dialect::Opaque => Dialect::Opaque,
    }
}
