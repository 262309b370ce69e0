//! Where characters survive a restart, each store a [`crate::expectation::ports::Ledger`]; and what processes share, a
//! [`crate::expectation::shared::Shared`]. Each owns the thread or the connections it needs; nothing in here runs on a
//! shard.

pub mod batch;
pub mod journal;
pub mod migrations;
pub mod mysql;
pub mod pending;
pub mod probe;
pub mod queue;
pub mod redis;
pub mod sqlite;
