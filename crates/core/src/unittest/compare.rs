//! What a test expects against what came, as promtool compares; and the difference for people.

use std::fmt::Write as _;

use stentor_lang::model::labels::quote;
use stentor_lang::model::number::format_g;
use stentor_lang::model::{Labels, METRIC_NAME};

use super::{ExpectedAlert, ExpectedSample};

/// The most lines of a difference that are written: enough to see what is wrong.
const MAX_LINES: usize = 60;
/// Between how many pairs those that are most alike are looked for; beyond, things are only listed.
const MAX_PAIRS: usize = 10_000;

/// How the got differs from the expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// `1 missing, 2 unexpected, 1 different`
    pub(super) summary: String,
    /// Lines that begin with `-` (expected), `+` (got) or a blank (both).
    pub(super) lines: Vec<String>,
    /// How many are expected and have no counterpart.
    pub(super) missing: usize,
}

/// Compares alerts; with `full`, those that are as expected are listed as well.
pub(super) fn alerts(
    mut expected: Vec<ExpectedAlert>,
    mut got: Vec<ExpectedAlert>,
    full: bool,
) -> Option<Difference> {
    expected.sort();
    got.sort();
    if expected == got {
        return None;
    }
    let facts = |alerts: Vec<ExpectedAlert>| alerts.into_iter().map(Facts::of_alert).collect();
    Some(difference(facts(expected), facts(got), full))
}

/// Compares samples; with `fuzzy`, a number may differ by its last bit.
pub(super) fn samples(
    expected: &[ExpectedSample],
    got: &[ExpectedSample],
    fuzzy: bool,
    full: bool,
) -> Option<Difference> {
    let sorted = |samples: &[ExpectedSample]| {
        let mut sorted = samples.to_vec();
        sorted.sort_by(|a, b| a.labels.cmp(&b.labels));
        sorted
    };
    let (expected, got) = (sorted(expected), sorted(got));
    let same = |a: &ExpectedSample, b: &ExpectedSample| {
        a.labels == b.labels
            && a.empty == b.empty
            && a.histogram == b.histogram
            && equal(a.value, b.value, fuzzy)
    };
    if expected.len() == got.len() && expected.iter().zip(&got).all(|(a, b)| same(a, b)) {
        return None;
    }
    // A number that counts as equal is shown as the expected one.
    let near = |sample: &ExpectedSample| {
        let mut sample = sample.clone();
        let close = |e: &&ExpectedSample| e.labels == sample.labels;
        if let Some(twin) = expected.iter().find(close)
            && equal(twin.value, sample.value, fuzzy)
        {
            sample.value = twin.value;
        }
        Facts::of_sample(&sample)
    };
    let got = if fuzzy {
        got.iter().map(near).collect()
    } else {
        got.iter().map(Facts::of_sample).collect()
    };
    let expected = expected.iter().map(Facts::of_sample).collect();
    Some(difference(expected, got, full))
}

/// As promtool: NaN equals nothing, not even itself.
fn equal(a: f64, b: f64, fuzzy: bool) -> bool {
    a == b || (fuzzy && (a.next_down() == b || a.next_up() == b))
}

/// What is said of an alert or of a sample.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Facts {
    /// The metric name, then labels, each as it is written.
    labels: Vec<String>,
    /// Annotations, or the value.
    rest: Vec<String>,
    /// Whether it equals nothing: NaN.
    lonely: bool,
}

impl Facts {
    fn of_alert(alert: ExpectedAlert) -> Self {
        let text = |(name, value): (String, String)| format!("{name}={}", quote(&value));
        Self {
            labels: alert.labels.into_iter().map(text).collect(),
            rest: alert.annotations.into_iter().map(text).collect(),
            lonely: false,
        }
    }

    fn of_sample(sample: &ExpectedSample) -> Self {
        let value = match sample.histogram.as_str() {
            "" => format_g(sample.value),
            histogram if sample.value == 0.0 => histogram.to_owned(),
            // promtool compares the number beside a histogram too.
            histogram => format!("{histogram} value {}", format_g(sample.value)),
        };
        let name = METRIC_NAME;
        let mut labels = names_first(&sample.labels, name);
        labels.extend(sample.empty.iter().map(|label| format!("{label}=\"\"")));
        Self {
            labels,
            rest: vec![value],
            lonely: sample.value.is_nan() && sample.histogram.is_empty(),
        }
    }

    fn likeness(&self, other: &Self) -> usize {
        let common = |a: &[String], b: &[String]| a.iter().filter(|text| b.contains(text)).count();
        2 * common(&self.labels, &other.labels) + common(&self.rest, &other.rest)
    }

    fn head(&self) -> String {
        format!("{{{}}}", self.labels.join(", "))
    }

    /// The whole, each line with the sign.
    fn write(&self, sign: char, lines: &mut Vec<String>) {
        match self.rest.as_slice() {
            [value] if !value.contains("=\"") => {
                lines.push(format!("{sign} {} {value}", self.head()));
            }
            rest => {
                lines.push(format!("{sign} {}", self.head()));
                lines.extend(rest.iter().map(|text| format!("{sign}     {text}")));
            }
        }
    }

    /// What differs from another that is much like it.
    fn write_against(&self, got: &Self, lines: &mut Vec<String>) {
        let common = self.labels.iter().filter(|text| got.labels.contains(text));
        let common: Vec<&str> = common.map(String::as_str).collect();
        lines.push(format!("  {{{}}}", common.join(", ")));
        for (here, there) in [(&self.labels, &got.labels), (&self.rest, &got.rest)] {
            let only = |a: &[String], b: &[String], sign| {
                let only: Vec<_> = a.iter().filter(|text| !b.contains(text)).collect();
                only.into_iter()
                    .map(|text| format!("{sign}     {text}"))
                    .collect::<Vec<_>>()
            };
            lines.extend(only(here, there, '-'));
            lines.extend(only(there, here, '+'));
        }
        if self.lonely && got.lonely {
            lines.push("-     NaN (equals nothing, not even NaN)".to_owned());
            lines.push("+     NaN".to_owned());
        }
    }
}

fn names_first(labels: &Labels, name: &str) -> Vec<String> {
    let others = labels.iter().filter(|(label, _)| *label != name);
    let mut texts = Vec::with_capacity(labels.len());
    if labels.contains(name) {
        texts.push(format!("{name}={}", quote(labels.get(name))));
    }
    texts.extend(others.map(|(label, value)| format!("{label}={}", quote(value))));
    texts
}

fn difference(mut expected: Vec<Facts>, mut got: Vec<Facts>, full: bool) -> Difference {
    expected.sort();
    got.sort();
    let mut lines = Vec::new();
    let mut left = Vec::new();
    for item in expected {
        match got.binary_search(&item) {
            Ok(twin) if !item.lonely => {
                got.remove(twin);
                if full {
                    item.write(' ', &mut lines);
                }
            }
            _ => left.push(item),
        }
    }
    let (mut missing, mut different) = (0, 0);
    let pairs = left.len() * got.len() <= MAX_PAIRS;
    for item in left {
        let twins = got.iter().enumerate().filter(|_| pairs);
        let best = twins.max_by_key(|(index, twin)| (item.likeness(twin), usize::MAX - index));
        // Beside its name, something has to be common.
        match best.map(|(index, twin)| (index, item.likeness(twin))) {
            Some((index, likeness)) if likeness > 2 || item.labels == got[index].labels => {
                let twin = got.remove(index);
                different += 1;
                item.write_against(&twin, &mut lines);
            }
            _ => {
                missing += 1;
                item.write('-', &mut lines);
            }
        }
    }
    let unexpected = got.len();
    for item in &got {
        item.write('+', &mut lines);
    }
    let more = lines.len().saturating_sub(MAX_LINES);
    if more > 0 {
        lines.truncate(MAX_LINES);
        lines.push(format!("  ... and {more} lines more"));
    }
    Difference {
        summary: summary(&[
            (missing, "missing"),
            (unexpected, "unexpected"),
            (different, "different"),
        ]),
        lines,
        missing,
    }
}

fn summary(counts: &[(usize, &str)]) -> String {
    let mut text = String::new();
    for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}{count} {what}");
    }
    text
}
