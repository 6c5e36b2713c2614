//! Tests with real processes: Prometheus and promtool beside the `stentor` program itself.
//!
//! Everything runs on loopback, on ports of its own, in folders of its own. Where `prometheus` or
//! `promtool` is not at hand a test says SKIPPED and passes; in CI it fails. These are the only
//! tests that wait for real time: they poll for what must come, and give it a bound.

mod browser;
mod chunks;
mod crash;
mod differential;
mod disconnect;
mod history;
mod http;
mod parity;
mod peers;
mod process;
mod prometheus;
mod query;
mod record;
mod remote_write;
mod rules_pack;
mod same;
mod scene;
mod sink;
mod stentor;
mod trouble;
mod unit_tests;

use std::time::{Duration, Instant};

/// Asks again and again until there is an answer. Panics after `within`, saying `what` was missing.
#[track_caller]
fn eventually<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            Instant::now() < end,
            "not within {} s: {what}",
            within.as_secs()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    listener.local_addr().expect("its address").port()
}
