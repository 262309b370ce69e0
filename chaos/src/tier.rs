//! Several servers over stores they share, all new, all the scenario's own: MariaDB, Redis with a replica under three
//! sentinels, one simulator. What blocks (the private servers do) runs aside, because the suite's one thread is the
//! client. A scenario with one server alone: `stack`.

use std::io;
use std::time::Duration;

use chaos::loopback;
use chaos::services::FlushLog;
use chaos::services::MariaDb;
use chaos::services::Replicated;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::http;
use crate::load::Burst;
use crate::load::with_status;
use crate::metrics::Metrics;
use crate::report::Report;
use crate::sim::Seen;
use crate::sim::Sim;
use crate::sql::Sql;
use crate::stack::Context;
use crate::stack::Server;
use crate::stack::environment;

/// Servers and what they share. Dropping it kills them all.
pub(crate) struct Tier {
    pub(crate) servers: Vec<Server>,
    pub(crate) sim: Sim,
    pub(crate) db: MariaDb,
    pub(crate) redis: Replicated,
}

/// How a store goes away, and comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL: connections break, new ones are refused. Comes back by being started.
    Crash,
    /// SIGSTOP: connections stay open and silent, new ones succeed. Comes back by SIGCONT.
    Freeze,
}

/// Longest wait for something a scenario needs before it can go on.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);
/// Below the calls a server makes at once.
const ASKED_AT_ONCE: usize = 40;
const REDIS_UP: &str = "maple_redis_up";
const STORE_STATE: &str = "maple_store_state";

impl Context {
    /// This many servers with these configuration keys changed, each connected to both stores.
    pub(crate) async fn tier(&self, servers: usize, keys: &[(&str, &str)]) -> Outcome<Tier> {
        let sim = Sim::start(self.binary(), self.folder()).await?;
        // A commit need not survive the machine.
        let db = spawn_blocking(|| MariaDb::start_with(FlushLog::Second));
        let (redis, db) = tokio::join!(spawn_blocking(Replicated::start), db);
        let mut tier = Tier { servers: Vec::new(), sim, db: db??, redis: redis?? };
        for _ in 0..servers {
            let server = self.join(&tier, keys).await?;
            tier.servers.push(server);
        }
        Ok(tier)
    }

    /// One more server over the same stores, connected to both.
    pub(crate) async fn join(&self, tier: &Tier, keys: &[(&str, &str)]) -> Outcome<Server> {
        // It keeps its port when it is restarted.
        let listen = loopback::address(loopback::free_port()?);
        let mut environment = environment(keys);
        environment.push(("DATABASE_URL".to_owned(), tier.db.url()));
        environment.push(("REDIS_URL".to_owned(), tier.redis.url()));
        let upstream = tier.sim.url();
        let server =
            Server::start_at(listen, self.binary(), self.folder(), &upstream, &environment).await?;
        connected(&server).await?;
        Ok(server)
    }
}

impl Tier {
    /// Makes characters that SQL has and Redis has not: the names are `prefix` and a number. The first server has
    /// them as well.
    pub(crate) async fn only_in_sql(&self, prefix: &str, count: usize) -> Outcome<()> {
        const KEPT: &str = "SELECT COUNT(*) FROM character_equipment";
        let mut sql = Sql::open(&self.db.url()).await?;
        let wanted = sql.number(KEPT).await? + count as u64;
        let mut asked = 0..count;
        while !asked.is_empty() {
            let some: Vec<_> = asked.by_ref().take(ASKED_AT_ONCE).collect();
            let requests = some.iter().map(|n| http::expectation(&format!("{prefix}{n}"), ""));
            let requests: Vec<_> = requests.collect();
            let mut burst = Burst::send(self.servers[0].address(), &requests).await?;
            let answered = with_status(&burst.gather(some.len(), PATIENCE).await, 200);
            if answered < some.len() {
                return Err(Failure::new(format!("{answered} of {} were made", some.len())));
            }
        }
        let written = async || Ok(sql.number(KEPT).await? >= wanted);
        until("everything is written", PATIENCE, written).await?;
        let master = self.redis.master().ok_or_else(|| Failure::new("no master"))?;
        self.redis.nodes[master].command(&["FLUSHALL"])?;
        Ok(())
    }

    /// Reports what the servers are and what everything has used.
    pub(crate) async fn account(&self, report: &mut Report) -> Outcome<()> {
        for server in &self.servers {
            server.account(report).await?;
        }
        report.measured("simulator CPU", format!("{:.2?}", self.sim.usage()?.cpu));
        Ok(())
    }
}

impl Fault {
    pub(crate) const ALL: [Self; 2] = [Self::Freeze, Self::Crash];

    /// Master and replica go away at once.
    pub(crate) async fn take_redis(self, redis: Replicated) -> Outcome<Replicated> {
        aside(redis, move |redis| {
            redis.nodes.iter_mut().try_for_each(|node| match self {
                Self::Crash => node.kill(),
                Self::Freeze => node.pause(),
            })
        })
        .await
    }

    pub(crate) async fn give_redis_back(self, redis: Replicated) -> Outcome<Replicated> {
        aside(redis, move |redis| {
            redis.nodes.iter_mut().try_for_each(|node| match self {
                Self::Crash => node.restart(),
                Self::Freeze => node.resume(),
            })
        })
        .await
    }

    pub(crate) async fn take_sql(self, db: MariaDb) -> Outcome<MariaDb> {
        aside(db, move |db| match self {
            Self::Crash => db.kill(),
            Self::Freeze => db.pause(),
        })
        .await
    }

    pub(crate) async fn give_sql_back(self, db: MariaDb) -> Outcome<MariaDb> {
        aside(db, move |db| match self {
            Self::Crash => db.restart(),
            Self::Freeze => db.resume(),
        })
        .await
    }
}

/// Waits until the server uses both stores.
pub(crate) async fn connected(server: &Server) -> Outcome<()> {
    until("both stores are in use", PATIENCE, async || {
        let metrics = server.metrics().await?;
        Ok(redis_is_up(&metrics)? && store_is_healthy(&metrics)?)
    })
    .await
    .map(drop)
}

/// Whether the server has a connection to Redis.
pub(crate) fn redis_is_up(metrics: &Metrics) -> Outcome<bool> {
    Ok(metrics.sum(REDIS_UP, &[])? > 0.0)
}

/// Whether the server writes to SQL and nothing is left from when it could not.
pub(crate) fn store_is_healthy(metrics: &Metrics) -> Outcome<bool> {
    Ok(metrics.sum(STORE_STATE, &[("state", "healthy")])? > 0.0)
}

/// Waits until the simulator has seen this much.
pub(crate) async fn until_seen(
    sim: &Sim,
    what: &str,
    reached: impl Fn(Seen) -> bool,
) -> Outcome<()> {
    until(what, PATIENCE, async || Ok(reached(sim.seen().await?))).await.map(drop)
}

/// Asks again and again until it is so. How long that took.
pub(crate) async fn until(
    what: &str,
    limit: Duration,
    mut holds: impl AsyncFnMut() -> Outcome<bool>,
) -> Outcome<Duration> {
    let begun = Instant::now();
    while !holds().await? {
        if begun.elapsed() > limit {
            return Err(Failure::new(format!("not in {limit:?}: {what}")));
        }
        sleep(POLL).await;
    }
    Ok(begun.elapsed())
}

/// Does to a private server what blocks, on a thread of its own.
pub(crate) async fn aside<T: Send + 'static>(
    mut server: T,
    work: impl FnOnce(&mut T) -> io::Result<()> + Send + 'static,
) -> Outcome<T> {
    Ok(spawn_blocking(move || work(&mut server).map(|()| server)).await??)
}
