//! What must hold at every step and of every answer. A broken rule is noted where it is seen, often inside a flight
//! that would catch a panic, and ends the run at the next `check`.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::hash::Hasher;
use std::rc::Rc;
use std::time::Duration;

use maple_expectation::error::Fault;
use maple_expectation::error::What;
use maple_expectation::expectation::flow::Source;
use maple_expectation::expectation::view::View;
use maple_expectation::routes::near::Finished;
use maple_expectation::routes::near::NEAR_AGE_MAX;
use shards::ShardId;
use shards::clock::Clock as _;
use shards::clock::ManualClock;
use shards::routing::owner_of;

use crate::memory::NEWS_LAG_MAX;
use crate::world::CLIENT;
use crate::world::FOLLOWER;
use crate::world::FRESH;
use crate::world::Kind;
use crate::world::LAG_MAX;
use crate::world::STALE;
use crate::world::TRUST;

/// How long what is on its way may still arrive: two deadlines of a leader.
const ON_THE_WAY: Duration = Duration::from_secs(60);

/// The rules of one run and what they need to know.
pub(crate) struct Rules {
    clock: Rc<ManualClock>,
    shards: u16,
    /// A world of tiny mailboxes: names and invalidations may not get through, and what comes of that stays near.
    tight: bool,
    /// A world of two processes.
    two: bool,
    broken: RefCell<Vec<String>>,
    facts: RefCell<Facts>,
    seen: RefCell<Seen>,
    trace: RefCell<std::hash::DefaultHasher>,
    /// Whether to tell what happens: when one seed is replayed.
    told: bool,
}

#[derive(Default)]
struct Facts {
    /// Questions in the air.
    open: usize,
    /// Calls in the air by what they are about, an id or a name, and by process.
    calls: BTreeMap<String, [usize; 2]>,
    /// When a call about this last ended without a good answer.
    ended_badly: BTreeMap<String, Duration>,
    /// When a call last brought gear of this id.
    found: BTreeMap<String, Duration>,
    /// When a client last went away.
    gave_up: Option<Duration>,
    /// When the workshop last had no room.
    work_refused: Option<Duration>,
    forced_names: BTreeSet<&'static str>,
    /// Since when a name has meant which id.
    meanings: BTreeMap<&'static str, Vec<(Duration, u32)>>,
    /// When the game last said that nobody has the name.
    unknown: BTreeMap<String, Duration>,
    /// Forced answers of an id.
    forced: BTreeMap<u32, Vec<Forced>>,
    /// Since when the shared memory has been well.
    well_since: Option<Duration>,
    /// Since when the processes have heard each other's news.
    heard_since: Option<Duration>,
}

struct Forced {
    at: Duration,
    revision: u32,
    process: usize,
    /// When it was asked for.
    began: Duration,
}

/// How often what the rules are about happened.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen(BTreeMap<&'static str, u64>);

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        const ALL: [&str; 18] = [
            "near or own hit",
            "shared hit",
            "miss",
            "stale",
            "older than stale",
            "forced",
            "after a forced one",
            "after a forced one elsewhere",
            "no such character",
            "deadline",
            "upstream failed",
            "panic",
            "overloaded",
            "cool-down",
            "gave up",
            "new meaning",
            "long way",
            "turn passed on",
        ];
        ALL.into_iter().map(|what| (what, self.0.get(what).copied().unwrap_or(0)))
    }
}

/// A question in the air; dropped unjudged when its client goes away.
pub(crate) struct Asked {
    rules: Rc<Rules>,
    process: usize,
    name: &'static str,
    view: View,
    kind: Kind,
    began: Duration,
    /// Messages that the asked shard had had refused before, and whether one was since.
    refused_before: u64,
    refused: bool,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.rules.facts.borrow_mut().open -= 1;
    }
}

/// A call in the air.
pub(crate) struct Call {
    rules: Rc<Rules>,
    process: usize,
    about: String,
    well: Cell<bool>,
}

impl Call {
    pub(crate) fn ended_well(&self) {
        self.well.set(true);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.rules.tell(|| format!("call about {} ends, well: {}", self.about, self.well.get()));
        let now = self.rules.clock.monotonic();
        let mut facts = self.rules.facts.borrow_mut();
        facts.calls.get_mut(&self.about).unwrap()[self.process] -= 1;
        if !self.well.get() {
            facts.ended_badly.insert(self.about.clone(), now);
        }
    }
}

/// An answer, read back from the body the fake workshop wrote.
struct Told {
    id: u32,
    revision: u32,
    as_of_ms: u64,
    stale: bool,
}

impl Rules {
    pub(crate) fn new(
        clock: Rc<ManualClock>,
        (processes, shards): (u16, u16),
        tight: bool,
    ) -> Rc<Self> {
        Rc::new(Self {
            clock,
            shards,
            tight,
            two: processes > 1,
            broken: RefCell::default(),
            facts: RefCell::new(Facts {
                well_since: Some(Duration::ZERO),
                heard_since: Some(Duration::ZERO),
                ..Facts::default()
            }),
            seen: RefCell::default(),
            trace: RefCell::default(),
            told: std::env::var_os("SIM_SEED").is_some(),
        })
    }

    pub(crate) fn asks(
        self: &Rc<Self>,
        (process, name, view, kind): (usize, &'static str, View, Kind),
        refused_before: u64,
    ) -> Asked {
        let mut facts = self.facts.borrow_mut();
        facts.open += 1;
        if kind == Kind::Forced {
            facts.forced_names.insert(name);
        }
        let began = self.clock.monotonic();
        let rules = Rc::clone(self);
        Asked { rules, process, name, view, kind, began, refused_before, refused: false }
    }

    pub(crate) fn gave_up(&self) {
        self.saw("gave up");
        self.facts.borrow_mut().gave_up = Some(self.clock.monotonic());
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    pub(crate) fn memory_died(&self) {
        self.facts.borrow_mut().well_since = None;
    }

    /// What it says then is behind by as long as the news takes.
    pub(crate) fn memory_recovered(&self) {
        let well = self.clock.monotonic() + NEWS_LAG_MAX + LAG_MAX;
        self.facts.borrow_mut().well_since = Some(well);
    }

    pub(crate) fn news_stopped(&self) {
        self.facts.borrow_mut().heard_since = None;
    }

    /// What was missed is known to be missed as soon as the news of that is there.
    pub(crate) fn news_resumed(&self) {
        let heard = self.clock.monotonic() + NEWS_LAG_MAX + LAG_MAX;
        self.facts.borrow_mut().heard_since = Some(heard);
    }

    pub(crate) fn turn_passed(&self) {
        self.saw("turn passed on");
    }

    pub(crate) fn found(&self, ocid: &str) {
        self.facts.borrow_mut().found.insert(ocid.to_owned(), self.clock.monotonic());
    }

    pub(crate) fn name_means(&self, name: &'static str, id: u32) {
        let now = self.clock.monotonic();
        self.facts.borrow_mut().meanings.entry(name).or_default().push((now, id));
    }

    pub(crate) fn said_unknown(&self, name: &str) {
        self.facts.borrow_mut().unknown.insert(name.to_owned(), self.clock.monotonic());
    }

    pub(crate) fn work_refused(&self) {
        self.facts.borrow_mut().work_refused = Some(self.clock.monotonic());
    }

    /// One owner: only the home of a name asks for its id, one call at a time.
    pub(crate) fn locating(self: &Rc<Self>, caller: (usize, ShardId), name: &str) -> Call {
        let (process, shard) = caller;
        self.rule(owner_of(name.as_bytes(), self.shards) == shard, || {
            format!("{shard} locates {name}")
        });
        let call = self.call(process, name);
        let flying = self.facts.borrow().calls[name][process];
        self.rule(flying == 1, || format!("{flying} calls for the id of {name}"));
        call
    }

    /// One owner: only the owner of an id fetches its gear; one plain call at a time, and beside it one forced.
    pub(crate) fn fetching(self: &Rc<Self>, caller: (usize, ShardId), ocid: &str) -> Call {
        let (process, shard) = caller;
        self.rule(owner_of(ocid.as_bytes(), self.shards) == shard, || {
            format!("{shard} fetches {ocid}")
        });
        let call = self.call(process, ocid);
        let facts = self.facts.borrow();
        let may_be_forced = facts.forced_names.iter().any(|name| {
            let meanings = facts.meanings.get(name).into_iter().flatten();
            meanings.clone().any(|(_, id)| ocid == format!("ocid-{id}"))
        });
        let flying = facts.calls[ocid];
        self.rule(flying[process] <= 1 + usize::from(may_be_forced), || {
            format!("{flying:?} calls for {ocid}")
        });
        // While they share a memory, one of two processes asks.
        let now = self.clock.monotonic();
        let shared = facts.well_since.is_some_and(|since| since + ON_THE_WAY <= now);
        let both = flying.iter().sum::<usize>();
        self.rule(!shared || may_be_forced || both == 1, || format!("{flying:?} calls for {ocid}"));
        // And what one has found nobody need ask for again, unless it went away with the last who waited, or the memory
        // was not there for all of those who had begun to ask.
        let found = facts.found.get(ocid).copied().unwrap_or_default();
        let kept = facts.well_since.is_some_and(|since| since + ON_THE_WAY <= found)
            && facts.gave_up.is_none_or(|at| at < found);
        let lately = kept && !found.is_zero() && now - found < FRESH / 2;
        self.rule(!self.two || may_be_forced || !lately, || format!("{ocid} is asked for again"));
        call
    }

    /// A question has its answer.
    pub(crate) fn judge(
        &self,
        mut asked: Asked,
        refused: u64,
        answered: Result<(Finished, Source), Fault>,
    ) {
        asked.refused = refused > asked.refused_before;
        let took = self.clock.monotonic() - asked.began;
        self.rule(took <= CLIENT, || format!("{} took {took:?}", asked.name));
        if took > Duration::from_secs(5) {
            self.saw("long way");
        }
        let mut trace = self.trace.borrow_mut();
        trace.write_u128(self.clock.monotonic().as_nanos());
        trace.write(asked.name.as_bytes());
        self.tell(|| {
            let answer = answered.as_ref().map(|(found, source)| (&found.body, source));
            format!("{:?} {} asked at {:?} gets {answer:?}", asked.kind, asked.name, asked.began)
        });
        match answered {
            Ok((finished, source)) => {
                trace.write(&finished.body);
                drop(trace);
                self.judge_answer(&asked, &finished, source);
            }
            Err(fault) => {
                trace.write(format!("{fault:?}").as_bytes());
                drop(trace);
                self.judge_fault(&asked, &fault, took);
            }
        }
    }

    /// Ends the run at the first broken rule.
    pub(crate) fn check(&self) {
        let broken = self.broken.borrow();
        assert!(broken.is_empty(), "{} at {:?}", broken.join("; "), self.clock.monotonic());
    }

    /// Nobody waits for a name, so nobody asks for its id. Gear may be fetched: what was stale is renewed anyhow.
    pub(crate) fn check_idle(&self) {
        let facts = self.facts.borrow();
        let mut for_names = facts.calls.iter().filter(|(about, _)| !about.starts_with("ocid-"));
        let idle = for_names.all(|(_, count)| *count == [0; 2]);
        assert!(idle, "work for nobody: {:?}", facts.calls);
    }

    pub(crate) fn check_end(&self) {
        let facts = self.facts.borrow();
        assert_eq!(facts.open, 0, "questions without an answer");
        assert!(
            facts.calls.values().all(|count| *count == [0; 2]),
            "calls left: {:?}",
            facts.calls
        );
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    pub(crate) fn trace(&self) -> u64 {
        self.trace.borrow().finish()
    }

    fn judge_answer(&self, asked: &Asked, finished: &Finished, source: Source) {
        let body = std::str::from_utf8(&finished.body).unwrap();
        let Some(told) = read(body, asked) else {
            return self.rule(false, || {
                format!("asked for {:?} of {}, got {body:?}", asked.view, asked.name)
            });
        };
        self.saw(match source {
            Source::HitL1 => "near or own hit",
            Source::Miss => "miss",
            Source::Stale => "stale",
            Source::HitL2 => "shared hit",
            Source::Store => panic!("these shards have no ledger"),
        });
        // The equipment document cannot say so itself.
        let says_stale = told.stale || (asked.view == View::Equipment && source == Source::Stale);
        self.rule(says_stale == (source == Source::Stale), || format!("{source:?} is {body:?}"));
        self.judge_age(asked, &told, source == Source::Stale);
        self.judge_meaning(asked, told.id);
        self.judge_force(asked, &told, source == Source::Stale);
    }

    /// Fresh is fresh, stale is stale; older only when the game could not be asked meanwhile.
    fn judge_age(&self, asked: &Asked, told: &Told, stale: bool) {
        let began_ms = self.clock.unix_ms() - ms(self.clock.monotonic() - asked.began);
        let age = Duration::from_millis(began_ms.saturating_sub(told.as_of_ms));
        if !stale {
            let fresh_max = FRESH.mul_f64(1.1);
            return self.rule(age <= fresh_max, || format!("{} is fresh at {age:?}", asked.name));
        }
        if age > STALE {
            self.saw("older than stale");
            let had_to = self.had_trouble(asked, &format!("ocid-{}", told.id));
            self.rule(had_to, || format!("{} is served at {age:?} without need", asked.name));
        }
    }

    /// The id is one that the name had within the time that a name is believed for, or nobody could be asked.
    fn judge_meaning(&self, asked: &Asked, id: u32) {
        let facts = self.facts.borrow();
        let meanings = &facts.meanings[asked.name];
        let ended = meanings.windows(2).filter(|pair| pair[0].1 == id).map(|pair| pair[1].0).max();
        let current = meanings.last().is_some_and(|(_, last)| *last == id);
        if current && meanings.len() > 1 {
            self.saw("new meaning");
        }
        let since = asked.began.saturating_sub(TRUST.known + ON_THE_WAY);
        let believed = current || ended.is_some_and(|ended| ended >= since);
        drop(facts);
        let had_to = self.tight || self.had_trouble(asked, asked.name);
        self.rule(believed || had_to, || format!("{} has long not been {id}", asked.name));
    }

    /// Who asks after a forced answer was given does not see an older revision, on any shard, nor on another process as
    /// soon as the news is there.
    fn judge_force(&self, asked: &Asked, told: &Told, stale: bool) {
        // What missed the news may still serve when nothing better can be had, and says so.
        let last_resort = stale && self.had_trouble(asked, &format!("ocid-{}", told.id));
        let mut facts = self.facts.borrow_mut();
        let (well_since, heard_since) = (facts.well_since, facts.heard_since);
        let forced = facts.forced.entry(told.id).or_default();
        for Forced { at, revision, process, began } in &*forced {
            let here = *process == asked.process;
            let heard = if here { *at } else { *at + NEWS_LAG_MAX + LAG_MAX };
            let hears = here || heard_since.is_some_and(|since| since < asked.began);
            let shared =
                hears && (here || !self.tight) && well_since.is_some_and(|since| since <= *began);
            // Without the memory nobody can say which of two processes saw the later gear.
            if heard >= asked.began || !here && last_resort || !(shared || here && !self.two) {
                continue;
            }
            self.saw(if here { "after a forced one" } else { "after a forced one elsewhere" });
            let may_be_near = self.tight && asked.began < *at + NEAR_AGE_MAX;
            self.rule(told.revision >= *revision || may_be_near, || {
                format!(
                    "{} of process {}: revision {} after {revision} was forced at {at:?} by {process}",
                    asked.name, asked.process, told.revision
                )
            });
        }
        if asked.kind == Kind::Forced {
            self.saw("forced");
            let (at, began) = (self.clock.monotonic(), asked.began);
            forced.push(Forced { at, revision: told.revision, process: asked.process, began });
            let began_ms = self.clock.unix_ms() - ms(self.clock.monotonic() - asked.began);
            self.rule(told.as_of_ms >= began_ms, || {
                format!("{}: forced and not fetched", asked.name)
            });
        }
    }

    fn judge_fault(&self, asked: &Asked, fault: &Fault, took: Duration) {
        let facts = self.facts.borrow();
        let name = asked.name;
        let bad_since =
            |about: &str| facts.ended_badly.get(about).is_some_and(|at| *at >= asked.began);
        let any_bad = bad_since(name)
            || facts
                .meanings
                .get(name)
                .into_iter()
                .flatten()
                .any(|(_, id)| bad_since(&format!("ocid-{id}")));
        let flying = |about: &str| facts.calls.get(about).is_some_and(|calls| *calls != [0; 2]);
        let mut ids = facts.meanings.get(name).into_iter().flatten();
        let any_flying = flying(name) || ids.any(|(_, id)| flying(&format!("ocid-{id}")));
        let (what, justified) = match &fault.what {
            What::NoSuchCharacter { .. } => {
                let since = match asked.kind {
                    Kind::Forced => asked.began,
                    Kind::Plain => asked.began.saturating_sub(TRUST.unknown),
                };
                ("no such character", facts.unknown.get(name).is_some_and(|at| *at >= since))
            }
            // A flight may have waited for another process's call that is still in the air.
            What::Deadline => ("deadline", took >= FOLLOWER || any_bad || any_flying),
            What::UpstreamFailed { .. } | What::UpstreamTimeout { .. } => {
                ("upstream failed", any_bad || any_flying)
            }
            // Twice: it was renamed again meanwhile.
            What::OutdatedId => {
                let renamed = |(at, _): &(Duration, u32)| *at >= asked.began;
                ("outdated twice", facts.meanings[name].iter().any(renamed))
            }
            What::Overloaded { .. } => {
                ("overloaded", asked.refused || facts.work_refused >= Some(asked.began))
            }
            What::CoolDown { .. } => ("cool-down", asked.kind == Kind::Forced),
            What::Internal { detail } => ("panic", any_bad && detail == "a flight panicked"),
            What::BadInput { .. } => ("bad input", false),
        };
        self.saw(what);
        self.rule(justified, || format!("{name} after {took:?}: {fault:?}"));
    }

    /// Whether a call about this failed since the question was asked, or kept it waiting.
    fn had_trouble(&self, asked: &Asked, about: &str) -> bool {
        let facts = self.facts.borrow();
        // What an earlier question got from the old id may still be near.
        let since = asked.began.saturating_sub(NEAR_AGE_MAX);
        let waited = self.clock.monotonic() - asked.began >= FOLLOWER;
        // A flight may wait for another process's call that is still in the air.
        let elsewhere = facts.calls.get(about).is_some_and(|calls| calls[1 - asked.process] > 0);
        waited
            || elsewhere
            || asked.refused
            || facts.work_refused >= Some(since)
            || facts.ended_badly.get(about).is_some_and(|at| *at >= since)
    }

    fn call(self: &Rc<Self>, process: usize, about: &str) -> Call {
        self.facts.borrow_mut().calls.entry(about.to_owned()).or_default()[process] += 1;
        self.tell(|| format!("process {process} calls about {about}"));
        self.trace.borrow_mut().write_u128(self.clock.monotonic().as_nanos());
        Call { rules: Rc::clone(self), process, about: about.to_owned(), well: Cell::new(false) }
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.told {
            println!("{:>14?} {}", self.clock.monotonic(), what());
        }
    }

    fn rule(&self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.broken.borrow_mut().push(otherwise());
        }
    }

    fn saw(&self, what: &'static str) {
        *self.seen.borrow_mut().0.entry(what).or_default() += 1;
    }
}

/// `id revision as_of_ms fresh|stale view name`, when view and name are those asked for.
fn read(body: &str, asked: &Asked) -> Option<Told> {
    let mut words = body.splitn(6, ' ');
    let id = words.next()?.parse().ok()?;
    let revision = words.next()?.parse().ok()?;
    let as_of_ms = words.next()?.parse().ok()?;
    let stale = words.next()? == "stale";
    let fits = words.next()? == format!("{:?}", asked.view) && words.next()? == asked.name;
    fits.then_some(Told { id, revision, as_of_ms, stale })
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}
