//! Thread per core: N shards, each a single-threaded runtime with its own listener. Knows cores, keys, messages;
//! no HTTP, no storage, no game.
//!
//! ```text
//!  supervisor ── start ──▶ shard 0 ─┐ accept ─▶ connection ─▶ Service     one thread, pinned
//!             ◀─ exit ───  shard 0  ├─ Inbox ◀── Mailboxes ── shard 1     a message is a hop
//!                          shard 1 ─┘                                     one thread, pinned
//! ```
//!
//! A *shard* is a thread and all that lives on it. The *owner* of a key is the one shard that may hold its state.
//! A *hop* is a message to another shard; a *pump* takes messages from an inbox and spawns, never awaits, the work.
//! Only `runtime` names the runtime underneath; everything else goes through `io`, `spawn` and `clock`.

pub mod clock;
pub mod connections;
pub mod host;
pub mod io;
pub mod l1;
pub mod listen;
pub mod mailbox;
pub mod probe;
pub mod routing;
pub mod runtime;
pub mod shard_id;
#[cfg(feature = "sim")]
pub mod sim;
pub mod singleflight;
pub mod spawn;
pub mod stall;

mod lifecycle;

pub use shard_id::ShardId;
