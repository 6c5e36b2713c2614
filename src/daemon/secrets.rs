//! Finds the texts of secrets: those written in the configuration, and those in files, which are
//! read at each use so that a rotated key is used at once.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use stentor_core::config::SecretFile;
use stentor_core::receiver::{SecretBundle, SecretRef};
use stentor_lang::model::Diagnostic;

/// More than any key, token or chain of certificates has: what is longer is another file.
const LONGEST_SECRET: u64 = 256 * 1024;

/// The secrets that are written in the configuration, by the names it gave them.
#[derive(Clone, Default)]
pub(crate) struct Inline(pub(crate) BTreeMap<String, String>);

impl std::fmt::Debug for Inline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Inline {
    /// The texts as they are now. A secret that cannot be found is left out and named in the list
    /// of problems: what needs it fails, and says so without any text of it.
    pub(crate) fn resolve(&self, refs: &[(String, &SecretRef)]) -> (SecretBundle, Vec<String>) {
        let mut bundle = SecretBundle::default();
        let mut problems = Vec::new();
        for (field, secret) in refs {
            let text = match secret {
                SecretRef::Inline(name) => self
                    .0
                    .get(name)
                    .cloned()
                    .ok_or_else(|| format!("`{field}` is not in the configuration")),
                SecretRef::File(path) => {
                    read(Path::new(path)).map_err(|error| format!("`{field}`: {path}: {error}"))
                }
            };
            match text {
                Ok(text) => drop(bundle.0.insert(field.clone(), text)),
                Err(problem) => problems.push(problem),
            }
        }
        (bundle, problems)
    }
}

/// The files that cannot be used as the secrets that they should hold.
pub(crate) fn problems(secret_files: &[SecretFile]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for file in secret_files {
        let path = &file.path.value;
        let why = match read(Path::new(path)) {
            Ok(text) => file.problem(&text).map(str::to_owned),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = why {
            let message = format!("the secret file {path}: {why}");
            let hint = "write the file, or try without secrets by --notify.dry-run";
            let found = Diagnostic::error("config/secret", file.path.span, message);
            problems.push(found.with_hint(hint));
        }
    }
    problems
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(LONGEST_SECRET + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST_SECRET {
        return Err(std::io::Error::other(format!(
            "longer than {LONGEST_SECRET} bytes, which no secret is"
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_texts_and_files_are_found_and_what_is_missing_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("key");
        std::fs::write(&file, "from file\n").expect("written");
        let inline = Inline(BTreeMap::from([("a".to_owned(), "canary".to_owned())]));
        let refs = [
            SecretRef::Inline("a".to_owned()),
            SecretRef::Inline("b".to_owned()),
            SecretRef::File(file.display().to_string()),
            SecretRef::File(dir.path().join("none").display().to_string()),
        ];
        let named: Vec<_> = refs
            .iter()
            .enumerate()
            .map(|(at, secret)| (format!("field{at}"), secret))
            .collect();
        let (bundle, problems) = inline.resolve(&named);
        assert_eq!(bundle.0["field0"], "canary");
        assert_eq!(bundle.0["field2"], "from file\n");
        assert_eq!(bundle.0.len(), 2);
        assert_eq!(problems.len(), 2);
        assert!(!format!("{inline:?} {bundle:?} {problems:?}").contains("canary"));

        std::fs::write(&file, "x".repeat(300_000)).expect("written");
        assert_eq!(inline.resolve(&named[2..3]).1.len(), 1);
    }
}
