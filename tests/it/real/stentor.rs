//! The `stentor` program in a folder of its own, which it finds again after `kill -9`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::process::Process;
use super::{eventually, free_port, http};

pub(super) struct Stentor {
    folder: tempfile::TempDir,
    pub(super) port: u16,
    process: Option<Process>,
}

impl Stentor {
    /// Starts it in a folder with these files, one of them `stentor.yml`, and waits until it is ready.
    pub(super) fn start(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let mut stentor = Self {
            folder,
            port: free_port(),
            process: None,
        };
        stentor.start_again();
        stentor
    }

    /// Starts it on the state it has, and waits until it is ready.
    pub(super) fn start_again(&mut self) {
        let folder = self.folder.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
        command
            .arg("run")
            .arg(format!(
                "--config.file={}",
                folder.join("stentor.yml").display()
            ))
            .arg(format!("--storage.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port));
        self.process = Some(Process::start("stentor", &mut command, &self.log()));
        eventually("Stentor is ready", Duration::from_secs(30), || {
            let ready = http::get(self.port, "/-/ready").ok()?;
            (ready.status == 200).then_some(())
        });
    }

    /// The folder with its files.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.path().join("stentor.log")
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        self.process.take().expect("a running Stentor").kill();
    }

    /// Asks it to end, and waits until it has: its exit code.
    pub(super) fn stop(&mut self) -> i32 {
        self.process.take().expect("a running Stentor").stop()
    }

    /// Puts another text into a file of its folder, and asks it to read its files anew.
    pub(super) fn reload(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("a file");
        let process = self.process.as_ref().expect("a running Stentor");
        process.signal("HUP");
    }

    /// The alerts of `/api/v1/alerts` with a name, as `(state, activeAt)`.
    pub(super) fn alerts(&self, name: &str) -> Vec<(String, String)> {
        let Ok(answer) = http::get(self.port, "/api/v1/alerts") else {
            return Vec::new();
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let alerts = answer.json();
        let alerts = alerts["data"]["alerts"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        alerts
            .iter()
            .filter(|alert| alert["labels"]["alertname"] == name)
            .map(|alert| (text(&alert["state"]), text(&alert["activeAt"])))
            .collect()
    }
}

impl Drop for Stentor {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            #[expect(clippy::print_stderr, reason = "what a failed test needs")]
            {
                eprintln!("-- log of stentor:\n{log}");
            }
        }
    }
}
