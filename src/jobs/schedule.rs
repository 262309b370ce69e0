//! When a daily job is due. Pure. Days are Korea's, which has had no daylight saving time since 1988.

const MINUTE_MS: u64 = 60 * 1_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
/// Korea is so far ahead of UTC.
const KOREA_MS: u64 = 9 * 60 * MINUTE_MS;

/// The next time (unix ms) after `now_ms` at which clocks in Korea show this minute of the day.
#[must_use]
pub fn next_daily(now_ms: u64, minute_of_day: u16) -> u64 {
    let local_ms = now_ms + KOREA_MS;
    let due_ms = local_ms - local_ms % DAY_MS + u64::from(minute_of_day) * MINUTE_MS;
    let due_ms = if due_ms > local_ms { due_ms } else { due_ms + DAY_MS };
    due_ms - KOREA_MS
}

/// The same time of the day before.
#[must_use]
pub fn day_before(now_ms: u64) -> u64 {
    now_ms.saturating_sub(DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::korean_time;

    const FIVE: u16 = 5 * 60;
    /// 2026-11-21T00:00 in Korea.
    const MIDNIGHT_MS: u64 = 1_795_186_800_000;
    const HOUR_MS: u64 = 60 * MINUTE_MS;

    #[test]
    fn the_next_is_today_until_it_is_due_and_tomorrow_from_then_on() {
        for (now_ms, next) in [
            (MIDNIGHT_MS, "2026-11-21T05:00:00.000"),
            (MIDNIGHT_MS - 1, "2026-11-21T05:00:00.000"),
            (MIDNIGHT_MS - 19 * HOUR_MS, "2026-11-21T05:00:00.000"),
            (MIDNIGHT_MS - 19 * HOUR_MS - 1, "2026-11-20T05:00:00.000"),
            (MIDNIGHT_MS + 5 * HOUR_MS - 1, "2026-11-21T05:00:00.000"),
            (MIDNIGHT_MS + 5 * HOUR_MS, "2026-11-22T05:00:00.000"),
            (MIDNIGHT_MS + 23 * HOUR_MS, "2026-11-22T05:00:00.000"),
            (0, "1970-01-02T05:00:00.000"),
        ] {
            assert_eq!(korean_time::local(next_daily(now_ms, FIVE)), next, "after {now_ms}");
        }
        assert_eq!(korean_time::local(next_daily(MIDNIGHT_MS, 0)), "2026-11-22T00:00:00.000");
    }

    #[test]
    fn yesterday_is_the_day_before() {
        let yesterday = korean_time::local(day_before(MIDNIGHT_MS));
        assert_eq!(yesterday, "2026-11-20T00:00:00.000");
        assert_eq!(day_before(1), 0);
    }
}
