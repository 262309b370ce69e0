//! A histogram of latencies with fixed bounds, in cells of one thread: recording is a comparison or a few and two
//! additions. The bounds suit answers from a cache (below 50 us) up to the client's deadline (30 s).

use std::time::Duration;

use shards::probe::Count;

/// Upper bounds of the buckets, microseconds; one more bucket is above them all.
pub const BOUNDS_US: [u64; 18] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000,
];
const BUCKETS: usize = BOUNDS_US.len() + 1;

/// One histogram.
#[derive(Debug, Default)]
pub struct Latency {
    buckets: [Count; BUCKETS],
    sum_ns: Count,
}

/// A histogram at one moment; those of several shards add up.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct LatencySnapshot {
    /// Observations in each bucket, not cumulated.
    pub buckets: [u64; BUCKETS],
    /// Sum of all, nanoseconds.
    pub sum_ns: u64,
}

impl Latency {
    /// Counts one observation.
    pub fn record(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.iter().position(|bound| ns <= bound * 1_000);
        self.buckets[bucket.unwrap_or(BUCKETS - 1)].add(1);
        self.sum_ns.add(ns);
    }

    /// The histogram now.
    #[must_use]
    pub fn snapshot(&self) -> LatencySnapshot {
        LatencySnapshot {
            buckets: std::array::from_fn(|n| self.buckets[n].get()),
            sum_ns: self.sum_ns.get(),
        }
    }
}

impl LatencySnapshot {
    /// Adds the observations of another.
    pub fn merge(&mut self, other: &Self) {
        for (sum, n) in self.buckets.iter_mut().zip(other.buckets) {
            *sum += n;
        }
        self.sum_ns += other.sum_ns;
    }

    /// Observations in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_fall_into_the_bucket_of_their_bound_and_add_up() {
        let latency = Latency::default();
        for us in [1, 50, 51, 30_000_000, 30_000_001] {
            latency.record(Duration::from_micros(us));
        }
        let mut seen = latency.snapshot();
        assert_eq!((seen.buckets[0], seen.buckets[1]), (2, 1));
        assert_eq!((seen.buckets[BUCKETS - 2], seen.buckets[BUCKETS - 1]), (1, 1));
        assert_eq!(seen.sum_ns, 60_000_103_000);
        seen.merge(&latency.snapshot());
        assert_eq!((seen.count(), seen.buckets[0]), (10, 4));
        assert!(BOUNDS_US.is_sorted());
    }
}
