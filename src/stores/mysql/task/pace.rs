//! How much one batch takes: half as much after one that was not done in time, twice as much again after some that were.
//! A batch is many round trips, so a server that is merely far away would never be done with a full one. Pure.

use crate::stores::batch::Share;

/// Halved so often, a full batch is one name.
const HALVINGS_MAX: u32 = 6;
/// Batches done in time before a larger one is tried, which may cost its time and a pause for nothing.
const DONE_BEFORE_MORE: u32 = 32;

/// The size of the next batch.
#[derive(Debug, Default)]
pub(super) struct Pace {
    halvings: u32,
    /// Since the size has changed, or one was late.
    done: u32,
}

impl Pace {
    /// So much of `full`.
    pub(super) fn of(&self, full: Share) -> Share {
        full.halved(self.halvings)
    }

    /// A batch was done in time.
    pub(super) fn in_time(&mut self) {
        self.done += 1;
        if self.done >= DONE_BEFORE_MORE {
            *self = Self { halvings: self.halvings.saturating_sub(1), done: 0 };
        }
    }

    /// A batch was not.
    pub(super) fn late(&mut self) {
        *self = Self { halvings: (self.halvings + 1).min(HALVINGS_MAX), done: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::mysql::SHARE;

    fn names(pace: &Pace) -> usize {
        pace.of(SHARE).names
    }

    #[test]
    fn late_batches_shrink_to_one_of_each_kind() {
        let mut pace = Pace::default();
        let mut sizes = Vec::new();
        for _ in 0..8 {
            sizes.push(names(&pace));
            pace.late();
        }
        assert_eq!(sizes, [64, 32, 16, 8, 4, 2, 1, 1]);
        let least = pace.of(SHARE);
        assert_eq!((least.gears, least.summaries), (1, 7));
    }

    #[test]
    fn a_larger_one_is_tried_after_enough_in_time_and_never_more_than_all() {
        let mut pace = Pace::default();
        pace.late();
        pace.late();
        for _ in 1..DONE_BEFORE_MORE {
            pace.in_time();
        }
        assert_eq!(names(&pace), 16);
        pace.late();
        pace.in_time();
        assert_eq!(names(&pace), 8, "they count from the last late one");
        for _ in 0..9 * DONE_BEFORE_MORE {
            pace.in_time();
        }
        assert_eq!(names(&pace), 64);
    }
}
