//! The files of recorded samples that a test names.

use std::path::Path;
use std::sync::Arc;

use stentor_core::fixture::{self, Format, Recorded};
use stentor_core::rulefile::RuleGroup;
use stentor_core::unittest::{InputFile, Test};
use stentor_lang::model::{Diagnostic, SourceText};
use stentor_lang::promql::memory::MemoryStore;

use crate::cli::input;

/// What is wrong with a file of samples.
pub(super) const CODE: &str = "test/input-file";
/// The most errors of a file that are shown.
const MOST_ERRORS: usize = 10;

/// What the files of a test hold.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) store: MemoryStore,
    /// The rules, where they ask for recorded results.
    pub(super) groups: Vec<Arc<RuleGroup>>,
    /// Which rules cannot be answered.
    pub(super) warnings: Vec<Diagnostic>,
}

/// Reads the files of a test; `None` where it names none. What is wrong with them is told at the places
/// that name them.
pub(super) fn read(
    folder: &Path,
    test: &Test,
    groups: &[Arc<RuleGroup>],
) -> Result<Option<Files>, Vec<Diagnostic>> {
    let Some(first) = test.input_files.first() else {
        return Ok(None);
    };
    let mut files = Files {
        store: MemoryStore::default(),
        groups: groups.to_vec(),
        warnings: Vec::new(),
    };
    let mut recorded = Vec::new();
    let mut problems = Vec::new();
    for file in &test.input_files {
        problems.extend(add(folder, file, &mut files.store, &mut recorded));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if !recorded.is_empty() {
        let place = test.input_files.iter().find(|file| file.expr.is_some());
        let place = place.unwrap_or(first).path.span;
        match fixture::apply(&recorded, groups, &mut files.store) {
            Ok(applied) => {
                files.groups = applied.groups;
                let warning = |why| Diagnostic::warning(CODE, place, why);
                files.warnings = applied.unanswered.into_iter().map(warning).collect();
            }
            Err(errors) => {
                let error = |why| Diagnostic::error(CODE, place, why);
                return Err(errors.into_iter().map(error).collect());
            }
        }
    }
    Ok(Some(files))
}

fn add(
    folder: &Path,
    file: &InputFile,
    store: &mut MemoryStore,
    recorded: &mut Vec<Recorded>,
) -> Option<Diagnostic> {
    let path = folder.join(&file.path.value);
    let name = path.display().to_string();
    let problem = |message: String| Some(Diagnostic::error(CODE, file.path.span, message));
    let (text, plain) = match input::text(&path) {
        Ok(read) => read,
        Err(why) => return problem(format!("cannot read {name}: {why}")),
    };
    let read = if let Some(expr) = &file.expr {
        Recorded::read(expr.clone(), &text).map(|results| recorded.push(results))
    } else {
        let format = Format::of(&plain, &text);
        fixture::read(&text, format, &fixture::Options::default(), store)
    };
    let errors = read.err()?;
    let source = SourceText::new(name.as_str(), text);
    let mut message = format!("{name} is refused");
    for error in errors.iter().take(MOST_ERRORS) {
        message.push_str("\n  ");
        message.push_str(&error.one_line(&source));
    }
    problem(message)
}
