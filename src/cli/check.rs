//! `stentor check FILE...`: everything that is wrong with files, at once.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use stentor_core::check::lint;
use stentor_core::rulefile::{self, Dialect, LoadOptions, Rule, RuleFile};
use stentor_lang::model::{Diagnostic, Level, SourceText, Span};
use stentor_lang::yaml;

use super::Exit;
use super::diagnostics::{Findings, Output, render};

/// The arguments of `stentor check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rule files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to write the findings
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// The language of the expressions in rule files; opaque ones are not looked into
    #[arg(long, value_enum, default_value = "promql")]
    dialect: DialectArg,
}

/// [`Dialect`] as an argument.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum DialectArg {
    Promql,
    Opaque,
}

/// What was checked.
#[derive(Debug, Default)]
struct Counts {
    files: usize,
    alerting: usize,
    recording: usize,
}

/// Checks the files and prints what was found.
pub(crate) fn run(args: &Args) -> Exit {
    let options = LoadOptions {
        dialect: match args.dialect {
            DialectArg::Promql => Dialect::PromQl,
            DialectArg::Opaque => Dialect::Opaque,
        },
        ..LoadOptions::default()
    };
    let mut findings = Vec::new();
    let mut counts = Counts::default();
    for file in &args.files {
        let name = file.display().to_string();
        match std::fs::read(file) {
            Ok(bytes) => findings.push(check(name, bytes, options, &mut counts)),
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "stentor: cannot read {name}: {error}");
                return Exit::Usage;
            }
        }
    }
    let mut stdout = std::io::stdout().lock();
    let color = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let mut report = render(&findings, args.output, color);
    if args.output == Output::Text {
        report.push_str(&summary(&counts, &findings));
    }
    // Whoever closes the pipe has read enough.
    let _ = stdout.write_all(report.as_bytes());
    if findings.iter().any(Findings::has_errors) {
        Exit::Failed
    } else {
        Exit::Good
    }
}

fn check(name: String, bytes: Vec<u8>, options: LoadOptions, counts: &mut Counts) -> Findings {
    counts.files += 1;
    let source = match String::from_utf8(bytes) {
        Ok(text) => SourceText::new(name, text),
        Err(error) => return not_utf8(name, &error),
    };
    let parsed = yaml::parse(&source.text);
    let diagnostics = match rulefile::load_documents(&source, &parsed, &options) {
        Ok(file) => {
            counts.add(&file);
            let lints = lint(&file);
            file.warnings.into_iter().chain(lints).collect()
        }
        Err(diagnostics) => diagnostics,
    };
    Findings {
        source,
        diagnostics,
    }
}

fn not_utf8(name: String, error: &std::string::FromUtf8Error) -> Findings {
    let at = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let diagnostic = Diagnostic::error("yaml/encoding", Span::at(at), "the file is not UTF-8");
    Findings {
        source: SourceText::new(name, text),
        diagnostics: vec![diagnostic.with_hint("save it as UTF-8")],
    }
}

impl Counts {
    fn add(&mut self, file: &RuleFile) {
        for rule in file.groups.iter().flat_map(|group| &group.rules) {
            match rule {
                Rule::Alerting(_) => self.alerting += 1,
                Rule::Recording(_) => self.recording += 1,
            }
        }
    }
}

/// `2 files, 14 alerting rules, 1 recording rule: 1 error, 2 warnings`
fn summary(counts: &Counts, findings: &[Findings]) -> String {
    let number = |count: usize, what: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {what}{plural}")
    };
    let of = |level| findings.iter().map(|text| text.count(level)).sum();
    format!(
        "{}, {}, {}: {}, {}\n",
        number(counts.files, "file"),
        number(counts.alerting, "alerting rule"),
        number(counts.recording, "recording rule"),
        number(of(Level::Error), "error"),
        number(of(Level::Warning), "warning"),
    )
}
