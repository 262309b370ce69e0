//! What this process may do now, by its own monotonic clock. Pure. A standing ends by itself when no meeting follows;
//! a lock's use ends before its lease does.

use std::time::Duration;

use crate::locks::rule::Report;
use crate::locks::rule::Standing;
use crate::locks::rule::Times;

/// The last standing, for as long as it holds.
#[derive(Debug, Clone, Copy)]
pub struct Gate {
    times: Times,
    standing: Standing,
    /// Own time.
    until: Duration,
}

impl Gate {
    /// Closed.
    #[must_use]
    pub fn new(times: Times) -> Self {
        Self { times, standing: Standing::Neither, until: Duration::ZERO }
    }

    /// What may be used at `now`.
    #[must_use]
    pub fn standing(&self, now: Duration) -> Standing {
        if now < self.until { self.standing } else { Standing::Neither }
    }

    /// A meeting begins with this report. What the book may take away is not used while it is under way.
    pub fn meeting(&mut self, report: Report) {
        let kept = self.standing == Standing::First && report.first_reachable;
        if !kept {
            self.standing = Standing::Neither;
        }
    }

    /// The meeting that began at `began` granted this.
    pub fn met(&mut self, began: Duration, standing: Standing) {
        self.standing = standing;
        self.until = began + self.times.alive;
    }

    /// Until when a lock may be used that was asked for, or renewed, at `began`: somewhat shorter than its lease.
    #[must_use]
    pub fn usable(&self, began: Duration) -> Duration {
        began + self.times.lease.saturating_sub(self.times.margin)
    }
}
