//! Hypothesis: when the game's API fails, the server's retries do not make it worse.
//!
//! Fault: for 60 s (small: 6 s) an upstream that answers 503 to one call in three, which keeps the breaker closed, so
//! that the retry rules are seen alone; for as long again one that answers 503 to every call, with a breaker that
//! opens for 100 ms only; at last the simulator with 400 OPENAPI00003, an error that no retry can mend.
//!
//! Load: 100 clients (small: 40), each asking for a name nobody asked for before, again 100 ms after each answer.
//!
//! Invariant: no call is tried more than 3 times, calls are at most 3 times the operations behind them, retries at
//! most the budget of 100 a minute, and once that is used up (the last third) at most 1.1 calls are made for an
//! operation. No bucket of 10 ms holds more than a tenth of the retries. A 400 is asked for once and does not open
//! the breaker.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Outcome;
use crate::http;
use crate::http::Connection;
use crate::load::Burst;
use crate::load::with_status;
use crate::recorder::Calls;
use crate::recorder::Recorder;
use crate::report::Report;
use crate::stack::Context;
use crate::stack::Server;

const ATTEMPTS_MAX: usize = 3;
const BUDGET_PER_MINUTE: usize = 100;
const SPENT_AMPLIFICATION_MAX: f64 = 1.1;
const BUCKET_MS: u128 = 10;
const BUCKET_SHARE: usize = 10;
const PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(15);
const RETRIES: &str = "maple_upstream_retries_total";
const BREAKER: &str = "maple_upstream_breaker_state";

/// What the upstream saw of one storm.
struct Storm {
    start: Instant,
    duration: Duration,
    calls: Calls,
}

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    one_in_three(context, report).await?;
    all(context, report).await?;
    beyond_mending(context, report).await
}

async fn one_in_three(context: &Context, report: &mut Report) -> Outcome<()> {
    let mut upstream = Recorder::start(3).await?;
    let server = context.server(&upstream.url(), &[]).await?;
    let storm = storm(context, &server, &mut upstream).await?;
    storm.check(report, "1 in 3");
    let retries = storm.calls.retries_ms(storm.start);
    report.at_least("1 in 3: retries", 1, retries.len());
    let most = retries.len() / BUCKET_SHARE;
    report.at_most("1 in 3: retries in one bucket of 10 ms", most, fullest_bucket(&retries));
    let late = storm.calls.begun_after(storm.start + storm.duration * 2 / 3).amplification();
    report.at_most("1 in 3: calls per operation, last third", SPENT_AMPLIFICATION_MAX, late);
    let refused = server.metrics().await?.sum(RETRIES, &[("result", "rejected")])?;
    report.at_least("1 in 3: retries the budget refused", 1.0, refused);
    breaker_is_closed(report, "1 in 3", &server).await?;
    server.account(report).await
}

async fn all(context: &Context, report: &mut Report) -> Outcome<()> {
    let mut upstream = Recorder::start(1).await?;
    let server = context.server(&upstream.url(), &[("upstream.breaker_open", "100ms")]).await?;
    let storm = storm(context, &server, &mut upstream).await?;
    storm.check(report, "all");
    let metrics = server.metrics().await?;
    report.measured("all: retries allowed", metrics.sum(RETRIES, &[("result", "allowed")])?);
    report.measured("all: retries refused", metrics.sum(RETRIES, &[("result", "rejected")])?);
    server.account(report).await
}

async fn beyond_mending(context: &Context, report: &mut Report) -> Outcome<()> {
    let names = context.pick(20, 40);
    let stack = context.stack(&[]).await?;
    stack.sim.set(r#"{"errorName":"OPENAPI00003","endpoint":"equipment"}"#).await?;
    let requests = (0..names).map(|n| http::expectation(&format!("b{n}"), ""));
    let requests: Vec<_> = requests.collect();
    let mut burst = Burst::send(stack.server.address(), &requests).await?;
    let answers = burst.gather(names, PATIENCE).await;
    report.equal("400: names answered with 503", names, with_status(&answers, 503));
    let calls = stack.sim.seen().await?.equipment;
    report.equal("400: equipment calls for as many names", names as u64, calls);
    breaker_is_closed(report, "400", &stack.server).await
}

async fn storm(context: &Context, server: &Server, upstream: &mut Recorder) -> Outcome<Storm> {
    let clients = context.pick(40, 100);
    let duration = Duration::from_secs(context.pick(6, 60));
    let start = Instant::now();
    let mut asking = JoinSet::new();
    for client in 0..clients {
        asking.spawn(ask_until(server.address(), client, start + duration));
    }
    while let Some(asked) = asking.join_next().await {
        asked??;
    }
    Ok(Storm { start, duration, calls: upstream.take() })
}

async fn ask_until(server: SocketAddr, client: u32, end: Instant) -> Outcome<()> {
    let mut connection = Connection::open(server).await?;
    let mut asked = 0;
    while Instant::now() < end {
        let name = format!("r{client}x{asked}");
        connection.exchange(&http::expectation(&name, "")).await?;
        asked += 1;
        sleep(PAUSE).await;
    }
    Ok(())
}

impl Storm {
    fn check(&self, report: &mut Report, part: &str) {
        let Self { start, calls, .. } = self;
        let retries = calls.retries_ms(*start);
        report.measured(&format!("{part}: calls"), calls.count());
        report.measured(&format!("{part}: operations behind them"), calls.operations());
        report.measured(&format!("{part}: retries"), retries.len());
        let most = calls.most_for_one();
        report.at_most(&format!("{part}: calls for one operation"), ATTEMPTS_MAX, most);
        let amplification = calls.amplification();
        let amplification_max = ATTEMPTS_MAX as f64;
        report.at_most(&format!("{part}: calls per operation"), amplification_max, amplification);
        let minute = retries.iter().filter(|at_ms| **at_ms < 60_000).count();
        report.at_most(&format!("{part}: retries in the first minute"), BUDGET_PER_MINUTE, minute);
    }
}

async fn breaker_is_closed(report: &mut Report, part: &str, server: &Server) -> Outcome<()> {
    let closed = server.metrics().await?.sum(BREAKER, &[("state", "closed")])?;
    report.equal(&format!("{part}: breaker closed at the end"), 1.0, closed);
    Ok(())
}

fn fullest_bucket(times_ms: &[u128]) -> usize {
    let mut buckets: BTreeMap<u128, usize> = BTreeMap::new();
    for time in times_ms {
        *buckets.entry(time / BUCKET_MS).or_default() += 1;
    }
    buckets.into_values().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_bucket_is_found() {
        assert_eq!(fullest_bucket(&[]), 0);
        assert_eq!(fullest_bucket(&[9, 10, 11, 19, 20]), 3);
    }
}
