//! A private Redis. Without `append_only` a restart finds nothing: there are no snapshots.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::TcpStream;

use tempfile::TempDir;

use crate::loopback;

use super::daemon;
use super::daemon::Daemon;
use super::daemon::Plan;
use super::resp;
use super::resp::Reply;

/// A running Redis. Dropping it kills the server and deletes its data.
pub struct Redis {
    daemon: Daemon,
    _folder: TempDir,
}

/// How a Redis differs from one that keeps everything, in memory, alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Most memory for data, bytes, and what happens when it is used up. `None`: no limit.
    pub memory_max: Option<(u64, Policy)>,
    /// Whose replica it is: a port on 127.0.0.1.
    pub replica_of: Option<u16>,
    /// Replicas that must have answered within [`REPLICA_LAG_S_MAX`] seconds for a write to be accepted.
    pub replicas_to_write_min: u32,
    /// Writes go to a file, flushed to disk every second; a restart reads it.
    pub append_only: bool,
}

/// What gives way when the memory is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Nothing: writes are refused. For state.
    NoEviction,
    /// The keys longest unused. For caches.
    AllKeysLru,
}

/// Longest silence of a replica that counts for `replicas_to_write_min`, seconds. Replicas answer every second.
pub const REPLICA_LAG_S_MAX: u32 = 2;

pub(super) const PACKAGE: &str = "redis-server";
pub(super) const PROGRAM: &str = "redis-server";

impl Redis {
    /// Starts one.
    ///
    /// # Errors
    /// `NotFound` names the Debian package when there is no Redis; otherwise what the server logged.
    pub fn start(options: &Options) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("chaos-redis-").tempdir()?;
        let port = loopback::free_port()?;
        let configuration = folder.path().join("redis.conf");
        // A file and no arguments: sentinels have the server rewrite it when its role changes.
        fs::write(&configuration, options.configuration(port))?;
        let program = daemon::program(PROGRAM, PACKAGE)?;
        let arguments = vec![configuration.into(), OsString::from("--dir"), folder.path().into()];
        let log = folder.path().join("log");
        let daemon = Daemon::start(Plan { program, arguments, port, log, ready: answers_ping })?;
        Ok(Self { daemon, _folder: folder })
    }

    /// `redis://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// Its port on 127.0.0.1, the same for its whole life.
    pub fn port(&self) -> u16 {
        self.daemon.port()
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.pid()
    }

    /// Sends one command on a connection of its own.
    ///
    /// # Errors
    /// The connection's (an answer may take a second), and what the server refuses.
    pub fn command(&self, words: &[&str]) -> io::Result<Reply> {
        ask(self.port(), words)
    }

    /// An orderly end (SIGTERM).
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop(&mut self) -> io::Result<()> {
        self.daemon.stop()
    }

    /// A crash (SIGKILL).
    ///
    /// # Errors
    /// The operating system's.
    pub fn kill(&mut self) -> io::Result<()> {
        self.daemon.kill()
    }

    /// Freezes it (SIGSTOP): its connections stay open and silent.
    ///
    /// # Errors
    /// The operating system's.
    pub fn pause(&self) -> io::Result<()> {
        self.daemon.pause()
    }

    /// Ends a [`pause`](Self::pause).
    ///
    /// # Errors
    /// The operating system's.
    pub fn resume(&self) -> io::Result<()> {
        self.daemon.resume()
    }

    /// Starts it again on the same port; stops it before when it runs.
    ///
    /// # Errors
    /// As those of [`start`](Self::start).
    pub fn restart(&mut self) -> io::Result<()> {
        self.daemon.restart()
    }
}

impl Options {
    fn configuration(&self, port: u16) -> String {
        let mut lines = vec![
            format!("port {port}"),
            "bind 127.0.0.1".to_owned(),
            "save \"\"".to_owned(),
            format!("appendonly {}", if self.append_only { "yes" } else { "no" }),
            // The default waits five seconds for more replicas before the first is served.
            "repl-diskless-sync-delay 0".to_owned(),
            format!("min-replicas-to-write {}", self.replicas_to_write_min),
            format!("min-replicas-max-lag {REPLICA_LAG_S_MAX}"),
        ];
        if let Some((bytes, policy)) = self.memory_max {
            let policy = match policy {
                Policy::NoEviction => "noeviction",
                Policy::AllKeysLru => "allkeys-lru",
            };
            lines.push(format!("maxmemory {bytes}"));
            lines.push(format!("maxmemory-policy {policy}"));
        }
        if let Some(master) = self.replica_of {
            lines.push(format!("replicaof 127.0.0.1 {master}"));
        }
        lines.join("\n") + "\n"
    }
}

/// One command to the server on this port.
pub(super) fn ask(port: u16, words: &[&str]) -> io::Result<Reply> {
    resp::ask(daemon::connect(loopback::address(port))?, words)
}

/// Sentinels understand it too. While a server loads its data it refuses.
pub(super) fn answers_ping(stream: TcpStream) -> io::Result<()> {
    resp::ask(stream, &["PING"]).map(drop)
}
