//! The thread for work too long for a shard: parse, value, write, compress. One per process.
//!
//! A shard hands over a [`Job`] and gets the body back; while it waits, its other connections are served. The queue
//! is bounded and full means "overloaded" at once. A job that panics fails alone: the thread goes on.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc;

use futures_channel::oneshot;
use valuation::rules::Ruleset;

use crate::answer::renderer::Renderer;
use crate::error::Fault;
use crate::expectation::ports::Body;
use crate::expectation::ports::Job;
use crate::expectation::ports::Workshop;

/// Jobs waiting. At about 2 ms each the last one waits 2 s, well within a request's deadline.
pub const QUEUE_MAX: usize = 1_024;

struct Order {
    job: Job,
    reply: oneshot::Sender<Result<Body, Fault>>,
}

/// The way to the compute thread. Cheap to clone, one per shard.
#[derive(Clone)]
pub struct Compute {
    queue: mpsc::SyncSender<Order>,
}

impl Compute {
    /// Starts the thread. It ends when the last handle is gone.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(rules: Arc<Ruleset>) -> io::Result<Self> {
        let (queue, orders) = mpsc::sync_channel::<Order>(QUEUE_MAX);
        std::thread::Builder::new().name("compute".to_owned()).spawn(move || {
            let mut renderer = Renderer::new(rules);
            for Order { job, reply } in orders {
                if reply.is_canceled() {
                    continue;
                }
                let made = std::panic::catch_unwind(AssertUnwindSafe(|| renderer.make(job)));
                let made = made.unwrap_or_else(|_| {
                    // The renderer's memo may be half written: start over with a new one.
                    renderer = Renderer::new(renderer.rules());
                    Err(Fault::internal("the valuation panicked"))
                });
                let _ = reply.send(made);
            }
        })?;
        Ok(Self { queue })
    }
}

impl Workshop for Compute {
    async fn make(&self, job: Job) -> Result<Body, Fault> {
        let (reply, made) = oneshot::channel();
        self.queue.try_send(Order { job, reply }).map_err(|refused| match refused {
            mpsc::TrySendError::Full(_) => Fault::overloaded("compute"),
            mpsc::TrySendError::Disconnected(_) => Fault::internal("the compute thread has ended"),
        })?;
        made.await.unwrap_or_else(|_| Err(Fault::internal("the compute thread has ended")))
    }
}
