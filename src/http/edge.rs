//! What the connections of a shard share: the handler, the clocks, the counters, a few buffers. One per shard.
//! It is the shard's `Service`; what happens on one connection is `connection`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use shards::clock::CoarseClock;
use shards::io::Transport;
use shards::runtime::Service;
use shards::runtime::Socket;

use super::Handler;
use super::connection;
use super::correlation::CorrelationSource;
use super::date::DateCache;
use super::probe::EdgeProbe;
use super::status;
use crate::limits::BODY_TIMEOUT;
use crate::limits::HEAD_TIMEOUT;
use crate::limits::IDLE_TIMEOUT;
use crate::limits::LINGER_TIMEOUT;
use crate::limits::OUTPUT_BUFFERS_KEPT;
use crate::limits::OUTPUT_BYTES_MAX;
use crate::limits::WRITE_STALL_TIMEOUT;

/// How long a connection may stay in each phase. Expiry is noticed by the shard's sweep, so up to
/// `shards::connections::SWEEP_INTERVAL` later.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a request head, from its first byte; also for the first byte of a new connection.
    pub head: Duration,
    /// For a request body.
    pub body: Duration,
    /// For the next request of a kept connection.
    pub idle: Duration,
    /// For the peer to take the next bytes of an answer.
    pub write_stall: Duration,
    /// For the peer to stop sending after a refusal.
    pub linger: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: HEAD_TIMEOUT,
            body: BODY_TIMEOUT,
            idle: IDLE_TIMEOUT,
            write_stall: WRITE_STALL_TIMEOUT,
            linger: LINGER_TIMEOUT,
        }
    }
}

/// The HTTP side of one shard.
pub struct Edge<H> {
    pub(super) handler: H,
    pub(super) timeouts: Timeouts,
    pub(super) clock: Rc<CoarseClock>,
    pub(super) date: DateCache,
    pub(super) correlations: CorrelationSource,
    pub(super) probe: Rc<EdgeProbe>,
    buffers: RefCell<Vec<Vec<u8>>>,
}

impl<H: Handler> Edge<H> {
    /// An edge in front of `handler`, counting in `probe`.
    #[must_use]
    pub fn new(
        handler: H,
        clock: Rc<CoarseClock>,
        timeouts: Timeouts,
        probe: Rc<EdgeProbe>,
    ) -> Self {
        Self {
            handler,
            timeouts,
            clock,
            date: DateCache::new(),
            correlations: CorrelationSource::from_os(),
            probe,
            buffers: RefCell::default(),
        }
    }

    /// Its counters.
    #[must_use]
    pub fn probe(&self) -> &Rc<EdgeProbe> {
        &self.probe
    }

    /// The handler behind it.
    #[must_use]
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// Serves one connection to its end.
    pub async fn serve(&self, io: &mut impl Transport) {
        connection::serve(self, io).await;
    }

    /// An empty output buffer. Connections hold one only while they have something to send, so that idle ones
    /// cost no more than their input buffer.
    pub(super) fn take_buffer(&self) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes an output buffer back.
    pub(super) fn give_buffer(&self, mut buffer: Vec<u8>) {
        let mut kept = self.buffers.borrow_mut();
        if kept.len() < OUTPUT_BUFFERS_KEPT && buffer.capacity() <= 2 * OUTPUT_BYTES_MAX {
            buffer.clear();
            kept.push(buffer);
        }
    }
}

impl<H: Handler> Service for Edge<H> {
    async fn connection(self: Rc<Self>, mut socket: Socket) {
        self.serve(&mut socket).await;
    }

    fn turned_away(&self) -> &'static [u8] {
        status::TURNED_AWAY
    }
}
