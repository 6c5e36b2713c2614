//! Where the programs are that Stentor is tested against.

use std::path::PathBuf;

/// The path of a peer's program: in the folder that `STENTOR_PEERS` names, or on `PATH`. Says
/// SKIPPED where it is absent, and panics in CI.
pub(super) fn need(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("STENTOR_PEERS").or_else(|| std::env::var_os("PATH"));
    let found = folders.and_then(|folders| {
        std::env::split_paths(&folders)
            .map(|folder| folder.join(program))
            .find(|path| path.is_file())
    });
    if found.is_none() {
        skip(&format!(
            "{program} is neither in STENTOR_PEERS nor on PATH"
        ));
    }
    found
}

/// The folder of conformance data, or SKIPPED.
pub(super) fn conformance() -> Option<PathBuf> {
    let shared = std::env::var_os("STENTOR_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let folder = shared.join("conformance");
    if folder.is_dir() {
        return Some(folder);
    }
    skip(&format!("{} is not there", folder.display()));
    None
}

#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn skip(why: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "in CI nothing is skipped: {why}"
    );
    println!("SKIPPED: {why}");
}
