//! From the text of a test file to its tests.
//!
//! What is wrong with the form of a file refuses it whole, as in promtool. What is wrong inside a test,
//! such as its series, is kept with that test: it fails when it is run.

use std::collections::BTreeSet;

use stentor_lang::model::{
    Diagnostic, Duration, LabelMap, Labels, Level, SourceText, Span, Timestamp,
};
use stentor_lang::promql::notation::{self, Entry};
use stentor_lang::promql::script::{self, LoadedSeries};
use stentor_lang::promql::{self, Expr, ParseOptions};
use stentor_lang::yaml::{self, Fields, Node, Parsed, Scalar, Spanned};

use super::{
    AlertTest, ExpectedAlert, ExpectedSample, ExprTest, InputFile, Test, TestFile, sections,
};

const CODE: &str = "test/file";
/// `evaluation_interval` where the file names none.
const DEFAULT_INTERVAL: Duration = Duration::from_mins(1);

/// Reads a test file, or tells all that is wrong with its form.
pub fn load(source: &SourceText, syntax: ParseOptions) -> Result<TestFile, Vec<Diagnostic>> {
    load_documents(source, yaml::parse(&source.text), syntax)
}

/// The same for a file whose YAML has been read already.
pub fn load_documents(
    source: &SourceText,
    mut parsed: Parsed,
    syntax: ParseOptions,
) -> Result<TestFile, Vec<Diagnostic>> {
    let mut findings = std::mem::take(&mut parsed.diagnostics);
    let tests = parsed
        .documents
        .first_mut()
        .map(take_tests)
        .unwrap_or_default();
    let reader = Reader { source, syntax };
    let nothing = TestFile {
        rule_files: Vec::new(),
        config_file: None,
        evaluation_interval: DEFAULT_INTERVAL,
        group_eval_order: Vec::new(),
        fuzzy_compare: false,
        tests: Vec::new(),
        warnings: Vec::new(),
    };
    let mut file = match parsed.documents.first() {
        Some(document) => Reader::file(document, nothing, &mut findings),
        None => nothing,
    };
    if let Some(further) = parsed.documents.get(1) {
        let message = "only the first document of a test file is read, by promtool too";
        findings.push(Diagnostic::warning(CODE, further.head(), message));
    }
    drop(parsed);
    // A test of a large file leaves the tree when it has been read.
    for node in tests {
        let test = reader.test(&node, file.evaluation_interval, &mut findings);
        file.tests.extend(test);
    }
    findings.sort_by_key(|finding| (finding.span.start, finding.level));
    findings.dedup();
    if findings.iter().any(|finding| finding.level == Level::Error) {
        return Err(findings);
    }
    file.warnings = findings;
    Ok(file)
}

/// Takes the tests out of a document.
fn take_tests(document: &mut Node) -> Vec<Node> {
    let Node::Mapping(mapping) = document else {
        return Vec::new();
    };
    let mut entries = mapping.entries.iter_mut();
    match entries
        .find(|entry| entry.key.value == "tests")
        .map(|entry| &mut entry.value)
    {
        Some(Node::Sequence(tests)) => std::mem::take(&mut tests.items),
        _ => Vec::new(),
    }
}

#[derive(Debug, Clone, Copy)]
struct Reader<'a> {
    source: &'a SourceText,
    syntax: ParseOptions,
}

impl Reader<'_> {
    fn file(document: &Node, mut file: TestFile, sink: &mut Vec<Diagnostic>) -> TestFile {
        let Some(mut fields) = Fields::new(document, "the test file", sink) else {
            return file;
        };
        file.rule_files = fields.strings("rule_files");
        if let Some(interval) = interval(&mut fields, "evaluation_interval") {
            file.evaluation_interval = interval;
        }
        let order = fields.strings("group_eval_order");
        file.fuzzy_compare = fields
            .bool("fuzzy_compare")
            .is_some_and(|fuzzy| fuzzy.value);
        file.config_file = fields.string("config_file");
        fields.list("tests");
        fields.finish();
        file.group_eval_order = distinct(order, sink);
        file
    }

    fn test(&self, node: &Node, default: Duration, sink: &mut Vec<Diagnostic>) -> Option<Test> {
        let mut fields = Fields::new(node, "the test", sink)?;
        let name = fields.string("name");
        let interval = interval(&mut fields, "interval").unwrap_or(default);
        let start = start(&mut fields);
        let external_labels = fields.map_of_strings("external_labels");
        let external_labels = external_labels.into_iter().map(|(k, v)| (k.value, v.value));
        let external_url = fields.string("external_url").map(|url| url.value);
        let series = fields.list("input_series");
        let alerts = fields.list("alert_rule_test");
        let exprs = fields.list("promql_expr_test");
        let sections = sections::read(&mut fields);
        let files = fields.list("input_files");
        let head = fields.head();
        fields.finish();
        let mut problems = Vec::new();
        let input_files = files
            .iter()
            .filter_map(|node| self.input_file(node, sink, &mut problems));
        let input_files = input_files.collect();
        let series = self.series(series, interval, sink, &mut problems);
        let alerts = alerts
            .iter()
            .filter_map(|node| alert_test(node, sink, &mut problems));
        let alerts = alerts.collect();
        let exprs = exprs
            .iter()
            .filter_map(|node| self.expr_test(node, sink, &mut problems));
        Some(Test {
            exprs: exprs.collect(),
            span: name.as_ref().map_or(head, |name| name.span),
            name: name.map(|name| name.value).unwrap_or_default(),
            interval,
            start: start.unwrap_or(Timestamp::EPOCH),
            start_given: start.is_some(),
            input_files,
            series,
            external_labels: Labels::from_pairs(external_labels),
            external_url: external_url.unwrap_or_default().into(),
            alerts,
            sections,
            problems,
        })
    }

    /// A path, or `{expr, file}`: recorded results of an expression.
    fn input_file(
        &self,
        node: &Node,
        sink: &mut Vec<Diagnostic>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<InputFile> {
        if let Node::Scalar(path) = node {
            if path.is_null() || path.text().is_empty() {
                let message = "an input file is named by its path";
                sink.push(Diagnostic::error(CODE, path.span, message));
                return None;
            }
            let path = Spanned {
                value: path.text().to_owned(),
                span: path.span,
            };
            return Some(InputFile { path, expr: None });
        }
        let mut fields = Fields::new(node, "the input file", sink)?;
        let expr = fields.scalar("expr");
        if expr.is_none() {
            fields.missing("expr");
        }
        let path = fields.required_string("file");
        fields.finish();
        let expr = self.expression(expr?, problems);
        Some(InputFile { path: path?, expr })
    }

    /// Reads the series of a test as the one `load` command that promtool makes of them: a line each,
    /// up to the first blank line.
    fn series(
        &self,
        nodes: &[Node],
        interval: Duration,
        sink: &mut Vec<Diagnostic>,
        problems: &mut Vec<Diagnostic>,
    ) -> LabelMap<LoadedSeries> {
        let mut text = LoadText::new(interval);
        for node in nodes {
            let Some(mut fields) = Fields::new(node, "the input series", sink) else {
                continue;
            };
            let (series, values) = (fields.scalar("series"), fields.scalar("values"));
            let head = fields.head();
            fields.finish();
            if !text.push(series, values, head) {
                let message =
                    "a blank line, or one that begins with `#`: promtool reads no series after it";
                sink.push(Diagnostic::warning(CODE, head, message));
                break;
            }
        }
        match script::parse_load(&text.text) {
            Ok(load) => {
                if load.series.contains_key(&Labels::default()) {
                    // As promtool says it: nothing can be stored without labels.
                    let message = "empty labelset: a series needs a name or another label";
                    problems.push(Diagnostic::error(CODE, text.nameless(), message));
                }
                load.series
            }
            Err(errors) => {
                problems.extend(text.all_errors(errors).into_iter().map(|mut error| {
                    error.span = text.place(&self.source.text, error.span);
                    error
                }));
                LabelMap::default()
            }
        }
    }

    fn expr_test(
        &self,
        node: &Node,
        sink: &mut Vec<Diagnostic>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<ExprTest> {
        let mut fields = Fields::new(node, "the test of an expression", sink)?;
        let scalar = fields.scalar("expr");
        let eval_time = fields
            .duration("eval_time")
            .map_or(Duration::ZERO, |time| time.value);
        let samples = fields.list("exp_samples");
        let head = fields.head();
        fields.finish();
        let expected = samples
            .iter()
            .filter_map(|node| self.sample(node, sink, problems));
        let expected = expected.collect();
        let Some(scalar) = scalar else {
            problems.push(Diagnostic::error(
                CODE,
                head,
                "the test of an expression has no field `expr`",
            ));
            return None;
        };
        let expr = self.expression(scalar, problems)?;
        Some(ExprTest {
            span: scalar.span,
            eval_time,
            text: scalar.text().to_owned(),
            expr,
            expected,
        })
    }

    fn expression(&self, scalar: &Scalar, problems: &mut Vec<Diagnostic>) -> Option<Expr> {
        match promql::parse(scalar.text(), self.syntax) {
            Ok(expr) => Some(expr),
            Err(errors) => {
                self.place(scalar, 0, errors, problems);
                None
            }
        }
    }

    /// Notes errors inside a scalar, whose text they have `before` bytes in front of.
    fn place(
        &self,
        scalar: &Scalar,
        before: usize,
        errors: Vec<Diagnostic>,
        problems: &mut Vec<Diagnostic>,
    ) {
        problems.extend(errors.into_iter().map(|mut error| {
            let Span { start, end } = error.span;
            let inner = Span::new(start.saturating_sub(before), end.saturating_sub(before));
            error.span = scalar.source_span(&self.source.text, inner);
            error
        }));
    }

    fn sample(
        &self,
        node: &Node,
        sink: &mut Vec<Diagnostic>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<ExpectedSample> {
        let mut fields = Fields::new(node, "the expected sample", sink)?;
        let labels = fields.scalar("labels");
        let value = fields.number("value").map_or(0.0, |value| value.value);
        let histogram = fields
            .scalar("histogram")
            .filter(|scalar| !scalar.text().is_empty());
        fields.finish();
        let (labels, empty) =
            labels.map_or_else(Default::default, |scalar| self.metric(scalar, problems));
        let histogram = histogram.map(|scalar| self.histogram(scalar, problems));
        Some(ExpectedSample {
            labels,
            empty,
            value,
            histogram: histogram.unwrap_or_default(),
        })
    }

    /// The labels of a sample, and those that are written with an empty value. Behind a metric name
    /// these count as left out, as in promtool.
    fn metric(&self, scalar: &Scalar, problems: &mut Vec<Diagnostic>) -> (Labels, Vec<String>) {
        let text = scalar.text();
        if text.is_empty() {
            return (Labels::default(), Vec::new());
        }
        let labels = promql::parse_metric_labels(text).unwrap_or_else(|errors| {
            self.place(scalar, 0, errors, problems);
            Labels::default()
        });
        let bare = text.trim_start().starts_with('{');
        let matchers = if bare {
            promql::parse_selector(text).ok()
        } else {
            None
        };
        let empty = matchers
            .into_iter()
            .flatten()
            .filter(|matcher| matcher.value.is_empty());
        (labels, empty.map(|matcher| matcher.name).collect())
    }

    /// One histogram in the series notation, as its normal text.
    fn histogram(&self, scalar: &Scalar, problems: &mut Vec<Diagnostic>) -> String {
        let read = notation::parse_values(scalar.text());
        let values = match read {
            Ok(values) => values,
            Err(errors) => {
                self.place(scalar, 0, errors, problems);
                return String::new();
            }
        };
        let message = match (values.len(), values.iter().next()) {
            (1, Some(Entry::Histogram(histogram, _))) => return histogram.test_expression(),
            (1, _) => "expected a histogram, got a number".to_owned(),
            (length, _) => format!("expected 1 value, got {length}"),
        };
        problems.push(Diagnostic::error(CODE, scalar.span, message));
        String::new()
    }
}

fn alert_test(
    node: &Node,
    sink: &mut Vec<Diagnostic>,
    problems: &mut Vec<Diagnostic>,
) -> Option<AlertTest> {
    let mut fields = Fields::new(node, "the test of an alert", sink)?;
    let head = fields.head();
    let eval_time = fields
        .duration("eval_time")
        .map_or(Duration::ZERO, |time| time.value);
    let name = fields
        .string("alertname")
        .filter(|name| !name.value.is_empty());
    let alerts = fields.list("exp_alerts");
    fields.finish();
    let Some(name) = name else {
        let message = format!("the test of an alert at {eval_time} misses field `alertname`");
        problems.push(Diagnostic::error(CODE, head, message));
        return None;
    };
    let alerts = alerts
        .iter()
        .filter_map(|node| expected_alert(node, &name.value, sink));
    Some(AlertTest {
        span: name.span,
        eval_time,
        expected: alerts.collect(),
        alertname: name.value,
    })
}

fn expected_alert(
    node: &Node,
    alertname: &str,
    sink: &mut Vec<Diagnostic>,
) -> Option<ExpectedAlert> {
    let mut fields = Fields::new(node, "the expected alert", sink)?;
    let owned = |(key, value): (&Scalar, &Scalar)| (key.text().to_owned(), value.text().to_owned());
    let mut labels: Vec<_> = fields
        .map_of_scalars("exp_labels")
        .into_iter()
        .map(owned)
        .collect();
    let annotations = fields
        .map_of_scalars("exp_annotations")
        .into_iter()
        .map(owned);
    let mut annotations: Vec<_> = annotations.collect();
    fields.finish();
    labels.retain(|(name, _)| name != "alertname");
    labels.reserve_exact(1);
    labels.push(("alertname".to_owned(), alertname.to_owned()));
    labels.sort();
    annotations.sort();
    Some(ExpectedAlert {
        labels,
        annotations,
    })
}

/// An interval; zero counts as not there, as in promtool.
fn interval(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<Duration> {
    let interval = fields.duration(name)?.value;
    (!interval.is_zero()).then_some(interval)
}

fn distinct(names: Vec<Spanned<String>>, sink: &mut Vec<Diagnostic>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    for name in &names {
        if !seen.insert(&name.value) {
            let message = format!(
                "group name `{}` is repeated in `group_eval_order`",
                name.value
            );
            sink.push(Diagnostic::error(CODE, name.span, message));
        }
    }
    names.into_iter().map(|name| name.value).collect()
}

/// `start_timestamp`: seconds since the epoch, or RFC 3339.
fn start(fields: &mut Fields<'_, '_>) -> Option<Timestamp> {
    let text = fields.string("start_timestamp")?;
    let start = instant(&text.value);
    if start.is_none() {
        let message = format!(
            "field `start_timestamp` must be seconds since 1970 or such as `2026-01-31T12:00:00Z`, not `{}`",
            text.value
        );
        fields.error(CODE, text.span, message);
    }
    start
}

fn instant(text: &str) -> Option<Timestamp> {
    /// Beyond it a double has no more milliseconds.
    const LAST: f64 = 9e12;
    if let Ok(seconds) = text.parse::<f64>() {
        #[expect(clippy::cast_possible_truncation, reason = "far below 2^63")]
        return (seconds.abs() <= LAST)
            .then(|| Timestamp::from_millis((seconds * 1000.0).floor() as i64));
    }
    if text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(Timestamp::from_millis(time.timestamp_millis()))
}

/// The `load` command that promtool makes of a test's series, and where its lines come from.
#[derive(Debug)]
struct LoadText<'n> {
    text: String,
    lines: Vec<Line<'n>>,
}

#[derive(Debug)]
struct Line<'n> {
    /// Where its series begins in the text.
    start: usize,
    series: Option<&'n Scalar>,
    values: Option<&'n Scalar>,
    head: Span,
}

impl<'n> LoadText<'n> {
    fn new(interval: Duration) -> Self {
        Self {
            text: format!("load {interval}\n"),
            lines: Vec::new(),
        }
    }

    /// Adds a series; says no if the command ends in it.
    fn push(&mut self, series: Option<&'n Scalar>, values: Option<&'n Scalar>, head: Span) -> bool {
        let start = self.text.len();
        self.text.push_str(series.map_or("", Scalar::text));
        self.text.push(' ');
        self.text.push_str(values.map_or("", Scalar::text));
        self.text.push('\n');
        self.lines.push(Line {
            start,
            series,
            values,
            head,
        });
        let mut at = start;
        while at < self.text.len() {
            let line = self.text[at..].lines().next().unwrap_or_default();
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                self.text.truncate(at);
                return false;
            }
            at += self.text[at..]
                .find('\n')
                .map_or(self.text.len(), |end| end + 1);
        }
        true
    }

    /// The errors of all series, where reading ended at the first: `first`.
    fn all_errors(&self, first: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let head = self.lines.first().map_or(0, |line| line.start);
        let mut all = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            let end = self
                .lines
                .get(index + 1)
                .map_or(self.text.len(), |next| next.start);
            let series = self.text.get(line.start..end).unwrap_or_default();
            let alone = format!("{}{series}", &self.text[..head]);
            for mut error in script::parse_load(&alone).err().unwrap_or_default() {
                error.span.start = error.span.start.saturating_sub(head) + line.start;
                error.span.end = error.span.end.saturating_sub(head) + line.start;
                all.push(error);
            }
        }
        // The start timestamps of a series are lines of their own, and no series when alone.
        if all.is_empty() || self.text.contains("@st") {
            first
        } else {
            all
        }
    }

    /// Where the series without labels stands.
    fn nameless(&self) -> Span {
        let is_empty = |text: &str| promql::parse_metric_labels(text).is_ok_and(|l| l.is_empty());
        let mut series = self.lines.iter().filter_map(|line| line.series);
        let found = series.find(|series| is_empty(series.text()));
        found.map_or(Span::at(0), |series| series.span)
    }

    /// The place in the file of a range of the text.
    fn place(&self, source: &str, span: Span) -> Span {
        let index = self.lines.partition_point(|line| line.start <= span.start);
        let Some(line) = index.checked_sub(1).map(|index| &self.lines[index]) else {
            return Span::at(0);
        };
        let series = line.series.map_or("", Scalar::text);
        let values = line.start + series.len() + 1;
        let (scalar, start) = if span.start < values && line.series.is_some() {
            (line.series, line.start)
        } else {
            (line.values, values)
        };
        let Some(scalar) = scalar else {
            return line.head;
        };
        let inside = |at: usize| at.saturating_sub(start).min(scalar.text().len());
        scalar.source_span(source, Span::new(inside(span.start), inside(span.end)))
    }
}
