//! N shards on one thread, on a clock of their own, in an order that a seed decides: the same seed gives the same
//! run. For tests (`feature = "sim"`); knows no invariants, only tasks, timers and lag.
//!
//! A step polls one ready task, chosen by the dice; time moves only when told to, from timer to timer. Before a task
//! is polled, its shard is the one that `spawn` and `sleep` mean.

use std::cell::Cell;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::task::Context;
use std::task::Poll;
use std::task::Wake;
use std::task::Waker;
use std::time::Duration;

use crate::ShardId;
use crate::clock::Clock as _;
use crate::clock::ManualClock;
use crate::spawn;
use crate::spawn::Executor;
use crate::spawn::LocalFuture;

/// Random bits from a seed (SplitMix64).
#[derive(Debug)]
pub struct Dice(Cell<u64>);

impl Dice {
    /// The dice of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// 64 uniform bits.
    pub fn bits(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    ///
    /// # Panics
    /// When `bound` is zero.
    pub fn below(&self, bound: usize) -> usize {
        assert!(bound > 0, "nothing is below zero");
        usize::try_from(self.bits() % bound as u64).expect("below a usize")
    }

    /// True `percent` times in a hundred.
    pub fn chance(&self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Whole milliseconds, from none to `max`.
    pub fn up_to(&self, max: Duration) -> Duration {
        let ms = usize::try_from(max.as_millis()).expect("a short time");
        Duration::from_millis(self.below(ms + 1) as u64)
    }
}

/// A task of a run, for cancelling it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId(u64);

struct Task {
    shard: ShardId,
    /// Longest time between its being woken and its being ready.
    lag_max: Duration,
    /// Away while it is polled.
    future: Option<LocalFuture>,
    woken: Arc<Woken>,
}

/// Puts its task into the queue of those woken, once until it is polled.
struct Woken {
    task: TaskId,
    queued: AtomicBool,
    queue: mpsc::Sender<TaskId>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Relaxed) {
            // Fails only when the run is over.
            let _ = self.queue.send(self.task);
        }
    }
}

/// What a timer is for.
enum Due {
    Wake(Waker),
    Ready(TaskId),
}

struct Timer {
    at: Duration,
    /// Timers of one instant go off in the order in which they were set.
    number: u64,
    due: Due,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}
impl Eq for Timer {}
impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

struct World {
    dice: Dice,
    clock: Rc<ManualClock>,
    tasks: RefCell<BTreeMap<TaskId, Task>>,
    timers: RefCell<BinaryHeap<Reverse<Timer>>>,
    numbers: Cell<u64>,
    wakes: mpsc::Sender<TaskId>,
}

/// One run.
pub struct Sim {
    world: Rc<World>,
    shards: Vec<Rc<OneShard>>,
    woken: mpsc::Receiver<TaskId>,
    ready: RefCell<Vec<TaskId>>,
}

/// The executor that tasks of one shard see.
struct OneShard {
    id: ShardId,
    world: Rc<World>,
}

impl Sim {
    /// A run of `shards` shards that begins at this wall time.
    #[must_use]
    pub fn new(seed: u64, shards: u16, unix_ms: u64) -> Self {
        let (wakes, woken) = mpsc::channel();
        let world = Rc::new(World {
            dice: Dice::new(seed),
            clock: Rc::new(ManualClock::at_unix_ms(unix_ms)),
            tasks: RefCell::default(),
            timers: RefCell::default(),
            numbers: Cell::new(0),
            wakes,
        });
        let shards =
            ShardId::all(shards).map(|id| Rc::new(OneShard { id, world: Rc::clone(&world) }));
        Self { shards: shards.collect(), world, woken, ready: RefCell::default() }
    }

    /// The dice of the run; what a test rolls, it rolls here.
    #[must_use]
    pub fn dice(&self) -> &Dice {
        &self.world.dice
    }

    /// The clock of all shards.
    #[must_use]
    pub fn clock(&self) -> Rc<ManualClock> {
        Rc::clone(&self.world.clock)
    }

    /// Starts a task on a shard. Each time it is woken it may be held back by up to `lag_max`: the delay of a message
    /// is the lag of the task that receives it.
    pub fn spawn(
        &self,
        shard: ShardId,
        lag_max: Duration,
        task: impl Future<Output = ()> + 'static,
    ) -> TaskId {
        self.world.add(shard, lag_max, Box::pin(task))
    }

    /// Drops a task wherever it is; false when it has ended already.
    pub fn cancel(&self, task: TaskId) -> bool {
        let cancelled = self.world.tasks.borrow_mut().remove(&task);
        // Dropped outside the borrow, on its shard: a drop may wake, spawn and cancel.
        if let Some(Task { shard, .. }) = &cancelled {
            self.enter(*shard);
        }
        cancelled.is_some()
    }

    /// Polls one ready task; false when none is.
    pub fn step(&self) -> bool {
        self.sort_woken();
        let chosen = {
            let mut ready = self.ready.borrow_mut();
            if ready.is_empty() {
                return false;
            }
            let at = self.world.dice.below(ready.len());
            ready.swap_remove(at)
        };
        self.poll(chosen);
        true
    }

    /// Runs whatever is ready and lets `span` pass, timer by timer. `after_step` is called after every step.
    ///
    /// # Panics
    /// When one instant takes more than [`STEPS_MAX`] steps: tasks that wake each other for ever.
    pub fn run_for(&self, span: Duration, after_step: impl Fn()) {
        let until = self.world.clock.monotonic() + span;
        loop {
            let mut steps = 0;
            while self.step() {
                after_step();
                steps += 1;
                assert!(steps < STEPS_MAX, "tasks wake each other without end");
            }
            let now = self.world.clock.monotonic();
            match self.world.next_timer() {
                Some(at) if at <= until => self.world.advance(at.saturating_sub(now)),
                _ => {
                    self.world.advance(until.saturating_sub(now));
                    return;
                }
            }
        }
    }

    /// Tasks that have not ended.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.world.tasks.borrow().len()
    }

    /// Makes `spawn` and `sleep` mean this shard, for building what lives on it.
    pub fn enter(&self, shard: ShardId) {
        spawn::install(Rc::clone(&self.shards[shard.index()]) as Rc<dyn Executor>);
    }

    fn sort_woken(&self) {
        while let Ok(id) = self.woken.try_recv() {
            let Some(lag_max) = self.world.tasks.borrow().get(&id).map(|task| task.lag_max) else {
                continue;
            };
            if lag_max.is_zero() || self.world.dice.chance(50) {
                self.ready.borrow_mut().push(id);
            } else {
                let lag = self.world.dice.up_to(lag_max);
                self.world.set_timer(self.world.clock.monotonic() + lag, Due::Ready(id));
            }
        }
        for due in self.world.take_due() {
            match due {
                Due::Ready(id) => self.ready.borrow_mut().push(id),
                Due::Wake(waker) => waker.wake(),
            }
        }
        while let Ok(id) = self.woken.try_recv() {
            self.ready.borrow_mut().push(id);
        }
    }

    fn poll(&self, id: TaskId) {
        let taken = {
            let mut tasks = self.world.tasks.borrow_mut();
            // Cancelled since it was woken.
            let Some(task) = tasks.get_mut(&id) else { return };
            task.woken.queued.store(false, Relaxed);
            task.future.take().map(|future| (task.shard, future, Arc::clone(&task.woken)))
        };
        let Some((shard, mut future, woken)) = taken else { return };
        self.enter(shard);
        let waker = Waker::from(woken);
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(()) => {
                self.world.tasks.borrow_mut().remove(&id);
            }
            Poll::Pending => {
                if let Some(task) = self.world.tasks.borrow_mut().get_mut(&id) {
                    task.future = Some(future);
                }
            }
        }
    }
}

/// Steps of one instant after which a run is called endless.
pub const STEPS_MAX: usize = 1_000_000;

impl World {
    fn number(&self) -> u64 {
        let number = self.numbers.get();
        self.numbers.set(number + 1);
        number
    }

    fn add(&self, shard: ShardId, lag_max: Duration, future: LocalFuture) -> TaskId {
        let id = TaskId(self.number());
        let (queued, queue) = (AtomicBool::new(false), self.wakes.clone());
        let woken = Arc::new(Woken { task: id, queued, queue });
        Arc::clone(&woken).wake();
        let task = Task { shard, lag_max, future: Some(future), woken };
        self.tasks.borrow_mut().insert(id, task);
        id
    }

    fn set_timer(&self, at: Duration, due: Due) {
        let number = self.number();
        self.timers.borrow_mut().push(Reverse(Timer { at, number, due }));
    }

    fn next_timer(&self) -> Option<Duration> {
        self.timers.borrow().peek().map(|Reverse(timer)| timer.at)
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn take_due(&self) -> Vec<Due> {
        let now = self.clock.monotonic();
        let mut timers = self.timers.borrow_mut();
        let mut due = Vec::new();
        while timers.peek().is_some_and(|Reverse(timer)| timer.at <= now) {
            due.extend(timers.pop().map(|Reverse(timer)| timer.due));
        }
        due
    }
}

impl Executor for OneShard {
    fn spawn(&self, task: LocalFuture) {
        self.world.add(self.id, Duration::ZERO, task);
    }

    fn sleep(&self, duration: Duration) -> LocalFuture {
        let world = Rc::clone(&self.world);
        let at = world.clock.monotonic() + duration;
        let mut is_set = false;
        Box::pin(poll_fn(move |cx| {
            if world.clock.monotonic() >= at {
                return Poll::Ready(());
            }
            // Once: within a run a sleep stays in the task that first waits for it.
            if !is_set {
                is_set = true;
                world.set_timer(at, Due::Wake(cx.waker().clone()));
            }
            Poll::Pending
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order in which three tasks of two shards write their letter, three times each with sleeps in between.
    fn trace(seed: u64) -> String {
        let sim = Sim::new(seed, 2, 0);
        let written = Rc::new(RefCell::new(String::new()));
        for (letter, shard) in [('a', 0), ('b', 1), ('c', 1)] {
            let written = Rc::clone(&written);
            sim.spawn(ShardId::new(shard), Duration::ZERO, async move {
                for _ in 0..3 {
                    written.borrow_mut().push(letter);
                    spawn::sleep(Duration::from_millis(5)).await;
                }
            });
        }
        sim.run_for(Duration::from_millis(15), || ());
        assert_eq!(sim.tasks(), 0);
        written.take()
    }

    #[test]
    fn a_seed_is_a_schedule() {
        let traces: Vec<_> = (0..50).map(trace).collect();
        for (seed, first) in (0..50).zip(&traces) {
            assert_eq!(trace(seed), *first, "seed {seed}");
        }
        let different = traces.iter().collect::<std::collections::BTreeSet<_>>();
        assert!(different.len() > 20, "{} orders in 50 seeds", different.len());
    }

    #[test]
    fn time_passes_from_timer_to_timer_and_no_further_than_told() {
        let sim = Sim::new(1, 1, 1_000);
        let clock = sim.clock();
        let woke = Rc::new(Cell::new(Duration::ZERO));
        let (at, seen) = (Rc::clone(&clock), Rc::clone(&woke));
        sim.spawn(ShardId::new(0), Duration::ZERO, async move {
            spawn::sleep(Duration::from_secs(5)).await;
            seen.set(at.monotonic());
        });
        sim.run_for(Duration::from_secs(4), || ());
        assert_eq!((woke.get(), sim.tasks()), (Duration::ZERO, 1));
        sim.run_for(Duration::from_secs(4), || ());
        assert_eq!((woke.get(), sim.tasks()), (Duration::from_secs(5), 0));
        assert_eq!(clock.unix_ms(), 9_000);
    }

    #[test]
    fn a_cancelled_task_is_dropped_where_it_waits() {
        struct Told(Rc<Cell<bool>>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let sim = Sim::new(1, 1, 0);
        let dropped = Rc::new(Cell::new(false));
        let told = Told(Rc::clone(&dropped));
        let task = sim.spawn(ShardId::new(0), Duration::ZERO, async move {
            let _told = told;
            spawn::sleep(Duration::from_secs(1)).await;
        });
        sim.run_for(Duration::ZERO, || ());
        assert!(!dropped.get());
        assert!(sim.cancel(task) && dropped.get() && !sim.cancel(task));
        sim.run_for(Duration::from_secs(2), || ());
    }

    #[test]
    fn lag_holds_a_woken_task_back_at_most_so_long() {
        let lag_max = Duration::from_millis(100);
        let mut lags = Vec::new();
        for seed in 0..100 {
            let sim = Sim::new(seed, 1, 0);
            let began = Rc::new(Cell::new(None));
            let (seen, clock) = (Rc::clone(&began), sim.clock());
            sim.spawn(ShardId::new(0), lag_max, async move { seen.set(Some(clock.monotonic())) });
            sim.run_for(lag_max, || ());
            lags.push(began.get().expect("within its lag"));
        }
        assert!(lags.contains(&Duration::ZERO) && lags.iter().any(|lag| *lag > lag_max / 2));
    }
}
