//! Times to live while the store is away.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use chaos::relay::Mode;
use chaos::services::Reply;
use maple_expectation::jobs::stretching;
use maple_expectation::resilience::health::State;
use maple_expectation::stores::redis::cache::SharedCache;
use maple_expectation::stores::redis::caches::Cache;
use maple_expectation::stores::redis::caches::Held;
use maple_expectation::stores::redis::client::Again;
use maple_expectation::stores::redis::client::Client;
use maple_expectation::stores::redis::client::Trouble;
use maple_expectation::stores::redis::stretch::ROUND_PAUSE;
use maple_expectation::stores::redis::stretch::Towards;
use maple_expectation::stores::redis::stretch::Walk;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;
use crate::support::relayed;
use crate::support::unix_ms;
use crate::support::until;

/// Takes a whole walk; gives how many times to live it changed.
async fn stretch(client: &Client, towards: Towards) -> u64 {
    let mut walk = Walk::begin(client, towards).await.unwrap().expect("nobody else is at it");
    while walk.page().await.unwrap() {}
    walk.changed()
}

#[test]
fn row_131_what_the_store_would_have_is_kept_a_day_and_ends_in_its_time_again() {
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        for number in 0..2_500 {
            server.command(&["SET", &format!("equipment::{number}"), "x", "EX", "60"]).unwrap();
        }
        server.command(&["SET", "ocidNegativeCache::a", "x", "EX", "60"]).unwrap();
        server.command(&["SET", "lock:a", "x", "EX", "60"]).unwrap();
        let ttl = |key| match server.command(&["TTL", key]).unwrap() {
            Reply::Integer(seconds) => seconds,
            other => panic!("{other:?}"),
        };
        assert_eq!(stretch(&client, Towards::Longer).await, 2_500);
        server.command(&["DEL", "stretch:round"]).unwrap();
        stretch(&client, Towards::Longer).await;
        assert!((86_000..=86_400).contains(&ttl("equipment::7")), "twice is as good as once");
        assert!(ttl("ocidNegativeCache::a") <= 60 && ttl("lock:a") <= 60);
        assert_eq!(stretch(&client, Towards::AsUsual).await, 2_500);
        assert!((590..=600).contains(&ttl("equipment::7")));
    });
}

#[test]
fn what_was_stretched_can_be_read_after_its_usual_end() {
    const USUAL_MS: u64 = 400;
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        let cache = SharedCache::new(client.clone());
        let caches = [Cache::Equipment, Cache::Ocid, Cache::NoOcid, Cache::Result];
        for cached in caches {
            let value = b"x".as_slice().into();
            let held = Held { value, born: 1, expires_ms: unix_ms() + USUAL_MS };
            assert_eq!(cache.put(cached, "a", &held).await, Ok(true));
        }
        assert_eq!(stretch(&client, Towards::Longer).await, 2);
        sleep(Duration::from_millis(USUAL_MS + 10)).await;
        for cached in caches {
            let found = cache.get(cached, "a").await.is_some();
            assert_eq!(found, cached.is_stretched(), "{cached:?}");
        }
    });
}

#[test]
fn a_walk_goes_on_where_it_was_past_keys_that_are_no_text() {
    let server = redis();
    let (relay, relayed) = relayed(&server);
    on_backplane(async {
        let client = connected(&relayed).await;
        for number in 0..2_500 {
            server.command(&["SET", &format!("equipment::{number}"), "x", "EX", "60"]).unwrap();
        }
        let mut set = redis::cmd("SET");
        set.arg(&b"\xff\xfe"[..]).arg("x");
        client.command::<()>(Again::Safe, &set).await.unwrap();
        // Also leaves the table of the keys as large as it will be.
        let mut walk = Walk::begin(&client, Towards::AsUsual).await.unwrap().unwrap();
        let mut pages = 1;
        while walk.page().await.unwrap() {
            pages += 1;
        }
        let mut walk = Walk::begin(&client, Towards::Longer).await.unwrap().unwrap();
        assert_eq!(walk.page().await, Ok(true));
        relay.set(Mode::Refuse).unwrap();
        relay.reset().unwrap();
        assert_eq!(walk.page().await, Err(Trouble::Away));
        relay.set(Mode::Pass).unwrap();
        client.connected().await;
        let mut pages_here = 2;
        while walk.page().await.unwrap() {
            pages_here += 1;
        }
        assert_eq!((walk.changed(), pages_here), (2_500, pages));
    });
}

#[test]
fn one_process_at_a_time_lengthens() {
    let server = redis();
    on_backplane(async {
        let (one, other) = (connected(&server.url()).await, connected(&server.url()).await);
        let is_begun = async |towards| Walk::begin(&other, towards).await.unwrap().is_some();
        let mut walk = Walk::begin(&one, Towards::Longer).await.unwrap().unwrap();
        server.command(&["PEXPIRE", "stretch:round", "1000"]).unwrap();
        assert!(!is_begun(Towards::Longer).await, "one is at it");
        assert_eq!(walk.page().await, Ok(false));
        let Reply::Integer(left) = server.command(&["PTTL", "stretch:round"]).unwrap() else {
            panic!("it lately was");
        };
        assert!(1_000 < left && left <= i64::try_from(ROUND_PAUSE.as_millis()).unwrap(), "{left}");
        assert!(is_begun(Towards::AsUsual).await, "that is everybody's");
        server.command(&["DEL", "stretch:round"]).unwrap();
        assert!(is_begun(Towards::Longer).await);
    });
}

#[test]
fn times_to_live_follow_the_store_in_whichever_process_it_is_seen() {
    let server = redis();
    on_backplane(async {
        let states = [(); 2].map(|()| Rc::new(Cell::new(State::Healthy)));
        for state in &states {
            let state = Rc::clone(state);
            spawn_local(stretching::run(connected(&server.url()).await, move || state.get()));
        }
        server.command(&["SET", "equipment::a", "x", "EX", "60"]).unwrap();
        let ttl = || match server.command(&["TTL", "equipment::a"]).unwrap() {
            Reply::Integer(seconds) => seconds,
            other => panic!("{other:?}"),
        };
        let all_see = |state| states.iter().for_each(|seen| seen.set(state));
        all_see(State::Degraded);
        until("it is kept a day", async || ttl() > 86_000).await;
        all_see(State::Recovering);
        sleep(Duration::from_millis(1_500)).await;
        assert!(ttl() > 86_000, "what waited is not there yet");
        all_see(State::Healthy);
        until("it ends in its time", async || ttl() <= 600).await;
        assert!(ttl() > 500, "not at once");
    });
}
