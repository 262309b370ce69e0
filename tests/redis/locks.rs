//! Locks over a real Redis, and the way to a second tier and back.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use chaos::services::Redis;
use futures_util::future::join_all;
use maple_expectation::locks::held::Acquired;
use maple_expectation::locks::held::Guard;
use maple_expectation::locks::held::Locks;
use maple_expectation::locks::redis::RedisTier;
use maple_expectation::locks::rule;
use maple_expectation::locks::rule::Report;
use maple_expectation::locks::rule::Row;
use maple_expectation::locks::rule::Standing;
use maple_expectation::locks::rule::Times;
use maple_expectation::locks::tier::NoSecond;
use maple_expectation::locks::tier::SecondTier;
use maple_expectation::locks::tier::Taken;
use maple_expectation::locks::tier::Tier;
use maple_expectation::locks::tier::Unreachable;
use shards::clock::SystemClock;
use tokio::task::spawn_local;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::PATIENCE;
use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;
use crate::support::timed;
use crate::support::unix_ms;
use crate::support::until;

const TIMES: Times = Times {
    lease: Duration::from_millis(900),
    renew: Duration::from_millis(300),
    meet: Duration::from_millis(50),
    alive: Duration::from_millis(600),
    margin: Duration::from_millis(200),
};
const NOW: Duration = Duration::ZERO;

async fn process<S: SecondTier + 'static>(
    server: &Redis,
    node: &str,
    second: S,
) -> Locks<RedisTier, S> {
    let first = RedisTier::new(connected(&server.url()).await);
    let (locks, meetings) = Locks::new(first, second, TIMES, node, Rc::new(SystemClock::new()));
    assert_eq!(locks.standing(), Standing::Neither);
    spawn_local(meetings.run());
    until("the first meeting", async || locks.standing() == Standing::First).await;
    locks
}

async fn held<F: Tier + 'static, S: SecondTier + 'static>(
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
fn somebody_elses_lock_is_an_answer_and_stays_his_while_he_lives() {
    let server = redis();
    on_backplane(async {
        let (one, other) =
            (process(&server, "1", NoSecond).await, process(&server, "2", NoSecond).await);
        let guard = held(&one, "job").await;
        let (spent, asked) = timed(other.acquire("job", NOW)).await;
        assert!(matches!(asked, Acquired::Busy) && spent < Duration::from_millis(250), "{spent:?}");
        // Beyond its lease: it is renewed.
        let (spent, asked) = timed(other.acquire("job", TIMES.lease * 2)).await;
        assert!(matches!(asked, Acquired::Busy) && spent >= TIMES.lease * 2, "{spent:?}");
        assert!(!guard.is_lost());
        assert_eq!((other.probe().busy.get(), other.probe().closed.get()), (2, 0));
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
fn several_at_once_are_all_or_none_and_never_a_deadlock() {
    let server = redis();
    on_backplane(async {
        let (one, other) =
            (process(&server, "1", NoSecond).await, process(&server, "2", NoSecond).await);
        let b = held(&one, "b").await;
        assert!(matches!(other.acquire_all(&["b", "a"], NOW).await, Acquired::Busy));
        let a = held(&one, "a").await;
        drop((a, b));
        let rounds = async |locks: &Locks<RedisTier, NoSecond>, names: &[&str]| {
            for _ in 0..10 {
                let Acquired::Held(guards) = locks.acquire_all(names, PATIENCE).await else {
                    panic!("not held");
                };
                assert_eq!((guards.iter().count(), guards.is_lost()), (2, false));
                guards.release().await;
            }
        };
        let both =
            async { tokio::join!(rounds(&one, &["a", "b"]), rounds(&other, &["b", "a", "b"])) };
        timeout(PATIENCE, both).await.unwrap();
    });
}

/// A database that all processes reach: the book and leases, in memory.
#[derive(Clone, Default)]
struct Database(Rc<Tables>);

#[derive(Default)]
struct Tables {
    book: RefCell<Vec<Row>>,
    /// By name: token, end (unix ms), fence.
    leases: RefCell<HashMap<String, (String, u64, u64)>>,
}

impl Tier for Database {
    async fn take(&self, name: &str, token: &str, lease: Duration) -> Result<Taken, Unreachable> {
        let (mut leases, now_ms) = (self.0.leases.borrow_mut(), unix_ms());
        let before = leases.get(name).cloned().unwrap_or_default();
        if before.0 != token && now_ms < before.1 {
            return Ok(Taken::Busy);
        }
        let fence = now_ms.max(before.2 + 1);
        let end_ms = now_ms + u64::try_from(lease.as_millis()).unwrap();
        leases.insert(name.to_owned(), (token.to_owned(), end_ms, fence));
        Ok(Taken::Held { fence })
    }

    async fn renew(&self, name: &str, token: &str, lease: Duration) -> Result<bool, Unreachable> {
        let mut leases = self.0.leases.borrow_mut();
        let Some((_, end_ms, _)) = leases.get_mut(name).filter(|lease| lease.0 == token) else {
            return Ok(false);
        };
        *end_ms = unix_ms() + u64::try_from(lease.as_millis()).unwrap();
        Ok(true)
    }

    async fn release(&self, name: &str, token: &str) {
        if let Some(lease) =
            self.0.leases.borrow_mut().get_mut(name).filter(|lease| lease.0 == token)
        {
            lease.1 = 0;
        }
    }

    fn is_reachable(&self) -> bool {
        true
    }
}

impl SecondTier for Database {
    async fn meet(&self, node: &str, report: Report) -> Result<Standing, Unreachable> {
        let mut book = self.0.book.borrow_mut();
        let (row, standing) = rule::meet(&TIMES, &book, unix_ms(), node, report);
        book.retain(|row| row.node != node);
        book.push(row);
        Ok(standing)
    }
}

#[test]
fn when_redis_dies_for_all_the_database_keeps_the_locks_until_it_is_back() {
    let mut server = redis();
    on_backplane(async {
        let database = Database::default();
        let one = process(&server, "1", database.clone()).await;
        let other = process(&server, "2", database.clone()).await;
        let first = held(&one, "job").await;
        server.kill().unwrap();
        until("it is seen", async || other.standing() == Standing::Neither).await;
        let (spent, second) = timed(held(&other, "job")).await;
        assert!(first.is_lost() && spent > TIMES.lease / 2, "{spent:?}");
        assert!(second.fence() > first.fence());
        assert_eq!((other.standing(), other.probe().taken_second.get()), (Standing::Second, 1));
        assert!(matches!(one.acquire("job", NOW).await, Acquired::Busy | Acquired::Closed));
        server.restart().unwrap();
        // It is renewed no more, and nobody has it on both tiers.
        let third = held(&one, "job").await;
        assert!(second.is_lost() && third.fence() > second.fence());
        assert_eq!(one.standing(), Standing::First);
    });
}

#[test]
fn one_process_without_redis_gets_nothing_from_the_database() {
    let (server, mut lonely) = (redis(), redis());
    on_backplane(async {
        let database = Database::default();
        let _one = process(&server, "1", database.clone()).await;
        let other = process(&lonely, "2", database.clone()).await;
        lonely.kill().unwrap();
        until("it is seen", async || other.standing() == Standing::Neither).await;
        assert!(matches!(other.acquire("job", TIMES.dead() * 2).await, Acquired::Closed));
    });
}
