//! The server's named locks (`GET_LOCK`): one holder in all processes, for as long as its session lives. A holder whose
//! session is cut off has lost the lock, and another may have it: ask [`NamedLock::is_held`] before what must not happen
//! twice.

use std::fmt;
use std::io;
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::Opts;
use mysql_async::prelude::Queryable as _;
use xxhash_rust::xxh3::xxh3_128;

use super::sessions::Failure;
use super::sessions::Reuse;
use super::sessions::Session;
use super::sessions::Sessions;

/// The longest name MySQL takes, characters.
const NAME_CHARS_MAX: usize = 64;
/// Before every name.
const PREFIX: &str = "maple_lock:";
/// Until there is a session. Locks are for jobs, not for requests.
const BORROW_TIMEOUT: Duration = Duration::from_secs(3);
/// One answer of the server, the wait for a lock aside.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Where locks are had: sessions of their own, as each lock keeps one.
#[derive(Debug, Clone)]
pub struct NamedLocks {
    sessions: Sessions,
}

/// A lock. Dropping it gives it back too, a moment later.
pub struct NamedLock {
    session: Session,
    name: String,
}

impl NamedLocks {
    /// At most `sessions_max` locks at a time. Connects when the first is asked for.
    ///
    /// # Errors
    /// The URL is none.
    pub fn new(url: &str, sessions_max: usize) -> io::Result<Self> {
        let opts = Opts::from_url(url).map_err(io::Error::other)?;
        Ok(Self { sessions: Sessions::new(&opts, sessions_max, &[], Reuse::Reset) })
    }

    /// The lock of `key`, waited for at most `wait` (whole seconds, rounded up). None when somebody else has it: that is
    /// no failure.
    ///
    /// # Errors
    /// [`Failure::Away`]: nothing is known about who has it.
    pub async fn acquire(&self, key: &str, wait: Duration) -> Result<Option<NamedLock>, Failure> {
        let mut session = self.sessions.borrow(BORROW_TIMEOUT).await?;
        let name = name(key);
        let within = wait + Duration::from_secs(1) + ANSWER_TIMEOUT;
        let got =
            session.run(within, async |connection| get(connection, &name, wait).await).await?;
        Ok(got.then_some(NamedLock { session, name }))
    }
}

impl NamedLock {
    /// Whether it is still this one's.
    ///
    /// # Errors
    /// [`Failure::Away`]: then it is not, or not for long.
    pub async fn is_held(&mut self) -> Result<bool, Failure> {
        let name = &self.name;
        let ask = async |connection: &mut Conn| {
            let sql = "SELECT IS_USED_LOCK(?) = CONNECTION_ID()";
            connection.exec_first::<Option<bool>, _, _>(sql, (name,)).await
        };
        Ok(self.session.run(ANSWER_TIMEOUT, ask).await?.flatten().unwrap_or(false))
    }

    /// Gives it back. False when it had been lost.
    ///
    /// # Errors
    /// [`Failure::Away`]: the server lets go of it when it notices the end of the session.
    pub async fn release(mut self) -> Result<bool, Failure> {
        let name = &self.name;
        self.session.run(ANSWER_TIMEOUT, async |connection| release(connection, name).await).await
    }
}

impl fmt::Debug for NamedLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedLock").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The name of a key's lock; of a key that is too long, one made of its hash.
fn name(key: &str) -> String {
    if PREFIX.len() + key.chars().count() <= NAME_CHARS_MAX {
        format!("{PREFIX}{key}")
    } else {
        format!("{PREFIX}{:032x}", xxh3_128(key.as_bytes()))
    }
}

/// Takes the lock on this session; false when somebody else has it.
pub(super) async fn get(
    connection: &mut Conn,
    name: &str,
    wait: Duration,
) -> mysql_async::Result<bool> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let got = connection.exec_first("SELECT GET_LOCK(?, ?)", (name, seconds)).await?;
    match got.flatten() {
        Some(got) => Ok(got),
        None => Err(mysql_async::Error::Other("the server could not lock".into())),
    }
}

/// Gives it back; false when this session has not got it.
pub(super) async fn release(connection: &mut Conn, name: &str) -> mysql_async::Result<bool> {
    let released = connection.exec_first("SELECT RELEASE_LOCK(?)", (name,)).await?;
    Ok(released.flatten().unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_differ() {
        assert_eq!(name("popular-warmup-lock"), "maple_lock:popular-warmup-lock");
        let long = ["가".repeat(60), "가".repeat(61)].map(|key| name(&key));
        assert!(long.iter().all(|name| name.len() <= NAME_CHARS_MAX));
        assert_ne!(long[0], long[1]);
    }
}
