//! Calls as the server makes them, against the simulator: retries and their budget, the breaker, the bulkhead, the
//! rate, 429. The rules themselves are tested in `resilience`; here that they are applied, in the right order.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod upstream_http;

use std::time::Duration;

use futures_util::future::join_all;
use maple_expectation::error::Fault;
use maple_expectation::error::What;
use maple_expectation::resilience::breaker::Settings;
use maple_expectation::resilience::retry::Policy;
use maple_expectation::secret::Secret;
use maple_expectation::upstream::client::Client;
use maple_expectation::upstream::client::ClientConfig;
use maple_expectation::upstream::guarded::Guarded;
use maple_expectation::upstream::guarded::Guards;
use maple_expectation::upstream::sim::Sim;
use maple_expectation::upstream::sim::SimConfig;
use maple_expectation::upstream::sim::SimHandle;
use serde_json::json;
use tokio::time::Instant;
use tokio::time::sleep;

use upstream_http::set;
use upstream_http::state;

const GUARDS: Guards = Guards {
    retry: Policy { attempts_max: 3, base: Duration::from_millis(20) },
    retries_per_minute: 100,
    breaker: Settings {
        window: 10,
        failures_percent: 50,
        open_for: Duration::from_millis(300),
        probes: 3,
    },
    concurrency: 50,
    calls_per_second: 0,
};
const NO_RETRY: Guards =
    Guards { retry: Policy { attempts_max: 1, base: Duration::ZERO }, ..GUARDS };

fn start(guards: Guards) -> (SimHandle, Guarded) {
    let sim = Sim::start(SimConfig::default()).unwrap();
    let client = Client::new(&ClientConfig {
        base_url: sim.base_url(),
        api_key: Secret::new("test"),
        connect_timeout: Duration::from_millis(500),
        response_timeout: Duration::from_millis(200),
        user_agent: "test".to_owned(),
    });
    (sim, Guarded::new(client.unwrap(), guards, 1))
}

fn calls(sim: &SimHandle) -> u64 {
    state(sim.addr())["counters"]["requests"]["id"].as_u64().unwrap_or(0)
}

fn is_failed(result: &Result<String, Fault>) -> bool {
    matches!(result, Err(Fault { what: What::UpstreamFailed { .. }, .. }))
}

#[tokio::test]
async fn a_passing_fault_is_retried_and_a_lasting_one_is_not() {
    let (sim, guarded) = start(GUARDS);
    set(sim.addr(), &json!({ "status": 503, "times": 2 }));
    assert!(guarded.ocid("가").await.is_ok());
    assert_eq!((calls(&sim), guarded.snapshot().retries), (3, 2));
    set(sim.addr(), &json!({ "status": 500, "times": null }));
    assert!(is_failed(&guarded.ocid("가").await));
    assert_eq!(calls(&sim), 6, "three attempts, not four");
    for lasting in ["OPENAPI00005", "OPENAPI00010"] {
        let before = calls(&sim);
        set(sim.addr(), &json!({ "status": null, "errorName": lasting }));
        assert!(is_failed(&guarded.ocid("가").await));
        assert_eq!(calls(&sim), before + 1, "{lasting}");
    }
    set(sim.addr(), &json!({ "errorName": null }));
    assert!(guarded.ocid("없는이").await.is_err());
    assert_eq!(calls(&sim), 9, "that nobody has the name is an answer");
}

#[tokio::test]
async fn the_budget_ends_retries_but_never_first_calls() {
    let guards = Guards {
        retries_per_minute: 5,
        breaker: Settings { window: 1_000, ..GUARDS.breaker },
        ..GUARDS
    };
    let (sim, guarded) = start(guards);
    set(sim.addr(), &json!({ "status": 503 }));
    for _ in 0..20 {
        assert!(is_failed(&guarded.ocid("가").await));
    }
    assert_eq!(calls(&sim), 25);
    let seen = guarded.snapshot();
    // Two operations took two retries each, a third one; its second and the other 17 were refused.
    assert_eq!((seen.retries, seen.retries_refused), (5, 18));
}

#[tokio::test]
async fn an_open_breaker_costs_no_retries() {
    let (sim, guarded) = start(GUARDS);
    set(sim.addr(), &json!({ "status": 503 }));
    for _ in 0..20 {
        assert!(is_failed(&guarded.ocid("가").await));
    }
    // Three operations of three calls each, and the first call of the fourth opens it.
    let seen = guarded.snapshot();
    assert_eq!((calls(&sim), seen.retries, seen.retries_refused), (10, 6, 0));
}

#[tokio::test]
async fn a_probe_of_the_breaker_is_not_retried() {
    let (sim, guarded) = start(GUARDS);
    set(sim.addr(), &json!({ "status": 503 }));
    for _ in 0..4 {
        assert!(is_failed(&guarded.ocid("가").await));
    }
    assert_eq!((calls(&sim), guarded.snapshot().retries), (10, 6));
    sleep(GUARDS.breaker.open_for).await;
    for probe in 1..=3 {
        assert!(is_failed(&guarded.ocid("가").await));
        assert_eq!((calls(&sim), guarded.snapshot().retries), (10 + probe, 6));
    }
    assert_eq!((guarded.snapshot().breaker, guarded.snapshot().breaker_opened), ("open", 2));
}

#[tokio::test]
async fn an_open_breaker_answers_without_a_call_until_its_probes_succeed() {
    let (sim, guarded) = start(NO_RETRY);
    set(sim.addr(), &json!({ "status": 503 }));
    for _ in 0..10 {
        assert!(is_failed(&guarded.ocid("가").await));
    }
    assert_eq!(guarded.snapshot().breaker, "open");
    let begun = Instant::now();
    for _ in 0..1_000 {
        assert!(is_failed(&guarded.ocid("가").await));
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(200), "a thousand refusals took {took:?}");
    assert_eq!((calls(&sim), guarded.snapshot().breaker_refused), (10, 1_000));
    set(sim.addr(), &json!({ "status": null }));
    sleep(GUARDS.breaker.open_for).await;
    for _ in 0..3 {
        assert!(guarded.ocid("가").await.is_ok());
    }
    assert_eq!((guarded.snapshot().breaker, guarded.snapshot().breaker_opened), ("closed", 1));
}

#[tokio::test]
async fn what_is_our_own_fault_or_the_clients_never_opens_the_breaker() {
    let (sim, guarded) = start(NO_RETRY);
    set(sim.addr(), &json!({ "errorName": "OPENAPI00005" }));
    for _ in 0..30 {
        assert!(guarded.ocid("가").await.is_err());
    }
    set(sim.addr(), &json!({ "errorName": null }));
    for _ in 0..30 {
        assert!(guarded.ocid("없는이").await.is_err());
    }
    assert_eq!(guarded.snapshot().breaker, "closed");
}

/// Scenario C: a slow other side is cut off by its timeout and takes no more than the bulkhead with it.
#[tokio::test]
async fn a_slow_upstream_holds_no_more_than_the_bulkhead() {
    let guards = Guards {
        concurrency: 4,
        breaker: Settings { window: 1_000, ..GUARDS.breaker },
        ..NO_RETRY
    };
    let (sim, guarded) = start(guards);
    set(sim.addr(), &json!({ "hang": true }));
    let begun = Instant::now();
    let ended = join_all((0..40).map(|_| guarded.ocid("가"))).await;
    let took = begun.elapsed();
    let timed_out = ended
        .iter()
        .filter(|result| matches!(result, Err(Fault { what: What::UpstreamTimeout { .. }, .. })));
    let timed_out = timed_out.count();
    let refused = ended.iter().filter(|r| **r == Err(Fault::overloaded("upstream bulkhead")));
    // Every 200 ms four are cut off; who has not got in after 500 ms goes away.
    assert!((8..=12).contains(&timed_out), "{timed_out}");
    assert_eq!(refused.count() + timed_out, 40);
    assert!(took < Duration::from_millis(1_200), "{took:?}");
    assert_eq!(guarded.snapshot().in_flight, 0);
}

#[tokio::test]
async fn a_429_stops_everybody_for_the_time_it_names() {
    let (sim, guarded) = start(NO_RETRY);
    set(sim.addr(), &json!({ "errorName": "OPENAPI00007", "retryAfterSecs": 1, "times": 1 }));
    assert!(is_failed(&guarded.ocid("가").await));
    let begun = Instant::now();
    assert!(guarded.ocid("나").await.is_ok());
    let waited = begun.elapsed();
    assert!(waited > Duration::from_millis(900), "{waited:?}");
    set(sim.addr(), &json!({ "errorName": "OPENAPI00007", "retryAfterSecs": 30, "times": 1 }));
    assert!(is_failed(&guarded.ocid("가").await));
    let begun = Instant::now();
    assert_eq!(guarded.ocid("나").await, Err(Fault::overloaded("upstream rate")));
    assert!(begun.elapsed() < Duration::from_millis(100), "too long a pause is told at once");
}

#[tokio::test]
async fn no_more_calls_start_than_a_second_allows() {
    let (sim, guarded) = start(Guards { calls_per_second: 100, ..NO_RETRY });
    let begun = Instant::now();
    let ended = join_all((0..75).map(|_| guarded.ocid("가"))).await;
    let took = begun.elapsed();
    assert!(ended.iter().all(Result::is_ok));
    // A burst of 25, then 50 at 10 ms each.
    assert!(took >= Duration::from_millis(480), "{took:?}");
    assert_eq!(calls(&sim), 75);
}

#[tokio::test]
async fn a_dropped_call_gives_everything_back() {
    let (sim, guarded) = start(Guards { concurrency: 1, ..NO_RETRY });
    set(sim.addr(), &json!({ "hang": true, "times": 1 }));
    let dropped = tokio::time::timeout(Duration::from_millis(50), guarded.ocid("가")).await;
    assert!(dropped.is_err(), "it hangs");
    let seen = guarded.snapshot();
    assert_eq!((seen.in_flight, seen.calls[0].cancelled), (0, 1));
    assert!(guarded.ocid("나").await.is_ok(), "the only place in the bulkhead is free");
}
