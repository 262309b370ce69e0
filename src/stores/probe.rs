//! What a store has done. Written by its thread once per order, of 20 us and more; read by a scrape.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::resilience::health::State;

/// Counters of a store.
#[derive(Debug, Default)]
pub struct StoreProbe {
    /// Look-ups that found a row.
    pub found: AtomicU64,
    /// Look-ups that found none.
    pub absent: AtomicU64,
    /// Look-ups the store failed, or had no room for; the caller went on as if there were no row.
    pub read_failures: AtomicU64,
    /// Rows written.
    pub written: AtomicU64,
    /// Batches the store failed; their rows wait for the next try.
    pub write_failures: AtomicU64,
    /// Records given up because too many waited.
    pub given_up: AtomicU64,
    /// Records the store will never take, such as a text that is longer than its column.
    pub refused: AtomicU64,
    /// Records that went to the journal because the store was away.
    pub journaled: AtomicU64,
    /// Records that came from the journal into the store.
    pub replayed: AtomicU64,
    /// Segments of the journal that could not be read and were set aside.
    pub segments_unreadable: AtomicU64,
    /// Records that wait now.
    pub pending: AtomicU64,
    /// Bytes of the journal on the disk.
    pub journal_bytes: AtomicU64,
    /// A [`State`].
    pub state: AtomicU8,
}

/// [`StoreProbe`] at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreSnapshot {
    /// See [`StoreProbe::found`].
    pub found: u64,
    /// See [`StoreProbe::absent`].
    pub absent: u64,
    /// See [`StoreProbe::read_failures`].
    pub read_failures: u64,
    /// See [`StoreProbe::written`].
    pub written: u64,
    /// See [`StoreProbe::write_failures`].
    pub write_failures: u64,
    /// See [`StoreProbe::given_up`].
    pub given_up: u64,
    /// See [`StoreProbe::refused`].
    pub refused: u64,
    /// See [`StoreProbe::journaled`].
    pub journaled: u64,
    /// See [`StoreProbe::replayed`].
    pub replayed: u64,
    /// See [`StoreProbe::segments_unreadable`].
    pub segments_unreadable: u64,
    /// See [`StoreProbe::pending`].
    pub pending: u64,
    /// See [`StoreProbe::journal_bytes`].
    pub journal_bytes: u64,
    /// Where the store stands. A file is always healthy: it is there or the server does not start.
    pub state: State,
}

impl StoreProbe {
    /// All counters, one after the other.
    #[must_use]
    pub fn snapshot(&self) -> StoreSnapshot {
        StoreSnapshot {
            found: self.found.load(Relaxed),
            absent: self.absent.load(Relaxed),
            read_failures: self.read_failures.load(Relaxed),
            written: self.written.load(Relaxed),
            write_failures: self.write_failures.load(Relaxed),
            given_up: self.given_up.load(Relaxed),
            refused: self.refused.load(Relaxed),
            journaled: self.journaled.load(Relaxed),
            replayed: self.replayed.load(Relaxed),
            segments_unreadable: self.segments_unreadable.load(Relaxed),
            pending: self.pending.load(Relaxed),
            journal_bytes: self.journal_bytes.load(Relaxed),
            state: State::from_number(self.state.load(Relaxed)),
        }
    }
}
