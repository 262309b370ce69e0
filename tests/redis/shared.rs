//! The shards' way in: from a thread without tokio, to the backplane and back, of one process and of two.

use std::thread;

use bytes::Bytes;
use chaos::services::Reply;
use futures_channel::oneshot;
use maple_expectation::error::Fault;
use maple_expectation::expectation::character::Character;
use maple_expectation::expectation::character::Ocid;
use maple_expectation::expectation::name::CharacterName;
use maple_expectation::expectation::ports::Body;
use maple_expectation::expectation::ports::Gear;
use maple_expectation::expectation::ports::Payload;
use maple_expectation::expectation::shared::Dated;
use maple_expectation::expectation::shared::Shared;
use maple_expectation::expectation::shared::SharedName;
use maple_expectation::expectation::shared::Slot;
use maple_expectation::expectation::shared::Turn;
use maple_expectation::expectation::view::View;
use maple_expectation::stores::redis::client::Client;
use maple_expectation::stores::redis::events::Bus;
use maple_expectation::stores::redis::flight::Flights;
use maple_expectation::stores::redis::flight::Times;
use maple_expectation::stores::redis::shared;
use maple_expectation::stores::redis::shared::Desk;
use maple_expectation::stores::redis::shared::SharedRedis;
use maple_expectation::stores::redis::shared::TOTALS_BYTES_MAX;
use tokio::task::spawn_local;

use crate::support::config;
use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;
use crate::support::started;

/// Runs `shard` on a thread of its own, beside a backplane with these clients, each as of a process.
async fn beside<F: Future<Output = ()>>(
    clients: Vec<Client>,
    shard: impl FnOnce(Vec<SharedRedis>) -> F + Send + 'static,
) {
    let mut handles = Vec::new();
    for (at, client) in clients.into_iter().enumerate() {
        let (handle, orders) = shared::channel();
        let instance_id = at.to_string();
        let bus = Bus::new(client.clone(), &instance_id);
        let flights = Flights::new(client.clone(), Times::SETTLED, &instance_id);
        spawn_local(orders.run(Desk::new((client.clone(), client), bus, flights, "edition")));
        handles.push(handle);
    }
    let (done, ended) = oneshot::channel();
    let thread = thread::spawn(move || {
        block_on(shard(handles));
        let _ = done.send(());
    });
    ended.await.unwrap();
    thread.join().unwrap();
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(work);
}

fn character(name: &str) -> Character {
    Character { name: CharacterName::parse(name).unwrap(), ocid: Ocid::new("id") }
}

fn slot(name: &str) -> Slot {
    Slot::View(character(name), View::Preset(2))
}

fn body(text: &str, born_us: u64) -> Dated<Body> {
    let gzip = Bytes::copy_from_slice(text.as_bytes());
    Dated { value: Body { gzip, plain_bytes: 9, hash: 1 << 100 }, born_us }
}

fn gear(text: &str, born_us: u64) -> Dated<Gear> {
    let payload = Payload { body: Bytes::copy_from_slice(text.as_bytes()), gzip: true };
    Dated { value: Gear { payload, received_ms: 7 }, born_us }
}

#[test]
fn what_one_process_keeps_another_finds() {
    let server = redis();
    on_backplane(async {
        let clients = vec![connected(&server.url()).await, connected(&server.url()).await];
        beside(clients, async |processes| {
            let [one, other] = &processes[..] else { unreachable!() };
            assert_eq!((one.body(&slot("가")).await, one.gear("id").await), (None, None));
            one.put_gear("id", gear("gear", 5)).await;
            one.put_body(slot("가"), body("body", 5)).await;
            assert_eq!(other.gear("id").await, Some(gear("gear", 5)));
            assert_eq!(other.body(&slot("가")).await, Some(body("body", 5)));
            assert_eq!(other.body(&slot("나")).await, None, "another name");
            let said = SharedName { ocid: None, confirmed_ms: 1 };
            one.put_name("가", said.clone()).await;
            assert_eq!(other.name("가").await, Some(said));
            let said = SharedName { ocid: Some("id".to_owned()), confirmed_ms: 2 };
            one.put_name("가", said.clone()).await;
            assert_eq!(other.name("가").await, Some(said));
        })
        .await;
    });
}

#[test]
fn bodies_go_with_the_gear_they_were_made_of() {
    let server = redis();
    on_backplane(async {
        beside(vec![connected(&server.url()).await], async |processes| {
            let shared = &processes[0];
            assert_eq!(shared.put_body(slot("가"), body("old", 5)).await, None);
            let second = shared.put_body(slot("가"), body("the same gear", 5)).await;
            assert_eq!(second, Some(body("old", 5).value), "the first stays");
            shared.put_body(slot("나"), body("old", 5)).await;
            shared.put_body(slot("가"), body("older", 4)).await;
            assert_eq!(shared.body(&slot("가")).await, Some(body("old", 5)), "older is refused");
            shared.put_body(slot("가"), body("new", 6)).await;
            assert_eq!(shared.body(&slot("가")).await, Some(body("new", 6)));
            assert_eq!(shared.body(&slot("나")).await, None, "of the same id");
            shared.put_gear("id", gear("newer", 7)).await;
            assert_eq!(shared.body(&slot("가")).await, None, "the gear is newer");
            shared.put_body(slot("가"), body("late", 6)).await;
            assert_eq!(shared.body(&slot("가")).await, None, "made of the gear before");
            shared.put_gear("id", gear("older", 6)).await;
            assert_eq!(shared.gear("id").await, Some(gear("newer", 7)));
        })
        .await;
    });
}

#[test]
fn row_56_and_70_times_to_live_are_those_of_the_table_and_spread() {
    let server = redis();
    on_backplane(async {
        let ids = 0..100;
        beside(vec![connected(&server.url()).await], async move |processes| {
            for id in ids {
                let ocid = Ocid::new(&id.to_string());
                let character = Character { name: character("가").name, ocid: ocid.clone() };
                let slot = Slot::View(character, View::Expectation);
                processes[0].put_body(slot, body("x", 1)).await;
                processes[0].put_gear(ocid.as_str(), gear("x", 1)).await;
            }
        })
        .await;
        let ttls = |key: &dyn Fn(u32) -> String| -> Vec<i64> {
            let ttl = |id| match server.command(&["PTTL", &key(id)]).unwrap() {
                Reply::Integer(ms) => ms,
                other => panic!("{other:?}"),
            };
            (0..100).map(ttl).collect()
        };
        let bodies = ttls(&|id| format!("expectationV4::{id}:edition"));
        let gears = ttls(&|id| format!("equipment::{id}"));
        for (ttls, minutes) in [(bodies, 60), (gears, 10)] {
            let (least, most) = (*ttls.iter().min().unwrap(), *ttls.iter().max().unwrap());
            let ms = minutes * 60_000;
            assert!(least > ms * 9 / 10 - 5_000 && most < ms * 11 / 10, "{least} to {most}");
            assert!(most - least > ms / 20, "spread: {least} to {most}");
        }
    });
}

#[test]
fn row_66_and_67_results_are_found_by_the_time_of_their_gear_and_large_ones_are_not_shared() {
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        beside(vec![client.clone()], async |processes| {
            let shared = &processes[0];
            let at = |at_s| Slot::Totals(character("가"), at_s);
            shared.put_body(at(1_790_000_000), body("x", 5)).await;
            assert_eq!(shared.body(&at(1_790_000_000)).await, Some(body("x", 5)));
            assert_eq!(shared.body(&at(1_790_000_001)).await, None);
            let other = Slot::Totals(character("나"), 1_790_000_000);
            assert_eq!(shared.body(&other).await, None, "another spelling");
            shared.put_body(at(1), body(&"x".repeat(TOTALS_BYTES_MAX), 5)).await;
            assert_eq!(shared.body(&at(1)).await, None);
        })
        .await;
        assert_eq!(client.probe().oversized.get(), 1);
        let keys = server.command(&["KEYS", "expectationResult::expectation:v3:*"]).unwrap();
        let key = "expectationResult::expectation:v3:id:1790000000:edition:lv1";
        assert_eq!(keys, Reply::List(vec![Reply::Text(key.to_owned())]));
    });
}

#[test]
fn turns_pass_between_processes_with_their_outcomes() {
    let server = redis();
    on_backplane(async {
        let clients = vec![connected(&server.url()).await, connected(&server.url()).await];
        beside(clients, async |processes| {
            let [one, other] = &processes[..] else { unreachable!() };
            for outcome in [Ok(()), Err(Fault::upstream_failed("down"))] {
                let Turn::Lead(lead) = one.turn("k".to_owned()).await else { panic!("led") };
                let waiting = other.turn("k".to_owned());
                let settle = async {
                    // Until the other has looked at least once.
                    tokio::time::sleep(Times::SETTLED.poll * 3).await;
                    lead.settle(outcome.clone());
                };
                let (ended, ()) = futures_util::future::join(waiting, settle).await;
                let Turn::Ended(ended) = ended else { panic!("a second leader") };
                assert_eq!(ended, outcome);
            }
            let Turn::Lead(dropped) = one.turn("k".to_owned()).await else { panic!("led") };
            drop(dropped);
            assert!(matches!(other.turn("k".to_owned()).await, Turn::Lead(_)), "passed on");
        })
        .await;
    });
}

#[test]
fn a_cool_down_is_one_for_all_processes() {
    let server = redis();
    on_backplane(async {
        let clients = vec![connected(&server.url()).await, connected(&server.url()).await];
        beside(clients, async |processes| {
            let [one, other] = &processes[..] else { unreachable!() };
            let minute = std::time::Duration::from_secs(60);
            assert_eq!(one.claim("id", minute).await, None);
            let left = other.claim("id", minute).await.expect("begun by the first");
            assert!(left <= minute && left > minute / 2, "{left:?}");
            assert_eq!(other.claim("another", minute).await, None);
            one.give_back("id").await;
            assert_eq!(other.claim("id", minute).await, None);
        })
        .await;
    });
}

#[test]
fn without_redis_a_shard_goes_on_alone() {
    on_backplane(async {
        let client = started(config("redis://127.0.0.1:1"));
        beside(vec![client.clone()], async |processes| {
            let shared = &processes[0];
            assert_eq!((shared.body(&slot("가")).await, shared.gear("id").await), (None, None));
            assert_eq!(shared.name("가").await, None);
            shared.put_body(slot("가"), body("x", 1)).await;
            shared.outdate("id", 7).await;
            assert!(matches!(shared.turn("k".to_owned()).await, Turn::Lead(_)));
            shared.visited(vec![("가".to_owned(), 2)]);
            let seen = shared.snapshot().await.unwrap();
            assert_eq!((seen.get_failures > 0, seen.put_failures), (true, 1));
        })
        .await;
    });
}

#[test]
fn without_a_backplane_too() {
    let (shared, orders) = shared::channel();
    drop(orders);
    block_on(async {
        assert_eq!(shared.gear("id").await, None);
        assert!(matches!(shared.turn("k".to_owned()).await, Turn::Lead(_)));
    });
}
