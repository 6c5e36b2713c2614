//! Runs one test: promtool's loop over the evaluation times, with the engine doing the work.

use std::collections::BTreeMap;
use std::sync::Arc;

use stentor_lang::model::{Diagnostic, Duration, Labels, SourceText, Timestamp};
use stentor_lang::promql::eval::{EvalOptions, SampleValue, Value};
use stentor_lang::promql::memory::MemoryStore;
use stentor_lang::promql::script::{LoadedSeries, MAX_LOADED};
use stentor_lang::yaml::closest;

use super::compare::{self, Difference};
use super::{
    AlertTest, ExpectedAlert, ExpectedSample, ExprTest, Goldens, Production, Test, sections,
};
use crate::engine::{AlertView, Datasource};
use crate::replay::{self, Observer, RuleError, Run, Schedule};
use crate::rulefile::{Rule, RuleGroup};
use crate::timeline::Timeline;

/// The most evaluations of all rules that a test may take: some years at 15 s.
pub const MAX_STEPS: i64 = 10_000_000;

/// How tests are run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The file's.
    pub evaluation_interval: Duration,
    /// The file's.
    pub fuzzy_compare: bool,
    /// Names are dropped at the end of a query (`promql-delayed-name-removal`).
    pub delayed_name_removal: bool,
    /// A failure lists what is as expected too.
    pub full_diff: bool,
}

/// What a test runs over, beside its own series.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The rule groups, in their order.
    pub groups: &'a [Arc<RuleGroup>],
    /// What `config_file` says.
    pub production: Option<&'a Production>,
    /// The samples of the test's own files.
    pub files: Option<&'a MemoryStore>,
    /// The golden files that its tests name.
    pub goldens: &'a Goldens,
}

/// What came of a test.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What is not as expected. The first line of a message says what, further ones are the difference:
    /// `-` expected, `+` got.
    pub failures: Vec<Diagnostic>,
    /// What happened in the run of its own sections, if it has any.
    pub timeline: Option<Timeline>,
}

impl Outcome {
    pub(super) fn failed(failures: Vec<Diagnostic>) -> Self {
        Self {
            failures,
            timeline: None,
        }
    }
}

/// Runs a test.
pub fn run(
    test: &Test,
    given: &Given<'_>,
    options: Options,
    observer: &mut dyn Observer,
) -> Outcome {
    if !test.problems.is_empty() {
        return Outcome::failed(test.problems.clone());
    }
    let moved;
    let test = match given.files {
        Some(files) => {
            moved = test.starting_in(files);
            &moved
        }
        None => test,
    };
    let mut outcome = Outcome::default();
    if test.sections.is_empty() || test.asserts_as_promtool() {
        outcome.failures = promtool(test, given, options, observer);
    }
    if !test.sections.is_empty() {
        let own = match setting(test, given, options) {
            Ok(setting) => sections::run(test, given, setting, observer),
            Err(error) => Outcome::failed(vec![error]),
        };
        outcome.failures.extend(own.failures);
        outcome.timeline = own.timeline;
    }
    outcome
}

/// The run of a test's own sections at its start.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The series.
    pub store: MemoryStore,
    /// When and how rules are evaluated, and who is told.
    pub options: replay::Options,
}

/// What the run of a test's own sections begins with.
///
/// # Errors
/// The test has more samples, or its run more evaluations, than tests may have.
pub fn setting(test: &Test, given: &Given<'_>, options: Options) -> Result<Setting, Diagnostic> {
    let moved = given.files.map(|files| test.starting_in(files));
    let test = moved.as_ref().unwrap_or(test);
    let until = test.sections.until.as_ref();
    let until = until.map(|until| test.start + until.value);
    let store = load(test, given.files, until)?;
    let options = sections::options(test, given, options, &store)?;
    Ok(Setting { store, options })
}

/// promtool's assertions, on promtool's schedule.
fn promtool(
    test: &Test,
    given: &Given<'_>,
    options: Options,
    observer: &mut dyn Observer,
) -> Vec<Diagnostic> {
    let groups = given.groups;
    let steps = test.duration().millis() / options.evaluation_interval.millis().max(1);
    if steps > MAX_STEPS {
        let message = format!("the test takes {steps} evaluations, more than {MAX_STEPS}");
        return vec![Diagnostic::error("test/limit", test.span, message)];
    }
    let end = test.start + options.evaluation_interval.times(steps);
    let store = match load(test, given.files, Some(end)) {
        Ok(store) => store,
        Err(error) => return vec![error],
    };
    let run = Run::new(groups.to_vec(), store, run_options(test, options, end));
    let mut case = Case {
        test,
        groups,
        options,
        run,
        failures: Vec::new(),
    };
    if case.alerts(observer) && case.advance(end, observer) {
        case.expressions();
    }
    case.failures
}

/// The data source that a test's series stand for.
pub(super) fn datasource(test: &Test, url_functions: bool) -> Arc<Datasource> {
    Arc::new(Datasource {
        name: "replay".into(),
        external_labels: test.external_labels.clone(),
        external_url: Arc::clone(&test.external_url),
        url_functions,
        opaque: false,
    })
}

fn run_options(test: &Test, options: Options, end: Timestamp) -> replay::Options {
    replay::Options {
        schedule: Schedule::Promtool {
            evaluation_interval: options.evaluation_interval,
        },
        start: test.start,
        interval: test.interval,
        query_offset: Duration::ZERO,
        // promtool runs unit tests without the functions.
        datasource: datasource(test, false),
        external_url: Arc::clone(&test.external_url),
        eval: EvalOptions {
            subquery_step: options.evaluation_interval,
            delayed_name_removal: options.delayed_name_removal,
            ..EvalOptions::default()
        },
        routing: None,
        end: Some(end),
    }
}

/// The series up to the last evaluation, where it is known: what comes later is never seen.
fn load(
    test: &Test,
    files: Option<&MemoryStore>,
    end: Option<Timestamp>,
) -> Result<MemoryStore, Diagnostic> {
    let interval = test.interval.millis().max(1);
    let steps = end.map_or(u64::MAX, |end| {
        let steps = end.since(test.start).millis() / interval + 1;
        u64::try_from(steps).unwrap_or(0)
    });
    let lengths = test.series.values().map(|series| {
        let length = series.values.len().min(steps);
        length.saturating_mul(series.values.weight())
    });
    if lengths.fold(0, u64::saturating_add) > MAX_LOADED {
        let message = format!(
            "the series of the test have more than {MAX_LOADED} samples, of which a histogram counts as many"
        );
        return Err(Diagnostic::error("test/limit", test.span, message));
    }
    let mut store = files.cloned().unwrap_or_default();
    for (labels, series) in &test.series {
        let LoadedSeries { values, starts, .. } = series;
        let samples = values.first_samples(test.start, test.interval, starts.as_ref(), steps);
        let samples = samples.map_err(|error| {
            let message = format!("series {labels}: {}", error.message);
            Diagnostic::error("test/histogram", test.span, message)
        })?;
        if !samples.times.is_empty() {
            store.insert(labels, samples);
        }
    }
    Ok(store)
}

struct Case<'a> {
    test: &'a Test,
    groups: &'a [Arc<RuleGroup>],
    options: Options,
    run: Run,
    failures: Vec<Diagnostic>,
}

impl Case<'_> {
    /// Goes on until an instant; says no where rules fail, which ends the test.
    fn advance(&mut self, to: Timestamp, observer: &mut dyn Observer) -> bool {
        let errors = self.run.advance(to, observer);
        for error in &errors {
            self.rule_failed(error);
        }
        errors.is_empty()
    }

    fn rule_failed(&mut self, error: &RuleError) {
        let group = self
            .groups
            .iter()
            .find(|g| g.name == error.group.group && g.file == error.group.file);
        let mut rules = group.into_iter().flat_map(|group| &group.rules);
        let place = rules
            .find(|rule| rule.name() == &*error.rule)
            .map_or(String::new(), |rule| format!(" ({})", rule.place()));
        let (rule, time) = (&error.rule, error.at.since(self.test.start));
        let message = format!("rule `{rule}`{place} fails at {time}: {}", error.message);
        self.failures
            .push(Diagnostic::error("test/rule", self.test.span, message));
    }

    /// Checks the expected alerts, each at the newest evaluation that is not later than its time.
    fn alerts(&mut self, observer: &mut dyn Observer) -> bool {
        let mut by_time: BTreeMap<Duration, Vec<&AlertTest>> = BTreeMap::new();
        for alert in &self.test.alerts {
            by_time.entry(alert.eval_time).or_default().push(alert);
        }
        let interval = self.options.evaluation_interval;
        for (time, tests) in by_time {
            let steps = time.millis() / interval.millis().max(1);
            if !self.advance(self.test.start + interval.times(steps), observer) {
                return false;
            }
            for test in tests {
                self.alert(test);
            }
        }
        true
    }

    fn alert(&mut self, test: &AlertTest) {
        let alerts = self.run.alerts(&test.alertname);
        let firing = alerts
            .iter()
            .filter(|alert| alert.state == "firing")
            .map(got_alert)
            .collect();
        let difference = compare::alerts(test.expected.clone(), firing, self.options.full_diff);
        let Some(difference) = difference else {
            return;
        };
        let (name, time) = (&test.alertname, test.eval_time);
        let title = format!(
            "alert `{name}` at {time} is not as expected: {}",
            difference.summary
        );
        let mut failure =
            Diagnostic::error("test/alert", test.span, with_lines(title, &difference));
        failure.hint = self.alert_hint(test, &difference, &alerts);
        self.failures.push(failure);
    }

    /// Why an expected alert may be missing.
    fn alert_hint(
        &self,
        test: &AlertTest,
        difference: &Difference,
        alerts: &[AlertView],
    ) -> Option<String> {
        if difference.missing == 0 {
            return None;
        }
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let names: Vec<&str> = rules
            .filter(|rule| matches!(rule, Rule::Alerting(_)))
            .map(Rule::name)
            .collect();
        if !names.contains(&test.alertname.as_str()) {
            let near = closest(&test.alertname, names.iter().copied());
            let near = near.map_or(String::new(), |near| format!(": did you mean `{near}`?"));
            return Some(format!("no alerting rule has that name{near}"));
        }
        let pending = alerts.iter().find(|alert| alert.state == "pending")?;
        let since = pending.active_at.since(self.test.start);
        Some(format!(
            "{} is pending since {since}, not firing",
            pending.labels
        ))
    }

    fn expressions(&mut self) {
        let test = self.test;
        for expr in &test.exprs {
            let failure = match self.evaluate(expr) {
                Ok(got) => self.expression(expr, &got),
                Err(why) => {
                    let message = format!("the expression fails at {}: {why}", expr.eval_time);
                    Some(Diagnostic::error("test/expr", expr.span, message))
                }
            };
            self.failures.extend(failure);
        }
    }

    fn expression(&self, test: &ExprTest, got: &[ExpectedSample]) -> Option<Diagnostic> {
        let Options {
            fuzzy_compare,
            full_diff,
            ..
        } = self.options;
        let difference = compare::samples(&test.expected, got, fuzzy_compare, full_diff)?;
        let title = format!(
            "the expression at {} does not give what is expected: {}",
            test.eval_time, difference.summary
        );
        Some(Diagnostic::error(
            "test/expr",
            test.span,
            with_lines(title, &difference),
        ))
    }

    fn evaluate(&self, test: &ExprTest) -> Result<Vec<ExpectedSample>, String> {
        let at = self.test.start + test.eval_time;
        let answer = self.run.query(&test.expr, at).map_err(|error| {
            let source = SourceText::new("", test.text.as_str());
            let place = source.position(error.span.start);
            format!("{} ({place})", error.message)
        })?;
        match answer.value {
            Value::Scalar(sample) => Ok(vec![got_sample(
                Labels::default(),
                SampleValue::Float(sample.value),
            )]),
            Value::Vector(samples) => Ok(samples
                .into_iter()
                .map(|sample| got_sample(sample.labels, sample.value))
                .collect()),
            Value::String(..) | Value::Matrix(_) => {
                Err("rule result is not a vector or scalar".to_owned())
            }
        }
    }
}

fn got_sample(labels: Labels, value: SampleValue) -> ExpectedSample {
    let (value, histogram) = match value {
        SampleValue::Float(value) => (value, String::new()),
        SampleValue::Histogram(histogram) => (0.0, histogram.test_expression()),
    };
    ExpectedSample {
        labels,
        empty: Vec::new(),
        value,
        histogram,
    }
}

fn got_alert(alert: &AlertView) -> ExpectedAlert {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let mut annotations = alert.annotations.to_vec();
    annotations.sort();
    ExpectedAlert {
        labels: alert.labels.iter().map(owned).collect(),
        annotations,
    }
}

fn with_lines(mut title: String, difference: &Difference) -> String {
    for line in &difference.lines {
        title.push('\n');
        title.push_str(line);
    }
    title
}
