//! One process at a time: locks for jobs, not for requests. A lock is a lease that is renewed while it is held, with a
//! fencing token that grows; that somebody else has it is an answer, not a failure.
//!
//! There are two tiers, Redis and, only when Redis is away for everybody, SQL: docs/adr/0007. Reading order: `tier` (what
//! a tier is), `rule` (which tier may be used; pure), `gate` (what this process may do now; pure), `held` (locks as their users see them), `redis`.

pub mod gate;
pub mod held;
pub mod redis;
pub mod rule;
pub mod tier;
