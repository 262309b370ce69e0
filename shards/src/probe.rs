//! What a shard counts about itself, in plain cells: no atomics, no labels, no rendering. One per shard.
//! Others see it only as a snapshot, taken on the shard's own thread and sent as a message.

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
    pub fn sub(&self, n: u64) {
        self.0.set(self.0.get() - n);
    }

    /// Becomes `n` if that is more.
    pub fn raise(&self, n: u64) {
        self.0.set(self.0.get().max(n));
    }

    /// The number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// Declares counters of one thread, and what they are at one moment as plain data that may travel.
#[macro_export]
macro_rules! counters {
    ($(#[$doc:meta])* $probe:ident => $snapshot:ident {
        $($(#[$field_doc:meta])* $field:ident,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $probe {
            $($(#[$field_doc])* pub $field: $crate::probe::Count,)*
        }

        #[doc = concat!("What a `", stringify!($probe), "` has counted at one moment.")]
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
        pub struct $snapshot {
            $($(#[$field_doc])* pub $field: u64,)*
        }

        impl $probe {
            /// The counters now.
            #[must_use]
            pub fn snapshot(&self) -> $snapshot {
                $snapshot { $($field: self.$field.get(),)* }
            }
        }
    };
}

counters! {
    /// Counters of one shard.
    Probe => Snapshot {
        /// Connections accepted since the start.
        accepted,
        /// Connections open now.
        open,
        /// Connections turned away because the shard had its maximum.
        turned_away,
        /// Failed accepts, mostly for lack of file descriptors.
        accept_errors,
        /// Panics caught in connections and guarded tasks.
        panics,
        /// Connections whose deadline passed in any phase.
        expired,
        /// Connections whose peer went away while its request was in work.
        hung_up,
        /// Ticks of the shard that came late by more than `stall::STALL_MIN`.
        stalls,
        /// Time the shard was held up in those, microseconds.
        stalled_us,
        /// The longest of them, microseconds.
        stall_us_max,
    }
}
