//! How often and after what pause a failed call is made again. Full jitter: any time up to a bound that doubles, so
//! that those who failed together do not come back together.

use std::time::Duration;

/// The rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Calls in all, the first included; at least 1.
    pub attempts_max: u32,
    /// Longest pause before the second call; it doubles from call to call.
    pub base: Duration,
}

impl Policy {
    /// The pause before the next call after `made` of them, or None when that was the last. `dice` is uniform.
    #[must_use]
    pub fn pause(&self, made: u32, dice: u64) -> Option<Duration> {
        if made >= self.attempts_max {
            return None;
        }
        // Beyond 16 doublings any pause is longer than any deadline.
        let longest = self.base.saturating_mul(1 << made.saturating_sub(1).min(16));
        let share = (dice >> 11) as f64 / (1_u64 << 53) as f64;
        Some(longest.mul_f64(share))
    }

    /// Longest time all pauses can take together.
    #[must_use]
    pub fn pauses_max(&self) -> Duration {
        (1..self.attempts_max).filter_map(|made| self.pause(made, u64::MAX)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { attempts_max: 3, base: Duration::from_millis(500) };

    #[test]
    fn three_calls_with_pauses_up_to_half_a_second_and_a_second() {
        let ms = |made, dice| POLICY.pause(made, dice).map(|pause| pause.as_millis());
        assert_eq!([ms(1, 0), ms(2, 0), ms(3, 0)], [Some(0), Some(0), None]);
        assert_eq!([ms(1, 1 << 63), ms(2, 1 << 63)], [Some(250), Some(500)]);
        assert_eq!([ms(1, u64::MAX), ms(2, u64::MAX)], [Some(500), Some(1_000)]);
        assert!(POLICY.pauses_max() <= Duration::from_millis(1_500));
        let once = Policy { attempts_max: 1, ..POLICY };
        assert_eq!((once.pause(1, 0), once.pauses_max()), (None, Duration::ZERO));
        let many = Policy { attempts_max: 100, ..POLICY };
        assert!(many.pause(99, 1 << 60).is_some(), "no overflow");
    }

    #[test]
    fn pauses_are_spread_over_the_whole_range() {
        let mut tenths = [0; 10];
        for n in 0..1_000_u64 {
            let pause =
                POLICY.pause(1, n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).expect("a second call");
            tenths[(pause.as_secs_f64() / 0.5 * 10.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|n| (80..120).contains(n)), "{tenths:?}");
    }
}
