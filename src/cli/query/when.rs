//! When an expression is evaluated, as people say it.

use stentor_lang::model::{Duration, Timestamp};

use crate::cli::input::Fixture;
use crate::cli::moment::Moment;

/// How many points a range has where nobody says it.
const USUAL_POINTS: i64 = 250;

/// One instant or many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum When {
    Instant(Timestamp),
    Range {
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    },
}

impl When {
    pub(super) fn new(
        time: Option<Moment>,
        (start, end): (Option<Moment>, Option<Moment>),
        step: Option<Duration>,
        fixture: &Fixture,
    ) -> Result<Self, String> {
        if start.is_none() && end.is_none() && step.is_none() {
            let at = time.map_or(fixture.last, |time| time.of(fixture.first, fixture.last));
            return Ok(Self::Instant(at));
        }
        let start = start.map_or(fixture.first, |start| start.of(fixture.first, fixture.last));
        let end = end.map_or(fixture.last, |end| end.of(fixture.first, fixture.last));
        if end < start {
            return Err(format!("the end {end} is before the start {start}"));
        }
        let usual = end.since(start).millis() / USUAL_POINTS / 1000;
        let step = step.unwrap_or(Duration::from_secs(usual.max(1)));
        Ok(Self::Range { start, end, step })
    }
}
