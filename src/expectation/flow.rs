//! From a question about a character to the bytes of its answer. One per shard, for the characters it owns.
//!
//! A body in the cache answers at once; older than `fresh` it answers marked stale while a task makes a new one;
//! older than `stale` it answers only when the game cannot be asked. Everything absent is made once, however many
//! ask: the payload by one flight per character, each view of it by one flight per view. A forced question always
//! fetches. Dropping [`Flow::answer`] leaves the flight to the others, and ends it when there are none.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use shards::clock::Clock;
use shards::l1::Bytesize;
use shards::l1::L1;
use shards::singleflight::Flights;

use crate::error::Fault;
use crate::error::Retry;
use crate::error::Who;
use crate::expectation::character::Character;
use crate::expectation::character::Ocid;
use crate::expectation::cool_down::CoolDown;
use crate::expectation::flight::Tower;
use crate::expectation::ports::Basic;
use crate::expectation::ports::Body;
use crate::expectation::ports::GameApi;
use crate::expectation::ports::Job;
use crate::expectation::ports::Payload;
use crate::expectation::ports::Workshop;
use crate::expectation::probe::FlowProbe;
use crate::expectation::view::View;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// About whom.
    pub character: Character,
    /// Which document.
    pub view: View,
    /// Fetch again whatever the cache holds.
    pub force: bool,
}

/// Where an answer came from; `X-Cache` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// This process's cache.
    HitL1,
    /// Made for this question (or for one it joined).
    Miss,
    /// The cache, past its freshness; a new one is being made or cannot be had.
    Stale,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The document.
    pub body: Body,
    /// Where it came from.
    pub source: Source,
    /// How long it stays fresh; zero when it is not.
    pub fresh_for: Duration,
}

/// Ages and sizes of one shard's flow.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Up to this age an answer is fresh.
    pub fresh: Duration,
    /// Up to this age it is served stale without asking the game first.
    pub stale: Duration,
    /// Least time between forced questions.
    pub force_cool_down: Duration,
    /// Bytes of this shard's caches together.
    pub l1_bytes_max: u64,
}

/// What one fetch brought: the payload and its times. Bodies made from it share its `born`.
#[derive(Debug, Clone)]
struct Fetched {
    payload: Payload,
    /// Shard time at which the fetch began: a body is never newer than the question to the game was.
    born: Duration,
    /// Wall time of the answer, unix milliseconds.
    as_of_ms: u64,
}

impl Bytesize for Fetched {
    fn bytesize(&self) -> u64 {
        self.payload.body.len() as u64
    }
}

impl Bytesize for Basic {
    fn bytesize(&self) -> u64 {
        256
    }
}

/// Key of a body: its stale variant is a document of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct BodyKey {
    character: Character,
    view: View,
    stale: bool,
}

struct Caches {
    bodies: L1<BodyKey, Body>,
    payloads: L1<Ocid, Fetched>,
    facts: L1<Ocid, Basic>,
}

/// Memory for the V1 facts of one shard.
const FACTS_BYTES_MAX: u64 = 4 << 20;
/// Typical sizes, to size the tables: a gzip answer, a gzip payload.
const BODY_BYTES_TYPICAL: u64 = 12 << 10;
const PAYLOAD_BYTES_TYPICAL: u64 = 20 << 10;

/// The flow of one shard.
pub struct Flow<G, W> {
    api: G,
    workshop: W,
    clock: Rc<dyn Clock>,
    limits: Limits,
    tower: Tower,
    caches: RefCell<Caches>,
    cool_down: RefCell<CoolDown>,
    fetches: Flights<(Ocid, bool), Result<Fetched, Fault>>,
    bodies: Flights<(BodyKey, Duration), Result<Body, Fault>>,
    facts: Flights<Ocid, Result<Basic, Fault>>,
}

/// Sizes of one shard's flow now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Bodies cached.
    pub bodies: u64,
    /// Bytes of cached bodies.
    pub bodies_bytes: u64,
    /// Payloads cached.
    pub payloads: u64,
    /// Bytes of cached payloads.
    pub payloads_bytes: u64,
    /// Flights in the air.
    pub flights: u64,
}

impl<G: GameApi + 'static, W: Workshop + 'static> Flow<G, W> {
    /// An empty flow.
    pub fn new(
        api: G,
        workshop: W,
        clock: Rc<dyn Clock>,
        limits: Limits,
        tower: Tower,
    ) -> Rc<Self> {
        // Payloads are only needed to make a further view of a character: a sixth is for them.
        let payload_bytes = limits.l1_bytes_max / 6;
        let body_bytes = limits.l1_bytes_max - payload_bytes;
        let caches = Caches {
            bodies: L1::new(body_bytes, BODY_BYTES_TYPICAL),
            payloads: L1::new(payload_bytes, PAYLOAD_BYTES_TYPICAL),
            facts: L1::new(FACTS_BYTES_MAX, 512),
        };
        Rc::new(Self {
            api,
            workshop,
            clock,
            limits,
            tower,
            caches: RefCell::new(caches),
            cool_down: RefCell::new(CoolDown::new(limits.force_cool_down)),
            fetches: Flights::default(),
            bodies: Flights::default(),
            facts: Flights::default(),
        })
    }

    /// Answers one question.
    ///
    /// # Errors
    /// What the game's API, the workshop or the cool-down said.
    pub async fn answer(self: &Rc<Self>, ask: Ask) -> Result<Answer, Fault> {
        let Ask { character, view, force } = ask;
        let key = BodyKey { character, view, stale: false };
        if force {
            let body = self.forced(key).await?;
            return Ok(self.fresh(body, Source::Miss, Duration::ZERO));
        }
        let now = self.clock.monotonic();
        match self.held(&key, now) {
            Some((body, age)) if age < self.fresh_limit(&body) => {
                self.tower.probe.hits.add(1);
                Ok(self.fresh(body, Source::HitL1, age))
            }
            Some((body, age)) if age < self.limits.stale => {
                self.refresh_behind(&key.character);
                self.stale(key, body, now.saturating_sub(age)).await
            }
            held => match self.made(&key, now).await {
                Ok((body, age)) => Ok(self.fresh(body, Source::Miss, age)),
                // However old: better than nothing, and it says so.
                Err(fault) if may_pass(&fault) => match held {
                    Some((body, age)) => self.stale(key, body, now.saturating_sub(age)).await,
                    None => Err(fault),
                },
                Err(fault) => Err(fault),
            },
        }
    }

    /// Basic facts of a character.
    ///
    /// # Errors
    /// What the game's API said.
    pub async fn facts(self: &Rc<Self>, ocid: &Ocid) -> Result<Basic, Fault> {
        let now = self.clock.monotonic();
        if let Some((basic, age)) = self.caches.borrow().facts.get(ocid, now)
            && age < self.limits.fresh
        {
            return Ok(basic);
        }
        let (flow, ocid_of) = (Rc::clone(self), ocid.clone());
        let work = async move {
            let basic = flow.api.basic(ocid_of.as_str()).await?;
            flow.caches.borrow_mut().facts.put(ocid_of, basic.clone(), now);
            Ok(basic)
        };
        self.tower.once(&self.facts, ocid.clone(), work).await
    }

    /// What it counts.
    #[must_use]
    pub fn probe(&self) -> &FlowProbe {
        &self.tower.probe
    }

    /// What is held now.
    #[must_use]
    pub fn sizes(&self) -> Held {
        let caches = self.caches.borrow();
        Held {
            bodies: caches.bodies.len() as u64,
            bodies_bytes: caches.bodies.bytes(),
            payloads: caches.payloads.len() as u64,
            payloads_bytes: caches.payloads.bytes(),
            flights: (self.fetches.len() + self.bodies.len() + self.facts.len()) as u64,
        }
    }

    fn fresh(&self, body: Body, source: Source, age: Duration) -> Answer {
        let fresh_for = self.fresh_limit(&body).saturating_sub(age);
        Answer { body, source, fresh_for }
    }

    /// Up to a tenth more or less than configured, by the body: what was cached together does not expire together.
    fn fresh_limit(&self, body: &Body) -> Duration {
        let share = f64::from(body.hash as u8) / f64::from(u8::MAX);
        self.limits.fresh.mul_f64(0.9 + 0.2 * share)
    }

    /// A cached body, unless a newer payload has come since: one may have been fetched under another spelling of the
    /// name, whose bodies have keys of their own.
    fn held(&self, key: &BodyKey, now: Duration) -> Option<(Body, Duration)> {
        let (body, age) = self.caches.borrow().bodies.get(key, now)?;
        let outdated = self.is_outdated(&key.character.ocid, now.saturating_sub(age));
        (!outdated).then_some((body, age))
    }

    async fn forced(self: &Rc<Self>, key: BodyKey) -> Result<Body, Fault> {
        let ocid = key.character.ocid.clone();
        self.cool_down.borrow_mut().claim(&ocid, self.clock.monotonic())?;
        self.tower.probe.forced.add(1);
        let fetched = self.fetch(&key.character, true).await;
        if fetched.is_err() {
            self.cool_down.borrow_mut().give_back(&ocid);
        }
        self.body(key, &fetched?).await
    }

    /// The body and its age, from the payload: the cached one while fresh, else a new one.
    async fn made(
        self: &Rc<Self>,
        key: &BodyKey,
        now: Duration,
    ) -> Result<(Body, Duration), Fault> {
        self.tower.probe.misses.add(1);
        let ocid = &key.character.ocid;
        let held = self.caches.borrow().payloads.get(ocid, now);
        let fetched = match held {
            Some((fetched, age)) if age < self.limits.fresh => fetched,
            _ => self.fetch(&key.character, false).await?,
        };
        let body = self.body(key.clone(), &fetched).await?;
        Ok((body, now.saturating_sub(fetched.born)))
    }

    /// One fetch per character at a time; a forced one never joins a plain one, which may have begun before.
    async fn fetch(self: &Rc<Self>, character: &Character, forced: bool) -> Result<Fetched, Fault> {
        let (flow, of) = (Rc::clone(self), character.clone());
        let work = async move {
            let born = flow.clock.monotonic();
            let payload = flow.api.equipment(of.ocid.as_str()).await?;
            let fetched = Fetched { payload, born, as_of_ms: flow.clock.unix_ms() };
            flow.replace(&of, &fetched);
            Ok(fetched)
        };
        let key = (character.ocid.clone(), forced);
        self.tower.once(&self.fetches, key, work).await
    }

    /// A newer payload makes every body of the character obsolete; an older one (a slow plain fetch overtaken by a
    /// forced one) changes nothing. Bodies under another spelling of the name are left to [`Flow::held`].
    fn replace(&self, character: &Character, fetched: &Fetched) {
        if self.is_outdated(&character.ocid, fetched.born) {
            return;
        }
        let mut caches = self.caches.borrow_mut();
        for (view, stale) in View::ALL.into_iter().flat_map(|view| [(view, false), (view, true)]) {
            caches.bodies.remove(&BodyKey { character: character.clone(), view, stale });
        }
        caches.payloads.put(character.ocid.clone(), fetched.clone(), fetched.born);
    }

    /// Whether a payload newer than `born` is held.
    fn is_outdated(&self, ocid: &Ocid, born: Duration) -> bool {
        let held = self.caches.borrow().payloads.get(ocid, born);
        held.is_some_and(|(held, _)| held.born > born)
    }

    async fn body(self: &Rc<Self>, key: BodyKey, fetched: &Fetched) -> Result<Body, Fault> {
        // Somebody who waited for the same payload may have been quicker.
        let now = self.clock.monotonic();
        let held = self.caches.borrow().bodies.get(&key, now);
        if let Some((body, age)) = held
            && now.saturating_sub(age) == fetched.born
        {
            return Ok(body);
        }
        let job = Job::Render {
            view: key.view,
            name: key.character.name.as_str().to_owned(),
            payload: fetched.payload.clone(),
            as_of_ms: fetched.as_of_ms,
        };
        self.make(key, fetched.born, job).await
    }

    async fn stale(
        self: &Rc<Self>,
        key: BodyKey,
        body: Body,
        born: Duration,
    ) -> Result<Answer, Fault> {
        self.tower.probe.stale.add(1);
        let body = self.stale_variant(key, body, born).await?;
        Ok(Answer { body, source: Source::Stale, fresh_for: Duration::ZERO })
    }

    async fn stale_variant(
        self: &Rc<Self>,
        mut key: BodyKey,
        body: Body,
        born: Duration,
    ) -> Result<Body, Fault> {
        if !key.view.tells_staleness() {
            return Ok(body);
        }
        key.stale = true;
        let now = self.clock.monotonic();
        let held = self.caches.borrow().bodies.get(&key, now);
        match held {
            Some((body, age)) if now.saturating_sub(age) == born => Ok(body),
            _ => self.make(key, born, Job::MarkStale(body)).await,
        }
    }

    async fn make(self: &Rc<Self>, key: BodyKey, born: Duration, job: Job) -> Result<Body, Fault> {
        let (flow, key_of) = (Rc::clone(self), key.clone());
        let work = async move {
            let body = flow.workshop.make(job).await?;
            // Of two payloads in flight the newer one wins, whichever body is ready last.
            if !flow.is_outdated(&key_of.character.ocid, born) {
                flow.caches.borrow_mut().bodies.put(key_of, body.clone(), born);
            }
            Ok(body)
        };
        self.tower.once(&self.bodies, (key, born), work).await
    }

    fn refresh_behind(self: &Rc<Self>, character: &Character) {
        if self.fetches.is_flying(&(character.ocid.clone(), false)) {
            return;
        }
        let (flow, of) = (Rc::clone(self), character.clone());
        shards::spawn::spawn(async move {
            if let Err(fault) = flow.fetch(&of, false).await {
                tracing::debug!(character = %of.name, %fault, "refresh of a stale answer failed");
            }
        });
    }
}

/// Whether the character may well be had later: the game failed, or it took too long, or there was no room to ask it.
fn may_pass(fault: &Fault) -> bool {
    fault.who != Who::Client && fault.retry != Retry::No
}

#[cfg(test)]
mod tests;
