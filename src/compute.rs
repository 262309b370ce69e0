//! The thread for work too long for a shard: parse, value, write, compress. One per process.
//!
//! A shard hands over a [`Job`] and gets the body back; while it waits, its other connections are served. The queue
//! is bounded and full means "overloaded" at once. A job that panics fails alone: the thread goes on.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;

use futures_channel::oneshot;
use shards::clock::Clock as _;
use shards::clock::SystemClock;
use valuation::rules::Ruleset;

use crate::answer::renderer::Renderer;
use crate::error::Fault;
use crate::expectation::ports::Job;
use crate::expectation::ports::Made;
use crate::expectation::ports::Workshop;

/// Jobs waiting. At about 2 ms each the last one waits 2 s, well within a request's deadline.
pub const QUEUE_MAX: usize = 1_024;

struct Order {
    job: Job,
    reply: oneshot::Sender<Result<Made, Fault>>,
}

/// The way to the compute thread. Cheap to clone, one per shard.
#[derive(Clone)]
pub struct Compute {
    queue: mpsc::SyncSender<Order>,
    load: Arc<Load>,
}

/// What the thread has done and still has to do. Written with every job, of some 100 us and more.
#[derive(Default)]
struct Load {
    pending: AtomicU64,
    done: AtomicU64,
    busy_us: AtomicU64,
}

impl Compute {
    /// Starts the thread. It ends when the last handle is gone.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(rules: Arc<Ruleset>) -> io::Result<Self> {
        let (queue, orders) = mpsc::sync_channel::<Order>(QUEUE_MAX);
        let load = Arc::<Load>::default();
        let seen = Arc::clone(&load);
        std::thread::Builder::new().name("compute".to_owned()).spawn(move || {
            let mut renderer = Renderer::new(rules);
            let clock = SystemClock::new();
            for Order { job, reply } in orders {
                seen.pending.fetch_sub(1, Relaxed);
                if reply.is_canceled() {
                    continue;
                }
                let began = clock.monotonic();
                let made = std::panic::catch_unwind(AssertUnwindSafe(|| renderer.make(job)));
                let made = made.unwrap_or_else(|_| {
                    // The renderer's memo may be half written: start over with a new one.
                    renderer = Renderer::new(renderer.rules());
                    Err(Fault::internal("the valuation panicked"))
                });
                let took = clock.monotonic().saturating_sub(began).as_micros();
                seen.busy_us.fetch_add(u64::try_from(took).unwrap_or(u64::MAX), Relaxed);
                seen.done.fetch_add(1, Relaxed);
                let _ = reply.send(made);
            }
        })?;
        Ok(Self { queue, load })
    }
}

impl Compute {
    /// Jobs waiting, jobs done, and the time spent in those, microseconds.
    #[must_use]
    pub fn load(&self) -> (u64, u64, u64) {
        let Load { pending, done, busy_us } = &*self.load;
        (pending.load(Relaxed), done.load(Relaxed), busy_us.load(Relaxed))
    }
}

impl Workshop for Compute {
    async fn make(&self, job: Job) -> Result<Made, Fault> {
        let (reply, made) = oneshot::channel();
        self.load.pending.fetch_add(1, Relaxed);
        self.queue.try_send(Order { job, reply }).map_err(|refused| {
            self.load.pending.fetch_sub(1, Relaxed);
            match refused {
                mpsc::TrySendError::Full(_) => Fault::overloaded("compute"),
                mpsc::TrySendError::Disconnected(_) => {
                    Fault::internal("the compute thread has ended")
                }
            }
        })?;
        made.await.unwrap_or_else(|_| Err(Fault::internal("the compute thread has ended")))
    }
}
