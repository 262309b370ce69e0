//! The first tier: leases in Redis, `lock:{name}`, and beside each its fencing counter, which is kept.

use std::time::Duration;

use redis::Script;

use crate::locks::tier::Taken;
use crate::locks::tier::Tier;
use crate::locks::tier::Unreachable;
use crate::stores::redis::LEASE_RENEW;
use crate::stores::redis::client::Again;
use crate::stores::redis::client::Client;
use crate::stores::redis::millis;

/// Leases in Redis.
pub struct RedisTier {
    client: Client,
    take: Script,
    renew: Script,
    release: Script,
}

impl RedisTier {
    /// Over this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            take: Script::new(include_str!("scripts/take.lua")),
            renew: Script::new(LEASE_RENEW),
            release: Script::new(include_str!("scripts/release.lua")),
        }
    }
}

impl Tier for RedisTier {
    async fn take(&self, name: &str, token: &str, lease: Duration) -> Result<Taken, Unreachable> {
        let mut take = self.take.key(lock_key(name));
        take.key(fence_key(name)).arg(token).arg(millis(lease));
        match self.client.script::<u64>(Again::Safe, &take).await {
            Ok(0) => Ok(Taken::Busy),
            Ok(fence) => Ok(Taken::Held { fence }),
            Err(_) => Err(Unreachable),
        }
    }

    async fn renew(&self, name: &str, token: &str, lease: Duration) -> Result<bool, Unreachable> {
        let mut renew = self.renew.key(lock_key(name));
        renew.arg(token).arg(millis(lease));
        self.client.script(Again::Safe, &renew).await.map_err(|_| Unreachable)
    }

    async fn release(&self, name: &str, token: &str) {
        let mut release = self.release.key(lock_key(name));
        release.arg(token);
        let released: Result<bool, _> = self.client.script(Again::Safe, &release).await;
        if let Err(trouble) = released {
            tracing::debug!(name, %trouble, "a lock is left to run out");
        }
    }

    fn is_reachable(&self) -> bool {
        self.client.is_connected()
    }
}

/// The braces keep both keys of a lock on one server of a cluster.
fn lock_key(name: &str) -> String {
    format!("lock:{{{name}}}")
}

fn fence_key(name: &str) -> String {
    format!("lock:{{{name}}}:fence")
}
