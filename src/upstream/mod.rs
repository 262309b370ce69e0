//! The game API: its client, what guards it, and a simulator of it that speaks the same HTTP.
//! Read `answer` (what a response means), `failure`, then `client` (one call), `guarded` (calls as the rest of the
//! server makes them), then `sim`.

pub mod answer;
pub mod client;
pub mod failure;
pub mod guarded;
pub mod probe;
pub mod sim;
