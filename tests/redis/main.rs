//! What is built on Redis, against real servers: plain, killed, frozen, and failed over by sentinels.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod cache;
mod client;
mod direct;
mod events;
mod flight;
mod locks;
mod measure;
mod popularity;
mod queue;
mod second_tier;
mod shared;
mod stretch;
mod support;
mod warm_up;
