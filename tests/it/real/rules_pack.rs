//! The rules that ship, as promtool judges them.

use std::path::Path;
use std::process::Command;

use super::peers;

#[track_caller]
fn promtool(arguments: &[&str]) {
    let Some(promtool) = peers::need("promtool") else {
        return;
    };
    let output = Command::new(promtool)
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("rules"))
        .output()
        .expect("promtool can be run");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{arguments:?} failed:\n{said}");
}

#[test]
fn promtool_accepts_the_real_time_pack() {
    promtool(&[
        "check",
        "rules",
        "--lint=all",
        "--lint-fatal",
        "realtime.yml",
        "messages.yml",
        "fleet.yml",
        "slo.yml",
    ]);
}

#[test]
fn promtool_passes_the_tests_of_the_real_time_pack() {
    promtool(&[
        "test",
        "rules",
        "realtime_test.yml",
        "messages_test.yml",
        "fleet_test.yml",
        "slo_test.yml",
    ]);
}
