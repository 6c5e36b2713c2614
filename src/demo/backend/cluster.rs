//! The gateways of a cluster and their users: who wants to be online, who is, and who tries to be.

use stentor_lang::model::Timestamp;

use super::gateway::{End, Gateway};
use super::noise::Noise;
use super::{CONNECTIONS, STEP, Weather};

/// How long a user stays, in seconds, on average.
const SESSION: f64 = 600.0;
/// What share of its users a gateway that is drained sends away in a step.
const DRAIN: f64 = 0.5;

/// A cluster.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) gateways: Vec<Gateway>,
    /// Users who lost their connection and try again.
    outside: f64,
    /// How many gateways were drained in the step before.
    drained: usize,
}

impl Cluster {
    /// Gateways are numbered through the whole fleet.
    pub(super) fn new(place: usize, gateways: usize, started: Timestamp) -> Self {
        let numbers = place * gateways..(place + 1) * gateways;
        Self {
            gateways: numbers
                .map(|number| Gateway::new(number, CONNECTIONS, started))
                .collect(),
            outside: 0.0,
            drained: 0,
        }
    }

    /// Lets a step pass; `demand` is how much of the fleet's full load wants to be online.
    pub(super) fn step(
        &mut self,
        weather: &Weather,
        demand: f64,
        noise: Noise,
        tick: i64,
        at: Timestamp,
    ) {
        let leaving = 1.0 - (-STEP.seconds() / SESSION).exp();
        let mut thrown_out = 0.0;
        let mut sent_away = 0.0;
        for (place, gateway) in self.gateways.iter_mut().enumerate() {
            // Machines that were drained are started anew.
            let again = place < self.drained && place >= weather.drained;
            if place < weather.crash || again {
                thrown_out += gateway.connections;
                gateway.restart(at);
            }
            gateway.end_some(leaving);
            sent_away += gateway.end(weather.cut, End::Cut);
            if place < weather.drained {
                sent_away += gateway.end(DRAIN, End::GoingAway);
            }
        }
        self.drained = weather.drained;
        let coming = self.outside * weather.back + sent_away;
        self.outside = self.outside * (1.0 - weather.back) + thrown_out;
        #[expect(clippy::cast_precision_loss, reason = "a few thousand gateways")]
        let wanted = demand * CONNECTIONS * self.gateways.len() as f64;
        let new = wanted - self.online() - self.outside - coming;
        self.admit(coming + new.max(0.0), wanted);
        for gateway in &mut self.gateways {
            gateway.work(weather, noise, tick);
        }
    }

    fn online(&self) -> f64 {
        self.gateways
            .iter()
            .map(|gateway| gateway.connections)
            .sum()
    }

    /// New connections go where the fewest are.
    fn admit(&mut self, count: f64, wanted: f64) {
        let open = &mut self.gateways[self.drained..];
        #[expect(clippy::cast_precision_loss, reason = "a few thousand gateways")]
        let fair = wanted / open.len().max(1) as f64;
        let room = |gateway: &Gateway| (fair - gateway.connections).max(0.0);
        let all: f64 = open.iter().map(room).sum();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand gateways")]
        let even = 1.0 / open.len().max(1) as f64;
        for gateway in open {
            let share = if all > 0.0 { room(gateway) / all } else { even };
            gateway.open(count * share);
        }
    }
}
