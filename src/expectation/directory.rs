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

/// An id and for how long it has been known to be one, wherever that was found out: an answer that goes from shard to
/// shard does not become younger on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The id.
    pub ocid: Ocid,
    /// Time since the game said so.
    pub age: Duration,
}

/// What is known of a name.
#[derive(Clone)]
enum Entry {
    Known(Ocid),
    Unknown,
}

impl Bytesize for Entry {
    fn bytesize(&self) -> u64 {
        match self {
            // The id and the name that is the key.
            Self::Known(ocid) => ocid.as_str().len() as u64 + 64,
            Self::Unknown => 64,
        }
    }
}

/// The directory of one shard.
pub struct Directory<G> {
    api: G,
    clock: Rc<dyn Clock>,
    trust: Trust,
    tower: Tower,
    entries: RefCell<L1<CharacterName, Entry>>,
    flights: Flights<CharacterName, Result<Located, Fault>>,
}

impl<G: GameApi + 'static> Directory<G> {
    /// An empty directory.
    pub fn new(api: G, clock: Rc<dyn Clock>, trust: Trust, tower: Tower) -> Rc<Self> {
        let entries = RefCell::new(L1::new(BYTES_MAX, ENTRY_BYTES_TYPICAL));
        Rc::new(Self { api, clock, trust, tower, entries, flights: Flights::default() })
    }

    /// What this shard knows and still believes: an id, or that there is none.
    #[must_use]
    pub fn known(&self, name: &CharacterName) -> Option<Result<Located, Fault>> {
        match self.held(name)? {
            (Entry::Known(ocid), age) if age < self.trust.known => Some(Ok(Located { ocid, age })),
            (Entry::Unknown, age) if age < self.trust.unknown => {
                self.tower.probe.unknown_names.add(1);
                Some(Err(Fault::no_such_character(name.as_str())))
            }
            _ => None,
        }
    }

    /// Takes over what the name's home found out. When it could not ask, an old id still serves.
    ///
    /// # Errors
    /// The home's.
    pub fn learn(
        &self,
        name: &CharacterName,
        found: Result<Located, Fault>,
    ) -> Result<Located, Fault> {
        match &found {
            Ok(Located { ocid, age }) => {
                let is_news = self.held(name).is_none_or(|(_, held)| *age <= held);
                if is_news {
                    self.put(name, Entry::Known(ocid.clone()), *age);
                }
            }
            Err(Fault { what: What::NoSuchCharacter { .. }, .. }) => {
                self.put(name, Entry::Unknown, Duration::ZERO);
            }
            Err(fault) if fault.may_pass() => {
                if let Some((Entry::Known(ocid), age)) = self.held(name) {
                    return Ok(Located { ocid, age });
                }
            }
            Err(_) => {}
        }
        found
    }

    /// Forgets a name whose id turned out to be none any more, unless it has been replaced already.
    pub fn forget(&self, name: &CharacterName, ocid: &Ocid) {
        let replaced = !matches!(self.held(name), Some((Entry::Known(held), _)) if held == *ocid);
        if !replaced {
            self.entries.borrow_mut().remove(name);
        }
    }

    /// Asks the game, once per name at a time. Only on the name's home shard.
    ///
    /// # Errors
    /// What the game said.
    pub async fn resolve(self: &Rc<Self>, name: &CharacterName) -> Result<Located, Fault> {
        let (directory, name_of) = (Rc::clone(self), name.clone());
        let work = async move {
            let found = directory.api.ocid(name_of.as_str()).await;
            let located = |ocid: String| Located { ocid: Ocid::new(&ocid), age: Duration::ZERO };
            directory.learn(&name_of, found.map(located))
        };
        self.tower.once(&self.flights, name.clone(), work).await
    }

    /// Names being resolved now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    fn put(&self, name: &CharacterName, entry: Entry, age: Duration) {
        let born = self.clock.monotonic().saturating_sub(age);
        self.entries.borrow_mut().put(name.clone(), entry, born);
    }

    fn held(&self, name: &CharacterName) -> Option<(Entry, Duration)> {
        let (entry, born) = self.entries.borrow().get(name)?;
        Some((entry, self.clock.monotonic().saturating_sub(born)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expectation::flight::Patience;
    use crate::expectation::ports::Basic;
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
        let clock = Rc::new(ManualClock::default());
        let trust = Trust { known: 24 * 60 * MINUTE, unknown: 30 * MINUTE };
        let patience = Patience { leader: MINUTE, follower: MINUTE };
        let tower = Tower { patience, probe: Rc::default() };
        let directory = Directory::new(NoGame, Rc::clone(&clock) as Rc<dyn Clock>, trust, tower);
        (clock, directory)
    }

    #[test]
    fn ids_are_believed_for_a_day_and_serve_on_when_the_game_cannot_be_asked() {
        let (clock, directory) = directory();
        clock.advance(60 * MINUTE);
        let name = CharacterName::parse("가").expect("valid");
        assert_eq!(directory.known(&name), None);
        let id = |hours: u32| Located { ocid: Ocid::new("1"), age: 60 * hours * MINUTE };
        // An hour old when it comes here.
        assert_eq!(directory.learn(&name, Ok(id(1))), Ok(id(1)));
        clock.advance(22 * 60 * MINUTE);
        assert_eq!(directory.known(&name), Some(Ok(id(23))));
        clock.advance(60 * MINUTE);
        assert_eq!(directory.known(&name), None, "asked again after a day");
        for fault in [Fault::upstream_failed("down"), Fault::deadline(), Fault::overloaded("x")] {
            assert_eq!(directory.learn(&name, Err(fault)), Ok(id(24)));
        }
        let down = Fault::upstream_failed("down");
        directory.forget(&name, &Ocid::new("2"));
        assert_eq!(directory.learn(&name, Err(down.clone())), Ok(id(24)), "another id");
        directory.forget(&name, &Ocid::new("1"));
        assert_eq!(directory.learn(&name, Err(down.clone())), Err(down));
    }

    #[test]
    fn older_news_does_not_replace_younger() {
        let (clock, directory) = directory();
        clock.advance(60 * MINUTE);
        let name = CharacterName::parse("가").expect("valid");
        let located = |id, minutes: u32| Located { ocid: Ocid::new(id), age: minutes * MINUTE };
        assert!(directory.learn(&name, Ok(located("new", 1))).is_ok());
        assert!(directory.learn(&name, Ok(located("old", 2))).is_ok());
        assert_eq!(directory.known(&name), Some(Ok(located("new", 1))));
    }

    #[test]
    fn only_the_games_own_word_makes_a_name_unknown() {
        let (clock, directory) = directory();
        let name = CharacterName::parse("없는이").expect("valid");
        for fault in [Fault::upstream_failed("x"), Fault::deadline(), Fault::overloaded("x")] {
            assert_eq!(directory.learn(&name, Err(fault.clone())), Err(fault));
            assert_eq!(directory.known(&name), None);
        }
        let nobody = Fault::no_such_character("없는이");
        assert_eq!(directory.learn(&name, Err(nobody.clone())), Err(nobody.clone()));
        clock.advance(29 * MINUTE);
        assert_eq!(directory.known(&name), Some(Err(nobody)));
        clock.advance(2 * MINUTE);
        assert_eq!(directory.known(&name), None);
    }
}
