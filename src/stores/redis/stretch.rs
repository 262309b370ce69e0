//! While the store is away, what is shared is all there is besides the game: it is kept longer then, and ends in its
//! time again once the store is back. Done by every process it is as done by one.

use std::time::Duration;

use crate::stores::redis::caches::Cache;
use crate::stores::redis::client::Again;
use crate::stores::redis::client::Client;
use crate::stores::redis::client::Trouble;
use crate::stores::redis::millis;

/// The caches whose values the store would have, too.
const STRETCHED: [Cache; 3] = [Cache::Equipment, Cache::Ocid, Cache::V4];
/// How long they are kept while the store is away.
pub const STRETCHED_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// Keys looked at by one command.
const SCAN_COUNT: u32 = 1_000;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Towards {
    /// Kept at least for [`STRETCHED_TTL`].
    Longer,
    /// Kept at most for the time of their cache.
    AsUsual,
}

/// Changes the times to live of all values there are; gives how many were changed.
///
/// # Errors
/// [`Trouble`]; some may have been changed.
pub async fn stretch(client: &Client, towards: Towards) -> Result<u64, Trouble> {
    let (mut cursor, mut changed) = (0_u64, 0);
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("COUNT").arg(SCAN_COUNT);
        let (next, keys): (u64, Vec<String>) = client.command(Again::Safe, &scan).await?;
        let mut batch = redis::pipe();
        for (key, cache) in keys.iter().filter_map(|key| Some((key, cache_of(key)?))) {
            let (ttl, only) = match towards {
                Towards::Longer => (STRETCHED_TTL, "GT"),
                Towards::AsUsual => (cache.ttl(), "LT"),
            };
            batch.cmd("PEXPIRE").arg(key).arg(millis(ttl)).arg(only);
        }
        if !batch.is_empty() {
            let done: Vec<u64> = client.pipeline(Again::Safe, &batch).await?;
            changed += done.into_iter().sum::<u64>();
        }
        if next == 0 {
            return Ok(changed);
        }
        cursor = next;
    }
}

fn cache_of(key: &str) -> Option<Cache> {
    STRETCHED.into_iter().find(|cache| {
        let rest = key.strip_prefix(cache.name());
        rest.is_some_and(|rest| rest.starts_with("::"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_store_has_too_is_stretched() {
        let found = |key| cache_of(key).map(Cache::name);
        assert_eq!(found("equipment::1"), Some("equipment"));
        assert_eq!(found("ocidCache::가"), Some("ocidCache"));
        assert_eq!(found("expectationV4::1:e"), Some("expectationV4"));
        for other in ["ocidNegativeCache::가", "equipmentX::1", "lock:a", "popular:characters:x"] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
