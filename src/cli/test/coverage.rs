//! `--coverage`: which alerting rules all tests of a call saw fire and stay quiet, and which routes
//! told somebody.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use stentor_core::notify::Routing;
use stentor_core::rulefile::{Rule, RuleGroup};
use stentor_core::unittest::{RulePlace, Seen, Sight, rule_place};

use crate::cli::diagnostics::visible;

/// What the tests of one file show.
#[derive(Debug)]
pub(super) struct OfFile {
    pub(super) groups: Vec<Arc<RuleGroup>>,
    /// Its configuration, if it has one with routes.
    pub(super) routing: Option<(PathBuf, Arc<Routing>)>,
    /// What each test shows.
    pub(super) seen: Vec<Seen>,
}

/// What all tests of a call show.
#[derive(Debug, Default, Serialize)]
pub(super) struct Coverage {
    covered: usize,
    of: usize,
    percent: f64,
    rules: Vec<OfRule>,
    routes: Vec<OfRoute>,
}

/// In how many tests a rule was seen how.
#[derive(Debug, Serialize)]
struct OfRule {
    file: String,
    line: usize,
    alert: String,
    severity: Option<String>,
    covered: bool,
    fired: usize,
    pending: usize,
    quiet: usize,
}

/// In how many tests a route told somebody.
#[derive(Debug, Serialize)]
struct OfRoute {
    file: String,
    route: String,
    receiver: String,
    /// Its receiver has no integration, and can tell nobody.
    silent: bool,
    told: usize,
}

impl Coverage {
    /// Sums up: what two test files load of the same file is one.
    pub(super) fn of<'f>(files: impl IntoIterator<Item = &'f OfFile>) -> Self {
        let mut names = Names::default();
        let mut rules: BTreeMap<RulePlace, OfRule> = BTreeMap::new();
        let mut routes: BTreeMap<(Arc<str>, usize), OfRoute> = BTreeMap::new();
        for file in files {
            add_rules(file, &mut rules, &mut names);
            add_routes(file, &mut routes, &mut names);
        }
        let mut coverage = Self {
            rules: rules.into_values().collect(),
            routes: routes.into_values().collect(),
            ..Self::default()
        };
        for rule in &mut coverage.rules {
            rule.covered = rule.fired > 0 && rule.quiet > 0;
            coverage.covered += usize::from(rule.covered);
        }
        coverage.of = coverage.rules.len();
        coverage.percent = percent(coverage.covered, coverage.of);
        coverage
    }

    /// Whether fewer rules are covered than a share of them.
    pub(super) fn is_under(&self, percent: f64) -> bool {
        self.percent < percent
    }

    /// `75 % of the alerting rules (3 of 4)`
    pub(super) fn summary(&self) -> String {
        let Self { covered, of, .. } = self;
        format!(
            "{} % of the alerting rules ({covered} of {of}) are seen to fire, and to stay quiet",
            self.percent.floor()
        )
    }

    /// The tables for people.
    pub(super) fn text(&self) -> String {
        let mut text = format!("\ncoverage: {}\n", self.summary());
        if !self.rules.is_empty() {
            text.push_str("  fired  pending  quiet  rule\n");
        }
        for rule in &self.rules {
            let severity = rule.severity.as_ref().map(|s| format!(" ({s})"));
            let what = match (rule.fired, rule.quiet) {
                (0, 0) => ": never fired, never quiet",
                (0, _) => ": never fired",
                (_, 0) => ": never quiet",
                _ => "",
            };
            let _ = writeln!(
                text,
                "  {:>5}  {:>7}  {:>5}  {}:{} {}{}{what}",
                rule.fired,
                rule.pending,
                rule.quiet,
                visible(&rule.file),
                rule.line,
                visible(&rule.alert),
                visible(&severity.unwrap_or_default()),
            );
        }
        if !self.routes.is_empty() {
            text.push_str("   told  route\n");
        }
        for route in &self.routes {
            let what = match route.told {
                _ if route.silent => ": tells nobody",
                0 => ": never told",
                _ => "",
            };
            let _ = writeln!(
                text,
                "  {:>5}  {} {} -> {}{what}",
                route.told,
                visible(&route.file),
                visible(&route.route),
                visible(&route.receiver),
            );
        }
        text
    }
}

fn add_rules(file: &OfFile, rules: &mut BTreeMap<RulePlace, OfRule>, names: &mut Names) {
    for rule in file.groups.iter().flat_map(|group| &group.rules) {
        let Rule::Alerting(rule) = rule else { continue };
        let place = rule_place(&rule.place);
        let name = names.of(&place.0);
        let of_rule = rules
            .entry((Arc::clone(&name), place.1))
            .or_insert_with(|| OfRule {
                file: name.to_string(),
                line: place.1.line,
                alert: rule.alert.to_string(),
                severity: rule.severity().map(str::to_owned),
                covered: false,
                fired: 0,
                pending: 0,
                quiet: 0,
            });
        for sight in file.seen.iter().filter_map(|seen| seen.rules.get(&place)) {
            match sight {
                Sight::Fired => of_rule.fired += 1,
                Sight::Pending => of_rule.pending += 1,
                Sight::Quiet => of_rule.quiet += 1,
            }
        }
    }
}

fn add_routes(file: &OfFile, routes: &mut BTreeMap<(Arc<str>, usize), OfRoute>, names: &mut Names) {
    let Some((path, routing)) = &file.routing else {
        return;
    };
    let name = names.of(&path.to_string_lossy());
    routing.root().walk(&mut |route| {
        let key = (Arc::clone(&name), route.index());
        let of_route = routes.entry(key).or_insert_with(|| OfRoute {
            file: name.to_string(),
            route: route.key().to_string(),
            receiver: route.receiver.to_string(),
            silent: routing.integrations(&route.receiver).is_empty(),
            told: 0,
        });
        let told = |seen: &&Seen| seen.routes.contains(&route.index());
        of_route.told += file.seen.iter().filter(told).count();
    });
}

/// One name for each file, whatever path leads to it: relative to the folder of the call, where the file
/// is below it.
#[derive(Debug, Default)]
struct Names(BTreeMap<String, Arc<str>>);

impl Names {
    fn of(&mut self, file: &str) -> Arc<str> {
        if let Some(name) = self.0.get(file) {
            return Arc::clone(name);
        }
        let canonical = |path: &Path| std::fs::canonicalize(path).ok();
        let here = canonical(Path::new("."));
        let name = canonical(Path::new(file)).map_or_else(
            || file.to_owned(),
            |path| {
                let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
                below.unwrap_or(path).display().to_string()
            },
        );
        let name: Arc<str> = name.into();
        self.0.insert(file.to_owned(), Arc::clone(&name));
        name
    }
}

/// Of nothing all is covered.
#[expect(clippy::cast_precision_loss, reason = "there are not so many rules")]
fn percent(covered: usize, of: usize) -> f64 {
    if of == 0 {
        return 100.0;
    }
    covered as f64 * 100.0 / of as f64
}
