//! Answers on disk, as they were received, so that the same history is fetched once.
//!
//! A file holds one answer under a name made of what was asked and of whom. It begins with its key
//! and a checksum of the rest: what is damaged is fetched anew. Only what is old enough to change
//! no more is kept.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use xxhash_rust::xxh64::{Xxh64, xxh64};

use super::Told;

/// All files together; the oldest are removed.
const MOST_BYTES: u64 = 4 << 30;

/// Samples come late by no more than this.
const LATE: i64 = 10 * 60 * 1000;

/// With what each file begins; another form gets another word.
const MAGIC: &str = "stentor-history-1";

/// How the names of all files end; nothing else in the folder is touched.
const SUFFIX: &str = ".history";

/// Answers of one datasource.
pub(super) struct Cache {
    folder: Option<PathBuf>,
    url: String,
}

/// `$XDG_CACHE_HOME/stentor`, or `~/.cache/stentor`; none where there is no home.
pub(crate) fn default_folder() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = of("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.filter(|path| path.is_absolute());
    let base = base.or_else(|| Some(PathBuf::from(of("HOME")?).join(".cache")));
    Some(base?.join("stentor"))
}

impl Cache {
    /// A cache in a folder, which is made when something is kept; without one nothing is.
    pub(super) fn new(folder: Option<PathBuf>, url: &str) -> Self {
        Self {
            folder,
            url: url.to_owned(),
        }
    }

    /// The answer that was kept under a key.
    pub(super) fn get(&self, key: &str, told: &mut Told) -> Option<Vec<u8>> {
        let (path, key) = self.place(key)?;
        let file = fs::read(&path).ok()?;
        match body(&file, &key) {
            Ok(start) => {
                told.cached = true;
                let mut file = file;
                file.drain(..start);
                Some(file)
            }
            Err(why) => {
                told.notes
                    .push(format!("{}: {why}: fetched anew", path.display()));
                None
            }
        }
    }

    /// Keeps an answer with the samples up to an instant, unless that was only now. What cannot be written
    /// is a note.
    pub(super) fn put(&mut self, key: &str, to: i64, body: &[&[u8]], told: &mut Told) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(0));
        if to > now - LATE {
            return;
        }
        let Some((path, key)) = self.place(key) else {
            return;
        };
        if let Err(why) = write(&path, &key, body) {
            told.notes
                .push(format!("{}: not kept: {why}", path.display()));
            self.folder = None;
        }
    }

    /// Removes the oldest answers where there are too many.
    pub(super) fn trim(&self) {
        if let Some(folder) = &self.folder {
            trim(folder, MOST_BYTES);
        }
    }

    /// The file of a key, and the whole key in one line.
    fn place(&self, key: &str) -> Option<(PathBuf, String)> {
        use sha2::{Digest as _, Sha256};
        use std::fmt::Write as _;
        let folder = self.folder.as_ref()?;
        let key = format!("{}\n{key}", self.url);
        let mut name = String::new();
        for byte in &Sha256::digest(key.as_bytes())[..16] {
            write!(name, "{byte:02x}").expect("invariant: String");
        }
        Some((folder.join(name + SUFFIX), format!("{key:?}")))
    }
}

/// Where the body begins in a file of this key, which is whole.
fn body(file: &[u8], key: &str) -> Result<usize, &'static str> {
    let head = file.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let Some((end, _)) = head.clone().next() else {
        return Err("damaged");
    };
    let first = std::str::from_utf8(&file[..end]).map_err(|_| "damaged")?;
    let sum = first.strip_prefix(MAGIC).ok_or("of another version")?;
    let sum = u64::from_str_radix(sum.trim(), 16).map_err(|_| "damaged")?;
    if xxh64(&file[end + 1..], 0) != sum {
        return Err("damaged");
    }
    let start = head.clone().nth(1).ok_or("damaged")?.0;
    if file[end + 1..start] != *key.as_bytes() {
        return Err("of another question");
    }
    Ok(start + 1)
}

fn write(path: &Path, key: &str, body: &[&[u8]]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mut sum = Xxh64::new(0);
    sum.update(key.as_bytes());
    sum.update(b"\n");
    for part in body {
        sum.update(part);
    }
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            writeln!(file, "{MAGIC} {:016x}\n{key}", sum.digest())?;
            body.iter().try_for_each(|part| file.write_all(part))
        })
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

fn trim(folder: &Path, most: u64) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let ours = entries.filter(|e| e.file_name().to_string_lossy().ends_with(SUFFIX));
    let mut files: Vec<_> = ours
        .filter_map(|entry| {
            let about = entry.metadata().ok()?;
            Some((about.modified().ok()?, about.len(), entry.path()))
        })
        .collect();
    files.sort();
    let mut total: u64 = files.iter().map(|(_, length, _)| length).sum();
    for (_, length, path) in files {
        if total <= most {
            break;
        }
        // Another process may have removed it.
        let _ = fs::remove_file(path);
        total -= length;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn answers_are_kept_whole_or_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("a/b");
        let mut cache = Cache::new(Some(inner.clone()), "http://x");
        let mut told = Told::default();
        assert_eq!(cache.get("key\nof two lines", &mut told), None);
        cache.put("key\nof two lines", 0, &[b"bo", b"dy\n\n"], &mut told);
        assert!(!told.cached);
        let kept = cache.get("key\nof two lines", &mut told);
        assert_eq!(kept.as_deref(), Some(&b"body\n\n"[..]));
        assert!(told.cached && told.notes.is_empty());
        assert_eq!(cache.get("key", &mut told), None);
        let other = Cache::new(Some(inner.clone()), "http://y");
        assert_eq!(other.get("key\nof two lines", &mut told), None);
        let path = fs::read_dir(&inner).expect("a folder").next();
        let path = path.expect("a file").expect("a file").path();
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let whole = fs::read(&path).expect("a file");
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).expect("written");
            assert_eq!(cache.get("key\nof two lines", &mut told), None, "{end}");
        }
        assert!(told.notes[0].ends_with("damaged: fetched anew"), "{told:?}");
        // What is young may change.
        cache.put("young", i64::MAX, &[b"body"], &mut told);
        assert_eq!(cache.get("young", &mut told), None);
    }

    #[test]
    fn the_oldest_are_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        for (index, age) in [("a", 30), ("b", 20), ("c", 10)] {
            let path = folder.path().join(format!("{index}{SUFFIX}"));
            fs::write(&path, [0; 100]).expect("written");
            let file = fs::File::options().write(true).open(&path).expect("a file");
            let then = SystemTime::now() - std::time::Duration::from_secs(age);
            file.set_modified(then).expect("a time");
        }
        fs::write(folder.path().join("other"), [0; 1000]).expect("written");
        trim(folder.path(), 250);
        let mut left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
        left.retain(Result::is_ok);
        let mut names: Vec<_> = left.into_iter().flatten().map(|e| e.file_name()).collect();
        names.sort();
        assert_eq!(names, ["b.history", "c.history", "other"]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_a_note() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        let mut cache = Cache::new(Some(file), "http://x");
        let mut told = Told::default();
        cache.put("key", 0, &[b"body"], &mut told);
        cache.put("key", 0, &[b"body"], &mut told);
        assert_eq!(told.notes.len(), 1, "{told:?}");
    }
}
