use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use stentor_core::engine::Record;

use super::sqlite::SCHEMA_VERSION;
use super::*;

impl Sqlite {
    fn write(&mut self, batch: impl IntoIterator<Item = Change>) -> Result<(), StoreError> {
        self.commit(&mut batch.into_iter())
    }
}

fn open(directory: &Path) -> (Sqlite, Loaded) {
    Sqlite::open(directory, "now", Duration::ZERO).expect("opened")
}

fn row(table: &'static str, key: &str, value: Option<&str>) -> Change {
    Change::Row(Row {
        table,
        key: key.to_owned(),
        value: value.map(ToOwned::to_owned),
    })
}

fn shown(loaded: &Loaded) -> Vec<String> {
    let rows = loaded.rows.iter();
    let mut shown: Vec<_> = rows
        .map(|row| format!("{}/{}={}", row.table, row.key, row.value))
        .collect();
    shown.sort();
    shown
}

fn bundle(text: &str) -> SecretBundle {
    SecretBundle([("routing_key".to_owned(), text.to_owned())].into())
}

/// A store with 200 rows that fill several pages, and a version of secrets.
fn filled(directory: &Path) -> Vec<String> {
    let (mut store, _) = open(directory);
    let value = "v".repeat(200);
    let rows: Vec<_> = (0..200)
        .map(|n| row("alert", &format!("{n:03}"), Some(&value)))
        .collect();
    store.write(rows).expect("committed");
    store.keep_secret(&bundle("canary")).expect("kept");
    drop(store);
    shown(&open(directory).1)
}

#[test]
fn the_newest_of_each_key_is_found_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, loaded) = open(directory.path());
    assert!(loaded.rows.is_empty());
    store
        .write([
            row("a", "1", Some("x")),
            row("a", "2", Some("y")),
            row("b", "1", Some("z")),
        ])
        .expect("committed");
    store
        .write([
            row("a", "1", Some("x2")),
            row("a", "2", None),
            row("c", "none", None),
        ])
        .expect("committed");
    drop(store);
    let (mut store, loaded) = open(directory.path());
    assert_eq!(shown(&loaded), ["a/1=x2", "b/1=z"]);
    store
        .write([Change::ForgetRows, row("d", "1", Some("w"))])
        .expect("committed");
    drop(store);
    let (_, loaded) = open(directory.path());
    assert_eq!(shown(&loaded), ["d/1=w"]);
}

#[test]
fn a_file_that_is_deleted_is_noticed_and_made_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, _) = open(directory.path());
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("stentor.db{suffix}");
        std::fs::remove_file(directory.path().join(name)).expect("removed");
    }
    let failed = store.write([row("a", "1", Some("x"))]);
    assert!(matches!(failed, Err(StoreError::Gone(_))), "{failed:?}");
    store.probe().expect("made anew");
    store.write([row("a", "1", Some("x"))]).expect("committed");
    drop(store);
    assert_eq!(shown(&open(directory.path()).1), ["a/1=x"]);
}

#[test]
fn files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, _) = open(directory.path());
    store.write([row("a", "1", Some("x"))]).expect("committed");
    for entry in std::fs::read_dir(directory.path()).expect("listed") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
    }
}

#[test]
fn a_second_process_is_kept_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = open(directory.path());
    let second = Sqlite::open(directory.path(), "now", Duration::ZERO);
    assert!(matches!(second.err(), Some(StoreError::InUse(_))));
    drop(first);
    open(directory.path());
}

#[test]
fn equal_secrets_have_one_id_until_nothing_refers_to_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, _) = open(directory.path());
    let old = store.keep_secret(&bundle("old")).expect("kept");
    let new = store.keep_secret(&bundle("new")).expect("kept");
    assert_eq!(store.keep_secret(&bundle("old")).expect("kept"), old);
    assert_ne!(old, new);
    let retire = |id: SecretId| row("secret", &id.0.to_string(), None);
    store.write([retire(old), retire(new)]).expect("committed");
    // Still there for attempts under way, one of which ends well.
    assert_eq!(store.secret(old).expect("read"), Some(bundle("old")));
    store.write([Change::KeepSecret(new)]).expect("committed");
    drop(store);
    let (mut store, _) = open(directory.path());
    assert_eq!(store.secret(old).expect("read"), None);
    assert_eq!(store.secret(new).expect("read"), Some(bundle("new")));
    assert!(store.keep_secret(&bundle("old")).expect("kept").0 > new.0);
}

#[test]
fn a_batch_is_whole_or_not_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, _) = open(directory.path());
    store.write([row("a", "1", Some("x"))]).expect("committed");
    let pages: i64 = store
        .connection()
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .expect("pages");
    let limit = |store: &Sqlite, pages: i64| {
        let query = format!("PRAGMA max_page_count = {pages}");
        store
            .connection()
            .query_row(&query, [], |_| Ok(()))
            .expect("limited");
    };
    limit(&store, pages);
    let big = "v".repeat(100_000);
    let error = store
        .write([row("a", "1", Some("y")), row("a", "2", Some(&big))])
        .expect_err("full");
    assert!(error.to_string().contains("full"), "{error}");
    limit(&store, 100_000);
    store.probe().expect("writable again");
    drop(store);
    assert_eq!(shown(&open(directory.path()).1), ["a/1=x"]);
}

/// What `kill -9` leaves: the files as they are between two writes of a commit.
#[test]
fn a_commit_cut_at_any_block_is_whole_or_not_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, _) = open(directory.path());
    store
        .write([row("a", "1", Some("old")), row("b", "1", Some("old"))])
        .expect("committed");
    let wal = |directory: &Path| directory.join("stentor.db-wal");
    let before = std::fs::read(wal(directory.path())).expect("read");
    let big = "v".repeat(10_000);
    store
        .write([
            row("a", "1", Some("new")),
            row("a", "2", Some(&big)),
            row("b", "1", Some("new")),
        ])
        .expect("committed");
    let after = std::fs::read(wal(directory.path())).expect("read");
    let database = std::fs::read(directory.path().join("stentor.db")).expect("read");
    assert!(after.starts_with(&before));
    let mut outcomes = std::collections::BTreeSet::new();
    for cut in (before.len()..=after.len()).step_by(509) {
        let crashed = tempfile::tempdir().expect("a directory");
        std::fs::write(crashed.path().join("stentor.db"), &database).expect("written");
        std::fs::write(wal(crashed.path()), &after[..cut]).expect("written");
        let (_, loaded) = open(crashed.path());
        assert!(loaded.damage.is_empty(), "{:?}", loaded.damage);
        outcomes.insert(shown(&loaded).len());
        let values: Vec<_> = loaded.rows.iter().filter(|r| r.key == "1").collect();
        assert_eq!(values[0].value, values[1].value);
    }
    assert!(outcomes.contains(&2));
}

#[test]
fn a_damaged_byte_costs_no_more_than_its_page_and_is_told() {
    let whole = tempfile::tempdir().expect("a directory");
    let all = filled(whole.path());
    let database = std::fs::read(whole.path().join("stentor.db")).expect("read");
    // Every 211th byte meets every region of a page; the first page byte by byte where it matters.
    let places = (0..100).chain((100..database.len()).step_by(211));
    for at in places {
        let mut bytes = database.clone();
        bytes[at] ^= 0x55;
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("stentor.db"), &bytes).expect("written");
        let (mut store, loaded) = open(directory.path());
        let found = shown(&loaded);
        assert!(found.iter().all(|row| all.contains(row)), "byte {at}");
        if found.len() < all.len() {
            assert!(!loaded.damage.is_empty(), "byte {at}: lost in silence");
            assert!(directory.path().join("stentor.db.damaged-now").exists());
        }
        store.write([row("a", "1", Some("x"))]).expect("usable");
    }
}

#[test]
fn a_file_that_is_none_of_ours_is_kept_and_replaced() {
    for content in [
        &b"not a database at all, but long enough to be read as one"[..],
        b"x",
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("stentor.db");
        std::fs::write(&path, content).expect("written");
        let (mut store, loaded) = open(directory.path());
        assert!(!loaded.damage.is_empty());
        store.write([row("a", "1", Some("x"))]).expect("usable");
        let kept = directory.path().join("stentor.db.damaged-now");
        assert_eq!(std::fs::read(kept).expect("kept"), content);
    }
}

#[test]
fn a_later_version_is_kept_and_what_is_understood_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let all = filled(directory.path());
    let (store, _) = open(directory.path());
    store
        .connection()
        .pragma_update(None, "user_version", SCHEMA_VERSION + 1)
        .expect("set");
    drop(store);
    let (_, loaded) = open(directory.path());
    assert_eq!(shown(&loaded), all);
    assert!(
        loaded.damage[0].contains("it has version 2"),
        "{:?}",
        loaded.damage
    );
    assert!(open(directory.path()).1.damage.is_empty());
}

/// A store that fails when told so.
struct Unsteady {
    fails: Receiver<bool>,
    failing: bool,
    log: std::sync::mpsc::Sender<String>,
}

impl Unsteady {
    fn result(&mut self, what: String) -> Result<(), StoreError> {
        if let Ok(fails) = self.fails.try_recv() {
            self.failing = fails;
        }
        if self.failing {
            return Err(StoreError::Damaged("full".to_owned()));
        }
        let _ = self.log.send(what);
        Ok(())
    }
}

impl Store for Unsteady {
    fn commit(&mut self, batch: &mut dyn Iterator<Item = Change>) -> Result<(), StoreError> {
        let batch: Vec<_> = batch.collect();
        self.result(format!("commit {batch:?}"))
    }
    fn keep_secret(&mut self, _: &SecretBundle) -> Result<SecretId, StoreError> {
        self.result("secret".to_owned()).map(|()| SecretId(1))
    }
    fn secret(&mut self, _: SecretId) -> Result<Option<SecretBundle>, StoreError> {
        Ok(None)
    }
    fn probe(&mut self) -> Result<(), StoreError> {
        self.result("probe".to_owned())
    }
}

struct Log(std::sync::mpsc::Sender<String>);

impl writer::Outlet for Log {
    fn deliver(&mut self, delivery: stentor_core::engine::Deliver) {
        let _ = self.0.send(format!("deliver {:?}", delivery.attempt));
    }
    fn news(&mut self, news: writer::News) {
        let _ = self.0.send(match news {
            writer::News::Failed(why) => format!("failed: {why}"),
            writer::News::Recovered => "recovered".to_owned(),
            writer::News::Committed { .. } => "committed".to_owned(),
        });
    }
}

#[tokio::test]
async fn a_store_that_fails_is_told_once_and_holds_up_nothing() {
    let (log, lines) = channel();
    let (fail, fails) = channel();
    let store = Unsteady {
        fails,
        failing: false,
        log: log.clone(),
    };
    let (handle, thread) = writer::start(store, Log(log), writer::PROBE_INTERVAL).expect("started");
    let change = |text: &str| writer::Job::Change(row("a", text, None));
    // The answer to a question about a secret says that what stands before it is done.
    handle.send(change("one"));
    handle.keep_secret(bundle("x")).await;
    fail.send(true).expect("sent");
    for text in ["two", "three"] {
        handle.send(change(text));
        assert_eq!(handle.keep_secret(bundle("x")).await, None);
    }
    handle.send(writer::Job::Stop);
    thread.join().expect("ended");
    let lines: Vec<_> = lines.try_iter().collect();
    assert_eq!(
        lines,
        [
            "commit [Row(Row { table: \"a\", key: \"one\", value: None })]",
            "committed",
            "secret",
            "failed: the store is damaged: full"
        ]
    );
}

#[tokio::test]
async fn a_store_that_is_back_takes_all_rows_anew_and_nothing_before_them() {
    let (log, lines) = channel();
    let (fail, fails) = channel();
    let store = Unsteady {
        fails,
        failing: false,
        log: log.clone(),
    };
    let (handle, thread) = writer::start(store, Log(log), Duration::ZERO).expect("started");
    fail.send(true).expect("sent");
    handle.send(writer::Job::Change(row("a", "lost", None)));
    let mut seen = Vec::new();
    let mut wait_for = |line: &str| {
        while seen.last().is_none_or(|last| last != line) {
            seen.push(lines.recv_timeout(Duration::from_secs(20)).expect("a line"));
        }
    };
    wait_for("failed: the store is damaged: full");
    fail.send(false).expect("sent");
    wait_for("recovered");
    handle.send(writer::Job::Change(row("a", "old", None)));
    handle.send(writer::Job::Commit {
        records: vec![Record::Accepted { text: "t".into() }],
        all: true,
        deliveries: Vec::new(),
    });
    handle.send(writer::Job::Stop);
    thread.join().expect("ended");
    wait_for("committed");
    let written = seen.iter().filter(|line| line.starts_with("commit ["));
    let written: Vec<_> = written.collect();
    assert_eq!(written.len(), 1, "{seen:?}");
    // What was in the same group before is forgotten with all the rest.
    let all = r#"ForgetRows, Row(Row { table: "accepted""#;
    assert!(written[0].contains(all), "{written:?}");
}
