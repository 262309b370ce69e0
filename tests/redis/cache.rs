//! The shared cache.

use std::time::Duration;

use bytes::Bytes;
use maple_expectation::stores::redis::cache::SharedCache;
use maple_expectation::stores::redis::caches::Cache;
use maple_expectation::stores::redis::caches::Held;
use tokio::time::sleep;

use crate::support::config;
use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;
use crate::support::started;
use crate::support::unix_ms;

fn held(value: &str, born_ms: u64, ttl_ms: u64) -> Held {
    let value = Bytes::copy_from_slice(value.as_bytes());
    Held { value, born: born_ms, expires_ms: unix_ms() + ttl_ms }
}

#[test]
fn a_value_travels_with_its_times_and_ends_with_them() {
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        let (one, other) =
            (SharedCache::new(client.clone()), SharedCache::new(connected(&server.url()).await));
        let value = held("a", 5, 150);
        assert_eq!(one.put(Cache::V4, "가", &value).await, Ok(true));
        assert_eq!(other.get(Cache::V4, "가").await, Some(value));
        assert_eq!(other.get(Cache::Equipment, "가").await, None);
        sleep(Duration::from_millis(160)).await;
        assert_eq!(one.get(Cache::V4, "가").await, None);
        assert_eq!(one.put(Cache::V4, "가", &held("late", 6, 0)).await, Ok(false));
        assert_eq!((client.probe().puts.get(), client.probe().misses.get()), (1, 1));
    });
}

#[test]
fn an_older_value_never_replaces_a_younger_one() {
    let server = redis();
    on_backplane(async {
        let cache = SharedCache::new(connected(&server.url()).await);
        for (born_ms, put) in
            [(1 << 40, true), ((1 << 40) - 1, false), (1 << 40, true), ((1 << 40) + 1, true)]
        {
            let value = held(&born_ms.to_string(), born_ms, 9_000);
            assert_eq!(cache.put(Cache::V4, "a", &value).await, Ok(put), "{born_ms}");
        }
        assert_eq!(cache.get(Cache::V4, "a").await.unwrap().value, ((1_u64 << 40) + 1).to_string());
        assert_eq!(cache.remove(Cache::V4, "a").await, Ok(true));
        assert_eq!(cache.remove(Cache::V4, "a").await, Ok(false));
        assert_eq!(cache.get(Cache::V4, "a").await, None);
    });
}

#[test]
fn what_another_build_wrote_is_a_miss_and_is_replaced() {
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        let cache = SharedCache::new(client.clone());
        for other in ["", "short", "an older build's value, not of our format"] {
            server.command(&["SET", "expectationV4::a", other]).unwrap();
            assert_eq!(cache.get(Cache::V4, "a").await, None, "{other}");
            assert_eq!(cache.put(Cache::V4, "a", &held("a", 1, 9_000)).await, Ok(true), "{other}");
        }
        assert_eq!(client.probe().unreadable.get(), 3);
        // Of another type altogether.
        server.command(&["DEL", "expectationV4::a"]).unwrap();
        server.command(&["LPUSH", "expectationV4::a", "x"]).unwrap();
        assert_eq!(cache.get(Cache::V4, "a").await, None);
        assert_eq!(client.probe().get_failures.get(), 1);
    });
}

#[test]
fn scripts_survive_a_server_that_forgot_them() {
    let server = redis();
    on_backplane(async {
        let cache = SharedCache::new(connected(&server.url()).await);
        for born_ms in [1, 2] {
            assert_eq!(cache.put(Cache::V4, "a", &held("a", born_ms, 9_000)).await, Ok(true));
            server.command(&["SCRIPT", "FLUSH"]).unwrap();
        }
    });
}

#[test]
fn redis_away_is_a_miss() {
    on_backplane(async {
        let client = started(config("redis://127.0.0.1:1"));
        let cache = SharedCache::new(client.clone());
        assert_eq!(cache.get(Cache::V4, "a").await, None);
        assert!(cache.put(Cache::V4, "a", &held("a", 1, 9_000)).await.is_err());
        let probe = client.probe();
        assert_eq!(
            (probe.get_failures.get(), probe.put_failures.get(), probe.misses.get()),
            (1, 1, 0)
        );
    });
}
