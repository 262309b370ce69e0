//! The Date field, formatted once a second instead of once an answer. One per shard.

use std::cell::Cell;
use std::io::Write as _;
use std::time::Duration;
use std::time::UNIX_EPOCH;

use httpdate::HttpDate;

/// Length of an IMF-fixdate (RFC 9110 5.6.7).
const DATE_BYTES: usize = 29;

/// The date of the last second asked for.
pub(super) struct DateCache {
    second: Cell<u64>,
    text: Cell<[u8; DATE_BYTES]>,
}

impl DateCache {
    pub(super) fn new() -> Self {
        Self { second: Cell::new(0), text: Cell::new(format(0)) }
    }

    /// The date at `unix_ms`.
    pub(super) fn at(&self, unix_ms: u64) -> [u8; DATE_BYTES] {
        let second = unix_ms / 1_000;
        if self.second.replace(second) != second {
            self.text.set(format(second));
        }
        self.text.get()
    }
}

fn format(second: u64) -> [u8; DATE_BYTES] {
    // HTTP dates have four-digit years.
    const YEAR_9999_END: u64 = 253_402_300_799;
    let date = HttpDate::from(UNIX_EPOCH + Duration::from_secs(second.min(YEAR_9999_END)));
    let mut text = [0; DATE_BYTES];
    write!(&mut text[..], "{date}").expect("every HTTP date has 29 characters");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_follows_the_second() {
        let cache = DateCache::new();
        let text = |ms| String::from_utf8(cache.at(ms).to_vec()).unwrap();
        assert_eq!(text(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(text(784_111_777_999), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(text(784_111_778_000), "Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(text(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(text(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
