//! A Redis master with one replica, watched by three sentinels of which two must agree.
//! Ready means: the replica follows and every sentinel knows the replica and the two others, so that a failover
//! could begin at once.

use std::ffi::OsString;
use std::fs;
use std::io;

use tempfile::TempDir;

use crate::loopback;

use super::daemon;
use super::daemon::Daemon;
use super::daemon::Plan;
use super::redis;
use super::redis::Options;
use super::redis::Redis;
use super::resp::Reply;

/// Two Redis servers and three sentinels. Dropping it kills them all.
pub struct Replicated {
    /// Master first, as they began; see [`master`](Self::master) for who it is now.
    pub nodes: [Redis; 2],
    /// The three that vote.
    pub sentinels: [Sentinel; 3],
}

/// A running sentinel. Dropping it kills it.
pub struct Sentinel {
    daemon: Daemon,
    _folder: TempDir,
}

/// What the sentinels call the master.
pub const MASTER_NAME: &str = "mymaster";

/// Sentinels that must agree that the master is gone.
const QUORUM: usize = 2;
/// Silence after which a sentinel holds a server for gone, milliseconds.
const DOWN_AFTER_MS: u32 = 1_000;
/// Longest failover before another is tried, milliseconds.
const FAILOVER_TIMEOUT_MS: u32 = 3_000;

impl Replicated {
    /// Starts the five with default options, master first.
    ///
    /// # Errors
    /// `NotFound` names the Debian package when there is no Redis; otherwise what a server logged.
    pub fn start() -> io::Result<Self> {
        Self::start_with(&Options::default())
    }

    /// As [`start`](Self::start), both servers with these options (`replica_of` is set for the second).
    ///
    /// # Errors
    /// As those of [`start`](Self::start).
    pub fn start_with(options: &Options) -> io::Result<Self> {
        let master = Redis::start(&Options { replica_of: None, ..options.clone() })?;
        let port = master.port();
        let replica = Redis::start(&Options { replica_of: Some(port), ..options.clone() })?;
        let sentinels = [Sentinel::start(port)?, Sentinel::start(port)?, Sentinel::start(port)?];
        let replicated = Self { nodes: [master, replica], sentinels };
        replicated.wait("the sentinels do not know everyone", || replicated.complete())?;
        Ok(replicated)
    }

    /// `redis+sentinel://host:port,host:port,host:port/mymaster`
    pub fn url(&self) -> String {
        let hosts = self.sentinels.each_ref().map(|s| format!("127.0.0.1:{}", s.port()));
        format!("redis+sentinel://{}/{MASTER_NAME}", hosts.join(","))
    }

    /// The index in `nodes` of the master that most sentinels name, or `None` while they do not agree.
    pub fn master(&self) -> Option<usize> {
        let named = self.sentinels.each_ref().map(|sentinel| sentinel.master_port().ok());
        self.nodes.iter().position(|node| {
            named.iter().filter(|port| **port == Some(node.port())).count() >= QUORUM
        })
    }

    /// Waits until the node of this index is the master, for the sentinels and for itself.
    ///
    /// # Errors
    /// When it does not happen in 20 s.
    pub fn await_master(&self, index: usize) -> io::Result<()> {
        self.wait(&format!("node {index} is not the master"), || {
            self.master() == Some(index) && self.role(index).is_some_and(|role| role == "master")
        })
    }

    /// Waits until the node of this index follows the master with all of its data.
    ///
    /// # Errors
    /// When it does not happen in 20 s: sentinels need about ten to take in a master that came back.
    pub fn await_replica(&self, index: usize) -> io::Result<()> {
        self.wait(&format!("node {index} is not a replica"), || self.follows(index))
    }

    /// Whether node and sentinels are ready for a failover.
    fn complete(&self) -> bool {
        self.follows(1)
            && self.sentinels.iter().all(|sentinel| {
                sentinel.known("num-slaves") == Some(1)
                    && sentinel.known("num-other-sentinels") == Some(2)
            })
    }

    /// What the node holds itself for: `master` or `slave`.
    fn role(&self, index: usize) -> Option<String> {
        match self.nodes[index].command(&["ROLE"]) {
            Ok(Reply::List(role)) => role.first()?.text().map(str::to_owned),
            _ => None,
        }
    }

    fn follows(&self, index: usize) -> bool {
        let replication = self.nodes[index].command(&["INFO", "replication"]).ok();
        let replication = replication.as_ref().and_then(Reply::text);
        replication.is_some_and(|info| info.contains("master_link_status:up"))
    }

    fn wait(&self, otherwise: &str, mut holds: impl FnMut() -> bool) -> io::Result<()> {
        match daemon::until(|| Ok(holds().then_some(())))? {
            Some(()) => Ok(()),
            None => Err(self.sentinels[0].daemon.failure(otherwise)),
        }
    }
}

impl Sentinel {
    fn start(master: u16) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("chaos-sentinel-").tempdir()?;
        let port = loopback::free_port()?;
        let configuration = folder.path().join("sentinel.conf");
        fs::write(&configuration, configuration_text(port, master))?;
        let program = daemon::program(redis::PROGRAM, redis::PACKAGE)?;
        let arguments = vec![configuration.into(), OsString::from("--sentinel")];
        let log = folder.path().join("log");
        let ready = redis::answers_ping;
        let daemon = Daemon::start(Plan { program, arguments, port, log, ready })?;
        Ok(Self { daemon, _folder: folder })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.daemon.port()
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.pid()
    }

    /// The port of the server it holds for the master.
    ///
    /// # Errors
    /// The connection's, and `InvalidData` when it knows none.
    pub fn master_port(&self) -> io::Result<u16> {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME];
        let Reply::List(address) = redis::ask(self.port(), &words)? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let port = address.get(1).and_then(Reply::text).and_then(|port| port.parse().ok());
        port.ok_or(io::ErrorKind::InvalidData.into())
    }

    /// A crash (SIGKILL).
    ///
    /// # Errors
    /// The operating system's.
    pub fn kill(&mut self) -> io::Result<()> {
        self.daemon.kill()
    }

    /// Starts it again with what it had learned.
    ///
    /// # Errors
    /// What it logged.
    pub fn restart(&mut self) -> io::Result<()> {
        self.daemon.restart()
    }

    /// A number from what it knows about the master: a flat list of names and values.
    fn known(&self, name: &str) -> Option<u32> {
        let words = ["SENTINEL", "MASTER", MASTER_NAME];
        let Ok(Reply::List(fields)) = redis::ask(self.port(), &words) else { return None };
        let mut pairs = fields.chunks_exact(2);
        let value = pairs.find(|pair| pair[0].text() == Some(name))?[1].text()?;
        value.parse().ok()
    }
}

fn configuration_text(port: u16, master: u16) -> String {
    format!(
        "port {port}\n\
         bind 127.0.0.1\n\
         sentinel monitor {MASTER_NAME} 127.0.0.1 {master} {QUORUM}\n\
         sentinel down-after-milliseconds {MASTER_NAME} {DOWN_AFTER_MS}\n\
         sentinel failover-timeout {MASTER_NAME} {FAILOVER_TIMEOUT_MS}\n\
         sentinel parallel-syncs {MASTER_NAME} 1\n"
    )
}
