//! What a value of the shared cache costs: `cargo test --release --test redis -- --ignored --nocapture measure`.

use std::fs;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
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
use maple_expectation::stores::redis::events::Bus;
use maple_expectation::stores::redis::flight::Flights;
use maple_expectation::stores::redis::flight::Times;
use maple_expectation::stores::redis::shared;
use maple_expectation::stores::redis::shared::Desk;
use maple_expectation::stores::redis::shared::SharedRedis;
use shards::clock::Clock;
use shards::clock::SystemClock;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;

const VALUE: &[u8] = &[b'x'; 5 * 1024];
const GETS: usize = 20_000;

/// CPU time of this thread so far.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

fn shown(what: &str, mut took: Vec<Duration>, cpu: Duration) {
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    let each = cpu / u32::try_from(took.len()).unwrap();
    println!("{what}: p50 {:?}, p99 {:?}, shard CPU {each:?} a get", at(50), at(99));
}

fn slot() -> Slot {
    let name = CharacterName::parse("가").unwrap();
    Slot::View(Character { name, ocid: Ocid::new("id") }, View::Preset(2))
}

async fn get(shared: &SharedRedis, clock: &SystemClock, since: Duration) -> Duration {
    assert_eq!(shared.body(&slot()).await.unwrap().value.gzip, VALUE);
    clock.monotonic() - since
}

async fn shard(shared: SharedRedis) {
    let clock = SystemClock::new();
    let body = Body { gzip: Bytes::from_static(VALUE), plain_bytes: 0, hash: 0 };
    shared.put_body(slot(), Dated { value: body, born_us: 1 }).await;
    for outstanding in [1, 64] {
        let (began, mut took) = (cpu(), Vec::with_capacity(GETS));
        while took.len() < GETS {
            let gets = (0..outstanding).map(|_| get(&shared, &clock, clock.monotonic()));
            took.extend(join_all(gets).await);
        }
        shown(&format!("{outstanding} at a time"), took, cpu() - began);
    }
    // Open loop, from the intended time: 10 every millisecond.
    let (began, start) = (cpu(), clock.monotonic());
    let rounds = (0..3_000_u32).map(|round| {
        let (clock, shared, due) = (&clock, &shared, start + Duration::from_millis(1) * round);
        async move {
            sleep(due.saturating_sub(clock.monotonic())).await;
            join_all((0..10).map(|_| get(shared, clock, due))).await
        }
    });
    let took = join_all(rounds).await.concat();
    shown("10,000 a second", took, cpu() - began);
}

#[test]
#[ignore = "a measurement"]
fn measure_gets_through_the_backplane() {
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        let (handle, orders) = shared::channel();
        let bus = Bus::new(client.clone(), "1");
        let flights = Flights::new(client.clone(), Times::SETTLED, "1");
        spawn_local(orders.run(Desk::new(
            (client.clone(), client.clone()),
            bus,
            flights,
            "edition",
        )));
        let (done, ended) = oneshot::channel();
        let began = cpu();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.unwrap().block_on(shard(handle));
            let _ = done.send(());
        });
        ended.await.unwrap();
        thread.join().unwrap();
        let gets = u32::try_from(client.probe().hits.get()).unwrap();
        println!("backplane CPU {:?} a get over {gets}", (cpu() - began) / gets);
    });
}
