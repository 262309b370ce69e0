//! Processes that add to one counter in SQL under a lock, each write with its fence: what the fault scenarios c04 and c17
//! run several of. What it says, it says on standard output, a JSON document to a line.
//!
//! The counter is right as long as fences grow, whatever becomes of the lock: whoever adds claims the row with his fence
//! before he reads it, and an older fence is refused from then on.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use clap::Parser;
use clap::Subcommand;
use futures_util::future::try_join_all;
use maple_expectation::locks::held::Acquired;
use maple_expectation::locks::held::Guard;
use maple_expectation::locks::held::Locks;
use maple_expectation::locks::redis::RedisTier;
use maple_expectation::locks::rule::Times;
use maple_expectation::locks::sql::SqlTier;
use maple_expectation::stores::migrations::MYSQL;
use maple_expectation::stores::mysql::sessions::Bounds;
use maple_expectation::stores::mysql::sessions::Sessions;
use maple_expectation::stores::redis::client::Client;
use maple_expectation::stores::redis::client::Config;
use mysql_async::Conn;
use mysql_async::Opts;
use mysql_async::prelude::Queryable as _;
use serde_json::json;
use shards::clock::Clock as _;
use shards::clock::SystemClock;
use tokio::task::LocalSet;
use tokio::task::spawn_local;
use tokio::time::sleep;

/// Counts in SQL under a lock.
#[derive(Debug, Parser)]
struct Cli {
    /// mysql://user:password@host:port/database
    #[arg(long)]
    mysql: String,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Makes the tables; the counter is 0
    Prepare,
    /// Says what the counter is
    Read,
    /// Adds to it, again and again, with many clients
    Count {
        #[command(flatten)]
        locks: LockOptions,
        /// Clients at once
        #[arg(long)]
        clients: usize,
        /// What each adds, one by one
        #[arg(long)]
        rounds: usize,
    },
    /// Adds one, some time after it has taken the lock, and does not look whether it still has it
    Once {
        #[command(flatten)]
        locks: LockOptions,
        /// That time
        #[arg(long, default_value_t = 0)]
        pause_ms: u64,
    },
}

#[derive(Debug, Args)]
struct LockOptions {
    /// redis:// or redis+sentinel://
    #[arg(long)]
    redis: String,
    /// The name of this process, which no other ever had
    #[arg(long)]
    node: String,
}

type Failure = Box<dyn std::error::Error>;

/// A tenth of the settled ones, so that an outage of seconds is a long one.
const TIMES: Times = Times {
    lease: Duration::from_secs(3),
    renew: Duration::from_secs(1),
    meet: Duration::from_millis(200),
    alive: Duration::from_secs(1),
    margin: Duration::from_millis(300),
};
const LOCK: &str = "counter";
/// Longest wait for the lock.
const PATIENCE: Duration = Duration::from_secs(60);
const SESSIONS_MAX: usize = 10;
const BOUNDS: Bounds = Bounds { borrow: Duration::from_secs(10), work: Duration::from_secs(10) };

const TABLE: &str = "CREATE TABLE IF NOT EXISTS lock_counter (
    id tinyint unsigned PRIMARY KEY, value bigint unsigned NOT NULL, fence bigint unsigned NOT NULL)";
const CLAIM: &str = "UPDATE lock_counter SET fence = ? WHERE id = 1 AND fence < ?";
const READ: &str = "SELECT value, fence FROM lock_counter WHERE id = 1";
const WRITE: &str = "UPDATE lock_counter SET value = ? WHERE id = 1 AND fence = ?";

fn main() -> Result<(), Failure> {
    let Cli { mysql, task } = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let counter = Counter(Sessions::new(&Opts::from_url(&mysql)?, SESSIONS_MAX, &[]));
        match task {
            Task::Prepare => counter.prepare().await,
            Task::Read => {
                let (value, fence) = counter.read().await?;
                say(&json!({ "value": value, "fence": fence }));
                Ok(())
            }
            Task::Count { locks, clients, rounds } => {
                count(&counter, &open(&locks, &mysql).await?, clients, rounds).await
            }
            Task::Once { locks, pause_ms } => {
                let guard = acquire(&open(&locks, &mysql).await?).await?;
                say(&json!({ "held": guard.fence() }));
                sleep(Duration::from_millis(pause_ms)).await;
                say(&json!({ "written": counter.add(guard.fence()).await? }));
                guard.release().await;
                Ok(())
            }
        }
    })
}

type BothTiers = Locks<RedisTier, SqlTier>;

async fn open(options: &LockOptions, mysql: &str) -> Result<BothTiers, Failure> {
    let clock = Rc::new(SystemClock::new());
    let (client, keeper) =
        Client::new(Config::at(options.redis.parse()?), Rc::clone(&clock) as Rc<_>);
    spawn_local(keeper.run());
    let second = SqlTier::new(mysql, TIMES)?;
    let (locks, meetings) =
        Locks::new(RedisTier::new(client.clone()), second, TIMES, &options.node, clock);
    client.connected().await;
    spawn_local(meetings.run());
    Ok(locks)
}

async fn acquire(locks: &BothTiers) -> Result<Guard, Failure> {
    match locks.acquire(LOCK, PATIENCE).await {
        Acquired::Held(guard) => Ok(guard),
        Acquired::Busy => Err(format!("busy for {PATIENCE:?}").into()),
        Acquired::Closed => Err(format!("no locks for {PATIENCE:?}").into()),
    }
}

/// What the clients have seen together.
#[derive(Debug, Default)]
struct Seen {
    refused: u64,
    waited_max: Duration,
}

async fn count(
    counter: &Counter,
    locks: &BothTiers,
    clients: usize,
    rounds: usize,
) -> Result<(), Failure> {
    say(&json!({ "clients": clients }));
    let (clock, seen) = (SystemClock::new(), RefCell::<Seen>::default());
    let client = async |_| {
        let mut added = 0;
        while added < rounds {
            let asked = clock.monotonic();
            let guard = acquire(locks).await?;
            let waited = clock.monotonic().saturating_sub(asked);
            let counted = counter.add(guard.fence()).await?;
            guard.release().await;
            added += usize::from(counted);
            let mut seen = seen.borrow_mut();
            seen.refused += u64::from(!counted);
            seen.waited_max = seen.waited_max.max(waited);
        }
        Ok::<_, Failure>(())
    };
    let began = clock.monotonic();
    try_join_all((0..clients).map(client)).await?;
    let (spent, seen) = (clock.monotonic().saturating_sub(began), seen.into_inner());
    let probe = locks.probe().snapshot();
    say(&json!({
        "seconds": spent.as_secs_f64(),
        "first": probe.taken_first,
        "second": probe.taken_second,
        "lost": probe.lost,
        "refused": seen.refused,
        "waitedMsMax": u64::try_from(seen.waited_max.as_millis())?,
    }));
    Ok(())
}

/// The counter in SQL.
struct Counter(Sessions);

impl Counter {
    async fn prepare(&self) -> Result<(), Failure> {
        let work = async |c: &mut Conn| {
            for statement in MYSQL.iter().flat_map(|step| step.statements()) {
                c.query_drop(statement).await?;
            }
            c.query_drop(TABLE).await?;
            c.query_drop("REPLACE INTO lock_counter VALUES (1, 0, 0)").await
        };
        Ok(self.0.run(BOUNDS, work).await?)
    }

    async fn read(&self) -> Result<(u64, u64), Failure> {
        let work = async |c: &mut Conn| c.query_first(READ).await;
        self.0.run(BOUNDS, work).await?.ok_or_else(|| "no counter: prepare it".into())
    }

    /// Adds one, as three steps that only one may take at a time. False when somebody with a later fence has been here.
    async fn add(&self, fence: u64) -> Result<bool, Failure> {
        let work = async |c: &mut Conn| {
            c.exec_drop(CLAIM, (fence, fence)).await?;
            if c.affected_rows() == 0 {
                return Ok(false);
            }
            let (value, _): (u64, u64) = c.query_first(READ).await?.unwrap_or_default();
            c.exec_drop(WRITE, (value + 1, fence)).await?;
            Ok(c.affected_rows() == 1)
        };
        Ok(self.0.run(BOUNDS, work).await?)
    }
}

fn say(document: &serde_json::Value) {
    println!("{document}");
}
