//! Locks as their users see them: asked for, held, lost, let go. To be used on a `LocalSet`.

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use shards::clock::Clock;
use tokio::task::JoinHandle;
use tokio::task::spawn_local;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::locks::gate::Gate;
use crate::locks::rule::Report;
use crate::locks::rule::Standing;
use crate::locks::rule::Times;
use crate::locks::tier::SecondTier;
use crate::locks::tier::Taken;
use crate::locks::tier::Tier;
use crate::locks::tier::Unreachable;

shards::counters! {
    /// What is counted about locks.
    LockProbe => LockSnapshot {
        /// Locks taken on the first tier.
        taken_first,
        /// Locks taken on the second tier.
        taken_second,
        /// Askers who waited as long as they would, and somebody else had it.
        busy,
        /// Askers who waited as long as they would, and no tier could be used.
        closed,
        /// Locks lost while they were held.
        lost,
        /// Meetings of the processes in vain.
        meetings_failed,
    }
}

/// Between two questions of one who waits for a lock.
const ASK_PAUSE: Duration = Duration::from_millis(50);
/// Between two looks of one who waits for a loss.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// What follows a renewal that failed: the next try.
const RENEW_PAUSE: Duration = Duration::from_millis(500);

/// What came of asking.
#[derive(Debug)]
pub enum Acquired<T> {
    /// Ours.
    Held(T),
    /// Somebody else's. An answer, not a failure.
    Busy,
    /// No tier may be used or none answers: jobs stay where they are.
    Closed,
}

/// The locks of this process.
pub struct Locks<F, S>(Rc<Inner<F, S>>);

/// What keeps this process in the book.
pub struct Meetings<F, S>(Rc<Inner<F, S>>);

struct Inner<F, S> {
    first: F,
    second: S,
    times: Times,
    clock: Rc<dyn Clock>,
    node: String,
    gate: RefCell<Gate>,
    /// Locks of the second tier that are held or being asked for.
    in_second: Cell<usize>,
    taken: Cell<u64>,
    probe: LockProbe,
}

/// A lock that is held, or was lost. Letting it drop lets it go.
pub struct Guard {
    fence: u64,
    term: Rc<Term>,
    end: oneshot::Sender<()>,
    attendant: JoinHandle<()>,
}

/// Until when a lock may be used, by the clock beside it. Zero once it is known to be lost.
struct Term {
    until: Cell<Duration>,
    clock: Rc<dyn Clock>,
}

impl Term {
    fn is_over(&self) -> bool {
        self.clock.monotonic() >= self.until.get()
    }
}

impl Guard {
    /// The fencing token, to be stored with what is written under the lock; what was written under a larger one stays.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Whether it is lost. To be asked before every step that only one may take.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.term.is_over()
    }

    /// Waits until it is lost.
    pub async fn lost(&self) {
        while !self.is_lost() {
            let left = self.term.until.get().saturating_sub(self.term.clock.monotonic());
            // It may become known earlier.
            sleep(left.min(LOOK_PAUSE)).await;
        }
    }

    /// Lets it go and waits until others can have it.
    pub async fn release(self) {
        drop(self.end);
        // Fails when the runtime ends.
        let _ = self.attendant.await;
    }
}

impl<F: Tier + 'static, S: SecondTier + 'static> Locks<F, S> {
    /// Locks of a process that is called `node` in the book; no other ever was. Nothing is granted before the meetings
    /// run.
    #[must_use]
    pub fn new(
        first: F,
        second: S,
        times: Times,
        node: &str,
        clock: Rc<dyn Clock>,
    ) -> (Self, Meetings<F, S>) {
        let inner = Rc::new(Inner {
            first,
            second,
            times,
            clock,
            node: node.to_owned(),
            gate: RefCell::new(Gate::new(times)),
            in_second: Cell::new(0),
            taken: Cell::new(0),
            probe: LockProbe::default(),
        });
        (Self(Rc::clone(&inner)), Meetings(inner))
    }

    /// What was counted.
    #[must_use]
    pub fn probe(&self) -> &LockProbe {
        &self.0.probe
    }

    /// What this process may use now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.0.gate.borrow().standing(self.0.clock.monotonic())
    }

    /// Asks for a lock, for at most `wait`; once if that is zero. Who waits longest is not served first.
    pub async fn acquire(&self, name: &str, wait: Duration) -> Acquired<Guard> {
        let inner = &self.0;
        let end = inner.clock.monotonic() + wait;
        let acquired = inner.acquire(name, end).await;
        match acquired {
            Acquired::Held(_) => {}
            Acquired::Busy => inner.probe.busy.add(1),
            Acquired::Closed => inner.probe.closed.add(1),
        }
        acquired
    }

    /// Asks for several locks, all or none, for at most `wait` in all. In the order of their names, whatever order they
    /// are given in, so that two who ask never wait for each other.
    pub async fn acquire_all(&self, names: &[&str], wait: Duration) -> Acquired<Guards> {
        let end = self.0.clock.monotonic() + wait;
        let mut names = names.to_vec();
        names.sort_unstable();
        names.dedup();
        let mut guards = Guards(Vec::with_capacity(names.len()));
        for name in names {
            let left = end.saturating_sub(self.0.clock.monotonic());
            let instead = match self.acquire(name, left).await {
                Acquired::Held(guard) => {
                    guards.0.push(guard);
                    continue;
                }
                Acquired::Busy => Acquired::Busy,
                Acquired::Closed => Acquired::Closed,
            };
            guards.release().await;
            return instead;
        }
        Acquired::Held(guards)
    }
}

/// Several locks, in the order of their names.
pub struct Guards(Vec<Guard>);

impl Guards {
    /// Whether one of them is lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.0.iter().any(Guard::is_lost)
    }

    /// Each with its fencing token, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = &Guard> {
        self.0.iter()
    }

    /// Lets them go, the last first.
    pub async fn release(mut self) {
        while let Some(guard) = self.0.pop() {
            guard.release().await;
        }
    }
}

impl<F: Tier, S: SecondTier> Meetings<F, S> {
    /// Meets again and again. Never ends.
    pub async fn run(self) {
        let inner = &*self.0;
        for meeting in 1.. {
            let began = inner.clock.monotonic();
            let report = Report {
                meeting,
                first_reachable: inner.first.is_reachable(),
                holds_second: inner.in_second.get() > 0,
            };
            let before = inner.gate.borrow().standing(began);
            inner.gate.borrow_mut().meeting(report);
            match timeout(inner.times.alive, inner.second.meet(&inner.node, report)).await {
                Ok(Ok(standing)) => {
                    inner.gate.borrow_mut().met(began, standing);
                    if standing != before {
                        tracing::info!(?before, now = ?standing, "the tier of the locks changed");
                    }
                }
                Ok(Err(Unreachable)) | Err(_) => inner.probe.meetings_failed.add(1),
            }
            sleep(inner.times.meet).await;
        }
    }
}

impl<F: Tier + 'static, S: SecondTier + 'static> Inner<F, S> {
    async fn acquire(self: &Rc<Self>, name: &str, end: Duration) -> Acquired<Guard> {
        let taken = self.taken.get();
        self.taken.set(taken + 1);
        let token = format!("{}.{taken}", self.node);
        loop {
            let asked = match self.ask(name, &token).await {
                held @ Acquired::Held(_) => return held,
                other => other,
            };
            let left = end.saturating_sub(self.clock.monotonic());
            if left.is_zero() {
                return asked;
            }
            sleep(left.min(ASK_PAUSE)).await;
        }
    }

    async fn ask(self: &Rc<Self>, name: &str, token: &str) -> Acquired<Guard> {
        let began = self.clock.monotonic();
        let standing = self.gate.borrow().standing(began);
        // Before the asking: a meeting that begins meanwhile has to know.
        let place = (standing == Standing::Second).then(|| Place::new(Rc::clone(self)));
        let lease = self.times.lease;
        let (taken, counter) = match standing {
            Standing::First => (self.first.take(name, token, lease).await, &self.probe.taken_first),
            Standing::Second => {
                (self.second.take(name, token, lease).await, &self.probe.taken_second)
            }
            Standing::Neither => return Acquired::Closed,
        };
        let fence = match taken {
            Ok(Taken::Held { fence }) => fence,
            Ok(Taken::Busy) => return Acquired::Busy,
            // What it may have granted runs out, or is found again by the same token.
            Err(Unreachable) => return Acquired::Closed,
        };
        counter.add(1);
        let until = Cell::new(self.gate.borrow().usable(began));
        let term = Rc::new(Term { until, clock: Rc::clone(&self.clock) });
        let (end, ended) = oneshot::channel();
        let lease =
            Lease { standing, name: name.to_owned(), token: token.to_owned(), _place: place };
        let attendant = spawn_local(Rc::clone(self).attend(lease, Rc::clone(&term), ended));
        Acquired::Held(Guard { fence, term, end, attendant })
    }

    /// Renews a lease until it is let go or lost; the watchdog.
    async fn attend(
        self: Rc<Self>,
        lease: Lease<F, S>,
        term: Rc<Term>,
        ended: oneshot::Receiver<()>,
    ) {
        let mut ended = ended;
        let mut pause = self.times.renew;
        loop {
            tokio::select! {
                _ = &mut ended => break,
                () = sleep(pause) => {}
            }
            let began = self.clock.monotonic();
            match self.renew(&lease, began).await {
                Ok(true) => {
                    term.until.set(self.gate.borrow().usable(began));
                    pause = self.times.renew;
                }
                Ok(false) => term.until.set(Duration::ZERO),
                Err(Unreachable) => pause = RENEW_PAUSE.min(self.times.renew),
            }
            if term.is_over() {
                self.probe.lost.add(1);
                tracing::warn!(name = lease.name, "a lock was lost while it was held");
                break;
            }
        }
        match lease.standing {
            Standing::Second => self.second.release(&lease.name, &lease.token).await,
            _ => self.first.release(&lease.name, &lease.token).await,
        }
    }

    async fn renew(&self, lease: &Lease<F, S>, now: Duration) -> Result<bool, Unreachable> {
        if self.gate.borrow().standing(now) != lease.standing {
            return Err(Unreachable);
        }
        match lease.standing {
            Standing::Second => {
                self.second.renew(&lease.name, &lease.token, self.times.lease).await
            }
            _ => self.first.renew(&lease.name, &lease.token, self.times.lease).await,
        }
    }
}

/// What an attendant looks after.
struct Lease<F, S> {
    standing: Standing,
    name: String,
    token: String,
    _place: Option<Place<F, S>>,
}

/// One lock of the second tier, held or asked for.
struct Place<F, S>(Rc<Inner<F, S>>);

impl<F, S> Place<F, S> {
    fn new(inner: Rc<Inner<F, S>>) -> Self {
        inner.in_second.set(inner.in_second.get() + 1);
        Self(inner)
    }
}

impl<F, S> Drop for Place<F, S> {
    fn drop(&mut self) {
        self.0.in_second.set(self.0.in_second.get() - 1);
    }
}
