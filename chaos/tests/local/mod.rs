//! The local stack as a child process, for the tests that need one.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

/// A running `chaos stack up`; killed when dropped.
pub(crate) struct Stack {
    pub(crate) child: Child,
    pub(crate) output: BufReader<ChildStdout>,
    pub(crate) folder: TempDir,
}

impl Stack {
    /// Up and ready.
    pub(crate) fn up(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child =
            chaos(folder.path(), "up").args(options).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while line != "ready\n" {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "it ended before it was ready");
        }
        Self { child, output, folder }
    }

    /// Role, URL and process id of everything it says it started.
    pub(crate) fn members(&self) -> Vec<(String, String, u64)> {
        let state = std::fs::read_to_string(self.folder.path().join("state")).unwrap();
        let state: Value = serde_json::from_str(&state).unwrap();
        let text = |member: &Value, key: &str| member[key].as_str().unwrap().to_owned();
        let members = state["members"].as_array().unwrap().iter();
        members.map(|m| (text(m, "role"), text(m, "url"), m["pid"].as_u64().unwrap())).collect()
    }

    pub(crate) fn roles(&self) -> Vec<String> {
        self.members().into_iter().map(|(role, ..)| role).collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `chaos stack <action>` with its state in this folder.
pub(crate) fn chaos(folder: &Path, action: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    command.args(["stack", action, "--state"]).arg(folder.join("state"));
    // A stack that is killed leaves its data behind; with the test's folder that goes as well.
    command.env("TMPDIR", folder);
    command
}

/// The whole answer, head and body.
pub(crate) fn get(url: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
