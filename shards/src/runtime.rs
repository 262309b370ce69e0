//! A shard's thread: pinned, with its own ring (or epoll), accepting on its own listener until told to stop.
//! The only module that names the runtime underneath. Start is a handshake: nobody takes a thread for a shard before
//! it serves. A panic that ends the thread is reported as an `Exit`, after which the process must not go on.
//! What a connection does is the `Service`'s; when it must end is `connections`.

#![allow(unsafe_code, reason = "the runtime's trait for vectored buffers is unsafe to implement")]

mod wire;

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::mem;
use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::rc::Rc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use futures_channel::oneshot;
use monoio::BufResult;
use monoio::FusionRuntime;
use monoio::IoUringDriver;
use monoio::LegacyDriver;
use monoio::RuntimeBuilder;
use monoio::buf::IoBuf;
use monoio::buf::IoBufMut as _;
use monoio::buf::IoVecBuf;
use monoio::io::AsyncReadRent as _;
use monoio::io::AsyncWriteRent as _;
use monoio::io::AsyncWriteRentExt as _;
use monoio::io::Canceller;
use monoio::net::TcpStream;
use monoio::time::TimeDriver;

use crate::ShardId;
use crate::clock::COARSE_TICK;
use crate::clock::Clock as _;
use crate::clock::CoarseClock;
use crate::clock::SystemClock;
use crate::connections::Connections;
use crate::connections::SWEEP_INTERVAL;
use crate::connections::Slot;
use crate::io::Phase;
use crate::io::Transport;
use crate::probe::Probe;
use crate::spawn;
use crate::stall::StallMeter;

pub use crate::lifecycle::DriverChoice;
pub use crate::lifecycle::DriverKind;
pub use crate::lifecycle::Exit;
pub use crate::lifecycle::Setup;
pub use crate::lifecycle::StartError;
pub use wire::Cutter;
pub use wire::WireReader;
pub use wire::WireWriter;
pub use wire::adopt;

/// How long accepting pauses when the process has no descriptor left; without a pause the failing call would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// How often a draining shard looks whether its connections are gone.
const DRAIN_POLL: Duration = Duration::from_millis(5);
/// How long connections that were cut may take to notice.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// The shard as its own code sees it. One per shard; never leaves the thread.
#[derive(Clone)]
pub struct Shard {
    /// Which one.
    pub id: ShardId,
    /// Of how many.
    pub shards: u16,
    /// What it runs on.
    pub driver: DriverKind,
    /// Refreshed every [`COARSE_TICK`].
    pub clock: Rc<CoarseClock>,
    /// Its counters.
    pub probe: Rc<Probe>,
    /// Its open connections.
    pub connections: Rc<Connections>,
}

/// What a shard does with its connections. One per shard; built on its thread.
pub trait Service: 'static {
    /// Serves one connection to its end. A panic is counted and closes only this connection.
    fn connection(self: Rc<Self>, socket: Socket) -> impl Future<Output = ()> + 'static;

    /// Sent, unasked, to a connection beyond `connections_max` before it is closed.
    fn turned_away(&self) -> &'static [u8];
}

/// A serving shard, as its starter sees it. Dropping it stops the shard without grace.
#[derive(Debug)]
pub struct ShardThread {
    /// Which one.
    pub id: ShardId,
    /// What it runs on; worth a log line and a metric.
    pub driver: DriverKind,
    stop: Option<oneshot::Sender<Duration>>,
    drained: Receiver<()>,
    /// Dropped when the shard may end.
    release: oneshot::Sender<()>,
    thread: JoinHandle<Option<Exit>>,
}

/// The shard's side of its end, step by step.
struct Ending {
    stopped: oneshot::Receiver<Duration>,
    drained: SyncSender<()>,
    released: oneshot::Receiver<()>,
}

impl ShardThread {
    /// Stops accepting, lets idle connections go, and gives busy ones `grace` to finish. Returns at once.
    pub fn stop(&mut self, grace: Duration) {
        if let Some(stop) = self.stop.take() {
            // Fails only when the shard has ended already, which `join` and `on_exit` tell.
            let _ = stop.send(grace);
        }
    }

    /// Waits until a shard that was stopped has no connection any more. Until it is joined it goes on with its work for
    /// other shards, whose connections may be waiting for that.
    pub fn await_drained(&self) {
        // Fails when the shard has ended by itself.
        let _ = self.drained.recv();
    }

    /// Lets the shard end once its connections are gone, and waits for the end of the thread.
    #[must_use]
    pub fn join(self) -> Exit {
        drop(self.release);
        let ended = self.thread.join();
        let exit = ended.unwrap_or_else(|panic| Some(Exit::Panicked(panic_text(&*panic))));
        exit.expect("a thread that reported itself as serving ends with an exit")
    }
}

/// Starts a shard on its own thread; returns when it serves `listener`. `init` builds its service on that thread,
/// where it may also spawn. `on_exit` is called there, once, when a shard that had served ends for any reason.
///
/// # Errors
/// [`StartError`]; the thread is gone by then.
pub fn start<S: Service>(
    setup: Setup,
    listener: TcpListener,
    init: impl FnOnce(&Shard) -> Result<S, String> + Send + 'static,
    on_exit: impl FnOnce(ShardId, &Exit) + Send + 'static,
) -> Result<ShardThread, StartError> {
    let id = setup.id;
    let (started, answer) = sync_channel(1);
    let (stop, stopped) = oneshot::channel();
    let (drained, await_drained) = sync_channel(1);
    let (release, released) = oneshot::channel();
    let ending = Ending { stopped, drained, released };
    let body = move || {
        let exit = thread_main(setup, listener, init, started, ending);
        if let Some(exit) = &exit {
            on_exit(id, exit);
        }
        exit
    };
    let builder = thread::Builder::new().name(format!("shard-{id}"));
    let thread = builder.spawn(body).map_err(StartError::Thread)?;
    match answer.recv() {
        Ok(Ok(driver)) => Ok(ShardThread {
            id,
            driver,
            stop: Some(stop),
            drained: await_drained,
            release,
            thread,
        }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(StartError::Panicked(match thread.join() {
            Err(panic) => panic_text(&*panic),
            Ok(_) => "no reason given".to_owned(),
        })),
    }
}

type Answer = SyncSender<Result<DriverKind, StartError>>;
type Runtime = FusionRuntime<TimeDriver<IoUringDriver>, TimeDriver<LegacyDriver>>;

/// `None` when the shard never served: the starter has the reason.
fn thread_main<S: Service>(
    setup: Setup,
    listener: TcpListener,
    init: impl FnOnce(&Shard) -> Result<S, String>,
    started: Answer,
    ending: Ending,
) -> Option<Exit> {
    let refuse = |error| {
        // Fails only when the starter is gone, and then nobody wants to know.
        let _ = started.send(Err(error));
        None
    };
    if let Some(core) = setup.core
        && let Err(error) = monoio::utils::bind_to_cpu_set([core])
    {
        return refuse(StartError::Pin(core, error.to_string()));
    }
    let (mut runtime, driver) = match build_runtime(setup.driver) {
        Ok(built) => built,
        Err(attempts) => return refuse(StartError::Driver(attempts)),
    };
    let serving = Cell::new(false);
    let life = async {
        let (shard, service, listener) = prepare(&setup, driver, listener, init)?;
        serving.set(true);
        let _ = started.send(Ok(driver));
        Ok(serve(setup, shard, service, listener, ending).await)
    };
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(life)));
    // Dropping a runtime frees buffers the kernel may still write to, and the wake-up descriptor other threads may
    // still write to. A shard ends once in the life of a process, so it is left as it is.
    mem::forget(runtime);
    match ended {
        Ok(Ok(exit)) => Some(exit),
        Ok(Err(error)) => refuse(error),
        Err(panic) if serving.get() => Some(Exit::Panicked(panic_text(&*panic))),
        Err(panic) => refuse(StartError::Panicked(panic_text(&*panic))),
    }
}

fn build_runtime(choice: DriverChoice) -> Result<(Runtime, DriverKind), String> {
    let kinds: &[DriverKind] = match choice {
        DriverChoice::Auto => {
            &[DriverKind::Defer, DriverKind::Coop, DriverKind::Plain, DriverKind::Epoll]
        }
        DriverChoice::IoUring => &[DriverKind::Defer, DriverKind::Coop, DriverKind::Plain],
        DriverChoice::Epoll => &[DriverKind::Epoll],
    };
    let mut attempts = Vec::new();
    for &kind in kinds {
        match build_one(kind) {
            Ok(runtime) => {
                if !attempts.is_empty() {
                    let refused = attempts.join("; ");
                    tracing::warn!(driver = %kind, %refused, "not the driver it should be");
                }
                return Ok((runtime, kind));
            }
            Err(error) => attempts.push(format!("{kind}: {error}")),
        }
    }
    Err(attempts.join("; "))
}

/// The ring must be made on the thread that uses it, which is what SINGLE_ISSUER means.
fn build_one(kind: DriverKind) -> io::Result<Runtime> {
    // Submission entries. A ring of 1024 is charged about 105 KB of locked memory, one of 256 about 28 KB.
    let mut ring = io_uring::IoUring::builder();
    let entries = match kind {
        DriverKind::Defer => {
            ring.setup_single_issuer().setup_defer_taskrun();
            1024
        }
        DriverKind::Coop => {
            ring.setup_coop_taskrun();
            1024
        }
        DriverKind::Plain => 256,
        DriverKind::Epoll => {
            let runtime = RuntimeBuilder::<LegacyDriver>::new().enable_timer().build()?;
            return Ok(FusionRuntime::Legacy(runtime));
        }
    };
    let builder = RuntimeBuilder::<IoUringDriver>::new().with_entries(entries).uring_builder(ring);
    Ok(FusionRuntime::Uring(builder.enable_timer().build()?))
}

fn prepare<S: Service>(
    setup: &Setup,
    driver: DriverKind,
    listener: TcpListener,
    init: impl FnOnce(&Shard) -> Result<S, String>,
) -> Result<(Shard, Rc<S>, monoio::net::TcpListener), StartError> {
    spawn::install(Rc::new(MonoioExecutor));
    let clock = Rc::new(CoarseClock::new(Rc::new(SystemClock::new())));
    let probe = Rc::new(Probe::default());
    let connections = Rc::new(Connections::new(Rc::clone(&clock), Rc::clone(&probe)));
    let shard = Shard { id: setup.id, shards: setup.shards, driver, clock, probe, connections };
    let listener = monoio::net::TcpListener::from_std(listener).map_err(StartError::Listener)?;
    let service = init(&shard).map_err(StartError::Service)?;
    Ok((shard, Rc::new(service), listener))
}

async fn serve<S: Service>(
    setup: Setup,
    shard: Shard,
    service: Rc<S>,
    listener: monoio::net::TcpListener,
    ending: Ending,
) -> Exit {
    let ticking = shard.clone();
    let stalls = StallMeter::new(COARSE_TICK, shard.clock.precise().monotonic());
    every(COARSE_TICK, move || {
        ticking.clock.refresh();
        stalls.tick(ticking.clock.monotonic(), &ticking.probe);
        ticking.connections.notice_hang_ups();
    });
    let connections = Rc::clone(&shard.connections);
    every(SWEEP_INTERVAL, move || connections.sweep());

    let canceller = Canceller::new();
    let accepting =
        Accepting { shard: shard.clone(), service, connections_max: setup.connections_max };
    let stopping = Rc::new(Cell::new(false));
    let (handle, flag) = (canceller.handle(), Rc::clone(&stopping));
    let accept = monoio::spawn(async move {
        while !flag.get() {
            // Only ever ended through the canceller: an accept dropped half-way leaks the connection it got.
            accepting.admit(listener.cancelable_accept(handle.clone()).await, flag.get()).await;
        }
    });

    // An error means that the starter dropped its handle: stop without grace.
    let grace = ending.stopped.await.unwrap_or_default();
    stopping.set(true);
    let _canceller = canceller.cancel();
    accept.await;
    shard.connections.drain();
    wait_until_empty(&shard, grace).await;
    let cut = shard.connections.open();
    if cut > 0 {
        shard.connections.cut();
        wait_until_empty(&shard, CUT_GRACE).await;
    }
    // Nobody waits for it when the starter has dropped its handle; then this does not wait either.
    let _ = ending.drained.send(());
    let _ = ending.released.await;
    // Descriptors are closed by tasks of the runtime: let them run.
    spawn::sleep(DRAIN_POLL).await;
    Exit::Stopped { cut }
}

fn every(interval: Duration, mut work: impl FnMut() + 'static) {
    spawn::spawn(async move {
        loop {
            spawn::sleep(interval).await;
            work();
        }
    });
}

async fn wait_until_empty(shard: &Shard, limit: Duration) {
    let clock = shard.clock.precise();
    let deadline = clock.monotonic().saturating_add(limit);
    while shard.connections.open() > 0 && clock.monotonic() < deadline {
        spawn::sleep(DRAIN_POLL).await;
    }
}

struct Accepting<S> {
    shard: Shard,
    service: Rc<S>,
    connections_max: usize,
}

impl<S: Service> Accepting<S> {
    async fn admit(&self, accepted: io::Result<(TcpStream, std::net::SocketAddr)>, stopping: bool) {
        let probe = &self.shard.probe;
        match accepted {
            Ok((stream, _)) => self.open(stream),
            // The cancelled accept itself.
            Err(_) if stopping => {}
            Err(error) => {
                probe.accept_errors.add(1);
                if error.kind() != io::ErrorKind::ConnectionAborted {
                    spawn::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn open(&self, mut stream: TcpStream) {
        let probe = &self.shard.probe;
        probe.accepted.add(1);
        // Without it, two writes of one answer wait for the peer's delayed acknowledgement. Fails only on a
        // connection that is gone, which the first read will tell.
        let _ = stream.set_nodelay(true);
        if self.shard.connections.open() >= self.connections_max {
            probe.turned_away.add(1);
            let answer = self.service.turned_away();
            // Fits the empty send buffer of a new connection, so this task does not wait.
            monoio::spawn(async move { drop(stream.write_all(answer).await) });
            return;
        }
        let slot = self.shard.connections.enter(stream.as_raw_fd());
        let connection = Rc::clone(&self.service).connection(Socket { slot, stream });
        monoio::spawn(spawn::guard(Rc::clone(probe), connection));
    }
}

struct MonoioExecutor;

impl spawn::Executor for MonoioExecutor {
    fn spawn(&self, task: spawn::LocalFuture) {
        monoio::spawn(task);
    }

    fn sleep(&self, duration: Duration) -> spawn::LocalFuture {
        Box::pin(monoio::time::sleep(duration))
    }
}

/// An accepted connection.
pub struct Socket {
    // Dropped first: the entry in the table must not outlive the descriptor.
    slot: Slot,
    stream: TcpStream,
}

impl Transport for Socket {
    async fn read(&mut self, buf: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        let filled = buf.len();
        let (read, slice) = self.stream.read(buf.slice_mut(filled..)).await;
        (read, slice.into_inner())
    }

    async fn write_all(&mut self, bytes: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        let mut bytes = bytes;
        let mut sent = 0;
        while sent < bytes.len() {
            let (written, slice) = self.stream.write(bytes.slice(sent..)).await;
            bytes = slice.into_inner();
            match self.progress(written) {
                Ok(n) => sent += n,
                Err(error) => return (Err(error), bytes),
            }
        }
        (Ok(()), bytes)
    }

    async fn write_both(&mut self, head: Vec<u8>, body: Bytes) -> (io::Result<()>, Vec<u8>) {
        let mut rest = HeadAndBody::new(head, body);
        while !rest.is_empty() {
            let (written, buffers): BufResult<usize, _> = self.stream.writev(rest).await;
            rest = buffers;
            match self.progress(written) {
                Ok(n) => rest.advance(n),
                Err(error) => return (Err(error), rest.head),
            }
        }
        (Ok(()), rest.head)
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    fn arm(&mut self, phase: Phase, limit: Duration) {
        self.slot.arm(phase, limit);
    }

    fn expired(&self) -> bool {
        self.slot.expired()
    }

    async fn hung_up(&mut self) {
        self.slot.hung_up().await;
    }

    fn draining(&self) -> bool {
        self.slot.draining()
    }
}

impl Socket {
    fn progress(&self, written: io::Result<usize>) -> io::Result<usize> {
        match written? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            n => {
                self.slot.progress();
                Ok(n)
            }
        }
    }
}

/// What is left to send of two buffers.
struct HeadAndBody {
    // On the heap because the kernel reads it after this struct has moved into the operation.
    vectors: Box<[libc::iovec; 2]>,
    head: Vec<u8>,
    _body: Bytes,
}

impl HeadAndBody {
    fn new(head: Vec<u8>, body: Bytes) -> Self {
        let vector = |bytes: &[u8]| libc::iovec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        let vectors = Box::new([vector(&head), vector(&body)]);
        Self { vectors, head, _body: body }
    }

    fn is_empty(&self) -> bool {
        self.vectors.iter().all(|vector| vector.iov_len == 0)
    }

    fn advance(&mut self, sent: usize) {
        let mut left = sent;
        for vector in self.vectors.iter_mut() {
            let n = left.min(vector.iov_len);
            vector.iov_base = vector.iov_base.cast::<u8>().wrapping_add(n).cast();
            vector.iov_len -= n;
            left -= n;
        }
    }
}

// SAFETY: both vectors point into `head` and `_body`, whose heap storage stays in place and unchanged while this
// struct owns them; `vectors` is itself on the heap, so the pointer holds wherever the struct is moved.
unsafe impl IoVecBuf for HeadAndBody {
    fn read_iovec_ptr(&self) -> *const libc::iovec {
        self.vectors.as_ptr()
    }

    fn read_iovec_len(&self) -> usize {
        self.vectors.len()
    }
}

/// What a panic said.
#[must_use]
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}
