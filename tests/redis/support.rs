//! A thread like the backplane's, clients on it, and patience.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use chaos::relay::Relay;
use chaos::services::Options;
use chaos::services::Redis;
use maple_expectation::stores::redis::client::Client;
use maple_expectation::stores::redis::client::Config;
use shards::clock::Clock;
use shards::clock::SystemClock;
use tokio::task::LocalSet;
use tokio::task::spawn_local;
use tokio::time::sleep;
use tokio::time::timeout;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn on_backplane(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async { timeout(PATIENCE * 2, test).await.unwrap() });
}

pub(crate) fn redis() -> Redis {
    Redis::start(&Options::default()).unwrap()
}

/// A way to a server that can be cut, and the URL that leads over it.
pub(crate) fn relayed(server: &Redis) -> (Relay, String) {
    let direct = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let relay = Relay::start(direct).unwrap();
    let url = server.url().replace(&direct.to_string(), &relay.address().to_string());
    (relay, url)
}

pub(crate) fn config(url: &str) -> Config {
    let config = Config::at(url.parse().unwrap());
    Config { heartbeat: Duration::from_millis(200), ..config }
}

/// A client with its keeper, not waited for.
pub(crate) fn started(config: Config) -> Client {
    let (client, keeper) = Client::new(config, Rc::new(SystemClock::new()));
    spawn_local(keeper.run());
    client
}

/// A client that is connected, as another process has one.
pub(crate) async fn connected(url: &str) -> Client {
    let client = started(config(url));
    timeout(PATIENCE, client.connected()).await.unwrap();
    client
}

pub(crate) fn unix_ms() -> u64 {
    SystemClock::new().unix_ms()
}

/// Waits until it holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let clock = SystemClock::new();
    let end = clock.monotonic() + PATIENCE;
    while !holds().await {
        assert!(clock.monotonic() < end, "not in time: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// How long it took.
pub(crate) async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let clock = SystemClock::new();
    let began = clock.monotonic();
    let done = work.await;
    (clock.monotonic() - began, done)
}
