//! One leads among all processes.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use chaos::relay::Mode;
use chaos::services::Redis;
use chaos::services::Reply;
use futures_util::future::join_all;
use maple_expectation::stores::redis::client::Client;
use maple_expectation::stores::redis::flight::Flights;
use maple_expectation::stores::redis::flight::Landed;
use maple_expectation::stores::redis::flight::Lease;
use maple_expectation::stores::redis::flight::Times;
use maple_expectation::stores::redis::flight::Turn;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::PATIENCE;
use crate::support::config;
use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;
use crate::support::relayed;
use crate::support::started;
use crate::support::timed;
use crate::support::until;

const TIMES: Times = Times {
    lease: Duration::from_millis(600),
    renew: Duration::from_millis(200),
    poll: Duration::from_millis(10),
    outcome: Duration::from_millis(500),
};

async fn process(server: &Redis, instance_id: &str) -> (Client, Flights) {
    let client = connected(&server.url()).await;
    (client.clone(), Flights::new(client, TIMES, instance_id))
}

async fn lead(flights: &Flights, key: &str) -> Lease {
    match timeout(PATIENCE, flights.turn(key)).await.unwrap() {
        Turn::Lead(lease) => lease,
        Turn::Followed(landed) => panic!("followed: {landed:?}"),
    }
}

async fn follow(flights: &Flights, key: &str) -> Landed {
    match timeout(PATIENCE, flights.turn(key)).await.unwrap() {
        Turn::Lead(_) => panic!("led"),
        Turn::Followed(landed) => landed,
    }
}

#[test]
fn one_leads_and_all_others_hear_how_it_ended() {
    let server = redis();
    on_backplane(async {
        let mut processes = Vec::new();
        for id in 0..5 {
            processes.push(process(&server, &id.to_string()).await.1);
        }
        for landed in [Landed::Done(Bytes::from_static(b"L2")), Landed::Failed(Bytes::new())] {
            let leaders = Cell::new(0);
            let outcomes =
                join_all(processes.iter().map(async |flights| match flights.turn("k").await {
                    Turn::Lead(lease) => {
                        leaders.set(leaders.get() + 1);
                        // Longer than a lease: it is renewed.
                        sleep(TIMES.lease * 2).await;
                        lease.land(landed.clone());
                        landed.clone()
                    }
                    Turn::Followed(landed) => landed,
                }))
                .await;
            assert_eq!((leaders.get(), outcomes), (1, vec![landed; 5]));
        }
    });
}

#[test]
fn an_outcome_is_for_those_who_waited_only() {
    let server = redis();
    on_backplane(async {
        let (one, other) = (process(&server, "1").await.1, process(&server, "2").await.1);
        lead(&one, "k").await.land(Landed::Failed(Bytes::new()));
        let lease = ["EXISTS", "cache:sf:{k}"];
        until("it has landed", async || server.command(&lease).unwrap() == Reply::Integer(0)).await;
        lead(&other, "k").await.land(Landed::Done(Bytes::new()));
        let _lease = lead(&one, "another key").await;
    });
}

#[test]
fn a_lead_given_up_passes_at_once() {
    let server = redis();
    on_backplane(async {
        let (one, (client, other)) = (process(&server, "1").await.1, process(&server, "2").await);
        let lease = lead(&one, "k").await;
        let (spent, _lease) = timed(async {
            let give_up = async {
                sleep(TIMES.poll * 3).await;
                drop(lease);
            };
            tokio::join!(lead(&other, "k"), give_up).0
        })
        .await;
        assert!(spent < TIMES.lease, "{spent:?}");
        assert_eq!(client.probe().flights_taken_over.get(), 1);
    });
}

#[test]
fn when_the_leader_is_killed_another_leads_within_the_lease_and_the_rest_follow_it() {
    let server = redis();
    on_backplane(async {
        // A process of its own: a thread that ends takes its tasks with it, unreleased.
        let url = server.url();
        std::thread::spawn(move || {
            on_backplane(async {
                let flights = Flights::new(connected(&url).await, TIMES, "killed");
                std::mem::forget(lead(&flights, "k").await);
            });
        })
        .join()
        .unwrap();
        let (one, other) = (process(&server, "1").await.1, process(&server, "2").await.1);
        let work = async |flights: &Flights| match flights.turn("k").await {
            Turn::Lead(lease) => {
                sleep(TIMES.poll * 5).await;
                lease.land(Landed::Done(Bytes::from_static(b"2")));
                true
            }
            Turn::Followed(landed) => {
                assert_eq!(landed, Landed::Done(Bytes::from_static(b"2")));
                false
            }
        };
        let (spent, led) = timed(async { tokio::join!(work(&one), work(&other)) }).await;
        assert_ne!(led.0, led.1, "one leads");
        assert!(spent < TIMES.lease + TIMES.poll * 20, "{spent:?}");
    });
}

#[test]
fn redis_away_everybody_leads() {
    let mut server = redis();
    on_backplane(async {
        let (one, (client, other)) = (process(&server, "1").await.1, process(&server, "2").await);
        let lease = lead(&one, "k").await;
        let kill = async {
            sleep(TIMES.poll * 3).await;
            server.kill().unwrap();
        };
        // In the middle of a wait.
        let (mine, ()) = tokio::join!(lead(&other, "k"), kill);
        assert_eq!(client.probe().flights_alone.get(), 1);
        lease.land(Landed::Done(Bytes::new()));
        mine.land(Landed::Done(Bytes::new()));
        let never = Flights::new(started(config("redis://127.0.0.1:1")), TIMES, "3");
        lead(&never, "k").await.land(Landed::Done(Bytes::new()));
    });
}

#[test]
fn waiting_can_be_given_up() {
    let server = redis();
    on_backplane(async {
        let (one, other) = (process(&server, "1").await.1, process(&server, "2").await.1);
        let lease = lead(&one, "k").await;
        assert!(timeout(TIMES.poll * 3, other.turn("k")).await.is_err());
        let land = async {
            sleep(TIMES.poll).await;
            lease.land(Landed::Done(Bytes::from_static(b"x")));
        };
        let (landed, ()) = tokio::join!(follow(&other, "k"), land);
        assert_eq!(landed, Landed::Done(Bytes::from_static(b"x")));
    });
}

/// A lease that outlasts every wait below.
const LONG: Times = Times { lease: PATIENCE, ..TIMES };

#[test]
fn a_lead_whose_grant_was_not_heard_is_landed_all_the_same() {
    let server = redis();
    let (relay, relayed) = relayed(&server);
    on_backplane(async {
        let client = connected(&relayed).await;
        let one = Flights::new(client.clone(), LONG, "1");
        let (_, other) = process(&server, "2").await;
        // Redis knows the script from then on.
        lead(&other, "another key").await.land(Landed::Done(Bytes::new()));
        relay.set(Mode::HoldAnswers).unwrap();
        let lease = lead(&one, "k").await;
        assert_eq!(client.probe().flights_alone.get(), 1);
        assert_eq!(server.command(&["EXISTS", "cache:sf:{k}"]).unwrap(), Reply::Integer(1));
        relay.set(Mode::Pass).unwrap();
        let land = async {
            sleep(TIMES.poll * 3).await;
            lease.land(Landed::Done(Bytes::from_static(b"x")));
        };
        let (spent, (landed, ())) = timed(async { tokio::join!(follow(&other, "k"), land) }).await;
        assert_eq!(landed, Landed::Done(Bytes::from_static(b"x")));
        assert!(spent < LONG.lease / 2, "{spent:?}");
    });
}

#[test]
fn a_stall_of_redis_leaves_no_lease_behind() {
    let server = redis();
    on_backplane(async {
        let one = Flights::new(connected(&server.url()).await, LONG, "1");
        let granted = lead(&one, "granted").await;
        lead(&one, "landed").await.land(Landed::Done(Bytes::new()));
        server.pause().unwrap();
        let late = lead(&one, "late").await;
        granted.land(Landed::Done(Bytes::new()));
        late.land(Landed::Done(Bytes::new()));
        // Until the first try to land them has failed.
        sleep(Duration::from_millis(400)).await;
        server.resume().unwrap();
        let (spent, ()) = timed(until("no lease is left", async || {
            let left = ["EXISTS", "cache:sf:{granted}", "cache:sf:{late}"];
            server.command(&left).unwrap() == Reply::Integer(0)
        }))
        .await;
        assert!(spent < LONG.lease / 2, "{spent:?}");
    });
}
