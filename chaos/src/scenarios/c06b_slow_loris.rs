//! Hypothesis: clients that never finish a request head cost a connection until their deadline, and others nothing.
//!
//! Fault: connections that send one byte of a request head every now and then.
//!
//! Load: 1,000 of them (small: 100) with a byte every second (small: 200 ms) against a head timeout of 10 s (small:
//! 1 s); a normal client at 200 requests/s of a cached name, before and meanwhile.
//!
//! Invariant: each is cut at the head timeout, not before, and at most 1 s later; it is told 408 or nothing. The
//! normal client has no errors and its p99 stays below twice what it was before, or below 5 ms (small: 25 ms): a
//! smaller number is mostly the client's own timer.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Outcome;
use crate::http;
use crate::load::OpenLoop;
use crate::load::longest;
use crate::report::Report;
use crate::stack::Context;

/// Deadlines of connections are looked at every 250 ms, and the cut takes its turn behind other work.
const CUT_LATE: Duration = Duration::from_secs(1);
const P99_FLOOR: Duration = Duration::from_millis(5);
const EXPIRED: &str = "maple_connections_expired_total";

/// How one slow connection ended.
struct Cut {
    /// After its first byte.
    after: Duration,
    /// What it was told.
    told: Vec<u8>,
}

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    let head_timeout = context.pick(Duration::from_secs(1), Duration::from_secs(10));
    let interval = context.pick(Duration::from_millis(200), Duration::from_secs(1));
    let count = context.pick(100, 1_000);
    let key = format!("{}s", head_timeout.as_secs());
    let stack = context.stack(&[("http.head_timeout", &key)]).await?;
    let server = stack.server.address();
    let request = http::expectation("강은호", "");
    http::exchange(server, &request).await?;
    let normal = OpenLoop { rate_per_second: 200, duration: head_timeout, connections: 4 };
    let before = normal.run(server, &request).await?;
    let (meanwhile, cuts) =
        tokio::join!(normal.run(server, &request), attack(server, count, interval));
    let (meanwhile, cuts) = (meanwhile?, cuts?);
    let told = |told: &[u8]| told.is_empty() || told.starts_with(b"HTTP/1.1 408 ");
    report.equal(
        "cut and told 408 or nothing",
        count,
        cuts.iter().filter(|c| told(&c.told)).count(),
    );
    let first = cuts.iter().map(|cut| cut.after).min().unwrap_or_default();
    report.at_least(
        "first cut after its first byte, s",
        head_timeout.as_secs_f64(),
        first.as_secs_f64(),
    );
    let last = longest(cuts.iter().map(|cut| cut.after));
    report.within("last cut after its first byte", head_timeout + CUT_LATE, last);
    report.measured("told 408", cuts.iter().filter(|cut| !cut.told.is_empty()).count());
    report.measured("normal client before, p50 / p99 / p99.9 / max", before.quantiles());
    report.measured("normal client meanwhile, p50 / p99 / p99.9 / max", meanwhile.quantiles());
    let errors = before.errors.len() + meanwhile.errors.len();
    report.equal("kinds of errors of the normal client", 0, errors);
    let limit = context.limit(P99_FLOOR).max(2 * before.quantile(0.99));
    report.within("p99 of the normal client meanwhile", limit, meanwhile.quantile(0.99));
    stack.account(report).await?;
    let expired = stack.server.metrics().await?.sum(EXPIRED, &[])?;
    report.at_least("connections counted as expired", count as f64, expired);
    Ok(())
}

async fn attack(server: SocketAddr, count: usize, interval: Duration) -> Outcome<Vec<Cut>> {
    let mut attackers = JoinSet::new();
    for _ in 0..count {
        attackers.spawn(drip(TcpStream::connect(server).await?, interval));
    }
    let mut cuts = Vec::with_capacity(count);
    while let Some(cut) = attackers.join_next().await {
        cuts.push(cut?);
    }
    Ok(cuts)
}

/// Sends a head that never ends until the server has had enough.
async fn drip(mut stream: TcpStream, interval: Duration) -> Cut {
    let head = b"GET / HTTP/1.1\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'a'));
    let (mut reading, mut writing) = stream.split();
    let begun = Instant::now();
    let sending = async {
        for byte in head {
            if writing.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(interval).await;
        }
    };
    let mut told = Vec::new();
    tokio::select! {
        // A reset ends it as well as a close does.
        _ = reading.read_to_end(&mut told) => {}
        () = sending => {}
    }
    Cut { after: begun.elapsed(), told }
}
