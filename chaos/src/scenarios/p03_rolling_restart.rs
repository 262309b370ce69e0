//! Hypothesis: a new version can be rolled out at any time, and no client notices.
//!
//! Fault: of two servers that share MariaDB and Redis one after the other is asked to end (SIGTERM) and started again
//! on its port, 5 times each (small: once).
//!
//! Load: 12 cached names, open loop, 2,000 requests/s (small: 200) over 64 connections. First by `bench load` through
//! nginx, which keeps connections to both servers open and gives a GET that one of them fails to the other; then by
//! clients who know both servers, go to the other when one does not accept them, and send a GET once more when its
//! connection closes before the first byte of an answer.
//!
//! Invariant: both ways no request fails, and none of the servers ends with requests cut off. How many requests were
//! sent twice is measured.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use chaos::services::Nginx;
use tokio::task::JoinSet;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::sleep_until;

use crate::bench::BenchLoad;
use crate::bench::Counted;
use crate::failure::Failure;
use crate::failure::Outcome;
use crate::http;
use crate::http::Connection;
use crate::http::Reply;
use crate::load::Seen;
use crate::report::Report;
use crate::stack::Context;
use crate::tier::Tier;
use crate::tier::connected;

const NAMES: usize = 12;
const CONNECTIONS: u32 = 64;
/// Between two restarts, before the first and after the last: the load has come to both servers.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    let mut tier = context.tier(2, &[]).await?;
    let servers = [0, 1].map(|server| tier.servers[server].address());
    let nginx = spawn_blocking(move || Nginx::start(&servers)).await??;
    let rate_per_second = context.pick(200, 2_000);
    let duration = Duration::from_secs(context.pick(4, 30));
    let load = BenchLoad { rate_per_second, duration, connections: CONNECTIONS };
    let path = |n| format!("/api/v4/characters/{}/expectation", http::encoded(&name(n)));
    let paths: Vec<_> = (0..NAMES).map(path).collect();
    let load = load.run(context, nginx.address(), &paths);
    rolling(context, &mut tier, load).await?.check(report);

    let direct = clients(servers, rate_per_second, duration);
    let Direct { seen, sent_twice } = rolling(context, &mut tier, direct).await?;
    report.at_least("directly: answers", 1, seen.answered());
    report.equal("directly: requests that failed", "{}".to_owned(), format!("{:?}", seen.errors));
    report.measured("directly: requests sent twice", sent_twice);
    report.measured("directly: p50 / p99 / p99.9 / max", seen.quantiles());
    tier.account(report).await
}

/// Restarts both servers in turns during a load.
async fn rolling<T>(
    context: &Context,
    tier: &mut Tier,
    load: impl Future<Output = Outcome<T>>,
) -> Outcome<T> {
    let rounds = context.pick(1, 5);
    let restarts = async {
        for _ in 0..2 * rounds {
            sleep(PAUSE).await;
            let server = tier.servers.remove(0).restart().await?;
            connected(&server).await?;
            tier.servers.push(server);
        }
        sleep(PAUSE).await;
        Ok::<_, Failure>(Instant::now())
    };
    let load = async { (load.await, Instant::now()) };
    let (restarted, (counted, loaded)) = tokio::join!(restarts, load);
    match restarted? < loaded {
        true => counted,
        false => Err(Failure::new("the load ended before the last restart")),
    }
}

impl Counted {
    fn check(&self, report: &mut Report) {
        report.at_least("through nginx: answers", 1, self.requests);
        report.equal("through nginx: requests that failed", 0, self.errors);
        report.measured("through nginx: failures", &self.told);
        report.measured("through nginx: latency, us", &self.latency_us);
    }
}

/// What became of direct requests.
#[derive(Default)]
struct Direct {
    seen: Seen,
    sent_twice: u64,
}

/// A client who knows both servers.
struct Client {
    servers: [SocketAddr; 2],
    /// Whom to connect to next.
    next: usize,
    connection: Option<Connection>,
    direct: Direct,
}

async fn clients(
    servers: [SocketAddr; 2],
    rate_per_second: u32,
    duration: Duration,
) -> Outcome<Direct> {
    let interval = Duration::from_secs(1) / rate_per_second;
    let (start, mut asking) = (Instant::now(), JoinSet::new());
    for first in 0..CONNECTIONS {
        let next = first as usize % servers.len();
        let client = Client { servers, next, connection: None, direct: Direct::default() };
        let due = start + interval * first;
        asking.spawn(client.ask_until(due, interval * CONNECTIONS, start + duration));
    }
    let mut all = Direct::default();
    while let Some(direct) = asking.join_next().await {
        let Direct { seen, sent_twice } = direct?;
        all.seen.merge(seen);
        all.sent_twice += sent_twice;
    }
    Ok(all)
}

impl Client {
    async fn ask_until(mut self, mut due: Instant, step: Duration, end: Instant) -> Direct {
        let mut number = 0;
        while due < end {
            sleep_until(due).await;
            match self.ask(&http::expectation(&name(number % NAMES), "")).await {
                Ok(reply) => self.direct.seen.note(due.elapsed(), &reply),
                Err(error) => self.direct.seen.error(error.kind().to_string()),
            }
            due += step;
            number += 1;
        }
        self.direct
    }

    async fn ask(&mut self, request: &[u8]) -> io::Result<Reply> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let mut reply = connection.exchange(request).await;
        if reply.is_err() && !connection.has_begun() {
            self.direct.sent_twice += 1;
            connection = self.connect().await?;
            reply = connection.exchange(request).await;
        }
        let kept = reply.as_ref().is_ok_and(|reply| reply.header("connection") != Some("close"));
        self.connection = kept.then_some(connection);
        reply
    }

    /// To the next server, or to the other when that one does not accept.
    async fn connect(&mut self) -> io::Result<Connection> {
        let order = [self.next, self.next + 1].map(|at| self.servers[at % 2]);
        self.next += 1;
        match Connection::open(order[0]).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Connection::open(order[1]).await
            }
            opened => opened,
        }
    }
}

fn name(number: usize) -> String {
    format!("roll{number}")
}
