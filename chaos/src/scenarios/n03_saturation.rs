//! Hypothesis: what a shard cannot work on is refused at once and costs nothing; what it took on is finished.
//!
//! Fault: the game's API holds every call, so that every request accepted stays in work.
//!
//! Load: four times as many requests at once as the shards together may work on, for distinct cold names; the health
//! endpoint meanwhile.
//!
//! Invariant: exactly the capacity is accepted; each of the rest gets 503 S007 with `Retry-After: 60` within 100 ms
//! and never reaches the game; health answers within 50 ms; after the gate opens every accepted request ends with 200
//! and there is room again.

use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::http;
use crate::http::Connection;
use crate::http::Reply;
use crate::load::Answer;
use crate::load::Burst;
use crate::load::longest;
use crate::load::with_status;
use crate::report::Report;
use crate::stack::Context;
use crate::stack::SHARDS;
use crate::stack::Server;

const REFUSAL: Duration = Duration::from_millis(100);
const HEALTH: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(15);
/// Nothing more is answered for this long: the rest waits.
const QUIET: Duration = Duration::from_millis(500);
const HEALTH_CHECKS: usize = 20;

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    // All together below the 50 calls the server makes at once: the gate holds them, nothing else.
    let in_flight_max = context.pick(8, 20);
    let capacity = SHARDS * in_flight_max;
    let stack = context.stack(&[("server.in_flight_max", &in_flight_max.to_string())]).await?;
    let server = stack.server.address();
    stack.sim.close_gate().await?;
    let names = (0..4 * capacity).map(|n| http::expectation(&format!("c{n}"), ""));
    let mut burst = Burst::send(server, &names.collect::<Vec<_>>()).await?;
    let mut refused = burst.gather(3 * capacity, PATIENCE).await;
    refused.extend(burst.gather(1, QUIET).await);
    report.equal("answered while the gate is closed", 3 * capacity, refused.len());
    let as_agreed = refused.iter().filter(|answer| is_admission_refusal(answer)).count();
    report.equal("of them 503 S007 with Retry-After: 60", refused.len(), as_agreed);
    let last = longest(refused.iter().map(Answer::latency));
    report.within("last refusal after its request", context.limit(REFUSAL), last);
    let slowest = slowest_health(&stack.server).await?;
    report.within("slowest health answer while saturated", context.limit(HEALTH), slowest);
    stack.sim.open_gate().await?;
    let accepted = burst.gather(capacity, PATIENCE).await;
    report.equal("accepted and answered with 200", capacity, with_status(&accepted, 200));
    report.equal("names the game was asked for", capacity as u64, stack.sim.seen().await?.id);
    // Even if one shard gets all of them.
    let requests = vec![http::expectation("뒤에온이", ""); in_flight_max];
    let mut burst = Burst::send(server, &requests).await?;
    let after = burst.gather(in_flight_max, PATIENCE).await;
    report.equal("answered with 200 afterwards", in_flight_max, with_status(&after, 200));
    stack.account(report).await
}

fn is_admission_refusal(answer: &Answer) -> bool {
    let agreed = |reply: &Reply| {
        reply.status == 503
            && reply.header("retry-after") == Some("60")
            && reply.text().contains("\"S007\"")
    };
    answer.reply.as_ref().is_ok_and(agreed)
}

async fn slowest_health(server: &Server) -> Outcome<Duration> {
    let request = http::request("GET", "/actuator/health", "");
    let mut slowest = Duration::ZERO;
    for _ in 0..HEALTH_CHECKS {
        let asked = Instant::now();
        let reply = Connection::open(server.address()).await?.exchange(&request).await?;
        if reply.status != 200 {
            return Err(Failure::new(format!("health: {}", reply.status)));
        }
        slowest = slowest.max(asked.elapsed());
    }
    Ok(slowest)
}
