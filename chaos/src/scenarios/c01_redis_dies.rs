//! Hypothesis: without Redis everything is served, only from further away.
//!
//! Fault: 500 ms into the load master and replica are frozen (SIGSTOP: connections stay open and silent); once they
//! are back and used again, the same with both killed (SIGKILL: connections break, new ones are refused).
//!
//! Load: for 30 s (small: 3 s) 500 requests/s (small: 100) for 12 names the server has cached, 20/s (small: 5) for
//! names that only SQL knows, and 10/s (small: 3) for names that nobody knows, each asked for once.
//!
//! Invariant: every answer is 200, and there before its deadline. Cached names keep a p99 below 50 ms; names from SQL
//! take at most 1 s. The server knows within 2 s that Redis is away (a heartbeat a second, and one command); from then on
//! it refuses itself commands instead of waiting for their timeouts. 30 s after Redis is back at the latest, what one
//! server has made is found there by another. What becomes of locks meanwhile: `c17_locks`.

use std::time::Duration;

use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::http;
use crate::load::OpenLoop;
use crate::load::Seen;
use crate::report::Report;
use crate::stack::Context;
use crate::stack::Server;
use crate::tier::Fault;
use crate::tier::Tier;
use crate::tier::redis_is_up;
use crate::tier::until;

const WARM_NAMES: usize = 12;
const WARM_P99: Duration = Duration::from_millis(50);
const FROM_SQL: Duration = Duration::from_secs(1);
/// `server.deadline` as it comes.
const DEADLINE: Duration = Duration::from_secs(30);
const STRIKE_AFTER: Duration = Duration::from_millis(500);
const NOTICED: Duration = Duration::from_secs(2);
/// While Redis is away, for each command that waited in vain.
const SPARED_MIN: f64 = 3.0;
const RECOVERED: Duration = Duration::from_secs(30);
const COMMANDS: &str = "maple_redis_commands_total";
const OPENED: &str = "maple_redis_breaker_opened_total";

/// How much is asked for.
struct Load {
    duration: Duration,
    warm: u32,
    kept: u32,
    new: u32,
}

/// What became of it, by kind of name.
struct Answers {
    warm: Seen,
    kept: Seen,
    new: Seen,
}

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    let load = Load {
        duration: context.pick(Duration::from_secs(3), Duration::from_secs(30)),
        warm: context.pick(100, 500),
        kept: context.pick(5, 20),
        new: context.pick(3, 10),
    };
    let kept = load.kept as usize * load.duration.as_secs() as usize;
    // The first server has made what the second will find in SQL.
    let mut tier = context.tier(1, &[]).await?;
    for fault in Fault::ALL {
        tier.only_in_sql(&format!("{fault:?}"), kept).await?;
    }
    tier.servers.push(context.join(&tier, &[]).await?);
    for fault in Fault::ALL {
        tier = round(context, report, tier, fault, &load).await?;
    }
    tier.account(report).await
}

async fn round(
    context: &Context,
    report: &mut Report,
    mut tier: Tier,
    fault: Fault,
    load: &Load,
) -> Outcome<Tier> {
    let server = &tier.servers[1];
    for name in 0..WARM_NAMES {
        http::exchange(server.address(), &warm(name)).await?;
    }
    let struck = async {
        sleep(STRIKE_AFTER).await;
        let redis = fault.take_redis(tier.redis).await?;
        let noticed = until("the server notices that Redis is away", NOTICED * 5, async || {
            Ok(!redis_is_up(&server.metrics().await?)?)
        })
        .await?;
        Ok::<_, Failure>((redis, noticed))
    };
    let (struck, answers) = tokio::join!(struck, load.run(server, fault));
    let (redis, noticed) = struck?;
    report.within(&format!("{fault:?}: noticed"), context.limit(NOTICED), noticed);
    answers?.check(context, report, fault);
    let metrics = server.metrics().await?;
    let commands = metrics.by("result", COMMANDS, &[]);
    report.measured(&format!("{fault:?}: commands so far"), format!("{commands:?}"));
    let [waited, spared] = [&["timed_out", "broken"], &["away", "breaker"]]
        .map(|results| results.iter().filter_map(|result| commands.get(*result)).sum::<f64>());
    let name = format!("{fault:?}: commands so far spared for each in vain");
    report.at_least(&name, SPARED_MIN, spared / waited.max(1.0));
    report.measured(&format!("{fault:?}: breaker opened so far"), metrics.sum(OPENED, &[])?);
    tier.redis = fault.give_redis_back(redis).await?;
    let recovered = recovered(&tier, fault).await?;
    report.within(&format!("{fault:?}: Redis back to its first hit"), RECOVERED, recovered);
    Ok(tier)
}

impl Load {
    async fn run(&self, server: &Server, fault: Fault) -> Outcome<Answers> {
        let (at, duration) = (server.address(), self.duration);
        let open =
            |(rate_per_second, connections)| OpenLoop { rate_per_second, duration, connections };
        let [of_warm, of_kept, of_new] =
            [(self.warm, 16), (self.kept, 20), (self.new, 10)].map(open);
        let name = move |n, kind: &str| http::expectation(&format!("{fault:?}{n}{kind}"), "");
        let (warm, kept, new) = tokio::join!(
            of_warm.run_each(at, |n| warm(n % WARM_NAMES)),
            of_kept.run_each(at, move |n| name(n, "")),
            of_new.run_each(at, move |n| name(n, "n")),
        );
        Ok(Answers { warm: warm?, kept: kept?, new: new? })
    }
}

impl Answers {
    fn check(&self, context: &Context, report: &mut Report, fault: Fault) {
        let Self { warm, kept, new } = self;
        for (kind, seen) in [("cached", warm), ("from SQL", kept), ("new", new)] {
            let name = format!("{fault:?}: {kind}");
            report.equal(&format!("{name}: errors"), "{}".to_owned(), format!("{:?}", seen.errors));
            report.measured(&format!("{name}: p50 / p99 / p99.9 / max"), seen.quantiles());
            report.measured(&format!("{name}: answers by source"), seen.sources());
        }
        let within = |name: &str, limit, got, report: &mut Report| {
            report.within(&format!("{fault:?}: {name}"), context.limit(limit), got);
        };
        let last = [warm, kept, new].map(|seen| seen.quantile(1.0)).into_iter().max();
        within("any answer, longest", DEADLINE, last.unwrap_or_default(), report);
        within("cached, p99", WARM_P99, warm.quantile(0.99), report);
        within("from SQL, longest", FROM_SQL, kept.quantile(1.0), report);
        report.at_least(&format!("{fault:?}: from SQL, by source"), 1, kept.from("STORE"));
    }
}

/// Time until what the first server makes is found by the second without asking anybody else.
async fn recovered(tier: &Tier, fault: Fault) -> Outcome<Duration> {
    let begun = Instant::now();
    let mut number = 0;
    until("one server finds what the other has made", RECOVERED * 2, async || {
        number += 1;
        let request = http::expectation(&format!("{fault:?}{number}b"), "");
        let [made, found] =
            [0, 1].map(|server| http::exchange(tier.servers[server].address(), &request));
        made.await?;
        Ok(found.await?.header("x-cache") == Some("HIT-L2"))
    })
    .await?;
    Ok(begun.elapsed())
}

fn warm(number: usize) -> Vec<u8> {
    http::expectation(&format!("warm{number}"), "")
}
