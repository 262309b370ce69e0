//! While the store is away, what is shared is all there is besides the game: it is kept longer then, and ends in its
//! time again once the store is back. A walk through all keys, page by page: whoever takes it rests between the pages,
//! and goes on after a trouble where he was.

use std::time::Duration;

use crate::stores::redis::caches::Cache;
use crate::stores::redis::client::Again;
use crate::stores::redis::client::Client;
use crate::stores::redis::client::Trouble;
use crate::stores::redis::millis;

/// How long values are kept while the store is away.
pub const STRETCHED_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// A walk that lengthens begins so long after the last page of the one before, whoever took that. Values that were put
/// meanwhile have the usual time to live, minutes, and are found in time.
pub const ROUND_PAUSE: Duration = Duration::from_secs(10);
/// Keys looked at by one command.
const SCAN_COUNT: u32 = 1_000;
/// There while a walk that lengthens is under way, and for [`ROUND_PAUSE`] after it.
const ROUND_KEY: &str = "stretch:round";

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Towards {
    /// Kept at least for [`STRETCHED_TTL`].
    Longer,
    /// Kept at most for the time of their cache.
    AsUsual,
}

/// A walk through the keys that changes the times to live of values.
pub struct Walk {
    client: Client,
    towards: Towards,
    cursor: u64,
    changed: u64,
}

impl Walk {
    /// A walk at its beginning; none when it is to lengthen and another process is at it, or lately was. Towards the usual
    /// times every process goes: it happens once, and nobody comes after one that died on the way.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn begin(client: &Client, towards: Towards) -> Result<Option<Self>, Trouble> {
        if towards == Towards::Longer {
            let mut set = redis::cmd("SET");
            set.arg(ROUND_KEY).arg("").arg("NX").arg("PX").arg(millis(ROUND_PAUSE));
            let begun: Option<String> = client.command(Again::Never, &set).await?;
            if begun.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(Self { client: client.clone(), towards, cursor: 0, changed: 0 }))
    }

    /// Which way it goes.
    #[must_use]
    pub fn towards(&self) -> Towards {
        self.towards
    }

    /// How many times to live it has changed.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.changed
    }

    /// Looks at the next keys; false when these were the last. After a failover the place in the walk means other keys:
    /// those it misses are found by the next one, or end a day later.
    ///
    /// # Errors
    /// [`Trouble`]; the same keys are next.
    pub async fn page(&mut self) -> Result<bool, Trouble> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(self.cursor).arg("COUNT").arg(SCAN_COUNT);
        // As bytes: a key of somebody else may be no text.
        let (next, keys): (u64, Vec<Vec<u8>>) = self.client.command(Again::Safe, &scan).await?;
        let mut batch = redis::pipe();
        for (key, cache) in keys.iter().filter_map(|key| Some((key, cache_of(key)?))) {
            let (ttl, only) = match self.towards {
                Towards::Longer => (STRETCHED_TTL, "GT"),
                Towards::AsUsual => (cache.ttl(), "LT"),
            };
            batch.cmd("PEXPIRE").arg(key).arg(millis(ttl)).arg(only);
        }
        if self.towards == Towards::Longer {
            let again = millis(ROUND_PAUSE);
            batch.cmd("PEXPIRE").arg(ROUND_KEY).arg(again).ignore();
        }
        if !batch.is_empty() {
            let done: Vec<u64> = self.client.pipeline(Again::Safe, &batch).await?;
            self.changed += done.into_iter().sum::<u64>();
        }
        self.cursor = next;
        Ok(next != 0)
    }
}

fn cache_of(key: &[u8]) -> Option<Cache> {
    Cache::ALL.into_iter().filter(|cache| cache.is_stretched()).find(|cache| {
        let rest = key.strip_prefix(cache.name().as_bytes());
        rest.is_some_and(|rest| rest.starts_with(b"::"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_store_has_too_is_stretched() {
        let found = |key: &str| cache_of(key.as_bytes()).map(Cache::name);
        assert_eq!(found("equipment::1"), Some("equipment"));
        assert_eq!(found("ocidCache::가"), Some("ocidCache"));
        assert_eq!(found("expectationV4::1:e"), Some("expectationV4"));
        for other in ["ocidNegativeCache::가", "equipmentX::1", "lock:a", "popular:characters:x"] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
