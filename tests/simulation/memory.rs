//! The memory that the processes of a run share, as a fake: it takes a while, it may die, losing everything or nothing,
//! and what it tells the others it tells them late. A process that could not hear it doubts its caches afterwards.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use maple_expectation::expectation::ports::Body;
use maple_expectation::expectation::ports::Gear;
use maple_expectation::expectation::ports::Kept;
use maple_expectation::expectation::shared::Dated;
use maple_expectation::expectation::shared::Done;
use maple_expectation::expectation::shared::Lead;
use maple_expectation::expectation::shared::Shared;
use maple_expectation::expectation::shared::SharedName;
use maple_expectation::expectation::shared::Slot;
use maple_expectation::expectation::shared::Turn;
use maple_expectation::routes::event::Event;
use maple_expectation::routes::owner::Question;
use shards::ShardId;
use shards::mailbox::Mailboxes;
use shards::sim::Dice;
use shards::spawn;

use crate::rules::Rules;

/// Longest way to the memory and back.
const WAY_MAX: Duration = Duration::from_millis(20);
/// Longest way of news to another process, the wait in its mailboxes aside.
pub(crate) const NEWS_LAG_MAX: Duration = Duration::from_millis(100);
/// How soon a full mailbox is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Bodies of one id: their birth, and each by name and view.
type Bodies = (u64, BTreeMap<String, Body>);
type Waiting = VecDeque<oneshot::Sender<Turn>>;

#[derive(Default)]
struct Held {
    bodies: BTreeMap<String, Bodies>,
    gear: BTreeMap<String, Dated<Gear>>,
    names: BTreeMap<String, SharedName>,
    turns: BTreeMap<String, Waiting>,
    cool_downs: BTreeMap<String, Duration>,
}

impl Held {
    /// Drops the bodies of an id that are older than this.
    fn renew(&mut self, ocid: &str, to_us: u64) {
        let (born_us, bodies) = self.bodies.entry(ocid.to_owned()).or_default();
        if *born_us < to_us {
            *born_us = to_us;
            bodies.clear();
        }
    }
}

/// The memory and the processes that listen to it.
pub(crate) struct Memory {
    rules: Rc<Rules>,
    dice: Rc<Dice>,
    dead: Cell<bool>,
    /// Whether news get lost while everything else works.
    mute: Cell<bool>,
    /// Counts deaths: a lead of an earlier life rules nobody in the next.
    life: Cell<u64>,
    held: RefCell<Held>,
    processes: RefCell<Vec<Mailboxes<Event>>>,
}

impl Memory {
    pub(crate) fn new(rules: Rc<Rules>, dice: Rc<Dice>) -> Rc<Self> {
        Rc::new(Self {
            rules,
            dice,
            dead: Cell::default(),
            mute: Cell::default(),
            life: Cell::default(),
            held: RefCell::default(),
            processes: RefCell::default(),
        })
    }

    pub(crate) fn listen(&self, process: Mailboxes<Event>) {
        self.processes.borrow_mut().push(process);
    }

    /// Nobody hears from it until it recovers.
    pub(crate) fn die(&self) {
        if !self.dead.replace(true) {
            self.life.set(self.life.get() + 1);
            self.rules.memory_died();
            self.rules.news_stopped();
            if self.dice.chance(50) {
                *self.held.borrow_mut() = Held::default();
            }
            // Who waits for a turn is told nothing more; dropping the senders says so.
            self.held.borrow_mut().turns.clear();
        }
    }

    /// News get lost from here on.
    pub(crate) fn fall_mute(&self) {
        self.mute.set(true);
        self.rules.news_stopped();
    }

    /// Every process hears it again, and knows that it may have missed something.
    pub(crate) fn recover(self: &Rc<Self>) {
        let (was_dead, was_mute) = (self.dead.replace(false), self.mute.replace(false));
        if was_dead || was_mute {
            for process in self.processes.borrow().iter() {
                self.send(process, || Question::Doubt);
            }
            if was_dead {
                self.rules.memory_recovered();
            }
            self.rules.news_resumed();
        }
    }

    /// To every shard of a process, each after a way of its own, as often as it takes.
    fn send(self: &Rc<Self>, process: &Mailboxes<Event>, question: impl Fn() -> Question) {
        for shard in ShardId::all(process.shards()) {
            let (memory, process, event) = (Rc::clone(self), process.clone(), question());
            let life = memory.life.get();
            spawn::spawn(async move {
                spawn::sleep(memory.dice.up_to(NEWS_LAG_MAX)).await;
                let mut event = Event::Question(event);
                while memory.life.get() == life {
                    let Err(refused) = process.try_send(shard, event) else { return };
                    event = refused.event;
                    spawn::sleep(RETRY_PAUSE).await;
                }
            });
        }
    }

    /// What it says after a while, if it lives then.
    fn say<T: 'static>(
        self: &Rc<Self>,
        say: impl FnOnce(&mut Held) -> Option<T> + 'static,
    ) -> Kept<T> {
        let memory = Rc::clone(self);
        Box::pin(async move {
            spawn::sleep(memory.dice.up_to(WAY_MAX)).await;
            if memory.dead.get() {
                return None;
            }
            say(&mut memory.held.borrow_mut())
        })
    }

    fn keep(self: &Rc<Self>, keep: impl FnOnce(&mut Held) + 'static) -> Done {
        let kept = self.say(|held| {
            keep(held);
            Some(())
        });
        Box::pin(async {
            kept.await;
        })
    }

    /// Gives the lead, and afterwards the outcome to all who wait, or the lead to the first of them when it is dropped.
    fn lead(self: &Rc<Self>, work: String) -> Turn {
        let (lead, told) = Lead::new();
        let (memory, life) = (Rc::clone(self), self.life.get());
        spawn::spawn(async move {
            let outcome = told.await;
            if memory.life.get() != life {
                return;
            }
            let waiting = memory.held.borrow_mut().turns.remove(&work).unwrap_or_default();
            match outcome {
                Ok(outcome) => {
                    for waiter in waiting {
                        let _ = waiter.send(Turn::Ended(outcome.clone()));
                    }
                }
                Err(oneshot::Canceled) => memory.pass_on(work, waiting),
            }
        });
        Turn::Lead(lead)
    }

    fn pass_on(self: &Rc<Self>, work: String, mut waiting: Waiting) {
        while let Some(next) = waiting.pop_front() {
            if !next.is_canceled() {
                self.rules.turn_passed();
                self.held.borrow_mut().turns.insert(work.clone(), waiting);
                let _ = next.send(self.lead(work));
                return;
            }
        }
    }
}

/// The memory as one process reaches it.
pub(crate) struct Line {
    pub(crate) process: usize,
    pub(crate) memory: Rc<Memory>,
}

impl Shared for Line {
    fn body(&self, slot: &Slot) -> Kept<Dated<Body>> {
        let (ocid, field) = place(slot);
        self.memory.say(move |held| {
            let (born_us, bodies) = held.bodies.get(&ocid)?;
            Some(Dated { value: bodies.get(&field)?.clone(), born_us: *born_us })
        })
    }

    fn put_body(&self, slot: Slot, body: Dated<Body>) -> Kept<Body> {
        let (ocid, field) = place(&slot);
        self.memory.say(move |held| {
            held.renew(&ocid, body.born_us);
            let (born_us, bodies) = held.bodies.entry(ocid).or_default();
            if *born_us != body.born_us {
                return None;
            }
            let first = bodies.get(&field).cloned();
            bodies.entry(field).or_insert(body.value);
            first
        })
    }

    fn gear(&self, ocid: &str) -> Kept<Dated<Gear>> {
        let ocid = ocid.to_owned();
        self.memory.say(move |held| held.gear.get(&ocid).cloned())
    }

    fn put_gear(&self, ocid: &str, gear: Dated<Gear>) -> Done {
        let ocid = ocid.to_owned();
        self.memory.keep(move |held| {
            if held.gear.get(&ocid).is_none_or(|held| held.born_us < gear.born_us) {
                held.renew(&ocid, gear.born_us);
                held.gear.insert(ocid, gear);
            }
        })
    }

    fn name(&self, name: &str) -> Kept<SharedName> {
        let name = name.to_owned();
        self.memory.say(move |held| held.names.get(&name).cloned())
    }

    fn put_name(&self, name: &str, said: SharedName) -> Done {
        let name = name.to_owned();
        self.memory.keep(move |held| {
            held.names.insert(name, said);
        })
    }

    fn turn(&self, work: String) -> Pin<Box<dyn Future<Output = Turn>>> {
        let memory = Rc::clone(&self.memory);
        Box::pin(async move {
            spawn::sleep(memory.dice.up_to(WAY_MAX)).await;
            if memory.dead.get() {
                return Turn::Lead(Lead::alone());
            }
            let led = memory.held.borrow().turns.contains_key(&work);
            if !led {
                memory.held.borrow_mut().turns.insert(work.clone(), Waiting::new());
                return memory.lead(work);
            }
            let (turn, mine) = oneshot::channel();
            memory.held.borrow_mut().turns.entry(work).or_default().push_back(turn);
            // The memory has died.
            mine.await.unwrap_or_else(|_| Turn::Lead(Lead::alone()))
        })
    }

    fn claim(&self, ocid: &str, cool_down: Duration) -> Kept<Duration> {
        let (ocid, now) = (ocid.to_owned(), self.memory.rules.now());
        self.memory.say(move |held| {
            let until = held.cool_downs.get(&ocid).copied().unwrap_or_default();
            if until > now {
                return Some(until - now);
            }
            held.cool_downs.insert(ocid, now + cool_down);
            None
        })
    }

    fn give_back(&self, ocid: &str) -> Done {
        let ocid = ocid.to_owned();
        self.memory.keep(move |held| {
            held.cool_downs.remove(&ocid);
        })
    }

    fn outdate(&self, ocid: &str, born_us: u64) -> Done {
        let (memory, ocid, own) = (Rc::clone(&self.memory), ocid.to_owned(), self.process);
        Box::pin(async move {
            spawn::sleep(memory.dice.up_to(WAY_MAX)).await;
            if memory.dead.get() || memory.mute.get() {
                return;
            }
            let processes = memory.processes.borrow().clone();
            for (_, process) in processes.iter().enumerate().filter(|(at, _)| *at != own) {
                memory.send(process, || Question::Outdate { ocid: ocid.clone(), born_us });
            }
        })
    }
}

fn place(slot: &Slot) -> (String, String) {
    match slot {
        Slot::View(character, view) => {
            (character.ocid.as_str().to_owned(), format!("{view:?} {}", character.name))
        }
        Slot::Totals(character, at) => (format!("{} {at}", character.ocid.as_str()), String::new()),
    }
}
