//! From a question about a character to the bytes of its answer. One per shard, for the characters it owns.
//!
//! A body in the cache answers at once; older than `fresh` it answers marked stale while a task makes a new one;
//! older than `stale` it answers only when the game cannot be asked. What is absent is looked for in the shared memory,
//! and else made once, however many ask: the payload by one flight per character (`gear`), each view of it by one flight
//! per view. A forced question always fetches; one for what is kept (`kept`) never does. Dropping [`Flow::answer`] leaves the flight to the others, and ends it
//! when there are none.

mod caches;
mod forced;
mod gear;
mod kept;

pub use caches::Held;

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use caches::BodyKey;
use caches::Caches;
use caches::Fetched;
use caches::Found;
use shards::clock::Clock;
use shards::singleflight::Flights;

use crate::error::Fault;
use crate::expectation::character::Character;
use crate::expectation::character::Ocid;
use crate::expectation::cool_down::CoolDown;
use crate::expectation::flight::Tower;
use crate::expectation::ports::Basic;
use crate::expectation::ports::Body;
use crate::expectation::ports::GameApi;
use crate::expectation::ports::Job;
use crate::expectation::ports::Made;
use crate::expectation::ports::PresetCosts;
use crate::expectation::ports::Record;
use crate::expectation::ports::Workshop;
use crate::expectation::probe::FlowProbe;
use crate::expectation::shared::Backing;
use crate::expectation::shared::Dated;
use crate::expectation::shared::Slot;
use crate::expectation::view::View;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// About whom.
    pub character: Character,
    /// Which document.
    pub view: View,
    /// How good an answer.
    pub effort: Effort,
}

/// How good an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// What can be had at once, marked stale if it is; a new one is made behind it.
    AtHand,
    /// A fresh one. Only when the game cannot be asked, an old one.
    Fresh,
    /// Fetched again, whatever the caches hold.
    Forced {
        /// Whether it was let through when it was queued ([`Flow::claim_force`]).
        claimed: bool,
    },
}

/// Where an answer came from; `X-Cache` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// This process's cache.
    HitL1,
    /// The memory shared by processes, or gear from there.
    HitL2,
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

/// Freshness of a body is from this share of what is configured to as much above it.
const FRESH_SHARE_MIN: f64 = 0.9;
/// How often a plain fetch is made again because a forced one overtook it.
const OVERTAKEN_MAX: usize = 4;
/// The flow of one shard.
pub struct Flow<G, W> {
    api: G,
    workshop: W,
    backing: Backing,
    clock: Rc<dyn Clock>,
    /// The same time without steps, for births.
    fine: Rc<dyn Clock>,
    /// Unix microseconds at zero of the shard's clock: births are compared across processes as they are here.
    epoch_us: Cell<u64>,
    limits: Limits,
    tower: Tower,
    caches: Caches,
    cool_down: RefCell<CoolDown>,
    last_birth: Cell<Duration>,
    lookups: Flights<BodyKey, Result<Option<(Body, Duration)>, Fault>>,
    fetches: Flights<(Ocid, bool), Result<Fetched, Fault>>,
    bodies: Flights<(BodyKey, Duration), Result<Body, Fault>>,
    facts: Flights<Ocid, Result<Basic, Fault>>,
    kept: Flights<BodyKey, Result<Option<(Body, Fetched)>, Fault>>,
}

impl<G: GameApi + 'static, W: Workshop + 'static> Flow<G, W> {
    /// An empty flow.
    pub fn new(
        api: G,
        workshop: W,
        backing: Backing,
        (clock, fine): (Rc<dyn Clock>, Rc<dyn Clock>),
        (limits, tower): (Limits, Tower),
    ) -> Rc<Self> {
        let caches = Caches::new(limits.l1_bytes_max);
        let epoch_us = Cell::new(epoch_us(&*fine));
        Rc::new(Self {
            api,
            workshop,
            backing,
            clock,
            fine,
            epoch_us,
            limits,
            tower,
            caches,
            cool_down: RefCell::new(CoolDown::new(limits.force_cool_down)),
            last_birth: Cell::default(),
            lookups: Flights::default(),
            fetches: Flights::default(),
            bodies: Flights::default(),
            facts: Flights::default(),
            kept: Flights::default(),
        })
    }

    /// Answers one question.
    ///
    /// # Errors
    /// What the game's API, the workshop or the cool-down said.
    pub async fn answer(self: &Rc<Self>, ask: Ask) -> Result<Answer, Fault> {
        let Ask { character, view, effort } = ask;
        let key = BodyKey { character, view, stale: false };
        if let Effort::Forced { claimed } = effort {
            let body = self.forced(key, claimed).await?;
            return Ok(self.fresh(body, Source::Miss, Duration::ZERO));
        }
        let now = self.clock.monotonic();
        let (held, source) = match self.caches.body(&key, now) {
            Some(held) if held.age < self.limits.stale => (Some(held), Source::HitL1),
            held => match self.look_up(&key, now).await {
                Some(found) => (Some(found), Source::HitL2),
                None => (held, Source::HitL1),
            },
        };
        match held {
            Some(Found { body, age, .. }) if age < self.fresh_limit(&body) => {
                let probe = &self.tower.probe;
                if source == Source::HitL2 { &probe.shared_hits } else { &probe.hits }.add(1);
                Ok(self.fresh(body, source, age))
            }
            Some(Found { body, born, age })
                if age < self.limits.stale && effort == Effort::AtHand =>
            {
                self.refresh_behind(&key.character);
                self.stale(key, body, born).await
            }
            held => match (self.made(&key, now).await, held) {
                (Ok((body, fetched)), _) => self.made_answer(key, body, &fetched, now).await,
                // However old: better than nothing, and it says so.
                (Err(fault), Some(Found { body, born, .. })) if fault.may_pass() => {
                    self.stale(key, body, born).await
                }
                (Err(fault), _) => Err(fault),
            },
        }
    }

    /// What was fetched from the game is fresh, however long that took; what was kept may be old.
    async fn made_answer(
        self: &Rc<Self>,
        key: BodyKey,
        body: Body,
        fetched: &Fetched,
        now: Duration,
    ) -> Result<Answer, Fault> {
        let age = now.saturating_sub(fetched.born);
        if fetched.source != Source::Miss && age >= self.limits.fresh {
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
        if let Some((basic, born)) = self.caches.facts(ocid)
            && now.saturating_sub(born) < self.limits.fresh
        {
            return Ok(basic);
        }
        let (flow, ocid_of) = (Rc::clone(self), ocid.clone());
        let work = async move {
            let basic = flow.api.basic(ocid_of.as_str()).await?;
            flow.caches.put_facts(ocid_of, basic.clone(), now);
            Ok(basic)
        };
        self.tower.once(&self.facts, ocid.clone(), work).await
    }

    /// Another process has asked the game at `born_us`: what is from before does not count any more.
    pub fn outdate(&self, ocid: &Ocid, born_us: u64) {
        self.caches.note_newest(ocid, self.born(born_us));
    }

    /// News from other processes may have been missed: nothing cached is believed, all of it may still serve when
    /// nothing better can be had.
    pub fn flush(&self) {
        self.tower.probe.doubts.add(1);
        self.caches.flush();
    }

    /// Tells the other processes which gear of an id this one knows, and so to ask their owners again.
    pub async fn announce(&self, ocid: &Ocid) {
        if let Some(shared) = &self.backing.shared {
            let born_us = self.caches.newest(ocid).map_or(0, |born| self.born_us(born));
            shared.outdate(ocid.as_str(), born_us).await;
        }
    }

    /// What it counts.
    #[must_use]
    pub fn probe(&self) -> &FlowProbe {
        &self.tower.probe
    }

    /// What is held now.
    #[must_use]
    pub fn sizes(&self) -> Held {
        let questions = self.lookups.len() + self.facts.len() + self.kept.len();
        let flights = questions + self.fetches.len() + self.bodies.len();
        Held { flights: flights as u64, ..self.caches.sizes() }
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

    /// A body of the shared memory, asked for once however many wait; cached here from then on.
    async fn look_up(self: &Rc<Self>, key: &BodyKey, now: Duration) -> Option<Found> {
        let shared = Rc::clone(self.backing.shared.as_ref()?);
        let (flow, of) = (Rc::clone(self), key.clone());
        let work = async move {
            let Some(slot) = flow.slot(&of).await else { return Ok(None) };
            let Some(Dated { value: body, born_us }) = shared.body(&slot).await else {
                return Ok(None);
            };
            let born = flow.born(born_us);
            if flow.caches.is_outdated(&of.character.ocid, born) {
                return Ok(None);
            }
            flow.caches.note_newest(&of.character.ocid, born);
            flow.caches.put_body(of, body.clone(), born);
            Ok(Some((body, born)))
        };
        let found = self.tower.once(&self.lookups, key.clone(), work).await;
        let (body, born) = found.unwrap_or_default()?;
        Some(Found { body, born, age: now.saturating_sub(born) })
    }

    /// Where a body is in the shared memory; gear is there as such.
    async fn slot(&self, key: &BodyKey) -> Option<Slot> {
        let character = key.character.clone();
        match key.view {
            View::Equipment => None,
            View::Totals => {
                let received = self.backing.ledger.received(character.ocid.as_str()).await;
                received.map(|at_ms| Slot::Totals(character, at_ms / 1_000))
            }
            view => Some(Slot::View(character, view)),
        }
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
            if let Some(fetched) = self.caches.payload(ocid)
                && now.saturating_sub(fetched.born) < self.limits.fresh
            {
                return Ok(fetched);
            }
            let fetched = self.fetch(character, false).await?;
            // Overtaken by a forced one: who asks after that must not see what was before it.
            if !self.caches.is_outdated(ocid, fetched.born) {
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
            flow.caches.replace(&of, &fetched);
            Ok(fetched)
        };
        let key = (character.ocid.clone(), forced);
        self.tower.once(&self.fetches, key, work).await
    }

    async fn body(self: &Rc<Self>, key: BodyKey, fetched: &Fetched) -> Result<Body, Fault> {
        // Somebody who waited for the same payload may have been quicker.
        if let Some(body) = self.caches.body_of(&key, fetched.born) {
            return Ok(body);
        }
        let job = Job::Render {
            view: key.view,
            name: key.character.name.as_str().to_owned(),
            ocid: key.character.ocid.as_str().to_owned(),
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
        match self.caches.body_of(&key, born) {
            Some(body) => Ok(body),
            None => self.make(key, born, Job::MarkStale(body)).await,
        }
    }

    async fn make(self: &Rc<Self>, key: BodyKey, born: Duration, job: Job) -> Result<Body, Fault> {
        let (flow, key_of) = (Rc::clone(self), key.clone());
        let work = async move {
            let as_of_ms = match &job {
                Job::Render { as_of_ms, .. } => Some(*as_of_ms),
                Job::MarkStale(_) => None,
            };
            let Made { body, costs } = flow.workshop.make(job).await?;
            flow.keep_costs(&key_of.character.ocid, costs);
            // The shared memory first: no process sees a younger body here than it would find there.
            let body = match as_of_ms {
                Some(as_of_ms) => flow.share(&key_of, body, born, as_of_ms).await,
                None => body,
            };
            flow.caches.put_body(key_of, body.clone(), born);
            Ok(body)
        };
        self.tower.once(&self.bodies, (key, born), work).await
    }

    fn keep_costs(&self, ocid: &Ocid, costs: PresetCosts) {
        for (preset_no, costs) in costs {
            self.backing.ledger.keep(Record::Summary {
                ocid: ocid.as_str().to_owned(),
                preset_no,
                costs,
                calculated_ms: self.clock.unix_ms(),
            });
        }
    }

    /// Gives the body that all processes answer with.
    async fn share(&self, key: &BodyKey, body: Body, born: Duration, as_of_ms: u64) -> Body {
        let Some(shared) = &self.backing.shared else { return body };
        let character = key.character.clone();
        let slot = match key.view {
            View::Equipment => return body,
            View::Totals => Slot::Totals(character, as_of_ms / 1_000),
            view => Slot::View(character, view),
        };
        let dated = Dated { value: body.clone(), born_us: self.born_us(born) };
        shared.put_body(slot, dated).await.unwrap_or(body)
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

/// Unix microseconds at zero of a clock.
fn epoch_us(clock: &dyn Clock) -> u64 {
    (clock.unix_ms() * 1_000).saturating_sub(micros(clock.monotonic()))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
