//! Which id a nickname stands for. Every shard keeps what it has learnt; the name's home shard is the one that asks
//! the game, once however many wait. A nickname that does not exist is remembered too, for a shorter time, and only
//! that: any other failure is asked again.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use shards::clock::Clock;
use shards::l1::Bytesize;
use shards::l1::L1;
use shards::singleflight::Flights;

use crate::error::Fault;
use crate::error::What;
use crate::expectation::character::Ocid;
use crate::expectation::flight::Tower;
use crate::expectation::name::CharacterName;
use crate::expectation::ports::GameApi;
use crate::expectation::ports::Named;
use crate::expectation::ports::Record;
use crate::expectation::shared::Backing;
use crate::expectation::shared::SharedName;
use crate::expectation::shared::Turn;

/// How long entries are believed.
#[derive(Debug, Clone, Copy)]
pub struct Trust {
    /// An id; names change hands seldom.
    pub known: Duration,
    /// "No such character".
    pub unknown: Duration,
}

/// Memory of one shard for ids and for names without one.
const BYTES_MAX: u64 = 8 << 20;
/// A typical entry, to size the table.
const ENTRY_BYTES_TYPICAL: u64 = 256;

/// What the game said of a name, and how long ago, whichever shard it told: what goes from shard to shard does not
/// become younger on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The id, or that nobody has the name.
    pub ocid: Option<Ocid>,
    /// Time since the game said so.
    pub age: Duration,
}

/// What is kept of a finding.
#[derive(Clone)]
struct Entry(Option<Ocid>);

impl Bytesize for Entry {
    fn bytesize(&self) -> u64 {
        // The id and the name that is the key.
        self.0.as_ref().map_or(0, |ocid| ocid.as_str().len() as u64) + 64
    }
}

/// The directory of one shard.
pub struct Directory<G> {
    api: G,
    backing: Backing,
    clock: Rc<dyn Clock>,
    trust: Trust,
    tower: Tower,
    entries: RefCell<L1<CharacterName, Entry>>,
    flights: Flights<CharacterName, Result<Finding, Fault>>,
}

impl<G: GameApi + 'static> Directory<G> {
    /// An empty directory.
    pub fn new(
        api: G,
        backing: Backing,
        clock: Rc<dyn Clock>,
        trust: Trust,
        tower: Tower,
    ) -> Rc<Self> {
        let entries = RefCell::new(L1::new(BYTES_MAX, ENTRY_BYTES_TYPICAL));
        Rc::new(Self { api, backing, clock, trust, tower, entries, flights: Flights::default() })
    }

    /// What this shard knows and still believes.
    #[must_use]
    pub fn known(&self, name: &CharacterName) -> Option<Finding> {
        let found = self.held(name)?;
        if !self.is_believed(&found) {
            return None;
        }
        self.tower.probe.unknown_names.add(u64::from(found.ocid.is_none()));
        Some(found)
    }

    /// What is kept of a name, here or elsewhere: an id however old, or that lately nobody had it. The game is not asked.
    /// Only on the name's home shard.
    pub async fn kept(&self, name: &CharacterName) -> Option<Finding> {
        let serves = |found: &Finding| found.ocid.is_some() || self.is_believed(found);
        let held = self.held(name).filter(serves);
        if held.as_ref().is_some_and(|held| held.ocid.is_some()) {
            return held;
        }
        // Another process may have found somebody since nobody was found here.
        let found = match self.shared_name(name).await.filter(serves).or(held) {
            Some(found) => found,
            None => self.kept_name(name).await?,
        };
        self.learn(name, Ok(found)).ok()
    }

    /// Takes over what the name's home found out. When it could not ask, an old id still serves.
    ///
    /// # Errors
    /// The home's.
    pub fn learn(
        &self,
        name: &CharacterName,
        found: Result<Finding, Fault>,
    ) -> Result<Finding, Fault> {
        let held = self.held(name);
        match (found, held) {
            (Ok(found), held) => {
                if held.is_none_or(|held| found.age <= held.age) {
                    let born = self.clock.monotonic().saturating_sub(found.age);
                    let entry = Entry(found.ocid.clone());
                    self.entries.borrow_mut().put(name.clone(), entry, born);
                }
                Ok(found)
            }
            (Err(fault), Some(held)) if fault.may_pass() && held.ocid.is_some() => Ok(held),
            (Err(fault), _) => Err(fault),
        }
    }

    /// Forgets a name whose id turned out to be none any more, unless it has been replaced already.
    pub fn forget(&self, name: &CharacterName, ocid: &Ocid) {
        if self.held(name).is_some_and(|held| held.ocid.as_ref() == Some(ocid)) {
            self.entries.borrow_mut().remove(name);
        }
    }

    /// Asks what is kept and the game, once per name at a time; `again` only the game. Only on the name's home shard.
    ///
    /// # Errors
    /// What the game said.
    pub async fn resolve(
        self: &Rc<Self>,
        name: &CharacterName,
        again: bool,
    ) -> Result<Finding, Fault> {
        let asked = self.clock.monotonic();
        let found = self.resolve_once(name, again).await?;
        if again && found.age > self.clock.monotonic().saturating_sub(asked) {
            // It has joined one that was content with what is kept.
            return self.resolve_once(name, again).await;
        }
        Ok(found)
    }

    async fn resolve_once(
        self: &Rc<Self>,
        name: &CharacterName,
        again: bool,
    ) -> Result<Finding, Fault> {
        let (directory, name_of) = (Rc::clone(self), name.clone());
        let work = async move {
            let found = directory.find(&name_of, again).await;
            directory.learn(&name_of, found)
        };
        self.tower.once(&self.flights, name.clone(), work).await
    }

    /// Names being resolved now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    async fn find(&self, name: &CharacterName, again: bool) -> Result<Finding, Fault> {
        if again {
            return self.ask_game(name).await;
        }
        let kept = match self.shared_name(name).await {
            Some(kept) if self.is_believed(&kept) => return Ok(kept),
            kept => kept.filter(|kept| kept.ocid.is_some()).or(self.kept_name(name).await),
        };
        match kept {
            Some(kept) if self.is_believed(&kept) => Ok(kept),
            kept => match self.in_turn(name).await {
                Err(fault) if fault.may_pass() => kept.ok_or(fault),
                found => found,
            },
        }
    }

    /// One process asks the game, the others wait and take what it has found.
    async fn in_turn(&self, name: &CharacterName) -> Result<Finding, Fault> {
        let turn = self.backing.turn(|| format!("name:{}", name.as_str())).await;
        match turn {
            Turn::Lead(lead) => {
                // Somebody may have found it since it was looked for.
                let found = match self.shared_name(name).await {
                    Some(found) if self.is_believed(&found) => Ok(found),
                    _ => self.ask_game(name).await,
                };
                lead.settle(found.as_ref().map(|_| ()).map_err(Clone::clone));
                found
            }
            Turn::Ended(Ok(())) => match self.shared_name(name).await {
                Some(found) if self.is_believed(&found) => Ok(found),
                _ => self.ask_game(name).await,
            },
            Turn::Ended(Err(fault)) => Err(fault),
        }
    }

    /// Asks the game and keeps what it says.
    async fn ask_game(&self, name: &CharacterName) -> Result<Finding, Fault> {
        let ocid = match self.api.ocid(name.as_str()).await {
            Ok(ocid) => Some(ocid),
            Err(Fault { what: What::NoSuchCharacter { .. }, .. }) => None,
            Err(fault) => return Err(fault),
        };
        let (confirmed_ms, name) = (self.clock.unix_ms(), name.as_str());
        if let Some(ocid) = ocid.clone() {
            self.backing.ledger.keep(Record::Name { name: name.to_owned(), ocid, confirmed_ms });
        }
        if let Some(shared) = &self.backing.shared {
            shared.put_name(name, SharedName { ocid: ocid.clone(), confirmed_ms }).await;
        }
        // Telling the others has taken a while.
        Ok(self.finding(ocid, confirmed_ms))
    }

    async fn shared_name(&self, name: &CharacterName) -> Option<Finding> {
        let shared = self.backing.shared.as_ref()?;
        let SharedName { ocid, confirmed_ms } = shared.name(name.as_str()).await?;
        Some(self.finding(ocid, confirmed_ms))
    }

    async fn kept_name(&self, name: &CharacterName) -> Option<Finding> {
        let Named { ocid, confirmed_ms } = self.backing.ledger.name(name.as_str()).await?;
        Some(self.finding(Some(ocid), confirmed_ms))
    }

    fn finding(&self, ocid: Option<String>, confirmed_ms: u64) -> Finding {
        let age = Duration::from_millis(self.clock.unix_ms().saturating_sub(confirmed_ms));
        Finding { ocid: ocid.as_deref().map(Ocid::new), age }
    }

    fn is_believed(&self, found: &Finding) -> bool {
        found.age < if found.ocid.is_some() { self.trust.known } else { self.trust.unknown }
    }

    fn held(&self, name: &CharacterName) -> Option<Finding> {
        let (Entry(ocid), born) = self.entries.borrow().get(name)?;
        Some(Finding { ocid, age: self.clock.monotonic().saturating_sub(born) })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::expectation::flight::Patience;
    use crate::expectation::ports::Basic;
    use crate::expectation::ports::Gear;
    use crate::expectation::ports::Kept;
    use crate::expectation::ports::Ledger;
    use crate::expectation::ports::NoLedger;
    use crate::expectation::ports::Payload;
    use shards::clock::ManualClock;

    struct NoGame;
    impl GameApi for NoGame {
        async fn ocid(&self, _: &str) -> Result<String, Fault> {
            Err(Fault::internal("not asked here"))
        }
        async fn basic(&self, _: &str) -> Result<Basic, Fault> {
            Err(Fault::internal("not asked here"))
        }
        async fn equipment(&self, _: &str) -> Result<Payload, Fault> {
            Err(Fault::internal("not asked here"))
        }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    fn directory() -> (Rc<ManualClock>, Rc<Directory<NoGame>>) {
        over(Rc::new(NoLedger))
    }

    fn over(ledger: Rc<dyn Ledger>) -> (Rc<ManualClock>, Rc<Directory<NoGame>>) {
        let clock = Rc::new(ManualClock::default());
        let trust = Trust { known: 24 * 60 * MINUTE, unknown: 30 * MINUTE };
        let patience = Patience { leader: MINUTE, follower: MINUTE };
        let tower = Tower { patience, probe: Rc::default() };
        let time = Rc::clone(&clock) as Rc<dyn Clock>;
        let backing = Backing { ledger, shared: None };
        let directory = Directory::new(NoGame, backing, time, trust, tower);
        (clock, directory)
    }

    fn id(id: &str, minutes: u32) -> Finding {
        Finding { ocid: Some(Ocid::new(id)), age: minutes * MINUTE }
    }

    fn nobody(minutes: u32) -> Finding {
        Finding { ocid: None, age: minutes * MINUTE }
    }

    #[test]
    fn ids_are_believed_for_a_day_and_serve_on_when_the_game_cannot_be_asked() {
        let (clock, directory) = directory();
        clock.advance(60 * MINUTE);
        let name = CharacterName::parse("가").expect("valid");
        assert_eq!(directory.known(&name), None);
        // An hour old when it comes here.
        assert_eq!(directory.learn(&name, Ok(id("1", 60))), Ok(id("1", 60)));
        clock.advance(22 * 60 * MINUTE);
        assert_eq!(directory.known(&name), Some(id("1", 23 * 60)));
        clock.advance(60 * MINUTE);
        assert_eq!(directory.known(&name), None, "asked again after a day");
        for fault in [Fault::upstream_failed("down"), Fault::deadline(), Fault::overloaded("x")] {
            assert_eq!(directory.learn(&name, Err(fault)), Ok(id("1", 24 * 60)));
        }
        let down = Fault::upstream_failed("down");
        directory.forget(&name, &Ocid::new("2"));
        assert!(directory.learn(&name, Err(down.clone())).is_ok(), "another id");
        directory.forget(&name, &Ocid::new("1"));
        assert_eq!(directory.learn(&name, Err(down.clone())), Err(down));
    }

    /// A ledger that knows one id for every name, since the epoch.
    struct OneId;
    impl Ledger for OneId {
        fn name(&self, _: &str) -> Kept<Named> {
            let named = Named { ocid: "1".to_owned(), confirmed_ms: 0 };
            Box::pin(std::future::ready(Some(named)))
        }
        fn gear(&self, _: &str) -> Kept<Gear> {
            Box::pin(std::future::ready(None))
        }
        fn received(&self, _: &str) -> Kept<u64> {
            Box::pin(std::future::ready(None))
        }
        fn keep(&self, _: Record) {}
    }

    #[test]
    fn what_is_kept_of_a_name_is_an_old_id_or_that_lately_nobody_had_it() {
        let (clock, directory) = over(Rc::new(OneId));
        clock.advance(72 * 60 * MINUTE);
        let name = CharacterName::parse("가").expect("valid");
        let kept = || directory.kept(&name).now_or_never().expect("the ledger is at hand");
        assert_eq!(directory.learn(&name, Ok(nobody(1))), Ok(nobody(1)));
        assert_eq!(kept(), Some(nobody(1)), "later than what the ledger knows");
        clock.advance(30 * MINUTE);
        assert_eq!(kept(), Some(id("1", 72 * 60 + 30)));
        assert_eq!(directory.known(&name), None, "to be asked again, and shown meanwhile");
        assert_eq!(directory.learn(&name, Ok(id("2", 0))), Ok(id("2", 0)));
        clock.advance(48 * 60 * MINUTE);
        assert_eq!(kept(), Some(id("2", 48 * 60)));
    }

    #[test]
    fn older_news_does_not_replace_younger() {
        let (clock, directory) = directory();
        clock.advance(60 * MINUTE);
        let name = CharacterName::parse("가").expect("valid");
        for found in [id("new", 1), id("old", 2), nobody(3)] {
            assert!(directory.learn(&name, Ok(found)).is_ok());
        }
        assert_eq!(directory.known(&name), Some(id("new", 1)));
    }

    #[test]
    fn only_the_games_own_word_makes_a_name_unknown() {
        let (clock, directory) = directory();
        clock.advance(60 * MINUTE);
        let name = CharacterName::parse("없는이").expect("valid");
        for fault in [Fault::upstream_failed("x"), Fault::deadline(), Fault::overloaded("x")] {
            assert_eq!(directory.learn(&name, Err(fault.clone())), Err(fault));
            assert_eq!(directory.known(&name), None);
        }
        assert_eq!(directory.learn(&name, Ok(nobody(9))), Ok(nobody(9)));
        clock.advance(20 * MINUTE);
        assert_eq!(directory.known(&name), Some(nobody(29)));
        let down = Fault::upstream_failed("down");
        assert_eq!(directory.learn(&name, Err(down.clone())), Err(down), "only ids serve on");
        clock.advance(2 * MINUTE);
        assert_eq!(directory.known(&name), None);
    }
}
