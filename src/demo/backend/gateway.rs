//! One gateway of the fleet: the connections that it holds, what it counts, and how it tells that to
//! whoever scrapes it.

use super::noise::{Noise, Stream};
use super::{STEP, Weather};
use stentor_lang::model::Timestamp;

/// What a user sends in a second, by kind of event: presence is most of it.
const SENT: [(&str, f64); 4] = [
    ("presence", 0.012),
    ("message", 0.005),
    ("typing", 0.002),
    ("receipt", 0.001),
];
/// How many users see what one sends.
const FAN_OUT: f64 = 4.0;
/// The share of messages that fail on a good day.
const USUAL_ERRORS: f64 = 0.0008;

/// How long messages take: of a healthy message, and of one that something holds up, what share
/// takes at most so many milliseconds.
const LATENCY: [(&str, f64, f64); 11] = [
    ("5", 0.30, 0.0),
    ("10", 0.62, 0.0),
    ("25", 0.90, 0.01),
    ("50", 0.97, 0.02),
    ("100", 0.994, 0.05),
    ("200", 0.9996, 0.10),
    ("500", 0.9999, 0.25),
    ("1000", 0.999_98, 0.70),
    ("2500", 0.999_995, 0.97),
    ("5000", 1.0, 0.995),
    ("+Inf", 1.0, 1.0),
];
/// Their means in milliseconds.
const MEAN: (f64, f64) = (13.0, 900.0);
/// The share of messages that seem to arrive before they were sent: clients' clocks differ.
const NEGATIVE: f64 = 0.001;
/// How long messages are in the server, by its own clock, and their mean in milliseconds.
const SERVER: [(&str, f64); 6] = [
    ("5", 0.55),
    ("10", 0.85),
    ("25", 0.97),
    ("100", 0.9995),
    ("250", 0.9999),
    ("+Inf", 1.0),
];
const SERVER_MEAN: f64 = 6.0;
/// How long requests over HTTP take, and their mean in seconds; a connection begins with two of them.
const REQUESTS: [(&str, f64); 6] = [
    ("0.05", 0.80),
    ("0.1", 0.98),
    ("0.2", 0.9997),
    ("0.5", 0.9999),
    ("1", 0.999_99),
    ("+Inf", 1.0),
];
const REQUEST_MEAN: f64 = 0.035;

/// How connections end: normal, going away, cut on the way, server error, restart.
const CODES: [&str; 5] = ["1000", "1001", "1006", "1011", "1012"];
/// What share of the usual ends has which code.
const USUAL_ENDS: [f64; 5] = [0.80, 0.168, 0.03, 0.0015, 0.0005];

/// A gateway's queue of messages that wait to be sent.
const QUEUE: f64 = 100_000.0;
/// What a process needs, and what a connection needs, in bytes.
const MEMORY: (f64, f64) = (4e7, 24.0 * 1024.0);

/// How a connection ended: an index into [`CODES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    GoingAway = 1,
    Cut = 2,
}

/// A gateway. All but `connections`, `queue` and `memory` are counters.
#[derive(Debug, Clone, Default)]
pub(super) struct Gateway {
    /// Its number in the fleet.
    pub(super) number: usize,
    pub(super) connections: f64,
    opened: f64,
    ended: [f64; CODES.len()],
    inbound: [f64; SENT.len()],
    outbound: [f64; SENT.len()],
    errors: f64,
    latency: [f64; LATENCY.len()],
    latency_sum: f64,
    server: [f64; SERVER.len()],
    server_sum: f64,
    requests: [f64; REQUESTS.len()],
    requests_sum: f64,
    negative: f64,
    queue: f64,
    memory: f64,
    started: f64,
}

impl Gateway {
    pub(super) fn new(number: usize, connections: f64, started: Timestamp) -> Self {
        Self {
            number,
            connections,
            memory: MEMORY.0 + MEMORY.1 * connections,
            started: started.seconds(),
            ..Self::default()
        }
    }

    /// The process ends and another one begins: connections and counters are gone.
    pub(super) fn restart(&mut self, at: Timestamp) {
        *self = Self::new(self.number, 0.0, at);
    }

    /// Connections that end as some always do.
    pub(super) fn end_some(&mut self, share: f64) {
        let ended = self.connections * share;
        self.connections -= ended;
        for (count, share) in self.ended.iter_mut().zip(USUAL_ENDS) {
            *count += (ended * share).round();
        }
    }

    /// Connections that something ends: how many.
    pub(super) fn end(&mut self, share: f64, how: End) -> f64 {
        let ended = self.connections * share;
        self.connections -= ended;
        self.ended[how as usize] += ended.round();
        ended
    }

    pub(super) fn open(&mut self, count: f64) {
        self.connections += count;
        self.opened += count.round();
        let requests = 2.0 * count;
        for (bucket, (_, share)) in self.requests.iter_mut().zip(REQUESTS) {
            *bucket += (requests * share).round();
        }
        self.requests_sum += requests * REQUEST_MEAN;
    }

    /// What passes through in a step.
    pub(super) fn work(&mut self, weather: &Weather, noise: Noise, tick: i64) {
        let number = self.number;
        let noise = |stream| noise.at(stream, number, tick);
        let users = self.connections * STEP.seconds() * (1.0 + 0.015 * noise(Stream::Messages));
        let bad = weather.bad_gateway == Some(self.number);
        let mut handled = 0.0;
        let mut delivered = 0.0;
        for (kind, (_, rate)) in SENT.iter().enumerate() {
            let sent = (users * rate * weather.inbound).round();
            let seen = (users * rate * FAN_OUT * weather.outbound).round();
            self.inbound[kind] += sent;
            self.outbound[kind] += seen;
            handled += sent;
            delivered += seen;
        }
        let errors = if bad {
            weather.errors.max(0.03)
        } else {
            weather.errors
        };
        let errors = (USUAL_ERRORS + errors) * (1.0 + 0.05 * noise(Stream::Errors));
        self.errors += (handled * errors).round();
        let slow = if bad { 0.12 } else { weather.slow };
        self.observe(delivered, slow * (1.0 + 0.05 * noise(Stream::Latency)));
        self.queue = (self.queue + weather.backlog * STEP.seconds()).clamp(0.0, QUEUE);
        if weather.backlog <= 0.0 {
            let usual = 400.0 * (1.0 + 0.4 * noise(Stream::Queue));
            self.queue = usual + (self.queue - usual).max(0.0) * 0.5;
        }
        let wanted = MEMORY.0 + MEMORY.1 * self.connections;
        // An allocator takes at once and gives back slowly.
        let pace = if wanted > self.memory { 0.8 } else { 0.05 };
        self.memory += (wanted - self.memory) * pace + 2e6 * noise(Stream::Memory);
    }

    fn observe(&mut self, messages: f64, slow: f64) {
        let mixed = |good: f64, bad: f64| good * (1.0 - slow) + bad * slow;
        for (at, (_, good, bad)) in LATENCY.iter().enumerate() {
            self.latency[at] += (messages * mixed(*good, *bad)).round();
        }
        for (bucket, (_, share)) in self.server.iter_mut().zip(SERVER) {
            *bucket += (messages * share).round();
        }
        self.latency_sum += (messages * mixed(MEAN.0, MEAN.1)).round();
        self.server_sum += (messages * SERVER_MEAN).round();
        self.negative += (messages * NEGATIVE).round();
    }

    /// Every sample of a scrape, always the same series in the same order: name, labels, value.
    pub(super) fn expose(&self, each: &mut Each<'_>) {
        each("up", &[], 1.0);
        each("process_start_time_seconds", &[], self.started);
        each("process_resident_memory_bytes", &[], self.memory.round());
        each("ws_connections", &[], self.connections.round());
        each("ws_connections_opened_total", &[], self.opened);
        for (code, count) in CODES.iter().zip(self.ended) {
            each("ws_closes_total", &[("code", code)], count);
        }
        for (kind, (name, _)) in SENT.iter().enumerate() {
            let labels = [("event_type", *name)];
            each("ws_messages_total", &labels, self.inbound[kind]);
            each("ws_messages_in_total", &labels, self.inbound[kind]);
            each("ws_messages_out_total", &labels, self.outbound[kind]);
        }
        each("ws_message_errors_total", &[], self.errors);
        each("ws_queue_messages", &[], self.queue.round());
        each("ws_queue_capacity_messages", &[], QUEUE);
        let latency = LATENCY.map(|(le, ..)| le).into_iter().zip(self.latency);
        expose_histogram(
            each,
            "ws_e2e_latency_milliseconds",
            latency,
            self.latency_sum,
        );
        let server = SERVER.map(|(le, _)| le).into_iter().zip(self.server);
        expose_histogram(
            each,
            "ws_server_latency_milliseconds",
            server,
            self.server_sum,
        );
        let requests = REQUESTS.map(|(le, _)| le).into_iter().zip(self.requests);
        expose_histogram(
            each,
            "http_request_duration_seconds",
            requests,
            self.requests_sum,
        );
        each("ws_e2e_latency_negative_total", &[], self.negative);
    }
}

/// Hands over a sample: name, labels, value.
type Each<'a> = dyn FnMut(&str, &[(&str, &str)], f64) + 'a;

/// The buckets of a classic histogram, its sum, and its count, which is the last bucket.
fn expose_histogram(
    each: &mut Each<'_>,
    name: &str,
    buckets: impl Iterator<Item = (&'static str, f64)>,
    sum: f64,
) {
    let mut all = 0.0;
    for (le, count) in buckets {
        each(&format!("{name}_bucket"), &[("le", le)], count);
        all = count;
    }
    each(&format!("{name}_sum"), &[], sum);
    each(&format!("{name}_count"), &[], all);
}
