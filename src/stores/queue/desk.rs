//! The queue of valuations: the shards' handle, which sends orders to the backplane and awaits the replies, and the work
//! that does them there and has the jobs done. With a Redis its queue is the one of all processes; while that is away a
//! process queues for itself.

use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use shards::clock::Clock;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::sleep;
use tokio::time::timeout;

use super::Depths;
use super::Job;
use super::Priority;
use super::Published;
use super::Queue;
use super::Rules;
use super::Tended;
use super::memory::MemoryQueue;
use crate::expectation::jobs::Jobs;
use crate::expectation::jobs::Offered;
use crate::expectation::jobs::Said;
use crate::expectation::jobs::Wish;
use crate::limits::RECALCULATION_MAX;
use crate::limits::VALUATION_WORKERS;
use crate::stores::redis::client::Client;
use crate::stores::redis::client::Trouble;
use crate::stores::redis::queue::RedisQueue;

/// Orders that may wait to be begun.
pub const ORDERS_MAX: usize = 4_096;
/// How soon an idle worker looks for jobs that another process has queued.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How soon what is due is queued again.
const TEND_INTERVAL: Duration = Duration::from_secs(1);
/// Name of the queue in Redis.
const NAME: &str = "v5";
/// What the id of a job begins with when the gear is to be fetched again, and when it need not be.
const FORCED: &str = "forced";
const PLAIN: &str = "plain";

shards::counters! {
    /// What a process's workers have done.
    JobsProbe => JobsCounts {
        /// Jobs done.
        done,
        /// Tries that failed; the job was tried again or given up.
        failed,
        /// Jobs given up, here or because their last worker was gone.
        given_up,
        /// Jobs whose worker was gone, queued again.
        redriven,
        /// Offers for which there was no room.
        refused,
    }
}

/// The queue now, and what this process has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobsSnapshot {
    /// Of all processes when they share one.
    pub depths: Depths,
    /// Of this process.
    pub counts: JobsCounts,
}

/// A valuation to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valuation {
    /// Whose.
    pub name: String,
    /// Whether the gear is to be fetched again.
    pub force: bool,
}

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
        let desk = Rc::new(Desk {
            own: MemoryQueue::new(rules, Rc::clone(&clock)),
            common: client.map(|client| RedisQueue::new(client, NAME, rules)),
            rules,
            clock,
            arrived: Notify::new(),
            probe: JobsProbe::default(),
        });
        let work = Rc::new(work);
        for _ in 0..VALUATION_WORKERS {
            spawn_local(Rc::clone(&desk).work(Rc::clone(&work)));
        }
        spawn_local(Rc::clone(&desk).tend());
        while let Some(order) = self.0.recv().await {
            let desk = Rc::clone(&desk);
            spawn_local(async move { desk.fill(order).await });
        }
    }
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worked {
    /// There is nothing left to do.
    Done,
    /// It may go better another time.
    Failed,
}

struct Desk {
    own: MemoryQueue,
    common: Option<RedisQueue>,
    rules: Rules,
    clock: Rc<dyn Clock>,
    /// Something was queued here.
    arrived: Notify,
    probe: JobsProbe,
}

/// Which of the two queues.
#[derive(Clone, Copy)]
enum Which {
    Own,
    Common,
}

impl Desk {
    async fn fill(&self, order: Order) {
        // Whoever asked may have given up waiting.
        match order {
            Order::Offer { name, wish, reply } => {
                let _ = reply.send(self.offer(&name, wish).await);
            }
            Order::Recalculating { name, reply } => {
                let _ = reply.send(self.recalculating(&name).await);
            }
            Order::Snapshot { reply } => {
                let _ = reply.send(self.snapshot().await);
            }
        }
    }

    async fn offer(&self, name: &str, wish: Wish) -> Offered {
        let priority = if wish == Wish::Old { Priority::Low } else { Priority::High };
        let id = id(name, wish == Wish::Forced);
        let asked = self.clock.unix_ms().to_string();
        let published = match &self.common {
            Some(common) => common.publish(priority, &id, asked.as_bytes()).await,
            None => Err(Trouble::Away),
        };
        let published = match published {
            Err(_) => self.own.publish(priority, &id, asked.as_bytes()).await,
            published => published,
        };
        match published {
            Ok(Published::Taken) => {
                self.arrived.notify_one();
                Offered::Accepted
            }
            Ok(Published::Known) => Offered::Known,
            Ok(Published::Full) | Err(_) => {
                self.probe.refused.add(1);
                Offered::Full
            }
        }
    }

    async fn recalculating(&self, name: &str) -> bool {
        let id = id(name, true);
        let mut asked = self.own.payload(&id).await;
        if let (Ok(None), Some(common)) = (&asked, &self.common) {
            asked = common.payload(&id).await;
        }
        let Ok(Some(asked)) = asked else { return false };
        let asked_ms = std::str::from_utf8(&asked).ok().and_then(|text| text.parse().ok());
        let since_ms = self.clock.unix_ms().saturating_sub(asked_ms.unwrap_or_default());
        Duration::from_millis(since_ms) < RECALCULATION_MAX
    }

    async fn snapshot(&self) -> JobsSnapshot {
        let own = self.own.depths().await.unwrap_or_default();
        let common = match &self.common {
            Some(common) => common.depths().await.unwrap_or_default(),
            None => Depths::default(),
        };
        JobsSnapshot { depths: own.with(&common), counts: self.probe.snapshot() }
    }

    /// Does jobs, one after the other.
    async fn work<W>(self: Rc<Self>, work: Rc<impl Fn(Valuation) -> W>)
    where
        W: Future<Output = Worked>,
    {
        loop {
            let Some((which, job)) = self.next().await else {
                self.wait().await;
                continue;
            };
            let worked = match valuation(&job.id) {
                Some(valuation) => work(valuation).await,
                // Of another build.
                None => Worked::Failed,
            };
            self.end(which, &job, worked).await;
        }
    }

    /// Until there may be a job. Nobody says so when another process has queued one.
    async fn wait(&self) {
        match self.common {
            Some(_) => {
                // Either way it is time to look.
                let _ = timeout(POLL_INTERVAL, self.arrived.notified()).await;
            }
            None => self.arrived.notified().await,
        }
    }

    async fn next(&self) -> Option<(Which, Job)> {
        if let Ok(Some(job)) = self.own.consume().await {
            return Some((Which::Own, job));
        }
        let job = self.common.as_ref()?.consume().await.ok()??;
        Some((Which::Common, job))
    }

    async fn end(&self, which: Which, job: &Job, worked: Worked) {
        let ended = match (which, &self.common) {
            (Which::Common, Some(common)) => end(common, job, worked).await,
            _ => end(&self.own, job, worked).await,
        };
        if let Err(trouble) = ended {
            tracing::warn!(%trouble, "the end of a job could not be told: it will be done again");
        }
        match worked {
            Worked::Done => self.probe.done.add(1),
            Worked::Failed => {
                self.probe.failed.add(1);
                self.probe.given_up.add(u64::from(self.rules.pause(job.tried).is_none()));
            }
        }
    }

    /// Queues again what is due, for ever.
    async fn tend(self: Rc<Self>) {
        loop {
            sleep(TEND_INTERVAL).await;
            let own = self.own.tend().await.unwrap_or_default();
            let common = match &self.common {
                Some(common) => common.tend().await.unwrap_or_default(),
                None => Tended::default(),
            };
            for Tended { retried, redriven, put_aside } in [own, common] {
                self.probe.redriven.add(redriven);
                self.probe.given_up.add(put_aside);
                (0..retried + redriven).for_each(|_| self.arrived.notify_one());
            }
        }
    }
}

async fn end(queue: &impl Queue, job: &Job, worked: Worked) -> Result<bool, Trouble> {
    match worked {
        Worked::Done => queue.ack(job).await,
        Worked::Failed => queue.nack(job).await,
    }
}

/// A forced job is none that a plain one could stand for.
fn id(name: &str, force: bool) -> String {
    let kind = if force { FORCED } else { PLAIN };
    format!("{kind}:{name}")
}

fn valuation(id: &str) -> Option<Valuation> {
    let (kind, name) = id.split_once(':')?;
    let force = match kind {
        FORCED => true,
        PLAIN => false,
        _ => return None,
    };
    Some(Valuation { name: name.to_owned(), force })
}
