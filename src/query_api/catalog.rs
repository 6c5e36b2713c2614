//! `/api/v1/series`, `/api/v1/labels` and `/api/v1/label/NAME/values`: what there is.

use std::collections::BTreeSet;

use stentor_lang::model::labels::quote;
use stentor_lang::model::{Labels, Timestamp};
use stentor_lang::promql::store::{SampleBuffer, SeriesStore as _};
use stentor_lang::regex::LabelMatcher;

use super::json::{self, list, success, text};
use super::params::{ALWAYS, Params, TRUNCATED};
use super::{Answered, App, Refusal};

pub(super) fn series(app: &App, params: &Params) -> Answered {
    if params.first("match[]").is_empty() {
        let why = "no match[] parameter provided";
        return Err(Refusal::BadData(why.to_owned()));
    }
    let limit = params.limit()?;
    let bounds = params.bounds()?;
    let sets = params
        .selectors()
        .map_err(|why| Refusal::invalid("match[]", why))?;
    let found = matching(app, &sets, bounds);
    let (found, warnings) = cut(found.iter().collect(), limit);
    let mut data = String::new();
    list(&mut data, &found, |out, labels| json::labels(out, labels));
    Ok(success(&data, &warnings, &[]))
}

pub(super) fn labels(app: &App, params: &Params) -> Answered {
    let limit = params.limit()?;
    let bounds = params.bounds()?;
    let sets = params.selectors().map_err(Refusal::BadData)?;
    let found = matching(app, &sets, bounds);
    let names: BTreeSet<&str> = found
        .iter()
        .flat_map(Labels::iter)
        .map(|(n, _)| n)
        .collect();
    Ok(names_answer(names, limit))
}

pub(super) fn label_values(app: &App, params: &Params, name: &str) -> Answered {
    let name = unescaped(name);
    if name.is_empty() {
        let why = format!("invalid label name: {}", quote(&name));
        return Err(Refusal::BadData(why));
    }
    let limit = params.limit()?;
    let bounds = params.bounds()?;
    let sets = params.selectors().map_err(Refusal::BadData)?;
    let found = matching(app, &sets, bounds);
    let values = found.iter().map(|labels| labels.get(&name));
    let values: BTreeSet<&str> = values.filter(|value| !value.is_empty()).collect();
    Ok(names_answer(values, limit))
}

/// The series of any of the selectors, or all where there is none, that have samples between two times.
fn matching(
    app: &App,
    sets: &[Vec<LabelMatcher>],
    (from, to): (Timestamp, Timestamp),
) -> BTreeSet<Labels> {
    let store = (app.series)().store;
    let all = [Vec::new()];
    let sets = if sets.is_empty() { &all[..] } else { sets };
    let selected = sets.iter().flat_map(|set| store.select(set, from, to));
    let has_samples = |id| {
        let mut buffer = SampleBuffer::default();
        (from, to) == ALWAYS || !store.samples(id, from, to, &mut buffer).is_empty()
    };
    selected
        .filter(|series| has_samples(series.id))
        .map(|series| series.labels)
        .collect()
}

fn names_answer(names: BTreeSet<&str>, limit: usize) -> String {
    let (names, warnings) = cut(names.into_iter().collect(), limit);
    let mut data = String::new();
    list(&mut data, &names, |out, name| text(out, name));
    success(&data, &warnings, &[])
}

fn cut<T>(mut all: Vec<T>, limit: usize) -> (Vec<T>, Vec<String>) {
    if limit == 0 || all.len() <= limit {
        return (all, Vec::new());
    }
    all.truncate(limit);
    (all, vec![TRUNCATED.to_owned()])
}

/// A name as clients write it where it would not fit into a path: `U__a_2e_b` is `a.b`.
fn unescaped(name: &str) -> String {
    let Some(escaped) = name.strip_prefix("U__") else {
        return name.to_owned();
    };
    let mut plain = String::new();
    let mut rest = escaped;
    while let Some((before, behind)) = rest.split_once('_') {
        plain.push_str(before);
        if let Some(behind) = behind.strip_prefix('_') {
            plain.push('_');
            rest = behind;
            continue;
        }
        let decoded = behind.split_once('_').and_then(|(code, rest)| {
            let code = u32::from_str_radix(code, 16).ok()?;
            Some((char::from_u32(code)?, rest))
        });
        let Some((c, behind)) = decoded else {
            return name.to_owned();
        };
        plain.push(c);
        rest = behind;
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths() {
        for (path, name) in [
            ("job", "job"),
            ("U__a_2e_b__c", "a.b_c"),
            ("U___1f600_", "\u{1f600}"),
            ("U__a_zz_", "U__a_zz_"),
            ("U__a_", "U__a_"),
        ] {
            assert_eq!(unescaped(path), name, "{path}");
        }
    }
}
