//! `stentor check FILE...`: everything that is wrong with files, at once.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use stentor_lang::model::{Diagnostic, SourceText, Span};
use stentor_lang::yaml;

use super::Exit;
use super::diagnostics::{Findings, Output, render};

/// The arguments of `stentor check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rule files and configurations
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to write the findings
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// Checks the files and prints what was found.
pub(crate) fn run(args: &Args) -> Exit {
    let mut findings = Vec::new();
    for file in &args.files {
        let name = file.display().to_string();
        match std::fs::read(file) {
            Ok(bytes) => findings.push(check_bytes(name, bytes)),
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "stentor: cannot read {name}: {error}");
                return Exit::Usage;
            }
        }
    }
    let stdout = std::io::stdout();
    let color = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let _ = stdout
        .lock()
        .write_all(render(&findings, args.output, color).as_bytes());
    if findings.iter().any(Findings::has_errors) {
        Exit::Failed
    } else {
        Exit::Good
    }
}

fn check_bytes(name: String, bytes: Vec<u8>) -> Findings {
    match String::from_utf8(bytes) {
        Ok(text) => check(SourceText::new(name, text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let diagnostic =
                Diagnostic::error("yaml/encoding", Span::at(at), "the file is not UTF-8");
            Findings {
                source: SourceText::new(name, text),
                diagnostics: vec![diagnostic.with_hint("save it as UTF-8")],
            }
        }
    }
}

fn check(source: SourceText) -> Findings {
    let diagnostics = yaml::parse(&source.text).diagnostics;
    Findings {
        source,
        diagnostics,
    }
}
