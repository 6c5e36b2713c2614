//! What is replayed: the rules of one data source, and who is told.

use std::io::IsTerminal as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use stentor_core::engine::DatasourceRules;
use stentor_core::needs::{self, Need};
use stentor_core::notify::Routing;
use stentor_core::receiver::HttpConfig;
use stentor_core::replay::{Options, Schedule};
use stentor_core::rulefile::RuleGroup;
use stentor_lang::model::{Duration, Labels, Timestamp};
use stentor_lang::promql::eval::EvalOptions;

use crate::cli::moment;
use crate::daemon::secrets::Inline;
use crate::daemon::setup;
use crate::history::{self, Source};

/// The arguments that name rules and receivers.
#[derive(Debug, clap::Args)]
pub(super) struct What {
    /// The configuration, as `stentor run` reads it; its secrets may be missing
    #[arg(
        long = "config.file",
        value_name = "FILE",
        required_unless_present = "rule_files"
    )]
    config_file: Option<PathBuf>,
    /// Rule files in place of a configuration; nobody is told then. May hold `*`, and may be given
    /// several times
    #[arg(
        long = "rule.files",
        value_name = "GLOB",
        conflicts_with = "config_file",
        num_args = 1..
    )]
    rule_files: Vec<String>,
    /// The server whose history is read, in place of the one that the configuration names
    #[arg(long = "datasource.url", value_name = "URL", conflicts_with = "input")]
    datasource_url: Option<String>,
    /// The data source whose rules are replayed, where the configuration has several
    #[arg(long, value_name = "NAME")]
    datasource: Option<String>,
    /// The URL under which people reach Stentor, for links in notifications
    #[arg(long = "web.external-url", value_name = "URL", default_value = "")]
    external_url: String,
    /// How old a sample may be to count as the current one
    #[arg(long = "query.lookback-delta", value_name = "DURATION", default_value = "5m", value_parser = moment::step)]
    lookback: Duration,
}

impl What {
    /// Whether a data source is named that could be asked.
    pub(super) fn is_live(&self) -> bool {
        self.config_file.is_some() || self.datasource_url.is_some()
    }
}

/// Rules and receivers, ready to run.
pub(super) struct Setting {
    pub(super) groups: Vec<Arc<RuleGroup>>,
    /// Who is told; `None` where nobody is.
    pub(super) routing: Option<Arc<Routing>>,
    rules: DatasourceRules,
    lookback: Duration,
    external_url: Arc<str>,
    url: String,
    http: HttpConfig,
    inline: Inline,
}

impl Setting {
    /// Reads what the arguments name. The error is all that is wrong, ready to be shown.
    pub(super) fn load(what: &What) -> Result<Self, String> {
        let files = match &what.config_file {
            Some(file) => setup::Files::Config(file.clone()),
            None => setup::Files::Rules {
                url: what.datasource_url.clone(),
                rule_files: what.rule_files.clone(),
            },
        };
        Self::read(what, files)
    }

    /// Reads the version to compare with: the same files below a folder, or the file or files that stand
    /// for those of the arguments.
    pub(super) fn load_old(what: &What, old: &[PathBuf]) -> Result<Self, String> {
        let text = |path: &PathBuf| path.display().to_string();
        let files = match (old, &what.config_file) {
            ([folder], Some(file)) if folder.is_dir() => {
                setup::Files::Config(folder.join(below(file)?))
            }
            ([folder], None) if folder.is_dir() => setup::Files::Rules {
                url: None,
                rule_files: what
                    .rule_files
                    .iter()
                    .map(|pattern| Ok(text(&folder.join(below(Path::new(pattern))?))))
                    .collect::<Result<_, String>>()?,
            },
            ([file], Some(_)) => setup::Files::Config(file.clone()),
            (_, Some(_)) => {
                return Err(
                    "--compare: expected one configuration, as --config.file names one, or a folder"
                        .to_owned(),
                );
            }
            (files, None) => setup::Files::Rules {
                url: None,
                rule_files: files.iter().map(text).collect(),
            },
        };
        Self::read(what, files).map_err(|why| format!("--compare: {why}"))
    }

    fn read(what: &What, files: setup::Files) -> Result<Self, String> {
        let from = setup::From {
            files,
            external_url: what.external_url.clone(),
            // Nothing is sent, so secrets may be missing.
            dry_run: true,
            allow_empty: true,
        };
        let prepared = setup::load(&from, None)?;
        let setup = prepared.setup;
        let rules = choose(setup.rules.datasources, what.datasource.as_deref())?;
        if rules.groups.iter().all(|group| group.rules.is_empty()) {
            let name = &rules.datasource.name;
            return Err(format!("datasource {name} has no rules: nothing to replay"));
        }
        if rules.datasource.opaque {
            let name = &rules.datasource.name;
            return Err(format!(
                "datasource {name} has `dialect: opaque`: its expressions cannot be evaluated here"
            ));
        }
        let mut clients = prepared.datasources.into_iter();
        let client = clients.find(|client| client.name == rules.datasource.name);
        let client = client.ok_or("the data source has no address")?;
        // What the configuration says of its own server, such as a password, is not for another.
        let (url, http) = match &what.datasource_url {
            Some(url) => (url.clone(), HttpConfig::default()),
            None => (client.url, client.http),
        };
        Ok(Self {
            url,
            http,
            inline: prepared.inline,
            groups: rules.groups.clone(),
            routing: Some(setup.routing).filter(|routing| !routing.receivers().is_empty()),
            rules,
            lookback: what.lookback,
            external_url: setup.external_url,
        })
    }

    /// A group's interval and query offset.
    pub(super) fn times(&self, group: &RuleGroup) -> (Duration, Duration) {
        (
            group.interval.unwrap_or(self.rules.interval),
            group.query_offset.unwrap_or(self.rules.query_offset),
        )
    }

    /// The first slot of a run that begins at an instant.
    pub(super) fn first_slot(&self, start: Timestamp) -> Timestamp {
        self.rules.first_slot(start)
    }

    /// What the rules need to be known of to say what they read.
    pub(super) fn reading(&self) -> needs::Options {
        needs::Options {
            query_offset: self.rules.query_offset,
            lookback: self.lookback,
        }
    }

    /// How expressions are evaluated.
    pub(super) fn eval(&self) -> EvalOptions {
        EvalOptions {
            lookback: self.lookback,
            ..EvalOptions::default()
        }
    }

    /// What alerts get that do not have them.
    pub(super) fn external_labels(&self) -> &Labels {
        &self.rules.datasource.external_labels
    }

    /// Its data source's history of what `selectors` read.
    pub(super) fn history(
        &self,
        selectors: Vec<Need>,
        (start, end): (Timestamp, Timestamp),
        live: &super::Live,
    ) -> Result<Source, String> {
        let options = history::Options {
            url: self.url.clone(),
            http: self.http.clone(),
            inline: self.inline.clone(),
            selectors,
            start,
            end,
            read: live.read,
            cache: live.cache(),
            progress: std::io::stderr().is_terminal(),
        };
        Source::live(options).map_err(|error| error.to_string())
    }

    /// How they run between two instants.
    pub(super) fn options(&self, start: Timestamp, end: Timestamp) -> Options {
        Options {
            schedule: Schedule::Production,
            start,
            interval: self.rules.interval,
            query_offset: self.rules.query_offset,
            datasource: Arc::clone(&self.rules.datasource),
            external_url: Arc::clone(&self.external_url),
            eval: self.eval(),
            routing: self.routing.clone(),
            end: Some(end),
        }
    }
}

/// The data source of that name, or the only one.
fn choose(
    mut datasources: Vec<DatasourceRules>,
    name: Option<&str>,
) -> Result<DatasourceRules, String> {
    let names: Vec<String> = datasources
        .iter()
        .map(|rules| rules.datasource.name.to_string())
        .collect();
    let all = names.join(", ");
    let place = match name {
        Some(name) => names
            .iter()
            .position(|known| known == name)
            .ok_or_else(|| {
                format!(
                    "--datasource: there is no data source {name:?}, the configuration has {all}"
                )
            })?,
        None if datasources.len() > 1 => {
            return Err(format!(
                "the configuration has the data sources {all}; a replay is of one: name it by --datasource"
            ));
        }
        None => 0,
    };
    if datasources.is_empty() {
        return Err("the configuration has no data source, so no rules to replay".to_owned());
    }
    Ok(datasources.swap_remove(place))
}

/// The path of a file from the present folder, as older files have it from another one.
fn below(file: &Path) -> Result<PathBuf, String> {
    let here = std::env::current_dir().unwrap_or_default();
    let inside = if file.is_absolute() {
        file.strip_prefix(&here).ok()
    } else {
        Some(file)
    };
    let leaves = |path: &&Path| path.components().any(|part| part == Component::ParentDir);
    inside
        .filter(|path| !leaves(path))
        .map(Path::to_owned)
        .ok_or_else(|| {
            format!(
                "--compare: {} is not below the present folder, so a folder of older files has no place for it; \
                 name the older file itself",
                file.display()
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_files_have_the_place_of_the_present_ones() {
        let here = std::env::current_dir().expect("a folder");
        let place = |file: &str| below(Path::new(file)).ok();
        let same = PathBuf::from("rules/a.yml");
        assert_eq!(place("rules/a.yml"), Some(same.clone()));
        let absolute = here.join("rules/a.yml");
        assert_eq!(place(&absolute.display().to_string()), Some(same));
        assert_eq!(place("../rules/a.yml"), None);
        assert_eq!(place("rules/../../a.yml"), None);
        assert_eq!(place("/elsewhere/a.yml"), None);
    }
}
