//! A process that ends with the test that started it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::eventually;

pub(super) struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts a program. Its output goes to the end of a file.
    pub(super) fn start(name: &'static str, command: &mut Command, log: &Path) -> Self {
        let log = std::fs::File::options().append(true).create(true).open(log);
        let log = log.expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log twice"))
            .stderr(log)
            .spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { name, child }
    }

    /// `kill -9`.
    pub(super) fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process can be waited for");
    }

    /// Asks it to end, and waits until it has: its exit code.
    pub(super) fn stop(mut self) -> i32 {
        self.signal("TERM");
        let what = format!("{} ends", self.name);
        eventually(&what, Duration::from_secs(30), || self.exit_code())
    }

    /// Sends a signal by its name.
    pub(super) fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args(["-s", signal, &self.child.id().to_string()])
            .status();
        assert!(status.expect("kill can be run").success());
    }

    /// The exit code, once it has ended: -1 for a signal.
    pub(super) fn exit_code(&mut self) -> Option<i32> {
        let status = self.child.try_wait().expect("a child can be asked");
        status.map(|status| status.code().unwrap_or(-1))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
