//! Hypothesis: when the game's API fails, the server's retries do not make it worse.
//!
//! Fault: an upstream that answers 503 to every call, for 60 s (small: 6 s); the breaker opens for 100 ms only, so
//! that calls keep being made and the retry rules, not the breaker, are what is seen. Then the simulator with 400
//! OPENAPI00003, an error that no retry can mend.
//!
//! Load: 100 clients (small: 20), each asking for a name nobody asked for before, again 100 ms after each answer.
//!
//! Invariant: no operation is tried more than 3 times; calls per operation that reached the upstream are at most 3,
//! retries at most the budget of 100 a minute, and at full scale, where the budget runs out, calls per operation
//! of the last third at most 1.1. No bucket of 10 ms holds more than a tenth of the retries (or 5 of them, as few
//! retries have crowded buckets by chance). A 400 is asked for once and does not open the breaker.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::http;
use crate::http::Connection;
use crate::load::Burst;
use crate::load::with_status;
use crate::refuser::Refuser;
use crate::report::Report;
use crate::stack::Context;
use crate::stack::Scale;

const ATTEMPTS_MAX: usize = 3;
const BUDGET_PER_MINUTE: usize = 100;
const SPENT_AMPLIFICATION_MAX: f64 = 1.1;
const BUCKET_MS: u128 = 10;
const BUCKET_SHARE: usize = 10;
const BUCKET_MIN: usize = 5;
const PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(15);
const RETRIES: &str = "maple_upstream_retries_total";
const BREAKER: &str = "maple_upstream_breaker_state";

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    unavailable(context, report).await?;
    beyond_mending(context, report).await
}

async fn unavailable(context: &Context, report: &mut Report) -> Outcome<()> {
    let clients = context.pick(20, 100);
    let duration = Duration::from_secs(context.pick(6, 60));
    let mut upstream = Refuser::start().await?;
    let server = context.server(&upstream.url(), &[("upstream.breaker_open", "100ms")]).await?;
    let start = Instant::now();
    let mut asking = JoinSet::new();
    for client in 0..clients {
        asking.spawn(ask_until(server.address(), client, start + duration));
    }
    let mut answers = 0;
    while let Some(asked) = asking.join_next().await {
        answers += asked??;
    }
    let calls = upstream.take();
    let retries = calls.retries_ms(start);
    report.measured("answers to clients", answers);
    report.measured("calls", calls.count());
    report.measured("operations that reached the upstream", calls.operations());
    report.at_least("retries seen", 1, retries.len());
    report.at_most("calls for one operation", ATTEMPTS_MAX, calls.most_for_one());
    report.at_most("calls per operation", ATTEMPTS_MAX as f64, calls.amplification());
    let late = calls.begun_after(start + duration * 2 / 3).amplification();
    report.measured("calls per operation, last third", format!("{late:.3}"));
    let minute = retries.iter().filter(|at_ms| **at_ms < 60_000).count();
    report.at_most("retries in the first minute", BUDGET_PER_MINUTE, minute);
    let most = (retries.len() / BUCKET_SHARE).max(BUCKET_MIN);
    report.at_most("retries in one bucket of 10 ms", most, fullest_bucket(&retries));
    server.account(report).await?;
    let metrics = server.metrics().await?;
    let refused = metrics.sum(RETRIES, &[("result", "rejected")])?;
    report.measured("retries allowed", metrics.sum(RETRIES, &[("result", "allowed")])?);
    report.measured("retries refused", refused);
    if context.scale == Scale::Full {
        report.at_least("retries refused, the budget being used", 1.0, refused);
        report.at_most("calls per operation, last third", SPENT_AMPLIFICATION_MAX, late);
    }
    Ok(())
}

/// The answers one client got; each must be a refusal.
async fn ask_until(server: SocketAddr, client: u32, end: Instant) -> Outcome<u64> {
    let mut connection = Connection::open(server).await?;
    let mut answers = 0;
    while Instant::now() < end {
        let name = format!("r{client}x{answers}");
        let reply = connection.exchange(&http::expectation(&name, "")).await?;
        if reply.status != 503 {
            return Err(Failure::new(format!("{name} was answered with {}", reply.status)));
        }
        answers += 1;
        sleep(PAUSE).await;
    }
    Ok(answers)
}

fn fullest_bucket(times_ms: &[u128]) -> usize {
    let mut buckets: BTreeMap<u128, usize> = BTreeMap::new();
    for time in times_ms {
        *buckets.entry(time / BUCKET_MS).or_default() += 1;
    }
    buckets.into_values().max().unwrap_or(0)
}

async fn beyond_mending(context: &Context, report: &mut Report) -> Outcome<()> {
    let names = context.pick(20, 40);
    let stack = context.stack(&[]).await?;
    stack.sim.set(r#"{"errorName":"OPENAPI00003","endpoint":"equipment"}"#).await?;
    let requests = (0..names).map(|n| http::expectation(&format!("b{n}"), ""));
    let requests: Vec<_> = requests.collect();
    let answers =
        Burst::send(stack.server.address(), &requests).await?.gather(names, PATIENCE).await;
    report.equal("400: names answered with 503", names, with_status(&answers, 503));
    let calls = stack.sim.seen().await?.equipment;
    report.equal("400: equipment calls for as many names", names as u64, calls);
    let closed = stack.server.metrics().await?.sum(BREAKER, &[("state", "closed")])?;
    report.at_least("400: breaker closed", 1.0, closed);
    Ok(())
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
