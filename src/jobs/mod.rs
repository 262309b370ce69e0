//! What one process at a time does for all of them, at its hour and under a lock. Nothing in here runs on a shard, and
//! nothing waits for it.
//!
//! Where to look next: `schedule` (when; pure), `warm_up` (yesterday's most wanted, made ready).

pub mod schedule;
pub mod warm_up;
