//! A TCP relay on loopback that spoils connections on command: it passes, delays, holds back, refuses, resets them,
//! or leaves one side behind. It has a thread and a runtime of its own, so that it relays while its user blocks.
//! It knows bytes and no protocol. What it cannot imitate is a lost handshake: while it holds, connecting succeeds.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::net::tcp::WriteHalf;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::sleep_until;

use crate::loopback;

/// A running relay. Dropping it closes every connection.
pub struct Relay {
    address: SocketAddr,
    /// `None` only while it is dropped: the thread ends when nobody can change the state any more.
    state: Option<watch::Sender<State>>,
    /// Versions of the state the listener has taken over.
    applied: mpsc::Receiver<u64>,
    thread: Option<JoinHandle<()>>,
}

/// What happens to bytes and to new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Nothing.
    #[default]
    Pass,
    /// Every byte arrives this much later, in both directions.
    Delay(Duration),
    /// No byte arrives, and nobody is told; what was sent meanwhile arrives when the mode changes. As on a network
    /// that loses every packet.
    Hold,
    /// As [`Hold`](Self::Hold) for answers only: what was asked for happens, and the one who asked never learns.
    HoldAnswers,
    /// Nobody listens: new connections are refused; those that exist go on.
    Refuse,
}

/// What every task of a relay watches.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    version: u64,
    mode: Mode,
    /// Connections begun before these counts became what they are have been reset, or left behind.
    resets: u64,
    losses: u64,
}

/// Bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Answer,
}

const CHUNK_BYTES: usize = 16 << 10;
/// Chunks on their way in one direction: the most a delay can keep.
const CHUNKS_MAX: usize = 256;

impl Relay {
    /// Relays to `target` from a port of its own.
    ///
    /// # Errors
    /// No port, thread or runtime.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let address = loopback::address(loopback::free_port()?);
        let listener = std::net::TcpListener::bind(address)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (state, watched) = watch::channel(State::default());
        let (apply, applied) = mpsc::channel();
        let thread = thread::Builder::new().name("relay".to_owned()).spawn(move || {
            // An error ends the thread, and the next command says so.
            let _ = runtime.block_on(listen(listener, target, watched, apply));
        })?;
        Ok(Self { address, state: Some(state), applied, thread: Some(thread) })
    }

    /// Where it listens, the same for its whole life.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// In force for all connections when it returns; a delay for the bytes that come from then on.
    ///
    /// # Errors
    /// The relay has ended: it could not listen on its port again.
    pub fn set(&self, mode: Mode) -> io::Result<()> {
        self.change(|state| state.mode = mode)
    }

    /// Resets (RST) every connection, on both sides.
    ///
    /// # Errors
    /// As those of [`set`](Self::set).
    pub fn reset(&self) -> io::Result<()> {
        self.change(|state| state.resets += 1)
    }

    /// Every connection becomes half-open: its server's side is closed, its client's stays open, and what the
    /// client sends is lost. As with a server that has lost its power.
    ///
    /// # Errors
    /// As those of [`set`](Self::set).
    pub fn lose_servers(&self) -> io::Result<()> {
        self.change(|state| state.losses += 1)
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> io::Result<()> {
        let ended = || io::Error::other("the relay has ended");
        let state = self.state.as_ref().ok_or_else(ended)?;
        state.send_modify(|state| {
            state.version += 1;
            change(state);
        });
        let version = state.borrow().version;
        while self.applied.recv().map_err(|_| ended())? < version {}
        Ok(())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic, and a drop could not say so.
            let _ = thread.join();
        }
    }
}

impl State {
    fn passes(&self, direction: Direction) -> bool {
        match self.mode {
            Mode::Pass | Mode::Delay(_) | Mode::Refuse => true,
            Mode::Hold => false,
            Mode::HoldAnswers => direction == Direction::Request,
        }
    }

    fn delay(&self) -> Duration {
        match self.mode {
            Mode::Delay(time) => time,
            _ => Duration::ZERO,
        }
    }
}

/// One listening socket, twice: the runtime's to wait with, and the plain one to ask who waits already.
struct Listener {
    awaited: TcpListener,
    asked: std::net::TcpListener,
}

impl Listener {
    fn new(asked: std::net::TcpListener) -> io::Result<Self> {
        asked.set_nonblocking(true)?;
        Ok(Self { awaited: TcpListener::from_std(asked.try_clone()?)?, asked })
    }

    /// Somebody who has connected, whether the runtime has heard of it or not.
    fn waiting(&self) -> io::Result<Option<TcpStream>> {
        match self.asked.accept() {
            Ok((client, _)) => {
                client.set_nonblocking(true)?;
                TcpStream::from_std(client).map(Some)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Accepts until nobody can change the state any more. Connections end with the runtime.
async fn listen(
    listener: std::net::TcpListener,
    target: SocketAddr,
    mut state: watch::Receiver<State>,
    apply: mpsc::Sender<u64>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let mut listener = Some(Listener::new(listener)?);
    let mut born = State::default();
    loop {
        tokio::select! {
            client = accept(listener.as_ref()) => {
                tokio::spawn(connection(client?, target, born, state.clone()));
                continue;
            }
            changed = state.changed() => if changed.is_err() { return Ok(()) },
        }
        // Who connected before a command is subject to it.
        while let Some(client) = listener.as_ref().map_or(Ok(None), Listener::waiting)? {
            tokio::spawn(connection(client, target, born, state.clone()));
        }
        born = *state.borrow_and_update();
        if born.mode == Mode::Refuse {
            listener = None;
        } else if listener.is_none() {
            listener = Some(Listener::new(std::net::TcpListener::bind(address)?)?);
        }
        // The relay itself may have gone meanwhile.
        let _ = apply.send(born.version);
    }
}

async fn accept(listener: Option<&Listener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => Ok(listener.awaited.accept().await?.0),
        None => std::future::pending().await,
    }
}

/// One connection from its beginning, under the state `born`, to its end, whoever ends it.
async fn connection(
    mut client: TcpStream,
    target: SocketAddr,
    born: State,
    mut state: watch::Receiver<State>,
) {
    let mut server = None;
    let mut other = state.clone();
    let reset = async { other.wait_for(|now| now.resets != born.resets).await.map(drop) };
    let relayed = async {
        state.wait_for(|now| now.passes(Direction::Request)).await.map_err(gone)?;
        let server_side = server.insert(TcpStream::connect(target).await?);
        client.set_nodelay(true)?;
        server_side.set_nodelay(true)?;
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server_side.split();
        let both = async {
            tokio::try_join!(
                pump(from_client, to_server, Direction::Request, state.clone()),
                pump(from_server, to_client, Direction::Answer, state.clone()),
            )
        };
        let mut loser = state.clone();
        tokio::select! {
            ended = both => return ended.map(drop),
            lost = loser.wait_for(|now| now.losses != born.losses) => drop(lost.map_err(gone)?),
        }
        server = None;
        swallow(&mut client).await
    };
    tokio::select! {
        ended = relayed => if ended.is_ok() { return },
        _ = reset => {}
    }
    // No orderly end, and both sides shall see that.
    for side in [Some(client), server].into_iter().flatten() {
        // Fails when the socket is gone already.
        let _ = side.set_zero_linger();
    }
}

/// Passes bytes on, in order, each when it is due. Ends with the sender's orderly end, passed on as well.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    direction: Direction,
    state: watch::Receiver<State>,
) -> io::Result<()> {
    let (queue, mut due) = tokio::sync::mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    let arriving = state.clone();
    let read = async move {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let read = from.read(&mut buffer).await?;
            let at = Instant::now() + arriving.borrow().delay();
            // Nothing read is the end, and the end is passed on in its turn.
            if queue.send((at, buffer[..read].to_vec())).await.is_err() || read == 0 {
                return Ok(());
            }
        }
    };
    let mut leaving = state;
    let write = async move {
        while let Some((at, bytes)) = due.recv().await {
            sleep_until(at).await;
            leaving.wait_for(|now| now.passes(direction)).await.map_err(gone)?;
            to.write_all(&bytes).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(drop)
}

/// Reads what nobody will get, until the client gives up.
async fn swallow(client: &mut TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    while client.read(&mut buffer).await? > 0 {}
    Ok(())
}

fn gone(_: watch::error::RecvError) -> io::Error {
    io::Error::other("the relay has ended")
}
