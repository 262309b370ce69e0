//! Load: a burst (everything at once, each request on a connection of its own) and an open loop (at a fixed rate,
//! latency counted from when a request was due, so that a stalled server cannot hide requests not yet sent).
//! Everything here runs on the one thread of the suite; its own CPU is in every report.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio::time::timeout_at;

use crate::failure::Outcome;
use crate::http::Connection;
use crate::http::Reply;

/// Requests under way, each on its own connection.
pub(crate) struct Burst {
    answers: mpsc::UnboundedReceiver<Answer>,
    /// Dropping it closes what is still open.
    _connections: JoinSet<()>,
}

/// What became of one request of a burst.
pub(crate) struct Answer {
    pub(crate) sent: Instant,
    pub(crate) received: Instant,
    pub(crate) reply: io::Result<Reply>,
}

/// A fixed rate on one request.
pub(crate) struct OpenLoop {
    pub(crate) rate_per_second: u32,
    pub(crate) duration: Duration,
    /// More than `rate * latency`, or the client itself becomes the bottleneck.
    pub(crate) connections: u32,
}

/// What an open loop saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// From due to received. Includes the timer's own lag, up to about 1 ms.
    latencies: Vec<Duration>,
    /// Counts by what went wrong: a status other than 200, or an I/O error.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Counts of answers by their X-Cache.
    sources: BTreeMap<String, u64>,
}

impl Burst {
    /// Opens all connections, then sends all requests.
    pub(crate) async fn send(server: SocketAddr, requests: &[Vec<u8>]) -> Outcome<Self> {
        let mut connections = Vec::with_capacity(requests.len());
        for _ in requests {
            connections.push(Connection::open(server).await?);
        }
        let (report, answers) = mpsc::unbounded_channel();
        let mut waiting = JoinSet::new();
        for (mut connection, request) in connections.into_iter().zip(requests) {
            let sent = Instant::now();
            connection.send(request).await?;
            let report = report.clone();
            waiting.spawn(async move {
                let reply = connection.receive().await;
                // Fails only when the burst was dropped.
                let _ = report.send(Answer { sent, received: Instant::now(), reply });
            });
        }
        Ok(Self { answers, _connections: waiting })
    }

    /// The next answers: `count` of them, or as many as arrive in `limit`.
    pub(crate) async fn gather(&mut self, count: usize, limit: Duration) -> Vec<Answer> {
        let end = Instant::now() + limit;
        let mut gathered = Vec::new();
        while gathered.len() < count {
            match timeout_at(end, self.answers.recv()).await {
                Ok(Some(answer)) => gathered.push(answer),
                Ok(None) | Err(_) => break,
            }
        }
        gathered
    }
}

impl Answer {
    /// None when there was no answer.
    pub(crate) fn status(&self) -> Option<u16> {
        self.reply.as_ref().ok().map(|reply| reply.status)
    }

    pub(crate) fn latency(&self) -> Duration {
        self.received - self.sent
    }
}

/// How many were answered with this status.
pub(crate) fn with_status(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status() == Some(status)).count()
}

/// How many bodies there are among the answers, each counted once.
pub(crate) fn distinct_bodies(answers: &[Answer]) -> usize {
    let replies = answers.iter().filter_map(|answer| answer.reply.as_ref().ok());
    let mut bodies: Vec<&[u8]> = replies.map(|reply| reply.body.as_slice()).collect();
    bodies.sort_unstable();
    bodies.dedup();
    bodies.len()
}

/// The longest of some durations; zero of none.
pub(crate) fn longest(durations: impl Iterator<Item = Duration>) -> Duration {
    durations.max().unwrap_or_default()
}

impl OpenLoop {
    /// Asks at the fixed rate until the time is over.
    pub(crate) async fn run(&self, server: SocketAddr, request: &[u8]) -> Outcome<Seen> {
        let request = request.to_vec();
        self.run_each(server, move |_| request.clone()).await
    }

    /// The same with a request for each number from 0 on.
    pub(crate) async fn run_each(
        &self,
        server: SocketAddr,
        request: impl Fn(usize) -> Vec<u8> + Clone + Send + 'static,
    ) -> Outcome<Seen> {
        let mut workers = JoinSet::new();
        let interval = Duration::from_secs(1) / self.rate_per_second;
        let start = Instant::now() + Duration::from_millis(100);
        for first in 0..self.connections {
            let connection = Connection::open(server).await?;
            let (step, end) = (interval * self.connections, start + self.duration);
            let due = start + interval * first;
            let (request, connections) = (request.clone(), self.connections as usize);
            let request = move |turn: usize| request(first as usize + turn * connections);
            workers.spawn(worker(server, connection, request, (due, step, end)));
        }
        let mut seen = Seen::default();
        while let Some(worker) = workers.join_next().await {
            seen.merge(worker?);
        }
        Ok(seen)
    }
}

async fn worker(
    server: SocketAddr,
    mut connection: Connection,
    request: impl Fn(usize) -> Vec<u8>,
    (mut due, step, end): (Instant, Duration, Instant),
) -> Seen {
    let (mut seen, mut turn) = (Seen::default(), 0);
    while due < end {
        sleep_until(due).await;
        match connection.exchange(&request(turn)).await {
            Ok(reply) => seen.note(due.elapsed(), &reply),
            Err(error) => {
                seen.error(error.kind().to_string());
                match Connection::open(server).await {
                    Ok(again) => connection = again,
                    Err(error) => seen.error(format!("connect: {}", error.kind())),
                }
            }
        }
        due += step;
        turn += 1;
    }
    seen
}

impl Seen {
    /// Requests answered with 200.
    pub(crate) fn answered(&self) -> usize {
        self.latencies.len()
    }

    /// The latency that this share of the answers did not exceed; zero without answers.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// For a report.
    pub(crate) fn quantiles(&self) -> String {
        let [p50, p99, p999, max] = [0.5, 0.99, 0.999, 1.0].map(|share| self.quantile(share));
        let count = self.answered();
        format!("{p50:.2?} / {p99:.2?} / {p999:.2?} / {max:.2?} of {count} answers")
    }

    /// Answers with this X-Cache.
    pub(crate) fn from(&self, source: &str) -> u64 {
        self.sources.get(source).copied().unwrap_or(0)
    }

    /// Answers by their X-Cache, for a report.
    pub(crate) fn sources(&self) -> String {
        format!("{:?}", self.sources)
    }

    /// Counts an answer.
    pub(crate) fn note(&mut self, latency: Duration, reply: &Reply) {
        if reply.status != 200 {
            return self.error(reply.status.to_string());
        }
        self.latencies.push(latency);
        let source = reply.header("x-cache").unwrap_or("none");
        *self.sources.entry(source.to_owned()).or_default() += 1;
    }

    /// Counts what is no answer.
    pub(crate) fn error(&mut self, what: String) {
        *self.errors.entry(what).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        add(&mut self.errors, other.errors);
        add(&mut self.sources, other.sources);
    }
}

fn add(sums: &mut BTreeMap<String, u64>, counts: BTreeMap<String, u64>) {
    for (what, count) in counts {
        *sums.entry(what).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_sorted_answers() {
        let latencies = (1..=200).rev().map(Duration::from_millis).collect();
        let seen = Seen { latencies, ..Seen::default() };
        let at = |share| seen.quantile(share).as_millis();
        assert_eq!([at(0.5), at(0.99), at(0.999), at(1.0)], [100, 198, 200, 200]);
        assert_eq!(Seen::default().quantile(0.99), Duration::ZERO);
    }
}
