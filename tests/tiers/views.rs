//! The read side of V5 among processes: one queue, one set of views, and jobs that survive the process that took them.

use std::sync::Arc;
use std::time::Duration;

use chaos::services::Options;
use chaos::services::Redis;
use maple_expectation::upstream::sim::SimConfig;

use crate::api_support::Reply;
use crate::api_support::Stack;
use crate::api_support::encoded;
use crate::api_support::exchange;
use crate::api_support::v4;
use crate::process_support::Running;
use crate::process_support::command;
use crate::support::pause;
use crate::support::until;

const IN_WORK: &str = r#"maple_jobs_begun{place="in_work"}"#;
const DONE: &str = r#"maple_jobs_tries_total{result="done"}"#;

fn v5(name: &str) -> String {
    format!("/api/v5/characters/{}/expectation", encoded(name))
}

fn recalculate(stack: &Stack, name: &str) -> Reply {
    stack.send("POST", &(v5(name) + "/recalculate"), &[])
}

/// Two servers that share a Redis and a simulator.
fn two(redis: &Redis, keys: &[(&str, &str)]) -> [Stack; 2] {
    let url = redis.url();
    let keys = [&[("redis.url", url.as_str())], keys].concat();
    let one = Stack::over(SimConfig::default(), &keys);
    let other = Stack::before(Arc::clone(&one.sim), &keys);
    [one, other]
}

#[test]
fn processes_share_the_work_and_what_came_of_it() {
    let redis = Redis::start(&Options::default()).unwrap();
    let servers = two(&redis, &[]);
    let [one, other] = &servers;
    one.sim_set(r#"{"latencyMs":50}"#);
    let names: Vec<_> = (0..40).map(|number| format!("n{number}")).collect();
    for name in &names {
        assert_eq!(one.get(&v5(name)).status, 202);
    }
    for name in &names {
        until(name, || other.get(&v5(name)).status == 200);
    }
    for server in &servers {
        assert!(server.metric(DONE) >= 1.0, "the other one did it all");
    }
    assert_eq!(servers.iter().map(|server| server.metric(DONE)).sum::<f64>(), 40.0);
    assert_eq!(one.sim_count("equipment"), 40);
    assert_eq!(one.get(&v5("없는사람")).status, 202);
    until("404 on both", || servers.iter().all(|server| server.get(&v5("없는사람")).status == 404));
    assert_eq!(one.sim_count("id"), 41);
}

#[test]
fn row_20_a_recalculation_hides_the_old_view_on_every_process() {
    let redis = Redis::start(&Options::default()).unwrap();
    let servers = two(&redis, &[]);
    let [one, other] = &servers;
    one.get(&v4("강은호"));
    let old = one.get(&v5("강은호"));
    assert!((0..8).all(|_| other.get(&v5("강은호")).body == old.body), "shared, and kept near");
    one.sim_revise("강은호", 1);
    one.sim_set(r#"{"latencyMs":1000}"#);
    assert_eq!(recalculate(one, "강은호").status, 202);
    // The news travel to the near caches of the other process.
    pause(Duration::from_millis(100));
    for server in &servers {
        assert!((0..8).all(|_| server.get(&v5("강은호")).status == 202), "the old view");
    }
    assert_eq!(recalculate(other, "강은호").problem().1, "R001", "one cool-down for all");
    until("the new view", || one.get(&v5("강은호")).status == 200);
    pause(Duration::from_millis(100));
    let new = one.get(&v5("강은호"));
    assert!(new.body != old.body);
    for server in &servers {
        assert!((0..8).all(|_| server.get(&v5("강은호")).body == new.body));
    }
    assert_eq!(one.sim_count("equipment"), 2);
}

#[test]
fn row_161_what_a_killed_process_had_begun_is_done_by_another() {
    let redis = Redis::start(&Options::default()).unwrap();
    let url = redis.url();
    let keys = [("redis.url", url.as_str()), ("queue.redrive", "2s")];
    let one = Stack::over(SimConfig::default(), &keys);
    let sim = Arc::clone(&one.sim);
    one.server.stop(Duration::from_secs(1));

    let upstream = sim.base_url();
    let mut killed = command(&["serve", "--listen", "127.0.0.1:0", "--upstream", &upstream]);
    let killed =
        Running::spawn(killed.env("REDIS_URL", &url).env("MAPLE_REDIS_LEASE", "500ms"), "address=");
    let slow = exchange(
        sim.addr(),
        "POST",
        "/_sim/set",
        &[("Content-Type", "application/json")],
        br#"{"latencyMs":60000}"#,
    );
    assert_eq!(slow.status, 200);
    let asked = || exchange(killed.address, "GET", &v5("강은호"), &[], b"").status;
    until("queued", || asked() == 202);
    let text = || exchange(killed.address, "GET", "/actuator/prometheus", &[], b"").text();
    until("begun", || text().lines().any(|line| line == format!("{IN_WORK} 1")));
    // By SIGKILL.
    drop(killed);

    assert_eq!(exchange(sim.addr(), "POST", "/_sim/reset", &[], b"").status, 200);
    let other = Stack::before(sim, &keys);
    assert_eq!(other.metric(IN_WORK), 1.0);
    until("made without being asked for", || other.metric(DONE) == 1.0);
    assert_eq!(other.metric("maple_jobs_redriven_total"), 1.0);
    assert_eq!(other.get(&v5("강은호")).status, 200);
}

#[test]
fn row_161_what_fails_three_times_is_put_aside() {
    let redis = Redis::start(&Options::default()).unwrap();
    let url = redis.url();
    let server = Stack::over(
        SimConfig::default(),
        &[
            ("redis.url", &url),
            ("upstream.retry_attempts", "1"),
            ("upstream.breaker_open", "100ms"),
        ],
    );
    server.sim_set(r#"{"status":503}"#);
    assert_eq!(server.get(&v5("강은호")).status, 202);
    until("put aside", || server.metric("maple_jobs_dead_total") == 1.0);
    assert_eq!(server.metric(r#"maple_jobs_tries_total{result="failed"}"#), 3.0);
    let kept = redis.command(&["LLEN", "{v5}:dlq"]).unwrap();
    assert_eq!(kept, chaos::services::Reply::Integer(1));
}

#[test]
fn without_its_redis_a_process_queues_for_itself() {
    let redis = Redis::start(&Options::default()).unwrap();
    let server = Stack::over(SimConfig::default(), &[("redis.url", &redis.url())]);
    drop(redis);
    until("made all the same", || server.get(&v5("강은호")).status == 200);
    assert_eq!(server.metric(DONE), 1.0);
    assert_eq!(recalculate(&server, "강은호").status, 202);
    until("and again", || server.metric(DONE) == 2.0);
}
