//! What one shard's flow holds: bodies, payloads, facts, and the order of things. Of one character the payload asked for
//! last is the newest, and whatever is from before it is never handed out again.

use std::cell::Cell;
use std::cell::RefCell;
use std::time::Duration;

use shards::l1::Bytesize;
use shards::l1::L1;

use super::Source;
use crate::expectation::character::Character;
use crate::expectation::character::Ocid;
use crate::expectation::ports::Basic;
use crate::expectation::ports::Body;
use crate::expectation::ports::Payload;
use crate::expectation::view::View;

/// Memory for the V1 facts of one shard.
const FACTS_BYTES_MAX: u64 = 4 << 20;
/// Memory for the times of the newest payloads: several times as many as there are bodies.
const NEWEST_BYTES_MAX: u64 = 4 << 20;
/// Typical sizes, to size the tables: a gzip answer, a gzip payload.
const BODY_BYTES_TYPICAL: u64 = 12 << 10;
const PAYLOAD_BYTES_TYPICAL: u64 = 20 << 10;

/// What one fetch brought: the payload and its times. Bodies made from it share its `born`.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub(super) payload: Payload,
    /// Shard time at which the fetch began, so that a body is never newer than the question to the game was; of a forced
    /// one, at which it ended, so that nothing asked before that replaces it.
    pub(super) born: Duration,
    /// Wall time of the answer, unix milliseconds.
    pub(super) as_of_ms: u64,
    /// `Miss` from the game, `HitL2` from the shared memory, `Store` from the ledger.
    pub(super) source: Source,
}

/// Key of a body: its stale variant is a document of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct BodyKey {
    pub(super) character: Character,
    pub(super) view: View,
    pub(super) stale: bool,
}

/// A body that was found.
pub(super) struct Found {
    pub(super) body: Body,
    pub(super) born: Duration,
    /// How old it counts as; without end when it is not believed any more.
    pub(super) age: Duration,
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

/// A value that is believed until the caches are flushed; after that it only serves when nothing better can be had.
#[derive(Debug, Clone)]
struct Believed<T> {
    value: T,
    /// [`Caches::flushes`] when it was cached.
    flushes: u64,
}

impl<T: Bytesize> Bytesize for Believed<T> {
    fn bytesize(&self) -> u64 {
        self.value.bytesize()
    }
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

pub(super) struct Caches {
    bodies: RefCell<L1<BodyKey, Believed<Body>>>,
    payloads: RefCell<L1<Ocid, Believed<Fetched>>>,
    facts: RefCell<L1<Ocid, Basic>>,
    newest: RefCell<L1<Ocid, Newest>>,
    flushes: Cell<u64>,
}

impl Caches {
    /// At most `bytes_max` of bodies and payloads.
    pub(super) fn new(bytes_max: u64) -> Self {
        // Payloads are only needed to make a further view of a character: a sixth is for them.
        let payload_bytes = bytes_max / 6;
        Self {
            bodies: RefCell::new(L1::new(bytes_max - payload_bytes, BODY_BYTES_TYPICAL)),
            payloads: RefCell::new(L1::new(payload_bytes, PAYLOAD_BYTES_TYPICAL)),
            facts: RefCell::new(L1::new(FACTS_BYTES_MAX, 512)),
            newest: RefCell::new(L1::new(NEWEST_BYTES_MAX, 256)),
            flushes: Cell::default(),
        }
    }

    /// A body, unless a newer payload has come since: one may have been fetched under another spelling of the name,
    /// whose bodies have keys of their own, or by another process.
    pub(super) fn body(&self, key: &BodyKey, now: Duration) -> Option<Found> {
        let (Believed { value: body, flushes }, born) = self.bodies.borrow().get(key)?;
        let believed = flushes == self.flushes.get();
        let age = if believed { now.saturating_sub(born) } else { Duration::MAX };
        (!self.is_outdated(&key.character.ocid, born)).then_some(Found { body, born, age })
    }

    /// The body of exactly the payload of `born`; believed again.
    pub(super) fn body_of(&self, key: &BodyKey, born: Duration) -> Option<Body> {
        let (Believed { value: body, flushes }, held) = self.bodies.borrow().get(key)?;
        if held != born {
            return None;
        }
        if flushes != self.flushes.get() {
            self.put_body(key.clone(), body.clone(), born);
        }
        Some(body)
    }

    /// Nothing happens when a newer payload has come meanwhile: of two in flight the newer one wins, whichever body is
    /// ready last.
    pub(super) fn put_body(&self, key: BodyKey, body: Body, born: Duration) {
        if !self.is_outdated(&key.character.ocid, born) {
            let body = Believed { value: body, flushes: self.flushes.get() };
            self.bodies.borrow_mut().put(key, body, born);
        }
    }

    /// A payload that is believed and the newest.
    pub(super) fn payload(&self, ocid: &Ocid) -> Option<Fetched> {
        let (Believed { value: fetched, flushes }, born) = self.payloads.borrow().get(ocid)?;
        (flushes == self.flushes.get() && !self.is_outdated(ocid, born)).then_some(fetched)
    }

    /// A newer payload makes every body of the character obsolete; an older one (a slow plain fetch overtaken by a
    /// forced one) changes nothing. The same one, found again because the game says nothing, leaves the bodies made from
    /// it. Bodies under another spelling of the name are left to [`Caches::body`].
    pub(super) fn replace(&self, character: &Character, fetched: &Fetched) {
        if self.is_outdated(&character.ocid, fetched.born) {
            return;
        }
        let mut bodies = self.bodies.borrow_mut();
        for (view, stale) in View::ALL.into_iter().flat_map(|view| [(view, false), (view, true)]) {
            let key = BodyKey { character: character.clone(), view, stale };
            if bodies.get(&key).is_some_and(|(_, born)| born != fetched.born) {
                bodies.remove(&key);
            }
        }
        let payload = Believed { value: fetched.clone(), flushes: self.flushes.get() };
        self.payloads.borrow_mut().put(character.ocid.clone(), payload, fetched.born);
        self.note_newest(&character.ocid, fetched.born);
    }

    /// When the newest payload of an id was asked for.
    pub(super) fn newest(&self, ocid: &Ocid) -> Option<Duration> {
        self.newest.borrow().get(ocid).map(|(Newest(born), _)| born)
    }

    /// A payload of this birth exists, here or elsewhere.
    pub(super) fn note_newest(&self, ocid: &Ocid, born: Duration) {
        if !self.is_outdated(ocid, born) {
            self.newest.borrow_mut().put(ocid.clone(), Newest(born), born);
        }
    }

    /// Whether a payload newer than `born` has come.
    pub(super) fn is_outdated(&self, ocid: &Ocid, born: Duration) -> bool {
        self.newest(ocid).is_some_and(|newest| newest > born)
    }

    /// Facts and their birth.
    pub(super) fn facts(&self, ocid: &Ocid) -> Option<(Basic, Duration)> {
        self.facts.borrow().get(ocid)
    }

    pub(super) fn put_facts(&self, ocid: Ocid, facts: Basic, born: Duration) {
        self.facts.borrow_mut().put(ocid, facts, born);
    }

    /// From here on nothing that is cached is believed.
    pub(super) fn flush(&self) {
        self.flushes.set(self.flushes.get() + 1);
    }

    pub(super) fn sizes(&self) -> Held {
        let (bodies, payloads) = (self.bodies.borrow(), self.payloads.borrow());
        Held {
            bodies: bodies.len() as u64,
            bodies_bytes: bodies.bytes(),
            payloads: payloads.len() as u64,
            payloads_bytes: payloads.bytes(),
            flights: 0,
        }
    }
}
