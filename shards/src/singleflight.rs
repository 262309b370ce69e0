//! One piece of work per key, however many callers. One per shard.
//! A table of waiters and nothing else: it holds no value, spawns nothing and knows no time. The first caller leads
//! and must settle its [`Lead`]; the others wait with their own deadlines. A lead that is dropped unsettled
//! (panic, cancellation) releases its followers at once with [`Lost`].

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

use futures_channel::oneshot;

/// The leader vanished without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

/// What joining a flight made of the caller.
pub enum Joined<K: Eq + Hash + Clone, V: Clone> {
    /// Nobody was at it: do the work and settle.
    Leader(Lead<K, V>),
    /// Somebody is: wait for [`Waiter::landed`].
    Follower(Waiter<V>),
}

type Table<K, V> = Rc<RefCell<HashMap<K, Vec<oneshot::Sender<V>>, ahash::RandomState>>>;

/// The flights of one shard.
pub struct Flights<K, V> {
    table: Table<K, V>,
}

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self { table: Rc::default() }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Flights<K, V> {
    /// Takes off, or joins the flight of `key`.
    pub fn join(&self, key: &K) -> Joined<K, V> {
        let mut table = self.table.borrow_mut();
        if let Some(waiters) = table.get_mut(key) {
            let (sender, receiver) = oneshot::channel();
            waiters.push(sender);
            return Joined::Follower(Waiter(receiver));
        }
        table.insert(key.clone(), Vec::new());
        Joined::Leader(Lead { table: Rc::clone(&self.table), key: key.clone() })
    }

    /// Whether somebody is at `key`.
    #[must_use]
    pub fn is_flying(&self, key: &K) -> bool {
        self.table.borrow().contains_key(key)
    }

    /// Flights in the air.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.borrow().len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.borrow().is_empty()
    }
}

/// The duty to answer for a key.
pub struct Lead<K: Eq + Hash, V> {
    table: Table<K, V>,
    key: K,
}

impl<K: Eq + Hash + Clone, V: Clone> Lead<K, V> {
    /// A waiter on this very flight, for a caller that hands the lead to a task of its own.
    pub fn follow(&self) -> Waiter<V> {
        let (sender, receiver) = oneshot::channel();
        if let Some(waiters) = self.table.borrow_mut().get_mut(&self.key) {
            waiters.push(sender);
        }
        Waiter(receiver)
    }

    /// Lands: every follower gets a clone.
    pub fn settle(self, value: &V) {
        let waiters = self.table.borrow_mut().remove(&self.key).unwrap_or_default();
        for waiter in waiters {
            // A follower that gave up is no error.
            let _ = waiter.send(value.clone());
        }
    }
}

impl<K: Eq + Hash, V> Drop for Lead<K, V> {
    fn drop(&mut self) {
        // After `settle` the entry is gone; before it, dropping the senders tells the followers.
        self.table.borrow_mut().remove(&self.key);
    }
}

/// A follower's end.
pub struct Waiter<V>(oneshot::Receiver<V>);

impl<V> Waiter<V> {
    /// Waits for the leader.
    ///
    /// # Errors
    /// [`Lost`] when the leader vanished.
    pub async fn landed(self) -> Result<V, Lost> {
        self.0.await.map_err(|_| Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn lead(flights: &Flights<&'static str, u32>) -> Lead<&'static str, u32> {
        match flights.join(&"key") {
            Joined::Leader(lead) => lead,
            Joined::Follower(_) => panic!("expected to lead"),
        }
    }

    fn follow(flights: &Flights<&'static str, u32>) -> Waiter<u32> {
        match flights.join(&"key") {
            Joined::Follower(waiter) => waiter,
            Joined::Leader(_) => panic!("expected to follow"),
        }
    }

    #[test]
    fn one_leads_all_get_the_answer_and_the_key_is_free_again() {
        let flights = Flights::default();
        let leader = lead(&flights);
        let waiters: Vec<_> = (0..10).map(|_| follow(&flights)).chain([leader.follow()]).collect();
        leader.settle(&7);
        for waiter in waiters {
            assert_eq!(waiter.landed().now_or_never(), Some(Ok(7)));
        }
        assert!(flights.is_empty());
        drop(lead(&flights));
    }

    #[test]
    fn a_vanished_leader_releases_its_followers_at_once() {
        let flights = Flights::default();
        let leader = lead(&flights);
        let waiter = follow(&flights);
        drop(leader);
        assert_eq!(waiter.landed().now_or_never(), Some(Err(Lost)));
        assert!(flights.is_empty());
    }

    #[test]
    fn a_settled_lead_does_not_end_the_next_flight_of_its_key() {
        let flights = Flights::default();
        lead(&flights).settle(&1);
        let second = lead(&flights);
        let waiter = follow(&flights);
        assert_eq!(flights.len(), 1);
        second.settle(&2);
        assert_eq!(waiter.landed().now_or_never(), Some(Ok(2)));
    }
}
