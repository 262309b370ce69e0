//! What a shard is asked to be, and how its start and its end can turn out: plain data, shared between the thread
//! that starts shards and the shards. Public through `runtime`, which does the work.

use std::fmt;
use std::io;

use crate::ShardId;

/// Which way of waiting for the kernel is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverChoice {
    /// The first of `DriverKind` that works here.
    Auto,
    /// io_uring in some form, or no start at all.
    IoUring,
    /// epoll.
    Epoll,
}

/// Which way of waiting for the kernel a shard uses, in order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverKind {
    /// io_uring with SINGLE_ISSUER and DEFER_TASKRUN (Linux 6.1).
    Defer,
    /// io_uring with COOP_TASKRUN (Linux 5.19).
    Coop,
    /// io_uring without flags, on a small ring.
    Plain,
    /// epoll.
    Epoll,
}

impl fmt::Display for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Defer => "io_uring-defer",
            Self::Coop => "io_uring-coop",
            Self::Plain => "io_uring-plain",
            Self::Epoll => "epoll",
        })
    }
}

/// What a shard is to be.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Which one.
    pub id: ShardId,
    /// Of how many.
    pub shards: u16,
    /// Core to pin the thread to; see [`crate::host::core_of`].
    pub core: Option<usize>,
    /// How to wait for the kernel.
    pub driver: DriverChoice,
    /// Connections this shard holds at once; further ones are turned away.
    pub connections_max: usize,
}

/// Why a shard did not start.
#[derive(Debug)]
pub enum StartError {
    /// The thread could not be made.
    Thread(io::Error),
    /// The thread could not be pinned to this core.
    Pin(usize, String),
    /// No driver of the wanted choice works here; one line per attempt.
    Driver(String),
    /// The listener could not be used.
    Listener(io::Error),
    /// The service could not be built.
    Service(String),
    /// The thread panicked before it served.
    Panicked(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thread(error) => write!(f, "cannot start a shard thread: {error}"),
            Self::Pin(core, error) => write!(f, "cannot pin a shard to core {core}: {error}"),
            Self::Driver(attempts) => write!(f, "no usable driver: {attempts}"),
            Self::Listener(error) => write!(f, "cannot listen: {error}"),
            Self::Service(error) => write!(f, "cannot build the shard's service: {error}"),
            Self::Panicked(message) => write!(f, "the shard panicked while starting: {message}"),
        }
    }
}

impl std::error::Error for StartError {}

/// How a shard that had served came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// As asked; this many connections had to be cut at the limit.
    Stopped {
        /// Connections cut.
        cut: usize,
    },
    /// A panic outside any connection: the state of the shard is unknown and the process must abort.
    Panicked(String),
}
