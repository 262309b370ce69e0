//! One piece of work per key, however many callers. One per shard.
//! A table of waiters and nothing else: it holds no value, spawns nothing and knows no time. The first caller leads
//! and must settle its [`Lead`]; everybody waits with a deadline of their own. A lead that is dropped unsettled
//! (panic, cancellation) releases its followers at once with [`Lost`]. A lead nobody waits for any more is told so
//! by [`Lead::abandoned`], so that work stops when the last client is gone.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::future::poll_fn;
use std::hash::Hash;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use futures_channel::oneshot;

/// The leader vanished without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

/// What joining a flight made of the caller.
pub enum Joined<K: Eq + Hash + Clone, V: Clone> {
    /// Nobody was at it: do the work and settle.
    Leader(Lead<K, V>),
    /// Somebody is: wait.
    Follower(Waiter<V>),
}

struct Flight<V> {
    waiters: Vec<oneshot::Sender<V>>,
    interest: Rc<RefCell<Interest>>,
}

/// How many wait for a flight, and who is to be told when that becomes none.
#[derive(Default)]
struct Interest {
    waiting: usize,
    leader: Option<Waker>,
}

type Table<K, V> = Rc<RefCell<HashMap<K, Flight<V>, ahash::RandomState>>>;

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
        if let Some(flight) = table.get_mut(key) {
            return Joined::Follower(flight.follow());
        }
        let interest = Rc::<RefCell<Interest>>::default();
        table.insert(key.clone(), Flight { waiters: Vec::new(), interest: Rc::clone(&interest) });
        Joined::Leader(Lead { table: Rc::clone(&self.table), key: key.clone(), interest })
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

impl<V> Flight<V> {
    fn follow(&mut self) -> Waiter<V> {
        let (sender, landed) = oneshot::channel();
        // Those that gave up leave their place, so that a long flight under load holds only who still waits.
        if self.waiters.len() > 2 * self.interest.borrow().waiting {
            self.waiters.retain(|waiter| !waiter.is_canceled());
        }
        self.waiters.push(sender);
        self.interest.borrow_mut().waiting += 1;
        Waiter { landed, interest: Rc::clone(&self.interest) }
    }
}

/// The duty to answer for a key.
pub struct Lead<K: Eq + Hash, V> {
    table: Table<K, V>,
    key: K,
    interest: Rc<RefCell<Interest>>,
}

impl<K: Eq + Hash + Clone, V: Clone> Lead<K, V> {
    /// A waiter on this very flight, for a caller that hands the lead to a task of its own.
    ///
    /// # Panics
    /// Never: the flight is in the table for as long as its lead lives.
    #[must_use]
    pub fn follow(&self) -> Waiter<V> {
        let mut table = self.table.borrow_mut();
        table.get_mut(&self.key).expect("a lead keeps its flight in the table").follow()
    }

    /// Completes when nobody waits for this flight any more. Somebody may join until the lead is dropped, and then it
    /// does not complete.
    pub fn abandoned(&self) -> impl Future<Output = ()> + 'static + use<K, V> {
        let interest = Rc::clone(&self.interest);
        poll_fn(move |cx| {
            let mut interest = interest.borrow_mut();
            if interest.waiting == 0 {
                return Poll::Ready(());
            }
            interest.leader = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    /// Lands: every follower gets a clone.
    pub fn settle(self, value: &V) {
        let flight = self.table.borrow_mut().remove(&self.key);
        for waiter in flight.into_iter().flat_map(|flight| flight.waiters) {
            // A follower that gave up is no error.
            let _ = waiter.send(value.clone());
        }
    }
}

impl<K: Eq + Hash, V> Drop for Lead<K, V> {
    fn drop(&mut self) {
        let mut table = self.table.borrow_mut();
        // After `settle` the entry is gone, or already somebody else's flight of the same key. Before it, dropping
        // the senders tells the followers.
        let own = |flight: &Flight<V>| Rc::ptr_eq(&flight.interest, &self.interest);
        if table.get(&self.key).is_some_and(own) {
            table.remove(&self.key);
        }
    }
}

/// A follower's end: a future of the leader's answer, or of [`Lost`] when the leader vanished.
pub struct Waiter<V> {
    landed: oneshot::Receiver<V>,
    interest: Rc<RefCell<Interest>>,
}

impl<V> Future for Waiter<V> {
    type Output = Result<V, Lost>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.landed).poll(cx).map_err(|_| Lost)
    }
}

impl<V> Drop for Waiter<V> {
    fn drop(&mut self) {
        let mut interest = self.interest.borrow_mut();
        interest.waiting -= 1;
        if interest.waiting == 0
            && let Some(leader) = interest.leader.take()
        {
            leader.wake();
        }
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
            assert_eq!(waiter.now_or_never(), Some(Ok(7)));
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
        assert_eq!(waiter.now_or_never(), Some(Err(Lost)));
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
        assert_eq!(waiter.now_or_never(), Some(Ok(2)));
    }

    #[test]
    fn a_lead_hears_when_the_last_waiter_has_gone() {
        let flights = Flights::default();
        let leader = lead(&flights);
        let (first, second) = (leader.follow(), follow(&flights));
        let mut abandoned = std::pin::pin!(leader.abandoned());
        drop(first);
        assert_eq!(abandoned.as_mut().now_or_never(), None, "one still waits");
        drop(second);
        let late = follow(&flights);
        assert_eq!(abandoned.as_mut().now_or_never(), None, "one joined before the lead gave up");
        drop(late);
        assert_eq!(abandoned.now_or_never(), Some(()));
    }

    #[test]
    fn those_who_gave_up_leave_their_place() {
        let flights = Flights::default();
        let leader = lead(&flights);
        let staying = leader.follow();
        for _ in 0..1_000 {
            drop(follow(&flights));
        }
        assert!(flights.table.borrow()[&"key"].waiters.len() < 8);
        leader.settle(&5);
        assert_eq!(staying.now_or_never(), Some(Ok(5)));
    }
}
