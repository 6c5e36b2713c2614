//! `stentor record`: the samples that rules read over a time range, from a datasource into one file.

mod gather;
mod rename;
mod save;
mod tell;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use stentor_core::engine::DatasourceRules;
use stentor_core::fixture;
use stentor_core::needs::{self, Needs};
use stentor_core::receiver::HttpConfig;
use stentor_lang::model::{Duration, Timestamp};

use super::Exit;
use super::moment::{self, Moment};
use crate::daemon::secrets::Inline;
use crate::daemon::setup;
use crate::history::{Options as SourceOptions, Read, Source};
use gather::Gathered;

/// The arguments of `stentor record`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration that names the data source and its rules, as `stentor run` reads it; secrets of
    /// receivers may be missing
    #[arg(
        long = "config.file",
        value_name = "FILE",
        required_unless_present = "datasource_url"
    )]
    config_file: Option<PathBuf>,
    /// The data source, where the configuration has several
    #[arg(long, value_name = "NAME", conflicts_with = "datasource_url")]
    datasource: Option<String>,
    /// A server with Prometheus' API, in place of a configuration
    #[arg(
        long = "datasource.url",
        value_name = "URL",
        conflicts_with = "config_file",
        requires = "rule_files"
    )]
    datasource_url: Option<String>,
    /// The rules for --datasource.url; may hold `*`, and may be given several times
    #[arg(long = "rule.files", value_name = "GLOB", requires = "datasource_url", num_args = 1..)]
    rule_files: Vec<String>,
    /// The first evaluation that the file is for: seconds since 1970, RFC 3339, or a duration before
    /// now (`-2h`)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    start: Moment,
    /// The last evaluation, the default is now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    end: Option<Moment>,
    /// The file to write, best `NAME.om`, or `NAME.om.gz` to have it packed
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replaces the file, if it is there
    #[arg(long)]
    overwrite: bool,
    /// Replaces the values of a label by LABEL-1, LABEL-2 and so on, the same in all series. May be
    /// given several times
    #[arg(long, value_name = "LABEL", value_parser = rename::label)]
    rename: Vec<String>,
    /// How a data source is asked for its history
    #[arg(long = "datasource.read", value_enum, default_value = "auto")]
    read: Read,
    /// How old a sample may be to count as the current one
    #[arg(long = "query.lookback-delta", value_name = "DURATION", default_value = "5m", value_parser = moment::step)]
    lookback: Duration,
}

/// An exit code and the reason that is still to be told.
type Failure = (Exit, String);

/// Records what the arguments say.
pub(crate) fn run(args: &Args) -> Exit {
    match record(args) {
        Ok(summary) => match super::print(&summary) {
            Ok(()) => Exit::Good,
            Err(why) => {
                let _ = writeln!(std::io::stderr(), "stentor: {why}");
                Exit::Environment
            }
        },
        Err((exit, why)) => {
            let _ = writeln!(std::io::stderr(), "stentor: {}", why.trim_end());
            exit
        }
    }
}

fn record(args: &Args) -> Result<String, Failure> {
    let usage = |why| (Exit::Usage, why);
    let environment = |why| (Exit::Environment, why);
    let (start, end) = window(args).map_err(usage)?;
    save::check(&args.output, args.overwrite).map_err(usage)?;
    let setting = Setting::load(args).map_err(usage)?;
    let needs = setting.needs(args.lookback);
    if needs.selectors.is_empty() {
        let why = "the rules read no series of the data source: nothing to record".to_owned();
        let lines: Vec<String> = std::iter::once(why).chain(needs.unknown).collect();
        return Err(usage(lines.join("\n")));
    }
    let first = setting.rules.first_slot(start);
    let mut source = Source::live(setting.source(args, &needs, (first, end)))
        .map_err(|error| environment(error.to_string()))?;
    let mut gathered = Gathered::new(&needs, needs::written(&setting.rules.groups), first, end);
    for chunk in &mut source {
        let chunk = chunk.map_err(|error| environment(error.to_string()))?;
        gathered.add(chunk.series);
    }
    if gathered.samples == 0 {
        let message = tell::nothing(&needs, (start, end), source.told());
        return Err((Exit::Failed, message));
    }
    let renamed = rename::all(&mut gathered, &args.rename, &needs).map_err(usage)?;
    let text = fixture::write(&gathered.store);
    let bytes = save::save(&args.output, &text, args.overwrite).map_err(environment)?;
    let recorded = tell::Recorded {
        needs: &needs,
        gathered: &gathered,
        renamed: &renamed,
        told: source.told(),
        window: (start, end),
    };
    Ok(recorded.summary(&args.output, bytes))
}

/// From when until when rules are going to be evaluated.
fn window(args: &Args) -> Result<(Timestamp, Timestamp), String> {
    let now = Timestamp::from_millis(chrono::Utc::now().timestamp_millis());
    let of = |name, moment| match moment {
        Moment::AfterFirst(by) => Err(format!(
            "--{name}: a data source has no first sample, so `{by}` is no time: `-{by}` is that long ago"
        )),
        moment => Ok(moment.of(now, now)),
    };
    let start = of("start", args.start)?;
    let end = args.end.map_or(Ok(now), |end| of("end", end))?;
    if end < start {
        return Err(format!("the end {end} is before the start {start}"));
    }
    Ok((start, end))
}

/// The rules, and who is asked.
struct Setting {
    rules: DatasourceRules,
    url: String,
    http: HttpConfig,
    inline: Inline,
}

impl Setting {
    fn load(args: &Args) -> Result<Self, String> {
        let files = match (&args.config_file, &args.datasource_url) {
            (Some(file), _) => setup::Files::Config(file.clone()),
            (None, url) => setup::Files::Rules {
                url: url.clone(),
                rule_files: args.rule_files.clone(),
            },
        };
        let from = setup::From {
            files,
            external_url: String::new(),
            // Nobody is told anything.
            dry_run: true,
            allow_empty: true,
        };
        let prepared = setup::load(&from, None)?;
        let names: Vec<_> = prepared.datasources.iter().map(|d| &*d.name).collect();
        let all = names.join(", ");
        let place = match &args.datasource {
            Some(name) => names.iter().position(|known| known == name).ok_or_else(|| {
                format!("--datasource: there is no data source {name:?}, the configuration has {all}")
            })?,
            None if names.len() > 1 => {
                return Err(format!(
                    "the configuration has the data sources {all}: name one by --datasource"
                ));
            }
            None => 0,
        };
        let mut rules = prepared.setup.rules.datasources;
        let mut datasources = prepared.datasources;
        if place >= datasources.len() {
            return Err("the configuration has no data source".to_owned());
        }
        let datasource = datasources.swap_remove(place);
        Ok(Self {
            rules: rules.swap_remove(place),
            url: datasource.url,
            http: datasource.http,
            inline: prepared.inline,
        })
    }

    fn needs(&self, lookback: Duration) -> Needs {
        let options = needs::Options {
            query_offset: self.rules.query_offset,
            lookback,
        };
        needs::needs(&self.rules.groups, &options)
    }

    fn source(&self, args: &Args, needs: &Needs, window: (Timestamp, Timestamp)) -> SourceOptions {
        SourceOptions {
            url: self.url.clone(),
            http: self.http.clone(),
            inline: self.inline.clone(),
            selectors: needs.selectors.clone(),
            start: window.0,
            end: window.1,
            read: args.read,
            // What is recorded is kept anyway.
            cache: None,
            progress: std::io::stderr().is_terminal(),
        }
    }
}
