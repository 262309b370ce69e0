//! Jobs that must not be lost and are done at least once: taken in once per id, handed out, acknowledged; tried again
//! when they fail or their worker is gone, put aside when that goes on. Here are the rules, and the queue of a single
//! process; the one of many is `redis::queue`. One list of tests holds for both.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use shards::clock::Clock;

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
    /// Jobs that may be queued with each priority. What is tried again or redriven comes on top; it was taken in before.
    pub queued_max: usize,
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
    /// Service 7.2, 7.3: three more tries after 1, 2 and 4 s; redriven after 60 s; 1,000 queued.
    pub const SETTLED: Self = Self {
        queued_max: 1_000,
        retry: Duration::from_secs(1),
        tries_max: 4,
        in_work_max: Duration::from_secs(60),
        aside_max: 1_000,
    };

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
    /// One of this id is queued, in work or about to be tried again; it stands for this one too.
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

/// A queue of jobs.
pub trait Jobs {
    /// Takes a job in.
    fn publish(
        &self,
        priority: Priority,
        id: &str,
        payload: &[u8],
    ) -> impl Future<Output = Result<Published, Trouble>>;

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

/// The queue of a single process; gone with it.
pub struct MemoryJobs {
    rules: Rules,
    clock: Rc<dyn Clock>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    jobs: HashMap<String, Known>,
    queued: [VecDeque<String>; 2],
    aside: VecDeque<(String, Bytes)>,
}

struct Known {
    priority: Priority,
    payload: Bytes,
    tried: u32,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Queued,
    /// Since then.
    InWork(Duration),
    /// Until then.
    Pausing(Duration),
}

impl MemoryJobs {
    /// An empty queue.
    #[must_use]
    pub fn new(rules: Rules, clock: Rc<dyn Clock>) -> Self {
        Self { rules, clock, state: RefCell::default() }
    }
}

impl Jobs for MemoryJobs {
    async fn publish(
        &self,
        priority: Priority,
        id: &str,
        payload: &[u8],
    ) -> Result<Published, Trouble> {
        let state = &mut *self.state.borrow_mut();
        if state.jobs.contains_key(id) {
            return Ok(Published::Known);
        }
        if state.queued[priority as usize].len() >= self.rules.queued_max {
            return Ok(Published::Full);
        }
        let payload = Bytes::copy_from_slice(payload);
        let known = Known { priority, payload, tried: 0, place: Place::Queued };
        state.jobs.insert(id.to_owned(), known);
        state.queued[priority as usize].push_back(id.to_owned());
        Ok(Published::Taken)
    }

    async fn consume(&self) -> Result<Option<Job>, Trouble> {
        let state = &mut *self.state.borrow_mut();
        let Some(id) = state.queued.iter_mut().find_map(VecDeque::pop_front) else {
            return Ok(None);
        };
        let known = state.jobs.get_mut(&id).expect("what is queued is known");
        known.tried += 1;
        known.place = Place::InWork(self.clock.monotonic());
        Ok(Some(Job { id, payload: known.payload.clone(), tried: known.tried }))
    }

    async fn ack(&self, job: &Job) -> Result<bool, Trouble> {
        let state = &mut *self.state.borrow_mut();
        Ok(state.in_work(job) && state.jobs.remove(&job.id).is_some())
    }

    async fn nack(&self, job: &Job) -> Result<bool, Trouble> {
        let state = &mut *self.state.borrow_mut();
        if !state.in_work(job) {
            return Ok(false);
        }
        match self.rules.pause(job.tried) {
            Some(pause) => {
                let due = self.clock.monotonic() + pause;
                let known = state.jobs.get_mut(&job.id).expect("what is in work is known");
                known.place = Place::Pausing(due);
            }
            None => state.put_aside(&job.id, self.rules.aside_max),
        }
        Ok(true)
    }

    async fn tend(&self) -> Result<Tended, Trouble> {
        let state = &mut *self.state.borrow_mut();
        let now = self.clock.monotonic();
        let mut due = BTreeMap::new();
        for (id, known) in &state.jobs {
            let since = match known.place {
                Place::Pausing(until) if until <= now => until,
                Place::InWork(since) if since + self.rules.in_work_max <= now => since,
                _ => continue,
            };
            due.insert((since, id.clone()), known.place);
        }
        let mut tended = Tended::default();
        for ((_, id), place) in due {
            let known = state.jobs.get_mut(&id).expect("it was found there");
            let in_work = matches!(place, Place::InWork(_));
            if in_work && known.tried >= self.rules.tries_max {
                state.put_aside(&id, self.rules.aside_max);
                tended.put_aside += 1;
                continue;
            }
            known.place = Place::Queued;
            state.queued[known.priority as usize].push_front(id);
            *(if in_work { &mut tended.redriven } else { &mut tended.retried }) += 1;
        }
        Ok(tended)
    }

    async fn depths(&self) -> Result<Depths, Trouble> {
        let state = self.state.borrow();
        let count = |is: fn(&Place) -> bool| {
            state.jobs.values().filter(|known| is(&known.place)).count() as u64
        };
        Ok(Depths {
            high: state.queued[Priority::High as usize].len() as u64,
            low: state.queued[Priority::Low as usize].len() as u64,
            in_work: count(|place| matches!(place, Place::InWork(_))),
            pausing: count(|place| matches!(place, Place::Pausing(_))),
            aside: state.aside.len() as u64,
        })
    }
}

impl State {
    /// Whether this very try is in work.
    fn in_work(&self, job: &Job) -> bool {
        let known = self.jobs.get(&job.id);
        known.is_some_and(|known| {
            known.tried == job.tried && matches!(known.place, Place::InWork(_))
        })
    }

    fn put_aside(&mut self, id: &str, aside_max: usize) {
        if let Some(known) = self.jobs.remove(id) {
            self.aside.push_front((id.to_owned(), known.payload));
            self.aside.truncate(aside_max);
        }
    }
}
