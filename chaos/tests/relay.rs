//! What a client behind the relay sees in each mode. The target echoes.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use chaos::relay::Mode;
use chaos::relay::Relay;

/// Longer than a byte takes here; a test waits this long for what must not come.
const SILENCE: Duration = Duration::from_millis(100);
/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the server tells of a connection that was reset.
const RESET: &[u8] = b"(reset)";

/// A server that echoes, and tells what it has read; nothing read is the end of a connection.
fn echo() -> (SocketAddr, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    // Ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, tell) = (stream.unwrap(), tell.clone());
            thread::spawn(move || {
                let mut buffer = [0; 1 << 10];
                loop {
                    let Ok(read) = stream.read(&mut buffer) else {
                        let _ = tell.send(RESET.to_vec());
                        return;
                    };
                    let _ = tell.send(buffer[..read].to_vec());
                    if read == 0 || stream.write_all(&buffer[..read]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, told)
}

struct Client(TcpStream);

impl Client {
    fn connect(relay: &Relay) -> Self {
        Self(TcpStream::connect(relay.address()).unwrap())
    }

    fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    fn receive(&mut self, within: Duration) -> io::Result<String> {
        self.0.set_read_timeout(Some(within)).unwrap();
        let mut buffer = [0; 1 << 10];
        let read = self.0.read(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..read]).into_owned())
    }

    fn hears_nothing(&mut self) -> bool {
        let silence = self.receive(SILENCE);
        silence.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

#[test]
fn it_passes_bytes_and_both_ends_of_a_connection() {
    let (target, told) = echo();
    let relay = Relay::start(target).unwrap();
    let mut client = Client::connect(&relay);
    client.send("one");
    assert_eq!(client.receive(PATIENCE).unwrap(), "one");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), b"one");
    client.0.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), b"");
    assert_eq!(client.receive(PATIENCE).unwrap(), "", "the server has closed as well");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test measures a delay")]
fn it_delays_each_direction() {
    let (target, _told) = echo();
    let relay = Relay::start(target).unwrap();
    relay.set(Mode::Delay(SILENCE)).unwrap();
    let mut client = Client::connect(&relay);
    let start = std::time::Instant::now();
    client.send("late");
    assert_eq!(client.receive(PATIENCE).unwrap(), "late");
    assert!(start.elapsed() >= 2 * SILENCE, "{:?}", start.elapsed());
}

#[test]
fn what_it_holds_back_arrives_later() {
    let (target, told) = echo();
    let relay = Relay::start(target).unwrap();
    let mut before = Client::connect(&relay);
    before.send("a");
    assert_eq!(before.receive(PATIENCE).unwrap(), "a");
    told.recv_timeout(PATIENCE).unwrap();

    relay.set(Mode::Hold).unwrap();
    let mut during = Client::connect(&relay);
    before.send("b");
    during.send("c");
    assert!(before.hears_nothing() && during.hears_nothing());
    assert!(told.try_recv().is_err(), "the server heard of it");

    relay.set(Mode::Pass).unwrap();
    assert_eq!(before.receive(PATIENCE).unwrap(), "b");
    assert_eq!(during.receive(PATIENCE).unwrap(), "c");
}

#[test]
fn it_can_hold_answers_only() {
    let (target, told) = echo();
    let relay = Relay::start(target).unwrap();
    relay.set(Mode::HoldAnswers).unwrap();
    let mut client = Client::connect(&relay);
    client.send("commit");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), b"commit");
    assert!(client.hears_nothing());
    relay.set(Mode::Pass).unwrap();
    assert_eq!(client.receive(PATIENCE).unwrap(), "commit");
}

#[test]
fn it_refuses_new_connections_only_and_listens_again() {
    let (target, _told) = echo();
    let relay = Relay::start(target).unwrap();
    let mut before = Client::connect(&relay);
    before.send("a");
    assert_eq!(before.receive(PATIENCE).unwrap(), "a");

    relay.set(Mode::Refuse).unwrap();
    let refused = TcpStream::connect(relay.address()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    before.send("b");
    assert_eq!(before.receive(PATIENCE).unwrap(), "b");

    relay.set(Mode::Pass).unwrap();
    let mut after = Client::connect(&relay);
    after.send("c");
    assert_eq!(after.receive(PATIENCE).unwrap(), "c");
}

#[test]
fn a_reset_is_seen_by_both_sides_and_by_held_connections() {
    let (target, told) = echo();
    let relay = Relay::start(target).unwrap();
    let mut open = Client::connect(&relay);
    open.send("a");
    assert_eq!(open.receive(PATIENCE).unwrap(), "a");
    told.recv_timeout(PATIENCE).unwrap();
    relay.set(Mode::Hold).unwrap();
    let mut held = Client::connect(&relay);
    relay.reset().unwrap();
    for client in [&mut open, &mut held] {
        let error = client.receive(PATIENCE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), RESET);
    relay.set(Mode::Pass).unwrap();
    let mut after = Client::connect(&relay);
    after.send("b");
    assert_eq!(after.receive(PATIENCE).unwrap(), "b");
}

#[test]
fn a_lost_server_leaves_its_client_behind() {
    let (target, told) = echo();
    let relay = Relay::start(target).unwrap();
    let mut client = Client::connect(&relay);
    client.send("a");
    assert_eq!(client.receive(PATIENCE).unwrap(), "a");
    told.recv_timeout(PATIENCE).unwrap();

    relay.lose_servers().unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), b"", "the server's side is closed");
    client.send("into the void");
    assert!(client.hears_nothing());
    let mut after = Client::connect(&relay);
    after.send("b");
    assert_eq!(after.receive(PATIENCE).unwrap(), "b");
    relay.reset().unwrap();
    assert_eq!(client.receive(PATIENCE).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_target_nobody_serves_is_a_reset() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let relay = Relay::start(closed).unwrap();
    let error = Client::connect(&relay).receive(PATIENCE).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}
