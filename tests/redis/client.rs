//! The connection: made, lost, frozen, failed over; and that a Redis that is away costs nothing.

use std::time::Duration;

use chaos::services::Replicated;
use maple_expectation::stores::redis::client::Again;
use maple_expectation::stores::redis::client::Client;
use maple_expectation::stores::redis::client::Trouble;
use maple_expectation::stores::redis::eviction::evicts;

use crate::support::config;
use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;
use crate::support::started;
use crate::support::timed;
use crate::support::until;

async fn set(client: &Client, key: &str) -> Result<(), Trouble> {
    client.command(Again::Safe, redis::cmd("SET").arg(key).arg(1)).await
}

async fn get(client: &Client, key: &str) -> Result<Option<u64>, Trouble> {
    client.command(Again::Safe, redis::cmd("GET").arg(key)).await
}

#[test]
fn without_a_server_every_command_is_refused_at_once() {
    on_backplane(async {
        let client = started(config("redis://127.0.0.1:1"));
        let (spent, ()) = timed(async {
            for _ in 0..1_000 {
                assert_eq!(get(&client, "a").await, Err(Trouble::Away));
            }
        })
        .await;
        assert!(spent < Duration::from_millis(100), "{spent:?}");
        assert_eq!(client.probe().away.get(), 1_000);
        until("a try to connect", async || client.probe().connect_failures.get() > 1).await;
    });
}

#[test]
fn a_server_that_comes_back_is_used_again() {
    let mut server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        set(&client, "a").await.unwrap();
        server.kill().unwrap();
        until("the loss is seen", async || get(&client, "a").await.is_err()).await;
        assert_eq!(get(&client, "a").await, Err(Trouble::Away));
        server.restart().unwrap();
        until("it is back", async || get(&client, "a").await == Ok(None)).await;
        assert_eq!(client.probe().connected.get(), 2);
    });
}

#[test]
fn a_command_that_may_be_sent_twice_outlives_its_connection() {
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
        assert_eq!(set(&client, "a").await, Ok(()));
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
        let once: Result<u64, _> = client.command(Again::Never, redis::cmd("INCR").arg("n")).await;
        assert_eq!(once, Err(Trouble::Away));
        assert_eq!(client.probe().repeated.get(), 1);
        until("it is back", async || get(&client, "n").await == Ok(None)).await;
    });
}

#[test]
fn a_frozen_server_costs_a_few_commands_their_time_and_then_nothing() {
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        server.pause().unwrap();
        let (spent, got) = timed(get(&client, "a")).await;
        assert_eq!(got, Err(Trouble::Away));
        assert!(spent < Duration::from_millis(400), "{spent:?}");
        until("it is given up", async || !client.is_connected()).await;
        let (spent, _) = timed(async {
            for _ in 0..1_000 {
                get(&client, "a").await.unwrap_err();
            }
        })
        .await;
        assert!(spent < Duration::from_millis(100), "{spent:?}");
        server.resume().unwrap();
        until("it is back", async || get(&client, "a").await.is_ok()).await;
    });
}

#[test]
fn the_breaker_spares_a_server_that_answers_the_keeper_only() {
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        // Writes wait, PING does not.
        let blocked = redis::cmd("CLIENT").arg("PAUSE").arg(700).arg("WRITE").clone();
        let () = client.command(Again::Safe, &blocked).await.unwrap();
        let calls = (0..40).map(|_| set(&client, "a"));
        let ended = futures_util::future::join_all(calls).await;
        assert!(ended.iter().all(Result::is_err));
        assert_eq!(client.probe().breaker_opened.get(), 1);
        until("it closes", async || set(&client, "a").await.is_ok()).await;
    });
}

#[test]
fn what_the_server_refuses_is_told_and_says_nothing_about_its_health() {
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        set(&client, "a").await.unwrap();
        for _ in 0..100 {
            let wrong: Result<u64, _> =
                client.command(Again::Safe, redis::cmd("LLEN").arg("a")).await;
            assert!(matches!(wrong, Err(Trouble::Refused(said)) if said.contains("WRONGTYPE")));
        }
        assert_eq!((client.probe().refused.get(), client.breaker()), (100, "closed"));
        assert_eq!(get(&client, "a").await, Ok(Some(1)));
    });
}

#[test]
fn a_login_and_a_database_are_used() {
    let server = redis();
    server.command(&["CONFIG", "SET", "requirepass", "p@ss"]).unwrap();
    on_backplane(async {
        let client = connected(&format!("redis://:p%40ss@127.0.0.1:{}/5", server.port())).await;
        set(&client, "a").await.unwrap();
        let list: String =
            client.command(Again::Safe, redis::cmd("CLIENT").arg("INFO")).await.unwrap();
        assert!(list.contains(" db=5 "), "{list}");
    });
}

#[test]
fn sentinels_lead_to_the_new_master() {
    let mut servers = Replicated::start().unwrap();
    let before = servers.master().unwrap();
    on_backplane(async {
        let client = connected(&servers.url()).await;
        set(&client, "a").await.unwrap();
        servers.nodes[before].kill().unwrap();
        until("the other leads", async || set(&client, "b").await.is_ok()).await;
        servers.await_master(1 - before).unwrap();
        assert_eq!(get(&client, "a").await, Ok(Some(1)), "written before the failover");
    });
}

#[test]
fn sentinels_lead_away_from_a_master_that_froze_and_came_back() {
    let servers = Replicated::start().unwrap();
    let before = servers.master().unwrap();
    on_backplane(async {
        let client = connected(&servers.url()).await;
        servers.nodes[before].pause().unwrap();
        until("the other leads", async || set(&client, "a").await.is_ok()).await;
        servers.nodes[before].resume().unwrap();
        for _ in 0..100 {
            assert_eq!(set(&client, "a").await, Ok(()));
        }
    });
}

#[test]
fn a_master_that_was_made_a_replica_is_away_until_it_is_one_again() {
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        // Of nobody: it only refuses writes from now on.
        server.command(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
        assert_eq!(set(&client, "a").await, Err(Trouble::Away), "READONLY is no answer");
        assert_eq!((client.probe().refused.get(), client.is_connected()), (0, false));
        server.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
        until("it is back", async || set(&client, "a").await.is_ok()).await;
        assert_eq!(client.probe().connected.get(), 2, "it was not tried while it was a replica");
    });
}

#[test]
fn a_server_tells_whether_it_evicts_what_must_stay() {
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        let set = |key, value| server.command(&["CONFIG", "SET", key, value]).unwrap();
        set("maxmemory-policy", "volatile-ttl");
        set("maxmemory", "0");
        assert_eq!(evicts(&client).await, Ok(None), "there is no bound");
        set("maxmemory", "256mb");
        assert_eq!(evicts(&client).await, Ok(Some("volatile-ttl".to_owned())));
        set("maxmemory-policy", "noeviction");
        assert_eq!(evicts(&client).await, Ok(None));
    });
}
