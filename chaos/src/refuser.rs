//! An upstream that answers 503 to everything and remembers what it was asked and when. The simulator counts calls
//! but keeps no times, and whether retries come together is a question of times.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::failure::Outcome;

/// A running refuser. Dropping it closes its connections.
pub(crate) struct Refuser {
    address: SocketAddr,
    calls: mpsc::UnboundedReceiver<Call>,
    _serving: JoinSet<()>,
}

/// One call.
struct Call {
    at: Instant,
    target: String,
}

/// Calls by target, each with its times in order: the first is the operation's own, the others are retries.
pub(crate) struct Calls(BTreeMap<String, Vec<Instant>>);

const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 57\r\n\r\n{\"error\":{\"name\":\"OPENAPI00011\",\"message\":\"maintenance\"}}";
/// More than any call of the server has.
const HEAD_BYTES_MAX: usize = 16 << 10;

impl Refuser {
    pub(crate) async fn start() -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (record, calls) = mpsc::unbounded_channel();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let record = record.clone();
                connections.spawn(async move {
                    // A caller that went away: its connection is over, its calls are recorded.
                    let _ = refuse(stream, &record).await;
                });
            }
        });
        Ok(Self { address, calls, _serving: serving })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked since the last time.
    pub(crate) fn take(&mut self) -> Calls {
        let mut calls: BTreeMap<String, Vec<Instant>> = BTreeMap::new();
        while let Ok(Call { at, target }) = self.calls.try_recv() {
            calls.entry(target).or_default().push(at);
        }
        Calls(calls)
    }
}

async fn refuse(mut stream: TcpStream, record: &mpsc::UnboundedSender<Call>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        while let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            let at = Instant::now();
            let line = String::from_utf8_lossy(&head[..end]);
            let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
            // Fails only when the scenario is over.
            let _ = record.send(Call { at, target });
            head.drain(..end + 4);
            stream.write_all(ANSWER).await?;
        }
        let read = stream.read(&mut buffer).await?;
        if read == 0 || head.len() > HEAD_BYTES_MAX {
            return Ok(());
        }
        head.extend_from_slice(&buffer[..read]);
    }
}

impl Calls {
    pub(crate) fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Distinct targets: every logical operation has its own.
    pub(crate) fn operations(&self) -> usize {
        self.0.len()
    }

    /// Calls for the target that was asked for most often.
    pub(crate) fn most_for_one(&self) -> usize {
        self.0.values().map(Vec::len).max().unwrap_or(0)
    }

    /// Calls per operation; 0 without any.
    pub(crate) fn amplification(&self) -> f64 {
        if self.0.is_empty() { 0.0 } else { self.count() as f64 / self.operations() as f64 }
    }

    /// Times of the retries, ms since `start`.
    pub(crate) fn retries_ms(&self, start: Instant) -> Vec<u128> {
        let retries = self.0.values().flat_map(|times| times.iter().skip(1));
        retries.map(|at| at.duration_since(start).as_millis()).collect()
    }

    /// Of the operations begun after `start`.
    pub(crate) fn begun_after(&self, start: Instant) -> Self {
        let late = self.0.iter().filter(|(_, times)| times[0] >= start);
        Self(late.map(|(target, times)| (target.clone(), times.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;
    use crate::http::Connection;
    use std::time::Duration;

    #[tokio::test]
    async fn calls_are_refused_and_remembered() {
        let mut refuser = Refuser::start().await.unwrap_or_else(|failure| panic!("{failure}"));
        let start = Instant::now();
        let mut connection = Connection::open(refuser.address).await.unwrap();
        for path in ["/a", "/b", "/a"] {
            let reply = connection.exchange(&http::request("GET", path, "")).await.unwrap();
            assert_eq!(reply.status, 503);
            assert!(serde_json::from_slice::<serde_json::Value>(&reply.body).is_ok());
        }
        let calls = refuser.take();
        assert_eq!((calls.count(), calls.operations(), calls.most_for_one()), (3, 2, 2));
        assert_eq!(calls.retries_ms(start).len(), 1);
        assert_eq!(calls.begun_after(start).count(), 3);
        assert_eq!(calls.begun_after(start + Duration::from_secs(60)).count(), 0);
        assert_eq!(refuser.take().count(), 0);
    }
}
