//! The local stack as a person starts it: it serves, says where, and nothing of it is left, however it ends.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod local;

use std::io::Read as _;
use std::time::Duration;

use local::Stack;
use local::chaos;
use local::get;

fn runs(pid: u64) -> bool {
    // A zombie nobody has waited for yet has ended as well.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn healthy(url: &str) -> bool {
    get(url, "/actuator/health").starts_with("HTTP/1.1 200 ")
}

#[test]
fn servers_without_stores_serve_until_they_are_taken_down() {
    let mut stack = Stack::up(&[]);
    assert_eq!(stack.roles(), ["server", "server", "upstream"]);
    for (_, url, _) in &stack.members()[..2] {
        assert!(healthy(url));
    }
    let second = chaos(stack.folder.path(), "up").output().unwrap();
    assert!(!second.status.success(), "two stacks with one state file");

    let members = stack.members();
    assert!(chaos(stack.folder.path(), "down").status().unwrap().success());
    assert!(stack.child.wait().unwrap().success());
    assert!(members.iter().all(|&(.., pid)| !runs(pid)));
    let mut rest = String::new();
    stack.output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "stopping\n");
    assert!(!chaos(stack.folder.path(), "down").status().unwrap().success(), "nothing runs");
}

#[test]
fn stores_are_gone_even_when_the_stack_is_killed() {
    let mut stack = Stack::up(&["--shared", "--servers", "1"]);
    let roles =
        ["server", "upstream", "mariadb", "redis", "redis", "sentinel", "sentinel", "sentinel"];
    assert_eq!(stack.roles(), roles);
    let members = stack.members();
    assert!(healthy(&members[0].1));
    assert!(members.iter().all(|&(.., pid)| runs(pid)));
    stack.child.kill().unwrap();
    stack.child.wait().unwrap();
    let gone = || members.iter().all(|&(.., pid)| !runs(pid));
    assert!((0..500).any(|_| gone() || pause(Duration::from_millis(20))), "something still runs");
}

/// Never true, so that it fits between two questions.
#[allow(clippy::disallowed_methods, reason = "a test waits for the kernel")]
fn pause(time: Duration) -> bool {
    std::thread::sleep(time);
    false
}
