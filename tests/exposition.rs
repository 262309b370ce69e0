//! The metrics as Prometheus' own checker sees them (`promtool`, Debian package `prometheus`).

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod api_support;

use std::io::Write as _;
use std::process::Command;
use std::process::Stdio;

use api_support::Stack;
use api_support::v4;

#[test]
fn promtool_has_nothing_to_say() {
    let stack = Stack::start(&[]);
    for path in [v4("강은호"), v4("강은호"), "/nothing".to_owned()] {
        stack.get(&path);
    }
    let metrics = stack.get("/actuator/prometheus").text();
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed (test.sh does it; Debian package prometheus)");
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}
