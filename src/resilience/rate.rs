//! How many calls a second may be started, and a pause when the other side asks for one. It does not queue: it says
//! when the next call may start and reserves that moment, so that callers who wait keep their order.

use std::time::Duration;

/// A limiter of starts (generic cell rate algorithm).
#[derive(Debug, Clone)]
pub struct Rate {
    /// Time between two calls at the full rate; zero for no limit.
    interval: Duration,
    /// How far ahead of the rate calls may be: the burst.
    credit: Duration,
    /// When the next call would start at the full rate.
    next: Duration,
    paused_until: Duration,
}

impl Rate {
    /// At most `per_second` calls a second (0: no limit), and at once at most `burst` of them beyond that.
    #[must_use]
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = match per_second {
            0 => Duration::ZERO,
            n => Duration::from_secs(1) / n,
        };
        let credit = interval * burst.saturating_sub(1);
        Self { interval, credit, next: Duration::ZERO, paused_until: Duration::ZERO }
    }

    /// Reserves a start for a call that is ready at `now`: how long it must wait. None when that would be more than
    /// `wait_max`; nothing is reserved then.
    pub fn reserve(&mut self, now: Duration, wait_max: Duration) -> Option<Duration> {
        let earliest = self.next.saturating_sub(self.credit).max(self.paused_until);
        let wait = earliest.saturating_sub(now);
        if wait > wait_max {
            return None;
        }
        self.next = self.next.max(now + wait) + self.interval;
        Some(wait)
    }

    /// No call starts before `until`: the other side said so.
    pub fn pause(&mut self, until: Duration) {
        self.paused_until = self.paused_until.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_then_the_rate() {
        let mut rate = Rate::new(10, 3);
        let waits: Vec<_> =
            (0..5).map(|_| rate.reserve(ms(0), ms(1_000)).map(|w| w.as_millis())).collect();
        assert_eq!(waits, [Some(0), Some(0), Some(0), Some(100), Some(200)]);
        assert_eq!(rate.reserve(ms(0), ms(299)), None, "longer than the caller waits");
        assert_eq!(rate.reserve(ms(0), ms(300)), Some(ms(300)), "and nothing was taken by that");
        assert_eq!(rate.reserve(ms(10_000), ms(0)), Some(ms(0)));
    }

    #[test]
    fn a_pause_holds_everybody_back_and_ends() {
        let mut rate = Rate::new(0, 0);
        assert_eq!(rate.reserve(ms(0), ms(0)), Some(ms(0)), "no limit");
        rate.pause(ms(2_000));
        rate.pause(ms(1_000));
        assert_eq!(rate.reserve(ms(500), ms(1_000)), None);
        assert_eq!(rate.reserve(ms(500), ms(1_500)), Some(ms(1_500)));
        assert_eq!(rate.reserve(ms(2_000), ms(0)), Some(ms(0)));
    }

    proptest! {
        /// In any second at most the rate and the burst start, and waiting calls keep their order.
        #[test]
        fn no_second_sees_more(gaps in prop::collection::vec(0_u64..30, 1..600)) {
            let (per_second, burst) = (50, 10);
            let mut rate = Rate::new(per_second, burst);
            let (mut now, mut starts) = (Duration::ZERO, Vec::new());
            for gap in gaps {
                now += ms(gap);
                if let Some(wait) = rate.reserve(now, ms(2_000)) {
                    starts.push(now + wait);
                }
            }
            prop_assert!(starts.is_sorted());
            for (n, start) in starts.iter().enumerate() {
                let within = starts[n..].iter().take_while(|s| **s < *start + ms(1_000)).count();
                prop_assert!(within <= (per_second + burst) as usize, "{within}");
            }
        }
    }
}
