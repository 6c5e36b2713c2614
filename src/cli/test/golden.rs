//! Golden files beside a test file.

use std::path::Path;

use stentor_core::unittest::{Goldens, Test};

use crate::cli::files::{self, Unread};

/// Reads the golden files that tests name.
pub(super) fn read<'t>(folder: &Path, tests: impl Iterator<Item = &'t Test>) -> Goldens {
    let mut goldens = Goldens::new();
    for path in tests.flat_map(|test| test.sections.goldens()) {
        let file = folder.join(&path.value);
        goldens
            .entry(path.value.clone())
            .or_insert_with(|| match files::read(&file) {
                Ok(source) => Ok(source.text.to_string()),
                Err(Unread::Unopened(why)) => Err(why),
                Err(Unread::NoText(found)) => Err(format!("{} is no text", found.source.name)),
            });
    }
    goldens
}
