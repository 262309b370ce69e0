//! Work that many may wait for: made once per key, as a task of its own, within its own deadline, and stopped when
//! the last of those who wait is gone.

use std::future::Future;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future;
use futures_util::future::Either;
use shards::singleflight::Flights;
use shards::singleflight::Joined;
use shards::singleflight::Lead;
use shards::singleflight::Lost;
use shards::spawn;

use crate::error::Fault;
use crate::expectation::probe::FlowProbe;

/// How long flights last and are waited for. A caller has a deadline of its own on top, longer than both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Whole work of a leader.
    pub leader: Duration,
    /// Wait of one who joined.
    pub follower: Duration,
}

/// The rules of the flights of one shard.
#[derive(Debug, Clone)]
pub struct Tower {
    /// Their deadlines.
    pub patience: Patience,
    /// Where they are counted.
    pub probe: Rc<FlowProbe>,
}

impl Tower {
    /// Does `work` once per `key` and gives everybody the outcome.
    ///
    /// # Errors
    /// Those of `work`; `Deadline` when it, or the wait for it, takes too long; `Internal` when it panics.
    pub(super) async fn once<K, T>(
        &self,
        flights: &Flights<K, Result<T, Fault>>,
        key: K,
        work: impl Future<Output = Result<T, Fault>> + 'static,
    ) -> Result<T, Fault>
    where
        K: Eq + Hash + Clone + 'static,
        T: Clone + 'static,
    {
        let landed = |landed: Result<_, Lost>| {
            landed.unwrap_or_else(|_| Err(Fault::internal("a flight was lost")))
        };
        match flights.join(&key) {
            Joined::Leader(lead) => {
                self.probe.led.add(1);
                let waiter = lead.follow();
                spawn::spawn(self.clone().lead(lead, work));
                landed(waiter.await)
            }
            Joined::Follower(waiter) => {
                self.probe.joined.add(1);
                self.within(self.patience.follower, waiter.map(landed)).await
            }
        }
    }

    async fn lead<K, T>(
        self,
        lead: Lead<K, Result<T, Fault>>,
        work: impl Future<Output = Result<T, Fault>>,
    ) where
        K: Eq + Hash + Clone,
        T: Clone,
    {
        let work = self.within(self.patience.leader, guarded(work));
        match future::select(pin!(work), pin!(lead.abandoned())).await {
            Either::Left((landed, _)) => lead.settle(&landed),
            // Dropping the work stops it; dropping the lead frees the key.
            Either::Right(_) => self.probe.abandoned.add(1),
        }
    }

    async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        match future::select(pin!(work), pin!(spawn::sleep(limit))).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => {
                self.probe.overdue.add(1);
                Err(Fault::deadline())
            }
        }
    }
}

async fn guarded<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    ended.unwrap_or_else(|_| Err(Fault::internal("a flight panicked")))
}
