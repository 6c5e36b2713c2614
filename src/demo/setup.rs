//! What the program brings with it: the rules of `rules/` and the demo's configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use stentor_core::config;
use stentor_core::engine::Datasource;
use stentor_core::notify::Routing;
use stentor_core::replay;
use stentor_core::rulefile::{self, LoadOptions, RuleGroup};
use stentor_lang::model::{Diagnostic, Duration, Labels, SourceText};
use stentor_lang::promql::eval::EvalOptions;

use super::Options;

/// The rule files, by the names that they have in the project.
const RULES: [(&str, &str); 4] = [
    (
        "rules/realtime.yml",
        include_str!("../../rules/realtime.yml"),
    ),
    (
        "rules/messages.yml",
        include_str!("../../rules/messages.yml"),
    ),
    ("rules/fleet.yml", include_str!("../../rules/fleet.yml")),
    ("rules/slo.yml", include_str!("../../rules/slo.yml")),
];

/// The configuration.
const CONFIG: (&str, &str) = ("stentor.yml", include_str!("stentor.yml"));

/// The configuration's secrets by the names that it gave them.
pub(super) type Secrets = BTreeMap<String, String>;

/// The rule groups.
pub(super) fn rules() -> Result<Vec<Arc<RuleGroup>>, String> {
    let mut groups = Vec::new();
    for (name, text) in RULES {
        let source = SourceText::new(name, text);
        let file = rulefile::load(&source, &LoadOptions::default());
        let file = file.map_err(|found| told(&source, &found))?;
        groups.extend(file.groups.into_iter().map(Arc::new));
    }
    Ok(groups)
}

/// Who is told.
pub(super) fn receivers() -> Result<(Arc<Routing>, Secrets), String> {
    let (name, text) = CONFIG;
    let sources = config::Sources {
        main: SourceText::new(name, text),
        alertmanager: None,
    };
    let loaded = config::load(&sources, &config::Options::default())
        .map_err(|found| told(&sources.main, &found.main))?;
    let routing = loaded.config.routing;
    let routing = routing.ok_or_else(|| format!("{name}: no route"))?;
    Ok((Arc::new(routing), loaded.secrets.0))
}

/// How rules are evaluated: on the slots that the daemon would use.
pub(super) fn run_options(options: &Options, routing: Arc<Routing>) -> replay::Options {
    replay::Options {
        schedule: replay::Schedule::Production,
        start: options.start,
        interval: Duration::from_secs(15),
        query_offset: Duration::ZERO,
        datasource: Arc::new(Datasource {
            name: "simulation".into(),
            external_labels: Labels::default(),
            external_url: Arc::clone(&options.url),
            url_functions: true,
            opaque: false,
        }),
        external_url: Arc::clone(&options.url),
        eval: EvalOptions::default(),
        routing: Some(routing),
        end: None,
    }
}

fn told(source: &SourceText, found: &[Diagnostic]) -> String {
    let lines = found.iter().map(|found| found.one_line(source));
    lines.collect::<Vec<_>>().join("\n")
}
