//! What other crates' tests need of this one: private servers to talk to, a relay that spoils the way to them, and
//! children that do not outlive them. The scenarios are the program's alone.

pub mod child;
pub mod loopback;
pub mod relay;
pub mod services;
