//! Hypothesis: what one process was forced to look up anew, every other process serves from then on.
//!
//! Fault: none; the character changes gear before each force.
//!
//! Load: 20 forced GETs (small: 5) to the first of two servers that share MariaDB and Redis, of a name both have
//! cached; after each answer plain GETs to the second, one after the other.
//!
//! Invariant: every force brings a new document; the second server serves that document within 100 ms of the forced
//! answer, and asks the game nothing for it.

use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::http;
use crate::http::Connection;
use crate::report::Report;
use crate::stack::Context;
use crate::tier::Tier;

const NAME: &str = "강은호";
const REACHES_ALL: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    let forces = context.pick(5, 20);
    let tier = context.tier(2, &[("cache.force_cool_down", "0s")]).await?;
    let mut delays = Vec::new();
    let mut before = plain(&mut connect(&tier, 0).await?).await?;
    report.equal(
        "both have the name cached",
        true,
        before == plain(&mut connect(&tier, 1).await?).await?,
    );
    tier.sim.reset().await?;
    let mut unchanged = 0;
    for revision in 1..=forces {
        tier.sim.change_gear(NAME, revision).await?;
        let (mut forcing, mut asking) = (connect(&tier, 0).await?, connect(&tier, 1).await?);
        let forced = document(&mut forcing, "?force=true").await?;
        unchanged += u32::from(forced == before);
        let answered = Instant::now();
        while plain(&mut asking).await? != forced {
            if answered.elapsed() > PATIENCE {
                return Err(Failure::new(format!(
                    "force {revision} never reached the other server"
                )));
            }
        }
        delays.push(answered.elapsed());
        before = forced;
    }
    report.equal("forces that brought nothing new", 0, unchanged);
    delays.sort_unstable();
    report.measured(
        "forced answer to the same from the other server, sorted",
        format!("{delays:.2?}"),
    );
    let longest = delays.last().copied().unwrap_or_default();
    report.within("longest of them", context.limit(REACHES_ALL), longest);
    report.equal("calls for the gear", u64::from(forces), tier.sim.seen().await?.equipment);
    tier.account(report).await
}

async fn connect(tier: &Tier, server: usize) -> Outcome<Connection> {
    Ok(Connection::open(tier.servers[server].address()).await?)
}

async fn plain(connection: &mut Connection) -> Outcome<Vec<u8>> {
    document(connection, "").await
}

async fn document(connection: &mut Connection, query: &str) -> Outcome<Vec<u8>> {
    let reply = connection.exchange(&http::expectation(NAME, query)).await?;
    match reply.status {
        200 => Ok(reply.body),
        status => Err(Failure::new(format!("answered with {status}: {}", reply.text()))),
    }
}
