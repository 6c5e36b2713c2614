//! `stentor replay`: rules, routes and receivers over recorded series, and what would have come of it:
//! who would have been told what, when, and why.

mod clock;
mod live;
mod setting;
mod text;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use stentor_core::replay::Run;
use stentor_core::timeline::{Bodies, Recorder, Timeline};
use stentor_lang::model::Timestamp;

use super::Exit;
use super::input;
use super::moment::Moment;
use clock::Clock;
use setting::Setting;

/// The arguments of `stentor replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    what: setting::What,
    /// The series: OpenMetrics text (.om), Prometheus' text format with timestamps (.prom), saved
    /// answers of its query API (.json), a promqltest script (.test), a file of unit tests (.yml); any
    /// of them compressed (.gz). May be given several times
    #[arg(long, short, value_name = "FILE", required_unless_present = "url")]
    input: Vec<PathBuf>,
    #[command(flatten)]
    live: live::Live,
    /// The test whose input series are read, where a file of unit tests holds several
    #[arg(long, value_name = "NAME")]
    test: Option<String>,
    /// From when on rules are evaluated: seconds since 1970, RFC 3339, or a duration after the first
    /// sample (`5m`) or before the last (`-5m`); the default is the first sample
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    start: Option<Moment>,
    /// Until when, the default is the last sample
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    end: Option<Moment>,
    /// How to write what happened
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// Where to write it, the default is standard output
    #[arg(long = "output.file", value_name = "FILE")]
    output_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For a terminal
    Text,
}

/// An exit code and the reason that is still to be told.
type Failure = (Exit, String);

/// Replays what the arguments say.
pub(crate) fn run(args: &Args) -> Exit {
    match replay(args) {
        Ok(exit) => exit,
        Err((exit, why)) => {
            let _ = writeln!(std::io::stderr(), "stentor: {}", why.trim_end());
            exit
        }
    }
}

fn replay(args: &Args) -> Result<Exit, Failure> {
    let setting = Setting::load(&args.what).map_err(|why| (Exit::Usage, why))?;
    if let Some(url) = &args.live.url {
        return over_history(args, &setting, url);
    }
    let fixture =
        input::read(&args.input, args.test.as_deref()).map_err(|why| (Exit::Usage, why))?;
    let of = |moment: Option<Moment>, otherwise| {
        moment.map_or(otherwise, |moment| moment.of(fixture.first, fixture.last))
    };
    let (start, end) = (of(args.start, fixture.first), of(args.end, fixture.last));
    if end < start {
        let why = format!("the end {end} is before the start {start}");
        return Err((Exit::Usage, why));
    }
    let clock = Clock::new(fixture.is_synthetic());
    let timeline = go(&setting, fixture.store, start, end);
    tell(args, &timeline, &setting, clock)
}

/// The same over what a server has.
fn over_history(args: &Args, setting: &Setting, url: &str) -> Result<Exit, Failure> {
    let (Some(Moment::At(start)), Some(Moment::At(end))) = (args.start, args.end) else {
        let why = "--datasource.url: expected --start and --end as times, not relative to samples";
        return Err((Exit::Usage, why.to_owned()));
    };
    if end < start {
        let why = format!("the end {end} is before the start {start}");
        return Err((Exit::Usage, why));
    }
    let needs = live::needs_of(setting, start, end);
    let source = args.live.open(url, &needs, start, end);
    let source = source.map_err(|error| (Exit::Usage, error.to_string()))?;
    let (timeline, told) = live::go(setting, source, &needs, start, end)
        .map_err(|error| (Exit::Environment, error.to_string()))?;
    for note in &told.notes {
        let _ = writeln!(std::io::stderr(), "stentor: {}: {note}", told.how);
    }
    tell(args, &timeline, setting, Clock::new(false))
}

fn tell(
    args: &Args,
    timeline: &Timeline,
    setting: &Setting,
    clock: Clock,
) -> Result<Exit, Failure> {
    let Output::Text = args.output;
    let color = args.output_file.is_none()
        && std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let text = text::show(timeline, setting, clock, color);
    write(args, &text)?;
    Ok(Exit::Good)
}

/// All that happens from start to end.
fn go(
    setting: &Setting,
    store: stentor_lang::promql::memory::MemoryStore,
    start: Timestamp,
    end: Timestamp,
) -> Timeline {
    let mut run = Run::new(setting.groups.clone(), store, setting.options(start, end));
    let mut recorder = Recorder::new(&setting.groups, &run.snapshot(), start, Bodies::Drop);
    loop {
        let errors = run.advance(end, &mut recorder);
        if errors.is_empty() {
            return recorder.finish(end);
        }
        recorder.failed(errors);
    }
}

fn write(args: &Args, text: &str) -> Result<(), Failure> {
    let Some(path) = &args.output_file else {
        // Whoever closes the pipe has read enough.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
        return Ok(());
    };
    std::fs::write(path, text)
        .map_err(|error| (Exit::Environment, format!("{}: {error}", path.display())))
}
