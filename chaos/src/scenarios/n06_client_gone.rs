//! Hypothesis: nobody works for a client that has gone, and nobody loses an answer because another has gone.
//!
//! Fault: clients close their sockets while the game's API holds the call made for them.
//!
//! Load: one client at a time asks for a cold name and closes, 10 times over (full: 50), so that it is served by the
//! owner of the name and by the other shard; then two clients ask for the same name and one of them closes.
//!
//! Invariant: within 100 ms of the FIN the server has no call in flight and the game has seen its connection closed;
//! each is counted as cancelled. With a second client waiting the call goes on and the second is answered.

use std::time::Duration;

use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::http;
use crate::http::Connection;
use crate::report::Report;
use crate::sim::Seen;
use crate::stack::Context;
use crate::stack::Stack;

const STOP: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(5);
const CALLS_IN_FLIGHT: &str = "maple_upstream_calls_in_flight";
const CANCELLED: &str = "maple_requests_cancelled_total";

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    let stack = context.stack(&[]).await?;
    stack.sim.close_gate().await?;
    alone(context, report, &stack).await?;
    with_company(context, report, &stack).await?;
    stack.account(report).await
}

async fn alone(context: &Context, report: &mut Report, stack: &Stack) -> Outcome<()> {
    let rounds = context.pick(10, 50);
    let cancelled_before = stack.server.metrics().await?.sum(CANCELLED, &[])?;
    let (mut seen_by_game, mut idle) = (Duration::ZERO, Duration::ZERO);
    let mut in_flight = 0.0;
    for round in 0..rounds {
        let client = ask(stack, &format!("alone{round}")).await?;
        in_flight += stack.server.metrics().await?.sum(CALLS_IN_FLIGHT, &[])?;
        let aborted = stack.sim.seen().await?.aborted;
        drop(client);
        let gone = Instant::now();
        until(stack, |seen| seen.aborted == aborted + 1 && seen.held == 0).await?;
        seen_by_game = seen_by_game.max(gone.elapsed());
        while stack.server.metrics().await?.sum(CALLS_IN_FLIGHT, &[])? > 0.0 {
            if gone.elapsed() > PATIENCE {
                return Err(Failure::new("a call is in flight that nobody waits for"));
            }
            sleep(POLL).await;
        }
        idle = idle.max(gone.elapsed());
    }
    report.equal("calls in flight while one waits, all rounds", f64::from(rounds), in_flight);
    report.within("FIN to the game seeing its caller gone", context.limit(STOP), seen_by_game);
    report.within("FIN to no call in flight", context.limit(STOP), idle);
    let cancelled = stack.server.metrics().await?.sum(CANCELLED, &[])? - cancelled_before;
    report.equal("requests counted as cancelled", f64::from(rounds), cancelled);
    Ok(())
}

async fn with_company(context: &Context, report: &mut Report, stack: &Stack) -> Outcome<()> {
    stack.sim.reset().await?;
    stack.sim.close_gate().await?;
    let first = ask(stack, "둘이서").await?;
    let mut second = Connection::open(stack.server.address()).await?;
    second.send(&http::expectation("둘이서", "")).await?;
    // For it to join; longer than the leader's work would live on if nobody waited.
    sleep(context.limit(STOP)).await;
    drop(first);
    sleep(context.limit(STOP)).await;
    let seen = stack.sim.seen().await?;
    report.equal("calls held for the one who waits on", 1, seen.held);
    report.equal("calls given up while one waits", 0, seen.aborted);
    stack.sim.open_gate().await?;
    let reply = tokio::time::timeout(PATIENCE, second.receive()).await??;
    report.equal("status for the one who waited on", 200, reply.status);
    report.equal("equipment calls for both", 1, stack.sim.seen().await?.equipment);
    Ok(())
}

/// Asks for a cold name and waits until the game holds the call.
async fn ask(stack: &Stack, name: &str) -> Outcome<Connection> {
    let mut client = Connection::open(stack.server.address()).await?;
    client.send(&http::expectation(name, "")).await?;
    until(stack, |seen| seen.held == 1).await?;
    Ok(client)
}

async fn until(stack: &Stack, reached: impl Fn(Seen) -> bool) -> Outcome<()> {
    let patience = Instant::now() + PATIENCE;
    loop {
        let seen = stack.sim.seen().await?;
        if reached(seen) {
            return Ok(());
        }
        if Instant::now() > patience {
            return Err(Failure::new(format!("after {PATIENCE:?} the game still sees {seen:?}")));
        }
        sleep(POLL).await;
    }
}
