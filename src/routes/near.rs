//! Finished answers by request target: the only look-up of a hit. One per shard, whoever owns the character.
//!
//! An entry is a whole answer up to its per-request fields, for one target as it was spelled and one coding. It is
//! used until the owner's answer stops being fresh, at most [`NEAR_AGE_MAX`], and never after the owner said that
//! the character changed: all entries of a character share one flag, so forgetting them is one store.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::rc::Weak;
use std::time::Duration;

use bytes::Bytes;
use shards::l1::Bytesize;
use shards::l1::L1;

use crate::expectation::character::Ocid;
use crate::http::negotiate::Encoding;
use crate::routes::popularity;
use crate::routes::popularity::Visits;

/// Longest use of an entry without asking the owner again: bounds what a lost invalidation can do.
pub const NEAR_AGE_MAX: Duration = Duration::from_secs(5);
/// A typical entry, to size the table: a gzip answer.
const ENTRY_BYTES_TYPICAL: u64 = 12 << 10;
/// Characters with a flag before flags that nobody holds are dropped.
const FLAGS_SWEEP_FROM: usize = 1_024;

/// One finished answer.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Field lines that do not change from request to request.
    pub fields: Bytes,
    /// Validator, with its quotes.
    pub etag: Rc<str>,
    /// The body in the coding of the entry.
    pub body: Bytes,
}

#[derive(Clone)]
struct Entry {
    finished: Finished,
    /// Which route it answers, for the counters.
    route: usize,
    until: Duration,
    valid: Rc<Cell<bool>>,
    visits: Visits,
}

impl Bytesize for Entry {
    fn bytesize(&self) -> u64 {
        (self.finished.fields.len() + self.finished.body.len()) as u64
    }
}

/// The near cache of one shard.
pub struct Near {
    gzip: RefCell<L1<Box<str>, Entry>>,
    plain: RefCell<L1<Box<str>, Entry>>,
    flags: RefCell<HashMap<Ocid, Weak<Cell<bool>>, ahash::RandomState>>,
}

impl Near {
    /// At most `bytes_max` in all, a quarter of it plain answers: few clients ask for those, and they can be made
    /// again from the gzip ones. Gzip bodies are shared with the owner's cache while that holds them too.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let cache = |bytes| RefCell::new(L1::new(bytes, ENTRY_BYTES_TYPICAL));
        let plain = bytes_max / 4;
        Self { gzip: cache(bytes_max - plain), plain: cache(plain), flags: RefCell::default() }
    }

    /// The answer to `target` and its route, if it may still be used at `now`.
    #[must_use]
    pub fn get(
        &self,
        encoding: Encoding,
        target: &str,
        now: Duration,
    ) -> Option<(Finished, usize)> {
        let (entry, _) = self.of(encoding).borrow().get(target)?;
        if !entry.valid.get() || now >= entry.until {
            return None;
        }
        popularity::count(&entry.visits);
        Some((entry.finished, entry.route))
    }

    /// Keeps an answer that the owner calls fresh for `fresh_for` more. `valid` must be from before the owner was
    /// asked: an invalidation that came in between wins. Each use of the answer is one of `visits`.
    pub fn put(
        &self,
        (encoding, target, route): (Encoding, &str, usize),
        finished: Finished,
        (valid, visits): (Rc<Cell<bool>>, Visits),
        now: Duration,
        fresh_for: Duration,
    ) {
        if valid.get() {
            let until = now + fresh_for.min(NEAR_AGE_MAX);
            let entry = Entry { finished, route, until, valid, visits };
            self.of(encoding).borrow_mut().put(target.into(), entry, now);
        }
    }

    /// The flag of a character's entries; to be taken before asking the owner.
    #[must_use]
    pub fn flag(&self, ocid: &Ocid) -> Rc<Cell<bool>> {
        let mut flags = self.flags.borrow_mut();
        if let Some(flag) = flags.get(ocid).and_then(Weak::upgrade) {
            return flag;
        }
        if flags.len() >= FLAGS_SWEEP_FROM && flags.len().is_power_of_two() {
            flags.retain(|_, flag| flag.strong_count() > 0);
        }
        let flag = Rc::new(Cell::new(true));
        flags.insert(ocid.clone(), Rc::downgrade(&flag));
        flag
    }

    /// Forgets every answer about a character.
    pub fn invalidate(&self, ocid: &Ocid) {
        if let Some(flag) = self.flags.borrow_mut().remove(ocid).and_then(|flag| flag.upgrade()) {
            flag.set(false);
        }
    }

    /// Forgets every answer.
    pub fn invalidate_all(&self) {
        for flag in self.flags.borrow_mut().drain().filter_map(|(_, flag)| flag.upgrade()) {
            flag.set(false);
        }
    }

    /// Entries and bytes held.
    #[must_use]
    pub fn sizes(&self) -> (u64, u64) {
        let (gzip, plain) = (self.gzip.borrow(), self.plain.borrow());
        ((gzip.len() + plain.len()) as u64, gzip.bytes() + plain.bytes())
    }

    fn of(&self, encoding: Encoding) -> &RefCell<L1<Box<str>, Entry>> {
        match encoding {
            Encoding::Gzip => &self.gzip,
            Encoding::Identity => &self.plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(body: &'static str) -> Finished {
        Finished {
            fields: Bytes::new(),
            etag: "\"e\"".into(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    fn body(near: &Near, target: &str, seconds: u64) -> Option<Bytes> {
        near.get(Encoding::Gzip, target, Duration::from_secs(seconds)).map(|(found, _)| found.body)
    }

    #[test]
    fn answers_age_and_are_forgotten_by_character() {
        let near = Near::new(1 << 20);
        let [a, b] = ["a", "b"].map(Ocid::new);
        let long = Duration::from_secs(900);
        for (target, ocid) in [("/a", &a), ("/a/preset/2", &a), ("/b", &b)] {
            near.put(
                (Encoding::Gzip, target, 0),
                finished("x"),
                (near.flag(ocid), Visits::default()),
                Duration::ZERO,
                long,
            );
        }
        assert!(
            body(&near, "/a", 4).is_some() && body(&near, "/a", 5).is_none(),
            "{NEAR_AGE_MAX:?}"
        );
        assert!(near.get(Encoding::Identity, "/a", Duration::ZERO).is_none(), "another coding");
        near.invalidate(&a);
        assert!(body(&near, "/a", 0).is_none() && body(&near, "/a/preset/2", 0).is_none());
        assert!(body(&near, "/b", 0).is_some(), "another character");
        near.invalidate_all();
        assert!(body(&near, "/b", 0).is_none());
    }

    #[test]
    fn an_invalidation_wins_over_an_answer_asked_for_before_it() {
        let near = Near::new(1 << 20);
        let ocid = Ocid::new("a");
        let asked = near.flag(&ocid);
        near.invalidate(&ocid);
        let now = Duration::ZERO;
        near.put(
            (Encoding::Gzip, "/a", 0),
            finished("old"),
            (asked, Visits::default()),
            now,
            Duration::from_secs(900),
        );
        assert!(body(&near, "/a", 0).is_none());
        near.put(
            (Encoding::Gzip, "/a", 0),
            finished("new"),
            (near.flag(&ocid), Visits::default()),
            now,
            Duration::from_secs(900),
        );
        assert_eq!(body(&near, "/a", 0).as_deref(), Some("new".as_bytes()));
    }
}
