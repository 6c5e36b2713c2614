//! The runs: several versions of rules and routes over the same samples, which are read once.

use std::collections::BTreeSet;
use std::sync::Arc;

use stentor_core::needs::{self, Needs, needs};
use stentor_core::replay::Run;
use stentor_core::report::Plot;
use stentor_core::timeline::{Bodies, Recorder, Timeline};
use stentor_lang::model::{Duration, LabelSet, Labels, METRIC_NAME, Timestamp};
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::store::SampleBuffer;

use super::plots::Plots;
use super::seen::Seen;
use super::setting::Setting;
use crate::history::Source;

/// So much is kept beyond what rules read, to draw what led to an alert.
const KEPT: Duration = Duration::from_hours(1);

/// What came of a run.
pub(super) struct Outcome {
    pub(super) timeline: Timeline,
    pub(super) plots: Vec<Plot>,
}

/// A version under way.
struct Version {
    run: Run,
    recorder: Recorder,
    plots: Plots,
    /// The metrics that its rules write.
    written: BTreeSet<Arc<str>>,
}

/// What the rules of all versions read.
pub(super) fn needs_of(settings: &[&Setting]) -> Needs {
    let mut all = Needs::default();
    for setting in settings {
        let of = needs(&setting.groups, &setting.reading());
        for need in of.selectors {
            if !all.selectors.contains(&need) {
                all.selectors.push(need);
            }
        }
        all.recorded.extend(of.recorded);
        all.unknown.extend(of.unknown);
    }
    all
}

/// Runs all versions from start to end over one store, whose first sample is of `first`.
pub(super) fn over(
    settings: &[&Setting],
    store: MemoryStore,
    first: Timestamp,
    start: Timestamp,
    end: Timestamp,
    bodies: Bodies,
) -> Vec<Outcome> {
    let mut store = Some(store);
    let count = settings.len();
    let versions = settings.iter().enumerate().map(|(index, setting)| {
        let own = if index + 1 == count {
            store.take()
        } else {
            store.clone()
        };
        let mut version = Version::new(setting, own.unwrap_or_default(), start, end, bodies);
        version.advance(end);
        version.draw(first, end);
        version.finish(end)
    });
    versions.collect()
}

/// Runs all versions from start to end over what a source hands out part by part, each of which is
/// forgotten once nothing reads it any more. Says how many series and samples there were.
pub(super) fn streamed(
    settings: &[&Setting],
    source: &mut Source,
    needs: &Needs,
    seen: &mut Seen,
    (start, end): (Timestamp, Timestamp),
    bodies: Bodies,
) -> Result<(Vec<Outcome>, usize, usize), String> {
    let store = MemoryStore::default;
    let mut versions: Vec<Version> = settings
        .iter()
        .map(|setting| Version::new(setting, store(), start, end, bodies))
        .collect();
    let mut series = LabelSet::default();
    let mut samples = 0;
    let mut drawable = start;
    for chunk in source {
        let chunk = chunk.map_err(|error| error.to_string())?;
        samples += chunk
            .series
            .iter()
            .map(|(_, samples)| samples.times.len())
            .sum::<usize>();
        series.extend(chunk.series.iter().map(|(labels, _)| labels.clone()));
        let to = chunk.until.min(end);
        let mut fed = Some(chunk.series);
        let last = versions.len().saturating_sub(1);
        for (index, version) in versions.iter_mut().enumerate() {
            let own = if index == last {
                fed.take()
            } else {
                fed.clone()
            };
            version.feed(own.unwrap_or_default(), seen);
            version.advance(to);
            if index == last {
                seen.look(version.run.store());
            }
            version.draw(drawable, to);
            if let Some(reach) = reach(needs) {
                version.run.forget(to - reach - KEPT);
                drawable = start.max(to - KEPT);
            }
        }
    }
    let outcomes = versions.into_iter().map(|version| version.finish(end));
    Ok((outcomes.collect(), series.len(), samples))
}

/// How far back samples are read; `None` where some are read again and again, however old.
fn reach(needs: &Needs) -> Option<Duration> {
    let all = || needs.selectors.iter().chain(&needs.recorded);
    if !needs.unknown.is_empty() || all().any(|need| !need.fixed.is_empty()) {
        return None;
    }
    Some(all().map(|need| need.before).max().unwrap_or_default())
}

impl Version {
    fn new(
        setting: &Setting,
        store: MemoryStore,
        start: Timestamp,
        end: Timestamp,
        bodies: Bodies,
    ) -> Self {
        let groups: Vec<Arc<_>> = setting.groups.clone();
        let run = Run::new(groups, store, setting.options(start, end));
        let recorder = Recorder::new(&setting.groups, &run.snapshot(), start, bodies);
        Self {
            run,
            recorder,
            plots: Plots::new(setting),
            written: needs::written(&setting.groups),
        }
    }

    /// Takes in the next samples, without what the server has of the series that the rules make anew.
    fn feed(&mut self, mut series: Vec<(Labels, SampleBuffer)>, seen: &mut Seen) {
        series.retain(
            |(labels, _)| match self.written.get(labels.get(METRIC_NAME)) {
                Some(name) => {
                    seen.leave_out(name);
                    false
                }
                None => true,
            },
        );
        self.run.feed(series);
    }

    fn advance(&mut self, to: Timestamp) {
        loop {
            let errors = self.run.advance(to, &mut self.recorder);
            if errors.is_empty() {
                return;
            }
            self.recorder.failed(errors);
        }
    }

    fn draw(&mut self, from: Timestamp, to: Timestamp) {
        let timeline = self.recorder.timeline();
        self.plots.draw(&self.run, timeline, from, to);
    }

    fn finish(self, end: Timestamp) -> Outcome {
        Outcome {
            timeline: self.recorder.finish(end),
            plots: self.plots.finish(),
        }
    }
}
