//! What a burst of new characters takes of memory, in a process of its own.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod api_support;
mod process_support;

use std::fs;

use api_support::exchange;
use api_support::v4;
use maple_expectation::upstream::sim::Sim;
use maple_expectation::upstream::sim::SimConfig;
use process_support::Running;

/// Characters at once.
const BURST: usize = 50;
const GROWTH_MAX: u64 = 64 << 20;

/// The most memory the process has ever occupied, bytes.
fn resident_most(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn row_78_fifty_characters_at_once_take_little_memory() {
    let sim = Sim::start(SimConfig::default()).unwrap();
    let server =
        Running::start(&["--listen", "127.0.0.1:0", "--upstream", &sim.base_url()], "address=");
    let address = server.address;
    let get = |name: &str| exchange(address, "GET", &v4(name), &[], b"").status;
    // The memo tables and the threads' own memory are there before.
    for name in 0..5 {
        assert_eq!(get(&format!("warm{name}")), 200);
    }
    let before = resident_most(server.pid());
    std::thread::scope(|scope| {
        for name in 0..BURST {
            scope.spawn(move || assert_eq!(get(&format!("cold{name}")), 200));
        }
    });
    let growth = resident_most(server.pid()) - before;
    assert!(growth < GROWTH_MAX, "{} MiB more", growth >> 20);
}
