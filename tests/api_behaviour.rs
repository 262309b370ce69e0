//! What the service does when asked badly, often, by force, or while the game's API misbehaves.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod api_support;

use std::net::TcpStream;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use api_support::Stack;
use api_support::encoded;
use api_support::exchange;
use api_support::v4;

/// Answers from connections that the kernel spreads over both shards.
fn several(stack: &Stack, path: &str) -> Vec<String> {
    (0..16).map(|_| stack.get(path).text()).collect()
}

fn within(limit: Duration, what: &str, mut done: impl FnMut() -> bool) {
    let start = now();
    while !done() {
        assert!(start.elapsed() < limit, "{what} within {limit:?}");
        pause(Duration::from_millis(10));
    }
}

#[allow(clippy::disallowed_methods, reason = "a test waits for a real server")]
fn now() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods, reason = "a test waits for a real server")]
fn pause(time: Duration) {
    thread::sleep(time);
}

fn refused(status: u16, code: &str) -> (u16, String, Option<u32>) {
    let retry = if status == 503 { Some(30) } else { None };
    (status, code.to_owned(), retry)
}

#[test]
fn bad_names_and_values_are_named() {
    let stack = Stack::start(&[]);
    let bad = [
        (format!("/api/v4/characters/{}/expectation", "%20%20"), "userIgn"),
        (v4("열두글자보다훨씬더긴이름입"), "userIgn"),
        ("/api/v4/characters/a%01b/expectation".to_owned(), "userIgn"),
        ("/api/v4/characters/%FF/expectation".to_owned(), "userIgn"),
        ("/api/v4/characters/%zz/expectation".to_owned(), "userIgn"),
        (v4("a") + "?force=abc", "force"),
        (v4("a") + "/preset/1.5", "presetNo"),
        ("/api/v1/characters/%20".to_owned(), "userIgn"),
        ("/api/v2/characters/%20/equipment".to_owned(), "userIgn"),
    ];
    for (path, field) in bad {
        let reply = stack.get(&path);
        assert_eq!(reply.problem(), refused(400, "C001"), "{path}");
        assert_eq!(reply.json()["field"], field, "{path}");
    }
    assert_eq!(stack.get("/api/v4/characters//expectation").status, 400);
    assert_eq!(stack.get("/nope").problem(), refused(404, "H404"));
    let deleted = stack.send("DELETE", &v4("a"), &[]);
    assert_eq!(deleted.problem(), refused(405, "H405"));
    assert_eq!(deleted.header("allow"), Some("GET, HEAD"));
    assert_eq!(stack.send("POST", "/api/v1/characters/a/like", &[]).status, 410);
    for (kind, status) in [("text/plain", 415), ("Application/JSON; charset=utf-8", 200)] {
        let path = v4("매체") + "/recalculate";
        let fields = [("Content-Type", kind)];
        let reply = api_support::exchange(stack.server.address(), "POST", &path, &fields, b"{}");
        assert_eq!(reply.status, status, "{kind}");
    }
    assert_eq!(stack.sim_count("id"), 1, "nothing refused reaches the game");
}

#[test]
fn one_name_in_every_spelling_is_one_character() {
    let stack = Stack::start(&[]);
    let composed = stack.get(&v4("강은호"));
    let decomposed = v4("\u{1100}\u{1161}\u{11bc}은호");
    let raw = "/api/v4/characters/강은호/expectation".to_owned();
    let padded = format!("/api/v4/characters/%20{}%20/expectation", encoded("강은호"));
    for path in [decomposed, raw, padded] {
        assert!(stack.get(&path).body == composed.body, "{path}");
    }
    assert_eq!((stack.sim_count("id"), stack.sim_count("equipment")), (1, 1));
}

#[test]
fn an_unknown_character_is_asked_for_once() {
    let stack = Stack::start(&[]);
    for path in [
        v4("없는사람"),
        v4("없는사람") + "/preset/1",
        format!("/api/v1/characters/{}", encoded("없는사람")),
    ] {
        let reply = stack.get(&path);
        assert_eq!(reply.problem(), refused(404, "C002"));
        assert!(reply.json()["message"].as_str().unwrap().contains("없는사람"));
    }
    assert_eq!(stack.sim_count("id"), 1);
}

#[test]
fn a_cold_character_is_fetched_once_however_many_ask() {
    let stack = Stack::start(&[]);
    stack.sim_set(r#"{"latencyMs":150}"#);
    let address = stack.server.address();
    let askers: Vec<_> = (0..200)
        .map(|_| {
            thread::spawn(move || api_support::exchange(address, "GET", &v4("모두같이"), &[], b""))
        })
        .collect();
    let replies: Vec<_> = askers.into_iter().map(|asker| asker.join().unwrap()).collect();
    assert!(replies.iter().all(|reply| reply.status == 200 && reply.body == replies[0].body));
    assert_eq!((stack.sim_count("id"), stack.sim_count("equipment")), (1, 1));
}

#[test]
fn force_fetches_again_and_everyone_sees_it() {
    let stack = Stack::start(&[("cache.force_cool_down", "0s")]);
    let old = several(&stack, &v4("강은호"));
    assert!(old.iter().all(|body| *body == old[0]));
    for revision in 1..=3 {
        stack.sim_revise("강은호", revision);
        let forced = match revision {
            1 => stack.get(&(v4("강은호") + "?force=true")),
            2 => stack.get(&(v4("강은호") + "?force")),
            _ => stack.send("POST", &(v4("강은호") + "/recalculate"), &[]),
        };
        assert_eq!((forced.status, forced.header("x-cache")), (200, Some("MISS")));
        assert_ne!(
            forced.json()["presets"],
            serde_json::from_str::<serde_json::Value>(&old[0]).unwrap()["presets"]
        );
        let after = several(&stack, &v4("강은호"));
        assert!(
            after.iter().all(|body| *body == forced.text()),
            "an old answer after revision {revision}"
        );
        assert_eq!(stack.sim_count("equipment"), 1 + revision);
    }
}

#[test]
fn forcing_has_a_cool_down_per_character() {
    let stack = Stack::start(&[]);
    let recalculate = |name| stack.send("POST", &(v4(name) + "/recalculate"), &[]);
    assert_eq!(recalculate("강은호").status, 200);
    for again in [recalculate("강은호"), stack.get(&(v4("강은호") + "?force=true"))] {
        let (status, code, retry) = again.problem();
        assert_eq!((status, code.as_str()), (429, "R001"));
        assert!((1..=60).contains(&retry.unwrap()));
    }
    assert_eq!(recalculate("다른이").status, 200, "each character on its own");
    // A force that brought nothing costs nothing.
    stack.sim_set(r#"{"status":500}"#);
    assert_eq!(recalculate("실패하는이").status, 503);
    stack.sim_set(r#"{"status":null}"#);
    assert_eq!(recalculate("실패하는이").status, 200);
}

#[test]
fn upstream_failures_are_told_apart_and_never_remembered() {
    let stack =
        Stack::start(&[("upstream.response_timeout", "1500ms"), ("upstream.retry_attempts", "1")]);
    let cases = [
        (r#"{"status":500}"#, "S005", "500"),
        (r#"{"status":429,"errorName":"OPENAPI00007"}"#, "S005", "OPENAPI00007"),
        (r#"{"hang":true}"#, "S010", ""),
        (r#"{"garbage":true,"endpoint":"equipment"}"#, "S005", "item-equipment"),
        (r#"{"truncate":true,"endpoint":"equipment"}"#, "S005", "item-equipment"),
    ];
    for (at, (switches, code, detail)) in cases.into_iter().enumerate() {
        stack.sim_set(switches);
        let path = v4(&format!("사례{at}"));
        let reply = stack.get(&path);
        assert_eq!(reply.problem(), refused(503, code), "{switches}: {}", reply.text());
        let message = reply.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(detail), "{switches}: {message}");
        assert_eq!(reply.json()["retryable"], true);
        stack.sim_reset();
        assert_eq!(stack.get(&path).status, 200, "after {switches}");
    }
}

#[test]
fn our_own_deadline_is_kept_when_the_game_hangs() {
    let stack = Stack::start(&[("server.deadline", "300ms")]);
    stack.sim_set(r#"{"hang":true}"#);
    let start = now();
    assert_eq!(stack.get(&v4("느린사람")).problem(), refused(503, "S007"));
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(stack.get("/actuator/health").status, 200);
}

#[test]
fn stale_answers_say_so_until_a_new_one_is_made() {
    let stack = Stack::start(&[("cache.fresh", "400ms"), ("cache.stale", "60s")]);
    let first = stack.get(&v4("강은호"));
    assert_eq!(first.json()["stale"], false);
    stack.sim_set(r#"{"status":500}"#);
    pause(Duration::from_millis(600));
    // The game is down: the old answer, marked, and nothing else changed.
    for _ in 0..2 {
        let stale = stack.get(&v4("강은호"));
        assert_eq!((stale.status, stale.header("x-cache")), (200, Some("STALE")));
        assert_eq!(stale.text(), first.text().replace("\"stale\":false", "\"stale\":true"));
        assert_ne!(stale.header("etag"), first.header("etag"));
    }
    let gzip = stack.send("GET", &v4("강은호"), &[("Accept-Encoding", "gzip")]);
    assert_eq!(gzip.header("x-cache"), Some("STALE"));
    assert!(String::from_utf8(gzip.gunzipped()).unwrap().contains("\"stale\":true"));
    stack.sim_reset();
    within(Duration::from_secs(5), "a new answer", || {
        let reply = stack.get(&v4("강은호")).json();
        reply["stale"] == false && reply["dataAsOf"] != first.json()["dataAsOf"]
    });
}

/// Scenario A of the specification: a copy of any age while the game cannot be asked, and it says so. B: without a
/// copy, an error that says when to come again.
#[test]
fn beyond_staleness_an_old_answer_serves_only_while_the_game_cannot() {
    let stack = Stack::start(&[
        ("cache.fresh", "100ms"),
        ("cache.stale", "200ms"),
        ("upstream.retry_attempts", "1"),
    ]);
    assert_eq!(stack.get(&v4("강은호")).status, 200);
    stack.sim_set(r#"{"status":500}"#);
    pause(Duration::from_millis(400));
    let old = stack.get(&v4("강은호"));
    assert_eq!((old.status, old.header("x-cache")), (200, Some("STALE")));
    assert_eq!(old.json()["stale"], true);
    assert_eq!(stack.get(&v4("처음뵙는분")).problem(), refused(503, "S005"));
    stack.sim_reset();
    let new = stack.get(&v4("강은호"));
    assert_eq!((new.status, new.header("x-cache")), (200, Some("MISS")));
}

#[test]
fn an_open_breaker_refuses_new_names_without_asking_and_old_ones_are_answered() {
    let stack = Stack::start(&[
        ("cache.fresh", "100ms"),
        ("upstream.retry_attempts", "1"),
        ("upstream.breaker_open", "60s"),
    ]);
    assert_eq!(stack.get(&v4("강은호")).status, 200);
    stack.sim_set(r#"{"status":503}"#);
    for n in 0..12 {
        assert_eq!(stack.get(&v4(&format!("새이름{n}"))).problem(), refused(503, "S005"));
    }
    assert_eq!(stack.metric(r#"maple_upstream_breaker_state{state="open"}"#), 1.0);
    let asked = stack.sim_count("id");
    for n in 0..100 {
        assert_eq!(stack.get(&v4(&format!("남이름{n}"))).problem(), refused(503, "S005"));
    }
    assert_eq!(stack.sim_count("id"), asked);
    assert!(stack.metric(r#"maple_upstream_calls_not_made_total{by="breaker"}"#) >= 100.0);
    pause(Duration::from_millis(150));
    let old = stack.get(&v4("강은호"));
    assert_eq!((old.status, old.header("x-cache")), (200, Some("STALE")));
}

#[test]
fn work_stops_when_its_last_client_is_gone() {
    use std::io::Write as _;
    let stack = Stack::start(&[]);
    stack.sim_set(r#"{"gate":"hold"}"#);
    let request = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", v4("강은호"));
    let ask = || {
        let mut client = std::net::TcpStream::connect(stack.server.address()).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        client
    };
    let in_flight = || stack.metric("maple_upstream_calls_in_flight");
    let (one, other) = (ask(), ask());
    let waiting = || stack.metric_sum("maple_requests_in_flight");
    within(Duration::from_secs(5), "both at the gate", || in_flight() == 1.0 && waiting() == 2.0);
    drop(one);
    within(Duration::from_secs(5), "one seen to leave", || waiting() == 1.0);
    assert_eq!(in_flight(), 1.0, "the other still waits for it");
    drop(other);
    within(Duration::from_secs(5), "the call dropped", || in_flight() == 0.0);
    assert_eq!(stack.metric_sum("maple_requests_cancelled_total"), 2.0);
    within(Duration::from_secs(5), "the game's side closed", || stack.sim_gauge("inFlight") == 0);
    stack.sim_set(r#"{"gate":"open"}"#);
    assert_eq!(stack.get(&v4("강은호")).status, 200);
}

#[test]
fn an_id_that_the_game_gave_up_is_asked_for_again() {
    let stack = Stack::start(&[("upstream.retry_attempts", "1")]);
    assert_eq!(stack.get(&v4("강은호")).status, 200);
    assert_eq!(stack.sim_count("id"), 1);
    stack.sim_set(r#"{"errorName":"OPENAPI00003","endpoint":"equipment","times":1}"#);
    let path = format!("{}?force=true", v4("강은호"));
    // The game gives the same id again: it contradicts itself, and is not asked in a circle.
    assert_eq!(stack.get(&path).problem(), refused(503, "S005"));
    assert_eq!((stack.sim_count("id"), stack.sim_count("equipment")), (2, 2));
    assert_eq!(stack.get(&path).status, 200);
}

#[test]
fn metrics_move_with_what_happens_and_carry_no_names() {
    let stack = Stack::start(&[]);
    for _ in 0..3 {
        assert_eq!(stack.get(&v4("강은호")).status, 200);
    }
    assert_eq!(stack.get("/nowhere/강은호").status, 404);
    assert_eq!(stack.get("/nowhere").status, 404);
    let reply = stack.get("/actuator/prometheus");
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(!reply.text().contains("강은호") && !reply.text().contains("%EA"));
    let answered = |uri: &str, status: u16| {
        let labels = format!(r#"method="GET",uri="{uri}",status="{status}""#);
        stack.metric_sum(&format!("http_server_requests_seconds_count{{{labels}"))
    };
    assert_eq!(answered("/api/v4/characters/{userIgn}/expectation", 200), 3.0);
    assert_eq!(answered("/actuator/prometheus", 200), 2.0, "counted once answered");
    assert_eq!(stack.metric_sum(r#"http_server_requests_seconds_count{method="UNKNOWN""#), 2.0);
    let hits = stack.metric_sum("maple_cache_hits_total");
    assert_eq!(hits, 2.0, "the shard that was asked, or the owner");
    let calls = r#"maple_upstream_calls_total{endpoint="item-equipment",outcome="answered"}"#;
    assert_eq!(stack.metric(calls), 1.0);
    assert!(stack.metric("process_resident_memory_bytes") > 1e6);
    assert_eq!(stack.metric("maple_shards_silent"), 0.0);
}

#[test]
fn a_harmless_correlation_id_is_echoed() {
    let stack = Stack::start(&[]);
    let echoed = stack.send("GET", "/actuator/health", &[("X-Correlation-ID", "abc-1")]);
    assert_eq!(echoed.header("x-correlation-id"), Some("abc-1"));
    let replaced = stack.send("GET", "/actuator/health", &[("X-Correlation-ID", "a b\"<")]);
    assert_eq!(replaced.header("x-correlation-id").map(str::len), Some(32));
}

#[test]
fn beyond_the_bound_requests_are_refused_before_they_cost_anything() {
    let stack = Stack::start(&[("server.in_flight_max", "4")]);
    stack.sim_set(r#"{"gate":"hold"}"#);
    let address = stack.server.address();
    let ask =
        move |n: usize| api_support::exchange(address, "GET", &v4(&format!("줄{n}")), &[], b"");
    let askers: Vec<_> = (0..40).map(|n| thread::spawn(move || ask(n))).collect();
    within(Duration::from_secs(10), "refusals", || {
        askers.iter().filter(|a| a.is_finished()).count() >= 32
    });
    let start = now();
    assert_eq!(stack.get("/actuator/health").status, 200);
    assert!(start.elapsed() < Duration::from_millis(500));
    stack.sim_set(r#"{"gate":"open"}"#);
    let replies: Vec<_> = askers.into_iter().map(|asker| asker.join().unwrap()).collect();
    let answered = replies.iter().filter(|reply| reply.status == 200).count();
    assert!((1..=8).contains(&answered), "{answered} of two shards with 4 each");
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        assert_eq!(reply.problem(), (503, "S007".to_owned(), Some(60)));
    }
}

/// Once a shard without connections ended at once, and whoever waited on another shard for its work waited in vain until
/// the grace or the deadline was over.
#[test]
fn who_waits_when_the_server_is_stopped_is_answered() {
    // With so many shards the one connection waits for another shard nearly every time.
    let stack = Stack::start(&[("server.shards", "8")]);
    stack.sim_set(r#"{"gate":"hold"}"#);
    let address = stack.server.address();
    let asking = thread::spawn(move || exchange(address, "GET", &v4("강은호"), &[], b""));
    within(Duration::from_secs(5), "the call is on its way", || stack.sim_gauge("held") == 1);
    let Stack { server, sim } = stack;
    let stopping = thread::spawn(move || server.stop(Duration::from_secs(10)));
    within(Duration::from_secs(5), "it stops listening", || TcpStream::connect(address).is_err());
    // For a shard without connections to end, if it did.
    pause(Duration::from_millis(100));
    let json = [("Content-Type", "application/json")];
    exchange(sim.addr(), "POST", "/_sim/set", &json, br#"{"gate":"open"}"#);
    assert_eq!(asking.join().unwrap().status, 200);
    stopping.join().unwrap();
}
