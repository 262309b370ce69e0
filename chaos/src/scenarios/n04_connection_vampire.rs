//! Hypothesis: nobody holds a connection to SQL while waiting for the game.
//!
//! Fault: the game's API answers 5 s (small: 1 s) late.
//!
//! Load: 20 GETs of new names at once, twice as many as the pool has connections, to a server that shares MariaDB and
//! Redis; meanwhile, one after the other, GETs of names that only SQL knows.
//!
//! Invariant: of the server's sessions at most 2 are executing anything or have a transaction open, as SQL itself
//! counts them every 20 ms while the calls wait; no look-up waits for a connection in vain; the names that SQL knows
//! are answered with 200, without the game, with a p99 below 100 ms; the new names all get 200 in the end.

use std::time::Duration;

use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Outcome;
use crate::http;
use crate::http::Connection;
use crate::load::Burst;
use crate::load::Seen;
use crate::load::with_status;
use crate::report::Report;
use crate::sql::Sql;
use crate::stack::Context;
use crate::stack::Server;
use crate::tier::until_seen;

const NEW_NAMES: usize = 20;
const POOL: &str = "10";
const BUSY_MAX: u64 = 2;
const SAMPLE_EVERY: Duration = Duration::from_millis(20);
const KEPT_P99: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(20);
const READS: &str = "maple_store_reads_total";
/// Sessions other than this one, and those among them that hold something.
const BUSY: &str = "SELECT COUNT(*) FROM information_schema.PROCESSLIST p \
                    LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID \
                    WHERE p.USER = 'maple' AND p.ID <> CONNECTION_ID() \
                    AND (p.COMMAND <> 'Sleep' OR t.trx_id IS NOT NULL)";
const SESSIONS: &str = "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
                        WHERE USER = 'maple' AND ID <> CONNECTION_ID()";

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    let delay = context.pick(Duration::from_secs(1), Duration::from_secs(5));
    let kept = context.pick(20, 100);
    let mut tier = context.tier(1, &[]).await?;
    tier.only_in_sql("kept", kept).await?;
    let mut sql = Sql::open(&tier.db.url()).await?;
    // Nothing is left of the server that has written them.
    tier.servers.clear();
    let keys = [("store.pool", POOL), ("upstream.response_timeout", "20s")];
    tier.servers.push(context.join(&tier, &keys).await?);
    let server = &tier.servers[0];

    tier.sim.reset().await?;
    tier.sim.set(&format!(r#"{{"latencyMs":{}}}"#, delay.as_millis())).await?;
    let failed_before = failed(server).await?;
    let new: Vec<_> = (0..NEW_NAMES).map(|n| http::expectation(&format!("new{n}"), "")).collect();
    let mut burst = Burst::send(server.address(), &new).await?;
    until_seen(&tier.sim, "every new name's call", |seen| seen.id == NEW_NAMES as u64).await?;
    // Names, then gear: both calls are late.
    let end = Instant::now() + delay;
    let (busiest, seen) = tokio::join!(busiest(&mut sql, end), ask_for_kept(server, kept));
    let (busiest, seen) = (busiest?, seen?);
    report.equal("calls for the ids of new names", NEW_NAMES as u64, tier.sim.seen().await?.id);
    report.at_most("sessions that hold anything while the calls wait", BUSY_MAX, busiest);
    report.measured("sessions open", sql.number(SESSIONS).await?);
    report.equal("kept names answered with 200", kept, seen.answered());
    report.equal("of them from gear in SQL", kept as u64, seen.from("STORE"));
    report.measured("kept names p50 / p99 / p99.9 / max", seen.quantiles());
    report.within("kept names p99", context.limit(KEPT_P99), seen.quantile(0.99));
    let answers = burst.gather(NEW_NAMES, PATIENCE).await;
    report.equal("new names answered with 200", NEW_NAMES, with_status(&answers, 200));
    report.equal("look-ups that failed", 0.0, failed(server).await? - failed_before);
    tier.account(report).await
}

/// The most sessions that held anything at once.
async fn busiest(sql: &mut Sql, end: Instant) -> Outcome<u64> {
    let mut most = 0;
    while Instant::now() < end {
        most = most.max(sql.number(BUSY).await?);
        sleep(SAMPLE_EVERY).await;
    }
    Ok(most)
}

async fn ask_for_kept(server: &Server, count: usize) -> Outcome<Seen> {
    let mut connection = Connection::open(server.address()).await?;
    let mut seen = Seen::default();
    for number in 0..count {
        let asked = Instant::now();
        let reply = connection.exchange(&http::expectation(&format!("kept{number}"), "")).await?;
        seen.note(asked.elapsed(), &reply);
    }
    Ok(seen)
}

async fn failed(server: &Server) -> Outcome<f64> {
    server.metrics().await?.sum(READS, &[("result", "failed")])
}
