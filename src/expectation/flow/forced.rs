//! Forced questions: which are let through, at once or to be asked later, and how they are answered. The cool-down of an
//! id is this shard's and, where processes share a memory, theirs.

use std::rc::Rc;
use std::time::Duration;

use super::Flow;
use super::caches::BodyKey;
use crate::error::Fault;
use crate::expectation::character::Ocid;
use crate::expectation::ports::Body;
use crate::expectation::ports::GameApi;
use crate::expectation::ports::Workshop;

impl<G: GameApi + 'static, W: Workshop + 'static> Flow<G, W> {
    /// Begins the cool-down of an id.
    ///
    /// # Errors
    /// `CoolDown` while one is running; `Overloaded` when too many are.
    pub async fn claim_force(&self, ocid: &Ocid) -> Result<(), Fault> {
        self.cool_down.borrow_mut().claim(ocid, self.clock.monotonic())?;
        let Some(left) = self.cooling_elsewhere(ocid).await else { return Ok(()) };
        self.cool_down.borrow_mut().give_back(ocid);
        let seconds = u32::try_from(left.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX);
        Err(Fault::cool_down(seconds.max(1)))
    }

    /// Ends a cool-down: nobody got anything for it.
    pub async fn give_back_force(&self, ocid: &Ocid) {
        self.cool_down.borrow_mut().give_back(ocid);
        if let Some(shared) = &self.backing.shared {
            shared.give_back(ocid.as_str()).await;
        }
    }

    /// What is left of the cool-down that another process has begun.
    async fn cooling_elsewhere(&self, ocid: &Ocid) -> Option<Duration> {
        let shared = self.backing.shared.as_ref()?;
        if self.limits.force_cool_down.is_zero() {
            return None;
        }
        shared.claim(ocid.as_str(), self.limits.force_cool_down).await
    }

    pub(super) async fn forced(
        self: &Rc<Self>,
        key: BodyKey,
        claimed: bool,
    ) -> Result<Body, Fault> {
        let ocid = key.character.ocid.clone();
        let claim = self.claim_force(&ocid).await;
        if !claimed {
            claim?;
        }
        self.tower.probe.forced.add(1);
        let fetched = self.fetch(&key.character, true).await;
        if fetched.is_err() {
            self.give_back_force(&ocid).await;
        }
        self.body(key, &fetched?).await
    }
}
