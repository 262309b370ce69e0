//! A shard's own connection to Redis, on a real shard with each driver: answers in order, and every way it can end.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use chaos::services::Redis;
use futures_channel::oneshot;
use futures_util::future::join_all;
use maple_expectation::expectation::character::Character;
use maple_expectation::expectation::character::Ocid;
use maple_expectation::expectation::name::CharacterName;
use maple_expectation::expectation::ports::Body;
use maple_expectation::expectation::shared::Dated;
use maple_expectation::expectation::shared::Shared;
use maple_expectation::expectation::shared::Slot;
use maple_expectation::expectation::view::View;
use maple_expectation::stores::redis::direct::Direct;
use maple_expectation::stores::redis::direct::Elsewhere;
use maple_expectation::stores::redis::direct::WAITING_MAX;
use maple_expectation::stores::redis::events::Bus;
use maple_expectation::stores::redis::flight::Flights;
use maple_expectation::stores::redis::flight::Times;
use maple_expectation::stores::redis::lines;
use maple_expectation::stores::redis::shard::ShardRedis;
use maple_expectation::stores::redis::shared;
use maple_expectation::stores::redis::shared::Desk;
use shards::ShardId;
use shards::clock::Clock;
use shards::clock::SystemClock;
use shards::listen::bind_reuseport;
use shards::runtime::DriverChoice;
use shards::runtime::Service;
use shards::runtime::Setup;
use shards::runtime::Socket;
use shards::runtime::start;
use shards::spawn;
use tokio::task::spawn_local;

use crate::support::PATIENCE;
use crate::support::config;
use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;
use crate::support::started;

const TIMEOUT: Duration = Duration::from_millis(200);

/// A shard that serves nobody.
struct Idle;

impl Service for Idle {
    async fn connection(self: Rc<Self>, _socket: Socket) {}

    fn turned_away(&self) -> &'static [u8] {
        b""
    }
}

/// What a shard has.
struct Way {
    shared: ShardRedis,
    direct: Rc<Direct>,
}

impl Way {
    async fn direct(&self, field: &str) -> Result<Option<Dated<Body>>, Elsewhere> {
        self.direct.body("expectationV4::id:edition", field).await
    }

    /// Waits until the shard has a connection.
    async fn connected(&self) {
        until("a connection", async || self.direct("Preset(2):가").await.is_ok()).await;
    }
}

/// Runs `test` on a shard with this driver, beside a backplane whose client has this URL.
fn on_shard<F: Future<Output = ()>>(
    driver: DriverChoice,
    url: &str,
    test: impl FnOnce(Way) -> F + Send + 'static,
) {
    on_backplane(async {
        let client = started(config(url));
        let (far, orders) = shared::channel();
        let (lines, dialler) = lines::pair();
        spawn_local(dialler.run(client.clone()));
        let bus = Bus::new(client.clone(), "one");
        let flights = Flights::new(client.clone(), Times::SETTLED, "one");
        spawn_local(orders.run(Desk::new((client.clone(), client), bus, flights, "edition")));
        let (done, ended) = oneshot::channel();
        let listener = bind_reuseport(([127, 0, 0, 1], 0).into(), 1).unwrap().remove(0);
        let setup =
            Setup { id: ShardId::new(0), shards: 1, core: None, driver, connections_max: 1 };
        let thread = start(
            setup,
            listener,
            |shard| {
                let direct = Direct::open(shard.driver, shard.clock.fine(), TIMEOUT, lines);
                let shared = ShardRedis::new(far, Rc::clone(&direct), "edition".to_owned());
                spawn::spawn(async move {
                    test(Way { shared, direct }).await;
                    done.send(()).unwrap();
                });
                Ok(Idle)
            },
            |_, _| {},
        );
        let mut thread = thread.unwrap();
        // Dropped unsent when the test has failed.
        let passed = ended.await.is_ok();
        thread.stop(Duration::ZERO);
        let exit = thread.join();
        assert!(passed, "{exit:?}");
    });
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let clock = SystemClock::new();
    let end = clock.monotonic() + PATIENCE;
    while !holds().await {
        assert!(clock.monotonic() < end, "not in time: {what}");
        spawn::sleep(Duration::from_millis(5)).await;
    }
}

fn slot(preset: u8) -> Slot {
    let name = CharacterName::parse("가").unwrap();
    Slot::View(Character { name, ocid: Ocid::new("id") }, View::Preset(preset))
}

fn body(text: &str) -> Dated<Body> {
    let gzip = Bytes::copy_from_slice(text.as_bytes());
    Dated { value: Body { gzip, plain_bytes: 9, hash: 1 << 100 }, born_us: 5 }
}

fn with_each_driver(test: impl Fn(DriverChoice, Redis)) {
    for driver in [DriverChoice::Auto, DriverChoice::Epoll] {
        test(driver, redis());
    }
}

#[test]
fn answers_come_to_those_who_asked() {
    with_each_driver(|driver, server| {
        on_shard(driver, &server.url(), async |way| {
            // Longer than what is read at once.
            let long = "x".repeat(200_000);
            way.connected().await;
            way.shared.put_body(slot(1), body("one")).await;
            way.shared.put_body(slot(2), body(&long)).await;
            assert_eq!(way.shared.body(&slot(1)).await, Some(body("one")));
            let before = way.direct.probe().snapshot();
            let asked = (0..300_u16).map(|n| {
                let way = &way;
                async move { way.shared.body(&slot(1 + (n % 3) as u8)).await }
            });
            for (n, found) in join_all(asked).await.into_iter().enumerate() {
                let wanted = [Some(body("one")), Some(body(&long)), None];
                assert_eq!(found, wanted[n % 3], "{n}");
            }
            let now = way.direct.probe().snapshot();
            assert_eq!((now.found - before.found, now.absent - before.absent), (200, 100));
            assert_eq!(now.elsewhere, before.elsewhere);
        });
    });
}

#[test]
fn beyond_its_bound_the_backplane_is_asked() {
    let server = redis();
    let url = server.url();
    on_shard(DriverChoice::Auto, &url, async |way| {
        way.connected().await;
        way.shared.put_body(slot(2), body("two")).await;
        let before = way.direct.probe().elsewhere.get();
        let asked = (0..WAITING_MAX + 7).map(|_| way.shared.body(&slot(2)));
        let found = join_all(asked).await;
        assert!(found.into_iter().all(|found| found == Some(body("two"))));
        assert_eq!(way.direct.probe().elsewhere.get() - before, 7);
    });
}

#[test]
fn a_refusal_is_a_miss_and_the_connection_stays() {
    let server = redis();
    let url = server.url();
    on_shard(DriverChoice::Auto, &url, async move |way| {
        server.command(&["SET", "expectationV4::id:edition", "no hash"]).unwrap();
        way.connected().await;
        let before = way.direct.probe().snapshot();
        assert_eq!(way.direct("Preset(2):가").await, Ok(None));
        server.command(&["DEL", "expectationV4::id:edition"]).unwrap();
        server
            .command(&["HSET", "expectationV4::id:edition", "born", "x", "f", "too short"])
            .unwrap();
        assert_eq!(way.direct("f").await, Ok(None));
        assert_eq!(way.direct("g").await, Ok(None));
        let now = way.direct.probe().snapshot();
        assert_eq!((now.unreadable - before.unreadable, now.absent - before.absent), (2, 1));
        assert_eq!(now.broken + now.timed_out, 0);
    });
}

#[test]
fn a_frozen_server_costs_one_timeout_and_is_used_again() {
    with_each_driver(|driver, server| {
        let url = server.url();
        on_shard(driver, &url, async move |way| {
            way.connected().await;
            server.pause().unwrap();
            let clock = SystemClock::new();
            let began = clock.monotonic();
            let asked = [way.direct("a"), way.direct("b")];
            assert_eq!(join_all(asked).await, [Ok(None), Ok(None)]);
            let took = clock.monotonic() - began;
            assert!(took >= TIMEOUT && took < TIMEOUT * 3, "{took:?}");
            let began = clock.monotonic();
            assert_eq!(way.direct("c").await, Err(Elsewhere));
            let took = clock.monotonic() - began;
            assert!(took < TIMEOUT / 4, "{took:?}");
            assert_eq!(way.direct.probe().timed_out.get(), 2);
            server.resume().unwrap();
            way.connected().await;
        });
    });
}

#[test]
fn a_killed_server_is_dialled_again() {
    with_each_driver(|driver, mut server| {
        let url = server.url();
        on_shard(driver, &url, async move |way| {
            way.connected().await;
            server.kill().unwrap();
            until("it is noticed", async || way.direct("a").await == Err(Elsewhere)).await;
            assert_eq!(way.shared.body(&slot(2)).await, None, "nor the backplane");
            server.restart().unwrap();
            way.connected().await;
            way.shared.put_body(slot(2), body("two")).await;
            assert_eq!(way.shared.body(&slot(2)).await, Some(body("two")));
        });
    });
}

/// What the backplane knows of outages counts: it gives up its connection, and the shard has none.
#[test]
fn the_connection_goes_with_that_of_the_backplane() {
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        let (mut lines, dialler) = lines::pair();
        spawn_local(dialler.run(client));
        let (first, number) = lines.next().await.unwrap().expect("a connection");
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
        assert!(lines.next().await.unwrap().is_none());
        drop(first);
        let (_second, second) = lines.next().await.unwrap().expect("another connection");
        assert_eq!((number, second), (1, 2));
    });
}

#[test]
fn it_logs_in_and_selects_as_the_backplane_does() {
    let server = redis();
    server.command(&["ACL", "SETUSER", "maple", "on", ">pass word", "~*", "&*", "+@all"]).unwrap();
    let url = server.url().replace("redis://", "redis://maple:pass%20word@") + "/3";
    on_shard(DriverChoice::Auto, &url, async move |way| {
        way.connected().await;
        way.shared.put_body(slot(2), body("two")).await;
        assert_eq!(way.direct("Preset(2):가").await, Ok(Some(body("two"))));
        let elsewhere = server.command(&["DBSIZE"]).unwrap();
        assert_eq!(elsewhere, chaos::services::Reply::Integer(0));
    });
}
