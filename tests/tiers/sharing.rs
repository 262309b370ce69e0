//! What processes share through Redis, and what they do without it.

use std::time::Duration;

use chaos::services::Reply;

use crate::api_support::encoded;
use crate::api_support::exchange;
use crate::api_support::v4;
use crate::support::Tiers;
use crate::support::pause;
use crate::support::source;
use crate::support::until;

fn v3(name: &str) -> String {
    format!("/api/v3/characters/{}/expectation", encoded(name))
}

fn keys(tiers: &Tiers, pattern: &str) -> Vec<String> {
    match tiers.redis.command(&["KEYS", pattern]).unwrap() {
        Reply::List(keys) => keys.iter().map(|key| key.text().unwrap().to_owned()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn row_56_the_entry_ends_within_the_hour_and_the_first_tier_does_not_need_it() {
    let tiers = Tiers::start();
    let server = tiers.server(&[]);
    assert_eq!(source(&server.get(&v4("강은호"))), "MISS");
    let [key] = &keys(&tiers, "expectationV4::*")[..] else { panic!("one entry") };
    let Reply::Integer(seconds) = tiers.redis.command(&["TTL", key]).unwrap() else { panic!() };
    assert!((54 * 60 - 5..=66 * 60).contains(&seconds), "{seconds} s");
    tiers.redis.command(&["FLUSHALL"]).unwrap();
    assert_eq!(source(&server.get(&v4("강은호"))), "HIT-L1");
}

#[test]
fn row_57_a_memory_that_refuses_writes_costs_nobody_an_answer() {
    let tiers = Tiers::start();
    let server = tiers.server(&[]);
    tiers.redis.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let failed = r#"maple_shared_writes_total{result="failed"}"#;
    assert_eq!(source(&server.get(&v4("강은호"))), "MISS");
    assert!(server.metric(failed) >= 1.0);
    assert_eq!(source(&server.get(&v4("강은호"))), "HIT-L1");
}

#[test]
fn row_58_after_a_restart_the_second_tier_fills_the_first() {
    let tiers = Tiers::start();
    let server = tiers.server(&[]);
    let before = server.get(&v4("강은호"));
    let server = tiers.restarted(server, &[]);
    let first = server.get(&v4("강은호"));
    assert_eq!((source(&first), first.body == before.body), ("HIT-L2", true));
    assert_eq!(source(&server.get(&v4("강은호"))), "HIT-L1");
    let hits = |layer| server.metric_sum(&format!("maple_cache_hits_total{{shard=\"{layer}"));
    assert!(hits("0") + hits("1") >= 2.0);
    assert_eq!(server.sim_count("equipment"), 1);
}

#[test]
fn row_59_a_forced_answer_reaches_the_other_process_and_is_not_sent_back() {
    let tiers = Tiers::start();
    let one = tiers.server(&[("cache.force_cool_down", "0s")]);
    let other = tiers.beside(&one, &[]);
    let news = |server: &crate::api_support::Stack, kind| {
        server.metric(&format!("maple_shared_news_total{{kind=\"{kind}\"}}"))
    };
    for server in [&one, &other] {
        until("it listens", || server.metric("maple_redis_subscribed_total") >= 1.0);
    }
    let cost = |server: &crate::api_support::Stack| {
        let reply = server.get(&v4("강은호"));
        (reply.json()["dataAsOf"].clone(), reply.header("x-cache").unwrap().to_owned())
    };
    cost(&one);
    let (old, _) = cost(&other);
    one.sim_revise("강은호", 7);
    let forced = one.get(&format!("{}?force=true", v4("강은호")));
    let new = forced.json()["dataAsOf"].clone();
    assert_ne!(old, new);
    until("the news is there", || cost(&other).0 == new);
    assert_eq!(cost(&one), (new, "HIT-L1".to_owned()), "its own first tier was not cleared");
    assert_eq!((news(&one, "published"), news(&other, "received")), (1.0, 1.0));
    assert_eq!(news(&one, "received"), 0.0);
    assert_eq!(one.sim_count("equipment"), 2);
}

#[test]
fn row_60_after_a_silence_nothing_cached_is_believed() {
    let tiers = Tiers::start();
    let server = tiers.server(&[]);
    let subscribed = || server.metric("maple_redis_subscribed_total");
    until("it listens", || subscribed() >= 1.0);
    assert_eq!(source(&server.get(&v4("강은호"))), "MISS");
    let before = subscribed();
    tiers.redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
    until("it listens again", || subscribed() > before);
    until("its caches are doubted", || server.metric_sum("maple_cache_doubts_total") >= 4.0);
    assert_eq!(source(&server.get(&v4("강은호"))), "HIT-L2", "looked up again, not asked again");
    assert_eq!(source(&server.get(&v4("강은호"))), "HIT-L1");
    assert_eq!(server.sim_count("equipment"), 1);
}

#[test]
fn row_62_of_two_processes_one_asks() {
    let tiers = Tiers::start();
    let servers = [tiers.server(&[])];
    let servers = [&servers[0], &tiers.beside(&servers[0], &[])];
    servers[0].sim_set(r#"{"latencyMs":300}"#);
    let addresses = servers.map(|server| server.server.address());
    let bodies = std::thread::scope(|scope| {
        let ask = |at: usize| exchange(addresses[at % 2], "GET", &v4("강은호"), &[], b"");
        let asking: Vec<_> = (0..40).map(|at| scope.spawn(move || ask(at))).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect::<Vec<_>>()
    });
    let first = &bodies[0];
    assert!(bodies.iter().all(|reply| reply.body == first.body), "one body for all processes");
    assert!(bodies.iter().all(|reply| reply.header("etag") == first.header("etag")));
    assert_eq!((servers[0].sim_count("id"), servers[0].sim_count("equipment")), (1, 1));
}

#[test]
fn row_64_a_leaders_failure_reaches_the_other_process_and_the_next_question_flies() {
    let tiers = Tiers::start();
    let one = tiers.server(&[("upstream.retry_attempts", "1")]);
    let other = tiers.beside(&one, &[("upstream.retry_attempts", "1")]);
    one.sim_set(r#"{"latencyMs":300,"status":500}"#);
    let replies = std::thread::scope(|scope| {
        let ask = |address| exchange(address, "GET", &v4("강은호"), &[], b"");
        let addresses = [&one, &other].map(|server| server.server.address());
        let asking = addresses.map(|address| scope.spawn(move || ask(address)));
        asking.map(|asked| asked.join().unwrap())
    });
    for reply in &replies {
        assert_eq!(reply.problem(), (503, "S005".to_owned(), Some(30)));
    }
    assert_eq!(one.sim_count("id"), 1);
    one.sim_reset();
    assert_eq!(source(&other.get(&v4("강은호"))), "MISS");
}

#[test]
fn row_65_a_result_is_found_without_reading_the_gear() {
    let tiers = Tiers::start();
    let server = tiers.server(&[]);
    let first = server.get(&v3("강은호"));
    assert_eq!(source(&first), "MISS");
    until("the gear is stored", || tiers.count("SELECT COUNT(*) FROM character_equipment") == 1);
    let server = tiers.restarted(server, &[]);
    // The gear could be had from Redis, too: what is left there is the result and the name.
    for key in keys(&tiers, "equipment::*") {
        tiers.redis.command(&["DEL", &key]).unwrap();
    }
    tiers.rows::<(u64,)>("SET GLOBAL log_output = 'TABLE'");
    tiers.rows::<(u64,)>("SET GLOBAL general_log = 1");
    let found = server.get(&v3("강은호"));
    tiers.rows::<(u64,)>("SET GLOBAL general_log = 0");
    assert_eq!((source(&found), found.body == first.body), ("HIT-L2", true));
    let asked = tiers.rows::<(String,)>(
        "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE argument LIKE '%character_equipment%'",
    );
    let asked: Vec<_> = asked.into_iter().map(|(query,)| query).collect();
    assert!(asked.iter().any(|query| query.contains("SELECT updated_at FROM")), "{asked:?}");
    assert!(!asked.iter().any(|query| query.contains("json_content")), "{asked:?}");
    // Row 66: by id, time, edition and version.
    let [key] = &keys(&tiers, "expectationResult::expectation:v3:*")[..] else { panic!("one") };
    let parts: Vec<_> = key.split(':').filter(|part| !part.is_empty()).collect();
    let [_, _, _, ocid, time, edition, version] = parts[..] else { panic!("{key}") };
    assert_eq!((ocid.len(), time.len(), edition.len(), version), (32, 10, 8, "lv1"), "{key}");
}

#[test]
fn row_68_a_name_that_nobody_has_is_asked_for_once_among_processes() {
    let tiers = Tiers::start();
    let one = tiers.server(&[("cache.negative", "2s")]);
    let other = tiers.beside(&one, &[("cache.negative", "2s")]);
    let unknown = v4("없는이름");
    for server in [&one, &other, &one, &other] {
        assert_eq!(server.get(&unknown).status, 404);
    }
    assert_eq!(one.sim_count("id"), 1);
    pause(Duration::from_millis(2_100));
    assert_eq!(other.get(&unknown).status, 404);
    assert_eq!(one.sim_count("id"), 2);
}

#[test]
fn row_71_answers_are_counted_by_name_and_day() {
    let tiers = Tiers::start();
    let one = tiers.server(&[]);
    let other = tiers.beside(&one, &[]);
    for _ in 0..5 {
        one.get(&v4("강은호"));
        other.get(&v4("강은호"));
    }
    one.get(&v4("아델"));
    one.get(&v3("강은호"));
    let today = || keys(&tiers, "popular:characters:*").pop();
    let score = |name| match tiers.redis.command(&["ZSCORE", &today()?, name]).unwrap() {
        Reply::Text(score) => Some(score),
        _ => None,
    };
    until("they are counted", || {
        score("강은호").as_deref() == Some("10") && score("아델").as_deref() == Some("1")
    });
    let Reply::Integer(seconds) = tiers.redis.command(&["TTL", &today().unwrap()]).unwrap() else {
        panic!()
    };
    assert!((1..=48 * 60 * 60).contains(&seconds), "{seconds} s");
}

#[test]
fn row_73_without_redis_warm_names_and_cold_ones_are_answered() {
    let mut tiers = Tiers::start();
    let server = tiers.server(&[]);
    assert_eq!(source(&server.get(&v4("강은호"))), "MISS");
    tiers.redis.kill().unwrap();
    for _ in 0..20 {
        assert_eq!(source(&server.get(&v4("강은호"))), "HIT-L1");
    }
    assert_eq!(source(&server.get(&v4("아델"))), "MISS");
    tiers.redis.restart().unwrap();
    until("it is back", || server.metric("maple_redis_up") == 1.0);
    server.get(&v4("섀도어"));
    assert!(keys(&tiers, "expectationV4::*").len() == 1, "written again");
}
