//! Real shards on a loopback port, with the test handler behind the edge, and a client that speaks bytes.

#![allow(clippy::unwrap_used, reason = "a test that cannot connect has failed")]

use std::io::Read as _;
use std::io::Write as _;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::Sender;
use std::sync::mpsc::channel;
use std::time::Duration;

use maple_expectation::http::Edge;
use maple_expectation::http::Handler;
use maple_expectation::http::Request;
use maple_expectation::http::Response;
use maple_expectation::http::Timeouts;
use shards::ShardId;
use shards::listen::bind_reuseport;
use shards::runtime::DriverChoice;
use shards::runtime::Exit;
use shards::runtime::Setup;
use shards::runtime::Shard;
use shards::runtime::ShardThread;
use shards::runtime::start;

use crate::handler::Echo;

/// How long a client waits before a test fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// How to start.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) shards: u16,
    pub(crate) driver: DriverChoice,
    pub(crate) timeouts: Timeouts,
    pub(crate) connections_max: usize,
}

impl Options {
    pub(crate) fn shards(shards: u16) -> Self {
        let (driver, timeouts) = (DriverChoice::Auto, Timeouts::default());
        Self { shards, driver, timeouts, connections_max: 1_000 }
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) threads: Vec<ShardThread>,
    executed: Receiver<String>,
}

impl Server {
    pub(crate) fn start(options: Options) -> Self {
        let listeners = bind_reuseport(([127, 0, 0, 1], 0).into(), options.shards).unwrap();
        let addr = listeners[0].local_addr().unwrap();
        let (log, executed) = channel();
        let threads = ShardId::all(options.shards)
            .zip(listeners)
            .map(|(id, listener)| {
                let Options { shards, driver, connections_max, timeouts } = options;
                let setup = Setup { id, shards, core: None, driver, connections_max };
                let log = log.clone();
                let init = move |shard: &Shard| Ok(edge(shard, log, timeouts));
                start(setup, listener, init, |_, _| {}).unwrap()
            })
            .collect();
        Self { addr, threads, executed }
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream }
    }

    /// What handlers have executed since the last call.
    pub(crate) fn executed(&self) -> Vec<String> {
        self.executed.try_iter().collect()
    }

    /// Stops every shard and waits for it.
    pub(crate) fn stop(mut self, grace: Duration) -> Vec<Exit> {
        self.threads.iter_mut().for_each(|thread| thread.stop(grace));
        self.threads.drain(..).map(ShardThread::join).collect()
    }

    /// The counter called `name` of a server of one shard.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        let mut client = self.connect();
        client.send(b"GET /stats HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answers = crate::rows::answers(&client.read_to_end());
        let text = std::str::from_utf8(&answers[0].body).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.expect("a known counter").parse().unwrap()
    }
}

type Log = Box<dyn Fn(&str)>;

struct Behind {
    echo: Echo<Log>,
    shard: Shard,
}

fn edge(shard: &Shard, log: Sender<String>, timeouts: Timeouts) -> Edge<Behind> {
    // A server that is being stopped has nobody left who reads the log.
    let executed: Log = Box::new(move |line| drop(log.send(line.to_owned())));
    let behind = Behind { echo: Echo { executed }, shard: shard.clone() };
    Edge::new(behind, Rc::clone(&shard.clock), timeouts, Rc::default())
}

impl Handler for Behind {
    async fn handle(&self, request: &Request<'_>) -> Response {
        let response = match request.path() {
            "/stats" => {
                let counts = self.shard.probe.snapshot();
                let text = format!(
                    "open={}\npanics={}\nexpired={}\nturned_away={}\n",
                    counts.open, counts.panics, counts.expired, counts.turned_away
                );
                Response::new(maple_expectation::http::Status::OK).body("text/plain", text)
            }
            _ => self.echo.handle(request).await,
        };
        response.field("X-Shard", &self.shard.id.to_string())
    }
}

/// A client connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Everything until the server closes; a reset is a failure.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).expect("an orderly end, in time");
        bytes
    }

    /// Everything until `end` has been seen.
    pub(crate) fn read_until(&mut self, end: &str) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_bytes()) {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).expect("more, in time");
            bytes.push(byte[0]);
        }
        String::from_utf8(bytes).unwrap()
    }

    pub(crate) fn done_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}
