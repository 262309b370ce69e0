//! What one thread counted; tallies of all threads add up. Nothing here allocates while a run is going well.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Latencies are kept in nanoseconds, three digits exact, up to this; what is longer counts as this long.
const LATENCY_MAX: Duration = Duration::from_secs(3600);
const LATENCY_MIN: Duration = Duration::from_micros(1);
const DIGITS: u8 = 3;

/// Failures shown with their words; the others are only counted.
const EXAMPLES_MAX: usize = 10;

/// Statuses have three digits.
const STATUSES: usize = 1000;

/// What can go wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A status that was not expected.
    Status,
    /// Not the body that was fetched before the run.
    Body,
    /// No whole answer in time.
    Timeout,
    /// No connection.
    Connect,
    /// The connection closed before the first byte of an answer.
    Closed,
    /// The connection closed within an answer, or what came is none.
    Broken,
    /// Due in an open loop, and still without a connection a timeout after the end.
    Unsent,
}

impl Failure {
    pub(crate) const ALL: [Self; 7] = [
        Self::Status,
        Self::Body,
        Self::Timeout,
        Self::Connect,
        Self::Closed,
        Self::Broken,
        Self::Unsent,
    ];

    /// The name in the report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Body => "bodyMismatch",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Closed => "closedBeforeAnswer",
            Self::Broken => "brokenAnswer",
            Self::Unsent => "unsent",
        }
    }
}

/// Counts of a run, warm-up included, but for the latencies.
pub(crate) struct Tally {
    /// Nanoseconds from the intended start to the end of the answer: answers as expected, within the measured time.
    pub(crate) latency: Histogram<u64>,
    statuses: Vec<u64>,
    failures: [u64; Failure::ALL.len()],
    /// Answers that changed although nothing else is wrong with them, where that is allowed.
    pub(crate) changed: u64,
    pub(crate) retried: u64,
    pub(crate) examples: Vec<String>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let [low, high] = [LATENCY_MIN, LATENCY_MAX].map(nanoseconds);
        let latency = Histogram::new_with_bounds(low, high, DIGITS).expect("constant bounds");
        Self {
            latency,
            statuses: vec![0; STATUSES],
            failures: [0; Failure::ALL.len()],
            changed: 0,
            retried: 0,
            examples: Vec::new(),
        }
    }

    pub(crate) fn answered(&mut self, status: u16) {
        self.statuses[usize::from(status)] += 1;
    }

    pub(crate) fn measured(&mut self, latency: Duration) {
        self.latency.saturating_record(nanoseconds(latency));
    }

    /// Counts a failure; the first few are kept in words.
    pub(crate) fn failed(&mut self, failure: Failure, words: impl FnOnce() -> String) {
        self.failures[failure as usize] += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(format!("{}: {}", failure.name(), words()));
        }
    }

    /// Counts what was due and never sent.
    pub(crate) fn unsent(&mut self, requests: u64) {
        self.failures[Failure::Unsent as usize] += requests;
    }

    pub(crate) fn count(&self, failure: Failure) -> u64 {
        self.failures[failure as usize]
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.iter().sum()
    }

    /// Statuses that came, with how often.
    pub(crate) fn statuses(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.statuses.iter().copied().enumerate().filter(|&(_, count)| count > 0)
    }

    /// Adds the tally of another thread.
    pub(crate) fn add(&mut self, other: &Self) {
        self.latency.add(&other.latency).expect("the same bounds");
        let sums = self.statuses.iter_mut().chain(&mut self.failures);
        for (sum, more) in sums.zip(other.statuses.iter().chain(&other.failures)) {
            *sum += more;
        }
        self.changed += other.changed;
        self.retried += other.retried;
        let room = EXAMPLES_MAX - self.examples.len();
        self.examples.extend(other.examples.iter().take(room).cloned());
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_three_digits_whoever_measured() {
        let (mut a, mut b) = (Tally::new(), Tally::new());
        for us in 1..=10_000 {
            let tally = if us % 3 == 0 { &mut a } else { &mut b };
            tally.measured(Duration::from_micros(us));
        }
        a.add(&b);
        assert_eq!(a.latency.len(), 10_000);
        for (quantile, exact) in
            [(0.5, 5e6), (0.9, 9e6), (0.99, 9.9e6), (0.999, 9.99e6), (1.0, 1e7)]
        {
            let found = a.latency.value_at_quantile(quantile) as f64;
            assert!((found / exact - 1.0).abs() < 1e-3, "{quantile}: {found}");
        }
        let pairs: u64 = a.latency.iter_recorded().map(|step| step.count_at_value()).sum();
        assert_eq!(pairs, 10_000);
    }

    #[test]
    fn a_latency_beyond_the_bounds_is_kept_as_the_bound() {
        let mut tally = Tally::new();
        tally.measured(Duration::from_secs(100_000));
        tally.measured(Duration::ZERO);
        assert_eq!(tally.latency.len(), 2);
        assert!(tally.latency.max() >= nanoseconds(LATENCY_MAX));
    }

    #[test]
    fn counts_add_up_and_examples_stay_few() {
        let (mut a, mut b) = (Tally::new(), Tally::new());
        for n in 0..8 {
            a.failed(Failure::Body, || format!("a{n}"));
            b.failed(Failure::Timeout, || format!("b{n}"));
            b.answered(500);
        }
        b.unsent(3);
        (a.retried, b.retried) = (1, 2);
        a.add(&b);
        let counts = Failure::ALL.map(|failure| a.count(failure));
        assert_eq!(counts, [0, 8, 8, 0, 0, 0, 3]);
        assert_eq!((a.failures(), a.retried, a.examples.len()), (19, 3, EXAMPLES_MAX));
        assert_eq!(a.statuses().collect::<Vec<_>>(), [(500, 8)]);
    }
}
