//! Jobs that must not be lost and are done at least once: taken in once per id, handed out, acknowledged; tried again
//! when they fail or their worker is gone, put aside when that goes on. Here are the rules; `memory` is the queue of a
//! single process, `redis::queue` the one of many, and one list of tests holds for both. `desk` has
//! the jobs done, `orders` is the shards' way in.

pub mod desk;
pub mod memory;
pub mod orders;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use crate::stores::redis::client::Trouble;

/// Who comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Somebody waits for it.
    High,
    /// After all of those.
    Low,
}

/// Bounds and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Jobs that may be queued with high priority. What is tried again or redriven comes on top; it was taken in before.
    pub high_max: usize,
    /// The same, with low priority.
    pub low_max: usize,
    /// Pause after the first failure; doubles with each.
    pub retry: Duration,
    /// Tries in all. A job that fails the last is put aside.
    pub tries_max: u32,
    /// A job not acknowledged for this long is given to another worker.
    pub in_work_max: Duration,
    /// Jobs put aside that are kept, the latest.
    pub aside_max: usize,
}

impl Rules {
    /// Jobs that may be queued with this priority.
    #[must_use]
    pub fn queued_max(&self, priority: Priority) -> usize {
        match priority {
            Priority::High => self.high_max,
            Priority::Low => self.low_max,
        }
    }

    /// The pause after a failure of the try of this number, from 1; none when it was the last.
    #[must_use]
    pub fn pause(&self, tried: u32) -> Option<Duration> {
        (tried < self.tries_max).then(|| self.retry * 2_u32.pow((tried - 1).min(20)))
    }
}

/// What came of handing a job in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It will be done.
    Taken,
    /// One of this id is queued, in work or about to be tried again; it stands for this one too. If it was queued with
    /// low priority and this one's is high, so is its own from now on.
    Known,
    /// Too many are queued.
    Full,
}

/// A job to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What makes two jobs the same: the character.
    pub id: String,
    /// What it needs.
    pub payload: Bytes,
    /// The number of this try, from 1. An acknowledgement of an earlier one counts no more.
    pub tried: u32,
}

/// What a round of tending did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tended {
    /// Jobs whose pause was over.
    pub retried: u64,
    /// Jobs whose worker was gone.
    pub redriven: u64,
    /// Jobs put aside because their last worker was gone.
    pub put_aside: u64,
}

/// Jobs now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depths {
    /// Queued with high priority.
    pub high: u64,
    /// Queued with low priority.
    pub low: u64,
    /// In work.
    pub in_work: u64,
    /// Waiting for their next try.
    pub pausing: u64,
    /// Put aside.
    pub aside: u64,
}

impl Depths {
    /// Those of two queues together.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self {
            high: self.high + other.high,
            low: self.low + other.low,
            in_work: self.in_work + other.in_work,
            pausing: self.pausing + other.pausing,
            aside: self.aside + other.aside,
        }
    }
}

/// A queue of jobs.
pub trait Queue {
    /// Takes a job in.
    fn publish(
        &self,
        priority: Priority,
        id: &str,
        payload: &[u8],
    ) -> impl Future<Output = Result<Published, Trouble>>;

    /// What the job of this id needs, while it has not ended.
    fn payload(&self, id: &str) -> impl Future<Output = Result<Option<Bytes>, Trouble>>;

    /// Hands out a job, high priority first, then the oldest; none when there is none.
    fn consume(&self) -> impl Future<Output = Result<Option<Job>, Trouble>>;

    /// The job is done. False when it is somebody else's by now.
    fn ack(&self, job: &Job) -> impl Future<Output = Result<bool, Trouble>>;

    /// The job failed. False when it is somebody else's by now.
    fn nack(&self, job: &Job) -> impl Future<Output = Result<bool, Trouble>>;

    /// Queues again what is due. To be called every second or so, by any process.
    fn tend(&self) -> impl Future<Output = Result<Tended, Trouble>>;

    /// How many jobs there are.
    fn depths(&self) -> impl Future<Output = Result<Depths, Trouble>>;
}
