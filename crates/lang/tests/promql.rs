//! Runs scripts of the promqltest language: those of the shared conformance data, and those of the
//! folder that the environment variable `PROMQLTEST_DIR` names, such as
//! `promql/promqltest/testdata` in a checkout of Prometheus.
//!
//! `PROMQLTEST_ONLY=functions` runs the files whose name contains that, and shows all their failures:
//! `PROMQLTEST_ONLY=functions cargo test -p stentor-lang --test promql -- --nocapture`

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests say what they skip and stop at what they do not expect"
)]

use std::fs;
use std::path::{Path, PathBuf};

use stentor_lang::promql::script;

/// Failures shown of one file, if it is not asked for alone.
const SHOWN: usize = 3;

#[test]
fn conformance_scripts_pass() {
    let shared = std::env::var_os("STENTOR_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("conformance/promql");
    if !folder.is_dir() {
        let why = format!("{} is not there", folder.display());
        assert!(std::env::var_os("CI").is_none(), "{why}");
        println!("SKIPPED: {why}");
        return;
    }
    run_folder(&folder);
}

#[test]
fn scripts_of_a_given_folder_pass() {
    if let Some(folder) = std::env::var_os("PROMQLTEST_DIR") {
        run_folder(Path::new(&folder));
    }
}

fn run_folder(folder: &Path) {
    let only = std::env::var("PROMQLTEST_ONLY").unwrap_or_default();
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "test"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no *.test in {}", folder.display());
    let mut failed = Vec::new();
    let (mut passed, mut all) = (0, 0);
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.contains(&only) {
            continue;
        }
        let (good, count, failures) = run_file(&path);
        println!("{name}: {good}/{count}");
        let shown = if only.is_empty() { SHOWN } else { usize::MAX };
        for failure in failures.iter().take(shown) {
            println!("  {name}:{failure}");
        }
        passed += good;
        all += count;
        if !failures.is_empty() {
            failed.push(name);
        }
    }
    println!("all: {passed}/{all}");
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// How many evaluations passed, how many there are, and what failed.
fn run_file(path: &Path) -> (usize, usize, Vec<String>) {
    let text = fs::read_to_string(path).unwrap();
    match script::run(&text) {
        Ok(report) => {
            let failures = report.failures().map(|outcome| {
                let why = outcome.failure.as_deref().unwrap_or_default();
                format!("{}: {}: {why}", outcome.line, outcome.expr)
            });
            let failures = failures.collect();
            (report.passed(), report.outcomes.len(), failures)
        }
        Err(errors) => {
            let source = stentor_lang::model::SourceText::new("", text);
            let shown = errors.iter().map(|error| {
                let place = source.position(error.span.start);
                format!("{place}: {}", error.message)
            });
            (0, 1, shown.collect())
        }
    }
}
