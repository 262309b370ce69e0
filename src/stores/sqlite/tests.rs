//! The store over real files.

use super::*;
use bytes::Bytes;
use waiting::block_on;

/// Waits for one future on this thread.
mod waiting {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::Context;
    use std::task::Poll;
    use std::task::Wake;
    use std::thread;

    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
        let waker = Arc::new(Unpark(thread::current())).into();
        let mut work = pin!(work);
        loop {
            match work.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(done) => return done,
                Poll::Pending => thread::park(),
            }
        }
    }
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const NOW_MS: u64 = 20_000 * DAY_MS;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("data/characters.sqlite")
    }

    fn open(&self) -> (Sqlite, SqliteThread) {
        Sqlite::open(&self.file(), NOW_MS).unwrap()
    }

    /// Keeps these, closes, and opens again: what is seen was in the file.
    fn kept(&self, records: impl IntoIterator<Item = Record>) -> (Sqlite, SqliteThread) {
        let (store, thread) = self.open();
        records.into_iter().for_each(|record| store.keep(record));
        thread.end();
        self.open()
    }

    fn raw(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }
}

fn name(name: &str, ocid: &str, confirmed_ms: u64) -> Record {
    Record::Name { name: name.to_owned(), ocid: ocid.to_owned(), confirmed_ms }
}

fn gear(ocid: &str, text: &'static str, received_ms: u64) -> Record {
    let payload = Payload { body: Bytes::from_static(text.as_bytes()), gzip: false };
    Record::Gear { ocid: ocid.to_owned(), payload, received_ms }
}

fn ocid_of(store: &Sqlite, name: &str) -> Option<String> {
    block_on(store.name(name)).map(|named| named.ocid)
}

fn text_of(store: &Sqlite, ocid: &str) -> Option<String> {
    let gear = block_on(store.gear(ocid))?;
    let plain = match gear.payload.gzip {
        true => gzip::decompress(&gear.payload.body, 1 << 20).unwrap(),
        false => gear.payload.body,
    };
    Some(String::from_utf8(plain.to_vec()).unwrap())
}

#[test]
fn what_was_kept_is_there_after_a_restart() {
    let folder = Folder::new();
    let (store, thread) = folder.kept([name("가", "1", NOW_MS), gear("1", "gear", NOW_MS - 5)]);
    let found = block_on(store.name("가")).unwrap();
    assert_eq!(found, Named { ocid: "1".to_owned(), confirmed_ms: NOW_MS });
    assert_eq!(block_on(store.gear("1")).unwrap().received_ms, NOW_MS - 5);
    assert_eq!(text_of(&store, "1").unwrap(), "gear");
    assert_eq!((ocid_of(&store, "나"), text_of(&store, "2")), (None, None));
    let seen = store.probe().snapshot();
    assert_eq!((seen.found, seen.absent, seen.read_failures), (3, 2, 0));
    thread.end();
}

#[test]
fn gear_is_gzip_in_the_file_and_plain_bytes_are_read_too() {
    let folder = Folder::new();
    let (store, thread) = folder.kept([gear("1", "gear", NOW_MS)]);
    let raw = folder.raw();
    let head: Vec<u8> = raw
        .query_row("SELECT substr(json_content, 1, 2) FROM character_equipment", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(head, [0x1f, 0x8b]);
    raw.execute("INSERT INTO character_equipment VALUES ('2', x'7b7d', 1)", []).unwrap();
    assert_eq!(text_of(&store, "2").unwrap(), "{}");
    thread.end();
}

#[test]
fn newer_wins_whatever_comes_last() {
    let folder = Folder::new();
    let (_, thread) = folder.kept([gear("1", "new", NOW_MS), name("가", "1", NOW_MS)]);
    thread.end();
    let older = NOW_MS - 1;
    let (store, thread) =
        folder.kept([gear("1", "old", older), name("가", "2", older), name("나", "1", older)]);
    assert_eq!(text_of(&store, "1").as_deref(), Some("new"));
    assert_eq!((ocid_of(&store, "가").as_deref(), ocid_of(&store, "나")), (Some("1"), None));
    thread.end();
}

#[test]
fn names_change_hands_and_characters_change_names() {
    let folder = Folder::new();
    let (_, thread) = folder.kept([name("가", "1", 1), name("나", "2", 1)]);
    thread.end();
    // 1 gives its name to 3 and takes the one of 2.
    let (store, thread) = folder.kept([name("가", "3", 2), name("나", "1", 2)]);
    assert_eq!(ocid_of(&store, "가").as_deref(), Some("3"));
    assert_eq!(ocid_of(&store, "나").as_deref(), Some("1"));
    thread.end();
    let rows: i64 = folder
        .raw()
        .query_row("SELECT count(*) FROM game_character", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 2, "2 has no name that is known");
}

#[test]
fn old_gear_is_forgotten_when_the_file_is_opened() {
    let folder = Folder::new();
    let (store, thread) =
        folder.kept([gear("old", "x", NOW_MS - 31 * DAY_MS), gear("1", "x", NOW_MS)]);
    assert_eq!((text_of(&store, "old"), text_of(&store, "1").as_deref()), (None, Some("x")));
    thread.end();
}

#[test]
fn a_file_that_cannot_be_written_costs_nothing_but_time() {
    let folder = Folder::new();
    let (store, thread) = folder.open();
    let other = folder.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.keep(gear("1", "x", NOW_MS));
    assert_eq!(text_of(&store, "1"), None, "reads go on beside somebody's write");
    while store.probe().snapshot().pending == 0 {
        std::thread::yield_now();
    }
    assert!(store.probe().snapshot().write_failures > 0);
    other.execute_batch("ROLLBACK").unwrap();
    thread.end();
    let (store, thread) = folder.open();
    assert_eq!(text_of(&store, "1").as_deref(), Some("x"));
    thread.end();
}

#[test]
fn look_ups_do_not_each_wait_for_a_write_that_fails() {
    let folder = Folder::new();
    let (store, thread) = folder.open();
    let other = folder.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.keep(gear("1", "x", NOW_MS));
    while store.probe().snapshot().pending == 0 {
        std::thread::yield_now();
    }
    for _ in 0..20 {
        assert_eq!(text_of(&store, "1"), None);
    }
    let failures = store.probe().snapshot().write_failures;
    assert!(failures <= 2, "{failures} tries within 20 look-ups");
    store.keep(gear("2", "x", NOW_MS));
    other.execute_batch("ROLLBACK").unwrap();
    while store.probe().snapshot().written < 2 {
        std::thread::yield_now();
    }
    assert_eq!(text_of(&store, "1").as_deref(), Some("x"));
    thread.end();
}

#[test]
fn another_history_or_no_database_refuses_the_start() {
    let folder = Folder::new();
    folder.open().1.end();
    folder.raw().execute("UPDATE schema_migration SET checksum = 'other'", []).unwrap();
    let error = Sqlite::open(&folder.file(), NOW_MS).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("migration 1") && error.contains("characters.sqlite"), "{error}");
    std::fs::write(folder.file(), b"not a database, but long enough to look at").unwrap();
    assert!(Sqlite::open(&folder.file(), NOW_MS).is_err());
}

#[test]
fn all_migrations_make_the_schema() {
    let folder = Folder::new();
    folder.open().1.end();
    folder.open().1.end();
    let made: Vec<String> = folder
        .raw()
        .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        .unwrap()
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    // Comments and blanks are not the schema.
    let normal = |text: &str| {
        let lines = text.lines().map(|line| line.split("--").next().unwrap_or_default());
        lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
    };
    let snapshot = include_str!("../../../migrations/schema.sqlite.sql");
    let wanted: Vec<_> =
        snapshot.split(';').map(normal).filter(|statement| !statement.is_empty()).collect();
    assert_eq!(made.iter().map(|sql| normal(sql)).collect::<Vec<_>>(), wanted);
}

#[test]
fn every_statement_uses_an_index() {
    let folder = Folder::new();
    folder.open().1.end();
    let raw = folder.raw();
    use statements::*;
    for sql in [NAME, GEAR, RELEASE_NAME, PUT_NAME, PUT_GEAR, PUT_SUMMARY, FORGET_GEAR] {
        let mut plan = raw.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let given = ["1", "2", "3", "4", "5", "6", "7", "8"][..plan.parameter_count()].to_vec();
        let steps =
            plan.query_map(rusqlite::params_from_iter(given), |row| row.get::<_, String>(3));
        for step in steps.unwrap().map(Result::unwrap) {
            assert!(!step.starts_with("SCAN") || step.contains("CONSTANT ROW"), "{sql}: {step}");
        }
    }
}
