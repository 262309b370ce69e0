//! Shards as their starter sees them: the handshake, messages between them, and every way one can end.
//! What happens on a connection is tested where connections are given a protocol, in the server.

#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::time::Duration;

use futures_channel::oneshot;
use shards::ShardId;
use shards::io::Phase;
use shards::io::Transport as _;
use shards::listen::bind_reuseport;
use shards::mailbox::lanes;
use shards::runtime::DriverChoice;
use shards::runtime::DriverKind;
use shards::runtime::Exit;
use shards::runtime::Service;
use shards::runtime::Setup;
use shards::runtime::Shard;
use shards::runtime::ShardThread;
use shards::runtime::Socket;
use shards::runtime::StartError;
use shards::runtime::start;
use shards::spawn;

const GRACE: Duration = Duration::from_secs(5);

/// Sends back what it reads; panics when that starts with `!`.
#[derive(Debug)]
struct Echo;

impl Service for Echo {
    async fn connection(self: Rc<Self>, mut socket: Socket) {
        loop {
            socket.arm(Phase::Idle, GRACE);
            let (read, bytes) = socket.read(Vec::with_capacity(64)).await;
            if !read.is_ok_and(|n| n > 0) {
                return;
            }
            assert!(!bytes.starts_with(b"!"), "asked for");
            socket.arm(Phase::Sending, GRACE);
            socket.write_all(bytes).await.0.unwrap();
        }
    }

    fn turned_away(&self) -> &'static [u8] {
        b"full"
    }
}

fn setup(driver: DriverChoice) -> Setup {
    Setup { id: ShardId::new(0), shards: 1, core: None, driver, connections_max: 10 }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = bind_reuseport(([127, 0, 0, 1], 0).into(), 1).unwrap().remove(0);
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

fn start_one(
    driver: DriverChoice,
    init: impl FnOnce(&Shard) -> Result<Echo, String> + Send + 'static,
) -> Result<(ShardThread, SocketAddr), StartError> {
    let (listener, addr) = listener();
    start(setup(driver), listener, init, |_, _| {}).map(|thread| (thread, addr))
}

fn echo(addr: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(GRACE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut back = String::new();
    stream.read_to_string(&mut back).unwrap();
    back
}

/// Whether this machine has io_uring at all: containers often forbid it.
fn ring_works() -> bool {
    start_one(DriverChoice::IoUring, |_| Ok(Echo)).is_ok()
}

#[test]
fn a_shard_serves_on_every_driver_and_says_which() {
    for driver in [DriverChoice::Auto, DriverChoice::Epoll] {
        let (mut thread, addr) = start_one(driver, |_| Ok(Echo)).unwrap();
        let epoll = driver == DriverChoice::Epoll || !ring_works();
        assert_eq!(thread.driver == DriverKind::Epoll, epoll);
        assert_eq!(echo(addr, "hello"), "hello");
        thread.stop(GRACE);
        assert_eq!(thread.join(), Exit::Stopped { cut: 0 });
    }
}

#[test]
fn a_required_ring_is_never_replaced_by_epoll() {
    match start_one(DriverChoice::IoUring, |_| Ok(Echo)) {
        Ok((thread, _)) => assert_ne!(thread.driver, DriverKind::Epoll),
        Err(error) => {
            let text = error.to_string();
            for attempt in ["io_uring-defer: ", "io_uring-coop: ", "io_uring-plain: "] {
                assert!(text.contains(attempt), "{text}");
            }
        }
    }
}

#[test]
fn a_service_that_cannot_be_built_is_a_start_error() {
    let refused = start_one(DriverChoice::Auto, |_| Err("no disk".to_owned())).unwrap_err();
    assert_eq!(refused.to_string(), "cannot build the shard's service: no disk");
    let panicked = start_one(DriverChoice::Auto, |_| panic!("broken")).unwrap_err();
    assert_eq!(panicked.to_string(), "the shard panicked while starting: broken");
}

#[test]
fn a_core_that_is_not_there_is_a_start_error() {
    let setup = Setup { core: Some(1_000), ..setup(DriverChoice::Auto) };
    let error = start(setup, listener().0, |_| Ok(Echo), |_, _| {}).unwrap_err();
    assert!(matches!(error, StartError::Pin(1_000, _)), "{error}");
}

#[test]
fn a_panic_outside_connections_ends_the_shard_and_is_reported() {
    let (tell, told) = channel();
    let init = |_: &Shard| {
        spawn::spawn(async {
            spawn::sleep(Duration::from_millis(20)).await;
            panic!("broken invariant");
        });
        Ok(Echo)
    };
    let on_exit = move |id, exit: &Exit| tell.send((id, exit.clone())).unwrap();
    let thread = start(setup(DriverChoice::Auto), listener().0, init, on_exit).unwrap();
    let exit = Exit::Panicked("broken invariant".to_owned());
    assert_eq!(told.recv_timeout(GRACE).unwrap(), (ShardId::new(0), exit.clone()));
    assert_eq!(thread.join(), exit);
}

#[test]
fn a_panic_in_a_connection_or_guarded_task_is_counted_and_contained() {
    let (tell, told) = channel();
    let init = move |shard: &Shard| {
        let probe = Rc::clone(&shard.probe);
        spawn::spawn_guarded(&shard.probe, async { panic!("contained") });
        spawn::spawn(async move {
            while probe.panics.get() < 2 {
                spawn::sleep(Duration::from_millis(5)).await;
            }
            tell.send(probe.snapshot()).unwrap();
        });
        Ok(Echo)
    };
    let (_thread, addr) = start_one(DriverChoice::Auto, init).unwrap();
    assert_eq!(echo(addr, "!"), "");
    assert_eq!(echo(addr, "alive"), "alive");
    assert_eq!(told.recv_timeout(GRACE).unwrap().panics, 2);
}

#[test]
fn a_dropped_handle_stops_its_shard() {
    let (tell, told) = channel();
    let on_exit = move |_, exit: &Exit| tell.send(exit.clone()).unwrap();
    let thread = start(setup(DriverChoice::Auto), listener().0, |_| Ok(Echo), on_exit).unwrap();
    drop(thread);
    assert_eq!(told.recv_timeout(GRACE).unwrap(), Exit::Stopped { cut: 0 });
}

/// A question to a shard and where the answer goes.
struct Ask(u64, oneshot::Sender<(ShardId, u64)>);

#[test]
fn messages_hop_between_shards_and_wake_sleeping_ones() {
    let (mailboxes, inboxes) = lanes::<Ask>(2);
    let listeners = bind_reuseport(([127, 0, 0, 1], 0).into(), 2).unwrap();
    let (tell, told) = channel();
    let threads: Vec<_> = ShardId::all(2)
        .zip(inboxes)
        .zip(listeners)
        .map(|((id, inbox), listener)| {
            let (mailboxes, tell) = (mailboxes.clone(), tell.clone());
            let init = move |shard: &Shard| {
                let work = move |Ask(n, back): Ask| async move {
                    back.send((id, n * 2)).unwrap();
                };
                spawn::spawn(inbox.pump(Rc::clone(&shard.probe), work));
                let other = ShardId::new(if id.index() == 0 { 1 } else { 0 });
                spawn::spawn(async move {
                    // One at a time, so that the other shard is asleep whenever a question comes.
                    for n in 0..100 {
                        let (back, answer) = oneshot::channel();
                        assert!(mailboxes.try_send(other, Ask(n, back)).is_ok());
                        assert_eq!(answer.await, Ok((other, n * 2)));
                    }
                    tell.send(id).unwrap();
                });
                Ok(Echo)
            };
            let setup = Setup { id, shards: 2, ..setup(DriverChoice::Auto) };
            start(setup, listener, init, |_, _| {}).unwrap()
        })
        .collect();
    let mut done = [told.recv_timeout(GRACE).unwrap(), told.recv_timeout(GRACE).unwrap()];
    done.sort_unstable();
    assert_eq!(done, [ShardId::new(0), ShardId::new(1)]);
    drop(threads);
}
