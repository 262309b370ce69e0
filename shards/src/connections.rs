//! The open connections of a shard and when each must have moved on. One per shard. One sweep a few times a second
//! shuts those that are late down, which ends their pending read or write at once; no connection has a timer. One
//! poll(2) a tick finds the peers that hung up on a request in work; no connection reads ahead for that.
//! An entry is removed before its descriptor is closed (`runtime::Socket` sees to it), so that a sweep never
//! touches a number the kernel has given to somebody else.

#![allow(unsafe_code, reason = "shutdown(2) on a descriptor that the pending operation owns")]

use std::cell::Cell;
use std::cell::RefCell;
use std::future::Future;
use std::future::poll_fn;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use slab::Slab;

use crate::clock::COARSE_TICK;
use crate::clock::Clock as _;
use crate::clock::CoarseClock;
use crate::io::Phase;
use crate::probe::Probe;

/// How often the runtime sweeps: the largest delay of an expiry, on top of the coarse clock's error.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(250);

/// The table.
pub struct Connections {
    entries: RefCell<Slab<Entry>>,
    draining: Cell<bool>,
    clock: Rc<CoarseClock>,
    probe: Rc<Probe>,
}

struct Entry {
    fd: RawFd,
    phase: Phase,
    limit: Duration,
    deadline: Duration,
    expired: bool,
    /// Whom to tell when the peer hangs up on the work.
    working: Option<Waker>,
    hung_up: bool,
}

/// The place of one connection in the table; leaving it is dropping this.
pub struct Slot {
    table: Rc<Connections>,
    key: usize,
}

impl Connections {
    /// An empty table.
    #[must_use]
    pub fn new(clock: Rc<CoarseClock>, probe: Rc<Probe>) -> Self {
        let entries = RefCell::new(Slab::new());
        Self { entries, draining: Cell::new(false), clock, probe }
    }

    /// Connections in the table.
    #[must_use]
    pub fn open(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Whether [`Connections::drain`] was called.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.draining.get()
    }

    /// Enters a connection. The caller keeps `fd` open for as long as the slot lives.
    #[must_use]
    pub fn enter(self: &Rc<Self>, fd: RawFd) -> Slot {
        let (phase, limit, deadline) = (Phase::Working, Duration::MAX, Duration::MAX);
        let entry =
            Entry { fd, phase, limit, deadline, expired: false, working: None, hung_up: false };
        let key = self.entries.borrow_mut().insert(entry);
        self.probe.open.add(1);
        Slot { table: Rc::clone(self), key }
    }

    /// Shuts down what is late.
    pub fn sweep(&self) {
        let now = self.clock.monotonic();
        let mut entries = self.entries.borrow_mut();
        for (_, entry) in entries.iter_mut().filter(|(_, e)| e.deadline <= now && !e.expired) {
            entry.expire();
            self.probe.expired.add(1);
        }
    }

    /// Tells the work of every connection whose peer has ended its side. One system call, and none when nothing is
    /// in work.
    pub fn notice_hang_ups(&self) {
        let mut entries = self.entries.borrow_mut();
        let watched: Vec<usize> =
            entries.iter().filter(|(_, e)| e.working.is_some()).map(|(key, _)| key).collect();
        if watched.is_empty() {
            return;
        }
        let mut polled: Vec<libc::pollfd> = watched
            .iter()
            .map(|&key| libc::pollfd { fd: entries[key].fd, events: libc::POLLRDHUP, revents: 0 })
            .collect();
        let count = libc::nfds_t::try_from(polled.len()).unwrap_or(libc::nfds_t::MAX);
        // SAFETY: the pointer and the count are those of `polled`; a timeout of zero makes it return at once.
        let answered = unsafe { libc::poll(polled.as_mut_ptr(), count, 0) };
        // An error (no memory) leaves them for the next tick.
        if answered <= 0 {
            return;
        }
        for (&key, _) in watched.iter().zip(&polled).filter(|(_, polled)| polled.revents != 0) {
            let entry = &mut entries[key];
            entry.hung_up = true;
            self.probe.hung_up.add(1);
            if let Some(work) = entry.working.take() {
                work.wake();
            }
        }
    }

    /// From now on no connection is kept after its answer; idle ones end at once.
    pub fn drain(&self) {
        self.draining.set(true);
        let mut entries = self.entries.borrow_mut();
        entries.iter_mut().filter(|(_, e)| e.phase == Phase::Idle).for_each(|(_, e)| e.expire());
    }

    /// Ends every connection in both directions, whatever it is doing.
    pub fn cut(&self) {
        self.entries.borrow().iter().for_each(|(_, entry)| shutdown(entry.fd, libc::SHUT_RDWR));
    }
}

impl Entry {
    fn expire(&mut self) {
        self.expired = true;
        let how = if self.phase == Phase::Sending { libc::SHUT_RDWR } else { libc::SHUT_RD };
        shutdown(self.fd, how);
    }
}

impl Slot {
    /// See [`crate::io::Transport::arm`].
    pub fn arm(&self, phase: Phase, limit: Duration) {
        self.with(|entry| {
            (entry.phase, entry.limit, entry.expired) = (phase, limit, false);
            entry.working = None;
            entry.deadline = self.deadline(phase, limit);
            if phase == Phase::Idle && self.table.draining() {
                entry.expire();
            }
        });
    }

    /// Some bytes moved: the limit of the phase counts from now.
    pub fn progress(&self) {
        self.with(|entry| entry.deadline = self.deadline(entry.phase, entry.limit));
    }

    /// See [`crate::io::Transport::expired`].
    #[must_use]
    pub fn expired(&self) -> bool {
        self.with(|entry| entry.expired)
    }

    /// See [`crate::io::Transport::hung_up`].
    pub fn hung_up(&self) -> impl Future<Output = ()> + '_ {
        poll_fn(|cx| {
            self.with(|entry| {
                if entry.hung_up {
                    return Poll::Ready(());
                }
                entry.working = Some(cx.waker().clone());
                Poll::Pending
            })
        })
    }

    /// See [`Connections::draining`].
    #[must_use]
    pub fn draining(&self) -> bool {
        self.table.draining()
    }

    fn deadline(&self, phase: Phase, limit: Duration) -> Duration {
        match phase {
            Phase::Working => Duration::MAX,
            // The reading may be a tick old, and nobody is to be cut before their time.
            _ => self.table.clock.monotonic().saturating_add(limit).saturating_add(COARSE_TICK),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Entry) -> T) -> T {
        work(&mut self.table.entries.borrow_mut()[self.key])
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.table.entries.borrow_mut().remove(self.key);
        self.table.probe.open.sub(1);
    }
}

fn shutdown(fd: RawFd, how: libc::c_int) {
    // SAFETY: takes no pointers. The entry, hence the open descriptor, outlives the call; on a socket the peer has
    // closed already it fails without effect, which is the wanted state.
    let _ = unsafe { libc::shutdown(fd, how) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::clock::ManualClock;
    use std::io::Read as _;
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::net::TcpStream;
    use std::os::fd::AsRawFd as _;

    struct World {
        hand: Rc<ManualClock>,
        clock: Rc<CoarseClock>,
        table: Rc<Connections>,
        probe: Rc<Probe>,
    }

    fn world() -> World {
        let hand = Rc::new(ManualClock::default());
        let clock = Rc::new(CoarseClock::new(Rc::clone(&hand) as Rc<dyn Clock>));
        let probe = Rc::new(Probe::default());
        let table = Rc::new(Connections::new(Rc::clone(&clock), Rc::clone(&probe)));
        World { hand, clock, table, probe }
    }

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        for stream in [&near, &far] {
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        }
        (near, far)
    }

    impl World {
        fn pass(&self, ms: u64) {
            self.hand.advance(Duration::from_millis(ms));
            self.clock.refresh();
            self.table.sweep();
        }
    }

    #[test]
    fn a_late_reader_sees_the_end_but_may_still_answer() {
        let w = world();
        let (mut near, mut far) = pair();
        let slot = w.table.enter(near.as_raw_fd());
        slot.arm(Phase::Receiving, Duration::from_millis(100));
        w.pass(149);
        assert!(!slot.expired());
        w.pass(1);
        assert!(slot.expired());
        assert_eq!(near.read(&mut [0; 8]).unwrap(), 0);
        near.write_all(b"late").unwrap();
        let mut got = [0; 4];
        far.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"late");
        w.pass(500);
        assert_eq!(w.probe.expired.get(), 1, "one expiry is counted once");
    }

    #[test]
    fn progress_moves_the_deadline_and_a_stalled_writer_is_cut() {
        let w = world();
        let (mut near, mut far) = pair();
        let slot = w.table.enter(near.as_raw_fd());
        slot.arm(Phase::Sending, Duration::from_millis(100));
        w.pass(80);
        slot.progress();
        w.pass(140);
        assert!(!slot.expired(), "the tick of the clock belongs to the peer");
        w.pass(10);
        assert!(slot.expired());
        assert!(near.write_all(b"x").is_err());
        assert_eq!(far.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn a_peer_that_hangs_up_on_the_work_is_noticed_behind_unread_bytes() {
        use futures_util::FutureExt as _;
        let w = world();
        let (near, mut far) = pair();
        let slot = w.table.enter(near.as_raw_fd());
        w.table.notice_hang_ups();
        slot.arm(Phase::Working, Duration::MAX);
        let mut hung_up = Box::pin(slot.hung_up());
        assert_eq!(hung_up.as_mut().now_or_never(), None);
        far.write_all(b"the next request").unwrap();
        w.table.notice_hang_ups();
        assert_eq!(hung_up.as_mut().now_or_never(), None, "more bytes are no hang-up");
        drop(far);
        w.table.notice_hang_ups();
        assert_eq!((hung_up.now_or_never(), w.probe.hung_up.get()), (Some(()), 1));
    }

    #[test]
    fn draining_ends_the_idle_and_spares_the_working() {
        let w = world();
        let (mut idle, _idle_far) = pair();
        let (working, mut working_far) = pair();
        let slots = [w.table.enter(idle.as_raw_fd()), w.table.enter(working.as_raw_fd())];
        slots[0].arm(Phase::Idle, Duration::from_secs(75));
        slots[1].arm(Phase::Working, Duration::ZERO);
        w.table.drain();
        assert!(slots[0].expired() && !slots[1].expired());
        assert_eq!(idle.read(&mut [0; 8]).unwrap(), 0);
        slots[1].arm(Phase::Idle, Duration::from_secs(75));
        assert!(slots[1].expired(), "nobody may become idle while draining");
        w.table.cut();
        assert_eq!(working_far.read(&mut [0; 8]).unwrap(), 0);
        drop(slots);
        assert_eq!((w.table.open(), w.probe.open.get()), (0, 0));
    }
}
