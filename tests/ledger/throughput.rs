//! How many rows a second are written behind. Prints; asserts only that all have arrived.
//! `cargo test --release --test ledger -- --ignored --nocapture throughput`

use std::time::Duration;
use std::time::Instant;

use chaos::services::FlushLog;
use chaos::services::MariaDb;
use maple_expectation::expectation::ports::Ledger as _;
use maple_expectation::expectation::ports::Payload;
use maple_expectation::expectation::ports::Record;

use crate::mysql::number;
use crate::running::Running;
use crate::summary;
use crate::wait_until;

const ROWS: u64 = 8_000;
/// What the game's documents have as gzip.
const GEAR_BYTES: usize = 17 * 1024;

#[test]
#[ignore = "measures"]
fn throughput() {
    for flush_log in [FlushLog::Commit, FlushLog::Second] {
        let (server, journal) =
            (MariaDb::start_with(flush_log).unwrap(), tempfile::tempdir().unwrap());
        let running = Running::healthy(&server.url(), journal.path());
        for round in ["insert", "update"] {
            let at = if round == "insert" { 1 } else { 2 };
            let rate = rate(&running, |row| gear(row, at));
            println!("{flush_log:?}: gear of 17 KB, {round}: {rate:.0} rows/s");
        }
        for round in ["insert", "update"] {
            let at = if round == "insert" { 1 } else { 2 };
            let ocid = |row: u64| format!("{:032x}", row / 3);
            let rate = rate(&running, |row| summary(&ocid(row), 1 + (row % 3) as u8, row, at));
            println!("{flush_log:?}: summaries, {round}: {rate:.0} rows/s");
        }
        let url = server.url();
        assert_eq!(number(&url, "SELECT count(*) FROM character_equipment"), ROWS);
        assert_eq!(number(&url, "SELECT count(*) FROM equipment_expectation_summary"), ROWS);
        let done = running.end(Duration::from_secs(10));
        assert_eq!((done.given_up, done.journaled, done.write_failures), (0, 0, 0));
    }
}

fn gear(row: u64, at: u64) -> Record {
    // Bytes that do not compress, like gzip; it begins like one.
    let mut state = row + at;
    let noise = (0..GEAR_BYTES).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    let body = [0x1f, 0x8b].into_iter().chain(noise).collect::<Vec<_>>().into();
    let payload = Payload { body, gzip: true };
    Record::Gear { ocid: format!("{row:032x}"), payload, received_ms: at }
}

/// Rows a second, from the first kept to the last written. Never more wait than there is room for.
#[allow(clippy::disallowed_methods, reason = "measures")]
fn rate(running: &Running, record: impl Fn(u64) -> Record) -> f64 {
    let records: Vec<_> = (0..ROWS).map(record).collect();
    let (before, began) = (running.seen().written, Instant::now());
    for (sent, record) in (0_u64..).zip(records) {
        while sent.saturating_sub(running.seen().written - before) > 2_000 {
            std::thread::yield_now();
        }
        running.store.keep(record);
    }
    wait_until("all is written", || running.seen().written - before >= ROWS);
    ROWS as f64 / began.elapsed().as_secs_f64()
}
