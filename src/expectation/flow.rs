//! From a question about a character to the bytes of its answer. One per shard, for the characters it owns.
//!
//! A body in the cache answers at once; older than `fresh` it answers marked stale while a task makes a new one;
//! older than `stale` it answers only when the game cannot be asked. Everything absent is made once, however many
//! ask: the payload by one flight per character, each view of it by one flight per view. A forced question always
//! fetches. Dropping [`Flow::answer`] leaves the flight to the others, and ends it when there are none.

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use shards::clock::Clock;
use shards::l1::Bytesize;
use shards::l1::L1;
use shards::singleflight::Flights;

use crate::error::Fault;
use crate::expectation::character::Character;
use crate::expectation::character::Ocid;
use crate::expectation::cool_down::CoolDown;
use crate::expectation::flight::Tower;
use crate::expectation::ports::Basic;
use crate::expectation::ports::Body;
use crate::expectation::ports::GameApi;
use crate::expectation::ports::Gear;
use crate::expectation::ports::Job;
use crate::expectation::ports::Ledger;
use crate::expectation::ports::Payload;
use crate::expectation::ports::Record;
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
    /// Made for this question (or for one it joined) from gear that was kept.
    Store,
    /// Made for this question (or for one it joined) from gear of the game.
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
    /// `Miss` from the game, `Store` from the ledger.
    source: Source,
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

/// When the newest payload of a character was asked for, shard time. Outlives the payload itself.
#[derive(Debug, Clone, Copy)]
struct Newest(Duration);

impl Bytesize for Newest {
    fn bytesize(&self) -> u64 {
        64
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
    newest: L1<Ocid, Newest>,
}

/// Freshness of a body is from this share of what is configured to as much above it.
const FRESH_SHARE_MIN: f64 = 0.9;
/// How often a plain fetch is made again because a forced one overtook it.
const OVERTAKEN_MAX: usize = 4;
/// Memory for the V1 facts of one shard.
const FACTS_BYTES_MAX: u64 = 4 << 20;
/// Memory for the times of the newest payloads: several times as many as there are bodies.
const NEWEST_BYTES_MAX: u64 = 4 << 20;
/// Typical sizes, to size the tables: a gzip answer, a gzip payload.
const BODY_BYTES_TYPICAL: u64 = 12 << 10;
const PAYLOAD_BYTES_TYPICAL: u64 = 20 << 10;

/// The flow of one shard.
pub struct Flow<G, W> {
    api: G,
    workshop: W,
    ledger: Rc<dyn Ledger>,
    clock: Rc<dyn Clock>,
    limits: Limits,
    tower: Tower,
    caches: RefCell<Caches>,
    cool_down: RefCell<CoolDown>,
    last_birth: Cell<Duration>,
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
        ledger: Rc<dyn Ledger>,
        clock: Rc<dyn Clock>,
        (limits, tower): (Limits, Tower),
    ) -> Rc<Self> {
        // Payloads are only needed to make a further view of a character: a sixth is for them.
        let payload_bytes = limits.l1_bytes_max / 6;
        let body_bytes = limits.l1_bytes_max - payload_bytes;
        let caches = Caches {
            bodies: L1::new(body_bytes, BODY_BYTES_TYPICAL),
            payloads: L1::new(payload_bytes, PAYLOAD_BYTES_TYPICAL),
            facts: L1::new(FACTS_BYTES_MAX, 512),
            newest: L1::new(NEWEST_BYTES_MAX, 256),
        };
        Rc::new(Self {
            api,
            workshop,
            ledger,
            clock,
            limits,
            tower,
            caches: RefCell::new(caches),
            cool_down: RefCell::new(CoolDown::new(limits.force_cool_down)),
            last_birth: Cell::default(),
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
        let held = self.held(&key);
        let age = held.as_ref().map(|(_, born)| now.saturating_sub(*born));
        match (held, age) {
            (Some((body, _)), Some(age)) if age < self.fresh_limit(&body) => {
                self.tower.probe.hits.add(1);
                Ok(self.fresh(body, Source::HitL1, age))
            }
            (Some((body, born)), Some(age)) if age < self.limits.stale => {
                self.refresh_behind(&key.character);
                self.stale(key, body, born).await
            }
            (held, _) => match (self.made(&key, now).await, held) {
                (Ok((body, fetched)), _) => self.made_answer(key, body, &fetched, now).await,
                // However old: better than nothing, and it says so.
                (Err(fault), Some((body, born))) if fault.may_pass() => {
                    self.stale(key, body, born).await
                }
                (Err(fault), _) => Err(fault),
            },
        }
    }

    /// What was fetched from the game is fresh, however long that took; what the ledger had may be old.
    async fn made_answer(
        self: &Rc<Self>,
        key: BodyKey,
        body: Body,
        fetched: &Fetched,
        now: Duration,
    ) -> Result<Answer, Fault> {
        let age = now.saturating_sub(fetched.born);
        if fetched.source == Source::Store && age >= self.fresh_limit(&body) {
            return self.stale(key, body, fetched.born).await;
        }
        Ok(self.fresh(body, fetched.source, age))
    }

    /// Basic facts of a character.
    ///
    /// # Errors
    /// What the game's API said.
    pub async fn facts(self: &Rc<Self>, ocid: &Ocid) -> Result<Basic, Fault> {
        let now = self.clock.monotonic();
        if let Some((basic, born)) = self.caches.borrow().facts.get(ocid)
            && now.saturating_sub(born) < self.limits.fresh
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
        self.limits.fresh.mul_f64(FRESH_SHARE_MIN + 0.2 * share)
    }

    /// A cached body, unless a newer payload has come since: one may have been fetched under another spelling of the
    /// name, whose bodies have keys of their own.
    fn held(&self, key: &BodyKey) -> Option<(Body, Duration)> {
        let held = self.caches.borrow().bodies.get(key);
        held.filter(|(_, born)| !self.is_outdated(&key.character.ocid, *born))
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

    /// The body, and the payload it is from: the cached one while fresh, else a new one.
    async fn made(self: &Rc<Self>, key: &BodyKey, now: Duration) -> Result<(Body, Fetched), Fault> {
        self.tower.probe.misses.add(1);
        let fetched = self.payload(&key.character, now).await?;
        let body = self.body(key.clone(), &fetched).await?;
        Ok((body, fetched))
    }

    /// The cached payload while fresh, else a new one.
    async fn payload(
        self: &Rc<Self>,
        character: &Character,
        now: Duration,
    ) -> Result<Fetched, Fault> {
        let ocid = &character.ocid;
        for _ in 0..OVERTAKEN_MAX {
            let held = self.caches.borrow().payloads.get(ocid);
            if let Some((fetched, born)) = held
                && now.saturating_sub(born) < self.limits.fresh
            {
                return Ok(fetched);
            }
            let fetched = self.fetch(character, false).await?;
            // Overtaken by a forced one: who asks after that must not see what was before it.
            if !self.is_outdated(ocid, fetched.born) {
                return Ok(fetched);
            }
        }
        self.fetch(character, false).await
    }

    /// One fetch per character at a time. A forced one never joins a plain one, which may have begun before; a plain
    /// one joins a forced one, so that of two fetches the one that began later also saw the later gear.
    async fn fetch(self: &Rc<Self>, character: &Character, forced: bool) -> Result<Fetched, Fault> {
        let forced = forced || self.fetches.is_flying(&(character.ocid.clone(), true));
        let (flow, of) = (Rc::clone(self), character.clone());
        // Here, not when the work begins: births are in the order in which flights take off.
        let born = self.birth();
        let work = async move {
            let fetched = flow.gear(&of.ocid, forced, born).await?;
            flow.replace(&of, &fetched);
            Ok(fetched)
        };
        let key = (character.ocid.clone(), forced);
        self.tower.once(&self.fetches, key, work).await
    }

    /// What is kept while that is fresh, else what the game says; what is kept, however old, when it says nothing.
    async fn gear(&self, ocid: &Ocid, forced: bool, born: Duration) -> Result<Fetched, Fault> {
        let kept = if forced { None } else { self.ledger.gear(ocid.as_str()).await };
        let now_ms = self.clock.unix_ms();
        let kept = kept.map(|Gear { payload, received_ms }| {
            let age = Duration::from_millis(now_ms.saturating_sub(received_ms));
            let born = born.saturating_sub(age);
            (age, Fetched { payload, born, as_of_ms: received_ms, source: Source::Store })
        });
        let kept = match kept {
            // Below every body's own limit: what is taken from there is not stale at once.
            Some((age, kept)) if age < self.limits.fresh.mul_f64(FRESH_SHARE_MIN) => {
                return Ok(kept);
            }
            kept => kept.map(|(_, kept)| kept),
        };
        match self.api.equipment(ocid.as_str()).await {
            Ok(payload) => {
                let (as_of_ms, ocid) = (self.clock.unix_ms(), ocid.as_str().to_owned());
                let record = Record::Gear { ocid, payload: payload.clone(), received_ms: as_of_ms };
                self.ledger.keep(record);
                Ok(Fetched { payload, born, as_of_ms, source: Source::Miss })
            }
            Err(fault) if fault.may_pass() => kept.ok_or(fault),
            Err(fault) => Err(fault),
        }
    }

    /// Now, and never the same twice: births order payloads, and the shard's clock moves in steps.
    fn birth(&self) -> Duration {
        let birth = self.clock.monotonic().max(self.last_birth.get() + Duration::from_nanos(1));
        self.last_birth.set(birth);
        birth
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
        caches.newest.put(character.ocid.clone(), Newest(fetched.born), fetched.born);
        caches.payloads.put(character.ocid.clone(), fetched.clone(), fetched.born);
    }

    /// Whether a payload newer than `born` has come.
    fn is_outdated(&self, ocid: &Ocid, born: Duration) -> bool {
        let newest = self.caches.borrow().newest.get(ocid);
        newest.is_some_and(|(Newest(newest), _)| newest > born)
    }

    async fn body(self: &Rc<Self>, key: BodyKey, fetched: &Fetched) -> Result<Body, Fault> {
        // Somebody who waited for the same payload may have been quicker.
        let held = self.caches.borrow().bodies.get(&key);
        if let Some((body, born)) = held
            && born == fetched.born
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
        let held = self.caches.borrow().bodies.get(&key);
        match held {
            Some((body, held)) if held == born => Ok(body),
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

#[cfg(test)]
mod tests;
