//! The store of a single process: one SQLite file, one thread that owns it. A shard sends an order and awaits the
//! reply; the queue is bounded and full means "not there", at once.
//!
//! Records are written behind: gathered, coalesced, one transaction a batch. The file is in WAL mode and synced at
//! checkpoints, not at every commit: everything in it can be had again from the game, and a power cut may cost the last
//! batches but not the file.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_channel::oneshot;
use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::params;
use shards::clock::Clock as _;
use shards::clock::SystemClock;

use crate::expectation::ports::Gear;
use crate::expectation::ports::Kept;
use crate::expectation::ports::Ledger;
use crate::expectation::ports::Named;
use crate::expectation::ports::Payload;
use crate::expectation::ports::Record;
use crate::gzip;
use crate::stores::batch::Share;
use crate::stores::migrations;
use crate::stores::pending::Pending;
use crate::stores::probe::StoreProbe;

/// Orders that may wait. A look-up takes some 20 us, so the last one waits a tenth of a second.
pub const ORDERS_MAX: usize = 4_096;
/// Records that may wait while the file cannot be written: about 20 KB each.
pub const PENDING_MAX: usize = 4_096;
/// Records of one transaction.
pub const SHARE: Share =
    Share { names: 64, gears: 64, gear_bytes: 16 * 1024 * 1024, summaries: 500 };
/// Orders looked at before what has gathered is written.
const ORDERS_AT_ONCE: usize = 64;
/// How long a failed batch waits for its next try.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long another process's hold on the file is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);
/// Gear older than this is forgotten when the file is opened: it answers nobody, and the file stays bounded.
pub const GEAR_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Every statement that runs while serving; a test asks the planner about each.
pub mod statements {
    /// What a name stands for.
    pub const NAME: &str = "SELECT ocid, confirmed_at_ms FROM game_character WHERE user_ign = ?1";
    /// Gear by id.
    pub const GEAR: &str =
        "SELECT json_content, updated_at_ms FROM character_equipment WHERE ocid = ?1";
    /// When gear was received.
    pub const RECEIVED: &str = "SELECT updated_at_ms FROM character_equipment WHERE ocid = ?1";
    /// Takes a name from the character that had it before, unless that is news.
    pub const RELEASE_NAME: &str =
        "DELETE FROM game_character WHERE user_ign = ?1 AND ocid <> ?2 AND confirmed_at_ms <= ?3";
    /// Gives a character its name. Nothing happens when somebody else has the name by later news.
    pub const PUT_NAME: &str = "INSERT INTO game_character (user_ign, ocid, confirmed_at_ms)
        SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM game_character WHERE user_ign = ?1 AND ocid <> ?2)
        ON CONFLICT (ocid) DO UPDATE SET user_ign = ?1, confirmed_at_ms = ?3 WHERE confirmed_at_ms <= ?3";
    /// Keeps gear, unless newer is kept.
    pub const PUT_GEAR: &str = "INSERT INTO character_equipment (ocid, json_content, updated_at_ms)
        VALUES (?1, ?2, ?3)
        ON CONFLICT (ocid) DO UPDATE SET json_content = ?2, updated_at_ms = ?3 WHERE updated_at_ms <= ?3";
    /// Keeps a summary, unless a newer one is kept.
    pub const PUT_SUMMARY: &str = "INSERT INTO equipment_expectation_summary
        (ocid, preset_no, total_expected_cost, black_cube_cost, red_cube_cost, additional_cube_cost, starforce_cost,
        calculated_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT (ocid, preset_no) DO UPDATE SET total_expected_cost = ?3, black_cube_cost = ?4, red_cube_cost = ?5,
        additional_cube_cost = ?6, starforce_cost = ?7, calculated_at_ms = ?8 WHERE calculated_at_ms <= ?8";
    /// Forgets gear older than a time.
    pub const FORGET_GEAR: &str = "DELETE FROM character_equipment WHERE updated_at_ms < ?1";
}

enum Order {
    Name {
        name: String,
        reply: oneshot::Sender<Option<Named>>,
    },
    Gear {
        ocid: String,
        reply: oneshot::Sender<Option<Gear>>,
    },
    Received {
        ocid: String,
        reply: oneshot::Sender<Option<u64>>,
    },
    Keep(Record),
    /// The store is to end; what waits is written first.
    End,
}

/// The way to the store. Cheap to clone, one per shard.
#[derive(Clone)]
pub struct Sqlite {
    orders: mpsc::SyncSender<Order>,
    probe: Arc<StoreProbe>,
}

/// The store's thread, to wait for at the end.
pub struct SqliteThread {
    orders: mpsc::SyncSender<Order>,
    thread: JoinHandle<()>,
}

impl SqliteThread {
    /// Writes what waits, closes the file and ends the thread.
    pub fn end(self) {
        // Fails only when the thread has ended already.
        let _ = self.orders.send(Order::End);
        if self.thread.join().is_err() {
            tracing::error!("the store's thread panicked");
        }
    }
}

impl Sqlite {
    /// Opens the file, brings its schema up to date and starts the thread. `now_ms` is the wall time.
    ///
    /// # Errors
    /// The folder or file cannot be used, or another build's schema is in it.
    pub fn open(file: &Path, now_ms: u64) -> io::Result<(Self, SqliteThread)> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let connection = open(file, now_ms).map_err(io::Error::other)?;
        let (orders, queue) = mpsc::sync_channel(ORDERS_MAX);
        let probe = Arc::<StoreProbe>::default();
        let mut store =
            Store { connection, pending: Pending::new(PENDING_MAX), probe: Arc::clone(&probe) };
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || store.run(&queue))?;
        Ok((Self { orders: orders.clone(), probe }, SqliteThread { orders, thread }))
    }

    /// What it has done.
    #[must_use]
    pub fn probe(&self) -> &StoreProbe {
        &self.probe
    }

    fn ask<T: 'static>(&self, order: impl FnOnce(oneshot::Sender<Option<T>>) -> Order) -> Kept<T> {
        let (reply, answer) = oneshot::channel();
        if self.orders.try_send(order(reply)).is_err() {
            self.probe.read_failures.fetch_add(1, Relaxed);
        }
        // A refused order has dropped its reply.
        Box::pin(async { answer.await.unwrap_or(None) })
    }
}

impl Ledger for Sqlite {
    fn name(&self, name: &str) -> Kept<Named> {
        self.ask(|reply| Order::Name { name: name.to_owned(), reply })
    }

    fn gear(&self, ocid: &str) -> Kept<Gear> {
        self.ask(|reply| Order::Gear { ocid: ocid.to_owned(), reply })
    }

    fn received(&self, ocid: &str) -> Kept<u64> {
        self.ask(|reply| Order::Received { ocid: ocid.to_owned(), reply })
    }

    fn keep(&self, record: Record) {
        if self.orders.try_send(Order::Keep(record)).is_err() {
            self.probe.given_up.fetch_add(1, Relaxed);
        }
    }
}

/// Opens the file as every use of it does, with its schema up to date.
fn open(file: &Path, now_ms: u64) -> Result<Connection, String> {
    let said = |error: rusqlite::Error| format!("{}: {error}", file.display());
    let mut connection = Connection::open(file).map_err(said)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(said)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(said)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(said)?;
    migrate(&mut connection).map_err(|error| format!("{}: {error}", file.display()))?;
    let kept_ms = u64::try_from(GEAR_KEPT.as_millis()).unwrap_or(u64::MAX);
    let oldest = integer(now_ms.saturating_sub(kept_ms));
    connection.execute(statements::FORGET_GEAR, [oldest]).map_err(said)?;
    Ok(connection)
}

/// Applies what is missing, under the write lock of the file: two processes that start together do it once.
fn migrate(connection: &mut Connection) -> Result<(), String> {
    let said = |error: rusqlite::Error| error.to_string();
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(said)?;
    transaction
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS schema_migration (
                number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT",
        )
        .map_err(said)?;
    let applied: Vec<(u32, String)> = transaction
        .prepare("SELECT number, checksum FROM schema_migration ORDER BY number")
        .and_then(|mut all| all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(said)?;
    for step in
        migrations::missing(migrations::SQLITE, &applied).map_err(|wrong| wrong.to_string())?
    {
        transaction
            .execute_batch(step.sql)
            .and_then(|()| {
                transaction.execute(
                    "INSERT INTO schema_migration (number, name, checksum) VALUES (?1, ?2, ?3)",
                    params![step.number, step.name, step.checksum()],
                )
            })
            .map_err(|error| format!("migration {} ({}): {error}", step.number, step.name))?;
        tracing::info!(number = step.number, name = step.name, "migrated the store");
    }
    transaction.commit().map_err(said)
}

/// The thread's side.
struct Store {
    connection: Connection,
    pending: Pending,
    probe: Arc<StoreProbe>,
}

impl Store {
    fn run(&mut self, queue: &mpsc::Receiver<Order>) {
        let clock = SystemClock::new();
        let (mut goes_on, mut next_try) = (true, Duration::ZERO);
        while goes_on {
            // With records waiting, orders are waited for no longer than until the next batch or try.
            let first = match self.pending.is_empty() {
                true => queue.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
                false => queue.recv_timeout(next_try.saturating_sub(clock.monotonic())),
            };
            match first {
                Ok(order) => {
                    goes_on = self.take(order);
                    // What has come meanwhile makes the batch.
                    for order in queue.try_iter().take(ORDERS_AT_ONCE) {
                        goes_on &= self.take(order);
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => goes_on = false,
            }
            // A try on a file that somebody has locked takes its whole time, and the look-ups wait behind it.
            if clock.monotonic() < next_try {
                self.probe.pending.store(self.pending.len() as u64, Relaxed);
            } else if !self.write() {
                next_try = clock.monotonic() + RETRY_PAUSE;
            }
        }
        while !self.pending.is_empty() && self.write() {}
    }

    /// False when it was the last.
    fn take(&mut self, order: Order) -> bool {
        match order {
            Order::Name { name, reply } => {
                let found = self.named(&name);
                let _ = reply.send(self.counted(found));
            }
            Order::Gear { ocid, reply } => {
                let found = self.gear(&ocid);
                let _ = reply.send(self.counted(found));
            }
            Order::Received { ocid, reply } => {
                let found = self.received(&ocid);
                let _ = reply.send(self.counted(found));
            }
            Order::Keep(record) => {
                self.probe.given_up.fetch_add(self.pending.put(record), Relaxed);
            }
            Order::End => return false,
        }
        true
    }

    fn named(&self, name: &str) -> rusqlite::Result<Option<Named>> {
        let mut statement = self.connection.prepare_cached(statements::NAME)?;
        let row = statement.query_row([name], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)));
        let found = row.optional()?;
        Ok(found.map(|(ocid, at)| Named { ocid, confirmed_ms: at.cast_unsigned() }))
    }

    fn gear(&self, ocid: &str) -> rusqlite::Result<Option<Gear>> {
        let mut statement = self.connection.prepare_cached(statements::GEAR)?;
        let row = statement
            .query_row([ocid], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?)));
        Ok(row.optional()?.map(|(body, at)| {
            let gzip = body.starts_with(&[0x1f, 0x8b]);
            Gear { payload: Payload { body: body.into(), gzip }, received_ms: at.cast_unsigned() }
        }))
    }

    fn received(&self, ocid: &str) -> rusqlite::Result<Option<u64>> {
        let mut statement = self.connection.prepare_cached(statements::RECEIVED)?;
        let at = statement.query_row([ocid], |row| row.get::<_, i64>(0)).optional()?;
        Ok(at.map(i64::cast_unsigned))
    }

    fn counted<T>(&self, found: rusqlite::Result<Option<T>>) -> Option<T> {
        let counter = match &found {
            Ok(Some(_)) => &self.probe.found,
            Ok(None) => &self.probe.absent,
            Err(error) => {
                tracing::warn!(%error, "the store could not be read");
                &self.probe.read_failures
            }
        };
        counter.fetch_add(1, Relaxed);
        found.unwrap_or(None)
    }

    /// Writes a batch of what waits; false when the store failed.
    fn write(&mut self) -> bool {
        let batch = self.pending.take(SHARE);
        let mut works = true;
        if !batch.is_empty() {
            match write_all(&mut self.connection, &batch) {
                Ok(()) => {
                    self.probe.written.fetch_add(batch.len() as u64, Relaxed);
                }
                Err(error) => {
                    works = false;
                    self.probe.write_failures.fetch_add(1, Relaxed);
                    tracing::warn!(%error, records = batch.len(), "the store could not be written");
                    let given_up: u64 =
                        batch.into_iter().map(|record| self.pending.put(record)).sum();
                    self.probe.given_up.fetch_add(given_up, Relaxed);
                }
            }
        }
        self.probe.pending.store(self.pending.len() as u64, Relaxed);
        works
    }
}

fn write_all(connection: &mut Connection, batch: &[Record]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for record in batch {
        match record {
            Record::Name { name, ocid, confirmed_ms } => {
                let row = params![name, ocid, integer(*confirmed_ms)];
                transaction.prepare_cached(statements::RELEASE_NAME)?.execute(row)?;
                transaction.prepare_cached(statements::PUT_NAME)?.execute(row)?;
            }
            Record::Gear { ocid, payload, received_ms } => {
                let packed =
                    if payload.gzip { payload.body.clone() } else { gzip::compress(&payload.body) };
                let row = params![ocid, &packed[..], integer(*received_ms)];
                transaction.prepare_cached(statements::PUT_GEAR)?.execute(row)?;
            }
            Record::Summary { ocid, preset_no, costs, calculated_ms } => {
                let [total, black, red, additional, starforce] = costs.columns().map(integer);
                let at = integer(*calculated_ms);
                let row = params![ocid, preset_no, total, black, red, additional, starforce, at];
                transaction.prepare_cached(statements::PUT_SUMMARY)?.execute(row)?;
            }
        }
    }
    transaction.commit()
}

/// SQLite's integers are signed; times of this millennium and the mesos kept fit.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
