//! The store on SQLite: one file, mode 0600, write-ahead log, synchronous at every commit.
//!
//! Each row carries a checksum, because SQLite notices damage of its pages' structure, and not a
//! flipped bit inside a text.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use stentor_core::receiver::{SecretBundle, SecretId};
use xxhash_rust::xxh64::xxh64;

use super::salvage::{self, Salvaged};
use super::{Change, Found, Loaded, Store, StoreError};

/// The version of the schema below, as `PRAGMA user_version` holds it.
pub(super) const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE record (
        kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, sum INTEGER NOT NULL,
        PRIMARY KEY (kind, key)
    ) WITHOUT ROWID;
    CREATE TABLE secret (
        id INTEGER PRIMARY KEY AUTOINCREMENT, bundle TEXT NOT NULL UNIQUE, sum INTEGER NOT NULL,
        retired INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE probe (one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL);
    PRAGMA user_version = 1;
";

/// The kind of rows by which the engine says that nothing refers to a version of secrets.
const SECRET: &str = "secret";

/// How long a second process waits for the first to end, as in a rolling restart.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Names of files below `--storage.path`.
const DATABASE: &str = "stentor.db";
const LOCK: &str = "stentor.lock";

/// The store of this process.
pub(crate) struct Sqlite {
    db: Connection,
    path: PathBuf,
    /// The file that is open, by its number.
    inode: u64,
    /// Held as long as the store is open.
    _lock: File,
}

impl Sqlite {
    /// Opens the store of a directory, which is made where it is not there, and reads all of it.
    /// A damaged file is kept beside under a name with `label`, and what is whole in it goes on.
    pub(crate) fn open(
        directory: &Path,
        label: &str,
        wait: Duration,
    ) -> Result<(Self, Loaded), StoreError> {
        std::fs::create_dir_all(directory).map_err(StoreError::io(directory))?;
        let lock = lock(directory, wait)?;
        let path = directory.join(DATABASE);
        let (db, loaded) = match open_whole(&path) {
            Ok(opened) => opened,
            Err(error) if error.is_damage() => rebuild(&path, label, &error)?,
            Err(error) => return Err(error),
        };
        let store = Self {
            db,
            inode: inode(&path)?,
            path,
            _lock: lock,
        };
        Ok((store, loaded))
    }

    /// Whether what is written goes to the file of that name: to one that was deleted, writing
    /// succeeds, and the next start finds nothing.
    fn in_place(&self) -> Result<(), StoreError> {
        match inode(&self.path) {
            Ok(inode) if inode == self.inode => Ok(()),
            _ => Err(StoreError::Gone(self.path.clone())),
        }
    }

    /// Whether a directory holds a store.
    pub(crate) fn is_there(directory: &Path) -> bool {
        directory.join(DATABASE).exists()
    }

    /// For tests: the database itself.
    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.db
    }
}

impl Store for Sqlite {
    fn commit(&mut self, batch: &mut dyn Iterator<Item = Change>) -> Result<(), StoreError> {
        self.in_place()?;
        let transaction = self.db.transaction()?;
        for change in batch {
            apply(&transaction, &change)?;
        }
        Ok(transaction.commit()?)
    }

    fn keep_secret(&mut self, bundle: &SecretBundle) -> Result<SecretId, StoreError> {
        let text = serde_json::to_string(bundle).expect("invariant: a map of strings is JSON");
        let found: Option<(i64, bool)> = self
            .db
            .prepare_cached("SELECT id, retired FROM secret WHERE bundle = ?1")?
            .query_row([&text], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let id = match found {
            Some((id, false)) => id,
            _ => self
                .db
                .prepare_cached(
                    "INSERT INTO secret (bundle, sum) VALUES (?1, ?2)
                     ON CONFLICT (bundle) DO UPDATE SET retired = 0 RETURNING id",
                )?
                .query_row(params![text, checksum(&[&text])], |row| row.get(0))?,
        };
        Ok(SecretId(id.cast_unsigned()))
    }

    fn secret(&mut self, id: SecretId) -> Result<Option<SecretBundle>, StoreError> {
        let found: Option<(String, i64)> = self
            .db
            .prepare_cached("SELECT bundle, sum FROM secret WHERE id = ?1")?
            .query_row([id.0.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((bundle, sum)) = found else {
            return Ok(None);
        };
        if sum != checksum(&[&bundle]) {
            return Err(StoreError::Damaged(format!("secret {}", id.0)));
        }
        let bundle = serde_json::from_str(&bundle);
        let bundle = bundle.map_err(|_| StoreError::Damaged(format!("secret {}", id.0)))?;
        Ok(Some(bundle))
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        if self.in_place().is_err() {
            // All rows are recorded anew after this.
            (self.db, _) = open_whole(&self.path)?;
            self.inode = inode(&self.path)?;
        }
        self.db.execute(
            "INSERT INTO probe VALUES (1, 1) ON CONFLICT DO UPDATE SET count = count + 1",
            [],
        )?;
        Ok(())
    }
}

fn apply(transaction: &Transaction<'_>, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::Row(row) if row.table == SECRET => {
            let id: Option<i64> = serde_json::from_str(&row.key).ok();
            transaction
                .prepare_cached("UPDATE secret SET retired = 1 WHERE id = ?1")?
                .execute([id])?;
        }
        Change::Row(row) => match &row.value {
            Some(value) => put(transaction, row.table, &row.key, value)?,
            None => drop(
                transaction
                    .prepare_cached("DELETE FROM record WHERE kind = ?1 AND key = ?2")?
                    .execute([row.table, row.key.as_str()])?,
            ),
        },
        Change::ForgetRows => drop(transaction.execute("DELETE FROM record", [])?),
        Change::KeepSecret(id) => {
            transaction
                .prepare_cached("UPDATE secret SET retired = 0 WHERE id = ?1 AND retired = 1")?
                .execute([id.0.cast_signed()])?;
        }
    }
    Ok(())
}

fn put(db: &Connection, kind: &str, key: &str, value: &str) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO record (kind, key, value, sum) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, sum = excluded.sum",
    )?
    .execute(params![kind, key, value, checksum(&[kind, key, value])])?;
    Ok(())
}

/// A checksum of texts, each with its end marked.
pub(super) fn checksum(parts: &[&str]) -> i64 {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(part.as_bytes());
        bytes.push(0xff);
    }
    xxh64(&bytes, 0).cast_signed()
}

fn lock(directory: &Path, wait: Duration) -> Result<File, StoreError> {
    /// Short against the time a process takes to stop.
    const PAUSE: Duration = Duration::from_millis(50);
    let path = directory.join(LOCK);
    let file = private_file(&path)?;
    let until = Instant::now() + wait;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(directory.to_owned())),
            Err(TryLockError::Error(error)) => return Err(StoreError::Io { path, error }),
        }
    }
}

/// Opens or makes a file that only its owner can read; SQLite gives its other files the same mode.
fn private_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).open(path).map_err(StoreError::io(path))
}

fn inode(path: &Path) -> Result<u64, StoreError> {
    let metadata = std::fs::metadata(path).map_err(StoreError::io(path))?;
    Ok(metadata.ino())
}

fn open_connection(path: &Path) -> Result<Connection, StoreError> {
    drop(private_file(path)?);
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // Deleted secrets are overwritten.
    db.pragma_update(None, "secure_delete", "ON")?;
    Ok(db)
}

/// Opens a file that is whole, or new.
fn open_whole(path: &Path) -> Result<(Connection, Loaded), StoreError> {
    /// SQLite takes a file that is shorter than its header for an empty database.
    const HEADER: u64 = 100;
    let length = private_file(path)?
        .metadata()
        .map_err(StoreError::io(path))?
        .len();
    if (1..HEADER).contains(&length) {
        return Err(StoreError::Damaged("it was cut".to_owned()));
    }
    let db = open_connection(path)?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match version {
        0 if tables == 0 => db.execute_batch(&format!("BEGIN; {SCHEMA} COMMIT;"))?,
        SCHEMA_VERSION => {}
        other => {
            return Err(StoreError::Damaged(format!(
                "it has version {other}, and this program writes version {SCHEMA_VERSION}"
            )));
        }
    }
    let check: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Err(StoreError::Damaged(check));
    }
    let found = salvage::read(&db);
    if let Some(problem) = found.problems.first() {
        return Err(StoreError::Damaged(problem.clone()));
    }
    // What was retired in the last run is used by nobody now: attempts do not outlive a process.
    db.execute("DELETE FROM secret WHERE retired = 1", [])?;
    Ok((db, found.into_loaded(Vec::new())))
}

/// Keeps a damaged file and its companions beside, and writes what is whole in it to a new one.
fn rebuild(path: &Path, label: &str, why: &StoreError) -> Result<(Connection, Loaded), StoreError> {
    let kept = keep_aside(path, label)?;
    let found = match Connection::open(path) {
        Ok(db) => salvage::read(&db),
        Err(error) => Salvaged::nothing(error.to_string()),
    };
    let mut damage = vec![format!(
        "{why}; the damaged file is kept as {}; {} rows and {} versions of secrets go on",
        kept.display(),
        found.rows.len(),
        found.secrets.len()
    )];
    damage.extend(found.problems.iter().cloned());

    let fresh = with_suffix(path, ".new");
    for suffix in ["", "-wal", "-shm"] {
        remove_if_there(&with_suffix(&fresh, suffix))?;
    }
    let db = open_connection(&fresh)?;
    db.execute_batch(&format!("BEGIN; {SCHEMA}"))?;
    for row in &found.rows {
        put(&db, &row.table, &row.key, &row.value)?;
    }
    for (id, bundle) in &found.secrets {
        db.execute(
            "INSERT INTO secret (id, bundle, sum) VALUES (?1, ?2, ?3)",
            params![id, bundle, checksum(&[bundle])],
        )?;
    }
    db.execute_batch("COMMIT")?;
    db.pragma_update(None, "journal_mode", "DELETE")?;
    db.close().map_err(|(_, error)| error)?;
    for suffix in ["-wal", "-shm"] {
        remove_if_there(&with_suffix(path, suffix))?;
    }
    std::fs::rename(&fresh, path).map_err(StoreError::io(path))?;
    sync_directory(path)?;
    Ok((open_connection(path)?, found.into_loaded(damage)))
}

fn keep_aside(path: &Path, label: &str) -> Result<PathBuf, StoreError> {
    let kept = with_suffix(path, &format!(".damaged-{label}"));
    for suffix in ["", "-wal"] {
        let from = with_suffix(path, suffix);
        if from.exists() {
            let to = with_suffix(&kept, suffix);
            std::fs::copy(&from, &to).map_err(StoreError::io(&to))?;
        }
    }
    Ok(kept)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::Io {
            path: path.to_owned(),
            error,
        }),
        _ => Ok(()),
    }
}

fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(StoreError::io(directory))
}

impl Salvaged {
    fn into_loaded(self, damage: Vec<String>) -> Loaded {
        Loaded {
            rows: self.rows,
            damage,
        }
    }

    fn nothing(problem: String) -> Self {
        Self {
            problems: vec![problem],
            ..Self::default()
        }
    }
}

impl Found {
    /// Whether a checksum is that of the row.
    pub(super) fn fits(&self, sum: i64) -> bool {
        sum == checksum(&[&self.table, &self.key, &self.value])
    }
}
