//! When requests start. Pure: time is an argument.
//!
//! An open loop has intended start times, evenly spaced, which no slow answer moves: a request that finds no free
//! connection keeps its time, so that its wait counts as latency (no coordinated omission). A closed loop starts a
//! request whenever a connection is free.

use std::time::Duration;

/// Start times of one thread's requests.
#[derive(Debug)]
pub(crate) struct Schedule {
    begin: Duration,
    end: Duration,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    /// Requests per second of all threads.
    rate: f64,
    /// Number of the next request among those of all threads, which take turns.
    next: u64,
    threads: u64,
}

impl Schedule {
    /// Requests from `begin` until before `end`, as fast as connections become free.
    pub(crate) fn closed(begin: Duration, end: Duration) -> Self {
        Self { begin, end, open: None }
    }

    /// Every `threads`th request, from the `thread`th on, of `rate` requests per second.
    pub(crate) fn open(
        begin: Duration,
        end: Duration,
        rate: f64,
        thread: u32,
        threads: u32,
    ) -> Self {
        let open = Open { rate, next: u64::from(thread), threads: u64::from(threads) };
        Self { begin, end, open: Some(open) }
    }

    /// When the next request is due; none when there is no more.
    pub(crate) fn next_due(&self, now: Duration) -> Option<Duration> {
        let due = match &self.open {
            // From the number, not from the time before: no error adds up.
            Some(open) => self.begin + Duration::from_secs_f64(open.next as f64 / open.rate),
            None => now.max(self.begin),
        };
        (due < self.end).then_some(due)
    }

    /// Takes the next request if it is due: its intended start time.
    pub(crate) fn take(&mut self, now: Duration) -> Option<Duration> {
        let due = self.next_due(now).filter(|&due| due <= now)?;
        if let Some(open) = &mut self.open {
            open.next += open.threads;
        }
        Some(due)
    }

    /// How many requests are due and were not taken.
    pub(crate) fn abandon(&mut self, now: Duration) -> u64 {
        let mut left = 0;
        if self.open.is_some() {
            while self.take(now).is_some() {
                left += 1;
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_closed_loop_starts_whenever_asked_between_begin_and_end() {
        let mut schedule = Schedule::closed(ms(100), ms(200));
        assert_eq!(schedule.take(ms(99)), None);
        assert_eq!(schedule.next_due(ms(50)), Some(ms(100)));
        assert_eq!(schedule.take(ms(100)), Some(ms(100)));
        assert_eq!(schedule.take(ms(199)), Some(ms(199)));
        assert_eq!((schedule.take(ms(200)), schedule.next_due(ms(200))), (None, None));
        assert_eq!(schedule.abandon(ms(300)), 0);
    }

    #[test]
    fn an_open_loop_keeps_its_times_however_late_it_is_asked() {
        let mut schedule = Schedule::open(ms(1_000), ms(2_000), 10.0, 0, 1);
        assert_eq!(schedule.take(ms(999)), None);
        assert_eq!(schedule.take(ms(1_050)), Some(ms(1_000)));
        assert_eq!(
            (schedule.take(ms(1_050)), schedule.next_due(ms(1_050))),
            (None, Some(ms(1_100)))
        );
        // A stall: everything meanwhile due is given out with the time it was due.
        let late: Vec<_> = std::iter::from_fn(|| schedule.take(ms(1_520))).collect();
        assert_eq!(late, [ms(1_100), ms(1_200), ms(1_300), ms(1_400), ms(1_500)]);
        assert_eq!(schedule.abandon(ms(5_000)), 4);
        assert_eq!(schedule.next_due(ms(5_000)), None);
    }

    #[test]
    fn threads_share_one_sequence_and_nothing_drifts() {
        let (rate, seconds) = (30_000.0, 3);
        let mut all: Vec<_> = (0..7)
            .flat_map(|thread| {
                let end = Duration::from_secs(seconds);
                let mut schedule = Schedule::open(Duration::ZERO, end, rate, thread, 7);
                std::iter::from_fn(move || schedule.take(end)).collect::<Vec<_>>()
            })
            .collect();
        all.sort_unstable();
        assert_eq!(all.len() as f64, rate * seconds as f64);
        for (n, &due) in all.iter().enumerate() {
            let exact = n as f64 / rate;
            assert!((due.as_secs_f64() - exact).abs() < 2e-9, "{n}: {due:?}");
        }
    }
}
