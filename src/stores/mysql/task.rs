//! The backplane's side of the store: look-ups beside each other, one writer behind them.
//!
//! The writer owns the pending records and the journal. It tries, and when the server is away it waits, spills what is
//! too much, and tries again; look-ups are answered with nothing at once while the store is degraded, so that they cost
//! a request no time.

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc as threads;
use std::time::Duration;

use futures_channel::oneshot;
use mysql_async::Conn;
use mysql_async::Opts;
use shards::clock::Clock as _;
use shards::clock::SystemClock;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::BORROW_TIMEOUT;
use super::DEBOUNCE;
use super::Order;
use super::PENDING_MAX;
use super::READ_TIMEOUT;
use super::READS_MAX;
use super::rows;
use super::sessions::Bounds;
use super::sessions::Failure;
use super::sessions::Sessions;
use crate::expectation::ports::Record;
use crate::resilience::health::Health;
use crate::resilience::health::State;
use crate::stores::journal::Journal;
use crate::stores::migrations::Mismatch;
use crate::stores::pending::Pending;
use crate::stores::probe::StoreProbe;
use writer::Writer;

mod pace;
mod writer;

const READ: Bounds = Bounds { borrow: BORROW_TIMEOUT, work: READ_TIMEOUT };

/// The store as a task: to be run on a `LocalSet`, once.
pub struct MysqlTask {
    orders: mpsc::Receiver<Order>,
    sessions: Sessions,
    journal: Journal,
    probe: Arc<StoreProbe>,
    schema: threads::SyncSender<Result<(), Mismatch>>,
}

/// How far the end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// What waits is written.
    Ending,
    /// No time is left for that.
    Over,
}

/// What look-ups and the writer share.
struct Store {
    sessions: Sessions,
    probe: Arc<StoreProbe>,
    clock: SystemClock,
    health: RefCell<Health>,
    pending: RefCell<Pending>,
    reads: Cell<usize>,
    /// A record has come, or the server has gone.
    wake: Notify,
}

impl MysqlTask {
    pub(super) fn new(
        opts: &Opts,
        sessions_max: usize,
        orders: mpsc::Receiver<Order>,
        journal: Journal,
        probe: Arc<StoreProbe>,
        schema: threads::SyncSender<Result<(), Mismatch>>,
    ) -> Self {
        let sessions = Sessions::new(opts, sessions_max, &[]);
        probe.state.store(State::Degraded as u8, Relaxed);
        probe.journal_bytes.store(journal.bytes(), Relaxed);
        Self { orders, sessions, journal, probe, schema }
    }

    /// Serves until it is ended or the last handle is gone. Within a `LocalSet` only.
    pub async fn run(self) {
        let Self { orders, sessions, journal, probe, schema } = self;
        let store = Rc::new(Store {
            sessions,
            probe,
            clock: SystemClock::new(),
            health: RefCell::new(Health::new(DEBOUNCE)),
            pending: RefCell::new(Pending::new(PENDING_MAX)),
            reads: Cell::new(0),
            wake: Notify::new(),
        });
        let (phase, watched) = watch::channel(Phase::Serving);
        let writer = Writer::new(Rc::clone(&store), journal, schema, watched);
        let mut writer = spawn_local(writer.run());
        let end = tokio::select! {
            end = store.serve(orders) => end,
            // Records would wait for it for ever.
            ended = &mut writer => match ended.map_err(JoinError::try_into_panic) {
                Err(Ok(panic)) => std::panic::resume_unwind(panic),
                _ => return,
            },
        };
        let (within, done) = end.unzip();
        phase.send_replace(Phase::Ending);
        let ended = tokio::select! {
            ended = &mut writer => ended,
            () = sleep(within.unwrap_or_default()) => {
                phase.send_replace(Phase::Over);
                writer.await
            }
        };
        if let Err(panicked) = ended {
            tracing::error!(%panicked, "the store's writer panicked at the end");
        }
        // Nobody may be waiting any more.
        done.map(|done| done.try_send(()));
    }
}

impl Store {
    /// Takes orders until the last; gives what it says, if there is one.
    async fn serve(
        self: &Rc<Self>,
        mut orders: mpsc::Receiver<Order>,
    ) -> Option<(Duration, threads::SyncSender<()>)> {
        while let Some(order) = orders.recv().await {
            match order {
                Order::Name { name, reply } => {
                    let look_up = async move |c: &mut Conn| rows::name(c, &name).await;
                    self.read(reply, look_up);
                }
                Order::Gear { ocid, reply } => {
                    let look_up = async move |c: &mut Conn| rows::gear(c, &ocid).await;
                    self.read(reply, look_up);
                }
                Order::Received { ocid, reply } => {
                    let look_up = async move |c: &mut Conn| rows::received(c, &ocid).await;
                    self.read(reply, look_up);
                }
                Order::Keep(record) => {
                    self.put([record]);
                    self.wake.notify_one();
                }
                Order::End { within, done } => return Some((within, done)),
            }
        }
        None
    }

    /// Starts a look-up, if there is any use in it.
    fn read<T: 'static>(
        self: &Rc<Self>,
        reply: oneshot::Sender<Option<T>>,
        look_up: impl AsyncFnOnce(&mut Conn) -> mysql_async::Result<Option<T>> + 'static,
    ) {
        if self.state() == State::Degraded || self.reads.get() >= READS_MAX {
            self.probe.read_failures.fetch_add(1, Relaxed);
            return;
        }
        self.reads.set(self.reads.get() + 1);
        let store = Rc::clone(self);
        spawn_local(async move {
            let found = store.sessions.run(READ, look_up).await;
            store.reads.set(store.reads.get() - 1);
            store.judge(found.as_ref().err());
            let counter = match &found {
                Ok(Some(_)) => &store.probe.found,
                Ok(None) => &store.probe.absent,
                Err(_) => &store.probe.read_failures,
            };
            counter.fetch_add(1, Relaxed);
            // Whoever asked may have gone.
            let _ = reply.send(found.unwrap_or(None));
        });
    }

    fn put(&self, records: impl IntoIterator<Item = Record>) {
        let mut pending = self.pending.borrow_mut();
        let given_up: u64 = records.into_iter().map(|record| pending.put(record)).sum();
        self.probe.given_up.fetch_add(given_up, Relaxed);
        self.probe.pending.store(pending.len() as u64, Relaxed);
    }

    fn state(&self) -> State {
        self.health.borrow().state()
    }

    /// Learns from how something ended.
    fn judge(&self, failure: Option<&Failure>) {
        self.change(|health, now| match failure {
            Some(Failure::Away(_) | Failure::Late(_)) => health.failed(now),
            Some(Failure::Contended(_) | Failure::Refused(_)) | None => health.succeeded(),
        });
        if let Some(failure) = failure {
            tracing::debug!(%failure, "the store");
        }
    }

    fn change(&self, change: impl FnOnce(&mut Health, Duration)) {
        let mut health = self.health.borrow_mut();
        let before = health.state();
        change(&mut health, self.clock.monotonic());
        let state = health.state();
        if state != before {
            self.probe.state.store(state as u8, Relaxed);
            match state {
                State::Degraded => {
                    tracing::warn!("the store is degraded");
                    self.wake.notify_one();
                }
                State::Recovering => tracing::info!("the store can be reached"),
                State::Healthy => tracing::info!("the store is healthy"),
            }
        }
    }
}
