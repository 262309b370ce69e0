//! One thread of the generator: its ring, its connections, its share of the schedule. Allocates nothing per
//! request; time is read twice a turn, after events came and before requests leave.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shards::clock::Clock as _;
use shards::clock::SystemClock;
use socket2::SockAddr;

use super::args::Check;
use super::connection::Connection;
use super::connection::Outcome;
use super::connection::Request;
use super::connection::Retry;
use super::popularity::Popularity;
use super::popularity::Random;
use super::response::Answer;
use super::response::Hashing;
use super::schedule::Schedule;
use super::tally::Failure;
use super::tally::Tally;
use super::target::Targets;
use crate::ring::Event;
use crate::ring::Ring;
use crate::ring::Slot;

/// Received at once. A longer answer comes in pieces: one of 145 KB took 21 us of client CPU in pieces of 32 KiB, 18 us
/// whole. Only the pages that answers reach are ever in memory.
const BUFFER_BYTES: usize = 256 * 1024;
/// How often connections are looked at for timeouts, and so how exact a timeout is.
const SWEEP: Duration = Duration::from_millis(10);
/// After a failed attempt to connect.
const CONNECT_PAUSE: Duration = Duration::from_millis(10);

/// What all threads of a run share, read-only.
pub(crate) struct Run {
    pub(crate) targets: Targets,
    /// The answer of each URL; empty when nothing is compared.
    pub(crate) expected: Vec<Answer>,
    pub(crate) popularity: Popularity,
    pub(crate) check: Check,
    pub(crate) body_change_allowed: bool,
    pub(crate) statuses: Vec<u16>,
    pub(crate) retry: Retry,
    pub(crate) timeout: Duration,
    pub(crate) rate: Option<f64>,
    pub(crate) connections: u32,
    pub(crate) threads: u32,
    pub(crate) seed: u64,
    pub(crate) clock: SystemClock,
    /// Start of the warm-up, start of the measurement, end of both, on the monotonic `clock`.
    pub(crate) begin: Duration,
    pub(crate) measured_from: Duration,
    pub(crate) end: Duration,
}

/// What a thread has done so far, for those who watch. A cache line of its own for each thread.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct Progress {
    /// Answers as expected.
    pub(crate) answers: AtomicU64,
    /// Their bytes, heads included.
    pub(crate) bytes: AtomicU64,
    pub(crate) failures: AtomicU64,
}

/// Runs the `thread`th of the run's threads to the end.
///
/// # Errors
/// When the kernel gives no ring, or the ring fails; what a server does is counted instead.
pub(crate) fn work(run: &Run, thread: u32, progress: &Progress) -> io::Result<Tally> {
    crate::process::precise_timers()?;
    let mut worker = Worker::new(run, thread, progress)?;
    worker.run()?;
    Ok(worker.tally)
}

struct Worker<'a> {
    run: &'a Run,
    progress: &'a Progress,
    peer: Arc<SockAddr>,
    ring: Ring,
    slots: Vec<Slot>,
    /// By slot.
    connections: Vec<Connection>,
    /// Connected and without a request; the longest idle goes first.
    idle: VecDeque<Slot>,
    /// Connections with a request.
    busy: u32,
    schedule: Schedule,
    random: Random,
    tally: Tally,
    next_sweep: Duration,
}

impl<'a> Worker<'a> {
    fn new(run: &'a Run, thread: u32, progress: &'a Progress) -> io::Result<Self> {
        let mut ring = Ring::new(Arc::clone(&run.targets.requests), BUFFER_BYTES)?;
        let share =
            run.connections / run.threads + u32::from(thread < run.connections % run.threads);
        let slots: Vec<Slot> = (0..share).map(|_| ring.add()).collect();
        let hashing = if run.check == Check::Body { Hashing::On } else { Hashing::Off };
        let connections = slots.iter().map(|_| Connection::new(hashing, run.retry)).collect();
        let schedule = match run.rate {
            Some(rate) => Schedule::open(run.begin, run.end, rate, thread, run.threads),
            None => Schedule::closed(run.begin, run.end),
        };
        Ok(Self {
            run,
            progress,
            peer: Arc::new(run.targets.peer.into()),
            ring,
            idle: VecDeque::with_capacity(slots.len()),
            slots,
            connections,
            busy: 0,
            schedule,
            random: Random::new(run.seed, thread),
            tally: Tally::new(),
            next_sweep: Duration::ZERO,
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let give_up = self.run.end + self.run.timeout;
        loop {
            let now = self.run.clock.monotonic();
            if now >= give_up {
                self.tally.unsent(self.schedule.abandon(now));
            }
            self.start_due(now)?;
            if now >= self.next_sweep {
                self.next_sweep = now + SWEEP;
                self.sweep(now)?;
            }
            let due = self.schedule.next_due(now);
            if due.is_none() && self.busy == 0 && now >= self.run.end {
                return Ok(());
            }
            let due = due.filter(|_| !self.idle.is_empty());
            let wake = due.map_or(self.next_sweep, |due| due.min(self.next_sweep));
            self.ring.wait(wake.saturating_sub(now))?;
            let now = self.run.clock.monotonic();
            while let Some(event) = self.ring.next() {
                self.on(event, now)?;
            }
        }
    }

    /// Starts what is due, as far as connections are free.
    fn start_due(&mut self, now: Duration) -> io::Result<()> {
        while let Some(&slot) = self.idle.front() {
            let Some(intended) = self.schedule.take(now) else { break };
            self.idle.pop_front();
            let target = self.run.popularity.pick(&mut self.random);
            self.connections[slot.index()].begin(Request { target, intended, retried: false }, now);
            self.busy += 1;
            self.send(slot, target)?;
        }
        Ok(())
    }

    fn send(&mut self, slot: Slot, target: usize) -> io::Result<()> {
        self.ring.send(slot, target)?;
        self.ring.receive(slot)
    }

    /// Connects what is down, gives up what takes too long.
    fn sweep(&mut self, now: Duration) -> io::Result<()> {
        for n in 0..self.slots.len() {
            let (slot, connection) = (self.slots[n], &self.connections[n]);
            if connection.wants_to_connect(now) {
                self.connect(slot, now)?;
            } else if connection.is_overdue(now, self.run.timeout) {
                if connection.is_connecting() {
                    self.connect_failed(slot, now, &io::ErrorKind::TimedOut.into())?;
                } else {
                    let request = self.connections[n].close(now);
                    self.ring.close(slot)?;
                    if let Some(request) = request {
                        self.busy -= 1;
                        self.failed(Failure::Timeout, request, "no whole answer");
                    }
                }
            }
        }
        Ok(())
    }

    fn connect(&mut self, slot: Slot, now: Duration) -> io::Result<()> {
        self.connections[slot.index()].connecting(now);
        match self.ring.connect(slot, &self.peer) {
            Ok(()) => Ok(()),
            Err(error) => self.connect_failed(slot, now, &error),
        }
    }

    fn connect_failed(&mut self, slot: Slot, now: Duration, error: &io::Error) -> io::Result<()> {
        let request = self.connections[slot.index()].close(now + CONNECT_PAUSE);
        self.busy -= u32::from(request.is_some());
        self.tally.failed(Failure::Connect, || format!("{}: {error}", self.run.targets.peer));
        add(&self.progress.failures, 1);
        self.ring.close(slot)
    }

    fn on(&mut self, event: Event, now: Duration) -> io::Result<()> {
        match event {
            // A message that could not be sent shows in what is received: nothing, or an error.
            Event::Sent(..) | Event::Accepted(_) => Ok(()),
            Event::Connected(slot, Err(error)) => self.connect_failed(slot, now, &error),
            Event::Connected(slot, Ok(())) => match self.connections[slot.index()].connected(now) {
                Some(target) => self.send(slot, target),
                None => {
                    self.idle.push_back(slot);
                    Ok(())
                }
            },
            Event::Received(slot, result) => {
                let connection = &mut self.connections[slot.index()];
                let outcome = match result {
                    Ok(bytes) => connection.received(self.ring.received(slot, bytes)),
                    Err(error) => connection.receive_failed(&error),
                };
                self.settle(slot, outcome, now)
            }
            Event::Closed(slot) => {
                let connection = &mut self.connections[slot.index()];
                connection.closed();
                if connection.wants_to_connect(now) { self.connect(slot, now) } else { Ok(()) }
            }
        }
    }

    fn settle(&mut self, slot: Slot, outcome: Outcome, now: Duration) -> io::Result<()> {
        match outcome {
            Outcome::Pending => self.ring.receive(slot),
            Outcome::Answered(request, answer) => {
                self.busy -= 1;
                self.judge(request, answer, now);
                // A server may answer, and refuse, a request it has not read to its end.
                if answer.close || self.ring.is_sending(slot) {
                    self.connections[slot.index()].close(now);
                    return self.ring.close(slot);
                }
                self.idle.push_back(slot);
                Ok(())
            }
            Outcome::Retry => {
                self.tally.retried += 1;
                self.connections[slot.index()].close_for_retry(now);
                self.ring.close(slot)
            }
            Outcome::Failed(request, failure, why) => {
                self.connections[slot.index()].close(now);
                self.busy -= 1;
                self.failed(failure, request, why);
                self.ring.close(slot)
            }
        }
    }

    /// Checks an answer; only one as expected counts as throughput and latency.
    fn judge(&mut self, request: Request, answer: Answer, now: Duration) {
        self.tally.answered(answer.status);
        if !self.run.statuses.contains(&answer.status) {
            return self.failed(Failure::Status, request, answer.status);
        }
        if self.is_changed(request.target, &answer) {
            if !self.run.body_change_allowed {
                let found = format_args!("{} bytes, xxh3 {:016x}", answer.length, answer.hash);
                return self.failed(Failure::Body, request, found);
            }
            self.tally.changed += 1;
        }
        add(&self.progress.answers, 1);
        add(&self.progress.bytes, answer.bytes);
        if request.intended >= self.run.measured_from {
            self.tally.measured(now.saturating_sub(request.intended));
        }
    }

    fn is_changed(&self, target: usize, answer: &Answer) -> bool {
        self.run.expected.get(target).is_some_and(|expected| {
            // Another status that is expected, too, has a body of its own.
            expected.status == answer.status
                && (expected.length, expected.hash) != (answer.length, answer.hash)
        })
    }

    fn failed(&mut self, failure: Failure, request: Request, why: impl Display) {
        let targets = &self.run.targets;
        self.tally.failed(failure, || format!("{}: {why}", targets.urls[request.target].target));
        add(&self.progress.failures, 1);
    }
}

/// Only this thread writes its progress: a load and a store are cheaper than an atomic addition.
fn add(sum: &AtomicU64, more: u64) {
    sum.store(sum.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}
