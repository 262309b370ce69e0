//! The queue of a single process; gone with it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use shards::clock::Clock;

use super::Depths;
use super::Job;
use super::Priority;
use super::Published;
use super::Queue;
use super::Rules;
use super::Tended;
use crate::stores::redis::client::Trouble;

/// Jobs in memory. Times are its clock's.
pub struct MemoryQueue {
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

impl MemoryQueue {
    /// An empty queue.
    #[must_use]
    pub fn new(rules: Rules, clock: Rc<dyn Clock>) -> Self {
        Self { rules, clock, state: RefCell::default() }
    }
}

impl Queue for MemoryQueue {
    async fn publish(
        &self,
        priority: Priority,
        id: &str,
        payload: &[u8],
    ) -> Result<Published, Trouble> {
        let state = &mut *self.state.borrow_mut();
        let known = state.jobs.get(id).map(|known| (known.priority, known.place));
        let promoted = known == Some((Priority::Low, Place::Queued)) && priority == Priority::High;
        if known.is_some() && !promoted {
            return Ok(Published::Known);
        }
        if state.queued[priority as usize].len() >= self.rules.queued_max(priority) {
            return Ok(Published::Full);
        }
        if promoted {
            state.promote(id);
            return Ok(Published::Known);
        }
        let payload = Bytes::copy_from_slice(payload);
        let known = Known { priority, payload, tried: 0, place: Place::Queued };
        state.jobs.insert(id.to_owned(), known);
        state.queued[priority as usize].push_back(id.to_owned());
        Ok(Published::Taken)
    }

    async fn payload(&self, id: &str) -> Result<Option<Bytes>, Trouble> {
        Ok(self.state.borrow().jobs.get(id).map(|known| known.payload.clone()))
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

    /// From the low queue to the end of the high one.
    fn promote(&mut self, id: &str) {
        self.queued[Priority::Low as usize].retain(|queued| queued != id);
        self.queued[Priority::High as usize].push_back(id.to_owned());
        if let Some(known) = self.jobs.get_mut(id) {
            known.priority = Priority::High;
        }
    }

    fn put_aside(&mut self, id: &str, aside_max: usize) {
        if let Some(known) = self.jobs.remove(id) {
            self.aside.push_front((id.to_owned(), known.payload));
            self.aside.truncate(aside_max);
        }
    }
}
