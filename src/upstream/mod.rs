//! The game API: its client, and a simulator of it that speaks the same HTTP.
//! Nothing in here retries, caches or counts breaker windows: that is the caller's policy.
//! Read `answer` (what a response means), then `client`, then `sim`.

pub mod answer;
pub mod client;
pub mod sim;
