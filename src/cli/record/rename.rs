//! Replaces the values of labels, so that names stay where they are known.

use std::collections::{BTreeMap, BTreeSet};

use stentor_core::needs::Needs;
use stentor_lang::model::METRIC_NAME;
use stentor_lang::promql::memory::MemoryStore;

use super::gather::Gathered;

/// Labels whose values rules compute with.
const FIXED: [&str; 3] = [METRIC_NAME, "le", "quantile"];

/// A label whose values were replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Renamed {
    pub(super) label: String,
    pub(super) values: usize,
    /// The selectors that name the label, and may find something else now.
    pub(super) selectors: Vec<String>,
}

/// A label that can be renamed.
pub(super) fn label(text: &str) -> Result<String, String> {
    if text.is_empty() || FIXED.contains(&text) {
        return Err("the values of this label mean something to the rules".to_owned());
    }
    Ok(text.to_owned())
}

/// Replaces the values of these labels in all series: by the label's name and the number of the value in the
/// order of the values, so that no number depends on the order in which series came.
pub(super) fn all(
    gathered: &mut Gathered,
    labels: &[String],
    needs: &Needs,
) -> Result<Vec<Renamed>, String> {
    let labels: BTreeSet<&String> = labels.iter().collect();
    let mut renamed = Vec::new();
    for label in labels {
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for (labels, _) in gathered.store.iter() {
            values.insert(labels.get(label).to_owned(), String::new());
        }
        // A series without the label does not get it.
        values.remove("");
        if values.is_empty() {
            return Err(format!(
                "--rename: no recorded series has a label `{label}`"
            ));
        }
        for (number, name) in (1..).zip(values.values_mut()) {
            *name = format!("{label}-{number}");
        }
        gathered.store = replaced(std::mem::take(&mut gathered.store), label, &values);
        let names_it =
            |need: &&stentor_core::needs::Need| need.matchers.iter().any(|m| m.name == *label);
        let selectors = needs.selectors.iter().filter(names_it);
        renamed.push(Renamed {
            label: label.clone(),
            values: values.len(),
            selectors: selectors.map(|need| need.text.clone()).collect(),
        });
    }
    Ok(renamed)
}

fn replaced(store: MemoryStore, label: &str, values: &BTreeMap<String, String>) -> MemoryStore {
    let mut replaced = MemoryStore::default();
    for (labels, samples) in store.into_series() {
        match values.get(labels.get(label)) {
            Some(name) => {
                let mut builder = labels.to_builder();
                builder.set(label, name);
                replaced.insert(&builder.build(), samples);
            }
            None => replaced.insert(&labels, samples),
        }
    }
    replaced
}
