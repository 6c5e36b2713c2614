//! `stentor replay`: rules, routes and receivers over recorded series, and what would have come of it:
//! who would have been told what, when, and why.

mod clock;
mod compare;
mod json;
mod markdown;
mod plots;
mod runs;
mod seen;
mod setting;
mod text;
mod words;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use stentor_core::report::{self, Data, Incident, Night, Report};
use stentor_core::timeline::Bodies;
use stentor_lang::model::{Duration, Timestamp};

use super::Exit;
use super::diagnostics::{Findings, Output as Form, render};
use super::files::{self, Unread};
use super::input;
use super::moment::Moment;
use crate::history;
use crate::web;
use clock::Clock;
use runs::Outcome;
use seen::Seen;
use setting::Setting;

/// So much later than the first read the first sample may be, and nothing is missing.
const LATE: Duration = Duration::from_mins(5);

/// The most evaluations of rule groups in a replay: ten groups at 15 s for nearly five years.
const MOST_SLOTS: i64 = 100_000_000;

/// The arguments of `stentor replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    what: setting::What,
    /// The series, in place of the data source's history: OpenMetrics text (.om), Prometheus' text format with timestamps (.prom), saved
    /// answers of its query API (.json), a promqltest script (.test), a file of unit tests (.yml); any
    /// of them compressed (.gz). May be given several times
    #[arg(long, short, value_name = "FILE")]
    input: Vec<PathBuf>,
    /// The test whose input series are read, where a file of unit tests holds several
    #[arg(long, value_name = "NAME")]
    test: Option<String>,
    /// From when on rules are evaluated: seconds since 1970, RFC 3339, or a duration after the first
    /// sample (`5m`) or before the last (`-5m`); the default is the first sample. Of a data source's
    /// history, a time, or a duration before now (`-7d`)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    start: Option<Moment>,
    /// Until when, the default is the last sample, or now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    end: Option<Moment>,
    #[command(flatten)]
    live: Live,
    #[command(flatten)]
    figures: Figures,
    #[command(flatten)]
    old: compare::Old,
    /// How to write what happened
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// Where to write it, the default is standard output
    #[arg(long = "output.file", value_name = "FILE")]
    output_file: Option<PathBuf>,
}

/// How the history of a data source is read.
#[derive(Debug, clap::Args)]
pub(super) struct Live {
    /// How a data source is asked for its history
    #[arg(
        long = "datasource.read",
        value_enum,
        default_value = "auto",
        conflicts_with = "input"
    )]
    read: history::Read,
    /// Where answers are kept for the next time; the default is stentor in the user's cache folder
    #[arg(long = "cache.path", value_name = "DIR", conflicts_with = "input")]
    cache_path: Option<PathBuf>,
    /// Keeps no answers and uses none
    #[arg(long = "no-cache", conflicts_with_all = ["input", "cache_path"])]
    no_cache: bool,
}

impl Live {
    fn cache(&self) -> Option<PathBuf> {
        if self.no_cache {
            return None;
        }
        self.cache_path.clone().or_else(history::default_folder)
    }
}

/// What is counted, and how.
#[derive(Debug, clap::Args)]
struct Figures {
    /// Incidents by which rules are judged: a YAML list of `name`, `start`, `end` and `labels`; times
    /// are RFC 3339, or durations after the first sample
    #[arg(long, value_name = "FILE")]
    incidents: Option<PathBuf>,
    /// A receiver that wakes people, besides those of PagerDuty; may be given several times
    #[arg(long = "pager", value_name = "RECEIVER")]
    pagers: Vec<String>,
    /// When people sleep, such as 22:00-07:00
    #[arg(long, value_name = "FROM-TO")]
    night: Option<Night>,
    /// Where they do, such as Europe/Berlin; times are told in this zone too
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone)]
    timezone: Tz,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For a terminal
    Text,
    /// For programs
    Json,
    /// For a pull request
    Markdown,
    /// A page with plots, which needs nothing else
    Html,
}

impl Output {
    fn bodies(self) -> Bodies {
        match self {
            // The page shows what was said.
            Self::Html => Bodies::Keep,
            Self::Text | Self::Json | Self::Markdown => Bodies::Drop,
        }
    }
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
    let usage = |why| (Exit::Usage, why);
    if args.input.is_empty() && !args.what.is_live() {
        let why = "expected series: --input FILE, or --datasource.url URL for the history of a data source";
        return Err(usage(why.to_owned()));
    }
    let setting = Setting::load(&args.what).map_err(usage)?;
    args.figures.check(&setting).map_err(usage)?;
    let old = args.old.load(&args.what, args.output).map_err(usage)?;
    let settings: Vec<&Setting> = old.iter().chain([&setting]).collect();
    let ran = if args.input.is_empty() {
        over_history(args, &settings)?
    } else {
        over_fixture(args, &settings)?
    };
    let mut reports: Vec<Report> = ran
        .outcomes
        .into_iter()
        .zip(&settings)
        .map(|(outcome, setting)| {
            args.figures
                .report(outcome, ran.data.clone(), setting, ran.incidents.clone())
        })
        .collect();
    let Some(report) = reports.pop() else {
        return Ok(Exit::Good);
    };
    let (Some(old), Some(old_report)) = (&old, reports.pop()) else {
        write(args, &shown(args, &report, ran.clock))?;
        return Ok(Exit::Good);
    };
    let compared = compare::Compared::new((old, &old_report), (&setting, &report));
    write(args, &compared.shown(args.output, ran.clock))?;
    let over = args.old.over_budget(&compared.comparison);
    for line in &over {
        let _ = writeln!(std::io::stderr(), "stentor: {line}");
    }
    Ok(if over.is_empty() {
        Exit::Good
    } else {
        Exit::Failed
    })
}

/// What came of all versions, and over what.
struct Ran {
    outcomes: Vec<Outcome>,
    data: Data,
    incidents: Vec<Incident>,
    clock: Clock,
}

fn over_fixture(args: &Args, settings: &[&Setting]) -> Result<Ran, Failure> {
    let usage = |why| (Exit::Usage, why);
    let fixture = input::read(&args.input, args.test.as_deref()).map_err(usage)?;
    let clock = Clock::new(fixture.is_synthetic(), args.figures.timezone);
    let of = |moment: Option<Moment>, otherwise| {
        moment.map_or(otherwise, |moment| moment.of(fixture.first, fixture.last))
    };
    let (start, end) = (of(args.start, fixture.first), of(args.end, fixture.last));
    in_order(start, end, clock).map_err(usage)?;
    is_short(settings, start, end, clock).map_err(usage)?;
    let incidents = args.figures.incidents(fixture.first).map_err(usage)?;
    are_inside(&incidents, start, end, clock).map_err(usage)?;
    let mut seen = Seen::new(runs::needs_of(settings));
    seen.look(&fixture.store);
    is_there(&seen, start, end, clock)?;
    let data = Data {
        source: source(&args.input),
        series: fixture.store.len(),
        samples: fixture.samples,
        notes: seen.notes(start, end, clock),
    };
    let bodies = args.output.bodies();
    let outcomes = runs::over(settings, fixture.store, fixture.first, start, end, bodies);
    Ok(Ran {
        outcomes,
        data,
        incidents,
        clock,
    })
}

fn over_history(args: &Args, settings: &[&Setting]) -> Result<Ran, Failure> {
    let usage = |why| (Exit::Usage, why);
    let clock = Clock::new(false, args.figures.timezone);
    let now = Timestamp::from_millis(chrono::Utc::now().timestamp_millis());
    let of = |moment: Moment, flag: &str| match moment {
        Moment::AfterFirst(by) => Err(usage(format!(
            "{flag} {by}: of a data source's history expected a time, or a duration before now such as -{by}"
        ))),
        moment => Ok(moment.of(now, now)),
    };
    let Some(start) = args.start else {
        let why = "--start: expected from when on the history is replayed, such as --start -7d";
        return Err(usage(why.to_owned()));
    };
    let start = of(start, "--start")?;
    let end = args.end.map_or(Ok(now), |end| of(end, "--end"))?;
    in_order(start, end, clock).map_err(usage)?;
    is_short(settings, start, end, clock).map_err(usage)?;
    let incidents = args.figures.incidents(start).map_err(usage)?;
    are_inside(&incidents, start, end, clock).map_err(usage)?;
    let needs = runs::needs_of(settings);
    let environment = |why| (Exit::Environment, why);
    let [.., setting] = settings else {
        return Err(usage("nothing to replay".to_owned()));
    };
    let slots = settings.iter().map(|setting| setting.first_slot(start));
    let first = slots.min().unwrap_or(start);
    let history = setting.history(needs.selectors.clone(), (first, end), &args.live);
    let mut history = history.map_err(environment)?;
    let mut seen = Seen::new(needs.clone());
    let bodies = args.output.bodies();
    let streamed = runs::streamed(
        settings,
        &mut history,
        &needs,
        &mut seen,
        (start, end),
        bodies,
    );
    let (outcomes, series, samples) = streamed.map_err(environment)?;
    is_there(&seen, start, end, clock)?;
    let told = history.told();
    let mut notes = told.notes.clone();
    notes.extend(seen.notes(start, end, clock));
    let cached = if told.cached {
        ", some of it kept from before"
    } else {
        ""
    };
    Ok(Ran {
        outcomes,
        data: Data {
            source: format!("{}{cached}", told.how),
            series,
            samples,
            notes,
        },
        incidents,
        clock,
    })
}

fn in_order(start: Timestamp, end: Timestamp, clock: Clock) -> Result<(), String> {
    if end < start {
        let (start, end) = (clock.time(start), clock.time(end));
        return Err(format!("the end {end} is before the start {start}"));
    }
    Ok(())
}

/// Refuses a replay that nobody waits for, such as that of one sample with a mistyped time.
fn is_short(
    settings: &[&Setting],
    start: Timestamp,
    end: Timestamp,
    clock: Clock,
) -> Result<(), String> {
    let length = end.since(start).millis();
    for setting in settings {
        let interval = setting.options(start, end).interval;
        let slots = setting.groups.iter().map(|group| {
            let interval = group.interval.unwrap_or(interval);
            length / interval.millis().max(1)
        });
        let slots = slots.fold(0, i64::saturating_add);
        if slots > MOST_SLOTS {
            let (start, end) = (clock.time(start), clock.time(end));
            return Err(format!(
                "from {start} to {end} there are {slots} evaluations of rule groups, more than {MOST_SLOTS}: is \
                 that meant? --start and --end choose a part"
            ));
        }
    }
    Ok(())
}

/// Refuses incidents that the replay does not see: they would look as if nothing had noticed them.
fn are_inside(
    incidents: &[Incident],
    start: Timestamp,
    end: Timestamp,
    clock: Clock,
) -> Result<(), String> {
    let outside = |it: &&Incident| it.end < start || it.start > end;
    let Some(incident) = incidents.iter().find(outside) else {
        return Ok(());
    };
    let time = |at| clock.time(at);
    Err(format!(
        "--incidents: `{}`, {} to {}, is outside of the replayed time, {} to {}",
        incident.name,
        time(incident.start),
        time(incident.end),
        time(start),
        time(end)
    ))
}

/// Refuses to replay nothing.
fn is_there(seen: &Seen, start: Timestamp, end: Timestamp, clock: Clock) -> Result<(), Failure> {
    if seen.has_data() {
        return Ok(());
    }
    let missing = seen.missing(start, end, clock).join("\n  ");
    Err((
        Exit::Usage,
        format!("there is no data for any rule:\n  {missing}"),
    ))
}

/// The files in words.
fn source(files: &[PathBuf]) -> String {
    let name = |file: &PathBuf| file.display().to_string();
    files.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// A time zone by its name.
fn zone(text: &str) -> Result<Tz, String> {
    text.parse()
        .map_err(|_| "expected the name of a time zone such as Europe/Berlin".to_owned())
}

impl Figures {
    /// Refuses names of receivers that do not exist.
    fn check(&self, setting: &Setting) -> Result<(), String> {
        let Some(routing) = &setting.routing else {
            return match self.pagers.first() {
                Some(name) => Err(format!(
                    "--pager {name}: there are no receivers without --config.file"
                )),
                None => Ok(()),
            };
        };
        let known = routing.receivers();
        match self
            .pagers
            .iter()
            .find(|name| !known.contains_key(name.as_str()))
        {
            None => Ok(()),
            Some(name) => {
                let names: Vec<&str> = known.keys().map(|name| &**name).collect();
                let names = names.join(", ");
                Err(format!(
                    "--pager: there is no receiver {name:?}, the configuration has {names}"
                ))
            }
        }
    }

    /// The labelled incidents.
    fn incidents(&self, origin: Timestamp) -> Result<Vec<Incident>, String> {
        let Some(path) = &self.incidents else {
            return Ok(Vec::new());
        };
        let refused = |findings: Findings| {
            let color = std::io::stderr().is_terminal() && colors();
            render(&[findings], Form::Text, color)
        };
        let source = files::read(path).map_err(|why| match why {
            Unread::Unopened(why) => why,
            Unread::NoText(findings) => refused(findings),
        })?;
        report::load_incidents(&source, origin).map_err(|diagnostics| {
            let name = &source.name;
            let found = Findings {
                source: source.clone(),
                diagnostics,
            };
            format!("{name} is refused\n\n{}", refused(found))
        })
    }

    fn report(
        &self,
        outcome: Outcome,
        data: Data,
        setting: &Setting,
        incidents: Vec<Incident>,
    ) -> Report {
        let options = report::Options {
            night: self.night,
            timezone: self.timezone,
            pagers: self
                .pagers
                .iter()
                .map(|name| name.as_str().into())
                .collect(),
            external_labels: setting.external_labels().clone(),
        };
        let routing = setting.routing.as_deref();
        Report::new(
            data,
            outcome.timeline,
            routing,
            incidents,
            outcome.plots,
            options,
        )
    }
}

/// Whether nobody forbids colors.
fn colors() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn shown(args: &Args, report: &Report, clock: Clock) -> String {
    match args.output {
        Output::Text => {
            let terminal = args.output_file.is_none() && std::io::stdout().is_terminal();
            text::show(report, clock, terminal && colors())
        }
        Output::Json => json::show(report),
        Output::Markdown => markdown::show(report, clock),
        Output::Html => web::report::page(report),
    }
}

fn write(args: &Args, text: &str) -> Result<(), Failure> {
    match &args.output_file {
        Some(path) => to_file(path, text),
        None => super::print(text).map_err(|why| (Exit::Environment, why)),
    }
}

fn to_file(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| (Exit::Environment, format!("{}: {error}", path.display())))
}
