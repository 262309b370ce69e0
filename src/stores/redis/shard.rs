//! A shard's way to Redis as a whole: bodies over a connection of its own while it has one, everything else by the
//! backplane.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use crate::expectation::ports::Body;
use crate::expectation::ports::Gear;
use crate::expectation::ports::Kept;
use crate::expectation::shared::Dated;
use crate::expectation::shared::Done;
use crate::expectation::shared::Shared;
use crate::expectation::shared::SharedName;
use crate::expectation::shared::Slot;
use crate::expectation::shared::Turn;
use crate::stores::redis::bodies;
use crate::stores::redis::direct::Direct;
use crate::stores::redis::direct::Elsewhere;
use crate::stores::redis::shared;
use crate::stores::redis::shared::SharedRedis;

/// The way of one shard.
pub struct ShardRedis {
    far: SharedRedis,
    direct: Rc<Direct>,
    edition: String,
}

impl ShardRedis {
    /// `edition` as that of the backplane's [`Desk`](shared::Desk).
    #[must_use]
    pub fn new(far: SharedRedis, direct: Rc<Direct>, edition: String) -> Self {
        Self { far, direct, edition }
    }
}

impl Shared for ShardRedis {
    fn body(&self, slot: &Slot) -> Kept<Dated<Body>> {
        let Slot::View(character, view) = slot else { return self.far.body(slot) };
        let key = bodies::key(character.ocid.as_str(), &self.edition);
        let field = shared::field(character, *view);
        let (far, direct, slot) = (self.far.clone(), Rc::clone(&self.direct), slot.clone());
        Box::pin(async move {
            match direct.body(&key, &field).await {
                Ok(found) => found,
                Err(Elsewhere) => far.body(&slot).await,
            }
        })
    }

    fn put_body(&self, slot: Slot, body: Dated<Body>) -> Kept<Body> {
        self.far.put_body(slot, body)
    }

    fn gear(&self, ocid: &str) -> Kept<Dated<Gear>> {
        self.far.gear(ocid)
    }

    fn put_gear(&self, ocid: &str, gear: Dated<Gear>) -> Done {
        self.far.put_gear(ocid, gear)
    }

    fn name(&self, name: &str) -> Kept<SharedName> {
        self.far.name(name)
    }

    fn put_name(&self, name: &str, said: SharedName) -> Done {
        self.far.put_name(name, said)
    }

    fn turn(&self, work: String) -> Pin<Box<dyn Future<Output = Turn>>> {
        self.far.turn(work)
    }

    fn claim(&self, ocid: &str, cool_down: Duration) -> Kept<Duration> {
        self.far.claim(ocid, cool_down)
    }

    fn give_back(&self, ocid: &str) -> Done {
        self.far.give_back(ocid)
    }

    fn outdate(&self, ocid: &str, born_us: u64) -> Done {
        self.far.outdate(ocid, born_us)
    }
}
