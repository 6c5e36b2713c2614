//! Writes a file whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Refuses to write over a file, before any work is done for it.
pub(super) fn check(path: &Path, overwrite: bool) -> Result<(), String> {
    if path.is_dir() || path.file_name().is_none() {
        return Err(format!("--output {}: this is a folder", path.display()));
    }
    let name = path.to_string_lossy().to_ascii_lowercase();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    let other = [".json", ".test", ".yml", ".yaml", ".prom"];
    if let Some(end) = other.iter().find(|end| plain.ends_with(**end)) {
        return Err(format!(
            "--output {}: a file that ends in `{end}` is read as another format; name it `.om` or `.om.gz`",
            path.display()
        ));
    }
    if path.exists() && !overwrite {
        return Err(format!(
            "--output {}: the file is there already; --overwrite replaces it",
            path.display()
        ));
    }
    Ok(())
}

/// Writes the text, packed if the name ends in `.gz`, under another name first. Returns how many bytes the
/// file has.
pub(super) fn save(path: &Path, text: &str, overwrite: bool) -> Result<u64, String> {
    let failed = |error: std::io::Error| format!("--output {}: {error}", path.display());
    let packed = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("gz"));
    let bytes = if packed {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).map_err(failed)?;
        encoder.finish().map_err(failed)?
    } else {
        text.as_bytes().to_vec()
    };
    let (mut file, temporary) = begin(path).map_err(failed)?;
    let written = file
        .write_all(&bytes)
        .and_then(|()| file.sync_all())
        .map_err(failed)
        // It may have been made meanwhile.
        .and_then(|()| check(path, overwrite))
        .and_then(|()| std::fs::rename(&temporary, path).map_err(failed));
    if let Err(why) = written {
        let _ = std::fs::remove_file(&temporary);
        return Err(why);
    }
    Ok(bytes.len() as u64)
}

/// A new file beside the one that is going to be written.
fn begin(path: &Path) -> std::io::Result<(File, PathBuf)> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(name);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&temporary)?;
    Ok((file, temporary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_if_that_is_wanted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.om");
        assert_eq!(save(&path, "one", false), Ok(3));
        assert!(check(&path, false).is_err());
        assert!(save(&path, "two", false).is_err());
        assert_eq!(std::fs::read_to_string(&path).expect("the file"), "one");
        assert_eq!(save(&path, "three", true), Ok(5));
        assert_eq!(std::fs::read_to_string(&path).expect("the file"), "three");
        assert!(check(folder.path(), true).is_err());
        assert!(save(&folder.path().join("none/a.om"), "", false).is_err());
        let left = std::fs::read_dir(folder.path())
            .expect("the folder")
            .count();
        assert_eq!(left, 1, "nothing is left beside the file");
    }
}
