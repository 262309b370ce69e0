//! What gear costs to make, exactly. Pure: no I/O, no clock, no random source; equal input gives equal bytes out.
//!
//! Reading order: [`outcome`] (priced, free, unpriced), [`job`] (what a character values), [`sum`].
#![forbid(unsafe_code)]

pub mod job;
pub mod outcome;
pub mod quantile;
pub mod rules;
pub mod sum;
