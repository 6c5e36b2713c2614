//! `stentor query EXPR --input FILE...`: expressions over recorded or constructed series, without a
//! server; and with `--listen` the server itself.

mod batch;
mod serve;
mod table;
mod when;

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use stentor_lang::model::{Diagnostic, Duration, SourceText};
use stentor_lang::promql::eval::{self, Answer, EvalError, EvalOptions, Severity};
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::{self, Expr, ParseOptions};

use super::Exit;
use super::diagnostics::{Findings, Output as Form, render, with_caret};
use super::input::{self, Fixture};
use super::moment::{self, Moment};
use super::run::listen_address;
use crate::query_api::{Language, STACK, json};
use when::When;

/// The arguments of `stentor query`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The expression
    #[arg(
        value_name = "EXPR",
        required_unless_present_any = ["expressions", "listen"],
        conflicts_with_all = ["expressions", "listen"]
    )]
    expr: Option<String>,
    /// The series: OpenMetrics text (.om), Prometheus' text format with timestamps (.prom), saved
    /// answers of its query API (.json), a promqltest script (.test), a file of unit tests (.yml); any
    /// of them compressed (.gz). May be given several times
    #[arg(long, short, value_name = "FILE")]
    input: Vec<PathBuf>,
    /// The test whose input series are read, where a file of unit tests holds several
    #[arg(long, value_name = "NAME")]
    test: Option<String>,
    /// When to evaluate: seconds since 1970, RFC 3339, or a duration after the first sample (`5m`) or
    /// before the last (`-5m`); the default is the last sample
    #[arg(
        long,
        value_name = "TIME",
        allow_hyphen_values = true,
        conflicts_with_all = ["start", "end", "step"]
    )]
    time: Option<Moment>,
    /// From when on to evaluate again and again; the default is the first sample
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    start: Option<Moment>,
    /// Until when, the default is the last sample
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    end: Option<Moment>,
    /// The time between two evaluations, such as 30s or a number of seconds; the default makes 250
    #[arg(long, value_name = "DURATION", value_parser = moment::step)]
    step: Option<Duration>,
    /// How to write the result: for people, or as Prometheus' API does
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
    /// Tells what was read, and the time that the evaluation took, without loading
    #[arg(long)]
    stats: bool,
    /// Evaluates each line of a file, and prints a line of statistics as JSON for each; empty lines and
    /// those that begin with `#` are passed over
    #[arg(long, value_name = "FILE")]
    expressions: Option<PathBuf>,
    /// Serves the series by Prometheus' query API, until a signal ends it
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = listen_address,
        conflicts_with_all = ["time", "start", "end", "step", "expressions", "stats"]
    )]
    listen: Option<SocketAddr>,
    /// A server to ask instead of files: not built yet
    #[arg(long = "datasource.url", value_name = "URL")]
    datasource_url: Option<String>,
    #[command(flatten)]
    engine: Engine,
}

/// How expressions are understood.
#[derive(Debug, clap::Args)]
struct Engine {
    /// Prometheus' feature flags for the language
    #[arg(
        long = "enable-feature",
        value_enum,
        value_name = "FEATURE",
        value_delimiter = ','
    )]
    features: Vec<Feature>,
    /// How old a sample may be to count as the current one
    #[arg(long = "query.lookback-delta", value_name = "DURATION", default_value = "5m", value_parser = moment::step)]
    lookback: Duration,
    /// The most samples that a query may hold at a time
    #[arg(
        long = "query.max-samples",
        value_name = "COUNT",
        default_value_t = 50_000_000
    )]
    max_samples: usize,
}

/// A feature flag of Prometheus that changes the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Feature {
    PromqlExperimentalFunctions,
    PromqlDurationExpr,
    PromqlExtendedRangeSelectors,
    PromqlBinopFillModifiers,
    PromqlDelayedNameRemoval,
    TypeAndUnitLabels,
    UseStartTimestamps,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people
    Table,
    /// As Prometheus' API answers
    Json,
}

impl Engine {
    fn language(&self) -> Language {
        let has = |feature| self.features.contains(&feature);
        Language {
            syntax: ParseOptions {
                experimental_functions: has(Feature::PromqlExperimentalFunctions),
                duration_expressions: has(Feature::PromqlDurationExpr),
                extended_range_selectors: has(Feature::PromqlExtendedRangeSelectors),
                fill_modifiers: has(Feature::PromqlBinopFillModifiers),
            },
            options: EvalOptions {
                lookback: self.lookback,
                max_samples: self.max_samples,
                delayed_name_removal: has(Feature::PromqlDelayedNameRemoval),
                type_and_unit_labels: has(Feature::TypeAndUnitLabels),
                start_timestamps: has(Feature::UseStartTimestamps),
                ..EvalOptions::default()
            },
        }
    }
}

/// Evaluates what the arguments say.
pub(crate) fn run(args: &Args) -> Exit {
    let work = || match query(args) {
        Ok(exit) => exit,
        Err((exit, why)) => {
            let _ = writeln!(std::io::stderr(), "stentor: {}", why.trim_end());
            exit
        }
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        match thread.spawn_scoped(scope, work) {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(error) => {
                let _ = writeln!(
                    std::io::stderr(),
                    "stentor: no thread can be started: {error}"
                );
                Exit::Environment
            }
        }
    })
}

/// An exit code and the reason that is still to be told.
type Failure = (Exit, String);

fn query(args: &Args) -> Result<Exit, Failure> {
    if args.datasource_url.is_some() {
        let why = "--datasource.url: asking a server is not built yet; save its answers, and name the \
                   files by --input";
        return Err((Exit::Usage, why.to_owned()));
    }
    if args.input.is_empty() {
        return Err((
            Exit::Usage,
            "expected the files of series: --input FILE".to_owned(),
        ));
    }
    let begun = Instant::now();
    let fixture =
        input::read(&args.input, args.test.as_deref()).map_err(|why| (Exit::Usage, why))?;
    if args.stats {
        let seconds = begun.elapsed().as_secs_f64();
        let text = format!(
            "loaded {} series with {} samples in {seconds:.3} s",
            fixture.store.len(),
            fixture.samples
        );
        let _ = writeln!(std::io::stderr(), "{text}");
    }
    let language = args.engine.language();
    if let Some(address) = args.listen {
        return serve::run(address, fixture, language).map(|()| Exit::Good);
    }
    let when = When::new(args.time, (args.start, args.end), args.step, &fixture)
        .map_err(|why| (Exit::Usage, why))?;
    match (&args.expr, &args.expressions) {
        (Some(expr), _) => Ok(one(expr, &fixture, &when, &language, args)),
        (None, Some(file)) => batch::run(file, &fixture, &when, &language),
        (None, None) => Err((Exit::Usage, "expected an expression".to_owned())),
    }
}

/// Evaluates one expression and prints its result.
fn one(text: &str, fixture: &Fixture, when: &When, language: &Language, args: &Args) -> Exit {
    let source = SourceText::new("expression", text);
    let color = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let complain = |diagnostics| {
        let findings = [Findings {
            source: source.clone(),
            diagnostics,
        }];
        let _ = write!(
            std::io::stderr(),
            "{}",
            render(&findings, Form::Text, color)
        );
    };
    let expr = match promql::parse(text, language.syntax) {
        Ok(expr) => expr,
        Err(errors) => {
            complain(errors);
            return Exit::Usage;
        }
    };
    let begun = Instant::now();
    let answer = evaluate(&expr, &fixture.store, when, &language.options);
    let seconds = begun.elapsed().as_secs_f64();
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            complain(vec![Diagnostic::error(
                "promql/evaluation",
                error.span,
                error.message,
            )]);
            return Exit::Failed;
        }
    };
    let shown = match args.output {
        Output::Table => table::show(&answer.value, fixture.is_synthetic()),
        Output::Json => json::answer(&answer, &source) + "\n",
    };
    // Whoever closes the pipe has read enough.
    let _ = std::io::stdout().lock().write_all(shown.as_bytes());
    for noted in answer.annotations.iter() {
        let (code, message) = (code(noted.severity), noted.message.clone());
        let diagnostic = match noted.severity {
            Severity::Warning => Diagnostic::warning(code, noted.span, message),
            Severity::Info => Diagnostic::note(code, noted.span, message),
        };
        let _ = write!(
            std::io::stderr(),
            "{}",
            with_caret(&source, &diagnostic, color)
        );
    }
    if args.stats {
        let stats = answer.stats;
        let text = format!(
            "read {} series with {} samples, evaluated in {seconds:.6} s",
            stats.series, stats.samples
        );
        let _ = writeln!(std::io::stderr(), "{text}");
    }
    Exit::Good
}

fn code(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "promql/warning",
        Severity::Info => "promql/info",
    }
}

fn evaluate(
    expr: &Expr,
    store: &MemoryStore,
    when: &When,
    options: &EvalOptions,
) -> Result<Answer, EvalError> {
    match *when {
        When::Instant(at) => eval::instant(expr, store, at, options),
        When::Range { start, end, step } => eval::range(expr, store, start, end, step, options),
    }
}
