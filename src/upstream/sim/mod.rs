//! A simulator of the Nexon Open API over real HTTP/1.1: any name is a character, the same one in
//! every process. For tests, benchmarks and the default `cargo run`; loopback, not hardened.
//! It has a thread and a runtime of its own, so it can be stopped and does not share our faults.
//! Reading order: `world` and `document` (what is served), `server` (how), `faults`, `admin`.

mod admin;
mod args;
mod body;
mod catalogue;
mod counters;
mod dice;
mod document;
mod faults;
mod identity;
mod item;
mod jobs;
mod options;
mod payloads;
mod potential;
mod server;
mod world;

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;

use tokio::sync::oneshot;

pub use args::Args;
pub use args::run;

/// How to start a simulator.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Port 0 picks a free one.
    pub listen: SocketAddr,
    /// Characters whose equipment is served from a file, byte for byte.
    pub fixtures: Vec<Fixture>,
    /// Answer no sooner than this, ms.
    pub latency_ms: u64,
    /// Up to this much more, ms.
    pub jitter_ms: u64,
    /// Requests per second over all keys; none: unlimited. The real API allows 500.
    pub quota_per_second: Option<u32>,
}

/// A real payload under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixture {
    /// Nickname.
    pub name: String,
    /// Equipment JSON.
    pub file: PathBuf,
}

/// Starts simulators.
#[derive(Debug)]
pub struct Sim;

/// A running simulator. Dropping it stops it and closes its connections.
#[derive(Debug)]
pub struct SimHandle {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            fixtures: Vec::new(),
            latency_ms: 0,
            jitter_ms: 0,
            quota_per_second: None,
        }
    }
}

impl Sim {
    /// Listens, then serves on a thread of its own.
    ///
    /// # Errors
    /// The address is taken, a fixture cannot be read, or the thread cannot start.
    pub fn start(config: SimConfig) -> io::Result<SimHandle> {
        let listener = TcpListener::bind(config.listen)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let payloads = payloads::Payloads::with_fixtures(&config.fixtures)?;
        let switches = faults::Switches::of(&config)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("nexon-sim".to_owned()).spawn(move || {
            let state = server::State::new(payloads, switches);
            let local = tokio::task::LocalSet::new();
            let served = local.block_on(&runtime, server::serve(listener, state, stopped));
            if let Err(error) = served {
                tracing::error!(%error, "simulator stopped");
            }
        })?;
        Ok(SimHandle { addr, stop: Some(stop), thread: Some(thread) })
    }
}

impl SimHandle {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://` and the address, as a client's base URL.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops it and waits until its connections are closed.
    pub fn shutdown(self) {
        drop(self);
    }

    /// Waits until it ends by itself, which a healthy one does not.
    ///
    /// # Errors
    /// It panicked.
    pub fn wait(mut self) -> io::Result<()> {
        let joined = self.thread.take().map_or(Ok(()), thread::JoinHandle::join);
        joined.map_err(|_| io::Error::other("the simulator panicked"))
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the simulator was printed by its own thread.
            let _ = thread.join();
        }
    }
}
