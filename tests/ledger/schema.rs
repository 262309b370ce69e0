//! The schema of MySQL: made once, by whoever comes first, and only by builds that know it.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;

use chaos::relay::Mode;
use chaos::relay::Relay;
use maple_expectation::expectation::ports::Ledger as _;
use maple_expectation::resilience::health::State;
use maple_expectation::stores::migrations::MYSQL;
use maple_expectation::stores::migrations::Mismatch;
use maple_expectation::stores::mysql::statements;
use mysql_async::Row;
use mysql_async::Value;
use mysql_async::prelude::Queryable as _;

use crate::mysql::Databases;
use crate::mysql::number;
use crate::mysql::raw;
use crate::name;
use crate::running::Running;
use crate::wait_until;

const END: Duration = Duration::from_secs(10);

/// All tables as the server describes them.
fn described(url: &str) -> Vec<String> {
    raw(url, async |c| {
        let tables: Vec<String> = c.query("SHOW TABLES").await.unwrap();
        let mut all = Vec::new();
        for table in tables {
            let sql = format!("SHOW CREATE TABLE {table}");
            let (_, text): (String, String) = c.query_first(sql).await.unwrap().unwrap();
            let lines = text.lines().map(|line| line.split(" AUTO_INCREMENT=").next().unwrap());
            all.push(lines.collect::<Vec<_>>().join("\n"));
        }
        all
    })
}

fn migrated(databases: &Databases) -> String {
    let (url, journal) = (databases.empty(), tempfile::tempdir().unwrap());
    Running::healthy(&url, journal.path()).end(END);
    url
}

#[test]
fn all_migrations_make_the_schema_once() {
    let databases = Databases::start();
    let url = migrated(&databases);
    let made = described(&url);
    let snapshot = databases.empty();
    raw(&snapshot, async |c| {
        let sql = include_str!("../../migrations/schema.mysql.sql");
        for statement in sql.split(';').filter(|statement| !statement.trim().is_empty()) {
            c.query_drop(statement).await.unwrap();
        }
    });
    assert_eq!(made, described(&snapshot));
    assert_eq!(number(&url, "SELECT count(*) FROM schema_migration"), MYSQL.len() as u64);
    let journal = tempfile::tempdir().unwrap();
    Running::healthy(&url, journal.path()).end(END);
    assert_eq!(described(&url), made);
}

#[test]
fn processes_that_start_together_migrate_once() {
    let databases = Databases::start();
    let url = databases.empty();
    let folders: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let started: Vec<_> =
        folders.iter().map(|folder| Running::start(&url, folder.path(), 1 << 20)).collect();
    for mut running in started {
        assert_eq!(running.schema(), Ok(()));
        running.wait_for(State::Healthy);
        running.end(END);
    }
    assert_eq!(number(&url, "SELECT count(*) FROM schema_migration"), MYSQL.len() as u64);
}

const LOCKED: &str =
    "SELECT IS_USED_LOCK(CONCAT('maple_migrations:', MD5(DATABASE()))) IS NOT NULL";

#[test]
fn a_database_that_is_up_to_date_takes_no_lock() {
    let databases = Databases::start();
    let url = migrated(&databases);
    raw(&url, async |c| {
        let lock = "SELECT GET_LOCK(CONCAT('maple_migrations:', MD5(DATABASE())), 0)";
        assert_eq!(c.query_first(lock).await.unwrap(), Some(1));
        let (url, journal) = (url.clone(), tempfile::tempdir().unwrap());
        let started = std::thread::spawn(move || {
            Running::healthy(&url, journal.path()).end(END);
        });
        started.join().unwrap();
        assert_eq!(c.query_first(LOCKED).await.unwrap(), Some(1), "it was held all the time");
    });
}

#[test]
fn a_process_that_stops_while_it_migrates_keeps_the_others_out_for_seconds() {
    let databases = Databases::start();
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, databases.server.port()));
    let relay = Relay::start(server).unwrap();
    // Slow enough to be caught in the middle.
    relay.set(Mode::Delay(Duration::from_millis(30))).unwrap();
    let (url, folders) = (databases.empty(), [(); 2].map(|()| tempfile::tempdir().unwrap()));
    let relayed = url.replace(&server.to_string(), &relay.address().to_string());
    let stopped = Running::start(&relayed, folders[0].path(), 1 << 20);
    wait_until("it migrates", || number(&url, LOCKED) == 1);
    relay.set(Mode::Hold).unwrap();
    let other = Running::healthy(&url, folders[1].path());
    assert_eq!(number(&url, "SELECT count(*) FROM schema_migration"), MYSQL.len() as u64);
    other.end(END);
    relay.set(Mode::Pass).unwrap();
    stopped.wait_for(State::Healthy);
    stopped.end(END);
}

/// The session that migrated goes back to the others, and may be silent for as long as they.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test thread waits, no shard")]
fn a_session_that_has_migrated_outlives_the_lock() {
    let databases = Databases::start();
    let (url, journal) = (databases.empty(), tempfile::tempdir().unwrap());
    let running = Running::healthy(&url, journal.path());
    let sessions = || {
        let sql = "SELECT count(*) FROM information_schema.processlist
            WHERE db = DATABASE() AND id <> CONNECTION_ID()";
        number(&url, sql)
    };
    let before = sessions();
    assert!(before > 0);
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(sessions(), before);
    running.end(END);
}

#[test]
fn a_step_that_was_cut_off_is_finished() {
    let databases = Databases::start();
    let (whole, url) = (migrated(&databases), databases.empty());
    raw(&url, async |c| c.query_drop(&MYSQL[0].statements()[0]).await.unwrap());
    let journal = tempfile::tempdir().unwrap();
    Running::healthy(&url, journal.path()).end(END);
    assert_eq!(described(&url), described(&whole));
}

#[test]
fn a_database_of_another_build_is_told_and_not_touched() {
    let databases = Databases::start();
    for (change, mismatch) in [
        (
            "UPDATE schema_migration SET checksum = 'other' WHERE number = 2",
            Mismatch::Changed { number: 2 },
        ),
        (
            "INSERT INTO schema_migration (number, name, checksum) VALUES (99, 'newer', 'x')",
            Mismatch::Newer { number: 99 },
        ),
    ] {
        let url = migrated(&databases);
        raw(&url, async |c| c.query_drop(change).await.unwrap());
        let journal = tempfile::tempdir().unwrap();
        let mut running = Running::start(&url, journal.path(), 1 << 20);
        assert_eq!(running.schema(), Err(mismatch));
        running.store.keep(name("가", "1", 1));
        let done = running.end(END);
        assert_eq!((done.written, done.journaled, done.state), (0, 1, State::Degraded));
    }
}

/// Statement and parameters.
fn all_statements() -> Vec<(String, usize)> {
    use statements::*;
    let one = [NAME, GEAR, RECEIVED, RELEASE_NAME, PUT_NAME];
    let one = one.into_iter().chain(maple_expectation::locks::sql::statements::ALL);
    let many = [PUT_GEAR, CHARACTERS, PUT_CHARACTERS, PUT_SUMMARIES].map(|rows| rows.sql(2));
    let all = one.map(str::to_owned).chain(many);
    all.map(|sql| (sql.clone(), sql.matches('?').count())).collect()
}

#[test]
fn every_statement_uses_an_index() {
    let databases = Databases::start();
    let url = migrated(&databases);
    raw(&url, async |c| {
        // With nothing in them, tables are not even looked at.
        for at in 0..50 {
            let row = (at.to_string(), at.to_string());
            c.exec_drop("INSERT INTO game_character (ocid, user_ign) VALUES (?, ?)", row)
                .await
                .unwrap();
            let sql = "INSERT INTO character_equipment VALUES (?, 'x', now(), now())";
            c.exec_drop(sql, (at.to_string(),)).await.unwrap();
            let sql = "INSERT INTO lock_lease VALUES (?, '', 1, 1)";
            c.exec_drop(sql, (at.to_string(),)).await.unwrap();
            // Few were seen before the time from which on they count.
            let sql = "INSERT INTO lock_book VALUES (?, 1, ?, NULL, 0)";
            c.exec_drop(sql, (at.to_string(), at * 500)).await.unwrap();
        }
        for (sql, parameters) in all_statements() {
            let given: Vec<Value> =
                (0..parameters).map(|at| (at + 2001).to_string().into()).collect();
            let explain = format!("EXPLAIN {}", literal(&sql, &given));
            let steps: Vec<Row> = c.query(explain).await.unwrap();
            assert!(!steps.is_empty(), "{sql}");
            for step in steps {
                let text = |column| step.get::<Option<String>, _>(column).unwrap();
                // The table that is inserted into is listed too, and has no way to be read.
                let inserted = text("select_type").as_deref() == Some("INSERT");
                let scans = matches!(text("type").as_deref(), Some("ALL" | "index"));
                // The book of the locks holds the processes of an hour, and a meeting is about all of them.
                let whole = sql == maple_expectation::locks::sql::statements::BOOK;
                assert!(inserted || whole || !scans, "{sql}: {step:?}");
            }
        }
    });
}

/// The statement with its parameters written into it.
fn literal(sql: &str, given: &[Value]) -> String {
    let mut parts = sql.split('?');
    let first = parts.next().unwrap().to_owned();
    let rest = parts.zip(given).map(|(part, value)| format!("{}{part}", value.as_sql(false)));
    first + &rest.collect::<String>()
}
