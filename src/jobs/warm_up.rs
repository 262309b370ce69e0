//! Makes ready who was wanted most yesterday, after the start and at 05:00 in Korea, in one process: the others find the
//! answers in the shared memory. To be run on a `LocalSet`.
//!
//! A run whose answers are still fresh is not repeated, so that processes that start one after the other warm up once, and
//! one that waited for another's run has nothing left to do, unless that other died on the way.

use std::rc::Rc;
use std::time::Duration;

use shards::clock::Clock;
use tokio::time::sleep;

use crate::jobs::schedule;
use crate::locks::held::Acquired;
use crate::locks::held::Guard;
use crate::locks::held::Locks;
use crate::locks::tier::SecondTier;
use crate::locks::tier::Tier;
use crate::stores::redis::client::Trouble;
use crate::stores::redis::popularity::Popularity;
use crate::stores::redis::popularity::day;

shards::counters! {
    /// What is counted about the warm-up.
    WarmUpProbe => WarmUpSnapshot {
        /// Runs that came to their end.
        succeeded,
        /// Runs that did not, or could not begin.
        failed,
        /// Runs left to another process, or done lately.
        skipped,
        /// Characters made ready.
        ready,
        /// Characters that could not be.
        unready,
    }
}

/// How it is done.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Characters.
    pub top: usize,
    /// Time after the start.
    pub after: Duration,
    /// Between two characters.
    pub pause: Duration,
    /// How long their answers are fresh.
    pub fresh: Duration,
}

/// The job.
pub struct WarmUp<F, S> {
    locks: Locks<F, S>,
    popularity: Popularity,
    settings: Settings,
    clock: Rc<dyn Clock>,
    probe: Rc<WarmUpProbe>,
}

const LOCK: &str = "popular-warmup-lock";
const FIVE_O_CLOCK: u16 = 5 * 60;
/// Between two looks at the wall clock, which may be set while a day is waited for.
const LOOK_PAUSE: Duration = Duration::from_secs(60);
/// How long the lock is asked for. Whoever has it may die, or be this process's own question whose answer was lost: a
/// process that asked once would leave the day to nobody.
const WAIT_MAX: Duration = Duration::from_secs(10 * 60);
/// Between two questions while no tier of the locks can be used.
const CLOSED_PAUSE: Duration = Duration::from_secs(1);
/// Between two questions while somebody else has it.
const BUSY_PAUSE: Duration = Duration::from_secs(5);

enum Done {
    Ran,
    /// Why not.
    Skipped(&'static str),
}

impl<F: Tier + 'static, S: SecondTier + 'static> WarmUp<F, S> {
    /// A job that counts in `probe`.
    #[must_use]
    pub fn new(
        locks: Locks<F, S>,
        popularity: Popularity,
        settings: Settings,
        clock: Rc<dyn Clock>,
        probe: Rc<WarmUpProbe>,
    ) -> Self {
        Self { locks, popularity, settings, clock, probe }
    }

    /// Runs when it is due. `prepare` makes a character's answer ready and says whether it could. Never ends.
    pub async fn run(self, prepare: impl AsyncFn(String) -> bool) {
        sleep(self.settings.after).await;
        loop {
            match self.once(&prepare).await {
                Ok(Done::Ran) => self.probe.succeeded.add(1),
                Ok(Done::Skipped(why)) => {
                    self.probe.skipped.add(1);
                    tracing::info!(why, "no warm-up here");
                }
                Err(why) => {
                    self.probe.failed.add(1);
                    tracing::warn!(why, "the warm-up failed");
                }
            }
            let due_ms = schedule::next_daily(self.clock.unix_ms(), FIVE_O_CLOCK);
            loop {
                let left = Duration::from_millis(due_ms.saturating_sub(self.clock.unix_ms()));
                if left.is_zero() {
                    break;
                }
                sleep(left.min(LOOK_PAUSE)).await;
            }
        }
    }

    async fn once(&self, prepare: &impl AsyncFn(String) -> bool) -> Result<Done, &'static str> {
        let end = self.clock.monotonic() + WAIT_MAX;
        loop {
            let (pause, instead) = match self.locks.acquire(LOCK, Duration::ZERO).await {
                Acquired::Held(guard) => {
                    let done = self.under(&guard, prepare).await;
                    guard.release().await;
                    return done;
                }
                Acquired::Busy => (BUSY_PAUSE, Ok(Done::Skipped("another process is at it"))),
                Acquired::Closed => (CLOSED_PAUSE, Err("no tier of the locks could be used")),
            };
            if self.clock.monotonic() >= end {
                return instead;
            }
            sleep(pause).await;
        }
    }

    async fn under(
        &self,
        guard: &Guard,
        prepare: &impl AsyncFn(String) -> bool,
    ) -> Result<Done, &'static str> {
        let away = |_: Trouble| "the shared memory could not be asked";
        let day = day(schedule::day_before(self.clock.unix_ms()));
        if self.popularity.is_warm(&day).await.map_err(away)? {
            return Ok(Done::Skipped("it was done lately"));
        }
        let names = self.popularity.top(&day, self.settings.top).await.map_err(away)?;
        let (wanted, mut ready) = (names.len(), 0_usize);
        for name in names {
            if guard.is_lost() {
                return Err("the lock was lost on the way");
            }
            if prepare(name).await {
                ready += 1;
                self.probe.ready.add(1);
            } else {
                self.probe.unready.add(1);
            }
            sleep(self.settings.pause).await;
        }
        tracing::info!(day, wanted, ready, "warmed up");
        self.popularity.warmed(&day, self.settings.fresh).await.map_err(away)?;
        Ok(Done::Ran)
    }
}
