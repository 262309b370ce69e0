//! The read side of V5 over HTTP, checklist rows 17 to 20: what is kept is shown at once, what is not is queued.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod api_support;

use std::time::Duration;
use std::time::Instant;

use api_support::Reply;
use api_support::Stack;
use api_support::encoded;
use api_support::v4;
use maple_expectation::limits::VALUATION_WORKERS;
use maple_expectation::limits::VALUATIONS_HIGH_MAX;

fn v5(name: &str) -> String {
    format!("/api/v5/characters/{}/expectation", encoded(name))
}

fn recalculate(stack: &Stack, name: &str) -> Reply {
    stack.send("POST", &(v5(name) + "/recalculate"), &[])
}

/// The answer is "not yet", in the way the contract wants it.
fn is_pending(reply: &Reply, name: &str) -> bool {
    if reply.status != 202 {
        return false;
    }
    assert_eq!(reply.header("location"), Some(v5(name).as_str()));
    assert_eq!((reply.header("retry-after"), reply.body.len()), (Some("1"), 0));
    true
}

/// Asks until the answer is something else than "not yet".
fn poll(stack: &Stack, name: &str, limit: Duration) -> Reply {
    let start = now();
    loop {
        let reply = stack.get(&v5(name));
        if !is_pending(&reply, name) {
            return reply;
        }
        assert!(start.elapsed() < limit, "{name} within {limit:?}");
        pause(Duration::from_millis(20));
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        pause(Duration::from_millis(20));
    }
}

#[allow(clippy::disallowed_methods, reason = "a test waits for a real server")]
fn now() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods, reason = "a test waits for a real server")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[test]
fn row_17_what_was_computed_is_shown_at_once() {
    let stack = Stack::start(&[]);
    let v4 = stack.get(&v4("강은호")).json();
    let calls = || (stack.sim_count("id"), stack.sim_count("equipment"));
    assert_eq!(calls(), (1, 1));
    let first = stack.get(&v5("강은호"));
    assert_eq!(first.status, 200, "made from the gear that V4 fetched");
    let mut quickest = Duration::MAX;
    for _ in 0..8 {
        let asked = now();
        assert_eq!(stack.get(&v5("강은호")).status, 200);
        quickest = quickest.min(asked.elapsed());
    }
    assert!(quickest < Duration::from_millis(10), "{quickest:?}");
    let view = stack.get(&v5("강은호"));
    assert_eq!((view.status, view.header("x-cache")), (200, Some("HIT-L1")));
    assert_eq!(calls(), (1, 1), "the game is not asked");

    let view = view.json();
    for time in ["calculatedAt", "lastApiSyncAt"] {
        assert!(view[time].as_str().unwrap().ends_with("+09:00"), "{time} has its zone");
    }
    assert_eq!(view["lastApiSyncAt"], v4["dataAsOf"]);
    for field in ["userIgn", "totalExpectedCost", "maxPresetNo", "partial"] {
        assert_eq!(view[field], v4[field], "{field}");
    }
    let identity = stack.get(&format!("/api/v1/characters/{}", encoded("강은호"))).json();
    assert_eq!(view["characterOcid"], identity["ocid"]);
    assert_eq!(view["characterClass"], identity["characterClass"]);
    assert_eq!(view["fromCache"], false);
    let (presets, others) =
        (view["presets"].as_array().unwrap(), v4["presets"].as_array().unwrap());
    assert_eq!(presets.len(), others.len());
    for (preset, other) in presets.iter().zip(others) {
        for field in ["presetNo", "totalExpectedCost", "totalCostText"] {
            assert_eq!(preset[field], other[field], "{field}");
        }
        for (part, cost) in other["costBreakdown"].as_object().unwrap() {
            assert_eq!(preset["costBreakdown"][part], *cost, "{part}");
        }
        assert_eq!(preset["costBreakdown"]["flameCost"], other["flameCost"]);
        let (items, others) = (&preset["items"], other["items"].as_array().unwrap());
        assert_eq!(items.as_array().unwrap().len(), others.len());
        for (item, other) in items.as_array().unwrap().iter().zip(others) {
            assert_eq!(item["itemName"], other["itemName"]);
            assert_eq!(item["expectedCost"], other["expectedCost"]);
            assert_eq!(item["costText"], other["expectedCostText"]);
        }
    }
}

#[test]
fn row_18_what_is_missing_is_made_and_then_shown() {
    let stack = Stack::start(&[]);
    let unencoded = stack.get("/api/v5/characters/강은호/expectation");
    assert!(is_pending(&unencoded, "강은호"));
    assert!(is_pending(&stack.get(&v5("강은호")), "강은호"));
    let made = poll(&stack, "강은호", Duration::from_secs(5));
    assert_eq!((made.status, made.json()["userIgn"].as_str()), (200, Some("강은호")));
    assert_eq!(stack.sim_count("equipment"), 1, "once, however often it was asked for");
    assert_eq!(stack.metric(r#"maple_jobs_tries_total{result="done"}"#), 1.0);
    let head = stack.send("HEAD", &v5("강은호"), &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
}

/// Defect W31 of the older system: such a name was 202 for ever.
#[test]
fn a_name_that_nobody_has_becomes_404() {
    let stack = Stack::start(&[]);
    assert!(is_pending(&stack.get(&v5("없는사람")), "없는사람"));
    let unknown = poll(&stack, "없는사람", Duration::from_secs(5));
    assert_eq!(unknown.problem(), (404, "C002".to_owned(), None));
    for _ in 0..8 {
        assert_eq!(stack.get(&v5("없는사람")).status, 404);
    }
    assert_eq!(stack.sim_count("id"), 1);
    // Forced, the game is asked again, as in V4.
    assert!(is_pending(&recalculate(&stack, "없는사람"), "없는사람"));
    until("asked again", || stack.sim_count("id") == 2);
    assert_eq!(poll(&stack, "없는사람", Duration::from_secs(5)).status, 404);
}

#[test]
fn row_19_a_full_queue_says_when_to_come_again() {
    let stack = Stack::start(&[]);
    stack.get(&v4("강은호"));
    stack.sim_set(r#"{"latencyMs":60000}"#);
    for number in 0..VALUATIONS_HIGH_MAX + VALUATION_WORKERS {
        let name = format!("n{number}");
        assert!(is_pending(&stack.get(&v5(&name)), &name));
        if number < VALUATION_WORKERS {
            let begun = (number + 1) as f64;
            let in_work = r#"maple_jobs_begun{place="in_work"}"#;
            until("a worker takes it", || stack.metric(in_work) == begun);
        }
    }
    let high = r#"maple_jobs_queued{priority="high"}"#;
    assert_eq!(stack.metric(high), VALUATIONS_HIGH_MAX as f64);
    let full = stack.get(&v5("one more"));
    assert_eq!(full.problem(), (503, "S007".to_owned(), Some(60)));
    assert!(is_pending(&stack.get(&v5("n1003")), "n1003"), "it is queued already");
    assert_eq!(recalculate(&stack, "강은호").problem(), (503, "S007".to_owned(), Some(60)));
    assert_eq!(recalculate(&stack, "강은호").status, 503, "that was not a recalculation");
    assert_eq!(stack.get(&v5("강은호")).status, 200, "what is kept needs no queue");
    assert_eq!(stack.metric("maple_jobs_refused_total"), 3.0);
}

#[test]
fn row_20_a_recalculation_hides_the_old_view_until_it_has_ended() {
    let stack = Stack::start(&[]);
    stack.get(&v4("강은호"));
    let old = stack.get(&v5("강은호"));
    // On both shards, as far as the kernel spreads the connections.
    assert!((0..16).all(|_| stack.get(&v5("강은호")).body == old.body));
    stack.sim_revise("강은호", 1);
    stack.sim_set(r#"{"latencyMs":300}"#);
    assert!(is_pending(&recalculate(&stack, "강은호"), "강은호"));
    for _ in 0..16 {
        assert!(is_pending(&stack.get(&v5("강은호")), "강은호"), "the old view");
    }
    let refused = recalculate(&stack, "강은호");
    let (status, code, retry) = refused.problem();
    assert_eq!((status, code.as_str()), (429, "R001"));
    assert!((1..=60).contains(&retry.unwrap()), "{retry:?}");
    let new = poll(&stack, "강은호", Duration::from_secs(5));
    assert_eq!(new.status, 200);
    assert!(new.json()["version"].as_u64() > old.json()["version"].as_u64());
    for _ in 0..16 {
        assert!(stack.get(&v5("강은호")).body == new.body, "an old view after the new one");
    }
    assert_eq!(stack.sim_count("equipment"), 2);
    let forced = stack.get(&(v4("강은호") + "?force=true"));
    assert_eq!(forced.status, 429, "the cool-down is shared with V4");
}

#[test]
fn an_old_view_is_shown_and_renewed_behind() {
    let stack = Stack::start(&[("cache.fresh", "500ms"), ("cache.stale", "1h")]);
    stack.get(&v4("강은호"));
    let old = stack.get(&v5("강은호"));
    stack.sim_revise("강은호", 1);
    pause(Duration::from_millis(600));
    let stale = stack.get(&v5("강은호"));
    assert_eq!((stale.status, stale.header("x-cache")), (200, Some("STALE")));
    assert!(stale.body == old.body);
    until("renewed", || stack.get(&v5("강은호")).body != old.body);
    assert!(stack.metric(r#"maple_jobs_tries_total{result="done"}"#) >= 1.0);
    assert_eq!(stack.metric(r#"maple_jobs_tries_total{result="failed"}"#), 0.0);
}

#[test]
fn what_cannot_be_made_is_given_up_after_three_tries() {
    let stack =
        Stack::start(&[("upstream.retry_attempts", "1"), ("upstream.breaker_open", "100ms")]);
    stack.sim_set(r#"{"status":503}"#);
    assert!(is_pending(&stack.get(&v5("강은호")), "강은호"));
    until("given up", || stack.metric("maple_jobs_dead_total") == 1.0);
    assert_eq!(stack.metric(r#"maple_jobs_tries_total{result="failed"}"#), 3.0);
    assert_eq!(stack.metric(r#"maple_jobs_begun{place="dead"}"#), 1.0);
    stack.sim_reset();
    assert_eq!(poll(&stack, "강은호", Duration::from_secs(5)).status, 200, "asked for again");
}
