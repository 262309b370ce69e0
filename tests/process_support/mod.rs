//! The built binary as a child process.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::BufRead as _;
use std::io::BufReader;
use std::net::SocketAddr;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

/// Longest wait for a child to serve.
const PATIENCE: Duration = Duration::from_secs(20);

/// The built server with these arguments.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maple-expectation"));
    command.args(arguments).env_remove("NEXON_API_KEY").env("MAPLE_STORE_KIND", "none");
    command
}

/// A running child whose log has said where it listens; killed by its own id when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    log: mpsc::Receiver<String>,
    lines: Vec<String>,
}

impl Running {
    /// Starts the server with these arguments; it listens where its log says after `before_address`.
    pub(crate) fn start(arguments: &[&str], before_address: &str) -> Self {
        Self::spawn(&mut command(arguments), before_address)
    }

    /// As [`Running::start`], with a command that was changed before.
    pub(crate) fn spawn(command: &mut Command, before_address: &str) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, log) = mpsc::channel();
        // Reads to the end: a log nobody reads would block the child.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let mut running =
            Self { child, address: SocketAddr::from(([0, 0, 0, 0], 0)), log, lines: Vec::new() };
        running.address = running.await_address(before_address);
        running
    }

    /// What it has logged until now.
    pub(crate) fn log(&mut self) -> String {
        self.lines.extend(self.log.try_iter());
        self.lines.join("\n")
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        #[allow(unsafe_code, reason = "no safe way to send a signal in the standard library")]
        // SAFETY: a plain system call; the child is ours and not yet waited for, so the id is its own.
        let sent = unsafe { libc::kill(pid, libc::SIGTERM) };
        assert_eq!(sent, 0);
        self.child.wait().unwrap().code()
    }

    fn await_address(&mut self, before_address: &str) -> SocketAddr {
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no address in {}", self.lines.join("\n")));
            self.lines.push(line.clone());
            if let Some((_, rest)) = line.split_once(before_address) {
                let end = rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit());
                return rest[..end.unwrap_or(rest.len())].parse().unwrap();
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone after `terminate`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
