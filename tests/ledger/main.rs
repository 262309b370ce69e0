//! Ledgers: one list of cases for every implementation, and what is particular to MySQL, over a private MariaDB.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod conformance;
mod fake;
mod file;
mod mysql;
mod outage;
mod running;
mod schema;
mod throughput;

use std::future::Future;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use maple_expectation::expectation::ports::Costs;
use maple_expectation::expectation::ports::Payload;
use maple_expectation::expectation::ports::Record;

/// Waits for one future on this thread.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Waits until something is so; fails with `what` when it takes too long.
#[allow(clippy::disallowed_methods, reason = "a test waits on real servers, off any shard")]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn name(name: &str, ocid: &str, confirmed_ms: u64) -> Record {
    Record::Name { name: name.to_owned(), ocid: ocid.to_owned(), confirmed_ms }
}

fn gear(ocid: &str, text: &str, received_ms: u64) -> Record {
    let payload = Payload { body: Bytes::copy_from_slice(text.as_bytes()), gzip: false };
    Record::Gear { ocid: ocid.to_owned(), payload, received_ms }
}

/// Five different costs out of one number.
fn costs(total: u64) -> Costs {
    Costs { total, black_cube: 1, red_cube: total / 2, additional_cube: 3, starforce: 4 }
}

fn summary(ocid: &str, preset_no: u8, total: u64, calculated_ms: u64) -> Record {
    Record::Summary { ocid: ocid.to_owned(), preset_no, costs: costs(total), calculated_ms }
}
