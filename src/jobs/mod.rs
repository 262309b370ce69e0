//! What a process does for all of them, at its hour, under a lock where it must be one. Nothing in here runs on a shard, and
//! nothing waits for it.
//!
//! Where to look next: `schedule` (when; pure), `warm_up` (yesterday's most wanted, made ready), `stretching` (what is
//! shared, kept longer while the store is away).

pub mod schedule;
pub mod stretching;
pub mod warm_up;
