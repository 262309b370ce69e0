//! The server: http edge, flows, upstream, simulator. Map and invariants: docs/ARCHITECTURE.md.

pub mod error;
pub mod http;
pub mod limits;
pub mod payload;
pub mod upstream;
