//! The one place that reads time. Everything else is handed a `Clock`, so that the same code runs under a test's
//! hand-moved clock or a simulator. Nothing here sleeps: that is `spawn::sleep`.

#![allow(clippy::disallowed_methods, reason = "the one room that may ask the system for the time")]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// A source of time.
pub trait Clock {
    /// Time since an arbitrary origin; never goes back. For differences only.
    fn monotonic(&self) -> Duration;
    /// Wall time, milliseconds since 1970-01-01T00:00:00Z. May jump when the machine's clock is set.
    fn unix_ms(&self) -> u64;
}

/// Where the monotonic clock starts: not at zero, so that what is older than the process can have a birth on it.
const BEGAN: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The machine's clock. Costs tens of nanoseconds a reading; on the request path take `CoarseClock`.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        BEGAN + self.origin.elapsed()
    }

    fn unix_ms(&self) -> u64 {
        // A machine set before 1970 reads as 1970: nothing here computes with dates that old.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that moves only when told to.
#[derive(Debug, Default)]
pub struct ManualClock {
    monotonic: Cell<Duration>,
    /// Wall time at monotonic zero.
    began_ms: Cell<u64>,
}

impl ManualClock {
    /// Monotonic zero, at this wall time.
    #[must_use]
    pub fn at_unix_ms(unix_ms: u64) -> Self {
        Self { monotonic: Cell::new(Duration::ZERO), began_ms: Cell::new(unix_ms) }
    }

    /// Lets time pass, on both readings.
    pub fn advance(&self, by: Duration) {
        self.monotonic.set(self.monotonic.get() + by);
    }

    /// Sets the wall clock ahead, as an operator would; no time passes.
    pub fn set_ahead(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.began_ms.set(self.began_ms.get().saturating_add(ms));
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        self.monotonic.get()
    }

    fn unix_ms(&self) -> u64 {
        let passed = u64::try_from(self.monotonic.get().as_millis()).unwrap_or(u64::MAX);
        self.began_ms.get().saturating_add(passed)
    }
}

/// How often a shard refreshes its coarse clock: the largest error of its readings on an idle shard.
pub const COARSE_TICK: Duration = Duration::from_millis(50);

/// The last reading of another clock. One per shard; the runtime refreshes it every `COARSE_TICK`.
pub struct CoarseClock {
    source: Rc<dyn Clock>,
    monotonic: Cell<Duration>,
    unix_ms: Cell<u64>,
}

impl CoarseClock {
    /// Takes a first reading of `source`.
    #[must_use]
    pub fn new(source: Rc<dyn Clock>) -> Self {
        let (monotonic, unix_ms) = (source.monotonic(), source.unix_ms());
        Self { source, monotonic: Cell::new(monotonic), unix_ms: Cell::new(unix_ms) }
    }

    /// Takes a new reading.
    pub fn refresh(&self) {
        self.monotonic.set(self.source.monotonic());
        self.unix_ms.set(self.source.unix_ms());
    }

    /// The clock behind, for the few places that need a fresh reading.
    #[must_use]
    pub fn precise(&self) -> &dyn Clock {
        &*self.source
    }

    /// The same, to keep.
    #[must_use]
    pub fn fine(&self) -> Rc<dyn Clock> {
        Rc::clone(&self.source)
    }
}

impl Clock for CoarseClock {
    fn monotonic(&self) -> Duration {
        self.monotonic.get()
    }

    fn unix_ms(&self) -> u64 {
        self.unix_ms.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_clock_stands_still_between_refreshes() {
        let hand = Rc::new(ManualClock::at_unix_ms(1_000));
        let coarse = CoarseClock::new(Rc::clone(&hand) as Rc<dyn Clock>);
        hand.advance(Duration::from_millis(75));
        assert_eq!((coarse.monotonic(), coarse.unix_ms()), (Duration::ZERO, 1_000));
        assert_eq!(coarse.precise().unix_ms(), 1_075);
        coarse.refresh();
        assert_eq!((coarse.monotonic(), coarse.unix_ms()), (Duration::from_millis(75), 1_075));
    }

    #[test]
    fn the_system_clock_is_past_2020_and_does_not_go_back() {
        let clock = SystemClock::new();
        let (a, b) = (clock.monotonic(), clock.monotonic());
        assert!(b >= a);
        assert!(clock.unix_ms() > 1_577_836_800_000);
    }
}
