//! Reads all that is whole in a database, however damaged it is: each table from its beginning
//! until something is broken, then from its end.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};

use super::Found;
use super::sqlite::checksum;

/// What could be read.
#[derive(Debug, Default)]
pub(super) struct Salvaged {
    pub(super) rows: Vec<Found>,
    /// Versions of secrets by id, as JSON.
    pub(super) secrets: BTreeMap<i64, String>,
    /// What could not, without any value.
    pub(super) problems: Vec<String>,
}

/// Reads a database. Without problems, what is found is all there was.
pub(super) fn read(db: &Connection) -> Salvaged {
    let mut found = Salvaged::default();
    let records: BTreeMap<(String, String), Option<String>> = scan(
        db,
        [
            "SELECT kind, key, value, sum FROM record ORDER BY kind, key",
            "SELECT kind, key, value, sum FROM record ORDER BY kind DESC, key DESC",
        ],
        &mut found.problems,
        |row| {
            let record = Found {
                table: row.get(0)?,
                key: row.get(1)?,
                value: row.get(2)?,
            };
            let whole = record.fits(row.get(3)?);
            Ok(((record.table, record.key), whole.then_some(record.value)))
        },
    );
    for ((table, key), value) in records {
        match value {
            Some(value) => found.rows.push(Found { table, key, value }),
            None => found
                .problems
                .push(format!("the row {table}/{key} is damaged")),
        }
    }
    let secrets = scan(
        db,
        [
            "SELECT id, bundle, sum FROM secret ORDER BY id",
            "SELECT id, bundle, sum FROM secret ORDER BY id DESC",
        ],
        &mut found.problems,
        |row| {
            let bundle: String = row.get(1)?;
            let whole = row.get::<_, i64>(2)? == checksum(&[&bundle]);
            Ok((row.get(0)?, whole.then_some(bundle)))
        },
    );
    for (id, bundle) in secrets {
        match bundle {
            Some(bundle) => drop(found.secrets.insert(id, bundle)),
            None => found
                .problems
                .push(format!("version {id} of secrets is damaged")),
        }
    }
    found
}

/// The rows of a query, and where it breaks, those of the second one too, until it breaks.
fn scan<K: Ord, V>(
    db: &Connection,
    queries: [&str; 2],
    problems: &mut Vec<String>,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<(K, V)>,
) -> BTreeMap<K, V> {
    let mut found = BTreeMap::new();
    for query in queries {
        let mut run = || -> rusqlite::Result<()> {
            let mut statement = db.prepare(query)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (key, value) = read(row)?;
                found.insert(key, value);
            }
            Ok(())
        };
        match run() {
            Ok(()) => break,
            Err(error) => problems.push(error.to_string()),
        }
    }
    found
}
