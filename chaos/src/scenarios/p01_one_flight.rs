//! Hypothesis: however many ask for one character, of however many processes, the game is asked once.
//!
//! Fault: the game's API holds every call until told otherwise (a gate).
//!
//! Load: 1,000 GETs (small: 200) of one cold name at once, half of them to each of two servers that share MariaDB and
//! Redis, each on its own connection.
//!
//! Invariant: one call for the id and one for the gear; every answer is 200 and there within 500 ms of the gate opening.
//! All answers of a server have the same bytes. Those of the two say the same, up to `calculatedAt`: each server values
//! the shared gear itself. One of them followed.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::http;
use crate::load::Burst;
use crate::load::distinct_bodies;
use crate::load::longest;
use crate::load::with_status;
use crate::report::Report;
use crate::stack::Context;
use crate::stack::Server;
use crate::tier::Tier;
use crate::tier::until_seen;

const NAME: &str = "강은호";
const ANSWER_AFTER_GATE: Duration = Duration::from_millis(500);
/// For the last of a herd to arrive: no counter of a black box says "all of them wait".
const ARRIVAL: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(15);
const FLIGHTS: &str = "maple_shared_flights_total";

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    let herd = context.pick(100, 500);
    let tier = context.tier(2, &[]).await?;
    tier.sim.close_gate().await?;
    let requests = vec![http::expectation(NAME, ""); herd];
    let [first, second] =
        [0, 1].map(|server| Burst::send(tier.servers[server].address(), &requests));
    let (mut first, mut second) = (first.await?, second.await?);
    sleep(ARRIVAL).await;
    until_seen(&tier.sim, "a call at the gate", |seen| seen.held == 1).await?;
    let opened = Instant::now();
    tier.sim.open_gate().await?;
    let answers = tokio::join!(first.gather(herd, PATIENCE), second.gather(herd, PATIENCE));
    let answers = [answers.0, answers.1];

    let seen = tier.sim.seen().await?;
    report.equal("calls for the id", 1, seen.id);
    report.equal("calls for the gear", 1, seen.equipment);
    for (answers, server) in answers.iter().zip(["first", "second"]) {
        report.equal(
            &format!("{server} server: answers with 200"),
            herd,
            with_status(answers, 200),
        );
        report.equal(&format!("{server} server: distinct bodies"), 1, distinct_bodies(answers));
    }
    let [first, second] = [0, 1].map(|server| document(&tier.servers[server]));
    report.equal("both say the same", true, first.await? == second.await?);
    let last = longest(answers.iter().flatten().map(|answer| answer.received - opened));
    report.within("last answer after the gate opens", context.limit(ANSWER_AFTER_GATE), last);
    // For the gear the second may come when it is there already.
    report.at_least("flights followed", 1.0, flights(&tier, "followed").await?);
    report.equal("flights without a partner", 0.0, flights(&tier, "alone").await?);
    tier.account(report).await
}

/// What a server says of the character now, without the time at which it has calculated that.
async fn document(server: &Server) -> Outcome<Value> {
    let path = format!("/api/v4/characters/{}/expectation", http::encoded(NAME));
    let reply = http::exchange(server.address(), &http::request("GET", &path, "")).await?;
    let mut document: Value = serde_json::from_slice(&reply.body)?;
    let calculated = document.as_object_mut().and_then(|fields| fields.remove("calculatedAt"));
    match calculated {
        Some(_) => Ok(document),
        None => Err(Failure::new("a document that does not say when it was calculated")),
    }
}

/// Of all servers together.
async fn flights(tier: &Tier, role: &str) -> Outcome<f64> {
    let mut sum = 0.0;
    for server in &tier.servers {
        sum += server.metrics().await?.sum(FLIGHTS, &[("role", role)])?;
    }
    Ok(sum)
}
