//! From a question about a character to the bytes of its answer. One per shard, for the characters it owns.
//!
//! A body in the cache answers at once; older than `fresh` it answers marked stale while a task makes a new one;
//! older than `stale` it is as good as absent. Everything absent is made once, however many ask: the payload by one
//! flight per character, each view of it by one flight per view. A forced question always fetches. Deadlines are
//! the caller's: dropping [`Flow::answer`] leaves the flight to the others.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use shards::clock::Clock;
use shards::l1::Bytesize;
use shards::l1::L1;
use shards::singleflight::Flights;
use shards::singleflight::Joined;

use crate::error::Fault;
use crate::error::What;
use crate::expectation::cool_down::CoolDown;
use crate::expectation::name::CharacterName;
use crate::expectation::ports::Basic;
use crate::expectation::ports::Body;
use crate::expectation::ports::GameApi;
use crate::expectation::ports::Job;
use crate::expectation::ports::Payload;
use crate::expectation::ports::Workshop;
use crate::expectation::view::View;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// About whom.
    pub name: CharacterName,
    /// Which document.
    pub view: View,
    /// Fetch again whatever the cache holds.
    pub force: bool,
}

/// Where an answer came from; `X-Cache` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// This shard's cache.
    HitL1,
    /// Made for this question (or for one it joined).
    Miss,
    /// The cache, past its freshness; a new one is being made.
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

/// Facts about a character, for V1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The game's id.
    pub ocid: String,
    /// The rest.
    pub basic: Basic,
}

/// Ages and sizes of one shard's flow.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Up to this age an answer is fresh.
    pub fresh: Duration,
    /// Up to this age it is served stale.
    pub stale: Duration,
    /// How long "no such character" is remembered.
    pub negative: Duration,
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

impl Bytesize for Identity {
    fn bytesize(&self) -> u64 {
        self.ocid.len() as u64 + 256
    }
}

/// Marker of a nickname the game does not know.
#[derive(Clone)]
struct NoSuch;

impl Bytesize for NoSuch {
    fn bytesize(&self) -> u64 {
        0
    }
}

/// Key of a body: its stale variant is a document of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct BodyKey {
    name: CharacterName,
    view: View,
    stale: bool,
}

struct Caches {
    bodies: L1<BodyKey, Body>,
    payloads: L1<CharacterName, Fetched>,
    identities: L1<CharacterName, Identity>,
    unknown: L1<CharacterName, NoSuch>,
}

/// Memory for the "no such character" answers of one shard.
const UNKNOWN_BYTES_MAX: u64 = 2 << 20;
/// Memory for the V1 facts of one shard.
const IDENTITY_BYTES_MAX: u64 = 4 << 20;
/// Typical sizes, to size the tables: a gzip answer, a gzip payload.
const BODY_BYTES_TYPICAL: u64 = 12 << 10;
const PAYLOAD_BYTES_TYPICAL: u64 = 20 << 10;

/// The flow of one shard.
pub struct Flow<G, W> {
    api: G,
    workshop: W,
    clock: Rc<dyn Clock>,
    limits: Limits,
    caches: RefCell<Caches>,
    cool_down: RefCell<CoolDown>,
    fetches: Flights<(CharacterName, bool), Result<Fetched, Fault>>,
    bodies: Flights<(BodyKey, Duration), Result<Body, Fault>>,
    identities: Flights<CharacterName, Result<Identity, Fault>>,
}

impl<G: GameApi + 'static, W: Workshop + 'static> Flow<G, W> {
    /// An empty flow.
    pub fn new(api: G, workshop: W, clock: Rc<dyn Clock>, limits: Limits) -> Rc<Self> {
        // Payloads are only needed to make a further view of a character: a quarter is for them.
        let payload_bytes = limits.l1_bytes_max / 4;
        let body_bytes = limits.l1_bytes_max - payload_bytes;
        let caches = Caches {
            bodies: L1::new(body_bytes, BODY_BYTES_TYPICAL),
            payloads: L1::new(payload_bytes, PAYLOAD_BYTES_TYPICAL),
            identities: L1::new(IDENTITY_BYTES_MAX, 512),
            unknown: L1::new(UNKNOWN_BYTES_MAX, 128),
        };
        Rc::new(Self {
            api,
            workshop,
            clock,
            limits,
            caches: RefCell::new(caches),
            cool_down: RefCell::new(CoolDown::new(limits.force_cool_down)),
            fetches: Flights::default(),
            bodies: Flights::default(),
            identities: Flights::default(),
        })
    }

    /// Answers one question.
    ///
    /// # Errors
    /// What the game's API, the workshop or the cool-down said.
    pub async fn answer(self: &Rc<Self>, ask: Ask) -> Result<Answer, Fault> {
        let Ask { name, view, force } = ask;
        if force {
            let body = self.forced(&name, view).await?;
            return Ok(self.fresh(body, Source::Miss, Duration::ZERO));
        }
        let key = BodyKey { name: name.clone(), view, stale: false };
        let now = self.clock.monotonic();
        let held = self.caches.borrow().bodies.get(&key, now);
        match held {
            Some((body, age)) if age < self.fresh_limit(&body) => {
                Ok(self.fresh(body, Source::HitL1, age))
            }
            Some((body, age)) if age < self.limits.stale => {
                self.refresh_behind(&name);
                let body = self.stale_variant(key, body, now.saturating_sub(age)).await?;
                Ok(Answer { body, source: Source::Stale, fresh_for: Duration::ZERO })
            }
            _ => {
                let fetched = self.payload(&name).await?;
                let body = self.body(key, &fetched).await?;
                let age = now.saturating_sub(fetched.born);
                Ok(self.fresh(body, Source::Miss, age))
            }
        }
    }

    /// Id and basic facts of a character.
    ///
    /// # Errors
    /// What the game's API said.
    pub async fn identity(self: &Rc<Self>, name: &CharacterName) -> Result<Identity, Fault> {
        let now = self.clock.monotonic();
        if let Some((identity, age)) = self.caches.borrow().identities.get(name, now)
            && age < self.limits.fresh
        {
            return Ok(identity);
        }
        self.known(name, now)?;
        let (flow, name_of) = (Rc::clone(self), name.clone());
        let work = async move {
            let ocid = flow.ocid(&name_of, now).await?;
            let basic = flow.api.basic(&ocid).await?;
            let identity = Identity { ocid, basic };
            flow.caches.borrow_mut().identities.put(name_of, identity.clone(), now);
            Ok(identity)
        };
        once(&self.identities, name.clone(), work).await
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

    async fn forced(self: &Rc<Self>, name: &CharacterName, view: View) -> Result<Body, Fault> {
        self.cool_down.borrow_mut().claim(name, self.clock.monotonic())?;
        let fetched = self.fetch(name, true).await;
        if fetched.is_err() {
            self.cool_down.borrow_mut().give_back(name);
        }
        let key = BodyKey { name: name.clone(), view, stale: false };
        self.body(key, &fetched?).await
    }

    /// The payload, from the cache while fresh, else fetched.
    async fn payload(self: &Rc<Self>, name: &CharacterName) -> Result<Fetched, Fault> {
        let now = self.clock.monotonic();
        let held = self.caches.borrow().payloads.get(name, now);
        match held {
            Some((fetched, age)) if age < self.limits.fresh => Ok(fetched),
            _ => {
                self.known(name, now)?;
                self.fetch(name, false).await
            }
        }
    }

    /// One fetch per character at a time; a forced one never joins a plain one, which may have begun before.
    async fn fetch(self: &Rc<Self>, name: &CharacterName, forced: bool) -> Result<Fetched, Fault> {
        let (flow, name_of) = (Rc::clone(self), name.clone());
        let work = async move {
            let born = flow.clock.monotonic();
            let ocid = flow.ocid(&name_of, born).await?;
            let payload = flow.api.equipment(&ocid).await?;
            let fetched = Fetched { payload, born, as_of_ms: flow.clock.unix_ms() };
            flow.replace(&name_of, &fetched);
            Ok(fetched)
        };
        once(&self.fetches, (name.clone(), forced), work).await
    }

    async fn ocid(&self, name: &CharacterName, now: Duration) -> Result<String, Fault> {
        let ocid = self.api.ocid(name.as_str()).await;
        let mut caches = self.caches.borrow_mut();
        match &ocid {
            Err(Fault { what: What::NoSuchCharacter { .. }, .. }) => {
                caches.unknown.put(name.clone(), NoSuch, now);
            }
            _ => caches.unknown.remove(name),
        }
        ocid
    }

    /// Refuses a nickname lately found not to exist, without asking again.
    fn known(&self, name: &CharacterName, now: Duration) -> Result<(), Fault> {
        match self.caches.borrow().unknown.get(name, now) {
            Some((_, age)) if age < self.limits.negative => {
                Err(Fault::no_such_character(name.as_str()))
            }
            _ => Ok(()),
        }
    }

    /// A newer payload makes every body of the character obsolete; an older one (a slow plain fetch overtaken by a
    /// forced one) changes nothing.
    fn replace(&self, name: &CharacterName, fetched: &Fetched) {
        let mut caches = self.caches.borrow_mut();
        let held = caches.payloads.get(name, fetched.born);
        if held.is_some_and(|(held, _)| held.born > fetched.born) {
            return;
        }
        for (view, stale) in View::ALL.into_iter().flat_map(|view| [(view, false), (view, true)]) {
            caches.bodies.remove(&BodyKey { name: name.clone(), view, stale });
        }
        caches.payloads.put(name.clone(), fetched.clone(), fetched.born);
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
            name: key.name.as_str().to_owned(),
            payload: fetched.payload.clone(),
            as_of_ms: fetched.as_of_ms,
        };
        self.make(key, fetched.born, job).await
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
        let held = self.caches.borrow().bodies.get(&key, born);
        match held {
            Some((body, _)) => Ok(body),
            None => self.make(key, born, Job::MarkStale(body)).await,
        }
    }

    async fn make(self: &Rc<Self>, key: BodyKey, born: Duration, job: Job) -> Result<Body, Fault> {
        let (flow, key_of) = (Rc::clone(self), key.clone());
        let work = async move {
            let body = flow.workshop.make(job).await?;
            let mut caches = flow.caches.borrow_mut();
            // Of two payloads in flight the newer one wins, whichever body is ready last.
            let held = caches.payloads.get(&key_of.name, born);
            if held.is_none_or(|(held, _)| held.born <= born) {
                caches.bodies.put(key_of, body.clone(), born);
            }
            Ok(body)
        };
        once(&self.bodies, (key, born), work).await
    }

    fn refresh_behind(self: &Rc<Self>, name: &CharacterName) {
        let (flow, name) = (Rc::clone(self), name.clone());
        if flow.fetches.is_flying(&(name.clone(), false)) {
            return;
        }
        shards::spawn::spawn(async move {
            if let Err(fault) = flow.fetch(&name, false).await {
                tracing::warn!(character = %name, %fault, "refresh of a stale answer failed");
            }
        });
    }
}

/// Runs `work` as a task of its own, once per key, and waits for it. The task goes on when the caller gives up.
async fn once<K, T>(
    flights: &Flights<K, Result<T, Fault>>,
    key: K,
    work: impl Future<Output = Result<T, Fault>> + 'static,
) -> Result<T, Fault>
where
    K: Eq + std::hash::Hash + Clone + 'static,
    T: Clone + 'static,
{
    let waiter = match flights.join(&key) {
        Joined::Follower(waiter) => waiter,
        Joined::Leader(lead) => {
            let waiter = lead.follow();
            shards::spawn::spawn(async move {
                let guarded =
                    futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(work));
                let landed =
                    guarded.await.unwrap_or_else(|_| Err(Fault::internal("a flight panicked")));
                lead.settle(&landed);
            });
            waiter
        }
    };
    waiter.landed().await.unwrap_or_else(|_| Err(Fault::internal("a flight was lost")))
}

#[cfg(test)]
mod tests;
