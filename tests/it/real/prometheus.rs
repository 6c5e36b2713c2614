//! A real Prometheus in a folder of its own. It scrapes nothing: its samples are pushed.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::process::Process;
use super::remote_write::{Sample, push};
use super::{eventually, free_port, http, peers};

/// The instant look-back of every Prometheus here: an outage of more than this is a hole in the data.
pub(super) const LOOKBACK: Duration = Duration::from_secs(3);

pub(super) struct Prometheus {
    program: PathBuf,
    folder: tempfile::TempDir,
    pub(super) port: u16,
    process: Option<Process>,
}

impl Prometheus {
    /// Starts one with these rule files, evaluated at this interval, or says SKIPPED.
    pub(super) fn start(rule_files: &[PathBuf], interval: &str) -> Option<Self> {
        let program = peers::need("prometheus")?;
        let folder = tempfile::tempdir().expect("a folder");
        let files = serde_json::to_string(rule_files).expect("paths as JSON, which is YAML");
        // Out of order, so that history can be pushed after newer samples of other series.
        let config = format!(
            "global: {{evaluation_interval: {interval}}}\nrule_files: {files}\n\
             storage: {{tsdb: {{out_of_order_time_window: 1d}}}}\n"
        );
        std::fs::write(folder.path().join("prometheus.yml"), config).expect("a file");
        let mut prometheus = Self {
            program,
            folder,
            port: free_port(),
            process: None,
        };
        prometheus.start_again();
        Some(prometheus)
    }

    /// Starts it on the data it has, and waits until it answers.
    pub(super) fn start_again(&mut self) {
        let folder = self.folder.path();
        let mut command = Command::new(&self.program);
        command
            .arg(format!(
                "--config.file={}",
                folder.join("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .arg(format!("--query.lookback-delta={}s", LOOKBACK.as_secs()))
            .args(["--web.enable-remote-write-receiver", "--log.level=warn"]);
        self.process = Some(Process::start(
            "prometheus",
            &mut command,
            &folder.join("prometheus.log"),
        ));
        eventually("Prometheus is ready", Duration::from_secs(30), || {
            let ready = http::get(self.port, "/-/ready").ok()?;
            (ready.status == 200).then_some(())
        });
    }

    pub(super) fn stop(&mut self) {
        let process = self.process.take().expect("a running Prometheus");
        assert_eq!(process.stop(), 0);
    }

    #[track_caller]
    pub(super) fn push(&self, samples: &[Sample]) {
        for part in samples.chunks(5000) {
            push(self.port, part).expect("Prometheus takes samples");
        }
    }
}

/// Milliseconds since the epoch.
pub(super) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("a clock after 1970").as_millis();
    i64::try_from(now).expect("a clock before the year 292,000,000")
}

/// `ws_connections` of three instances that share a total: 32 %, 34 % and 34 % of it.
pub(super) fn connections(total: f64, at: i64) -> Vec<Sample> {
    let share = [("a", 0.32), ("b", 0.34), ("c", 0.34)];
    let of = |(instance, share): (&str, f64)| Sample {
        labels: [
            ("__name__", "ws_connections"),
            ("job", "realtime"),
            ("instance", instance),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        value: (share * total).round(),
        at,
    };
    share.map(of).to_vec()
}

/// The backend: reports its connections twice a second, whether Prometheus takes them or not.
pub(super) struct Backend {
    total: Arc<AtomicU32>,
    silent: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Backend {
    /// Begins with `total` connections, after an hour of as many.
    pub(super) fn start(prometheus: &Prometheus, total: u32) -> Self {
        // On whole quarters of a minute: that is where the steps of the rules' subqueries look.
        let end = now() / 15_000;
        let history =
            (end - 240..=end).flat_map(|quarter| connections(f64::from(total), quarter * 15_000));
        prometheus.push(&history.collect::<Vec<_>>());
        let total = Arc::new(AtomicU32::new(total));
        let [silent, ends] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (port, level) = (prometheus.port, Arc::clone(&total));
        let (quiet, end) = (Arc::clone(&silent), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let level = f64::from(level.load(Ordering::Relaxed));
                // A Prometheus that is down loses samples, as it does when it scrapes.
                if !quiet.load(Ordering::Relaxed) {
                    let _ = push(port, &connections(level, now()));
                }
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        Self {
            total,
            silent,
            ends,
            thread: Some(thread),
        }
    }

    pub(super) fn set(&self, total: u32) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// Whether it reports nothing, as a target that cannot be scraped.
    pub(super) fn silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    /// Moves from one total to another in equal steps.
    pub(super) fn move_to(&self, to: u32, during: Duration) {
        const STEPS: u32 = 20;
        let from = self.total.load(Ordering::Relaxed);
        for step in 1..=STEPS {
            std::thread::sleep(during / STEPS);
            self.set((from * (STEPS - step) + to * step) / STEPS);
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
