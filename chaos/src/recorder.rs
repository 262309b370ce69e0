//! An upstream of our own that answers 503 to some calls or all, and remembers what it was asked and when. The
//! simulator counts calls but keeps no times, and whether retries come together is a question of times.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::failure::Outcome;

/// A running upstream. Dropping it closes its connections.
pub(crate) struct Recorder {
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

const REFUSED: &str = r#"{"error":{"name":"OPENAPI00011","message":"maintenance"}}"#;
/// A character without gear: the smallest document that can be valued.
const NOTHING_WORN: &str = r#"{"character_class":"비숍","preset_no":1,"item_equipment":[]}"#;
const ID_PATH: &str = "/maplestory/v1/id?";
/// More than any call of the server has.
const HEAD_BYTES_MAX: usize = 16 << 10;

impl Recorder {
    /// Refuses one call in `refused_in`; 1 refuses them all. Answers the others in the shortest way.
    pub(crate) async fn start(refused_in: u64) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (record, calls) = mpsc::unbounded_channel();
        let counter = Arc::new(AtomicU64::new(0));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (record, counter) = (record.clone(), Arc::clone(&counter));
                connections.spawn(async move {
                    let answer = |target: &str| {
                        // Fails only when the scenario is over.
                        let _ = record.send(Call { at: Instant::now(), target: target.to_owned() });
                        let number = counter.fetch_add(1, Ordering::Relaxed);
                        answer(target, number, number.is_multiple_of(refused_in))
                    };
                    // A caller that went away: its connection is over, its calls are recorded.
                    let _ = serve(stream, answer).await;
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

async fn serve(mut stream: TcpStream, answer: impl Fn(&str) -> Vec<u8>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        while let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            let line = String::from_utf8_lossy(&head[..end]);
            let answer = answer(line.split(' ').nth(1).unwrap_or_default());
            head.drain(..end + 4);
            stream.write_all(&answer).await?;
        }
        let read = stream.read(&mut buffer).await?;
        if read == 0 || head.len() > HEAD_BYTES_MAX {
            return Ok(());
        }
        head.extend_from_slice(&buffer[..read]);
    }
}

/// Every id is a new one: no two names share a character, and so its cached gear.
fn answer(target: &str, number: u64, refused: bool) -> Vec<u8> {
    let (status, body) = match refused {
        true => ("503 Service Unavailable", REFUSED.to_owned()),
        false if target.starts_with(ID_PATH) => {
            ("200 OK", format!(r#"{{"ocid":"{number:032x}"}}"#))
        }
        false => ("200 OK", NOTHING_WORN.to_owned()),
    };
    let length = body.len();
    let content = format!("Content-Type: application/json\r\nContent-Length: {length}");
    format!("HTTP/1.1 {status}\r\n{content}\r\n\r\n{body}").into_bytes()
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

    /// The statuses of calls for these paths, and what was recorded.
    async fn called(refused_in: u64, paths: &[&str]) -> (Vec<u16>, Calls) {
        let started = Recorder::start(refused_in).await;
        let mut recorder = started.unwrap_or_else(|failure| panic!("{failure}"));
        let mut connection = Connection::open(recorder.address).await.unwrap();
        let mut statuses = Vec::new();
        for path in paths {
            let reply = connection.exchange(&http::request("GET", path, "")).await.unwrap();
            assert!(serde_json::from_slice::<serde_json::Value>(&reply.body).is_ok());
            statuses.push(reply.status);
        }
        let calls = recorder.take();
        assert_eq!(recorder.take().count(), 0);
        (statuses, calls)
    }

    #[tokio::test]
    async fn calls_are_remembered_by_target_and_time() {
        let start = Instant::now();
        let (statuses, calls) = called(1, &["/a", "/b", "/a"]).await;
        assert_eq!(statuses, [503; 3]);
        assert_eq!((calls.count(), calls.operations(), calls.most_for_one()), (3, 2, 2));
        assert_eq!(calls.retries_ms(start).len(), 1);
        assert_eq!(calls.begun_after(start).count(), 3);
        assert_eq!(calls.begun_after(start + Duration::from_secs(60)).count(), 0);
    }

    #[tokio::test]
    async fn one_call_in_some_is_refused() {
        let (statuses, calls) =
            called(3, &["/maplestory/v1/id?character_name=a", "/b", "/c", "/d"]).await;
        assert_eq!(statuses, [503, 200, 200, 503]);
        assert_eq!(calls.amplification(), 1.0);
    }
}
