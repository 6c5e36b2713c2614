//! The run of a test's own sections.

use std::sync::Arc;

use stentor_lang::model::{Diagnostic, Duration, Span, Timestamp};
use stentor_lang::promql::eval::EvalOptions;
use stentor_lang::promql::memory::MemoryStore;

use super::{Goldens, detection, notification, timeline};
use crate::engine::{Datasource, Deliver, Event};
use crate::notify::Routing;
use crate::receiver;
use crate::replay::{self, Observer, Run, Schedule};
use crate::rulefile::RuleGroup;
use crate::timeline::{Bodies, Recorder, Timeline};
use crate::unittest::run::datasource;
use crate::unittest::{Given, MAX_STEPS, Options, Outcome, Setting, Test};

/// The most failing rules that are told of.
const MOST_ERRORS: usize = 10;

/// When and how the rules of a test are evaluated for its sections, and who is told.
pub(in crate::unittest) fn options(
    test: &Test,
    given: &Given<'_>,
    options: Options,
    store: &MemoryStore,
) -> Result<replay::Options, Diagnostic> {
    let end = match &test.sections.until {
        Some(until) => test.start + until.value,
        None => last_sample(store).unwrap_or(test.start).max(test.start),
    };
    let options = run_options(test, given, options, end);
    let routing = options.routing.as_ref();
    if let Some(needs) = test.sections.needs_routes().filter(|_| routing.is_none()) {
        return Err(no_routes(needs));
    }
    match too_long(test, given.groups, options.interval, end) {
        Some(refused) => Err(refused),
        None => Ok(options),
    }
}

/// Runs the sections of a test, and tells what is not as expected.
pub(in crate::unittest) fn run(
    test: &Test,
    given: &Given<'_>,
    setting: Setting,
    observer: &mut dyn Observer,
) -> Outcome {
    let Setting { store, options } = setting;
    let (start, end) = (options.start, options.end.unwrap_or(options.start));
    let routing = options.routing.clone();
    let bodies = match test.sections.goldens().next() {
        Some(_) => Bodies::Keep,
        None => Bodies::Drop,
    };
    let run = Run::new(given.groups.to_vec(), store, options);
    let recorder = Recorder::new(given.groups, &run.snapshot(), start, bodies);
    let timeline = record(run, recorder, end, observer);
    let failures = compare(test, &timeline, routing.as_deref(), given.goldens);
    Outcome {
        failures,
        timeline: Some(timeline),
    }
}

fn compare(
    test: &Test,
    timeline: &Timeline,
    routing: Option<&Routing>,
    goldens: &Goldens,
) -> Vec<Diagnostic> {
    let mut failures = rule_errors(test, timeline);
    if let Some(expected) = &test.sections.timeline {
        failures.extend(timeline::compare(expected, timeline));
    }
    if let (Some(expected), Some(routing)) = (&test.sections.notifications, routing) {
        failures.extend(notification::compare(expected, timeline, routing, goldens));
    }
    failures.extend(detection::compare(
        &test.sections.detections,
        timeline,
        routing,
    ));
    failures
}

fn no_routes((name, span): (&str, Span)) -> Diagnostic {
    let message = format!("`{name}` needs routes and receivers, and there are none");
    Diagnostic::error("test/file", span, message)
        .with_hint("name a configuration at the top of the file: `config_file: ../stentor.yml`")
}

fn record(
    mut run: Run,
    recorder: Recorder,
    end: Timestamp,
    observer: &mut dyn Observer,
) -> Timeline {
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
    fn deliver(&mut self, now: Timestamp, deliver: &Deliver) -> receiver::Outcome {
        self.observer.deliver(now, deliver);
        self.recorder.deliver(now, deliver)
    }

    fn event(&mut self, now: Timestamp, event: &Event) {
        self.observer.event(now, event);
        self.recorder.event(now, event);
    }
}

/// As production would have it, where there is a configuration; what the test itself says comes first.
fn run_options(
    test: &Test,
    given: &Given<'_>,
    options: Options,
    end: Timestamp,
) -> replay::Options {
    let production = given.production;
    let interval = production
        .and_then(|production| production.interval)
        .unwrap_or(options.evaluation_interval);
    let mut datasource = Datasource::clone(&datasource(test, true));
    if let Some(production) = production {
        datasource = production.datasource.clone();
        let mut labels = datasource.external_labels.to_builder();
        for (name, value) in &test.external_labels {
            labels.set(name, value);
        }
        datasource.external_labels = labels.build();
        if !test.external_url.is_empty() {
            datasource.external_url = Arc::clone(&test.external_url);
        }
    }
    replay::Options {
        schedule: Schedule::Aligned,
        start: test.start,
        interval,
        query_offset: production.map_or(Duration::ZERO, |production| production.query_offset),
        datasource: Arc::new(datasource),
        external_url: Arc::clone(&test.external_url),
        eval: EvalOptions {
            subquery_step: interval,
            delayed_name_removal: options.delayed_name_removal,
            ..EvalOptions::default()
        },
        routing: production.and_then(|production| production.routing.clone()),
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
    interval: Duration,
    end: Timestamp,
) -> Option<Diagnostic> {
    let length = end.since(test.start).millis();
    let slots = |group: &Arc<RuleGroup>| {
        let interval = group.interval.unwrap_or(interval);
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
