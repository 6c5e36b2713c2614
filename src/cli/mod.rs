//! The commands, one file each. A command returns an [`Exit`]; only `main` ends the process.

mod check;
mod demo;
pub(crate) mod diagnostics;
pub(crate) mod files;
pub(crate) mod input;
mod moment;
mod query;
mod ready;
mod record;
mod replay;
mod run;
mod series;
mod signals;
mod test;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Evaluates Prometheus alerting rules and delivers the pages itself.
#[derive(Debug, Parser)]
#[command(name = "stentor", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows all of it in one process: a simulated backend, its rules, who is paged, and a page that shows it
    Demo(demo::Args),
    /// Checks rule files and configurations: every error with its place in the source
    Check(check::Args),
    /// Runs unit tests of rules, in promtool's files, and scripts of promqltest
    Test(test::Args),
    /// Evaluates an expression over recorded series, or serves these as Prometheus does
    Query(Box<query::Args>),
    /// Runs rules, routes and receivers over recorded series, and tells who would have been told what
    Replay(Box<replay::Args>),
    /// Evaluates rules and notifies receivers until a signal ends it
    Run(Box<run::Args>),
    /// Writes the samples that rules read over a time range into one file
    Record(Box<record::Args>),
    /// Asks a running daemon whether it is ready
    Ready(ready::Args),
}

/// How a command ended, as the process says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Good = 0,
    /// An expectation or a check failed.
    Failed = 1,
    /// The command line or the configuration is wrong (clap ends with the same code).
    Usage = 2,
    /// The environment failed: a port, the storage, an unreachable daemon.
    Environment = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Writes a result to standard output.
///
/// # Errors
/// It cannot be written, such as to a full disk. Whoever closes a pipe has read enough.
fn print(text: &str) -> Result<(), String> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// Reads the arguments and runs the command they name.
pub(crate) fn main() -> ExitCode {
    let exit = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Ready(args) => ready::run(&args),
    };
    exit.into()
}
