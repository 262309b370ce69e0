//! The shards' way to the queue of valuations: a cheap handle that sends orders to the backplane and awaits the replies.
//! The orders are bounded; one that is not taken is answered as by a full queue.

use std::rc::Rc;
use std::sync::Arc;

use futures_channel::oneshot;
use shards::clock::Clock;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::task::spawn_local;

use super::Rules;
use super::desk::Desk;
use super::desk::JobsSnapshot;
use super::desk::Valuation;
use super::desk::Worked;
use crate::expectation::jobs::Jobs;
use crate::expectation::jobs::Offered;
use crate::expectation::jobs::Said;
use crate::expectation::jobs::Wish;
use crate::stores::redis::client::Client;

/// Orders that may wait to be begun.
pub const ORDERS_MAX: usize = 4_096;
/// Orders begun and not done.
pub const WORK_MAX: usize = 4_096;

enum Order {
    Offer { name: String, wish: Wish, reply: oneshot::Sender<Offered> },
    Recalculating { name: String, reply: oneshot::Sender<bool> },
    Snapshot { reply: oneshot::Sender<JobsSnapshot> },
}

/// The handle. One per shard, any thread.
#[derive(Clone)]
pub struct QueuedJobs {
    orders: mpsc::Sender<Order>,
}

/// Orders on their way to the backplane; may travel to its thread.
pub struct Orders(mpsc::Receiver<Order>);

/// The two ends, made before the backplane and the shards are.
#[must_use]
pub fn channel() -> (QueuedJobs, Orders) {
    let (orders, queue) = mpsc::channel(ORDERS_MAX);
    (QueuedJobs { orders }, Orders(queue))
}

impl QueuedJobs {
    /// The queue now; nothing when the backplane is too busy to say.
    pub async fn snapshot(&self) -> Option<JobsSnapshot> {
        let (reply, answer) = oneshot::channel();
        self.orders.try_send(Order::Snapshot { reply }).ok()?;
        answer.await.ok()
    }

    fn ask<T: 'static>(
        &self,
        instead: T,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Said<T> {
        let (reply, answer) = oneshot::channel();
        // A refused order has dropped its reply.
        let _ = self.orders.try_send(order(reply));
        Box::pin(async { answer.await.unwrap_or(instead) })
    }
}

impl Jobs for QueuedJobs {
    fn offer(&self, name: &str, wish: Wish) -> Said<Offered> {
        self.ask(Offered::Full, |reply| Order::Offer { name: name.to_owned(), wish, reply })
    }

    fn recalculating(&self, name: &str) -> Said<bool> {
        self.ask(false, |reply| Order::Recalculating { name: name.to_owned(), reply })
    }
}

impl Orders {
    /// Does orders, and has jobs done by `work`, until the last handle is gone. To be run on a `LocalSet`.
    pub async fn run<W>(
        mut self,
        client: Option<Client>,
        rules: Rules,
        clock: Rc<dyn Clock>,
        work: impl Fn(Valuation) -> W + 'static,
    ) where
        W: Future<Output = Worked> + 'static,
    {
        let desk = Desk::new(client, rules, clock);
        desk.begin(work);
        let room = Arc::new(Semaphore::new(WORK_MAX));
        while let Some(order) = self.0.recv().await {
            // Never closed.
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            let desk = Rc::clone(&desk);
            spawn_local(async move {
                fill(&desk, order).await;
                drop(place);
            });
        }
    }
}

async fn fill(desk: &Desk, order: Order) {
    // Whoever asked may have given up waiting.
    match order {
        Order::Offer { name, wish, reply } => {
            let _ = reply.send(desk.offer(&name, wish).await);
        }
        Order::Recalculating { name, reply } => {
            let _ = reply.send(desk.recalculating(&name).await);
        }
        Order::Snapshot { reply } => {
            let _ = reply.send(desk.snapshot().await);
        }
    }
}
