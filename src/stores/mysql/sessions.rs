//! A bounded pool of sessions, and work on one of them within bounds of time.
//!
//! Work may be cut off at any moment, by its bound or because nobody waits for it. Its connection is never used again
//! then, because the answer that is still on its way would be taken for the next one's: the driver throws away a
//! connection that is dropped with a question under way, and rolls back one that is dropped within a transaction.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::Opts;
use mysql_async::OptsBuilder;
use mysql_async::Pool;
use mysql_async::PoolConstraints;
use mysql_async::PoolOpts;
use mysql_async::ServerError;
use tokio::time::timeout;

/// A peer that has vanished is noticed after this and a few probes.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// A session that nobody has used for so long is closed. Without it the driver closes each one after its use.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Each new session: times are UTC; a value that does not fit is an error; nobody waits for a lock longer than a batch
/// may take. The statements count on repeatable reads, whatever the server's default.
const SETUP: [&str; 2] = [
    "SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', \
     innodb_lock_wait_timeout = 2, lock_wait_timeout = 2",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
];

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server could not be reached, or not in time, or cannot do it now. It may work later.
    Away(String),
    /// It was reached, and not done with the work in time. Less of it may work.
    Late(String),
    /// Somebody else had the rows; nothing has happened. It works when tried again.
    Contended(String),
    /// The server will never take these values.
    Refused(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) | Self::Late(why) | Self::Contended(why) | Self::Refused(why) => {
                f.write_str(why)
            }
        }
    }
}

impl std::error::Error for Failure {}

/// The longest each part may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Until there is a session: a free one, or a new connection.
    pub borrow: Duration,
    /// The work on it.
    pub work: Duration,
}

/// The sessions of one pool. What one keeps between uses is prepared statements, and nothing that work may leave behind.
#[derive(Debug, Clone)]
pub struct Sessions {
    pool: Pool,
}

impl Sessions {
    /// A pool that connects when it has to. `setup` is executed on each new connection, after what is common to all.
    #[must_use]
    pub fn new(opts: &Opts, sessions_max: usize, setup: &[&str]) -> Self {
        let constraints = PoolConstraints::new(0, sessions_max.max(1)).expect("0 is not more");
        let pool = PoolOpts::new()
            .with_constraints(constraints)
            .with_inactive_connection_ttl(IDLE_MAX)
            .with_reset_connection(false);
        let setup = SETUP.iter().chain(setup).map(|&sql| sql.to_owned());
        let opts = OptsBuilder::from_opts(opts.clone())
            .pool_opts(pool)
            .init(setup.collect::<Vec<_>>())
            .tcp_keepalive(Some(KEEPALIVE))
            // An update counts the rows it finds, also where it changes nothing.
            .client_found_rows(true)
            .prefer_socket(false);
        Self { pool: Pool::new(opts) }
    }

    /// Does some work on a session of its own.
    ///
    /// # Errors
    /// [`Failure`]; what the work had done by then may or may not have happened.
    pub async fn run<T>(
        &self,
        bounds: Bounds,
        work: impl AsyncFnOnce(&mut Conn) -> mysql_async::Result<T>,
    ) -> Result<T, Failure> {
        let mut connection = match timeout(bounds.borrow, self.pool.get_conn()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(Failure::Away(error.to_string())),
            Err(_) => return Err(Failure::Away(format!("no session within {:?}", bounds.borrow))),
        };
        match timeout(bounds.work, work(&mut connection)).await {
            Ok(done) => done.map_err(failure),
            Err(_) => Err(Failure::Late(format!("not done within {:?}", bounds.work))),
        }
    }

    /// Sessions at work, and those that wait for some.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let metrics = self.pool.metrics();
        let [used, idle] = [&metrics.connections_in_use, &metrics.connections_in_pool];
        (used.load(Relaxed) as u64, idle.load(Relaxed) as u64)
    }
}

fn failure(error: mysql_async::Error) -> Failure {
    /// A deadlock, of which this was the victim; a lock that was waited for too long; a key somebody else was first
    /// with, as no statement of ours gives one twice by itself.
    const CONTENDED: [u16; 3] = [1213, 1205, 1062];
    match &error {
        mysql_async::Error::Server(server) if CONTENDED.contains(&server.code) => {
            Failure::Contended(server.to_string())
        }
        mysql_async::Error::Server(server) if is_of_the_values(server) => {
            Failure::Refused(server.to_string())
        }
        mysql_async::Error::Driver(mysql_async::DriverError::PacketTooLarge) => {
            Failure::Refused(error.to_string())
        }
        _ => Failure::Away(error.to_string()),
    }
}

/// Whether the server finds fault with the values. Anything else (no room on the disk, read-only, no leave) is the server's own trouble and may pass.
fn is_of_the_values(error: &ServerError) -> bool {
    /// Both have a state of their own, or none: a text that is none in its character set, a packet too large.
    const OTHERS: [u16; 2] = [1366, 1153];
    // 22: data exception. 23: integrity constraint violation.
    error.state.starts_with("22") || error.state.starts_with("23") || OTHERS.contains(&error.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_are_refused() {
        let error = |code, state: &str| {
            let state = state.to_owned();
            failure(ServerError { code, state, message: "m".to_owned() }.into())
        };
        for (code, state) in [(1406, "22001"), (1048, "23000"), (1366, "HY000"), (1153, "08S01")] {
            assert!(matches!(error(code, state), Failure::Refused(_)), "{code}");
        }
        for (code, state) in [(1213, "40001"), (1205, "HY000"), (1062, "23000")] {
            assert!(matches!(error(code, state), Failure::Contended(_)), "{code}");
        }
        for (code, state) in [(1290, "HY000"), (1040, "08004"), (1045, "28000"), (1146, "42S02")] {
            assert!(matches!(error(code, state), Failure::Away(_)), "{code}");
        }
        let io = std::io::Error::other("gone");
        assert!(matches!(failure(io.into()), Failure::Away(_)));
    }
}
