//! The server goes away and comes back: what was kept arrives, and look-ups cost no time meanwhile.

use std::fs::File;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use chaos::relay::Mode;
use chaos::relay::Relay;
use maple_expectation::expectation::ports::Ledger as _;
use maple_expectation::resilience::health::State;
use maple_expectation::stores::mysql::BORROW_TIMEOUT;
use maple_expectation::stores::mysql::PENDING_KEPT;
use maple_expectation::stores::mysql::READ_TIMEOUT;
use maple_expectation::stores::mysql::SESSIONS_MAX;
use mysql_async::prelude::Queryable as _;

use crate::block_on;
use crate::gear;
use crate::mysql::Databases;
use crate::mysql::number;
use crate::mysql::raw;
use crate::name;
use crate::running::Running;
use crate::wait_until;

const END: Duration = Duration::from_secs(10);
const COUNT: &str = "SELECT count(*) FROM character_equipment";

#[test]
fn a_server_that_is_away_at_the_start_is_waited_for() {
    let (mut databases, journal) = (Databases::start(), tempfile::tempdir().unwrap());
    let url = databases.empty();
    databases.server.stop().unwrap();
    let mut running = Running::start(&url, journal.path(), 1 << 30);
    running.store.keep(name("가", "1", 1));
    assert!(block_on(running.store.name("가")).is_none());
    assert_eq!(running.seen().state, State::Degraded);
    databases.server.restart().unwrap();
    assert_eq!(running.schema(), Ok(()));
    running.wait_for(State::Healthy);
    wait_until("it is written", || running.seen().written == 1);
    assert_eq!(block_on(running.store.name("가")).unwrap().ocid, "1");
    running.end(END);
}

#[test]
fn what_a_crash_finds_waiting_is_not_lost() {
    let (mut databases, journal) = (Databases::start(), tempfile::tempdir().unwrap());
    let url = databases.empty();
    let running = Running::healthy(&url, journal.path());
    running.store.keep(gear("0", "x", 1));
    wait_until("it is written", || running.seen().written == 1);
    databases.server.kill().unwrap();
    // More than stays in memory.
    let kept = PENDING_KEPT as u64 + 500;
    for at in 1..kept {
        running.store.keep(gear(&at.to_string(), "x", 1));
    }
    running.wait_for(State::Degraded);
    wait_until("the rest is on the disk", || running.seen().journaled >= 499);
    assert!(block_on(running.store.gear("0")).is_none());
    // This process ends meanwhile, and the next finds what it left.
    let done = running.end(END);
    assert_eq!((done.journaled, done.given_up, done.pending), (kept - 1, 0, 0));
    assert!(done.journal_bytes > 0);
    let running = Running::start(&url, journal.path(), 1 << 30);
    assert_eq!(running.seen().journal_bytes, done.journal_bytes);
    databases.server.restart().unwrap();
    running.wait_for(State::Healthy);
    let seen = running.seen();
    assert_eq!((seen.replayed, seen.journal_bytes), (kept - 1, 0));
    assert_eq!(number(&url, COUNT), kept);
    running.end(END);
}

#[test]
fn it_degrades_recovers_and_is_healthy_in_one_process() {
    let (mut databases, journal) = (Databases::start(), tempfile::tempdir().unwrap());
    let url = databases.empty();
    let running = Running::healthy(&url, journal.path());
    databases.server.kill().unwrap();
    for at in 0..PENDING_KEPT + 200 {
        running.store.keep(gear(&at.to_string(), "x", 1));
    }
    running.wait_for(State::Degraded);
    wait_until("some of it is on the disk", || running.seen().journaled > 0);
    databases.server.restart().unwrap();
    running.wait_for(State::Healthy);
    wait_until("all of it is written", || running.seen().pending == 0);
    assert_eq!(number(&url, COUNT), PENDING_KEPT as u64 + 200);
    assert_eq!(block_on(running.store.gear("5")).unwrap().received_ms, 1);
    let done = running.end(END);
    assert_eq!((done.given_up, done.journaled, done.journal_bytes), (0, done.replayed, 0));
}

/// Nothing has to be written before, during or after it.
#[test]
fn an_outage_that_only_look_ups_see_is_over_when_the_server_is_back() {
    let (mut databases, journal) = (Databases::start(), tempfile::tempdir().unwrap());
    let url = databases.empty();
    let running = Running::healthy(&url, journal.path());
    databases.server.stop().unwrap();
    wait_until("look-ups have failed for long enough", || {
        assert!(block_on(running.store.name("가")).is_none());
        running.seen().state == State::Degraded
    });
    databases.server.restart().unwrap();
    running.wait_for(State::Healthy);
    assert!(block_on(running.store.name("가")).is_none());
    let done = running.end(END);
    assert_eq!((done.absent, done.written, done.write_failures), (1, 0, 0));
}

#[test]
fn a_full_journal_gives_up_and_counts() {
    let (mut databases, journal) = (Databases::start(), tempfile::tempdir().unwrap());
    let url = databases.empty();
    databases.server.stop().unwrap();
    let running = Running::start(&url, journal.path(), 1_000);
    for at in 0..100 {
        running.store.keep(gear(&at.to_string(), "x", 1));
    }
    let done = running.end(END);
    assert!(done.journaled > 0 && done.journal_bytes <= 1_000, "{done:?}");
    assert_eq!(done.journaled + done.given_up, 100);
}

/// A server that is silent: connections stay open and nothing comes back.
#[test]
#[allow(clippy::disallowed_methods, reason = "how long an answer takes is what is tested")]
fn a_frozen_server_costs_no_more_than_its_bounds_and_mixes_nothing_up() {
    let (databases, journal) = (Databases::start(), tempfile::tempdir().unwrap());
    let url = databases.empty();
    let running = Running::healthy(&url, journal.path());
    for ocid in 0..40 {
        running.store.keep(name(&format!("n{ocid}"), &ocid.to_string(), 1));
    }
    wait_until("all is written", || running.seen().written == 40);
    databases.server.pause().unwrap();
    let (began, mut asked) = (Instant::now(), Vec::new());
    for ocid in 0..20 {
        asked.push(running.store.name(&format!("n{ocid}")));
    }
    running.store.keep(gear("1", "x", 1));
    assert!(asked.into_iter().all(|answer| block_on(answer).is_none()));
    let took = began.elapsed();
    let bound = BORROW_TIMEOUT + READ_TIMEOUT + Duration::from_millis(300);
    assert!(took < bound, "{took:?}");
    running.wait_for(State::Degraded);
    let began = Instant::now();
    assert!(block_on(running.store.name("n1")).is_none());
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    databases.server.resume().unwrap();
    running.wait_for(State::Healthy);
    for ocid in 0..40 {
        let found = block_on(running.store.name(&format!("n{ocid}"))).unwrap();
        assert_eq!(found.ocid, ocid.to_string());
    }
    wait_until("the gear is written", || number(&url, COUNT) == 1);
    running.end(END);
}

/// Questions that were given up are answered all the same once the server goes on, and nobody takes those answers for
/// his own.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test thread waits, no shard")]
fn a_late_answer_is_nobody_elses() {
    let (databases, journal) = (Databases::start(), tempfile::tempdir().unwrap());
    let url = databases.empty();
    let running = Running::healthy(&url, journal.path());
    for at in 0..2 * SESSIONS_MAX {
        running.store.keep(name(&format!("n{at}"), &at.to_string(), 1));
    }
    wait_until("all is written", || running.seen().written == 2 * SESSIONS_MAX as u64);
    let ask = |at: usize| running.store.name(&format!("n{at}"));
    // All sessions have been used.
    let warm: Vec<_> = (0..SESSIONS_MAX).map(ask).collect();
    warm.into_iter().for_each(|answer| assert!(block_on(answer).is_some()));
    databases.server.pause().unwrap();
    let first: Vec<_> = (0..SESSIONS_MAX).map(ask).collect();
    first.into_iter().for_each(|answer| assert!(block_on(answer).is_none()));
    let second: Vec<_> = (SESSIONS_MAX..2 * SESSIONS_MAX).map(ask).collect();
    // They are on their way before the server goes on.
    std::thread::sleep(Duration::from_millis(200));
    databases.server.resume().unwrap();
    for (at, answer) in (SESSIONS_MAX..).zip(second) {
        let ocid = block_on(answer).map(|named| named.ocid);
        assert_eq!(ocid.unwrap_or(at.to_string()), at.to_string());
    }
    running.wait_for(State::Healthy);
    running.end(END);
}

/// After an outage another server may answer, with nothing in it.
#[test]
fn what_comes_back_is_migrated() {
    let (mut databases, journal) = (Databases::start(), tempfile::tempdir().unwrap());
    let url = databases.empty();
    let running = Running::healthy(&url, journal.path());
    raw(&url, async |c| {
        for table in ["character_equipment", "schema_migration"] {
            c.query_drop(format!("DROP TABLE {table}")).await.unwrap();
        }
    });
    databases.server.kill().unwrap();
    running.store.keep(gear("1", "x", 1));
    running.wait_for(State::Degraded);
    databases.server.restart().unwrap();
    running.wait_for(State::Healthy);
    wait_until("the gear is written", || running.seen().pending == 0);
    assert_eq!(number(&url, COUNT), 1);
    running.end(END);
}

/// A batch is many round trips: when each takes long, a full one is not done in its time, today or ever.
#[test]
fn a_server_that_is_far_away_is_given_less_at_a_time() {
    let (databases, journal) = (Databases::start(), tempfile::tempdir().unwrap());
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, databases.server.port()));
    let relay = Relay::start(server).unwrap();
    let url = databases.empty().replace(&server.to_string(), &relay.address().to_string());
    let running = Running::healthy(&url, journal.path());
    // 30 ms for each of the 128 statements of 64 names.
    relay.set(Mode::Delay(Duration::from_millis(15))).unwrap();
    for at in 0..64 {
        running.store.keep(name(&format!("n{at}"), &at.to_string(), 1));
    }
    wait_until("all is written", || running.seen().written == 64);
    relay.set(Mode::Pass).unwrap();
    let done = running.end(END);
    assert!(done.write_failures > 0, "it was too much for one batch");
    assert_eq!((done.given_up, done.journaled), (0, 0));
}

#[test]
fn a_segment_that_cannot_be_read_holds_nothing_else_up() {
    let (mut databases, journal) = (Databases::start(), tempfile::tempdir().unwrap());
    let url = databases.empty();
    databases.server.stop().unwrap();
    let running = Running::start(&url, journal.path(), 1 << 30);
    running.store.keep(gear("lost", "x", 1));
    assert_eq!(running.end(END).journaled, 1);
    let running = Running::start(&url, journal.path(), 1 << 30);
    running.store.keep(gear("1", "x", 1));
    let segment = std::fs::read_dir(journal.path()).unwrap().next().unwrap().unwrap().path();
    File::options().write(true).open(&segment).unwrap().set_len(30).unwrap();
    databases.server.restart().unwrap();
    running.wait_for(State::Healthy);
    wait_until("the other record is written", || number(&url, COUNT) == 1);
    let done = running.end(END);
    assert_eq!((done.segments_unreadable, done.replayed, done.journal_bytes), (1, 0, 0));
    assert!(segment.with_extension("unreadable").exists());
}

/// The end comes while the server is silent: what waits is on the disk in time.
#[test]
fn the_end_does_not_wait_for_a_frozen_server() {
    let (databases, journal) = (Databases::start(), tempfile::tempdir().unwrap());
    let url = databases.empty();
    let running = Running::healthy(&url, journal.path());
    databases.server.pause().unwrap();
    running.store.keep(gear("1", "x", 1));
    let done = running.end(Duration::from_millis(300));
    assert_eq!((done.journaled, done.given_up), (1, 0));
    databases.server.resume().unwrap();
    let running = Running::healthy(&url, journal.path());
    assert_eq!((running.seen().replayed, number(&url, COUNT)), (1, 1));
    running.end(END);
}
