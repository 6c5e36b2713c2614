//! Numbers that look random and are a function of their arguments: whatever else the simulation
//! draws, and in which order, each of them stays as it is.

/// What a number is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// The users of a cluster who want to be online.
    Demand = 1,
    /// The messages of a gateway.
    Messages = 2,
    /// The errors of a gateway.
    Errors = 3,
    /// The delays of a gateway's messages.
    Latency = 4,
    /// The queue of a gateway.
    Queue = 5,
    /// The memory of a gateway.
    Memory = 6,
}

/// Where the numbers of one run come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    pub(super) seed: u64,
}

impl Noise {
    /// Between -1 and 1, seldom near the ends.
    pub(super) fn at(self, stream: Stream, who: usize, tick: i64) -> f64 {
        let first = self.mixed(stream, who, tick);
        let second = mix(first);
        uniform(first) - uniform(second)
    }

    /// The same, going over from one number to the next within `ticks`.
    pub(super) fn slow(self, stream: Stream, who: usize, tick: i64, ticks: i64) -> f64 {
        let (place, rest) = (tick.div_euclid(ticks), tick.rem_euclid(ticks));
        let (from, to) = (self.at(stream, who, place), self.at(stream, who, place + 1));
        #[expect(clippy::cast_precision_loss, reason = "a few ticks")]
        let part = rest as f64 / ticks as f64;
        from + (to - from) * part
    }

    fn mixed(self, stream: Stream, who: usize, tick: i64) -> u64 {
        let seed = mix(self.seed ^ (stream as u64) << 56);
        mix(mix(seed ^ who as u64) ^ tick.cast_unsigned())
    }
}

/// The step and the mix of `SplitMix64` (Steele, Lea, Flood 2014).
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// From 0 to 1.
fn uniform(bits: u64) -> f64 {
    /// 2^53: below it every whole number is exact.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let value = (bits >> 11) as f64;
    value / WHOLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_and_stay_within_their_bounds() {
        let noise = Noise { seed: 7 };
        let all: Vec<f64> = (0..10_000)
            .map(|tick| noise.at(Stream::Messages, 3, tick))
            .collect();
        assert!(all.iter().all(|value| value.abs() <= 1.0));
        let mean = all.iter().sum::<f64>() / 10_000.0;
        assert!(mean.abs() < 0.02, "{mean}");
        let large = all.iter().filter(|value| value.abs() > 0.5).count();
        assert!((2_000..3_000).contains(&large), "{large}");
    }

    #[test]
    fn seeds_streams_and_gateways_have_numbers_of_their_own() {
        let at = |seed, stream, who| Noise { seed }.at(stream, who, 1);
        let first = at(1, Stream::Messages, 1);
        assert_eq!(first, at(1, Stream::Messages, 1));
        assert_ne!(first, at(2, Stream::Messages, 1));
        assert_ne!(first, at(1, Stream::Errors, 1));
        assert_ne!(first, at(1, Stream::Messages, 2));
    }

    #[test]
    fn slow_noise_has_no_jumps() {
        let noise = Noise { seed: 7 };
        let at = |tick| noise.slow(Stream::Demand, 0, tick, 40);
        assert!((-200..200).all(|tick| (at(tick) - at(tick + 1)).abs() < 0.06));
        assert_eq!(at(-40), noise.at(Stream::Demand, 0, -1));
    }
}
