//! Hypothesis: when the Redis master dies its replica takes over, and clients notice nothing.
//!
//! Fault: SIGKILL to the master, 20 times (small: once); each time it comes back as a replica before the next.
//!
//! Load: two servers, each with 100 requests/s for 12 cached names and 5 new names a second, for 6 s around each kill;
//! meanwhile one name after the other is made by the first server and asked of the second.
//!
//! Invariant: every answer is 200 and takes less than 1 s; Redis refuses no command for being sent to a replica.
//! What the first server makes is found by the second, in Redis, at most 5 s after the kill.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use chaos::services::Replicated;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::http;
use crate::load::OpenLoop;
use crate::load::Seen;
use crate::report::Report;
use crate::stack::Context;
use crate::tier::Tier;
use crate::tier::aside;
use crate::tier::until;

const WARM_NAMES: usize = 12;
const STRIKE_AFTER: Duration = Duration::from_millis(500);
const ROUND: Duration = Duration::from_secs(6);
const LATE: Duration = Duration::from_secs(1);
const OUTAGE: Duration = Duration::from_secs(5);
const COMMANDS: &str = "maple_redis_commands_total";
const READS: &str = "maple_shard_redis_reads_total";

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    let rounds = context.pick(1, 20);
    let mut tier = context.tier(2, &[]).await?;
    for server in &tier.servers {
        for name in 0..WARM_NAMES {
            http::exchange(server.address(), &warm(name)).await?;
        }
    }
    let (mut outages, mut seen) = (Vec::new(), Seen::default());
    for round in 0..rounds {
        tier.redis = aside(tier.redis, revive).await?;
        let (of_round, outage);
        (tier, of_round, outage) = fail_over(tier, round).await?;
        seen.merge(of_round);
        outages.push(outage);
    }
    report.equal("errors", "{}".to_owned(), format!("{:?}", seen.errors));
    report.measured("latency p50 / p99 / p99.9 / max", seen.quantiles());
    report.measured("answers by source", seen.sources());
    report.within("longest answer", context.limit(LATE), seen.quantile(1.0));
    outages.sort_unstable();
    report.measured("kill to Redis shared again, sorted", format!("{outages:.2?}"));
    report.within("longest of them", OUTAGE, outages.last().copied().unwrap_or_default());
    for server in &tier.servers {
        let metrics = server.metrics().await?;
        let refused = [COMMANDS, READS].map(|family| metrics.sum(family, &[("result", "refused")]));
        let [commands, reads] = refused;
        report.equal("commands Redis refused", 0.0, commands? + reads?);
    }
    tier.account(report).await
}

async fn fail_over(mut tier: Tier, round: usize) -> Outcome<(Tier, Seen, Duration)> {
    let at = [0, 1].map(|server| tier.servers[server].address());
    let master = tier.redis.master().ok_or_else(|| Failure::new("no master"))?;
    let struck = async {
        sleep(STRIKE_AFTER).await;
        let redis = aside(tier.redis, move |redis| redis.nodes[master].kill()).await?;
        let killed = Instant::now();
        shared_again(at, round).await?;
        Ok::<_, Failure>((redis, killed.elapsed()))
    };
    let [first, second] = [0, 1].map(|server| load(at[server], format!("{round}s{server}x")));
    let (struck, first, second) = tokio::join!(struck, first, second);
    let (redis, outage) = struck?;
    let mut seen = first?;
    seen.merge(second?);
    tier.redis = redis;
    Ok((tier, seen, outage))
}

/// Brings back what was killed, as a replica.
fn revive(redis: &mut Replicated) -> io::Result<()> {
    match redis.nodes.iter().position(|node| node.pid().is_none()) {
        Some(dead) => {
            redis.nodes[dead].restart()?;
            redis.await_replica(dead)
        }
        None => Ok(()),
    }
}

async fn load(server: SocketAddr, prefix: String) -> Outcome<Seen> {
    let open = |rate_per_second| OpenLoop { rate_per_second, duration: ROUND, connections: 10 };
    let [of_warm, of_new] = [100, 5].map(open);
    let new = move |n: usize| http::expectation(&format!("{prefix}{n}"), "");
    let (warm, new) = tokio::join!(
        of_warm.run_each(server, |n| warm(n % WARM_NAMES)),
        of_new.run_each(server, new)
    );
    let mut seen = warm?;
    seen.merge(new?);
    Ok(seen)
}

/// Waits until one server finds in Redis what the other has made.
async fn shared_again([making, finding]: [SocketAddr; 2], round: usize) -> Outcome<()> {
    let mut number = 0;
    until("what one has made is found by the other", 4 * OUTAGE, async || {
        number += 1;
        let request = http::expectation(&format!("{round}p{number}"), "");
        let made = http::exchange(making, &request).await?;
        let found = http::exchange(finding, &request).await?;
        match (made.status, found.status) {
            (200, 200) => Ok(found.header("x-cache") == Some("HIT-L2")),
            statuses => Err(Failure::new(format!("answered with {statuses:?}"))),
        }
    })
    .await
    .map(drop)
}

fn warm(number: usize) -> Vec<u8> {
    http::expectation(&format!("warm{number}"), "")
}
