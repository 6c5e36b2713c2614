//! The run of a test's own sections.

use std::sync::Arc;

use stentor_lang::model::{Diagnostic, Duration, Timestamp};
use stentor_lang::promql::eval::EvalOptions;
use stentor_lang::promql::memory::MemoryStore;

use super::timeline;
use crate::engine::{Deliver, Event};
use crate::receiver::Outcome;
use crate::replay::{self, Observer, Run, Schedule};
use crate::rulefile::RuleGroup;
use crate::timeline::{Bodies, Recorder, Timeline};
use crate::unittest::run::datasource;
use crate::unittest::{MAX_STEPS, Options, Test};

/// The most failing rules that are told of.
const MOST_ERRORS: usize = 10;

/// Runs the sections of a test, and tells what is not as expected.
pub(in crate::unittest) fn run(
    test: &Test,
    groups: &[Arc<RuleGroup>],
    store: MemoryStore,
    options: Options,
    observer: &mut dyn Observer,
) -> Vec<Diagnostic> {
    let end = match &test.sections.until {
        Some(until) => test.start + until.value,
        None => last_sample(&store).unwrap_or(test.start).max(test.start),
    };
    if let Some(refused) = too_long(test, groups, options, end) {
        return vec![refused];
    }
    let run = Run::new(groups.to_vec(), store, run_options(test, options, end));
    let timeline = record(run, groups, test.start, end, observer);
    let mut failures = rule_errors(test, &timeline);
    if let Some(expected) = &test.sections.timeline {
        failures.extend(timeline::compare(expected, &timeline));
    }
    failures
}

fn record(
    mut run: Run,
    groups: &[Arc<RuleGroup>],
    start: Timestamp,
    end: Timestamp,
    observer: &mut dyn Observer,
) -> Timeline {
    let recorder = Recorder::new(groups, &run.snapshot(), start, Bodies::Drop);
    let mut both = Both { recorder, observer };
    loop {
        let errors = run.advance(end, &mut both);
        if errors.is_empty() {
            return both.recorder.finish(end);
        }
        both.recorder.failed(errors);
    }
}

/// The recorder, and whoever watches the test.
struct Both<'a> {
    recorder: Recorder,
    observer: &'a mut dyn Observer,
}

impl Observer for Both<'_> {
    fn deliver(&mut self, now: Timestamp, deliver: &Deliver) -> Outcome {
        self.observer.deliver(now, deliver);
        self.recorder.deliver(now, deliver)
    }

    fn event(&mut self, now: Timestamp, event: &Event) {
        self.observer.event(now, event);
        self.recorder.event(now, event);
    }
}

fn run_options(test: &Test, options: Options, end: Timestamp) -> replay::Options {
    let interval = options.evaluation_interval;
    replay::Options {
        schedule: Schedule::Aligned,
        start: test.start,
        interval,
        query_offset: Duration::ZERO,
        datasource: datasource(test, true),
        external_url: Arc::clone(&test.external_url),
        eval: EvalOptions {
            subquery_step: interval,
            delayed_name_removal: options.delayed_name_removal,
            ..EvalOptions::default()
        },
        routing: None,
        end: Some(end),
    }
}

fn last_sample(store: &MemoryStore) -> Option<Timestamp> {
    let last = store.iter().filter_map(|(_, samples)| samples.times.last());
    last.max().map(|last| Timestamp::from_millis(*last))
}

/// Refuses a run of too many slots.
fn too_long(
    test: &Test,
    groups: &[Arc<RuleGroup>],
    options: Options,
    end: Timestamp,
) -> Option<Diagnostic> {
    let length = end.since(test.start).millis();
    let slots = |group: &Arc<RuleGroup>| {
        let interval = group.interval.unwrap_or(options.evaluation_interval);
        length / interval.millis().max(1)
    };
    let steps = groups.iter().map(slots).fold(0, i64::saturating_add);
    (steps > MAX_STEPS).then(|| {
        let message = format!("the test takes {steps} evaluations, more than {MAX_STEPS}");
        let until = test.sections.until.as_ref();
        let span = until.map_or(test.span, |until| until.span);
        Diagnostic::error("test/limit", span, message)
    })
}

/// A rule that fails is a failure of the test, each rule once.
fn rule_errors(test: &Test, timeline: &Timeline) -> Vec<Diagnostic> {
    let mut seen = std::collections::BTreeSet::new();
    let first = timeline
        .errors
        .iter()
        .filter(|error| seen.insert((Arc::clone(&error.group.group), Arc::clone(&error.rule))));
    let failure = |error: &replay::RuleError| {
        let at = error.at.since(test.start);
        let message = format!("rule `{}` fails at {at}: {}", error.rule, error.message);
        Diagnostic::error("test/rule", test.span, message)
    };
    first.take(MOST_ERRORS).map(failure).collect()
}
