//! MySQL under test: a private MariaDB, a database of its own for each case.

use std::cell::Cell;
use std::time::Duration;

use chaos::services::FlushLog;
use chaos::services::MariaDb;
use maple_expectation::expectation::ports::Ledger;
use maple_expectation::stores::mysql::named_lock::NamedLocks;
use mysql_async::Conn;
use mysql_async::Opts;
use mysql_async::Row;
use mysql_async::prelude::Queryable as _;

use crate::block_on;
use crate::conformance::Subject;
use crate::gear;
use crate::name;
use crate::running::Running;
use crate::summary;
use crate::wait_until;

/// A server, and as many databases as are asked for.
pub(crate) struct Databases {
    pub(crate) server: MariaDb,
    made: Cell<u32>,
}

impl Databases {
    pub(crate) fn start() -> Self {
        // What a crash of the machine would cost is nothing that is tested here.
        Self { server: MariaDb::start_with(FlushLog::Second).unwrap(), made: Cell::new(0) }
    }

    /// The URL of an empty database.
    pub(crate) fn empty(&self) -> String {
        self.made.set(self.made.get() + 1);
        let database = format!("case_{}", self.made.get());
        raw(&self.server.url(), async |c| {
            c.query_drop(format!("CREATE DATABASE {database}")).await.unwrap();
        });
        let url = self.server.url();
        let (server, _) = url.rsplit_once('/').unwrap();
        format!("{server}/{database}")
    }

    pub(crate) fn subject(&self) -> Store {
        let (url, journal) = (self.empty(), tempfile::tempdir().unwrap());
        let open = Some(Running::healthy(&url, journal.path()));
        Store { url, journal, open }
    }
}

/// Some work on a connection of its own.
pub(crate) fn raw<T>(url: &str, work: impl AsyncFnOnce(&mut Conn) -> T) -> T {
    block_on(async {
        let opts = mysql_async::OptsBuilder::from_opts(Opts::from_url(url).unwrap());
        let mut connection = Conn::new(opts.prefer_socket(false)).await.unwrap();
        let done = work(&mut connection).await;
        connection.disconnect().await.unwrap();
        done
    })
}

/// One number out of a database.
pub(crate) fn number(url: &str, sql: &str) -> u64 {
    raw(url, async |c| c.query_first(sql).await.unwrap().unwrap())
}

pub(crate) struct Store {
    url: String,
    journal: tempfile::TempDir,
    /// None only while it is reopened.
    open: Option<Running>,
}

impl Subject for Store {
    fn ledger(&self) -> &dyn Ledger {
        &self.open.as_ref().unwrap().store
    }

    fn reopen(&mut self) {
        let done = self.open.take().unwrap().end(Duration::from_secs(10));
        let lost = (done.given_up, done.refused, done.journaled, done.write_failures);
        assert_eq!(lost, (0, 0, 0, 0));
        self.open = Some(Running::healthy(&self.url, self.journal.path()));
    }

    fn summary(&self, ocid: &str, preset_no: u8) -> Option<([u64; 5], u64)> {
        let sql =
            "SELECT total_expected_cost, black_cube_cost, red_cube_cost, additional_cube_cost,
            starforce_cost, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', calculated_at) DIV 1000
            FROM equipment_expectation_summary s JOIN game_character c ON c.id = s.game_character_id
            WHERE ocid = ? AND preset_no = ?";
        let row: Option<Row> =
            raw(&self.url, async |c| c.exec_first(sql, (ocid, preset_no)).await.unwrap());
        let whole = |row: &Row, at| {
            let decimal: String = row.get(at).unwrap();
            decimal.strip_suffix(".00").unwrap().parse::<u64>().unwrap()
        };
        row.map(|row| ([0, 1, 2, 3, 4].map(|at| whole(&row, at)), row.get(5).unwrap()))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.end(Duration::from_secs(10));
        }
    }
}

#[test]
fn what_the_server_refuses_costs_nothing_else() {
    let (databases, journal) = (Databases::start(), tempfile::tempdir().unwrap());
    let url = databases.empty();
    let running = Running::healthy(&url, journal.path());
    let long = "1".repeat(65);
    let store = &running.store;
    // 65 characters where 64 fit; thirteen where twelve do.
    for record in [gear(&long, "x", 1), name(&"가".repeat(13), "3", 1), summary(&long, 1, 1, 1)] {
        store.keep(record);
    }
    for ocid in ["1", "2"] {
        store.keep(gear(ocid, "x", 1));
        store.keep(name(ocid, ocid, 1));
        store.keep(summary(ocid, 1, 1, 1));
    }
    let done = running.end(Duration::from_secs(10));
    assert_eq!((done.refused, done.written, done.given_up, done.journaled), (3, 6, 0, 0));
    assert_eq!(number(&url, "SELECT count(*) FROM character_equipment"), 2);
    assert_eq!(number(&url, "SELECT count(*) FROM equipment_expectation_summary"), 2);
    assert_eq!(number(&url, "SELECT count(*) FROM game_character WHERE user_ign IS NULL"), 0);
}

/// Both write the same rows in opposite order: they wait for each other, or one is rolled back and tries again.
#[test]
fn processes_that_write_the_same_rows_lose_nothing() {
    const ROWS: u64 = 200;
    let databases = Databases::start();
    let (url, folders) = (databases.empty(), [(); 2].map(|()| tempfile::tempdir().unwrap()));
    let both = [0, 1].map(|at| Running::healthy(&url, folders[at].path()));
    for row in 0..ROWS {
        for (at, running) in (1..).zip(&both) {
            let row = if at == 1 { row } else { ROWS - 1 - row };
            let (given, ocid) = (format!("n{row}"), format!("{at}-{row}"));
            running.store.keep(name(&given, &ocid, at));
            running.store.keep(gear(&row.to_string(), &at.to_string(), at));
            running.store.keep(summary(&row.to_string(), 1, at, at));
        }
    }
    for running in &both {
        wait_until("all is written", || running.seen().written == 3 * ROWS);
    }
    for running in both {
        let done = running.end(Duration::from_secs(10));
        assert_eq!((done.given_up, done.refused, done.journal_bytes), (0, 0, 0));
    }
    let newer = [
        "SELECT count(*) FROM game_character WHERE ocid = concat('2-', substr(user_ign, 2))",
        "SELECT count(*) FROM game_character WHERE user_ign IS NOT NULL",
        "SELECT count(*) FROM character_equipment WHERE updated_at = '1970-01-01 00:00:00.002'",
        "SELECT count(*) FROM equipment_expectation_summary WHERE total_expected_cost = 2",
    ];
    assert_eq!(newer.map(|sql| number(&url, sql)), [ROWS; 4]);
}

#[test]
fn a_character_that_loses_its_name_keeps_its_row() {
    let (databases, journal) = (Databases::start(), tempfile::tempdir().unwrap());
    let url = databases.empty();
    let running = Running::healthy(&url, journal.path());
    running.store.keep(name("가", "1", 1));
    running.end(Duration::from_secs(10));
    raw(&url, async |c| c.query_drop("UPDATE game_character SET like_count = 7").await.unwrap());
    let running = Running::healthy(&url, journal.path());
    running.store.keep(name("가", "2", 2));
    running.end(Duration::from_secs(10));
    assert_eq!(number(&url, "SELECT like_count FROM game_character WHERE ocid = '1'"), 7);
    assert_eq!(number(&url, "SELECT user_ign IS NULL FROM game_character WHERE ocid = '1'"), 1);
    assert_eq!(number(&url, "SELECT year(created_at) >= 2026 FROM game_character LIMIT 1"), 1);
}

#[test]
fn plain_bytes_are_read_and_gzip_is_written() {
    let (databases, journal) = (Databases::start(), tempfile::tempdir().unwrap());
    let url = databases.empty();
    let running = Running::healthy(&url, journal.path());
    raw(&url, async |c| {
        let sql = "INSERT INTO character_equipment (ocid, json_content, updated_at)
            VALUES ('1', '{}', '2026-01-02')";
        c.query_drop(sql).await.unwrap();
    });
    let found = block_on(running.store.gear("1")).unwrap();
    assert_eq!((&found.payload.body[..], found.payload.gzip), (&b"{}"[..], false));
    assert_eq!(found.received_ms, 1_767_312_000_000);
    running.store.keep(gear("1", "newer", 1_800_000_000_000));
    running.end(Duration::from_secs(10));
    let head = "SELECT hex(substr(json_content, 1, 2)) = '1F8B' FROM character_equipment";
    assert_eq!(number(&url, head), 1);
}

#[test]
fn a_lock_has_one_holder() {
    let mut databases = Databases::start();
    let locks = || NamedLocks::new(&databases.server.url(), 2).unwrap();
    let (ours, theirs) = (locks(), locks());
    block_on(async {
        let mut held = ours.acquire("job", Duration::ZERO).await.unwrap().unwrap();
        assert!(held.is_held().await.unwrap());
        assert!(theirs.acquire("job", Duration::ZERO).await.unwrap().is_none());
        assert!(ours.acquire("job", Duration::ZERO).await.unwrap().is_none(), "another session");
        assert!(theirs.acquire("other", Duration::ZERO).await.unwrap().is_some());
        assert!(held.release().await.unwrap());
        let held = theirs.acquire("job", Duration::ZERO).await.unwrap().unwrap();
        drop(held);
        // Given back with its session, a moment later.
        let mut held = ours.acquire("job", Duration::from_secs(2)).await.unwrap().unwrap();
        databases.server.kill().unwrap();
        assert!(held.is_held().await.is_err());
        assert!(held.release().await.is_err());
        assert!(theirs.acquire("job", Duration::ZERO).await.is_err());
        databases.server.restart().unwrap();
        let again = theirs.acquire("job", Duration::ZERO).await.unwrap();
        assert!(again.is_some(), "the lock died with its session");
    });
}

#[test]
fn a_lock_waited_for_in_vain_leaves_its_session_usable() {
    let databases = Databases::start();
    let locks = NamedLocks::new(&databases.server.url(), 2).unwrap();
    block_on(async {
        let held = locks.acquire("job", Duration::ZERO).await.unwrap().unwrap();
        // Whoever waits gives up in the middle: its session must not come back with the late answer.
        let waiting = locks.acquire("job", Duration::from_secs(2));
        assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err());
        for _ in 0..5 {
            assert!(locks.acquire("job", Duration::ZERO).await.unwrap().is_none());
        }
        assert!(held.release().await.unwrap());
    });
    let url = databases.server.url();
    wait_until("all locks are free", || number(&url, "SELECT IS_FREE_LOCK('maple_lock:job')") == 1);
}
