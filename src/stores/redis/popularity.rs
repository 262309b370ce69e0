//! How often names are asked for, a sorted set for each day in Korea, kept for two.

use std::time::Duration;

use time::OffsetDateTime;
use time::UtcOffset;
use time::macros::offset;

use crate::stores::redis::client::Again;
use crate::stores::redis::client::Client;
use crate::stores::redis::client::Trouble;
use crate::stores::redis::millis;

/// How long a day is kept after it was last written to.
const KEPT: Duration = Duration::from_secs(48 * 60 * 60);
/// Names of a day; beyond that the least asked for go. They are kept where nothing is evicted: 10 MB at most.
pub const NAMES_MAX: isize = 100_000;
const KOREA: UtcOffset = offset!(+9);

/// The counts.
#[derive(Clone)]
pub struct Popularity {
    client: Client,
}

impl Popularity {
    /// Over this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Adds a batch to today's counts.
    ///
    /// # Errors
    /// [`Trouble`]; `Away` may have counted the batch or not.
    pub async fn add(&self, counts: &[(String, u64)]) -> Result<(), Trouble> {
        if counts.is_empty() {
            return Ok(());
        }
        let key = key(&day(self.client.clock().unix_ms()));
        let mut batch = redis::pipe();
        for (name, count) in counts {
            batch.cmd("ZINCRBY").arg(&key).arg(count).arg(name).ignore();
        }
        batch.cmd("ZREMRANGEBYRANK").arg(&key).arg(0).arg(-NAMES_MAX - 1).ignore();
        batch.cmd("EXPIRE").arg(&key).arg(KEPT.as_secs()).ignore();
        // Never: counted twice is worse than not at all, for a name that nobody else asks for.
        self.client.pipeline(Again::Never, &batch).await
    }

    /// Notes, for so long, that the names of a day are ready.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn warmed(&self, day: &str, kept: Duration) -> Result<(), Trouble> {
        let mut note = redis::cmd("SET");
        note.arg(warm_key(day)).arg(1).arg("PX").arg(millis(kept).max(1));
        self.client.command(Again::Safe, &note).await
    }

    /// Whether they still are.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn is_warm(&self, day: &str) -> Result<bool, Trouble> {
        self.client.command(Again::Safe, redis::cmd("EXISTS").arg(warm_key(day))).await
    }

    /// The names most asked for on a day (`2026-11-21`, see [`day`]), most asked first.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn top(&self, day: &str, names_max: usize) -> Result<Vec<String>, Trouble> {
        if names_max == 0 {
            return Ok(Vec::new());
        }
        let mut range = redis::cmd("ZREVRANGE");
        range.arg(key(day)).arg(0).arg(names_max - 1);
        self.client.command(Again::Safe, &range).await
    }
}

/// The day in Korea at a wall time.
#[must_use]
pub fn day(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(i64::MAX);
    // Beyond the year 9999 only.
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.to_offset(KOREA).date().to_string()
}

fn warm_key(day: &str) -> String {
    format!("popular:warm:{day}")
}

fn key(day: &str) -> String {
    format!("popular:characters:{day}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_in_korea() {
        // 2026-11-20T15:00:00Z is midnight there.
        let midnight_ms = 1_795_186_800_000;
        assert_eq!(day(midnight_ms - 1), "2026-11-20");
        assert_eq!(day(midnight_ms), "2026-11-21");
    }
}
