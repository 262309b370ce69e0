//! The memory that several processes share, as a shard sees it. It never fails a question: what it cannot say is as if
//! it were not there, what it cannot keep is not kept, and whoever cannot be told to wait leads. So a process without
//! it, or whose memory has died, is as good as one that never had it.
//!
//! Everything in it carries its birth, unix microseconds of wall time: when the game was asked; of what was forced, when
//! it had answered. An older birth never replaces a younger one, whichever process comes last.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;

use crate::error::Fault;
use crate::expectation::character::Character;
use crate::expectation::ports::Body;
use crate::expectation::ports::Gear;
use crate::expectation::ports::Kept;
use crate::expectation::ports::Ledger;
use crate::expectation::view::View;

/// A value with its birth, unix microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated<T> {
    /// What.
    pub value: T,
    /// When the game was asked.
    pub born_us: u64,
}

/// Which body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// Of the V4 family: all bodies of an id live and die together, by birth.
    View(Character, View),
    /// Of V2 and V3: found by the time of the gear it was made from, unix seconds.
    Totals(Character, u64),
}

/// What the processes know of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedName {
    /// The id it stands for, or that nobody has it.
    pub ocid: Option<String>,
    /// When the game said so, unix milliseconds.
    pub confirmed_ms: u64,
}

/// Whose turn a piece of work is.
pub enum Turn {
    /// The caller's. Everybody else waits, as long as the lead is held.
    Lead(Lead),
    /// It was somebody else's and has ended: what came of it is in the shared memory, or this is why not.
    Ended(Result<(), Fault>),
}

/// The right to do a piece of work. Dropped, it passes to the next who waits.
pub struct Lead(Option<oneshot::Sender<Result<(), Fault>>>);

impl Lead {
    /// A lead, and where its outcome will be told; cancelled when it was dropped.
    pub fn new() -> (Self, oneshot::Receiver<Result<(), Fault>>) {
        let (outcome, told) = oneshot::channel();
        (Self(Some(outcome)), told)
    }

    /// Where nobody else could wait.
    #[must_use]
    pub fn alone() -> Self {
        Self(None)
    }

    /// Tells those who wait how it ended. What they shall find must be in the shared memory before.
    pub fn settle(self, outcome: Result<(), Fault>) {
        if let Some(told) = self.0 {
            // Nobody listens when the memory has gone away meanwhile.
            let _ = told.send(outcome);
        }
    }
}

/// Done, as well as it could be.
pub type Done = Pin<Box<dyn Future<Output = ()>>>;

/// The shared memory. Behind a pointer, because a hit never comes here.
pub trait Shared {
    /// A body.
    fn body(&self, slot: &Slot) -> Kept<Dated<Body>>;
    /// Keeps a body, unless a younger one of the id is kept; older ones of the id go. Gives the body that another process
    /// made of the same gear before: all answer with that one, so that validators agree.
    fn put_body(&self, slot: Slot, body: Dated<Body>) -> Kept<Body>;
    /// Gear.
    fn gear(&self, ocid: &str) -> Kept<Dated<Gear>>;
    /// Keeps gear, unless younger is kept; older bodies of the id go.
    fn put_gear(&self, ocid: &str, gear: Dated<Gear>) -> Done;
    /// A name.
    fn name(&self, name: &str) -> Kept<SharedName>;
    /// Keeps a name.
    fn put_name(&self, name: &str, said: SharedName) -> Done;
    /// Whose turn `work` is, once it is the caller's or has ended.
    fn turn(&self, work: String) -> Pin<Box<dyn Future<Output = Turn>>>;
    /// Begins a cool-down of an id among all processes; what is left of one that another process began, then nothing
    /// is begun.
    fn claim(&self, ocid: &str, cool_down: Duration) -> Kept<Duration>;
    /// Ends a cool-down that was claimed in vain.
    fn give_back(&self, ocid: &str) -> Done;
    /// Tells every other process that answers about this id from before `born_us` are obsolete.
    fn outdate(&self, ocid: &str, born_us: u64) -> Done;
}

/// What is remembered outside a shard.
#[derive(Clone)]
pub struct Backing {
    /// What survives a restart.
    pub ledger: Rc<dyn Ledger>,
    /// What processes share, if this one shares anything.
    pub shared: Option<Rc<dyn Shared>>,
}

impl Backing {
    /// Whose turn `work` is; the caller's when there is nobody else.
    pub async fn turn(&self, work: impl FnOnce() -> String) -> Turn {
        match &self.shared {
            Some(shared) => shared.turn(work()).await,
            None => Turn::Lead(Lead::alone()),
        }
    }
}
