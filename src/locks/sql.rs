//! The second tier: leases as rows of the database, and the book (docs/adr/0007), over a small pool of its own. No session
//! is kept for a lock: a lease has a term that both sides know.
//!
//! Where to look next: `statements`, and `rule` for what a meeting decides.

use std::io;
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::Opts;
use mysql_async::TxOpts;
use mysql_async::prelude::Queryable as _;

use crate::locks::rule;
use crate::locks::rule::Report;
use crate::locks::rule::Row;
use crate::locks::rule::Standing;
use crate::locks::rule::Times;
use crate::locks::tier::SecondTier;
use crate::locks::tier::Taken;
use crate::locks::tier::Tier;
use crate::locks::tier::Unreachable;
use crate::stores::mysql::sessions::Bounds;
use crate::stores::mysql::sessions::Failure;
use crate::stores::mysql::sessions::Sessions;

pub mod statements;

/// Sessions at most: one meets, the others take and renew.
pub const SESSIONS_MAX: usize = 4;
/// Of one question or meeting, so that several in vain still fit into the 10 s after which nothing is granted any more.
const BOUNDS: Bounds = Bounds { borrow: Duration::from_secs(1), work: Duration::from_secs(2) };
/// A session that says nothing for so long (seconds) is closed by the server: a process that stops in the middle of a
/// meeting, which excludes all others, does not keep them out until their standing ends.
const SETUP: &str = "SET SESSION wait_timeout = 5";
/// What was seen last before so long is no part of the book any more. Far more than any statement can be under way, so
/// that a late meeting still finds the later one that makes it void.
const REMEMBERED_MS: u64 = 60 * 60 * 1_000;

/// Leases and the book in SQL.
#[derive(Debug, Clone)]
pub struct SqlTier {
    sessions: Sessions,
    times: Times,
}

impl SqlTier {
    /// Over this database, whose schema is `stores::mysql`'s. Connects when it is first asked.
    ///
    /// # Errors
    /// The URL is none.
    pub fn new(url: &str, times: Times) -> io::Result<Self> {
        let opts = Opts::from_url(url).map_err(io::Error::other)?;
        Ok(Self { sessions: Sessions::new(&opts, SESSIONS_MAX, &[SETUP]), times })
    }

    /// Sessions at work, and those that wait for some.
    #[must_use]
    pub fn sessions(&self) -> (u64, u64) {
        self.sessions.counts()
    }

    async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut Conn) -> mysql_async::Result<T>,
    ) -> Result<T, Failure> {
        let done = self.sessions.run(BOUNDS, work).await;
        if let Err(failure) = &done {
            tracing::debug!(%failure, "the locks' database");
        }
        done
    }
}

impl Tier for SqlTier {
    async fn take(&self, name: &str, token: &str, lease: Duration) -> Result<Taken, Unreachable> {
        let take = async |c: &mut Conn| {
            // Most who ask wait for somebody: they only read.
            let busy: Option<bool> = c.exec_first(statements::IS_BUSY, (token, name)).await?;
            if busy == Some(true) {
                return Ok(None);
            }
            c.exec_drop(statements::TAKE, (name, token, millis(lease))).await?;
            c.exec_first(statements::FENCE, (name, token)).await
        };
        match self.run(take).await {
            Ok(Some(fence)) => Ok(Taken::Held { fence }),
            Ok(None) | Err(Failure::Contended(_)) => Ok(Taken::Busy),
            Err(Failure::Away(_) | Failure::Late(_) | Failure::Refused(_)) => Err(Unreachable),
        }
    }

    async fn renew(&self, name: &str, token: &str, lease: Duration) -> Result<bool, Unreachable> {
        let renew = async |c: &mut Conn| {
            c.exec_drop(statements::RENEW, (millis(lease), name, token)).await?;
            Ok(c.affected_rows() > 0)
        };
        self.run(renew).await.map_err(|_| Unreachable)
    }

    async fn release(&self, name: &str, token: &str) {
        let release = async |c: &mut Conn| c.exec_drop(statements::RELEASE, (name, token)).await;
        // In vain: it runs out. Logged.
        let _ = self.run(release).await;
    }
}

impl SecondTier for SqlTier {
    async fn meet(&self, node: &str, report: Report) -> Result<Standing, Unreachable> {
        let meet = async |c: &mut Conn| meet(c, &self.times, node, report).await;
        self.run(meet).await.map_err(|_| Unreachable)
    }
}

async fn meet(
    connection: &mut Conn,
    times: &Times,
    node: &str,
    report: Report,
) -> mysql_async::Result<Standing> {
    let mut book = connection.start_transaction(TxOpts::default()).await?;
    book.query_drop(statements::ENTER).await?;
    // Nothing was read before: the transaction sees what the one before has committed.
    let now_ms = book.query_first(statements::NOW).await?;
    let now_ms: u64 = now_ms.ok_or_else(|| mysql_async::Error::Other("no time".into()))?;
    let since_ms = now_ms.saturating_sub(REMEMBERED_MS);
    if report.meeting == 1 {
        book.exec_drop(statements::FORGET, (since_ms,)).await?;
    }
    let row = |(node, meeting, seen_ms, left_first_ms, second)| Row {
        node,
        meeting,
        seen_ms,
        left_first_ms,
        second,
    };
    let rows = book.exec_map(statements::BOOK, (since_ms,), row).await?;
    let (mine, standing) = rule::meet(times, &rows, now_ms, node, report);
    let Row { node, meeting, seen_ms, left_first_ms, second } = mine;
    let mine = (node, meeting, seen_ms, left_first_ms, second);
    book.exec_drop(statements::WRITE, mine).await?;
    book.commit().await?;
    Ok(standing)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
