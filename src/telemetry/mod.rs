//! What the process says about itself: the log.

pub mod log;
