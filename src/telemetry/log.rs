//! The log: one line per event on standard error. Names and ids are masked by their own `Display`; secrets have no
//! `Display` at all.

use std::io::IsTerminal as _;

/// Starts logging; a second call in one process (tests) changes nothing.
pub fn start(level: tracing::Level) {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(true)
        .finish();
    // The only error is "already set".
    let _ = tracing::subscriber::set_global_default(subscriber);
}
