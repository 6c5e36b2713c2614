//! Test data of other projects, which the project does not hold itself.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests read files and say what they skip"
)]

use std::path::PathBuf;

/// The named folder of conformance data, or `None`, said aloud, where it is not there. In CI it
/// must be there.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let root = std::env::var("STENTOR_SHARED")
        .unwrap_or_else(|_| format!("{}/../../../shared", env!("CARGO_MANIFEST_DIR")));
    let folder = PathBuf::from(root).join("conformance").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var("CI").is_err(),
        "no conformance data at {}",
        folder.display()
    );
    eprintln!("SKIPPED: no conformance data at {}", folder.display());
    None
}

/// The names and texts of a folder's files with one ending, sorted; none where it is not there.
pub(crate) fn files(name: &str, ending: &str) -> Vec<(String, String)> {
    let Some(folder) = folder(name) else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<(String, String)> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .map(|path| {
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, std::fs::read_to_string(path).expect("a text"))
        })
        .collect();
    files.sort();
    files
}
