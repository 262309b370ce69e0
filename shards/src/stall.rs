//! How late a shard's own tick comes: work that holds the thread shows here, whatever it is. One per shard.
//! Pure: it is told the time. A shard that blocks, computes too long or is not scheduled looks the same.

use std::cell::Cell;
use std::time::Duration;

use crate::probe::Probe;

/// Lateness that counts as a stall. The runtime's timers alone are up to 2 ms late, the scheduler on a loaded machine a
/// few more.
pub const STALL_MIN: Duration = Duration::from_millis(10);

/// Watches one periodic tick.
#[derive(Debug)]
pub struct StallMeter {
    interval: Duration,
    due: Cell<Duration>,
}

impl StallMeter {
    /// For a tick every `interval`, first due one interval after `now`.
    #[must_use]
    pub fn new(interval: Duration, now: Duration) -> Self {
        Self { interval, due: Cell::new(now + interval) }
    }

    /// The tick has come at `now`; the next one is due an interval later.
    pub fn tick(&self, now: Duration, probe: &Probe) {
        let late = now.saturating_sub(self.due.replace(now + self.interval));
        if late > STALL_MIN {
            let late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
            probe.stalls.add(1);
            probe.stalled_us.add(late_us);
            probe.stall_us_max.raise(late_us);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_beyond_the_least_is_counted_once() {
        let (probe, at) = (Probe::default(), Duration::from_millis);
        let meter = StallMeter::new(at(50), at(0));
        for now in [50, 108, 158, 258, 308] {
            meter.tick(at(now), &probe);
        }
        let seen = probe.snapshot();
        assert_eq!((seen.stalls, seen.stalled_us, seen.stall_us_max), (1, 50_000, 50_000));
    }
}
