//! What is replayed: the rules of one data source, and who is told.

use std::path::PathBuf;
use std::sync::Arc;

use stentor_core::engine::DatasourceRules;
use stentor_core::notify::Routing;
use stentor_core::replay::{Options, Schedule};
use stentor_core::rulefile::RuleGroup;
use stentor_lang::model::Timestamp;
use stentor_lang::promql::eval::EvalOptions;

use crate::daemon::setup;

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
    /// The data source whose rules are replayed, where the configuration has several
    #[arg(long, value_name = "NAME")]
    datasource: Option<String>,
    /// The URL under which people reach Stentor, for links in notifications
    #[arg(long = "web.external-url", value_name = "URL", default_value = "")]
    external_url: String,
}

/// Rules and receivers, ready to run.
pub(super) struct Setting {
    pub(super) groups: Vec<Arc<RuleGroup>>,
    /// Who is told; `None` where nobody is.
    pub(super) routing: Option<Arc<Routing>>,
    rules: DatasourceRules,
    external_url: Arc<str>,
}

impl Setting {
    /// Reads what the arguments name. The error is all that is wrong, ready to be shown.
    pub(super) fn load(what: &What) -> Result<Self, String> {
        let files = match &what.config_file {
            Some(file) => setup::Files::Config(file.clone()),
            None => setup::Files::Rules {
                url: None,
                rule_files: what.rule_files.clone(),
            },
        };
        let from = setup::From {
            files,
            external_url: what.external_url.clone(),
            // Nothing is sent, so secrets may be missing.
            dry_run: true,
            allow_empty: true,
        };
        let setup = setup::load(&from, None)?.setup;
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
        Ok(Self {
            groups: rules.groups.clone(),
            routing: Some(setup.routing).filter(|routing| !routing.receivers().is_empty()),
            rules,
            external_url: setup.external_url,
        })
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
            eval: EvalOptions::default(),
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
