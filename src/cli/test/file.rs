//! One file of unit tests: its rule files, its tests on several threads, their outcomes in order.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use stentor_core::engine::{Deliver, Event};
use stentor_core::notify::Routing;
use stentor_core::receiver;
use stentor_core::replay::Observer;
use stentor_core::rulefile::{self, Dialect, LoadOptions, RuleGroup};
use stentor_core::unittest::{self, Given, Production, Seen, Test, TestFile, Update, Watch};
use stentor_lang::model::{Diagnostic, Level, SourceText, Timestamp};
use stentor_lang::yaml::Spanned;

use super::coverage::OfFile;
use super::update::{self, Written};
use super::{Case, Exit, Findings, Options, Suite, config, golden, samples};
use crate::cli::files::{self, Unread};

/// Runs the tests of a file; after an update of it, once more.
pub(super) fn run(path: &Path, source: SourceText, options: &Options) -> Suite {
    let (suite, written) = once(path, source, options);
    if !written.changed {
        return Suite {
            log: written.log + &suite.log,
            ..suite
        };
    }
    let again = match files::read(path) {
        Ok(source) => {
            once(
                path,
                source,
                &Options {
                    update: false,
                    ..options.clone()
                },
            )
            .0
        }
        Err(_) => suite,
    };
    Suite {
        log: written.log + &again.log,
        ..again
    }
}

fn once(path: &Path, source: SourceText, options: &Options) -> (Suite, Written) {
    let nothing = Written::default();
    let name = path.display().to_string();
    let file = match unittest::load(&source, options.syntax) {
        Ok(file) => file,
        Err(diagnostics) => {
            let found = Findings {
                source,
                diagnostics,
            };
            return (Suite::aborted(name, vec![found]), nothing);
        }
    };
    let mut rules = Rules::default();
    let folder = path.parent().unwrap_or(Path::new(""));
    for pattern in &file.rule_files {
        rules.load(folder, pattern, options);
    }
    if rules
        .of_patterns
        .iter()
        .any(|found| found.level == Level::Error)
    {
        let mut diagnostics = rules.of_patterns;
        diagnostics.extend(file.warnings);
        rules.findings.push(Findings {
            source,
            diagnostics,
        });
        return (Suite::aborted(name, rules.findings), nothing);
    }
    file.order(&mut rules.groups);
    let production = match &file.config_file {
        Some(path) => match config::load(folder, path) {
            Ok(production) => Some(production),
            Err(refused) => return (refused.abort(name, source, file.warnings), nothing),
        },
        None => None,
    };
    let selected: Vec<(usize, &Test)> = file
        .tests
        .iter()
        .enumerate()
        .filter(|(_, test)| {
            options
                .only
                .as_ref()
                .is_none_or(|only| only.is_match(&test.name))
        })
        .collect();
    if rules.is_bad() {
        let outcomes = selected.iter().map(|_| Outcome::default()).collect();
        let suite = report(name, source, &file, rules, &selected, outcomes);
        return (suite, nothing);
    }
    let goldens = golden::read(folder, selected.iter().map(|(_, test)| *test));
    let given = Given {
        groups: &rules.groups,
        production: production.as_ref(),
        files: None,
        goldens: &goldens,
    };
    let mut outcomes = run_all(&selected, &file, folder, &given, options);
    let updates: Vec<(String, Update)> = selected
        .iter()
        .zip(&mut outcomes)
        .map(|((index, test), outcome)| {
            (name_of(*index, test), std::mem::take(&mut outcome.update))
        })
        .collect();
    let written = update::write(path, &source, &goldens, &updates);
    let coverage = options.coverage.then(|| OfFile {
        groups: rules.groups.clone(),
        routing: routing_of(folder, &file, production.as_ref()),
        seen: outcomes
            .iter_mut()
            .map(|outcome| std::mem::take(&mut outcome.seen))
            .collect(),
    });
    let suite = Suite {
        coverage,
        ..report(name, source, &file, rules, &selected, outcomes)
    };
    (suite, written)
}

/// The routes of a test file's configuration, and its path.
fn routing_of(
    folder: &Path,
    file: &TestFile,
    production: Option<&Production>,
) -> Option<(PathBuf, Arc<Routing>)> {
    let path = file.config_file.as_ref()?;
    let routing = production?.routing.clone()?;
    Some((folder.join(&path.value), routing))
}

/// What came of a test.
#[derive(Debug, Default)]
struct Outcome {
    findings: Vec<Diagnostic>,
    log: String,
    /// What it shows, where somebody asked for it.
    seen: Seen,
    /// What is to be written, with `--update`.
    update: Update,
}

/// Runs tests side by side; outcomes are in their order.
fn run_all(
    tests: &[(usize, &Test)],
    file: &TestFile,
    folder: &Path,
    given: &Given<'_>,
    options: &Options,
) -> Vec<Outcome> {
    let workers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(tests.len());
    if workers < 2 {
        return tests
            .iter()
            .map(|test| run_one(*test, file, folder, given, options))
            .collect();
    }
    let outcomes: Vec<OnceLock<Outcome>> = tests.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((test, outcome)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            tests.get(index).zip(outcomes.get(index))
        } {
            let _ = outcome.set(run_one(*test, file, folder, given, options));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(work);
        }
        work();
    });
    let done = |outcome: OnceLock<Outcome>| outcome.into_inner();
    let outcomes = outcomes.into_iter().map(done).collect::<Option<_>>();
    outcomes.expect("invariant: each test was taken by a worker, and the workers have ended")
}

fn run_one(
    (index, test): (usize, &Test),
    file: &TestFile,
    folder: &Path,
    given: &Given<'_>,
    options: &Options,
) -> Outcome {
    let files = match samples::read(folder, test, given.groups) {
        Ok(files) => files,
        Err(findings) => {
            return Outcome {
                findings,
                ..Outcome::default()
            };
        }
    };
    let given = &Given {
        groups: files.as_ref().map_or(given.groups, |files| &files.groups),
        files: files.as_ref().map(|files| &files.store),
        ..*given
    };
    let run_options = unittest::Options {
        evaluation_interval: file.evaluation_interval,
        fuzzy_compare: file.fuzzy_compare,
        delayed_name_removal: options.delayed_name_removal,
        full_diff: options.full_diff,
    };
    let mut observer = Observers {
        debug: options.debug.then(|| Debug {
            log: format!("debug: test `{}`\n", name_of(index, test)),
            start: test.start,
        }),
        watch: options.coverage.then(|| Watch::new(test, given)),
    };
    let outcome = unittest::run(test, given, run_options, &mut observer);
    let timeline = outcome.timeline.as_ref().filter(|_| options.update);
    let update = timeline.map(|timeline| unittest::update(test, given, timeline));
    let log = observer.debug.map(|debug| debug.log).unwrap_or_default();
    let seen = observer.watch.map(Watch::seen).unwrap_or_default();
    let mut findings = files.map(|files| files.warnings).unwrap_or_default();
    findings.extend(outcome.failures);
    Outcome {
        findings,
        log,
        seen,
        update: update.unwrap_or_default(),
    }
}

/// Its name, or its number as promtool gives it.
fn name_of(index: usize, test: &Test) -> String {
    if test.name.is_empty() {
        format!("unnamed#{index}")
    } else {
        test.name.clone()
    }
}

/// Who watches the run of a test.
#[derive(Debug)]
struct Observers<'a> {
    debug: Option<Debug>,
    watch: Option<Watch<'a>>,
}

impl Observer for Observers<'_> {
    fn deliver(&mut self, now: Timestamp, deliver: &Deliver) -> receiver::Outcome {
        match &mut self.watch {
            Some(watch) => watch.deliver(now, deliver),
            None => receiver::Outcome::Delivered,
        }
    }

    fn event(&mut self, now: Timestamp, event: &Event) {
        if let Some(debug) = &mut self.debug {
            debug.event(now, event);
        }
        if let Some(watch) = &mut self.watch {
            watch.event(now, event);
        }
    }
}

/// Writes down what happens.
#[derive(Debug)]
struct Debug {
    log: String,
    start: Timestamp,
}

impl Observer for Debug {
    fn event(&mut self, _: Timestamp, event: &Event) {
        if let Event::Transition {
            labels,
            from,
            to,
            at,
            why,
            ..
        } = event
        {
            let time = at.since(self.start);
            let _ = writeln!(self.log, "debug: {time} {labels} {from} -> {to}: {why}");
        }
    }
}

/// The rules that a test file names.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) groups: Vec<Arc<RuleGroup>>,
    seen: BTreeSet<PathBuf>,
    /// What is wrong with patterns, in the test file.
    of_patterns: Vec<Diagnostic>,
    /// What is wrong with rule files.
    findings: Vec<Findings>,
}

impl Rules {
    fn is_bad(&self) -> bool {
        !self.findings.is_empty()
    }

    pub(super) fn load(&mut self, folder: &Path, pattern: &Spanned<String>, options: &Options) {
        for path in self.expand(folder, pattern) {
            if !self.seen.insert(path.clone()) {
                continue;
            }
            match files::read(&path) {
                Ok(source) => self.read(source, options),
                Err(Unread::NoText(found)) => self.findings.push(found),
                Err(Unread::Unopened(why)) => {
                    let why = format!("cannot read {why}");
                    self.of_patterns
                        .push(Diagnostic::error(files::CODE, pattern.span, why));
                }
            }
        }
    }

    fn read(&mut self, source: SourceText, options: &Options) {
        let load_options = LoadOptions {
            dialect: Dialect::PromQl,
            promql: options.syntax,
            ignore_unknown_fields: options.ignore_unknown_fields,
        };
        match rulefile::load(&source, &load_options) {
            Ok(file) => self.groups.extend(file.groups.into_iter().map(Arc::new)),
            Err(diagnostics) => self.findings.push(Findings {
                source,
                diagnostics,
            }),
        }
    }

    /// The files of a pattern, which is relative to the test file's folder. As with promtool, a
    /// pattern without files is no error, and `**` is `*`.
    fn expand(&mut self, folder: &Path, pattern: &Spanned<String>) -> Vec<PathBuf> {
        let mut text = pattern.value.clone();
        while text.contains("**") {
            text = text.replace("**", "*");
        }
        if !text.is_empty() && !Path::new(&text).is_absolute() && !folder.as_os_str().is_empty() {
            let folder = glob::Pattern::escape(&folder.display().to_string());
            text = format!("{folder}/{text}");
        }
        let paths: Vec<PathBuf> = match glob::glob(&text) {
            Ok(paths) => paths.filter_map(Result::ok).collect(),
            Err(error) => {
                let message = format!("`{}` is no pattern: {}", pattern.value, error.msg);
                self.of_patterns
                    .push(Diagnostic::error(files::CODE, pattern.span, message));
                return Vec::new();
            }
        };
        if paths.is_empty() {
            let message = format!("no file matches `{}`", pattern.value);
            self.of_patterns
                .push(Diagnostic::warning(files::CODE, pattern.span, message));
        }
        paths
    }
}

fn report(
    name: String,
    source: SourceText,
    file: &TestFile,
    rules: Rules,
    selected: &[(usize, &Test)],
    outcomes: Vec<Outcome>,
) -> Suite {
    let bad_rules = rules.is_bad();
    let rule_errors: Vec<String> = rules
        .findings
        .iter()
        .flat_map(|found| {
            found
                .diagnostics
                .iter()
                .map(|why| why.one_line(&found.source))
        })
        .collect();
    let mut diagnostics = file.warnings.clone();
    diagnostics.extend(rules.of_patterns);
    let mut cases = Vec::new();
    let mut log = String::new();
    let mut invalid = bad_rules && !selected.is_empty();
    for ((index, test), outcome) in selected.iter().zip(outcomes) {
        log.push_str(&outcome.log);
        let unread = |why: &Diagnostic| why.code == samples::CODE && why.level == Level::Error;
        invalid |= !test.problems.is_empty() || outcome.findings.iter().any(unread);
        let failures = if bad_rules {
            vec![rule_errors.join("\n")]
        } else {
            outcome
                .findings
                .iter()
                .filter(|why| why.level == Level::Error)
                .map(|why| why.one_line(&source))
                .collect()
        };
        let name = name_of(*index, test);
        diagnostics.extend(outcome.findings.into_iter().map(|mut why| {
            if !why.code.starts_with("test/") {
                return why;
            }
            why.message = format!("test `{name}`: {}", why.message);
            why
        }));
        cases.push(Case { name, failures });
    }
    let failed = cases
        .iter()
        .filter(|case| !case.failures.is_empty())
        .count();
    let mut findings = rules.findings;
    findings.push(Findings {
        source,
        diagnostics,
    });
    Suite {
        name,
        aborted: None,
        summary: summary(cases.len(), failed, file.tests.len()),
        cases,
        findings,
        log,
        coverage: None,
        exit: match failed {
            _ if invalid => Exit::Usage,
            0 => Exit::Good,
            _ => Exit::Failed,
        },
    }
}

/// `SUCCESS (3 tests)`, `FAILED (1 of 3 tests)`
fn summary(run: usize, failed: usize, all: usize) -> String {
    let plural = |count: usize| if count == 1 { "test" } else { "tests" };
    match failed {
        0 if run == all => format!("SUCCESS ({run} {})", plural(run)),
        0 => format!("SUCCESS ({run} of {all} {})", plural(all)),
        _ => format!("FAILED ({failed} of {run} {})", plural(run)),
    }
}
