//! Decisions about calls that may fail: whether to call, when, and whether again. Pure: time, outcomes and randomness
//! come in as arguments and nothing here waits. Who calls and sleeps is `upstream::guarded`.
//!
//! Outermost first, a call passes: its deadline, `retry` within `retry_budget`, `breaker`, a bulkhead (a semaphore of
//! the caller's runtime), `rate`.

pub mod breaker;
pub mod health;
pub mod rate;
pub mod retry;
pub mod retry_budget;
