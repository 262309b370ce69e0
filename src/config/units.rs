//! Values with units: durations, byte sizes.

use std::time::Duration;

/// Shortest duration a key accepts, so that tests can scale time but nobody configures a busy loop.
const DURATION_MIN: Duration = Duration::from_millis(100);
const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// `250ms`, `10s`, `15m`, `24h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let value = plain_duration(text)?;
    if value < DURATION_MIN || value > DURATION_MAX {
        return Err(format!("out of range: {text} (100ms to 168h)"));
    }
    Ok(value)
}

/// Like [`duration`], where `0s` switches something off.
pub(crate) fn duration_or_zero(text: &str) -> Result<Duration, String> {
    match plain_duration(text)? {
        Duration::ZERO => Ok(Duration::ZERO),
        _ => duration(text),
    }
}

fn plain_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => {
            return Err(format!(
                "expected a duration with its unit, like 250ms, 10s, 15m; found {text:?}"
            ));
        }
    };
    let number: u64 =
        number.parse().map_err(|_| format!("not a whole number of {unit}: {text:?}"))?;
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(|| format!("too long: {text}"))
}

/// `64KiB`, `128MiB`, `2GiB`, or plain bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let scale: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("expected bytes with KiB, MiB or GiB; found {text:?}")),
    };
    let number: u64 = number.parse().map_err(|_| format!("not a whole number: {text:?}"))?;
    number.checked_mul(scale).ok_or_else(|| format!("too large: {text}"))
}

fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_a_range() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration_or_zero("0s"), Ok(Duration::ZERO));
        for wrong in
            ["10", "s", "-1s", "1.5s", "99ms", "0s", "169h", "99999999999999999999h", "10 s"]
        {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_with_and_without_unit() {
        assert_eq!(
            (bytes("512"), bytes("64KiB"), bytes("2GiB")),
            (Ok(512), Ok(65_536), Ok(2 << 30))
        );
        for wrong in ["64kb", "MiB", "1.5MiB", "99999999999GiB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
