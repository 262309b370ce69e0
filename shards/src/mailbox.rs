//! Bounded lanes for messages to a shard. A sender never waits: what does not fit comes back with the reason, and
//! is counted. What crosses is owned and `Send`. The channel underneath is private, so that a ring per pair of
//! shards can take its place.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::rc::Rc;

use futures_channel::mpsc;
use futures_util::StreamExt as _;

use crate::ShardId;
use crate::probe::Count;
use crate::probe::Probe;
use crate::spawn;

/// Messages that may wait for one shard before senders are refused; each sender may add one more.
pub const MAILBOX_EVENTS_MAX: usize = 16 * 1024;

/// A message that was not taken, handed back.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused<E> {
    /// Why.
    pub reason: Reason,
    /// The message.
    pub event: E,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The lane is at its bound: overload, worth trying later.
    Full,
    /// The shard has ended.
    Closed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Closed => "closed",
        })
    }
}

/// The sending ends to all shards. One per thread; a thread without a shard (the backplane) may have one too.
pub struct Mailboxes<E> {
    lanes: RefCell<Vec<mpsc::Sender<E>>>,
    full: Count,
    closed: Count,
}

/// The receiving end of one shard.
pub struct Inbox<E> {
    lane: mpsc::Receiver<E>,
}

/// One inbox per shard, in order of shard, and the sending ends to clone for each thread.
#[must_use]
pub fn lanes<E: Send>(shards: u16) -> (Mailboxes<E>, Vec<Inbox<E>>) {
    lanes_of(shards, MAILBOX_EVENTS_MAX)
}

/// As [`lanes`], with another bound.
#[must_use]
pub fn lanes_of<E: Send>(shards: u16, events_max: usize) -> (Mailboxes<E>, Vec<Inbox<E>>) {
    let (senders, inboxes) = (0..shards)
        .map(|_| mpsc::channel(events_max))
        .map(|(sender, lane)| (sender, Inbox { lane }))
        .unzip();
    (Mailboxes::over(senders), inboxes)
}

impl<E: Send> Mailboxes<E> {
    /// Leaves `event` for `to`, or hands it back at once.
    ///
    /// # Errors
    /// [`Refused`] when the lane is full or the shard has ended.
    ///
    /// # Panics
    /// When `to` is not one of the shards these mailboxes were made for.
    pub fn try_send(&self, to: ShardId, event: E) -> Result<(), Refused<E>> {
        let sent = self.lanes.borrow_mut()[to.index()].try_send(event);
        sent.map_err(|refused| {
            let reason = if refused.is_full() { Reason::Full } else { Reason::Closed };
            self.counter(reason).add(1);
            Refused { reason, event: refused.into_inner() }
        })
    }

    /// Messages refused for this reason through this end.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.counter(reason).get()
    }

    /// Shards reachable from here.
    #[must_use]
    pub fn shards(&self) -> u16 {
        u16::try_from(self.lanes.borrow().len()).expect("made from a u16 count")
    }

    fn over(lanes: Vec<mpsc::Sender<E>>) -> Self {
        Self { lanes: RefCell::new(lanes), full: Count::default(), closed: Count::default() }
    }

    fn counter(&self, reason: Reason) -> &Count {
        match reason {
            Reason::Full => &self.full,
            Reason::Closed => &self.closed,
        }
    }
}

/// A further sending end, for another thread; its refusal counts start at zero.
impl<E: Send> Clone for Mailboxes<E> {
    fn clone(&self) -> Self {
        Self::over(self.lanes.borrow().clone())
    }
}

impl<E: Send> Inbox<E> {
    /// The next message, or `None` once every sending end is gone.
    pub async fn recv(&mut self) -> Option<E> {
        self.lane.next().await
    }

    /// Takes messages until every sending end is gone and spawns the work of each, so that one slow piece of work
    /// never holds up the lane. A panic of the work is counted in `probe`.
    pub async fn pump<W>(mut self, probe: Rc<Probe>, mut work: impl FnMut(E) -> W)
    where
        W: Future<Output = ()> + 'static,
    {
        while let Some(event) = self.recv().await {
            spawn::spawn_guarded(&probe, work(event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn a_full_lane_hands_the_message_back_and_counts_it() {
        let (mailboxes, mut inboxes) = lanes_of::<u32>(2, 3);
        let to = ShardId::new(1);
        // The channel grants each sender one slot above its bound.
        for event in 0..4 {
            mailboxes.try_send(to, event).unwrap();
        }
        let refused = mailboxes.try_send(to, 4).unwrap_err();
        assert_eq!(refused, Refused { reason: Reason::Full, event: 4 });
        assert_eq!((mailboxes.refused(Reason::Full), mailboxes.refused(Reason::Closed)), (1, 0));
        mailboxes.try_send(ShardId::new(0), 9).unwrap();

        let inbox = &mut inboxes[1];
        for event in 0..4 {
            assert_eq!(inbox.recv().now_or_never(), Some(Some(event)));
        }
        assert_eq!(inbox.recv().now_or_never(), None);
        mailboxes.try_send(to, 5).unwrap();
    }

    #[test]
    fn a_shard_that_ended_refuses_as_closed() {
        let (mailboxes, inboxes) = lanes::<u32>(1);
        drop(inboxes);
        let refused = mailboxes.try_send(ShardId::new(0), 7).unwrap_err();
        assert_eq!((refused.reason, refused.event), (Reason::Closed, 7));
        assert_eq!(mailboxes.clone().refused(Reason::Closed), 0);
        assert_eq!(mailboxes.refused(Reason::Closed), 1);
    }

    #[test]
    fn the_inbox_ends_when_all_senders_are_gone() {
        let (mailboxes, mut inboxes) = lanes::<u32>(1);
        let other = mailboxes.clone();
        drop(mailboxes);
        other.try_send(ShardId::new(0), 1).unwrap();
        drop(other);
        assert_eq!(inboxes[0].recv().now_or_never(), Some(Some(1)));
        assert_eq!(inboxes[0].recv().now_or_never(), Some(None));
    }
}
