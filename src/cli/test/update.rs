//! `--update`: writes what tests brought about into their files, and says what it wrote.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use stentor_core::unittest::{self, Goldens, NewList, Update};
use stentor_lang::model::SourceText;

use crate::cli::diagnostics::visible;

/// What became of it.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Lines for people.
    pub(super) log: String,
    /// Whether a file is another one now: the tests are to be run again.
    pub(super) changed: bool,
}

/// Writes the updates of a file's tests, each with its test's name.
pub(super) fn write(
    path: &Path,
    source: &SourceText,
    goldens: &Goldens,
    updates: &[(String, Update)],
) -> Written {
    let mut written = Written::default();
    write_goldens(
        path.parent().unwrap_or(Path::new("")),
        goldens,
        updates,
        &mut written,
    );
    let lists: Vec<(&str, &NewList)> = updates
        .iter()
        .flat_map(|(test, update)| update.lists.iter().map(|list| (&**test, list)))
        .collect();
    if lists.is_empty() {
        return written;
    }
    let only: Vec<&NewList> = lists.iter().map(|(_, list)| *list).collect();
    let result = unittest::rewrite(&source.text, &only)
        .and_then(|text| replace(path, &text).map_err(|why| format!("cannot write it: {why}")));
    match result {
        Ok(()) => {
            written.changed = true;
            for (test, list) in lists {
                written.say(&updated(source, test, list));
            }
        }
        Err(why) => written.say(&format!("{}: not updated: {why}", source.name)),
    }
    written
}

/// Says that a list is another one now.
fn updated(source: &SourceText, test: &str, list: &NewList) -> String {
    let line = source.position(list.key.start).line;
    let count = list.entries.len();
    let plural = if count == 1 { "entry" } else { "entries" };
    let old = source.text.get(list.span.start..list.span.end);
    let is_comment = |line: &str| line.trim_start().starts_with('#') || line.contains(" #");
    let comments = if old.is_some_and(|old| old.lines().any(is_comment)) {
        "; its comments are lost"
    } else {
        ""
    };
    let (file, name) = (&source.name, list.name);
    format!("{file}:{line}: updated `{name}` of test `{test}`: {count} {plural}{comments}")
}

/// Writes golden files that are missing or differ. One that two notifications name must suit both.
fn write_goldens(
    folder: &Path,
    goldens: &Goldens,
    updates: &[(String, Update)],
    written: &mut Written,
) {
    let mut wanted: BTreeMap<&str, &str> = BTreeMap::new();
    let mut torn: Vec<&str> = Vec::new();
    for (path, text) in updates.iter().flat_map(|(_, update)| &update.goldens) {
        let first = wanted.entry(path).or_insert(text);
        if unittest::golden_difference(first, text).is_some() && !torn.contains(&&**path) {
            torn.push(path);
        }
    }
    for (path, text) in wanted {
        let file = folder.join(path);
        let name = file.display();
        if torn.contains(&path) {
            let why = "two notifications name it, and their bodies differ";
            written.say(&format!("{name}: not written: {why}"));
            continue;
        }
        if let Some(Ok(golden)) = goldens.get(path)
            && unittest::golden_difference(golden, text).is_none()
        {
            continue;
        }
        let parent = file.parent().unwrap_or(Path::new(""));
        match std::fs::create_dir_all(parent).and_then(|()| replace(&file, text)) {
            Ok(()) => {
                written.changed = true;
                written.say(&format!("{name}: written"));
            }
            Err(why) => written.say(&format!("{name}: cannot be written: {why}")),
        }
    }
}

/// Puts a whole new file in the place of an old one; a process that dies meanwhile leaves the old one.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    // Through a link, so that it stays one.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let written = std::fs::File::create_new(&draft)
        .and_then(|mut file| {
            if let Ok(old) = std::fs::metadata(&path) {
                file.set_permissions(old.permissions())?;
            }
            file.write_all(text.as_bytes())
        })
        .and_then(|()| std::fs::rename(&draft, &path));
    if written.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    written
}

impl Written {
    fn say(&mut self, line: &str) {
        let _ = writeln!(self.log, "{}", visible(line));
    }
}
