//! What gear costs to make, exactly. Pure: no I/O, no clock, no random source; equal input gives equal bytes out.
//!
//! Reading order: [`outcome`] (priced, free, unpriced), [`rules`] (the numbers), [`job`] (what a character values),
//! then one enhancement each: [`potential`], [`starforce`], [`scroll`], [`flame`]; [`character`] puts them together,
//! [`quantile`] asks for more than the mean, [`sum`] keeps long sums exact.
#![forbid(unsafe_code)]

pub mod character;
pub mod flame;
pub mod job;
pub mod outcome;
pub mod potential;
pub mod quantile;
pub mod rules;
pub mod scroll;
pub mod starforce;
pub mod sum;
