//! Hypothesis: a master that stopped and comes back beside its successor takes no writes if it has to have a replica for
//! them; and whoever held a lock before cannot write under it any more, with or without that.
//!
//! Fault: the master of two Redis servers is stopped (SIGSTOP) until its replica is the master, and goes on (SIGCONT)
//! while it still takes itself for the master. The process that holds the lock is stopped before it writes, and goes on
//! when another one has written. Once with `min-replicas-to-write 1`, once without.
//!
//! Load: one write after the other to the old master, until it refuses as a replica; two processes that write to a
//! counter in SQL, once each.
//!
//! Invariant: with the setting no write lands on the old master (without it they are counted: all of them are lost); the
//! successor is there within five seconds; the second holder writes; the first one's write is refused by its fence.

use std::io::ErrorKind;
use std::time::Duration;

use chaos::services::FlushLog;
use chaos::services::MariaDb;
use chaos::services::Options;
use chaos::services::Redis;
use chaos::services::Replicated;
use chaos::services::Reply;
use serde_json::Value;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::report::Report;
use crate::stack::Context;

const SUCCESSION: Duration = Duration::from_secs(5);
/// What is written to the old master.
const COUNT: &str = "split";
/// Between two writes to the old master.
const WRITE_PAUSE: Duration = Duration::from_millis(5);
/// How a connection that the other side gave up shows.
const DROPPED: [ErrorKind; 3] =
    [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::UnexpectedEof];
/// Sentinels tell an old master what it is after about ten seconds.
const DEMOTION: Duration = Duration::from_secs(40);

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    for replicas_to_write_min in [1, 0] {
        let name = format!("min-replicas-to-write {replicas_to_write_min}");
        let (landed, left) = split(context, report, &name, replicas_to_write_min).await?;
        let writes = format!("{name}: writes that the old master took");
        match replicas_to_write_min {
            0 => report.measured(&writes, format!("{landed}, of which {left} are left")),
            _ => report.equal(&writes, 0, landed),
        }
    }
    Ok(())
}

/// One split; the writes that landed on the old master, and what is left of them once it follows the new one.
async fn split(
    context: &Context,
    report: &mut Report,
    name: &str,
    replicas_to_write_min: u32,
) -> Outcome<(u64, String)> {
    let database = MariaDb::start_with(FlushLog::Second)?;
    let redis = Replicated::start_with(&Options { replicas_to_write_min, ..Options::default() })?;
    let (mysql, url) = (database.url(), redis.url());
    context.locker(&["--mysql", &mysql, "prepare"])?.ends().await?;
    let once = |node| ["--mysql", &mysql, "once", "--redis", &url, "--node", node];
    let mut before = context.locker(&[&once("before")[..], &["--pause-ms", "2000"]].concat())?;
    let old = number(&before.says("held").await?, "held")?;
    before.pause()?;

    redis.nodes[0].pause()?;
    let stopped = Instant::now();
    redis.await_master(1)?;
    report.within(&format!("{name}: a new master"), context.limit(SUCCESSION), stopped.elapsed());
    let mut after = context.locker(&once("after"))?;
    redis.nodes[0].resume()?;
    let taking = async {
        let held = after.says("held").await?;
        Ok::<_, Failure>((number(&held, "held")?, stopped.elapsed()))
    };
    let (taken, landed) = tokio::join!(taking, write_until_demoted(&redis.nodes[0]));
    let ((new, taken_after), landed) = (taken?, landed?);
    report.measured(&format!("{name}: a lock was had again"), format!("after {taken_after:.1?}"));
    report.equal(&format!("{name}: the fence has grown"), true, new > old);
    let written = after.says("written").await?;
    report.equal(&format!("{name}: the new holder writes"), true, written["written"] == true);
    after.ends().await?;
    before.resume()?;
    let written = before.says("written").await?;
    report.equal(&format!("{name}: the old holder is refused"), true, written["written"] == false);
    before.ends().await?;
    let counter = context.locker(&["--mysql", &mysql, "read"])?.says("value").await?;
    let counted = (number(&counter, "value")?, number(&counter, "fence")?);
    report.equal(&format!("{name}: the counter is the new holder's"), true, counted == (1, new));
    let left = match redis.nodes[1].command(&["GET", COUNT])? {
        Reply::Text(count) => count,
        _ => "none".to_owned(),
    };
    Ok((landed, left))
}

/// Writes that the server took before it knew that it is a replica.
async fn write_until_demoted(old: &Redis) -> Outcome<u64> {
    let (mut landed, patience) = (0, Instant::now() + DEMOTION);
    while Instant::now() < patience {
        match old.command(&["INCR", COUNT]) {
            Ok(_) => landed += 1,
            Err(refused) if refused.to_string().starts_with("READONLY") => return Ok(landed),
            Err(refused) if refused.to_string().starts_with("NOREPLICAS") => {}
            // Whoever is made a replica drops its connections; what was asked on them it has not taken.
            Err(error) if DROPPED.contains(&error.kind()) => {}
            Err(error) => return Err(error.into()),
        }
        sleep(WRITE_PAUSE).await;
    }
    Err(Failure::new(format!("the old master did not become a replica in {DEMOTION:?}")))
}

fn number(said: &Value, what: &str) -> Outcome<u64> {
    said[what].as_u64().ok_or_else(|| Failure::new(format!("no {what} in {said}")))
}
