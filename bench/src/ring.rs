//! io_uring for the benchmarks: connections that send whole messages and receive into a buffer of their own.
//! One per thread, made on that thread. The only place with memory the kernel reads and writes by itself; it stays
//! here until nothing is in flight. Knows no HTTP: `load::engine`, `idle` and `raw` do.

#![allow(
    unsafe_code,
    reason = "the kernel is handed addresses, which the borrow checker cannot follow"
)]

use std::io;
use std::mem::ManuallyDrop;
use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::os::fd::FromRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use io_uring::IoUring;
use io_uring::opcode;
use io_uring::squeue;
use io_uring::types::Fd;
use io_uring::types::SubmitArgs;
use io_uring::types::Timespec;
use socket2::Domain;
use socket2::Protocol;
use socket2::SockAddr;
use socket2::Socket;
use socket2::Type;

/// Submission entries; the completion queue is twice as long, and beyond that the kernel keeps completions itself.
const ENTRIES: u32 = 1024;

/// A place for one connection at a time. Given out from 0, so that callers can keep a table of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(u32);

impl Slot {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Messages to send, by number. Shared by the rings of all threads.
pub(crate) type Messages = Arc<[Box<[u8]>]>;

/// What happened on a connection.
#[derive(Debug)]
pub(crate) enum Event {
    /// The listener has a new connection, now in this slot.
    Accepted(io::Result<Slot>),
    Connected(Slot, io::Result<()>),
    /// The whole message is with the kernel.
    Sent(Slot, io::Result<()>),
    /// This many bytes are in the slot's buffer; 0 when the peer closed. See [`Ring::received`].
    Received(Slot, io::Result<usize>),
    /// After [`Ring::close`]: the last event of a connection. The slot can be used again.
    Closed(Slot),
}

/// A ring with its connections.
pub(crate) struct Ring {
    uring: IoUring,
    /// Operations the kernel has not completed. While there are any, `lent` must not be freed.
    in_flight: usize,
    lent: ManuallyDrop<Lent>,
    buffer_bytes: usize,
    closed: Vec<Slot>,
}

/// What operations in flight point into.
struct Lent {
    messages: Messages,
    connections: Vec<Connection>,
}

#[derive(Default)]
struct Connection {
    socket: Option<Socket>,
    /// Never grows or shrinks: the kernel may hold its address.
    buffer: Vec<u8>,
    peer: Option<Arc<SockAddr>>,
    /// Bits of the operations in flight.
    pending: u8,
    closing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Operation {
    Accept = 0,
    Connect = 1,
    Send = 2,
    Receive = 3,
    Cancel = 4,
}

impl Operation {
    /// Those a connection can have in flight, each once.
    const OF_CONNECTION: [Self; 3] = [Self::Connect, Self::Send, Self::Receive];

    const fn bit(self) -> u8 {
        1 << self as u8
    }

    fn tag(self, slot: Slot) -> u64 {
        u64::from(slot.0) << 8 | u64::from(self as u8)
    }

    fn of_tag(tag: u64) -> (Self, Slot) {
        let operation = match tag & 0xff {
            0 => Self::Accept,
            1 => Self::Connect,
            2 => Self::Send,
            3 => Self::Receive,
            _ => Self::Cancel,
        };
        (operation, Slot((tag >> 8) as u32))
    }
}

impl Ring {
    /// A ring for the calling thread alone. Each connection receives into `buffer_bytes`.
    ///
    /// # Errors
    /// When the kernel gives no ring: older than 6.1, forbidden, or too little locked memory allowed.
    pub(crate) fn new(messages: Messages, buffer_bytes: usize) -> io::Result<Self> {
        let uring =
            IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(ENTRIES)?;
        let lent = ManuallyDrop::new(Lent { messages, connections: Vec::new() });
        Ok(Self { uring, in_flight: 0, lent, buffer_bytes, closed: Vec::new() })
    }

    /// One more slot, without a connection.
    pub(crate) fn add(&mut self) -> Slot {
        let slot = Slot(u32::try_from(self.lent.connections.len()).expect("fewer than 2^32"));
        let buffer = vec![0; self.buffer_bytes];
        self.lent.connections.push(Connection { buffer, ..Connection::default() });
        slot
    }

    /// Starts connecting; ends with [`Event::Connected`]. The slot must be free.
    ///
    /// # Errors
    /// When there is no descriptor left, or the ring fails.
    pub(crate) fn connect(&mut self, slot: Slot, peer: &Arc<SockAddr>) -> io::Result<()> {
        let socket =
            Socket::new(Domain::from(i32::from(peer.family())), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        let entry = opcode::Connect::new(Fd(socket.as_raw_fd()), peer.as_ptr().cast(), peer.len());
        let connection = &mut self.lent.connections[slot.index()];
        assert!(connection.socket.is_none(), "the slot is taken");
        connection.socket = Some(socket);
        connection.peer = Some(Arc::clone(peer));
        // SAFETY: the address belongs to `peer`, kept in the slot.
        unsafe { self.start(slot, Operation::Connect, entry.build()) }
    }

    /// Starts sending a whole message; ends with [`Event::Sent`]. One at a time.
    ///
    /// # Errors
    /// When the ring fails.
    pub(crate) fn send(&mut self, slot: Slot, message: usize) -> io::Result<()> {
        let bytes = &self.lent.messages[message];
        let length = u32::try_from(bytes.len()).expect("messages are shorter than 4 GiB");
        // MSG_WAITALL: the kernel goes on after a partial send.
        let entry =
            opcode::Send::new(self.fd(slot), bytes.as_ptr(), length).flags(libc::MSG_WAITALL);
        // SAFETY: messages are never changed, and kept in `lent`.
        unsafe { self.start(slot, Operation::Send, entry.build()) }
    }

    /// Whether a message is still being sent.
    pub(crate) fn is_sending(&self, slot: Slot) -> bool {
        self.lent.connections[slot.index()].pending & Operation::Send.bit() != 0
    }

    /// Starts receiving; ends with [`Event::Received`]. One at a time.
    ///
    /// # Errors
    /// When the ring fails.
    pub(crate) fn receive(&mut self, slot: Slot) -> io::Result<()> {
        let fd = self.fd(slot);
        let buffer = &mut self.lent.connections[slot.index()].buffer;
        let length = u32::try_from(buffer.len()).expect("buffers are shorter than 4 GiB");
        let entry = opcode::Recv::new(fd, buffer.as_mut_ptr(), length);
        // SAFETY: the buffer is kept in `lent`, and not looked at while this operation is in flight (`received`).
        unsafe { self.start(slot, Operation::Receive, entry.build()) }
    }

    /// The first `bytes` of what was last received.
    pub(crate) fn received(&self, slot: Slot, bytes: usize) -> &[u8] {
        let connection = &self.lent.connections[slot.index()];
        assert!(connection.pending & Operation::Receive.bit() == 0, "the kernel is writing there");
        &connection.buffer[..bytes]
    }

    /// Starts accepting one connection; ends with [`Event::Accepted`].
    ///
    /// # Errors
    /// When the ring fails.
    pub(crate) fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        let entry = opcode::Accept::new(
            Fd(listener.as_raw_fd()),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
        .flags(libc::SOCK_CLOEXEC);
        // SAFETY: no memory is handed over.
        unsafe { self.push(&entry.build().user_data(Operation::Accept.tag(Slot(0)))) }
    }

    /// Gives a connection up, whatever it is doing; ends with [`Event::Closed`] and no other event before.
    ///
    /// # Errors
    /// When the ring fails.
    pub(crate) fn close(&mut self, slot: Slot) -> io::Result<()> {
        let connection = &mut self.lent.connections[slot.index()];
        if connection.closing {
            return Ok(());
        }
        connection.closing = true;
        let pending = connection.pending;
        if pending == 0 {
            self.closed.push(slot);
        }
        for operation in Operation::OF_CONNECTION {
            if pending & operation.bit() != 0 {
                let entry = opcode::AsyncCancel::new(operation.tag(slot)).build();
                // SAFETY: no memory is handed over.
                unsafe { self.push(&entry.user_data(Operation::Cancel.tag(slot)))? };
            }
        }
        Ok(())
    }

    /// Hands new operations to the kernel and waits for an event, `at_most` this long.
    ///
    /// # Errors
    /// When the ring fails.
    pub(crate) fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        let timespec = Timespec::from(at_most);
        let args = SubmitArgs::new().timespec(&timespec);
        let events_min = usize::from(self.closed.is_empty());
        match self.uring.submitter().submit_with_args(events_min, &args) {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // Time is up, a signal came, or completions must be taken first.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// The next event that has happened, if any.
    pub(crate) fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(slot) = self.closed.pop() {
                return Some(self.free(slot));
            }
            let completion = self.uring.completion().next()?;
            self.in_flight -= 1;
            let (operation, slot) = Operation::of_tag(completion.user_data());
            let result = match completion.result() {
                negative @ ..0 => Err(io::Error::from_raw_os_error(-negative)),
                result => Ok(result),
            };
            match operation {
                Operation::Cancel => continue,
                Operation::Accept => {
                    return Some(Event::Accepted(result.map(|fd| self.accepted(fd))));
                }
                _ => {}
            }
            let connection = &mut self.lent.connections[slot.index()];
            connection.pending &= !operation.bit();
            if connection.closing {
                if connection.pending == 0 {
                    return Some(self.free(slot));
                }
                continue;
            }
            return Some(match operation {
                Operation::Connect => Event::Connected(slot, result.map(|_| ())),
                Operation::Send => Event::Sent(slot, result.map(|_| ())),
                _ => Event::Received(slot, result.map(|n| usize::try_from(n).unwrap_or_default())),
            });
        }
    }

    fn free(&mut self, slot: Slot) -> Event {
        let connection = &mut self.lent.connections[slot.index()];
        connection.socket = None;
        connection.closing = false;
        Event::Closed(slot)
    }

    fn accepted(&mut self, fd: i32) -> Slot {
        // SAFETY: the kernel just made this descriptor for us, and nobody else knows it.
        let socket = unsafe { Socket::from_raw_fd(fd) };
        // Best effort: an answer is one send, which is not held back anyway.
        let _ = socket.set_tcp_nodelay(true);
        let free = self.lent.connections.iter().position(|connection| connection.socket.is_none());
        let slot = free.map_or_else(|| self.add(), |index| Slot(index as u32));
        self.lent.connections[slot.index()].socket = Some(socket);
        slot
    }

    fn fd(&self, slot: Slot) -> Fd {
        let socket = self.lent.connections[slot.index()].socket.as_ref();
        Fd(socket.expect("only open connections send and receive").as_raw_fd())
    }

    /// # Safety
    /// As [`Self::push`].
    unsafe fn start(
        &mut self,
        slot: Slot,
        operation: Operation,
        entry: squeue::Entry,
    ) -> io::Result<()> {
        let connection = &mut self.lent.connections[slot.index()];
        assert!(connection.pending & operation.bit() == 0, "{operation:?} is in flight already");
        connection.pending |= operation.bit();
        // SAFETY: the caller's promise.
        unsafe { self.push(&entry.user_data(operation.tag(slot))) }
    }

    /// # Safety
    /// Memory the entry names must stay where it is, and unused, until the operation has completed: it belongs to
    /// `lent`, which is not freed before.
    unsafe fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: the caller's promise.
        while unsafe { self.uring.submission().push(entry) }.is_err() {
            self.uring.submit()?;
        }
        self.in_flight += 1;
        Ok(())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.in_flight == 0 {
            // SAFETY: dropped once, here, and nothing the kernel knows points into it.
            unsafe { ManuallyDrop::drop(&mut self.lent) };
        }
        // Otherwise left as it is: a ring ends with its process.
    }
}
