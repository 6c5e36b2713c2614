//! Short names for the series of one plot: what they have in common is said elsewhere.

use stentor_lang::model::{Labels, METRIC_NAME};

/// How much of a label's value a name holds, in characters.
const LONGEST: usize = 48;

/// A name for each: the labels that are not the same in all of them; all, where there is one series.
pub(crate) fn names(all: &[&Labels]) -> Vec<String> {
    let common = |name: &str, value: &str| all.iter().all(|other| other.get(name) == value);
    let name_of = |labels: &Labels| {
        let own = labels.iter().filter(|(name, value)| !common(name, value));
        parts(own)
    };
    let names = all.iter().map(|labels| match name_of(labels) {
        name if !name.is_empty() => name,
        _ if labels.is_empty() => "value".to_owned(),
        _ => parts(labels.iter()),
    });
    names.collect()
}

fn parts<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let parts: Vec<String> = labels
        .map(|(name, value)| match name {
            METRIC_NAME => short(value),
            name => format!("{name}={}", short(value)),
        })
        .collect();
    parts.join(", ")
}

fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}
