//! What keeps leases. Each tier has a clock of its own and grants a name to one token at a time.

use std::future::Future;
use std::time::Duration;

use crate::locks::rule::Report;
use crate::locks::rule::Standing;

/// What came of asking for a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is ours. The fencing token is larger than any before of this name: at least the tier's wall time in
    /// milliseconds, so that it grows from tier to tier and across lost counters too.
    Held {
        /// The fencing token.
        fence: u64,
    },
    /// Somebody else has it.
    Busy,
}

/// The tier did not answer in time: it is unknown what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreachable;

/// A keeper of leases.
pub trait Tier {
    /// Grants `name` to `token` for `lease` from when the tier hears of it, if nobody has it. Asked again with the same
    /// token it says the same.
    fn take(
        &self,
        name: &str,
        token: &str,
        lease: Duration,
    ) -> impl Future<Output = Result<Taken, Unreachable>>;

    /// Begins a lease of this token anew. False when it is not this token's any more.
    fn renew(
        &self,
        name: &str,
        token: &str,
        lease: Duration,
    ) -> impl Future<Output = Result<bool, Unreachable>>;

    /// Ends a lease if it is this token's. What fails here ends by itself.
    fn release(&self, name: &str, token: &str) -> impl Future<Output = ()>;

    /// Whether it can be reached, as far as is known without asking it.
    fn is_reachable(&self) -> bool;
}

/// The tier to fall back on, which also keeps the book of who can reach the first.
pub trait SecondTier: Tier {
    /// Applies [`meet`](crate::locks::rule::meet) to the book in one transaction that excludes all others, by the clock
    /// of the database, and gives what it granted.
    fn meet(
        &self,
        node: &str,
        report: Report,
    ) -> impl Future<Output = Result<Standing, Unreachable>>;
}

/// No second tier: the first may always be used, and without it there are no locks.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecond;

impl Tier for NoSecond {
    async fn take(&self, _: &str, _: &str, _: Duration) -> Result<Taken, Unreachable> {
        Err(Unreachable)
    }

    async fn renew(&self, _: &str, _: &str, _: Duration) -> Result<bool, Unreachable> {
        Err(Unreachable)
    }

    async fn release(&self, _: &str, _: &str) {}

    fn is_reachable(&self) -> bool {
        false
    }
}

impl SecondTier for NoSecond {
    async fn meet(&self, _: &str, _: Report) -> Result<Standing, Unreachable> {
        Ok(Standing::First)
    }
}
