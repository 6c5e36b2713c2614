//! Durable state: rows, of which the newest of each key is kept, and versions of secrets. One thread
//! writes; see [`writer`].

mod salvage;
mod sqlite;
pub(crate) mod writer;

use std::path::PathBuf;

use stentor_core::engine::Row;
use stentor_core::receiver::{SecretBundle, SecretId};

pub(crate) use sqlite::{LOCK_WAIT, Sqlite};

/// A row as it is found again: kind, key, value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) table: String,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// What a store held when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// All rows that are whole, in no particular order.
    pub(crate) rows: Vec<Found>,
    /// What was lost and where the damaged file is kept; empty where all is well.
    pub(crate) damage: Vec<String>,
}

/// One thing to make durable.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The new value of a row, or its removal.
    Row(Row),
    /// Forgets all rows; the new ones follow in the same batch.
    ForgetRows,
    /// Keeps a version of secrets from deletion again.
    KeepSecret(SecretId),
}

/// A store of one process. Batches are atomic: all of one, or nothing.
pub(crate) trait Store: Send {
    /// Makes a batch durable.
    fn commit(&mut self, batch: &mut dyn Iterator<Item = Change>) -> Result<(), StoreError>;
    /// The id of a version of secrets, durable once this returns; equal ones have one id.
    fn keep_secret(&mut self, bundle: &SecretBundle) -> Result<SecretId, StoreError>;
    /// A version of secrets.
    fn secret(&mut self, id: SecretId) -> Result<Option<SecretBundle>, StoreError>;
    /// Whether the store takes writes again after a failure.
    fn probe(&mut self) -> Result<(), StoreError>;
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Another process holds it.
    #[error(
        "the state in {0} is in use by another process; stop that one, or choose another \
         directory by --storage.path"
    )]
    InUse(PathBuf),
    /// The file system.
    #[error("{path}: {error}")]
    Io {
        path: PathBuf,
        error: std::io::Error,
    },
    /// Somebody deleted or replaced the file that is open.
    #[error("{0} was deleted or replaced under the running process")]
    Gone(PathBuf),
    /// The database.
    #[error("the store cannot be used: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The content is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl StoreError {
    fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        |error| Self::Io {
            path: path.to_owned(),
            error,
        }
    }

    /// Whether what is in the file is wrong, and not the file system around it.
    fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{
            DatabaseCorrupt, NotADatabase, SchemaChanged, TypeMismatch, Unknown,
        };
        match self {
            Self::Damaged(_) => true,
            // The files were opened for writing before, so a database that says of itself that it
            // cannot be written has a damaged header.
            Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => {
                matches!(
                    failure.code,
                    DatabaseCorrupt | NotADatabase | SchemaChanged | TypeMismatch | Unknown
                ) || failure.extended_code == rusqlite::ffi::SQLITE_READONLY
            }
            Self::Sqlite(
                rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::Utf8Error(..),
            ) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
