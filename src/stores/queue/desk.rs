//! The queue of valuations and its workers, on the backplane. With a Redis the queue is the one of all processes; while that
//! is away a process queues for itself.

use std::rc::Rc;
use std::time::Duration;

use shards::clock::Clock;
use tokio::sync::Notify;
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
use crate::expectation::jobs::Offered;
use crate::expectation::jobs::Wish;
use crate::limits::RECALCULATION_MAX;
use crate::limits::VALUATION_WORKERS;
use crate::stores::redis::client::Client;
use crate::stores::redis::client::Trouble;
use crate::stores::redis::queue::RedisQueue;

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

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worked {
    /// There is nothing left to do.
    Done,
    /// It may go better another time.
    Failed,
}

/// The queues of this process and of all, and those who work on them.
pub(super) struct Desk {
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
    pub(super) fn new(client: Option<Client>, rules: Rules, clock: Rc<dyn Clock>) -> Rc<Self> {
        Rc::new(Self {
            own: MemoryQueue::new(rules, Rc::clone(&clock)),
            common: client.map(|client| RedisQueue::new(client, NAME, rules)),
            rules,
            clock,
            arrived: Notify::new(),
            probe: JobsProbe::default(),
        })
    }

    /// Has jobs done by `work` from here on, and what is due queued again. On a `LocalSet`.
    pub(super) fn begin<W>(self: &Rc<Self>, work: impl Fn(Valuation) -> W + 'static)
    where
        W: Future<Output = Worked> + 'static,
    {
        let work = Rc::new(work);
        for _ in 0..VALUATION_WORKERS {
            spawn_local(Rc::clone(self).work(Rc::clone(&work)));
        }
        spawn_local(Rc::clone(self).tend());
    }

    pub(super) async fn offer(&self, name: &str, wish: Wish) -> Offered {
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

    pub(super) async fn recalculating(&self, name: &str) -> bool {
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

    pub(super) async fn snapshot(&self) -> JobsSnapshot {
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use shards::clock::ManualClock;

    use super::*;

    const RULES: Rules = Rules {
        high_max: 3,
        low_max: 3,
        retry: Duration::from_secs(1),
        tries_max: 3,
        in_work_max: Duration::from_secs(60),
        aside_max: 3,
    };

    fn desk() -> (Rc<ManualClock>, Rc<Desk>) {
        let clock = Rc::new(ManualClock::at_unix_ms(1_790_000_000_000));
        let desk = Desk::new(None, RULES, Rc::clone(&clock) as Rc<dyn Clock>);
        (clock, desk)
    }

    /// Without a Redis nothing waits.
    fn now<T>(work: impl Future<Output = T>) -> T {
        work.now_or_never().expect("nothing to wait for")
    }

    #[test]
    fn a_forced_job_is_not_taken_for_a_plain_one_and_who_waits_comes_first() {
        let (_, desk) = desk();
        let offer = |wish| now(desk.offer("가", wish));
        assert_eq!(offer(Wish::Old), Offered::Accepted);
        assert_eq!(now(desk.offer("나", Wish::Old)), Offered::Accepted);
        assert_eq!(offer(Wish::Forced), Offered::Accepted);
        assert_eq!([offer(Wish::Forced), offer(Wish::Missing)], [Offered::Known; 2]);
        let done: Vec<_> = std::iter::from_fn(|| now(desk.next()))
            .map(|(_, job)| valuation(&job.id).expect("ours"))
            .map(|Valuation { name, force }| (name, force))
            .collect();
        let expected = [("가", true), ("가", false), ("나", false)];
        assert_eq!(done, expected.map(|(name, force)| (name.to_owned(), force)));
    }

    #[test]
    fn a_recalculation_counts_until_it_has_ended_and_a_minute_at_most() {
        let (clock, desk) = desk();
        let runs = |name| now(desk.recalculating(name));
        now(desk.offer("가", Wish::Missing));
        assert!(!runs("가"), "nothing forced");
        let (which, plain) = now(desk.next()).expect("queued");
        now(desk.end(which, &plain, Worked::Done));
        now(desk.offer("가", Wish::Forced));
        assert!(runs("가") && !runs("나"), "queued");
        for tried in 1..=RULES.tries_max {
            let (which, job) = now(desk.next()).expect("queued again");
            assert!(runs("가"), "in work");
            now(desk.end(which, &job, Worked::Failed));
            assert_eq!(runs("가"), tried < RULES.tries_max, "until it is given up");
            clock.advance(Duration::from_secs(4));
            now(desk.own.tend()).expect("of this process");
        }
        assert_eq!(now(desk.snapshot()).counts.given_up, 1);
        now(desk.offer("가", Wish::Forced));
        clock.advance(RECALCULATION_MAX - Duration::from_millis(1));
        assert!(runs("가"));
        clock.advance(Duration::from_millis(1));
        assert!(!runs("가"), "too long");
    }
}
