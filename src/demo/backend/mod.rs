//! The simulated real-time backend: a fleet of gateways in clusters, whose users come and go, send and
//! are thrown out, and what a Prometheus that scrapes it every 15 seconds would hold.
//!
//! It is a function of its seed, its start and the weather: it knows no clock and no rules.

mod cluster;
mod gateway;
mod noise;

use std::f64::consts::TAU;

use stentor_lang::model::{Duration, Labels, METRIC_NAME, Timestamp};
use stentor_lang::promql::store::SampleBuffer;

use cluster::Cluster;
use noise::{Noise, Stream};

/// The clusters' names.
pub(crate) const CLUSTERS: [&str; 2] = ["eu-1", "us-1"];
/// The job under which gateways are scraped.
const JOB: &str = "realtime";
/// The time between two scrapes.
pub(crate) const STEP: Duration = Duration::from_secs(15);
/// How many connections a gateway holds when all is well.
pub(crate) const CONNECTIONS: f64 = 250_000.0;
/// By how much fewer users are online at night.
const NIGHT: f64 = 0.12;

/// How large the fleet is, and from what its noise comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Gateways in each cluster.
    pub(crate) gateways: usize,
    /// The seed of the noise.
    pub(crate) seed: u64,
}

/// What acts on a cluster in a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weather {
    /// How many gateways are restarted now, without telling their users.
    pub(crate) crash: usize,
    /// What share of users without a connection comes back in a step.
    pub(crate) back: f64,
    /// What share of connections is cut in a step, to come back at once.
    pub(crate) cut: f64,
    /// How many gateways take no new users and send theirs away.
    pub(crate) drained: usize,
    /// How much of the usual is sent.
    pub(crate) inbound: f64,
    /// How much of what is sent is handed on.
    pub(crate) outbound: f64,
    /// The share of messages that are held up.
    pub(crate) slow: f64,
    /// The share of messages that fail, beside the usual ones.
    pub(crate) errors: f64,
    /// By how many messages in a second each gateway's queue grows.
    pub(crate) backlog: f64,
    /// A gateway that is slow and fails alone, by its number in the fleet.
    pub(crate) bad_gateway: Option<usize>,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            crash: 0,
            back: 0.9,
            cut: 0.0,
            drained: 0,
            inbound: 1.0,
            outbound: 1.0,
            slow: 0.0,
            errors: 0.0,
            backlog: 0.0,
            bad_gateway: None,
        }
    }
}

/// The fleet at one scrape.
#[derive(Debug)]
pub(crate) struct Backend {
    size: Size,
    clusters: Vec<Cluster>,
    /// The labels of all series, in the order in which gateways expose them.
    series: Vec<Labels>,
    /// The next scrape, counted from the one at the start.
    tick: i64,
    start: Timestamp,
}

impl Backend {
    /// A fleet whose first scrape is so many steps before `start`.
    pub(crate) fn new(size: Size, start: Timestamp, steps_before: i64) -> Self {
        let first = start - STEP.times(steps_before + 1);
        let clusters: Vec<Cluster> = (0..CLUSTERS.len())
            .map(|place| Cluster::new(place, size.gateways, first))
            .collect();
        let mut backend = Self {
            size,
            clusters,
            series: Vec::new(),
            tick: -steps_before,
            start,
        };
        backend.series = backend.labels();
        backend
    }

    /// When the next scrape is.
    pub(crate) fn next(&self) -> Timestamp {
        self.start + STEP.times(self.tick)
    }

    /// Lets a step pass and scrapes all gateways: the samples in the order of [`Self::series`].
    pub(crate) fn scrape(&mut self, weather: &[Weather], samples: &mut Vec<f64>) {
        let noise = Noise {
            seed: self.size.seed,
        };
        let at = self.next();
        for (place, (cluster, weather)) in self.clusters.iter_mut().zip(weather).enumerate() {
            let wave = noise.slow(Stream::Demand, place, self.tick, 40);
            let demand = day(at - self.start) * (1.0 + 0.004 * wave);
            cluster.step(weather, demand, noise, self.tick, at);
        }
        self.tick += 1;
        samples.clear();
        for gateway in self.gateways() {
            gateway.expose(&mut |_, _, value| samples.push(value));
        }
    }

    /// The labels of all series, in the order of the samples.
    pub(crate) fn series(&self) -> &[Labels] {
        &self.series
    }

    /// Many scrapes in good weather, as series.
    pub(crate) fn history(&mut self, steps: usize) -> Vec<(Labels, SampleBuffer)> {
        let weather = vec![Weather::default(); CLUSTERS.len()];
        let mut times = Vec::with_capacity(steps);
        let mut columns = vec![Vec::with_capacity(steps); self.series.len()];
        let mut samples = Vec::with_capacity(self.series.len());
        for _ in 0..steps {
            times.push(self.next().millis());
            self.scrape(&weather, &mut samples);
            for (column, value) in columns.iter_mut().zip(&samples) {
                column.push(*value);
            }
        }
        let series = self.series.iter().cloned().zip(columns);
        series
            .map(|(labels, values)| {
                let samples = SampleBuffer {
                    times: times.clone(),
                    values,
                    ..SampleBuffer::default()
                };
                (labels, samples)
            })
            .collect()
    }

    fn gateways(&self) -> impl Iterator<Item = &gateway::Gateway> {
        self.clusters.iter().flat_map(|cluster| &cluster.gateways)
    }

    fn labels(&self) -> Vec<Labels> {
        let mut all = Vec::new();
        for (cluster, name) in self.clusters.iter().zip(CLUSTERS) {
            for (number, gateway) in (1..).zip(&cluster.gateways) {
                let instance = format!("rt-{name}-{number:02}:9100");
                gateway.expose(&mut |metric, labels, _| {
                    let own = [
                        (METRIC_NAME, metric),
                        ("cluster", name),
                        ("job", JOB),
                        ("instance", &instance),
                    ];
                    all.push(Labels::from_pairs(own.iter().chain(labels).copied()));
                });
            }
        }
        all
    }
}

/// How much of the fleet's users is online so long after the start, which is the busiest time of a day.
fn day(since_start: Duration) -> f64 {
    let part = since_start.seconds() / Duration::from_hours(24).seconds();
    1.0 - NIGHT * (1.0 - (TAU * part).cos()) / 2.0
}

#[cfg(test)]
mod tests;
