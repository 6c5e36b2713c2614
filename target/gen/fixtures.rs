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
            let has = |section: &str| test.contains(&format!("\n    {section}:"));
            assert!(
                has("timeline_test"),
                "fixtures/{name}: `{title}`: what fires when is not said"
            );
            assert!(
                has("notification_test"),
                "fixtures/{name}: `{title}`: who is told is not said"
            );
            let quiet = test.contains("\n    notification_test: []");
            assert!(
                quiet || has("detection_test"),
                "fixtures/{name}: `{title}`: somebody is told, and no incident says why"
            );
        }
        for entry in std::fs::read_dir(&folder).expect("a folder can be read") {
            let path = entry.expect("an entry").path();
            let size = path.metadata().expect("a file's size").len();
            assert!(size < 200_000, "{} has {size} bytes", path.display());
        }
    }
}

/// A copy of the rules and of one incident, in which `from` of a rule file became `to`.
fn mutated(incident: &str, file: &str, from: &str, to: &str) -> Output {
    let copy = tempfile::tempdir().expect("a temporary folder");
    let put = |path: &Path, to: &Path| {
        std::fs::create_dir_all(to.parent().expect("a file is in a folder")).expect("a folder");
        std::fs::copy(path, to).expect("a file can be copied");
    };
    let fixtures = root().join("fixtures");
    put(&fixtures.join("stentor.yml"), &copy.path().join("fixtures/stentor.yml"));
    for folder in [fixtures.join(incident), root().join("rules")] {
        let entries = std::fs::read_dir(&folder).expect("a folder can be read");
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            let place = path.strip_prefix(root()).expect("it is in the project");
            put(&path, &copy.path().join(place));
        }
    }
    let rules = copy.path().join("rules").join(file);
    let text = std::fs::read_to_string(&rules).expect("rules can be read");
    assert!(text.contains(from), "{file} has no `{from}` any more: what is to be raised here?");
    std::fs::write(&rules, text.replace(from, to)).expect("rules can be written");
    stentor_test(copy.path(), &[format!("fixtures/{incident}/test.yml")])
}

/// Somebody raises a limit or a time of the rules: the incident fails, and says what was missed.
#[track_caller]
fn fails(incident: &str, file: &str, from: &str, to: &str) {
    let same = mutated(incident, file, from, from);
    assert!(same.status.success(), "{}", shown(&same));
    let output = mutated(incident, file, from, to);
    let shown = shown(&output);
    assert_eq!(output.status.code(), Some(1), "`{to}` for `{from}`: {shown}");
    assert!(shown.contains("FAILED"), "{shown}");
}

#[test]
fn a_raised_limit_fails() {
    fails("error-rate", "realtime.yml", "> 0.01", "> 0.05");
}

#[test]
fn a_raised_hold_duration_fails() {
    fails("three-hour-outage", "realtime.yml", "for: 1m", "for: 5m");
}

#[test]
fn a_shorter_memory_fails() {
    fails("three-hour-outage", "realtime.yml", "[8h:5m]", "[2h:5m]");
}
