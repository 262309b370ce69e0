//! The domain flow: from a name and a view to the bytes of an answer. Knows neither HTTP nor a runtime.
//! Reading order: `name`, `view`, `ports` (what it asks of others), `flow` (the one function with all the ifs),
//! `cool_down`.

pub mod cool_down;
pub mod flow;
pub mod name;
pub mod ports;
pub mod view;
