//! Locks over a real Redis, the only tier there is.

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use chaos::services::Redis;
use chaos::services::Reply;
use futures_channel::oneshot;
use futures_util::future::join_all;
use maple_expectation::locks::held::Acquired;
use maple_expectation::locks::held::Guard;
use maple_expectation::locks::held::Locks;
use maple_expectation::locks::redis::RedisTier;
use maple_expectation::locks::rule::Standing;
use maple_expectation::locks::rule::Times;
use maple_expectation::locks::tier::NoSecond;
use maple_expectation::locks::tier::SecondTier;
use maple_expectation::locks::tier::Tier;
use maple_expectation::stores::redis::client::Client;
use shards::clock::SystemClock;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::support::PATIENCE;
use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;
use crate::support::timed;
use crate::support::until;

pub(crate) const TIMES: Times = Times {
    lease: Duration::from_millis(1_800),
    renew: Duration::from_millis(500),
    meet: Duration::from_millis(100),
    alive: Duration::from_millis(1_500),
    margin: Duration::from_millis(300),
};
pub(crate) const NOW: Duration = Duration::ZERO;

/// The locks of a process that reaches Redis.
pub(crate) async fn process<S: SecondTier + 'static>(
    server: &Redis,
    node: &str,
    second: S,
) -> Locks<RedisTier, S> {
    over(connected(&server.url()).await, node, second).await
}

async fn over<S: SecondTier + 'static>(
    client: Client,
    node: &str,
    second: S,
) -> Locks<RedisTier, S> {
    let first = RedisTier::new(client);
    let (locks, meetings) = Locks::new(first, second, TIMES, node, Rc::new(SystemClock::new()));
    assert_eq!(locks.standing(), Standing::Neither);
    spawn_local(meetings.run());
    until("the first meeting", async || locks.standing() == Standing::First).await;
    locks
}

pub(crate) async fn held<F: Tier + 'static, S: SecondTier + 'static>(
    locks: &Locks<F, S>,
    name: &str,
) -> Guard {
    match locks.acquire(name, PATIENCE).await {
        Acquired::Held(guard) => guard,
        Acquired::Busy => panic!("{name} is busy"),
        Acquired::Closed => panic!("{name} is closed"),
    }
}

#[test]
fn one_at_a_time_each_with_a_larger_fence() {
    let server = redis();
    on_backplane(async {
        let mut processes = Vec::new();
        for node in 0..4 {
            processes.push(process(&server, &node.to_string(), NoSecond).await);
        }
        let (inside, fences) = (Cell::new(0), RefCell::new(Vec::new()));
        join_all(processes.iter().map(async |locks| {
            for _ in 0..5 {
                let guard = held(locks, "job").await;
                inside.set(inside.get() + 1);
                assert_eq!(inside.get(), 1);
                sleep(Duration::from_millis(2)).await;
                assert!(!guard.is_lost());
                fences.borrow_mut().push(guard.fence());
                inside.set(inside.get() - 1);
                guard.release().await;
            }
        }))
        .await;
        let fences = fences.into_inner();
        assert_eq!(fences.len(), 20);
        assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
    });
}

#[test]
fn row_126_a_lock_is_renewed_while_it_is_held_and_free_soon_after_its_holder_died() {
    let server = redis();
    let url = server.url();
    let (tell, told) = mpsc::channel();
    let (die, dead) = oneshot::channel::<()>();
    let holder = std::thread::spawn(move || {
        on_backplane(async {
            let locks = over(connected(&url).await, "1", NoSecond).await;
            let guard = held(&locks, "job").await;
            tell.send(guard.fence()).unwrap();
            let _ = dead.await;
            // As by SIGKILL: nobody lets go.
            std::mem::forget(guard);
        });
    });
    on_backplane(async {
        let other = process(&server, "2", NoSecond).await;
        let fence = told.recv().unwrap();
        let watch = async {
            let mut least_ms = i64::MAX;
            for _ in 0..100 {
                let left = server.command(&["PTTL", "lock:{job}"]).unwrap();
                let Reply::Integer(left_ms) = left else { panic!("{left:?}") };
                least_ms = least_ms.min(left_ms);
                sleep(TIMES.lease / 25).await;
            }
            least_ms
        };
        let (least_ms, asked) = tokio::join!(watch, other.acquire("job", TIMES.lease * 3));
        assert!(least_ms >= i64::try_from(TIMES.lease.as_millis() / 3).unwrap(), "{least_ms}");
        assert!(matches!(asked, Acquired::Busy));
        die.send(()).unwrap();
        holder.join().unwrap();
        let (spent, guard) = timed(held(&other, "job")).await;
        assert!(spent < TIMES.lease + Duration::from_millis(250), "{spent:?}");
        assert!(guard.fence() > fence);
    });
}

#[test]
fn row_128_somebody_elses_lock_is_an_answer_and_no_failure() {
    const TICKS: usize = 20;
    let server = redis();
    on_backplane(async {
        let mut processes = Vec::new();
        for node in 0..4 {
            let client = connected(&server.url()).await;
            processes.push((over(client.clone(), &node.to_string(), NoSecond).await, client));
        }
        for _ in 0..TICKS {
            let asking = processes.iter().map(|(locks, _)| locks.acquire("tick", NOW));
            let asked = join_all(asking).await;
            let busy = asked.iter().filter(|asked| matches!(asked, Acquired::Busy)).count();
            let held: Vec<_> = asked
                .into_iter()
                .filter_map(|asked| match asked {
                    Acquired::Held(guard) => Some(guard),
                    Acquired::Busy | Acquired::Closed => None,
                })
                .collect();
            assert_eq!((held.len(), busy), (1, 3));
            join_all(held.into_iter().map(Guard::release)).await;
        }
        for (locks, client) in &processes {
            assert_eq!((locks.probe().closed.get(), client.breaker()), (0, "closed"));
        }
        let busy: u64 = processes.iter().map(|(locks, _)| locks.probe().busy.get()).sum();
        assert_eq!(busy, 3 * TICKS as u64);
    });
}

#[test]
fn somebody_elses_lock_is_waited_for_as_long_as_one_likes() {
    let server = redis();
    on_backplane(async {
        let (one, other) =
            (process(&server, "1", NoSecond).await, process(&server, "2", NoSecond).await);
        let guard = held(&one, "job").await;
        let (spent, asked) = timed(other.acquire("job", NOW)).await;
        assert!(matches!(asked, Acquired::Busy) && spent < Duration::from_millis(250), "{spent:?}");
        let (spent, asked) = timed(other.acquire("job", TIMES.lease * 2)).await;
        assert!(matches!(asked, Acquired::Busy) && spent >= TIMES.lease * 2, "{spent:?}");
        assert!(!guard.is_lost());
        let _another = held(&other, "another job").await;
        drop(guard);
        held(&other, "job").await;
    });
}

#[test]
fn a_lock_that_is_taken_away_is_known_to_be_lost_and_not_given_back() {
    let server = redis();
    on_backplane(async {
        let (one, other) =
            (process(&server, "1", NoSecond).await, process(&server, "2", NoSecond).await);
        let guard = held(&one, "job").await;
        server.command(&["DEL", "lock:{job}"]).unwrap();
        let theirs = held(&other, "job").await;
        assert!(theirs.fence() > guard.fence());
        let (spent, ()) = timed(guard.lost()).await;
        assert!(spent < TIMES.renew * 3, "{spent:?}");
        assert_eq!(one.probe().lost.get(), 1);
        guard.release().await;
        assert!(matches!(one.acquire("job", NOW).await, Acquired::Busy));
    });
}

#[test]
fn without_redis_there_are_no_locks_and_what_is_held_is_lost_before_its_lease_ends() {
    let mut server = redis();
    on_backplane(async {
        let locks = process(&server, "1", NoSecond).await;
        let guard = held(&locks, "job").await;
        server.kill().unwrap();
        let (spent, ()) = timed(guard.lost()).await;
        assert!(spent < TIMES.lease, "{spent:?}");
        assert!(matches!(locks.acquire("job", NOW).await, Acquired::Closed));
        server.restart().unwrap();
        let again = held(&locks, "job").await;
        assert!(again.fence() > guard.fence(), "though the counter was lost");
    });
}

#[test]
fn several_at_once_are_all_or_none() {
    let server = redis();
    on_backplane(async {
        let (one, other) =
            (process(&server, "1", NoSecond).await, process(&server, "2", NoSecond).await);
        let b = held(&one, "b").await;
        assert!(matches!(other.acquire_all(&["b", "a"], NOW).await, Acquired::Busy));
        held(&one, "a").await.release().await;
        b.release().await;
        let Acquired::Held(both) = other.acquire_all(&["b", "a", "b"], NOW).await else {
            panic!("not held");
        };
        assert_eq!((both.iter().count(), both.is_lost()), (2, false));
    });
}

#[test]
fn row_129_crossed_lists_of_locks_never_wait_for_each_other() {
    const ROUNDS: usize = 1_000;
    let server = redis();
    on_backplane(async {
        let (one, other) =
            (process(&server, "1", NoSecond).await, process(&server, "2", NoSecond).await);
        let rounds = async |locks: &Locks<RedisTier, NoSecond>, names: [&str; 2]| {
            for round in 0..ROUNDS {
                let Acquired::Held(guards) = locks.acquire_all(&names, PATIENCE).await else {
                    panic!("not held in round {round}");
                };
                guards.release().await;
            }
        };
        tokio::join!(rounds(&one, ["a", "b"]), rounds(&other, ["b", "a"]));
        for locks in [&one, &other] {
            let seen = locks.probe().snapshot();
            assert_eq!((seen.taken_first, seen.busy), (2 * ROUNDS as u64, 0));
        }
    });
}
