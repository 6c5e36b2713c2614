//! What happens to the fleet: a schedule that repeats, each entry with its effect and with a sentence
//! for those who watch. Two entries leave everybody asleep; the others page somebody.

use stentor_lang::model::Duration;

use super::backend::{CLUSTERS, CONNECTIONS, STEP, Weather};

/// After this time the schedule begins again.
pub(crate) const CYCLE: Duration = Duration::from_mins(200);

/// Something that happens to one cluster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Incident {
    /// Minutes from the beginning of the schedule.
    begins: i64,
    /// For how many minutes it lasts.
    lasts: i64,
    /// Whom it happens to: an index into [`CLUSTERS`].
    cluster: usize,
    effect: Effect,
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// A deployment restarts many gateways at once; their users come back slowly.
    Crash,
    /// One message in 25 is held up.
    Slow,
    /// One message in 25 fails.
    Errors,
    /// Gateways are emptied, and their users go to others.
    Drain,
    /// Little of what users send is handed on to others.
    Broadcast,
    /// One gateway is slow and fails.
    BadGateway,
    /// Connections are cut again and again.
    Storm,
    /// More is sent than goes out.
    Backlog,
}

/// The schedule. Between two entries of a cluster, what the first one did to its usual level is over.
const SCHEDULE: [Incident; 8] = [
    incident(8, 14, 0, Effect::Crash),
    incident(33, 7, 1, Effect::Slow),
    incident(53, 13, 0, Effect::Errors),
    incident(73, 14, 1, Effect::Drain),
    incident(95, 8, 1, Effect::Broadcast),
    incident(118, 16, 0, Effect::BadGateway),
    incident(145, 6, 1, Effect::Storm),
    incident(168, 6, 0, Effect::Backlog),
];

const fn incident(begins: i64, lasts: i64, cluster: usize, effect: Effect) -> Incident {
    Incident {
        begins,
        lasts,
        cluster,
        effect,
    }
}

/// The beginning or the end of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    /// How long after the start of the run.
    pub(crate) at: Duration,
    /// Whether it begins.
    pub(crate) begins: bool,
    /// What happens now.
    pub(crate) text: String,
}

/// What acts on each cluster in the step that ends so long after the start.
pub(crate) fn weather(at: Duration, gateways: usize) -> Vec<Weather> {
    let mut weather = vec![Weather::default(); CLUSTERS.len()];
    for incident in SCHEDULE {
        let since = (at - incident.begins()).millis();
        if since < 0 {
            continue;
        }
        let since = Duration::from_millis(since % CYCLE.millis());
        if since < incident.lasts() {
            incident.act(&mut weather[incident.cluster], since, gateways);
        }
    }
    weather
}

/// What begins and ends after one instant and up to another, in order of time.
pub(crate) fn news(after: Duration, to: Duration, gateways: usize) -> Vec<News> {
    let mut news = Vec::new();
    for incident in SCHEDULE {
        let begins = incident.begins();
        let ends = begins + incident.lasts();
        for (first, is_begin) in [(begins, true), (ends, false)] {
            let passed = (after - first).millis().div_euclid(CYCLE.millis()) + 1;
            let at = first + CYCLE.times(passed.max(0));
            if at > after && at <= to {
                news.push(News {
                    at,
                    begins: is_begin,
                    text: incident.text(is_begin, gateways),
                });
            }
        }
    }
    news.sort_by_key(|news| (news.at, news.begins));
    news
}

/// What goes on at an instant, the newest first.
pub(crate) fn present(at: Duration, gateways: usize) -> Option<String> {
    let since = |incident: &Incident| {
        let since = (at - incident.begins()).millis();
        (since >= 0).then(|| Duration::from_millis(since % CYCLE.millis()))
    };
    let under_way = SCHEDULE.iter().filter_map(|incident| {
        let since = since(incident)?;
        (since < incident.lasts()).then_some((since, incident))
    });
    let newest = under_way.min_by_key(|(since, _)| *since)?;
    Some(newest.1.text(true, gateways))
}

impl Incident {
    fn begins(self) -> Duration {
        Duration::from_mins(self.begins)
    }

    fn lasts(self) -> Duration {
        Duration::from_mins(self.lasts)
    }

    fn act(self, weather: &mut Weather, since: Duration, gateways: usize) {
        match self.effect {
            Effect::Crash => {
                if since < STEP {
                    weather.crash = crashed(gateways);
                }
                weather.back = 0.02;
            }
            Effect::Slow => weather.slow = 0.04,
            Effect::Errors => weather.errors = 0.04,
            Effect::Drain => weather.drained = drained(gateways),
            Effect::Broadcast => weather.outbound = 0.15,
            Effect::BadGateway => weather.bad_gateway = Some(bad(gateways)),
            Effect::Storm => weather.cut = 0.08,
            Effect::Backlog => weather.backlog = 150.0,
        }
    }

    fn text(self, begins: bool, gateways: usize) -> String {
        let place = CLUSTERS[self.cluster];
        match (self.effect, begins) {
            (Effect::Crash, true) => format!(
                "a deployment without graceful shutdown restarts {} of the {gateways} gateways in {place}: \
                 {} users are thrown out within seconds",
                crashed(gateways),
                users(crashed(gateways))
            ),
            (Effect::Crash, false) => format!("the last users are back in {place}"),
            (Effect::Slow, true) => format!(
                "a transit provider of {place} drops packets and holds up one message in 25: the median stays \
                 below 10 ms, the tail passes a second"
            ),
            (Effect::Slow, false) => format!("{place} goes by another transit provider"),
            (Effect::Errors, true) => format!(
                "an authentication service begins to refuse tokens: 4 % of all messages in {place} fail"
            ),
            (Effect::Errors, false) => {
                format!("the authentication service in {place} is rolled back")
            }
            (Effect::Drain, true) => format!(
                "planned work: {} of the {gateways} gateways in {place} are drained, and their users move to \
                 the others. Nobody is to be paged",
                drained(gateways)
            ),
            (Effect::Drain, false) => {
                format!("the drained gateways in {place} are back. Nobody was woken")
            }
            (Effect::Broadcast, true) => format!(
                "the broadcast bus in {place} loses its partitions: users still send as ever, and hear nothing"
            ),
            (Effect::Broadcast, false) => {
                format!("the broadcast bus in {place} has its partitions back")
            }
            (Effect::BadGateway, true) => format!(
                "the host of one gateway in {place} throttles its CPU: one user in {} is slow, and the \
                 fleet's percentile hides it",
                2 * gateways
            ),
            (Effect::BadGateway, false) => format!("the throttled host in {place} is replaced"),
            (Effect::Storm, true) => format!(
                "a load balancer in {place} cuts silent connections: users reconnect again and again, and \
                 the number of connections hardly moves"
            ),
            (Effect::Storm, false) => {
                format!("the load balancer in {place} has its old idle timeout back")
            }
            (Effect::Backlog, true) => format!(
                "consumers in {place} fall behind: the queues grow by {} messages a second",
                150 * gateways
            ),
            (Effect::Backlog, false) => format!("the consumers in {place} keep up again"),
        }
    }
}

/// More than the 20 % that page, less than half.
fn crashed(gateways: usize) -> usize {
    (gateways * 2).div_ceil(5)
}

fn drained(gateways: usize) -> usize {
    gateways.div_ceil(13)
}

/// One of the first cluster that the deployment does not restart.
fn bad(gateways: usize) -> usize {
    gateways * 3 / 4
}

/// How many users that many gateways hold, in words.
fn users(gateways: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand gateways")]
    let millions = gateways as f64 * CONNECTIONS / 1e6;
    format!("{millions:.1} million")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn the_schedule_repeats() {
        for cycle in 0..3 {
            let begin = Duration::from_mins(8) + CYCLE.times(cycle);
            assert_eq!(weather(begin - STEP, 52)[0].crash, 0);
            assert_eq!(weather(begin, 52)[0].crash, 21);
            assert_eq!(weather(begin + STEP, 52)[0].crash, 0);
            assert!(weather(begin + MINUTE, 52)[0].back < 0.1);
            assert_eq!(weather(begin, 52)[1], Weather::default());
            assert_eq!(weather(begin + MINUTE.times(14), 52)[0], Weather::default());
        }
    }

    #[test]
    fn every_beginning_and_every_end_is_told_once() {
        let mut all = Vec::new();
        let mut at = Duration::ZERO;
        while at < CYCLE.times(2) {
            all.extend(news(at, at + STEP, 52));
            at = at + STEP;
        }
        assert_eq!(
            all,
            news(Duration::ZERO, CYCLE.times(1), 52)
                .into_iter()
                .chain(news(CYCLE.times(1), CYCLE.times(2), 52))
                .collect::<Vec<_>>()
        );
        assert_eq!(all.len(), 4 * SCHEDULE.len());
        assert_eq!(
            all.iter().filter(|news| news.begins).count(),
            2 * SCHEDULE.len()
        );
        assert!(news(Duration::ZERO, Duration::from_mins(8) - STEP, 52).is_empty());
    }

    #[test]
    fn what_goes_on_is_said_as_long_as_it_does() {
        assert_eq!(present(Duration::from_mins(7), 52), None);
        let text = present(Duration::from_mins(8), 52).expect("an incident");
        assert!(text.contains("21 of the 52 gateways in eu-1"), "{text}");
        assert!(text.contains("5.2 million users"), "{text}");
        assert_eq!(present(Duration::from_mins(22), 52), None);
    }
}
