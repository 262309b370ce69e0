//! Private stores, and servers over them.

use std::time::Duration;

use chaos::services::MariaDb;
use chaos::services::Options;
use chaos::services::Redis;
use maple_expectation::upstream::sim::SimConfig;
use mysql_async::Row;
use mysql_async::prelude::FromRow;
use mysql_async::prelude::Queryable as _;
use shards::clock::Clock as _;
use shards::clock::SystemClock;
use tempfile::TempDir;

use crate::api_support::Reply;
use crate::api_support::Stack;

/// Longest wait for anything that comes behind an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The stores, empty.
pub(crate) struct Tiers {
    pub(crate) redis: Redis,
    pub(crate) maria: MariaDb,
    /// For the journals.
    folder: TempDir,
}

impl Tiers {
    pub(crate) fn start() -> Self {
        let redis = Redis::start(&Options::default()).unwrap();
        Self { redis, maria: MariaDb::start().unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    /// A server over both, with its own simulator.
    pub(crate) fn server(&self, keys: &[(&str, &str)]) -> Stack {
        self.with_keys(keys, |keys| Stack::over(SimConfig::default(), keys))
    }

    /// Another one in front of the same simulator.
    pub(crate) fn beside(&self, first: &Stack, keys: &[(&str, &str)]) -> Stack {
        self.with_keys(keys, |keys| Stack::before(first.sim.clone(), keys))
    }

    /// The same once more, after it has ended in good order.
    pub(crate) fn restarted(&self, stack: Stack, keys: &[(&str, &str)]) -> Stack {
        let Stack { server, sim } = stack;
        server.stop(Duration::from_secs(5));
        self.with_keys(keys, |keys| Stack::before(sim, keys))
    }

    fn with_keys<T>(&self, keys: &[(&str, &str)], start: impl FnOnce(&[(&str, &str)]) -> T) -> T {
        let (redis, maria) = (self.redis.url(), self.maria.url());
        let folder = self.folder.path().to_str().unwrap();
        let own = [
            ("store.kind", "auto"),
            ("store.url", maria.as_str()),
            ("redis.url", redis.as_str()),
            ("server.data", folder),
        ];
        start(&[&own, keys].concat())
    }

    /// The rows of a query.
    pub(crate) fn rows<T: FromRow + Send + 'static>(&self, query: &str) -> Vec<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = mysql_async::Conn::from_url(self.maria.url()).await.unwrap();
            let rows: Vec<Row> = connection.query(query).await.unwrap();
            connection.disconnect().await.unwrap();
            rows.into_iter().map(mysql_async::from_row).collect()
        })
    }

    /// The one number that a query gives.
    pub(crate) fn count(&self, query: &str) -> u64 {
        self.rows::<(u64,)>(query)[0].0
    }
}

/// Waits until it holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    let end = clock.monotonic() + PATIENCE;
    while !holds() {
        assert!(clock.monotonic() < end, "not in time: {what}");
        pause(Duration::from_millis(10));
    }
}

/// Waits so long: for what nothing announces.
pub(crate) fn pause(time: Duration) {
    let (_tell, never) = std::sync::mpsc::channel::<()>();
    let _ = never.recv_timeout(time);
}

/// Where an answer came from.
pub(crate) fn source(reply: &Reply) -> &str {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-cache").unwrap()
}
