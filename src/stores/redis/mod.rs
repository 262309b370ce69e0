//! Redis: what the processes share and can lose. It lives on the backplane's thread; shards reach it by
//! [`shared::SharedRedis`]. Nothing in here is ever a failed request: Redis away means a miss, or everybody for himself.
//!
//! Reading order: `address`, `link`, `client` (with `refusals`), `eviction`, `caches`, then what is built of commands: `cache`, `bodies`, `flight`,
//! `events` (with `unsaid`), `popularity`, `queue`; `values` and `shared`, the shards' way in; last the short cut for bodies, on the
//! shard's thread: `lines`, `resp`, `direct`, and all of it together: `shard`.

use std::time::Duration;

pub mod address;
pub mod bodies;
pub mod cache;
pub mod caches;
pub mod client;
pub mod direct;
pub mod events;
pub mod eviction;
pub mod flight;
pub mod lines;
mod link;
pub mod popularity;
pub mod probe;
pub mod queue;
mod refusals;
mod resp;
pub mod shard;
pub mod shared;
pub mod stretch;
mod unsaid;
mod values;

/// Renews a lease that is still its token's; for whoever keeps leases here.
pub const LEASE_RENEW: &str = include_str!("scripts/lease_renew.lua");

/// A time as Redis takes it.
#[must_use]
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
