//! Unix milliseconds as the database's `datetime(6)` in UTC, and back. Not through the server's own functions, whose
//! results depend on the session's time zone and, in MariaDB, end in 2038.

use mysql_async::Value;
use time::Date;
use time::Month;
use time::OffsetDateTime;
use time::PrimitiveDateTime;
use time::Time;

/// The last millisecond a `datetime` can hold: the end of the year 9999.
const LAST_MS: u64 = 253_402_300_799_999;

/// A time as a parameter. What comes after the year 9999 is its end.
pub(super) fn value(unix_ms: u64) -> Value {
    let nanos = i128::from(unix_ms.min(LAST_MS)) * 1_000_000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).expect("at most LAST_MS");
    let year = u16::try_from(at.year()).expect("1970 to 9999");
    let (date, time) = (at.date(), at.time());
    let (hour, minute, second, micros) = time.as_hms_micro();
    Value::Date(year, date.month().into(), date.day(), hour, minute, second, micros)
}

/// A time of a row; none for what is not a date from 1970 on.
pub(super) fn unix_ms(value: &Value) -> Option<u64> {
    let Value::Date(year, month, day, hour, minute, second, micros) = *value else { return None };
    let date = Date::from_calendar_date(year.into(), Month::try_from(month).ok()?, day).ok()?;
    let time = Time::from_hms_micro(hour, minute, second, micros).ok()?;
    let nanos = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp_nanos();
    u64::try_from(nanos / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        assert_eq!(value(0), Value::Date(1970, 1, 1, 0, 0, 0, 0));
        assert_eq!(value(951_826_554_321), Value::Date(2000, 2, 29, 12, 15, 54, 321_000));
        assert_eq!(value(u64::MAX), Value::Date(9999, 12, 31, 23, 59, 59, 999_000));
        for wrong in [Value::NULL, Value::Int(3), Value::Date(0, 0, 0, 0, 0, 0, 0)] {
            assert_eq!(unix_ms(&wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(ms in 0..=LAST_MS) {
            prop_assert_eq!(unix_ms(&value(ms)), Some(ms));
        }
    }
}
