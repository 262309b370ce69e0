//! The server: http edge, flows, upstream, simulator. Map and invariants: docs/ARCHITECTURE.md.

pub mod answer;
pub mod assemble;
pub mod backplane;
pub mod build;
pub mod cli;
pub mod compute;
pub mod config;
pub mod error;
pub mod expectation;
pub mod gzip;
pub mod http;
pub mod korean_time;
pub mod limits;
pub mod locks;
pub mod metrics;
pub mod payload;
pub mod resilience;
pub mod routes;
pub mod rules_file;
pub mod secret;
pub mod stores;
pub mod telemetry;
pub mod upstream;
