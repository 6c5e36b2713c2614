//! The incidents of `fixtures/`, as a user runs them: all pass with one command, each is told and
//! tested, and rules that were made deaf or slow fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folders of the incidents, in order of their names.
fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("fixtures")).expect("fixtures/ can be read");
    let mut folders: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(!folders.is_empty(), "no incidents in fixtures/");
    folders
}

fn name(folder: &Path) -> &str {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.expect("a folder's name is text")
}

fn stentor_test(folder: &Path, files: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stentor"))
        .arg("test")
        .args(files)
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .output()
        .expect("stentor can be started")
}

fn shown(output: &Output) -> String {
    let text = String::from_utf8_lossy;
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn every_incident_passes() {
    let files: Vec<_> = folders()
        .iter()
        .map(|folder| format!("fixtures/{}/test.yml", name(folder)))
        .collect();
    let output = stentor_test(root(), &files);
    assert!(output.status.success(), "{}", shown(&output));
}

#[test]
fn every_incident_is_told_and_tested() {
    for folder in folders() {
        let name = name(&folder);
        let read = |file: &str| {
            let text = std::fs::read_to_string(folder.join(file));
            text.unwrap_or_else(|error| panic!("fixtures/{name}/{file}: {error}"))
        };
        let (story, tests) = (read("README.md"), read("test.yml"));
        let command = format!("$ stentor test fixtures/{name}/test.yml");
        assert!(
            story.contains(&command),
            "fixtures/{name}/README.md does not say `{command}`"
        );
        assert!(
            tests.contains("config_file: ../stentor.yml"),
            "fixtures/{name}/test.yml has no routes"
        );
        for test in tests.split("\n  - name: ").skip(1) {
            let title = test.lines().next().unwrap_or_default();
            assert!(
                test.contains("\n    notification_test:"),
                "fixtures/{name}: `{title}`: who is told is not said"
            );
        }
        assert!(
            tests.contains("\n    timeline_test:"),
            "fixtures/{name}: what fires when is not said"
        );
        let is_quiet = !tests.contains("receiver: ");
        assert!(
            is_quiet || tests.contains("\n    detection_test:"),
            "fixtures/{name}: somebody is told, and how soon is not said"
        );
        for entry in std::fs::read_dir(&folder).expect("a folder can be read") {
            let path = entry.expect("an entry").path();
            let size = path.metadata().expect("a file's size").len();
            assert!(size < 200_000, "{} has {size} bytes", path.display());
        }
    }
}

/// Copies a folder of the project into another, with all that is in it.
fn copy(folder: &Path, to: &Path) {
    let place = folder.strip_prefix(root()).expect("it is in the project");
    std::fs::create_dir_all(to.join(place)).expect("a folder can be made");
    for entry in std::fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            copy(&path, to);
        } else {
            let name = path.file_name().expect("a file has a name");
            std::fs::copy(&path, to.join(place).join(name)).expect("a file can be copied");
        }
    }
}

/// What the tests of an incident say of rules in which `from` became `to`.
fn mutated(incident: &str, file: &str, from: &str, to: &str) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy(&root().join("rules"), folder.path());
    copy(&root().join("fixtures").join(incident), folder.path());
    let routes = "fixtures/stentor.yml";
    std::fs::copy(root().join(routes), folder.path().join(routes)).expect("routes can be copied");
    let rules = folder.path().join("rules").join(file);
    let text = std::fs::read_to_string(&rules).expect("rules can be read");
    assert!(
        text.contains(from),
        "{file} has no `{from}` any more: what is to be changed here?"
    );
    std::fs::write(&rules, text.replace(from, to)).expect("rules can be written");
    stentor_test(folder.path(), &[format!("fixtures/{incident}/test.yml")])
}

/// Somebody changes the rules, and the incident says what would have been missed. A golden body has the
/// expression in a link and differs anyway: it has to be this kind of failure.
#[track_caller]
fn fails(incident: &str, file: &str, from: &str, to: &str, failure: &str) {
    let output = mutated(incident, file, from, to);
    let shown = shown(&output);
    assert_eq!(
        output.status.code(),
        Some(1),
        "`{to}` for `{from}`: {shown}"
    );
    let failure = format!("error[test/{failure}");
    assert!(shown.contains(&failure), "no {failure}: {shown}");
}

#[test]
fn a_raised_limit_fails() {
    fails(
        "error-rate",
        "realtime.yml",
        "> 0.01",
        "> 0.05",
        "detection]",
    );
    fails("slo-burn", "slo.yml", "> 14.4", "> 60", "detection]");
}

#[test]
fn a_raised_hold_duration_fails() {
    fails(
        "connection-surge",
        "messages.yml",
        "for: 1m",
        "for: 2m",
        "detection]",
    );
}

#[test]
fn a_shorter_memory_fails() {
    fails(
        "three-hour-outage",
        "realtime.yml",
        "[8h:5m]",
        "[2h:5m]",
        "timeline]",
    );
}

#[test]
fn a_lowered_limit_fails_where_nobody_may_be_told() {
    let quiet = "notification]: test `a minute in which a third of the requests is slow`";
    fails("slo-burn", "slo.yml", "> 14.4", "> 4", quiet);
}
