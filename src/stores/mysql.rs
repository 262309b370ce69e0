//! The store of several processes: MySQL 8 or MariaDB, behind a pool of the backplane. A shard sends an order and awaits
//! the reply; the queue is bounded and full means "not there", at once.
//!
//! Look-ups run beside each other. Records are written behind, coalesced, in batches; while the server is away they wait
//! here, then in a journal on the disk (`journal`), and go in when it is back. A server that is away at the start is no
//! reason to fail; a database of another build is, and is told through [`Opened::schema`].
//!
//! Where to look next: `task` runs it, `rows` and `statements` are the SQL, `sessions` the pool and its bounds.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc as threads;
use std::time::Duration;

use futures_channel::oneshot;
use mysql_async::Opts;
use tokio::sync::mpsc;

use crate::expectation::ports::Gear;
use crate::expectation::ports::Kept;
use crate::expectation::ports::Ledger;
use crate::expectation::ports::Named;
use crate::expectation::ports::Record;
use crate::stores::batch::Share;
use crate::stores::journal::Journal;
use crate::stores::migrations::Mismatch;
use crate::stores::probe::StoreProbe;

mod datetime;
mod migrate;
mod rows;
pub mod sessions;
pub mod statements;
mod task;

pub use task::MysqlTask;

/// Orders that may wait for the backplane.
pub const ORDERS_MAX: usize = 4_096;
/// Look-ups under way, most of them waiting for a session.
pub const READS_MAX: usize = 1_024;
/// Sessions of a process.
pub const SESSIONS_MAX: usize = 10;
/// Until a look-up has a session, connecting included.
pub const BORROW_TIMEOUT: Duration = Duration::from_millis(500);
/// Until a batch or a migration has one.
pub const BORROW_TIMEOUT_JOB: Duration = Duration::from_secs(3);
/// One look-up on its session. Beyond it the game is asked instead.
pub const READ_TIMEOUT: Duration = Duration::from_secs(1);
/// One batch, which takes 5 to 30 ms.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(3);
/// All migrations, and the wait for another process that is at them.
pub const MIGRATION_TIMEOUT: Duration = Duration::from_secs(60);
/// Records of one batch. Larger ones bring no more rows a second (gear at 16 writes what the log takes) but hold their
/// locks longer. The bytes stay below the 16 MB that MariaDB takes as one statement.
pub const SHARE: Share =
    Share { names: 64, gears: 16, gear_bytes: 4 * 1024 * 1024, summaries: 500 };
/// Records that may wait in memory, the larger part for as long as one batch is out. One in five is gear of 20 KB.
pub const PENDING_MAX: usize = 8_192;
/// Records that stay there while the server is away; more go to the journal.
pub const PENDING_KEPT: usize = 1_024;
/// How long a failed batch, or a server that is away, waits for its next try.
pub const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Failures degrade the store when nothing has worked for as long.
pub const DEBOUNCE: Duration = Duration::from_secs(2);
/// What writing the rest to the journal may take at the end, beyond the time given.
const END_SLACK: Duration = Duration::from_secs(2);

/// How to reach it, and where to put what it cannot take.
#[derive(Clone)]
pub struct MysqlConfig {
    /// `mysql://user:password@host:port/database`
    pub url: String,
    /// Sessions at most.
    pub sessions_max: usize,
    /// Folder of the journal.
    pub journal: PathBuf,
    /// Bytes of the journal at most; what does not fit is given up.
    pub journal_bytes_max: u64,
}

impl fmt::Debug for MysqlConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlConfig")
            .field("sessions_max", &self.sessions_max)
            .field("journal", &self.journal)
            .field("journal_bytes_max", &self.journal_bytes_max)
            .finish_non_exhaustive()
    }
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
    /// The store is to end: what waits is written first, for so long, and put into the journal then.
    End {
        within: Duration,
        done: threads::SyncSender<()>,
    },
}

/// The way to the store. Cheap to clone, one per shard.
#[derive(Clone)]
pub struct Mysql {
    orders: mpsc::Sender<Order>,
    probe: Arc<StoreProbe>,
}

/// Ends the store. One per process.
pub struct MysqlEnd {
    orders: mpsc::Sender<Order>,
}

/// A store that is about to be run.
pub struct Opened {
    /// For the shards.
    pub store: Mysql,
    /// To be run on the backplane.
    pub task: MysqlTask,
    /// For whoever ends the process.
    pub end: MysqlEnd,
    /// What the first database that could be reached is like. While it is another build's, nothing is read or written.
    pub schema: threads::Receiver<Result<(), Mismatch>>,
}

impl Mysql {
    /// Opens the journal; connects to nothing yet.
    ///
    /// # Errors
    /// The URL is none or names no database, or the journal's folder cannot be used.
    pub fn open(config: &MysqlConfig) -> io::Result<Opened> {
        let opts = Opts::from_url(&config.url).map_err(io::Error::other)?;
        if opts.db_name().is_none() {
            return Err(io::Error::other("the URL names no database"));
        }
        let journal = Journal::open(&config.journal, config.journal_bytes_max)?;
        let (orders, queue) = mpsc::channel(ORDERS_MAX);
        let (told, schema) = threads::sync_channel(1);
        let probe = Arc::<StoreProbe>::default();
        let shared = Arc::clone(&probe);
        let task = MysqlTask::new(&opts, config.sessions_max, queue, journal, shared, told);
        let end = MysqlEnd { orders: orders.clone() };
        Ok(Opened { store: Self { orders, probe }, task, end, schema })
    }

    /// What it has done.
    #[must_use]
    pub fn probe(&self) -> &StoreProbe {
        &self.probe
    }

    /// The same, for another thread.
    #[must_use]
    pub fn shared_probe(&self) -> Arc<StoreProbe> {
        Arc::clone(&self.probe)
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

impl Ledger for Mysql {
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

impl MysqlEnd {
    /// Has what waits written, or put into the journal after `within`, and ends the task. Blocks this thread: not for the
    /// backplane. False when the task did not say in time that it is done.
    pub fn end(self, within: Duration) -> bool {
        let (done, ended) = threads::sync_channel(1);
        // Fails only when the task has ended already.
        match self.orders.blocking_send(Order::End { within, done }) {
            Ok(()) => ended.recv_timeout(within + END_SLACK).is_ok(),
            Err(_) => true,
        }
    }
}
