//! The game's API and the workshop, as fakes that follow the dice: each call takes a while, and then answers, fails,
//! panics or hangs. They note what they were asked, by which shard, and how it went.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use maple_expectation::error::Fault;
use maple_expectation::expectation::ports::Basic;
use maple_expectation::expectation::ports::Body;
use maple_expectation::expectation::ports::GameApi;
use maple_expectation::expectation::ports::Job;
use maple_expectation::expectation::ports::Made;
use maple_expectation::expectation::ports::Payload;
use maple_expectation::expectation::ports::Workshop;
use shards::ShardId;
use shards::sim::Dice;
use shards::spawn::sleep;

use crate::rules::Rules;

/// Two characters of two spellings each, one more, and a name nobody has at first.
pub(crate) const NAMES: [&str; 6] = ["Abc", "aBC", "나", "다", "다다", "없음"];

/// What is true in the game.
pub(crate) struct Game {
    rules: Rc<Rules>,
    /// Percent of calls that fail, hang, panic.
    ill: Cell<[usize; 3]>,
    /// Name to id; changes with renames.
    ids: RefCell<BTreeMap<&'static str, u32>>,
    next_id: Cell<u32>,
    /// Revision of each id's gear; an id that is gone has none.
    gear: RefCell<BTreeMap<u32, u32>>,
}

impl Game {
    pub(crate) fn new(rules: Rc<Rules>) -> Rc<Self> {
        let ids: BTreeMap<_, _> =
            [(NAMES[0], 1), (NAMES[1], 1), (NAMES[2], 2), (NAMES[3], 3), (NAMES[4], 3)].into();
        let gear = [(1, 1), (2, 1), (3, 1)].into();
        for (name, id) in &ids {
            rules.name_means(name, *id);
        }
        Rc::new(Self {
            rules,
            ill: Cell::default(),
            ids: RefCell::new(ids),
            next_id: Cell::new(4),
            gear: RefCell::new(gear),
        })
    }

    pub(crate) fn change_gear(&self, dice: &Dice) {
        let mut gear = self.gear.borrow_mut();
        let at = dice.below(gear.len());
        if let Some(revision) = gear.values_mut().nth(at) {
            *revision += 1;
        }
    }

    /// A name gets a new character; the id it had is gone once no name stands for it.
    pub(crate) fn rename(&self, dice: &Dice) {
        let name = NAMES[dice.below(NAMES.len())];
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        let mut ids = self.ids.borrow_mut();
        let old = ids.insert(name, id);
        let mut gear = self.gear.borrow_mut();
        gear.insert(id, 1);
        if let Some(old) = old
            && !ids.values().any(|id| *id == old)
        {
            gear.remove(&old);
        }
        self.rules.name_means(name, id);
    }

    pub(crate) fn fall_ill(&self, dice: &Dice) {
        let some = |dice: &Dice| dice.below(2) * dice.below(60);
        self.ill.set([some(dice), some(dice) / 2, some(dice) / 4]);
    }

    pub(crate) fn heal(&self) {
        self.ill.set([0; 3]);
    }
}

/// How a call will go.
enum Fate {
    Answer,
    Fail,
    Hang,
    Panic,
}

/// The game's API and the workshop as one shard calls them.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) process: usize,
    pub(crate) shard: ShardId,
    pub(crate) game: Rc<Game>,
    /// Of the shard's calls.
    pub(crate) dice: Rc<Dice>,
}

impl Line {
    fn fate(&self) -> Fate {
        let [fail, hang, panic] = self.game.ill.get();
        match self.dice.below(100) {
            n if n < fail => Fate::Fail,
            n if n < fail + hang => Fate::Hang,
            n if n < fail + hang + panic => Fate::Panic,
            _ => Fate::Answer,
        }
    }

    /// Most calls take well under a second, some several.
    async fn travel(&self) {
        let max = if self.dice.chance(90) { 200 } else { 6_000 };
        sleep(self.dice.up_to(Duration::from_millis(max))).await;
    }

    async fn meet(&self, fate: Fate) -> Result<(), Fault> {
        match fate {
            Fate::Answer => Ok(()),
            Fate::Fail => Err(Fault::upstream_failed("ill")),
            Fate::Hang => {
                sleep(Duration::from_secs(600)).await;
                Err(Fault::upstream_timeout("hung"))
            }
            // Not `panic!`: no hook, no noise; what a flight catches is the same.
            Fate::Panic => std::panic::resume_unwind(Box::new("the game panics")),
        }
    }
}

impl GameApi for Line {
    async fn ocid(&self, name: &str) -> Result<String, Fault> {
        let rules = &self.game.rules;
        let call = rules.locating((self.process, self.shard), name);
        let fate = self.fate();
        self.travel().await;
        self.meet(fate).await?;
        let id =
            self.game.ids.borrow().iter().find(|(known, _)| **known == name).map(|(_, id)| *id);
        call.ended_well();
        id.map(|id| format!("ocid-{id}")).ok_or_else(|| {
            rules.said_unknown(name);
            Fault::no_such_character(name)
        })
    }

    async fn basic(&self, _: &str) -> Result<Basic, Fault> {
        Ok(Basic::default())
    }

    async fn equipment(&self, ocid: &str) -> Result<Payload, Fault> {
        let rules = &self.game.rules;
        let call = rules.fetching((self.process, self.shard), ocid);
        let fate = self.fate();
        self.travel().await;
        let id: u32 = ocid.strip_prefix("ocid-").unwrap().parse().unwrap();
        let revision = self.game.gear.borrow().get(&id).copied();
        self.travel().await;
        self.meet(fate).await?;
        call.ended_well();
        let Some(revision) = revision else { return Err(Fault::outdated_id()) };
        rules.found(ocid);
        Ok(Payload { body: Bytes::from(format!("{id} {revision}")), gzip: false })
    }
}

impl Workshop for Line {
    async fn make(&self, job: Job) -> Result<Made, Fault> {
        sleep(self.dice.up_to(Duration::from_millis(5))).await;
        if self.dice.chance(1) {
            let [fail, ..] = self.game.ill.get();
            if fail > 0 {
                self.game.rules.work_refused();
                return Err(Fault::overloaded("compute"));
            }
        }
        let text = match job {
            Job::Render { view, name, payload, as_of_ms, .. } => {
                let facts = String::from_utf8(payload.body.to_vec()).unwrap();
                format!("{facts} {as_of_ms} fresh {view:?} {name}")
            }
            Job::MarkStale(body) => {
                String::from_utf8(body.gzip.to_vec()).unwrap().replacen(" fresh ", " stale ", 1)
            }
        };
        // Spreads the jitter of freshness.
        let hash = u128::from(self.dice.bits());
        Ok(Body { gzip: text.into(), plain_bytes: 0, hash }.into())
    }
}
