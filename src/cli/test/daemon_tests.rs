//! Every incident of `fixtures/` through the threads of the daemon on a virtual clock: it tells
//! what tests and replays tell.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use stentor_core::replay::Schedule;
use stentor_core::unittest::{self, DEFAULT_SYNTAX, Given, Goldens, Setting};
use stentor_lang::model::Duration;

use super::Options;
use super::file::Rules;
use super::{config, samples};
use crate::cli::files;
use crate::daemon::virtual_tests::{Case, check_equal};

/// Recordings that are longer are replayed by blocks of slots in other tests; slot by slot, with a commit to
/// disk for each, they would take minutes.
const LONGEST: Duration = Duration::from_mins(65);

/// So long may an incident be that is run twice.
const SHORT: Duration = Duration::from_mins(20);

fn length(case: &Case) -> Duration {
    let options = &case.options;
    let end = options.end.expect("a case has an end");
    end.since(options.start)
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let entries = std::fs::read_dir(folder).expect("fixtures/ can be read");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path().join("test.yml"))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

fn options() -> Options {
    Options {
        only: None,
        syntax: DEFAULT_SYNTAX,
        delayed_name_removal: false,
        full_diff: false,
        debug: false,
        update: false,
        coverage: false,
        ignore_unknown_fields: false,
    }
}

/// The cases of a file: what each test's own sections run over.
fn cases(path: &Path) -> Vec<(String, Case)> {
    let name = path.display();
    let source = files::read(path).unwrap_or_else(|_| panic!("{name} can be read"));
    let file =
        unittest::load(&source, DEFAULT_SYNTAX).unwrap_or_else(|why| panic!("{name}: {why:?}"));
    let folder = path.parent().expect("a file is in a folder");
    let mut rules = Rules::default();
    for pattern in &file.rule_files {
        rules.load(folder, pattern, &options());
    }
    let production = file.config_file.as_ref().map(|path| {
        let loaded = config::load(folder, path);
        loaded.unwrap_or_else(|_| panic!("{name}: the configuration is good"))
    });
    let run = unittest::Options {
        evaluation_interval: file.evaluation_interval,
        fuzzy_compare: false,
        delayed_name_removal: false,
        full_diff: false,
    };
    let goldens = Goldens::default();
    let tests = file.tests.iter().filter(|test| !test.sections.is_empty());
    tests
        .map(|test| {
            let files = samples::read(folder, test, &rules.groups);
            let files = files.unwrap_or_else(|why| panic!("{name}: {why:?}"));
            let groups = files.as_ref().map_or(&rules.groups, |files| &files.groups);
            let given = Given {
                groups,
                production: production.as_ref(),
                files: files.as_ref().map(|files| &files.store),
                goldens: &goldens,
            };
            let setting = unittest::setting(test, &given, run);
            let Setting { store, options } =
                setting.unwrap_or_else(|why| panic!("{name}: {why:?}"));
            let groups = groups.clone();
            let case = Case {
                groups,
                store,
                options,
            };
            (format!("{name}: {}", test.name), case)
        })
        .collect()
}

/// Does what `check` says with all cases that are short enough, several at a time, since they mostly wait for
/// the disk.
fn each(check: impl Fn(&str, &mut Case) + Sync) {
    let cases = fixtures()
        .into_iter()
        .flat_map(|path| cases(&path))
        .filter(|(_, case)| length(case) <= LONGEST);
    let cases = Mutex::new(cases.collect::<Vec<_>>());
    let count = cases.lock().expect("no panic").len();
    assert!(count > 12, "only {count} incidents");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some((name, mut case)) = {
                    let mut cases = cases.lock().expect("no panic");
                    cases.pop()
                } {
                    check(&name, &mut case);
                }
            });
        }
    });
}

#[test]
fn the_daemon_tells_of_every_incident_what_a_replay_tells() {
    each(|name, case| {
        // A test runs on aligned slots, whatever the daemon's are; short ones are looked at on both.
        assert_eq!(case.options.schedule, Schedule::Aligned);
        if length(case) <= SHORT {
            check_equal(name, &case.replay(), &case.daemon());
        }
        case.options.schedule = Schedule::Production;
        check_equal(name, &case.replay(), &case.daemon());
    });
}
