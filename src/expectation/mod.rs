//! The domain flow: from a name and a view to the bytes of an answer. Knows neither HTTP nor a runtime.
//! Reading order: `name`, `character`, `view`, `ports`, `shared` and `jobs` (what it asks of others), `directory` (names to ids), `flow`
//! (the one function with all the ifs), `flight`, `cool_down`, `probe`.

pub mod character;
pub mod cool_down;
pub mod directory;
pub mod flight;
pub mod flow;
pub mod jobs;
pub mod name;
pub mod ports;
pub mod probe;
pub mod shared;
pub mod view;
