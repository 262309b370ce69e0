//! Hypothesis: without SQL everything is served, and what should have been written is written when SQL is back.
//!
//! Fault: MariaDB is frozen (SIGSTOP) for 2 min (small: 5 s); once it is back, killed (SIGKILL) for 11 min (small:
//! 5 s). 30 s (small: 1.5 s) into each outage the game's API begins to answer 503 to everything. While SQL is dead one
//! of the two servers is restarted: what it has to write goes through its journal.
//!
//! Load: 100 requests/s for 12 (small: 4) cached names, with answers fresh for 30 s (small: 2 s) and served stale up to
//! 60 s (small: 3 s), so that most of the outage lies past both; while the game answers 5 new names a second to each
//! server, afterwards 20 at once.
//!
//! Invariant: cached names are always answered with 200 and a p99 below 1 s, at the end all of them marked stale. New
//! names get 200 within 5 s while the game answers, and 503 with Retry-After within 1 s once it is known not to. Within
//! 30 s of SQL's return nothing waits any more, and every name that got 200 is there exactly once, with its gear and
//! its costs; nothing was given up.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::sleep;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::http;
use crate::load::Answer;
use crate::load::Burst;
use crate::load::OpenLoop;
use crate::load::Seen;
use crate::load::longest;
use crate::report::Report;
use crate::sql::Sql;
use crate::stack::Context;
use crate::stack::Server;
use crate::tier::Fault;
use crate::tier::Tier;
use crate::tier::store_is_healthy;
use crate::tier::until;

/// Past both limits of age the game is asked first: whoever is the breaker's probe waits for the retries.
const WARM_P99: Duration = Duration::from_secs(1);
const NEW_RATE: u32 = 5;
const NEW_NAME: Duration = Duration::from_secs(5);
const REFUSED_NAMES: usize = 20;
const REFUSAL: Duration = Duration::from_secs(1);
const RECOVERED: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(20);
const JOURNALED: &str = "maple_store_journaled_total";
/// What the server still has to write, or never will.
const WAITING: [&str; 2] = ["maple_store_pending", "maple_store_journal_bytes"];
const LOST: [&str; 2] = ["maple_store_given_up_total", "maple_store_refused_total"];

/// What happens to SQL, and meanwhile.
#[derive(Debug, Clone, Copy)]
struct Plan {
    fault: Fault,
    warm_names: usize,
    /// From SQL's death on, while the game answers.
    with_game: Duration,
    /// The rest of the outage.
    without_game: Duration,
}

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    let warm_names = context.pick(4, 12);
    let (fresh, stale, open) = context.pick(("2s", "3s", "500ms"), ("30s", "60s", "10s"));
    let keys = [("cache.fresh", fresh), ("cache.stale", stale), ("upstream.breaker_open", open)];
    let mut tier = context.tier(2, &keys).await?;
    for fault in Fault::ALL {
        let outage_s = match fault {
            Fault::Freeze => context.pick(5, 120),
            Fault::Crash => context.pick(5, 660),
        };
        let with_game = Duration::from_millis(context.pick(1_500, 30_000));
        let without_game = Duration::from_secs(outage_s) - with_game;
        let plan = Plan { fault, warm_names, with_game, without_game };
        tier = round(context, report, tier, plan).await?;
    }
    tier.account(report).await
}

async fn round(
    context: &Context,
    report: &mut Report,
    mut tier: Tier,
    plan: Plan,
) -> Outcome<Tier> {
    let Plan { fault, warm_names, with_game, without_game } = plan;
    let at = [0, 1].map(|server| tier.servers[server].address());
    for (number, server) in at.into_iter().enumerate() {
        game_is_asked(server, &format!("q{fault:?}{number}x")).await?;
    }
    for name in 0..warm_names {
        http::exchange(at[0], &warm(name)).await?;
    }
    let duration = with_game + without_game;
    let cached = OpenLoop { rate_per_second: 100, duration, connections: 16 };
    tier.db = fault.take_sql(tier.db).await?;
    let (cached, outage) = tokio::join!(
        cached.run_each(at[0], move |number| warm(number % warm_names)),
        outage(&tier, plan),
    );
    let (cached, Outage { new, refused }) = (cached?, outage?);
    if fault == Fault::Crash {
        let restarted = tier.servers.pop().ok_or_else(|| Failure::new("no server"))?.restart();
        tier.servers.push(restarted.await?);
        let waits = tier.servers[1].metrics().await?.sum(WAITING[1], &[])?;
        report.at_least("Crash: bytes in the journal of a server restarted meanwhile", 1.0, waits);
    }
    let named = |what: &str| format!("{fault:?}: {what}");
    check_cached(context, report, fault, &cached);
    let stale = stale(at[0], warm_names).await?;
    report.equal(&named("cached names marked stale at the end"), warm_names, stale);
    for (seen, server) in new.iter().zip(["first", "second"]) {
        let name = named(&format!("new names, {server} server"));
        report.equal(&format!("{name}: errors"), "{}".to_owned(), format!("{:?}", seen.errors));
        report.within(&format!("{name}: longest"), context.limit(NEW_NAME), seen.quantile(1.0));
    }
    let as_agreed = refused.iter().filter(|answer| is_refusal(answer)).count();
    report.equal(
        &named("new names without the game: 503 with Retry-After"),
        REFUSED_NAMES,
        as_agreed,
    );
    let last = longest(refused.iter().map(Answer::latency));
    report.within(&named("new names without the game: longest"), context.limit(REFUSAL), last);

    tier.sim.reset().await?;
    tier.db = fault.give_sql_back(tier.db).await?;
    let recovered =
        until("everything is written", RECOVERED * 2, async || all_written(&tier.servers).await);
    report.within(&named("SQL back to nothing left to write"), RECOVERED, recovered.await?);
    let answered: usize = new.iter().map(Seen::answered).sum();
    conserved(report, &tier, fault, answered).await?;
    Ok(tier)
}

/// What became of the new names.
struct Outage {
    /// By server, while the game answered.
    new: [Seen; 2],
    /// When it did not.
    refused: Vec<Answer>,
}

async fn outage(tier: &Tier, plan: Plan) -> Outcome<Outage> {
    let Plan { fault, with_game: duration, without_game, .. } = plan;
    let load = OpenLoop { rate_per_second: NEW_RATE, duration, connections: 10 };
    let name = move |server: u8, n: usize| http::expectation(&new_name(fault, server, n), "");
    let [first, second] = [0, 1].map(|server| tier.servers[server].address());
    let (first, second) = tokio::join!(
        load.run_each(first, move |n| name(0, n)),
        load.run_each(second, move |n| name(1, n)),
    );
    let new = [first?, second?];
    tier.sim.set(r#"{"status":503}"#).await?;
    let server = tier.servers[0].address();
    let known = async || {
        let metrics = tier.servers[0].metrics().await?;
        Ok(metrics.sum("maple_upstream_breaker_state", &[("state", "open")])? > 0.0)
    };
    // The cached names are asked for all the time: their refreshes fail, and the breaker opens.
    until("the server knows that the game fails", PATIENCE, known).await?;
    let requests: Vec<_> =
        (0..REFUSED_NAMES).map(|n| http::expectation(&format!("x{fault:?}{n}"), "")).collect();
    let refused = Burst::send(server, &requests).await?.gather(REFUSED_NAMES, PATIENCE).await;
    sleep(without_game).await;
    Ok(Outage { new, refused })
}

fn check_cached(context: &Context, report: &mut Report, fault: Fault, seen: &Seen) {
    let name = format!("{fault:?}: cached");
    report.equal(&format!("{name}: errors"), "{}".to_owned(), format!("{:?}", seen.errors));
    report.within(&format!("{name}: p99"), context.limit(WARM_P99), seen.quantile(0.99));
    report.measured(&format!("{name}: p50 / p99 / p99.9 / max"), seen.quantiles());
    report.measured(&format!("{name}: answers by source"), seen.sources());
}

/// Waits until the server asks the game again: what came before may have opened its breaker. Asks for names with this
/// prefix.
async fn game_is_asked(server: SocketAddr, prefix: &str) -> Outcome<()> {
    let mut number = 0;
    let asked = async || {
        number += 1;
        let request = http::expectation(&format!("{prefix}{number}"), "");
        Ok(http::exchange(server, &request).await?.status == 200)
    };
    until("the game is asked", PATIENCE, asked).await.map(drop)
}

/// How many cached names the server answers, saying that the answer is stale.
async fn stale(server: SocketAddr, names: usize) -> Outcome<usize> {
    let mut stale = 0;
    for name in 0..names {
        let reply = http::exchange(server, &warm(name)).await?;
        stale += usize::from(reply.status == 200 && reply.header("x-cache") == Some("STALE"));
    }
    Ok(stale)
}

fn is_refusal(answer: &Answer) -> bool {
    let reply = answer.reply.as_ref();
    reply.is_ok_and(|reply| reply.status == 503 && reply.header("retry-after").is_some())
}

/// Nothing waits to be written, in memory or in the journal.
async fn all_written(servers: &[Server]) -> Outcome<bool> {
    for server in servers {
        let metrics = server.metrics().await?;
        let mut waiting = 0.0;
        for name in WAITING {
            waiting += metrics.sum(name, &[])?;
        }
        if waiting > 0.0 || !store_is_healthy(&metrics)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Every name that was answered has its rows, each once.
async fn conserved(report: &mut Report, tier: &Tier, fault: Fault, answered: usize) -> Outcome<()> {
    let mut sql = Sql::open(&tier.db.url()).await?;
    let of = format!("FROM game_character g WHERE g.user_ign LIKE '{fault:?}%'");
    let gear = "SELECT COUNT(*) FROM character_equipment e WHERE e.ocid = g.ocid";
    let costs =
        "SELECT COUNT(*) FROM equipment_expectation_summary s WHERE s.game_character_id = g.id";
    for (what, query) in [
        ("characters", format!("SELECT COUNT(*) {of}")),
        ("different names", format!("SELECT COUNT(DISTINCT g.user_ign) {of}")),
        ("with gear, once", format!("SELECT COUNT(*) {of} AND ({gear}) = 1")),
        ("with the costs of every preset", format!("SELECT COUNT(*) {of} AND ({costs}) = 3")),
    ] {
        let rows = sql.number(&query).await?;
        report.equal(&format!("{fault:?}: in SQL: {what}"), answered as u64, rows);
    }
    for server in &tier.servers {
        let metrics = server.metrics().await?;
        for name in LOST {
            report.equal(&format!("{fault:?}: {name}"), 0.0, metrics.sum(name, &[])?);
        }
        report.measured(&format!("{fault:?}: records journaled"), metrics.sum(JOURNALED, &[])?);
    }
    Ok(())
}

fn new_name(fault: Fault, server: u8, number: usize) -> String {
    format!("{fault:?}{server}x{number}")
}

fn warm(number: usize) -> Vec<u8> {
    http::expectation(&format!("warm{number}"), "")
}
