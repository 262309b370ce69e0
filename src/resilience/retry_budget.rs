//! How many repeated calls a minute may see, whoever makes them: when everything fails, retries must not double or
//! treble the load on what is ill. First calls are free. A sliding window in slots of a second.

use std::time::Duration;

/// Seconds looked back on.
const WINDOW_SECS: usize = 60;

/// One budget.
#[derive(Debug, Clone)]
pub struct RetryBudget {
    retries_max: u32,
    /// Retries of each of the last seconds, by second modulo the window.
    spent: [u32; WINDOW_SECS],
    /// The second of the newest slot.
    newest: u64,
}

impl RetryBudget {
    /// At most `retries_max` in any minute.
    #[must_use]
    pub fn new(retries_max: u32) -> Self {
        Self { retries_max, spent: [0; WINDOW_SECS], newest: 0 }
    }

    /// Takes one retry at `now`, if there is one left.
    pub fn try_spend(&mut self, now: Duration) -> bool {
        self.advance(now.as_secs());
        if self.spent.iter().sum::<u32>() >= self.retries_max {
            return false;
        }
        self.spent[self.slot(self.newest)] += 1;
        true
    }

    fn advance(&mut self, second: u64) {
        let passed = second.saturating_sub(self.newest).min(WINDOW_SECS as u64);
        for n in 1..=passed {
            let slot = self.slot(second - passed + n);
            self.spent[slot] = 0;
        }
        self.newest = self.newest.max(second);
    }

    fn slot(&self, second: u64) -> usize {
        // The remainder is below the window, whatever the width of a pointer.
        (second % WINDOW_SECS as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_minute_has_its_retries_and_gets_them_back_second_by_second() {
        let mut budget = RetryBudget::new(3);
        let mut spend = |ms| budget.try_spend(Duration::from_millis(ms));
        assert!(spend(0) && spend(30_500) && spend(30_900));
        assert!(!spend(31_000) && !spend(59_999));
        assert!(spend(60_000), "the first one is a minute ago");
        assert!(!spend(89_999));
        assert!(spend(90_000) && spend(90_001) && !spend(90_002));
        assert!(spend(1_000_000), "long after");
    }

    proptest! {
        /// Never more than the budget in any whole-second minute, whatever the gaps.
        #[test]
        fn no_minute_has_more(gaps in prop::collection::vec(0_u64..2_000, 1..500), most in 1_u32..50) {
            let mut budget = RetryBudget::new(most);
            let (mut now, mut spent) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                if budget.try_spend(Duration::from_millis(now)) {
                    spent.push(now / 1_000);
                }
                let recent = spent.iter().filter(|second| **second + 60 > now / 1_000).count();
                prop_assert!(recent <= most as usize);
            }
        }
    }
}
