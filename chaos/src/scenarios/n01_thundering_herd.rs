//! Hypothesis: however many ask for one character that nobody has asked for before, the game is asked once.
//!
//! Fault: the game's API holds every call until told otherwise (a gate).
//!
//! Load: 1,000 GETs (small: 200) of one cold name at once, each on its own connection; the same again with the gate
//! held past the followers' deadline, and once more before it opens; as a control, a herd of distinct names.
//!
//! Invariant: one equipment call; every answer is 200 with the same bytes and there 200 ms after the gate opens. Who
//! waits longer than a follower may gets 503 and causes no further call.

use std::time::Duration;

use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Outcome;
use crate::http;
use crate::load::Answer;
use crate::load::Burst;
use crate::load::distinct_bodies;
use crate::load::longest;
use crate::load::with_status;
use crate::report::Report;
use crate::stack::Context;
use crate::stack::SHARDS;
use crate::stack::Stack;

const ANSWER_AFTER_GATE: Duration = Duration::from_millis(200);
/// For the last of a herd to arrive: no counter of a black box says "all of them wait".
const ARRIVAL: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(15);
const FOLLOWER_DEADLINE: Duration = Duration::from_secs(1);

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    let herd = context.pick(200, 1_000);
    let stack = context.stack(&[]).await?;
    one_name(context, report, &stack, herd).await?;
    distinct_names(report, &stack, herd / 10).await?;
    stack.account(report).await?;
    drop(stack);
    held_too_long(context, report, herd).await
}

async fn one_name(
    context: &Context,
    report: &mut Report,
    stack: &Stack,
    herd: usize,
) -> Outcome<()> {
    stack.sim.close_gate().await?;
    let mut burst = Burst::send(stack.server.address(), &herd_of("강은호", herd)).await?;
    sleep(ARRIVAL).await;
    let opened = Instant::now();
    stack.sim.open_gate().await?;
    let answers = burst.gather(herd, PATIENCE).await;
    let seen = stack.sim.seen().await?;
    report.equal("equipment calls for one name", 1, seen.equipment);
    report.equal("answers with 200", herd, with_status(&answers, 200));
    report.equal("distinct bodies", 1, distinct_bodies(&answers));
    let last = longest(answers.iter().map(|answer| answer.received - opened));
    report.within("last answer after the gate opens", context.limit(ANSWER_AFTER_GATE), last);
    Ok(())
}

/// The control: the counter does count, and a herd that shares nothing pays for each.
async fn distinct_names(report: &mut Report, stack: &Stack, herd: usize) -> Outcome<()> {
    stack.sim.reset().await?;
    let names = (0..herd).map(|n| http::expectation(&format!("c{n}"), ""));
    let begun = Instant::now();
    let requests: Vec<_> = names.collect();
    let answers =
        Burst::send(stack.server.address(), &requests).await?.gather(herd, PATIENCE).await;
    let last = longest(answers.iter().map(|answer| answer.received - begun));
    report.measured(&format!("control: {herd} distinct names took"), format!("{last:.2?}"));
    let (answered, calls) = (with_status(&answers, 200) as u64, stack.sim.seen().await?.equipment);
    report.at_least("control: distinct names answered with 200", 1, answered);
    report.equal("control: equipment calls for as many names", answered, calls);
    Ok(())
}

async fn held_too_long(context: &Context, report: &mut Report, herd: usize) -> Outcome<()> {
    let follower_deadline = format!("{}ms", FOLLOWER_DEADLINE.as_millis());
    let keys =
        [("server.follower_deadline", &*follower_deadline), ("upstream.response_timeout", "20s")];
    let stack = context.stack(&keys).await?;
    stack.sim.close_gate().await?;
    let requests = herd_of("에반", herd);
    let mut first = Burst::send(stack.server.address(), &requests).await?;
    // Whoever leads waits on for the call itself: one on the shard that owns the character, and perhaps one on the
    // other, which leads there while it follows here.
    let followers = herd - SHARDS;
    let limit = FOLLOWER_DEADLINE + context.limit(Duration::from_millis(500));
    let refused = first.gather(herd, limit).await;
    report.at_least("held too long: followers answered", followers, refused.len());
    report.equal("held too long: of them with 503", refused.len(), with_status(&refused, 503));
    let soonest = refused.iter().map(Answer::latency).min().unwrap_or_default();
    let (deadline, soonest) = (FOLLOWER_DEADLINE.as_secs_f64(), soonest.as_secs_f64());
    report.at_least("held too long: first 503 after its request, s", deadline, soonest);
    let seen = stack.sim.seen().await?;
    report.equal("held too long: calls", 1, seen.id + seen.equipment);
    let mut second = Burst::send(stack.server.address(), &requests).await?;
    sleep(FOLLOWER_DEADLINE / 4).await;
    let seen = stack.sim.seen().await?;
    report.equal("second herd while the first call hangs: calls", 1, seen.id + seen.equipment);
    stack.sim.open_gate().await?;
    let answers = second.gather(herd, PATIENCE).await;
    report.equal("second herd: answers with 200", herd, with_status(&answers, 200));
    let seen = stack.sim.seen().await?;
    report.equal("both herds: equipment calls", 1, seen.equipment);
    Ok(())
}

fn herd_of(name: &str, count: usize) -> Vec<Vec<u8>> {
    vec![http::expectation(name, ""); count]
}
