//! The seam between protocol code and whatever moves bytes: owned buffers in, owned buffers out, and a deadline
//! per phase instead of a timer per read. Implemented by the runtime's socket and, here, by a script for tests and
//! fuzzing. A future of this trait that is dropped half-way may lose bytes: close the connection then.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::Bytes;

/// What a connection is waiting for; decides what happens when its deadline passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// For the first byte of a request. Expiry, or the shard draining, ends the reading side.
    Idle,
    /// For the rest of something begun. Expiry ends the reading side; there is still time to answer.
    Receiving,
    /// For the peer to take our bytes. Expiry ends both sides.
    Sending,
    /// For our own work, which has deadlines of its own. Never expires here, but see [`Transport::hung_up`].
    Working,
}

/// One byte stream with a peer.
pub trait Transport {
    /// Appends what has arrived, at most the spare capacity of `buf`, which must not be zero.
    /// `Ok(0)` is the end of the stream or a passed deadline, see [`Transport::expired`].
    fn read(&mut self, buf: Vec<u8>) -> impl Future<Output = (io::Result<usize>, Vec<u8>)>;

    /// Sends all of `bytes`; hands the buffer back with its content unspecified.
    fn write_all(&mut self, bytes: Vec<u8>) -> impl Future<Output = (io::Result<()>, Vec<u8>)>;

    /// Sends `head`, then `body`, without copying either; hands `head` back as `write_all` does.
    fn write_both(
        &mut self,
        head: Vec<u8>,
        body: Bytes,
    ) -> impl Future<Output = (io::Result<()>, Vec<u8>)>;

    /// Tells the peer that nothing more will be sent; reading goes on. Fails when the peer is gone already.
    fn finish(&mut self) -> impl Future<Output = io::Result<()>>;

    /// Enters `phase`, which may last `limit`. Resets [`Transport::expired`].
    fn arm(&mut self, phase: Phase, limit: Duration);

    /// Whether the deadline of the current phase has passed.
    fn expired(&self) -> bool;

    /// Completes when the peer has ended its side while the phase is [`Phase::Working`]: it does not wait for the
    /// answer any more. Noticed within `clock::COARSE_TICK`; may be dropped and asked again.
    fn hung_up(&mut self) -> impl Future<Output = ()>;

    /// Whether the shard is shutting down, so that this connection should not be kept.
    fn draining(&self) -> bool;
}

/// What a [`Script`] does once its pieces are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptEnd {
    /// The peer closes its sending side.
    Close,
    /// The peer falls silent until the deadline passes.
    Silence,
}

/// A peer known in advance: the pieces it sends, one per read, and a record of what it was sent.
#[derive(Debug)]
pub struct Script {
    pieces: VecDeque<Vec<u8>>,
    end: ScriptEnd,
    expired: bool,
    /// Everything written so far.
    pub written: Vec<u8>,
    /// Whether [`Transport::finish`] was called.
    pub finished: bool,
}

impl Script {
    /// A peer that sends `pieces` and then does `end`.
    #[must_use]
    pub fn new(pieces: impl IntoIterator<Item = Vec<u8>>, end: ScriptEnd) -> Self {
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        Self { pieces, end, expired: false, written: Vec::new(), finished: false }
    }
}

impl Transport for Script {
    async fn read(&mut self, mut buf: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        let spare = buf.capacity() - buf.len();
        assert!(spare > 0, "a read needs room");
        let Some(mut piece) = self.pieces.pop_front() else {
            self.expired = self.end == ScriptEnd::Silence;
            return (Ok(0), buf);
        };
        if piece.len() > spare {
            self.pieces.push_front(piece.split_off(spare));
        }
        buf.extend_from_slice(&piece);
        (Ok(piece.len()), buf)
    }

    async fn write_all(&mut self, bytes: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        self.written.extend_from_slice(&bytes);
        (Ok(()), bytes)
    }

    async fn write_both(&mut self, head: Vec<u8>, body: Bytes) -> (io::Result<()>, Vec<u8>) {
        self.written.extend_from_slice(&head);
        self.written.extend_from_slice(&body);
        (Ok(()), head)
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.finished = true;
        Ok(())
    }

    fn arm(&mut self, _phase: Phase, _limit: Duration) {
        self.expired = false;
    }

    fn expired(&self) -> bool {
        self.expired
    }

    /// Never: a script's peer waits for its answers.
    async fn hung_up(&mut self) {
        std::future::pending().await
    }

    fn draining(&self) -> bool {
        false
    }
}
