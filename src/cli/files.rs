//! Files that users name: found by patterns, and read as text. What cannot be read is a finding with
//! its place, so that one bad file hides no other.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use stentor_lang::model::{Diagnostic, SourceText, Span};
use stentor_lang::yaml::Spanned;

use super::diagnostics::Findings;

/// A file that is longer is none of ours, and would only fill the memory.
const LONGEST_FILE: u64 = 64 * 1024 * 1024;

/// What is wrong with a file that the configuration names.
pub(crate) const CODE: &str = "config/file";

/// Why a file is not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It cannot be opened, or is no file; the reason names it.
    Unopened(String),
    /// It is no text.
    NoText(Findings),
}

/// Reads a file as UTF-8.
pub(crate) fn read(path: &Path) -> Result<SourceText, Unread> {
    let name = path.display().to_string();
    let unopened = |why: &dyn std::fmt::Display| Unread::Unopened(format!("{name}: {why}"));
    let mut bytes = Vec::new();
    // A device has no length, and no end.
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| unopened(&error))?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(unopened(&format!("longer than {LONGEST_FILE} bytes")));
    }
    String::from_utf8(bytes)
        .map(|text| SourceText::new(name.as_str(), text))
        .map_err(|error| {
            let at = Span::at(error.utf8_error().valid_up_to());
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let why = Diagnostic::error("yaml/encoding", at, "the file is not UTF-8")
                .with_hint("save it as UTF-8");
            Unread::NoText(Findings {
                source: SourceText::new(name.as_str(), text),
                diagnostics: vec![why],
            })
        })
}

/// The files that a pattern names, in order; what is wrong with the pattern is noted.
pub(crate) fn expand(pattern: &Spanned<String>, found: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let text = &pattern.value;
    let globbed = match glob::glob(text) {
        Ok(globbed) => globbed,
        Err(error) => {
            let message = format!("`{text}` is no pattern: {}", error.msg);
            found.push(Diagnostic::error(CODE, pattern.span, message));
            return Vec::new();
        }
    };
    let before = found.len();
    let mut paths = Vec::new();
    for path in globbed {
        match path {
            Ok(path) => paths.push(path),
            Err(error) => {
                let message = format!("{}: {}", error.path().display(), error.error());
                found.push(Diagnostic::error(CODE, pattern.span, message));
            }
        }
    }
    if paths.is_empty() && found.len() == before {
        let message = format!("no file is named `{text}`");
        found.push(if text.contains(['*', '?', '[']) {
            Diagnostic::warning(CODE, pattern.span, message)
        } else {
            Diagnostic::error(CODE, pattern.span, message)
        });
    }
    paths
}
