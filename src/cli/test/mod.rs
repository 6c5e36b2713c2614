//! `stentor test FILE...`: runs promtool's unit test files on the production engine in virtual time,
//! and promqltest's scripts (`*.test`) on the evaluator.

mod config;
mod coverage;
#[cfg(test)]
mod daemon_tests;
mod file;
mod golden;
mod junit;
mod samples;
mod script;
mod update;

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use stentor_core::unittest::DEFAULT_SYNTAX;
use stentor_lang::promql::ParseOptions;
use stentor_lang::regex::Regex;

use super::Exit;
use super::diagnostics::{Findings, Output, render};
use super::files::{self, Unread};

/// The arguments of `stentor test`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
pub(crate) struct Args {
    /// Unit test files as of `promtool test rules`, and scripts of promqltest (`*.test`)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Run only tests whose name matches the regular expression; may be given several times
    #[arg(long, value_name = "REGEX")]
    run: Vec<String>,
    /// Write the results to this file as XML for CI, in promtool's form
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Show of a failure also what is as expected
    #[arg(long)]
    diff: bool,
    /// Tell on stderr when each alert changes its phase
    #[arg(long)]
    debug: bool,
    /// Pass over fields of rule files that mean nothing here
    #[arg(long)]
    ignore_unknown_fields: bool,
    /// Features as of Prometheus' flag: `promql-experimental-functions`,
    /// `promql-extended-range-selectors`, `promql-binop-fill-modifiers`, `promql-delayed-name-removal`
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    enable_feature: Vec<Feature>,
    /// Write what happens into the test files: into `timeline_test` and `notification_test` where they
    /// differ, and into the golden files that they name. Comments inside such a list are lost
    #[arg(long)]
    update: bool,
    /// Tell which alerting rules were seen to fire and to stay quiet, and which routes told somebody
    #[arg(long)]
    coverage: bool,
    /// Fail if fewer of the alerting rules were seen both to fire and to stay quiet
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    coverage_fail_under: Option<f64>,
    /// How to write the failures
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[expect(clippy::enum_variant_names, reason = "Prometheus' names")]
enum Feature {
    PromqlExperimentalFunctions,
    PromqlDelayedNameRemoval,
    PromqlExtendedRangeSelectors,
    PromqlBinopFillModifiers,
    /// It is always on.
    PromqlDurationExpr,
}

/// What is common to all files of a call.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
struct Options {
    only: Option<Regex>,
    syntax: ParseOptions,
    delayed_name_removal: bool,
    full_diff: bool,
    debug: bool,
    update: bool,
    coverage: bool,
    ignore_unknown_fields: bool,
}

impl Options {
    fn of(args: &Args) -> Result<Self, String> {
        let has = |feature| args.enable_feature.contains(&feature);
        let only = match args.run.as_slice() {
            [] => None,
            patterns => {
                let pattern = patterns.join("|");
                let regex =
                    Regex::new(&pattern).map_err(|why| format!("--run {pattern}: {why}"))?;
                Some(regex)
            }
        };
        Ok(Self {
            only,
            syntax: ParseOptions {
                experimental_functions: has(Feature::PromqlExperimentalFunctions),
                extended_range_selectors: has(Feature::PromqlExtendedRangeSelectors),
                fill_modifiers: has(Feature::PromqlBinopFillModifiers),
                ..DEFAULT_SYNTAX
            },
            delayed_name_removal: has(Feature::PromqlDelayedNameRemoval),
            full_diff: args.diff,
            debug: args.debug,
            update: args.update,
            coverage: args.coverage || args.coverage_fail_under.is_some(),
            ignore_unknown_fields: args.ignore_unknown_fields,
        })
    }
}

/// What came of a file.
#[derive(Debug)]
struct Suite {
    name: String,
    /// Why it was not run: the reason goes into the report of results.
    aborted: Option<String>,
    /// Its tests in their order.
    cases: Vec<Case>,
    /// `SUCCESS (3 tests)`
    summary: String,
    findings: Vec<Findings>,
    /// What goes to stderr before anything else.
    log: String,
    /// What its tests show, where somebody asked for it.
    coverage: Option<coverage::OfFile>,
    exit: Exit,
}

/// What came of a test.
#[derive(Debug)]
struct Case {
    name: String,
    failures: Vec<String>,
}

impl Suite {
    /// A file that is not there.
    fn unread(name: String, why: String) -> Self {
        Self {
            log: format!("stentor: {why}\n"),
            aborted: Some(why),
            ..Self::aborted(name, Vec::new())
        }
    }

    /// A file that cannot be run.
    fn aborted(name: String, findings: Vec<Findings>) -> Self {
        let mut reasons = Vec::new();
        for found in &findings {
            reasons.extend(
                found
                    .diagnostics
                    .iter()
                    .map(|why| why.one_line(&found.source)),
            );
        }
        Self {
            name,
            aborted: Some(reasons.join("\n")),
            cases: Vec::new(),
            summary: "FAILED".to_owned(),
            findings,
            log: String::new(),
            coverage: None,
            exit: Exit::Usage,
        }
    }
}

/// Runs the tests and prints what came of them.
pub(crate) fn run(args: &Args) -> Exit {
    let complain = |why: String| {
        let _ = writeln!(std::io::stderr(), "stentor: {why}");
    };
    let options = match Options::of(args) {
        Ok(options) => options,
        Err(why) => {
            complain(why);
            return Exit::Usage;
        }
    };
    let mut printer = Printer::new(args.output);
    let mut suites = Vec::new();
    for path in &args.files {
        let suite = suite(path, &options);
        printer.print(&suite);
        suites.push(Suite {
            findings: if args.output == Output::Json {
                suite.findings
            } else {
                Vec::new()
            },
            ..suite
        });
    }
    let coverage = options.coverage.then(|| {
        let of_files = suites.iter().filter_map(|suite| suite.coverage.as_ref());
        coverage::Coverage::of(of_files)
    });
    printer.finish(&suites, coverage.as_ref());
    let mut exits: Vec<Exit> = suites.iter().map(|suite| suite.exit).collect();
    if let (Some(coverage), Some(least)) = (&coverage, args.coverage_fail_under)
        && coverage.is_under(least)
    {
        complain(format!("fewer than {least} %: {}", coverage.summary()));
        exits.push(Exit::Failed);
    }
    let exit = exits.into_iter().max_by_key(|exit| *exit as u8);
    if let Some(path) = &args.junit {
        let now = chrono::Local::now().format("%Y-%m-%dT%H:%M:%S").to_string();
        if let Err(why) = std::fs::write(path, junit::xml(&suites, &now)) {
            complain(format!("cannot write {}: {why}", path.display()));
            return Exit::Environment;
        }
    }
    exit.unwrap_or(Exit::Good)
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.trim_end_matches('%').trim_end().parse::<f64>().ok();
    percent
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "expected a number from 0 to 100".to_owned())
}

fn suite(path: &std::path::Path, options: &Options) -> Suite {
    let name = path.display().to_string();
    if path.is_dir() {
        let why = format!("{name} is a directory: name the files in it");
        return Suite::unread(name, why);
    }
    let source = match files::read(path) {
        Ok(source) => source,
        Err(Unread::Unopened(why)) => return Suite::unread(name, format!("cannot read {why}")),
        Err(Unread::NoText(found)) => return Suite::aborted(name, vec![found]),
    };
    if path
        .extension()
        .is_some_and(|extension| extension == "test")
    {
        script::run(source)
    } else {
        file::run(path, source, options)
    }
}

/// Writes what came of each file as soon as it is known.
struct Printer {
    output: Output,
    color: bool,
    stdout: std::io::StdoutLock<'static>,
}

impl Printer {
    fn new(output: Output) -> Self {
        let stdout = std::io::stdout().lock();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            output,
            color: stdout.is_terminal() && !no_color,
            stdout,
        }
    }

    // Whoever closes the pipe has read enough: errors of writing are none.
    fn print(&mut self, suite: &Suite) {
        let _ = std::io::stderr().write_all(suite.log.as_bytes());
        if self.output == Output::Json {
            return;
        }
        let mut text = render(&suite.findings, self.output, self.color);
        let _ = writeln!(text, "{}: {}", suite.name, suite.summary);
        let _ = self.stdout.write_all(text.as_bytes());
    }

    /// With `--coverage` JSON is an object with `findings` and `coverage`, else the findings alone.
    fn finish(&mut self, suites: &[Suite], coverage: Option<&coverage::Coverage>) {
        if self.output != Output::Json {
            let text = coverage.map(coverage::Coverage::text).unwrap_or_default();
            let _ = self.stdout.write_all(text.as_bytes());
            return;
        }
        let findings: Vec<&Findings> = suites.iter().flat_map(|suite| &suite.findings).collect();
        let mut text = render(findings, self.output, false);
        if let Some(coverage) = coverage {
            let coverage = serde_json::to_string_pretty(coverage);
            let coverage = coverage.expect("invariant: names and numbers can be written as JSON");
            text = format!(
                "{{\"findings\": {},\n\"coverage\": {coverage}}}\n",
                text.trim_end()
            );
        }
        let _ = self.stdout.write_all(text.as_bytes());
    }
}
