//! `stentor replay` over the history of a real Prometheus: by remote read, by the query API, and from
//! what was kept on disk.

use std::path::Path;
use std::process::Command;

use super::prometheus::{Prometheus, now};
use super::remote_write::Sample;

const MINUTE: i64 = 60_000;

/// `m` of two instances: one ends after ten minutes with a marker, the other without.
fn samples(begin: i64) -> Vec<Sample> {
    let mut all = Vec::new();
    for (instance, stale) in [("marked", true), ("silent", false)] {
        for step in 0..=40 {
            let end = stale && step == 40;
            all.push(Sample {
                labels: [("__name__", "m"), ("instance", instance)]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .to_vec(),
                value: if end {
                    f64::from_bits(0x7ff0_0000_0000_0002)
                } else {
                    f64::from(step + 1)
                },
                at: begin + i64::from(step) * 15_000,
            });
        }
    }
    all
}

/// The lines of a replay of these minutes that tell of an instance, and all that it tells.
fn replay(port: u16, folder: &Path, begin: i64, more: &[&str]) -> (Vec<String>, String) {
    let seconds = |millis: i64| (millis / 1000).to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_stentor"))
        .args([
            "replay",
            "--datasource.url",
            &format!("http://127.0.0.1:{port}"),
        ])
        .args(["--rule.files", "rules.yml", "--start", &seconds(begin)])
        .args(["--end", &seconds(begin + 30 * MINUTE)])
        .args(more)
        .current_dir(folder)
        .output()
        .expect("stentor runs");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter(|line| line.contains("instance="));
    (lines.map(str::to_owned).collect(), text)
}

#[test]
fn history_of_a_real_prometheus() {
    let Some(mut prometheus) = Prometheus::start(&[], "1m") else {
        return;
    };
    let begin = now() / MINUTE * MINUTE - 60 * MINUTE;
    prometheus.push(&samples(begin));
    let folder = tempfile::tempdir().expect("a folder");
    let rules = "groups:\n- name: g\n  interval: 15s\n  rules:\n  - {alert: There, expr: m > 0}\n";
    std::fs::write(folder.path().join("rules.yml"), rules).expect("a file");
    let run = |port: u16, more: &[&str]| replay(port, folder.path(), begin, more);
    let port = prometheus.port;

    let (remote, text) = run(port, &["--datasource.read", "remote", "--no-cache"]);
    assert!(
        text.contains(": remote read of http://127.0.0.1:"),
        "{text}"
    );
    assert!(!text.contains("staleness markers"), "{text}");
    let (api, text) = run(port, &["--datasource.read", "api", "--no-cache"]);
    assert!(text.contains(": query API of http://127.0.0.1:"), "{text}");
    assert!(text.contains("no staleness markers"), "{text}");
    // Both fire and are resolved; the API knows the end of one only when the look-back is over.
    assert_eq!((remote.len(), api.len()), (4, 4), "{remote:#?}{api:#?}");
    let of = |lines: &[String], instance: &str| {
        let lines = lines.iter().filter(|line| line.contains(instance));
        lines.cloned().collect::<Vec<_>>()
    };
    assert_eq!(of(&remote, "silent"), of(&api, "silent"));
    let (marked, late) = (of(&remote, "marked"), of(&api, "marked"));
    assert_eq!(marked[0], late[0]);
    assert_ne!(marked[1], late[1]);

    let kept = ["--cache.path", "kept"];
    assert_eq!(run(port, &kept).0, remote);
    prometheus.stop();
    assert_eq!(run(port, &kept).0, remote);
}
