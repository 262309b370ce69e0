//! A shard's own connection to Redis, on a real shard with each driver: answers in order, and every way it can end.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use chaos::services::Redis;
use futures_channel::oneshot;
use futures_util::future;
use futures_util::future::join_all;
use maple_expectation::expectation::character::Character;
use maple_expectation::expectation::character::Ocid;
use maple_expectation::expectation::name::CharacterName;
use maple_expectation::expectation::ports::Body;
use maple_expectation::expectation::shared::Dated;
use maple_expectation::expectation::shared::Shared;
use maple_expectation::expectation::shared::Slot;
use maple_expectation::expectation::view::View;
use maple_expectation::stores::redis::client::Config;
use maple_expectation::stores::redis::direct::Direct;
use maple_expectation::stores::redis::direct::Elsewhere;
use maple_expectation::stores::redis::direct::WAITING_MAX;
use maple_expectation::stores::redis::events::Bus;
use maple_expectation::stores::redis::flight::Flights;
use maple_expectation::stores::redis::flight::Times;
use maple_expectation::stores::redis::lines;
use maple_expectation::stores::redis::lines::Handed;
use maple_expectation::stores::redis::shard::ShardRedis;
use maple_expectation::stores::redis::shared;
use maple_expectation::stores::redis::shared::Desk;
use shards::ShardId;
use shards::clock::Clock;
use shards::clock::SystemClock;
use shards::listen::bind_reuseport;
use shards::runtime::DriverChoice;
use shards::runtime::DriverKind;
use shards::runtime::Service;
use shards::runtime::Setup;
use shards::runtime::Socket;
use shards::runtime::start;
use shards::spawn;
use tokio::task::spawn_local;

use crate::support::PATIENCE;
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
        // Looks after its connection once a second: what is known sooner, the shard has told.
        let client = started(Config::at(url.parse().unwrap()));
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
        if driver == DriverChoice::Auto && thread.driver == DriverKind::Epoll {
            eprintln!("no io_uring here: this is the epoll driver");
        }
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
            way.connected().await;
            // Every seventh is longer than what is read at once; every second is not there.
            let text = |preset: u8| {
                let times = if preset.is_multiple_of(7) { 100_000 } else { 3 };
                format!("{preset} ").repeat(times)
            };
            for preset in (0..50).step_by(2) {
                way.shared.put_body(slot(preset), body(&text(preset))).await;
            }
            let before = way.direct.probe().snapshot();
            let presets = (0..500_u32).map(|n| (n * 31 % 50) as u8);
            let (shared, text) = (&way.shared, &text);
            let asked =
                presets.map(|preset| async move { (preset, shared.body(&slot(preset)).await) });
            for (preset, found) in join_all(asked).await {
                let wanted = preset.is_multiple_of(2).then(|| body(&text(preset)));
                assert!(found == wanted, "{preset}");
            }
            let now = way.direct.probe().snapshot();
            assert_eq!((now.found - before.found, now.absent - before.absent), (250, 250));
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
        assert_eq!(now.refused - before.refused, 1);
        assert_eq!((now.unreadable - before.unreadable, now.absent - before.absent), (1, 1));
        assert_eq!(now.broken + now.timed_out, 0);
    });
}

/// Whoever asks, and whenever: nobody pays twice.
#[test]
fn a_frozen_server_costs_one_timeout_and_is_used_again() {
    with_each_driver(|driver, server| {
        let url = server.url();
        on_shard(driver, &url, async move |way| {
            way.connected().await;
            server.pause().unwrap();
            let clock = SystemClock::new();
            let way = &way;
            let asked = (0..10).map(|n| {
                let clock = &clock;
                async move {
                    spawn::sleep(TIMEOUT / 10 * n).await;
                    let began = clock.monotonic();
                    assert_eq!(way.shared.body(&slot(2)).await, None);
                    clock.monotonic() - began
                }
            });
            let told = async {
                spawn::sleep(TIMEOUT * 8 / 5).await;
                let began = clock.monotonic();
                assert_eq!(way.shared.gear("id").await, None);
                clock.monotonic() - began
            };
            let (took, told) = future::join(join_all(asked), told).await;
            assert!(told < TIMEOUT / 4, "the backplane does not know after {told:?}");
            assert!(took[0] >= TIMEOUT, "{took:?}");
            assert!(took.iter().all(|took| *took < TIMEOUT * 3 / 2), "{took:?}");
            assert_eq!(way.direct.probe().timed_out.get(), 10);
            server.resume().unwrap();
            way.connected().await;
        });
    });
}

/// What the shard could not read because it stood still is not late.
#[test]
#[allow(clippy::disallowed_methods, reason = "the shard is to stand still")]
fn a_shard_that_stood_still_gives_nobody_up() {
    let server = redis();
    let url = server.url();
    on_shard(DriverChoice::Auto, &url, async move |way| {
        way.connected().await;
        way.shared.put_body(slot(2), body("two")).await;
        for _ in 0..3 {
            let asked = way.direct("Preset(2):가");
            let still = async { std::thread::sleep(TIMEOUT * 2) };
            let (found, ()) = future::join(asked, still).await;
            assert_eq!(found, Ok(Some(body("two"))));
        }
        assert_eq!(way.direct.probe().timed_out.get(), 0);
    });
}

#[test]
fn a_killed_server_is_dialled_again() {
    with_each_driver(|driver, mut server| {
        let url = server.url();
        on_shard(driver, &url, async move |way| {
            way.connected().await;
            // The question is on its way when the connection breaks.
            server.pause().unwrap();
            let killing = async {
                spawn::sleep(TIMEOUT / 10).await;
                server.kill().unwrap();
            };
            let (asked, ()) = future::join(way.direct("a"), killing).await;
            assert_eq!((asked, way.direct.probe().broken.get()), (Err(Elsewhere), 1));
            assert_eq!(way.shared.body(&slot(2)).await, None, "nor the backplane");
            server.restart().unwrap();
            way.connected().await;
            way.shared.put_body(slot(2), body("two")).await;
            assert_eq!(way.shared.body(&slot(2)).await, Some(body("two")));
        });
    });
}

/// Its connections stay open, and what it answers may be old.
#[test]
fn a_master_that_became_a_replica_is_not_asked() {
    let server = redis();
    let url = server.url();
    on_shard(DriverChoice::Auto, &url, async move |way| {
        way.connected().await;
        server.command(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
        until("it is noticed", async || way.direct("a").await == Err(Elsewhere)).await;
        for _ in 0..50 {
            spawn::sleep(Duration::from_millis(5)).await;
            assert_eq!(way.direct("a").await, Err(Elsewhere));
        }
        server.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
        way.connected().await;
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
        let Some(Handed::Line(first, 1)) = lines.next().await else { panic!("a connection") };
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
        assert!(matches!(lines.next().await, Some(Handed::Gone)));
        drop(first);
        assert!(matches!(lines.next().await, Some(Handed::Line(_, 2))));
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
