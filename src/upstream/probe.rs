//! What is counted about calls of the game API. On the backplane's thread, in its cells.

use shards::probe::Count;

use crate::upstream::answer::Endpoint;

shards::counters! {
    /// Calls of one endpoint by how they ended.
    CallProbe => CallSnapshot {
        /// Answered.
        answered,
        /// The character does not exist.
        unknown,
        /// Timeouts.
        timed_out,
        /// No connection, 5xx, answers cut off or unreadable.
        failed,
        /// 429.
        too_many,
        /// Other 4xx and what else is final.
        refused,
        /// Given up because nobody waited any more.
        cancelled,
        /// Time spent in calls that ended by themselves, microseconds.
        spent_us,
    }
}

/// Counters of the calls.
#[derive(Debug, Default)]
pub struct UpstreamProbe {
    calls: [CallProbe; Endpoint::ALL.len()],
    /// Calls on the way now.
    pub in_flight: Count,
    /// Repeated calls.
    pub retries: Count,
    /// Repeated calls not made because the budget was spent.
    pub retries_refused: Count,
    /// Calls not made because the breaker was open.
    pub breaker_refused: Count,
    /// Times the breaker opened.
    pub breaker_opened: Count,
    /// Calls not made because too many were on the way.
    pub bulkhead_refused: Count,
    /// Calls not made because their turn would have come too late.
    pub rate_refused: Count,
}

/// The counters at one moment, and where the breaker stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the probe's own counters")]
pub struct UpstreamSnapshot {
    pub calls: [CallSnapshot; Endpoint::ALL.len()],
    pub in_flight: u64,
    pub retries: u64,
    pub retries_refused: u64,
    pub breaker_refused: u64,
    pub breaker_opened: u64,
    pub bulkhead_refused: u64,
    pub rate_refused: u64,
    /// `closed`, `open` or `half_open`; empty before the first look.
    pub breaker: &'static str,
}

impl UpstreamProbe {
    /// The counters of one endpoint.
    #[must_use]
    pub fn calls(&self, endpoint: Endpoint) -> &CallProbe {
        &self.calls[endpoint as usize]
    }

    /// The counters now.
    #[must_use]
    pub fn snapshot(&self, breaker: &'static str) -> UpstreamSnapshot {
        UpstreamSnapshot {
            calls: std::array::from_fn(|n| self.calls[n].snapshot()),
            in_flight: self.in_flight.get(),
            retries: self.retries.get(),
            retries_refused: self.retries_refused.get(),
            breaker_refused: self.breaker_refused.get(),
            breaker_opened: self.breaker_opened.get(),
            bulkhead_refused: self.bulkhead_refused.get(),
            rate_refused: self.rate_refused.get(),
            breaker,
        }
    }
}
