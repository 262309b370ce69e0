//! A bounded pool of sessions, and work on one of them within bounds of time.
//!
//! Work may be cut off at any moment, by its bound or because nobody waits for it. Its connection is never used again
//! then, because the answer that is still on its way would be taken for the next one's: the driver throws away a
//! connection that is dropped with a question under way, and a session that is kept forgets it.

use std::fmt;
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

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server could not be reached, or not in time, or cannot do it now. It may work later.
    Away(String),
    /// Somebody else had the rows; nothing has happened. It works when tried again.
    Contended(String),
    /// The server will never take these values.
    Refused(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) | Self::Contended(why) | Self::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failure {}

/// The longest each part may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Until there is a session: a free one, or a new connection.
    pub(super) borrow: Duration,
    /// The work on it.
    pub(super) work: Duration,
}

/// What a session keeps between uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    /// Everything: prepared statements above all. For work that leaves nothing behind.
    AsItIs,
    /// Nothing, named locks included.
    Reset,
}

/// The sessions of one pool.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    pool: Pool,
}

impl Sessions {
    /// A pool that connects when it has to. `setup` is executed on each new connection.
    pub(super) fn new(opts: &Opts, sessions_max: usize, setup: &[&str], reuse: Reuse) -> Self {
        let constraints = PoolConstraints::new(0, sessions_max.max(1)).expect("0 is not more");
        let pool = PoolOpts::new()
            .with_constraints(constraints)
            .with_reset_connection(reuse == Reuse::Reset);
        let opts = OptsBuilder::from_opts(opts.clone())
            .pool_opts(pool)
            .init(setup.iter().map(|&sql| sql.to_owned()).collect::<Vec<_>>())
            .tcp_keepalive(Some(KEEPALIVE))
            .prefer_socket(false);
        Self { pool: Pool::new(opts) }
    }

    /// Does some work on a session of its own.
    ///
    /// # Errors
    /// [`Failure`]; what the work had done by then may or may not have happened.
    pub(super) async fn run<T>(
        &self,
        bounds: Bounds,
        work: impl AsyncFnOnce(&mut Conn) -> mysql_async::Result<T>,
    ) -> Result<T, Failure> {
        let mut session = self.borrow(bounds.borrow).await?;
        session.run(bounds.work, work).await
    }

    /// A session to keep for a while.
    ///
    /// # Errors
    /// [`Failure::Away`].
    pub(super) async fn borrow(&self, within: Duration) -> Result<Session, Failure> {
        match timeout(within, self.pool.get_conn()).await {
            Ok(Ok(connection)) => Ok(Session { connection: Some(connection) }),
            Ok(Err(error)) => Err(Failure::Away(error.to_string())),
            Err(_) => Err(Failure::Away(format!("no session within {within:?}"))),
        }
    }
}

/// One session. It goes back to the pool when dropped, unless some work was cut off on it.
pub(super) struct Session {
    /// None while some work is under way, and when that was cut off or has lost it.
    connection: Option<Conn>,
}

impl Session {
    /// Does some work on it.
    ///
    /// # Errors
    /// [`Failure`]. After [`Failure::Away`] the session may be closed, and fails whatever comes.
    pub(super) async fn run<T>(
        &mut self,
        within: Duration,
        work: impl AsyncFnOnce(&mut Conn) -> mysql_async::Result<T>,
    ) -> Result<T, Failure> {
        let Some(mut connection) = self.connection.take() else {
            return Err(Failure::Away("the session is closed".to_owned()));
        };
        let done = match timeout(within, work(&mut connection)).await {
            Ok(done) => done,
            Err(_) => return Err(Failure::Away(format!("not done within {within:?}"))),
        };
        if !matches!(&done, Err(error) if error.is_fatal()) {
            self.connection = Some(connection);
        }
        done.map_err(failure)
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
