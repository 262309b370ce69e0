//! Tasks and sleeps of the current shard, without naming the runtime. A task never leaves its thread, so it may
//! hold `Rc`. The runtime installs itself when a shard's thread starts; tests and a simulator install their own.
//! A panic in a plain task ends the shard: work done for somebody else goes through `spawn_guarded`.

use std::cell::RefCell;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;

use crate::probe::Probe;

/// A future owned by one thread.
pub type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// What runs the tasks of one thread.
pub trait Executor {
    /// Runs `task` to its end, concurrently with all others of this thread.
    fn spawn(&self, task: LocalFuture);
    /// Completes after `duration`; the resolution is a few milliseconds.
    fn sleep(&self, duration: Duration) -> LocalFuture;
}

thread_local! {
    static EXECUTOR: RefCell<Option<Rc<dyn Executor>>> = const { RefCell::new(None) };
}

/// Makes `executor` the one of this thread, in place of any before.
pub fn install(executor: Rc<dyn Executor>) {
    EXECUTOR.with_borrow_mut(|slot| *slot = Some(executor));
}

/// Runs `task` on this thread. Its panic ends the shard.
///
/// # Panics
/// On a thread that is no shard.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    current().spawn(Box::pin(task));
}

/// Runs `task` on this thread; its panic is counted and ends only the task.
///
/// # Panics
/// On a thread that is no shard.
pub fn spawn_guarded(probe: &Rc<Probe>, task: impl Future<Output = ()> + 'static) {
    spawn(guard(Rc::clone(probe), task));
}

/// Waits `duration`, at a resolution of a few milliseconds.
///
/// # Panics
/// On a thread that is no shard.
pub async fn sleep(duration: Duration) {
    current().sleep(duration).await;
}

/// `task` with its panic counted instead of carried on.
pub(crate) async fn guard(probe: Rc<Probe>, task: impl Future<Output = ()>) {
    if AssertUnwindSafe(task).catch_unwind().await.is_err() {
        probe.panics.add(1);
    }
}

fn current() -> Rc<dyn Executor> {
    EXECUTOR
        .with_borrow(Clone::clone)
        .expect("tasks and sleeps exist only on a shard's thread, after `install`")
}
