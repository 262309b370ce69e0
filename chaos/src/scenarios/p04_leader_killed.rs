//! Hypothesis: a process that dies while it makes something holds up those who wait for it in other processes for one
//! lease, and costs nobody an answer.
//!
//! Fault: SIGKILL to the server that leads, while the game's API holds its call (a gate): once the call for the id,
//! once the one for the gear. The gate opens when the server is dead.
//!
//! Load: one GET of a cold name to the server that dies, then 50 of the same name to the other one.
//!
//! Invariant: everybody who asked the survivor gets 200 within the lease (6 s; small: 2 s) and 500 ms for the work
//! itself; the survivor took over, and asked the game once.

use std::time::Duration;

use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Outcome;
use crate::http;
use crate::http::Connection;
use crate::load::Burst;
use crate::load::longest;
use crate::load::with_status;
use crate::report::Report;
use crate::stack::Context;
use crate::tier::Tier;
use crate::tier::until_seen;

const FOLLOWERS: usize = 50;
const WORK: Duration = Duration::from_millis(500);
/// For the last of the followers to arrive: no counter of a black box says "all of them wait".
const ARRIVAL: Duration = Duration::from_millis(300);
const FLIGHTS: &str = "maple_shared_flights_total";

/// What the leader dies of doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Id,
    Gear,
}

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    let lease = context.pick(Duration::from_secs(2), Duration::from_secs(6));
    let key = format!("{}s", lease.as_secs());
    let keys = [("redis.lease", &*key)];
    let mut tier = context.tier(1, &keys).await?;
    for (call, name) in [(Call::Id, "강은호"), (Call::Gear, "에반")] {
        tier.servers.push(context.join(&tier, &keys).await?);
        round(context, report, &mut tier, (call, name), lease).await?;
    }
    tier.account(report).await
}

/// The last server dies.
async fn round(
    context: &Context,
    report: &mut Report,
    tier: &mut Tier,
    (call, name): (Call, &str),
    lease: Duration,
) -> Outcome<()> {
    let survivor = tier.servers[0].address();
    let taken_over_before = taken_over(tier).await?;
    if call == Call::Gear {
        // Both know the id from the facts, which are without gear.
        let facts =
            http::request("GET", &format!("/api/v1/characters/{}", http::encoded(name)), "");
        let known = http::exchange(survivor, &facts).await?;
        report.equal("Gear: status of the facts", 200, known.status);
    }
    tier.sim.reset().await?;
    tier.sim.close_gate().await?;
    if let Some(leader) = tier.servers.pop() {
        let mut asking = Connection::open(leader.address()).await?;
        asking.send(&http::expectation(name, "")).await?;
        until_seen(&tier.sim, "the leader's call", |seen| seen.held == 1).await?;
        let mut burst =
            Burst::send(survivor, &vec![http::expectation(name, ""); FOLLOWERS]).await?;
        sleep(ARRIVAL).await;
        let seen = tier.sim.seen().await?;
        report.equal(&format!("{call:?}: calls while it leads"), 1, seen.id + seen.equipment);
        let killed = Instant::now();
        drop(leader);
        until_seen(&tier.sim, "its call is gone", |seen| seen.held == 0).await?;
        tier.sim.reset().await?;

        let limit = lease + context.limit(WORK);
        let answers = burst.gather(FOLLOWERS, limit * 2).await;
        report.equal(&format!("{call:?}: answers with 200"), FOLLOWERS, with_status(&answers, 200));
        let last = longest(answers.iter().map(|answer| answer.received - killed));
        report.within(&format!("{call:?}: last answer after the kill"), limit, last);
    }
    let seen = tier.sim.seen().await?;
    let ids = u64::from(call == Call::Id);
    report.equal(&format!("{call:?}: calls for the id after the kill"), ids, seen.id);
    report.equal(&format!("{call:?}: calls for the gear after the kill"), 1, seen.equipment);
    let taken_over = taken_over(tier).await? - taken_over_before;
    report.equal(&format!("{call:?}: flights taken over"), 1.0, taken_over);
    Ok(())
}

async fn taken_over(tier: &Tier) -> Outcome<f64> {
    tier.servers[0].metrics().await?.sum(FLIGHTS, &[("role", "taken_over")])
}
