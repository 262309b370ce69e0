//! Micro benchmarks and, later, the load generator.
fn main() {}
