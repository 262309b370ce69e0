//! Wall times on the wire, always Korean time.

use time::OffsetDateTime;
use time::UtcOffset;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use time::macros::offset;

/// Korea has had no daylight saving time since 1988.
const SEOUL: UtcOffset = offset!(+9);
const LOCAL: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]");

/// ISO 8601 local date-time without zone: `2026-02-20T12:34:56.123` (the contract's `calculatedAt`, `timestamp`).
#[must_use]
pub fn local(unix_ms: u64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.to_offset(SEOUL).format(LOCAL).expect("the format asks only for what a date-time has")
}

/// RFC 3339 with its zone: `2026-02-20T12:34:56.123+09:00` (`dataAsOf`).
#[must_use]
pub fn zoned(unix_ms: u64) -> String {
    format!("{}+09:00", local(unix_ms))
}

#[cfg(test)]
mod tests {
    #[test]
    fn korean_time() {
        assert_eq!(super::local(1_767_193_199_999), "2025-12-31T23:59:59.999");
        assert_eq!(super::zoned(1_767_193_200_000), "2026-01-01T00:00:00.000+09:00");
    }
}
