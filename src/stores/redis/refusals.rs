//! Redis saying no, as the log should have it: once when it begins, not for every command. Pure.

use std::cell::Cell;
use std::time::Duration;

/// Refusals closer together than this are one outage. A server that is full still answers what only reads, so an answer
/// ends nothing.
pub(super) const QUIET: Duration = Duration::from_secs(60);

/// The refusals of one client.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    last: Cell<Option<Duration>>,
}

impl Refusals {
    /// Notes one; true when it is the first of an outage.
    pub(super) fn begins(&self, now: Duration) -> bool {
        self.last.replace(Some(now)).is_none_or(|last| now.saturating_sub(last) >= QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_begins_once_however_long_it_is() {
        let refusals = Refusals::default();
        let begins = |seconds| refusals.begins(Duration::from_secs(seconds));
        assert!(begins(5));
        for seconds in (6..600).step_by(59) {
            assert!(!begins(seconds), "{seconds}");
        }
        assert!(begins(596 + QUIET.as_secs()), "another one");
    }
}
