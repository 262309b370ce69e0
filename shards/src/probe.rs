//! What a shard counts about itself, in plain cells: no atomics, no labels, no rendering. One per shard.
//! Others see it only as a `Snapshot`, taken on the shard's own thread and sent as a message.

use std::cell::Cell;

/// A number of one thread.
#[derive(Debug, Default)]
pub struct Count(Cell<u64>);

impl Count {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.set(self.0.get() + n);
    }

    /// Takes `n` off.
    pub(crate) fn sub(&self, n: u64) {
        self.0.set(self.0.get() - n);
    }

    /// The number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// Counters of one shard.
#[derive(Debug, Default)]
pub struct Probe {
    /// Connections accepted since the start.
    pub accepted: Count,
    /// Connections open now.
    pub open: Count,
    /// Connections turned away because the shard had its maximum.
    pub turned_away: Count,
    /// Failed accepts, mostly for lack of file descriptors.
    pub accept_errors: Count,
    /// Panics caught in connections and guarded tasks.
    pub panics: Count,
    /// Connections whose deadline passed in any phase.
    pub expired: Count,
}

/// The counters at one moment; travels to whoever renders them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// See [`Probe::accepted`].
    pub accepted: u64,
    /// See [`Probe::open`].
    pub open: u64,
    /// See [`Probe::turned_away`].
    pub turned_away: u64,
    /// See [`Probe::accept_errors`].
    pub accept_errors: u64,
    /// See [`Probe::panics`].
    pub panics: u64,
    /// See [`Probe::expired`].
    pub expired: u64,
}

impl Probe {
    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            accepted: self.accepted.get(),
            open: self.open.get(),
            turned_away: self.turned_away.get(),
            accept_errors: self.accept_errors.get(),
            panics: self.panics.get(),
            expired: self.expired.get(),
        }
    }
}
