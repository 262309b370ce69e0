//! Locks over a real Redis and a real MariaDB: both tiers alike, from the first to the second and back.

use std::time::Duration;

use chaos::relay::Mode;
use chaos::relay::Relay;
use chaos::services::FlushLog;
use chaos::services::MariaDb;
use futures_util::future::join_all;
use futures_util::future::try_join_all;
use maple_expectation::locks::held::Acquired;
use maple_expectation::locks::redis::RedisTier;
use maple_expectation::locks::rule::Report;
use maple_expectation::locks::rule::Standing;
use maple_expectation::locks::sql::SqlTier;
use maple_expectation::locks::sql::statements;
use maple_expectation::locks::tier::SecondTier as _;
use maple_expectation::locks::tier::Taken;
use maple_expectation::locks::tier::Tier;
use maple_expectation::stores::migrations::MYSQL;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use tokio::time::sleep;

use crate::locks::NOW;
use crate::locks::TIMES;
use crate::locks::held;
use crate::locks::process;
use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;
use crate::support::timed;
use crate::support::unix_ms;
use crate::support::until;

/// With the schema.
async fn database() -> MariaDb {
    let server = MariaDb::start_with(FlushLog::Second).unwrap();
    let mut connection = Conn::from_url(server.url()).await.unwrap();
    for statement in MYSQL.iter().flat_map(|step| step.statements()) {
        connection.query_drop(statement).await.unwrap();
    }
    connection.disconnect().await.unwrap();
    server
}

fn second(server: &MariaDb) -> SqlTier {
    SqlTier::new(&server.url(), TIMES).unwrap()
}

async fn fence(tier: &impl Tier, token: &str, lease: Duration) -> Option<u64> {
    match tier.take("job", token, lease).await.unwrap() {
        Taken::Held { fence } => Some(fence),
        Taken::Busy => None,
    }
}

/// What every tier promises.
async fn keeps_leases(tier: impl Tier) {
    let (long, short) = (Duration::from_secs(60), Duration::from_millis(400));
    let before_ms = unix_ms();
    let first = fence(&tier, "a", long).await.unwrap();
    assert!(first >= before_ms, "{first}");
    assert_eq!(fence(&tier, "b", long).await, None);
    assert_eq!(fence(&tier, "a", long).await, Some(first), "asked again");
    assert!(tier.renew("job", "a", long).await.unwrap());
    assert!(!tier.renew("job", "b", long).await.unwrap());
    tier.release("job", "b").await;
    assert_eq!(fence(&tier, "b", long).await, None, "only its holder lets go");
    tier.release("job", "a").await;
    assert!(!tier.renew("job", "a", long).await.unwrap());
    let next = fence(&tier, "b", short).await.unwrap();
    assert!(next > first);
    for _ in 0..3 {
        sleep(short / 2).await;
        assert_eq!(fence(&tier, "b", short).await, Some(next), "each question begins it anew");
    }
    sleep(short).await;
    assert!(!tier.renew("job", "b", long).await.unwrap(), "it has run out");
    assert!(fence(&tier, "c", long).await.unwrap() > next);
}

#[test]
fn redis_keeps_leases() {
    let server = redis();
    on_backplane(async { keeps_leases(RedisTier::new(connected(&server.url()).await)).await });
}

#[test]
fn sql_keeps_leases() {
    on_backplane(async {
        let server = database().await;
        keeps_leases(second(&server)).await;
    });
}

#[test]
fn of_many_who_take_at_once_one_has_it() {
    on_backplane(async {
        let server = database().await;
        let tiers: Vec<_> = (0..4).map(|_| second(&server)).collect();
        let mut fences = Vec::new();
        for round in 0..20 {
            let tokens: Vec<_> = (0..16).map(|asker| format!("{round}.{asker}")).collect();
            let asking = tokens.iter().enumerate().map(|(at, token)| {
                let tier = &tiers[at % tiers.len()];
                async move { (token, fence(tier, token, TIMES.lease).await) }
            });
            let asked = join_all(asking).await;
            let held: Vec<_> =
                asked.iter().filter_map(|(token, held)| Some((token, (*held)?))).collect();
            let [(token, fence)] = held[..] else { panic!("{} have it", held.len()) };
            fences.push(fence);
            tiers[0].release("job", token).await;
        }
        assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
    });
}

#[test]
fn meetings_exclude_each_other() {
    const NODES: u64 = 6;
    const MEETINGS: u64 = 20;
    on_backplane(async {
        let server = database().await;
        let meet = async |node: u64| {
            let tier = second(&server);
            for meeting in 1..=MEETINGS {
                let report = Report { meeting, first_reachable: true, holds_second: false };
                let standing = tier.meet(&node.to_string(), report).await?;
                assert_eq!(standing, Standing::First);
            }
            let late = Report { meeting: 1, first_reachable: false, holds_second: false };
            assert_eq!(tier.meet(&node.to_string(), late).await?, Standing::Neither);
            Ok::<_, maple_expectation::locks::tier::Unreachable>(())
        };
        try_join_all((0..NODES).map(meet)).await.unwrap();
        let mut connection = Conn::from_url(server.url()).await.unwrap();
        let sql = "SELECT meetings, (SELECT count(*) FROM lock_book WHERE meeting = ? AND left_first_ms IS NULL) FROM lock_meeting";
        let seen: (u64, u64) = connection.exec_first(sql, (MEETINGS,)).await.unwrap().unwrap();
        assert_eq!(seen, (NODES * (MEETINGS + 1), NODES));
    });
}

#[test]
fn a_process_that_stops_in_the_middle_of_a_meeting_keeps_the_others_out_for_seconds() {
    on_backplane(async {
        let server = database().await;
        let report = Report { meeting: 1, first_reachable: true, holds_second: false };
        let relay = Relay::start(([127, 0, 0, 1], server.port()).into()).unwrap();
        let direct = format!("127.0.0.1:{}", server.port());
        let relayed = server.url().replace(&direct, &relay.address().to_string());
        let stopping = SqlTier::new(&relayed, TIMES).unwrap();
        let mut first = Conn::from_url(server.url()).await.unwrap();
        first.query_drop("BEGIN").await.unwrap();
        first.query_drop(statements::ENTER).await.unwrap();
        let waiting = async {
            let sql = "SELECT count(*) FROM information_schema.processlist
                WHERE info LIKE 'INSERT INTO lock_meeting%'";
            let mut watching = Conn::from_url(server.url()).await.unwrap();
            until("it waits for the first", async || {
                watching.query_first(sql).await.unwrap() == Some(1_u64)
            })
            .await;
            // From here on it hears nothing any more, and nothing of its end is heard.
            relay.set(Mode::Hold).unwrap();
            first.query_drop("COMMIT").await.unwrap();
        };
        let (stopped, ()) = tokio::join!(stopping.meet("stopping", report), waiting);
        assert!(stopped.is_err());
        let other = second(&server);
        let (spent, ()) = timed(until("the other meets", async || {
            other.meet("other", report).await == Ok(Standing::First)
        }))
        .await;
        assert!(spent < Duration::from_secs(6), "{spent:?}");
    });
}

#[test]
fn row_127_when_redis_dies_for_all_the_database_keeps_the_locks_until_it_is_back() {
    let mut server = redis();
    on_backplane(async {
        let database = database().await;
        let one = process(&server, "1", second(&database)).await;
        let other = process(&server, "2", second(&database)).await;
        let first = held(&one, "job").await;
        server.kill().unwrap();
        until("it is seen", async || other.standing() == Standing::Neither).await;
        let (spent, second) = timed(held(&other, "job")).await;
        assert!(first.is_lost() && spent > TIMES.lease / 2, "{spent:?}");
        assert!(second.fence() > first.fence());
        assert_eq!((other.standing(), other.probe().taken_second.get()), (Standing::Second, 1));
        until("both are there", async || one.standing() == Standing::Second).await;
        // Longer than its lease: it is renewed.
        assert!(matches!(one.acquire("job", TIMES.lease * 2).await, Acquired::Busy));
        assert!(!second.is_lost());
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
        let database = database().await;
        let _one = process(&server, "1", second(&database)).await;
        let other = process(&lonely, "2", second(&database)).await;
        lonely.kill().unwrap();
        until("it is seen", async || other.standing() == Standing::Neither).await;
        assert!(matches!(other.acquire("job", TIMES.dead() * 2).await, Acquired::Closed));
    });
}

#[test]
fn without_the_book_there_are_no_locks_although_redis_is_there() {
    let server = redis();
    on_backplane(async {
        let mut database = database().await;
        let one = process(&server, "1", second(&database)).await;
        let guard = held(&one, "job").await;
        database.kill().unwrap();
        until("its standing ends", async || one.standing() == Standing::Neither).await;
        assert!(matches!(one.acquire("another", NOW).await, Acquired::Closed));
        guard.lost().await;
        assert!(one.probe().meetings_failed.get() > 0);
        database.restart().unwrap();
        assert!(held(&one, "job").await.fence() > guard.fence());
    });
}
