//! Thin: parse the command line, hand over, turn errors into exit codes.
fn main() {}
