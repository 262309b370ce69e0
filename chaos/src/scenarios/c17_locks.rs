//! Hypothesis: whatever becomes of Redis, what is written under a lock with its fence is right, and those who wait for
//! the lock get it.
//!
//! Fault: Redis is killed and all it held is lost, locks too; it is away for longer than a lease, so that the processes
//! go on with locks in SQL; then it is back.
//!
//! Load: two processes with many clients each. Every client takes the one lock, reads a counter in SQL and writes it
//! back one larger, again and again.
//!
//! Invariant: the counter is as large as the number of rounds; locks were taken on both tiers; at least ten a second in
//! all, and nobody waited longer for one than the outage and ten seconds.

use std::time::Duration;

use chaos::services::FlushLog;
use chaos::services::MariaDb;
use chaos::services::Options;
use chaos::services::Redis;
use serde_json::Value;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::report::Report;
use crate::stack::Context;

const PROCESSES: usize = 2;
/// Before Redis is killed; all rounds take several times as long.
const CALM: Duration = Duration::from_millis(500);
/// The example's lease and margin, and some meetings.
const OUTAGE: Duration = Duration::from_secs(5);
const LOCKS_PER_SECOND_MIN: f64 = 10.0;
const WAIT_MAX: Duration = Duration::from_secs(10);

pub(super) async fn run(context: &Context, report: &mut Report) -> Outcome<()> {
    let (clients, rounds) = context.pick((10, 100), (50, 50));
    let database = MariaDb::start_with(FlushLog::Second)?;
    let mut redis = Redis::start(&Options::default())?;
    let mysql = database.url();
    context.locker(&["--mysql", &mysql, "prepare"])?.ends().await?;
    let mut counting = Vec::new();
    for node in 0..PROCESSES {
        let (redis, node) = (redis.url(), node.to_string());
        let (clients, rounds) = (clients.to_string(), rounds.to_string());
        let own = ["--mysql", &mysql, "count", "--redis", &redis, "--node", &node];
        let load = ["--clients", &clients, "--rounds", &rounds];
        counting.push(context.locker(&[&own[..], &load].concat())?);
    }
    for process in &mut counting {
        process.says("clients").await?;
    }
    sleep(CALM).await;
    redis.kill()?;
    sleep(OUTAGE).await;
    redis.restart()?;
    let mut said = Vec::new();
    for mut process in counting {
        said.push(process.says("seconds").await?);
        process.ends().await?;
    }
    let counter = context.locker(&["--mysql", &mysql, "read"])?.says("value").await?;

    let added = (PROCESSES * clients * rounds) as u64;
    report.equal("the counter", added, number(&counter, "value")? as u64);
    let [first, second, lost, refused] =
        ["first", "second", "lost", "refused"].map(|what| sum(&said, what));
    report.at_least("locks taken in Redis", 1.0, first?);
    report.at_least("locks taken in SQL", 1.0, second?);
    let longest = said.iter().map(|said| number(said, "seconds")).collect::<Outcome<Vec<_>>>()?;
    let spent = longest.into_iter().fold(0.0, f64::max);
    report.at_least("locks a second", LOCKS_PER_SECOND_MIN, (added as f64 / spent).round());
    let waits = said.iter().map(|said| number(said, "waitedMsMax"));
    let waited = waits.collect::<Outcome<Vec<_>>>()?.into_iter().fold(0.0, f64::max);
    let waited = Duration::from_secs_f64(waited / 1e3);
    let beyond = waited.saturating_sub(OUTAGE);
    report.within("longest wait, beyond the outage", context.limit(WAIT_MAX), beyond);
    report.measured("longest wait", format!("{waited:.1?}"));
    report.measured("seconds", format!("{spent:.1}, of which Redis was away {OUTAGE:?}"));
    report.measured("locks lost while held", lost?);
    report.measured("writes refused for their fence, and done again", refused?);
    Ok(())
}

fn sum(said: &[Value], what: &str) -> Outcome<f64> {
    said.iter().map(|said| number(said, what)).sum()
}

fn number(said: &Value, what: &str) -> Outcome<f64> {
    said[what].as_f64().ok_or_else(|| Failure::new(format!("no {what} in {said}")))
}
