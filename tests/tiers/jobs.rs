//! What one process does for all.

use chaos::services::Reply;
use maple_expectation::jobs::schedule::day_before;
use maple_expectation::stores::redis::popularity::day;
use shards::clock::Clock as _;
use shards::clock::SystemClock;

use crate::api_support::Stack;
use crate::api_support::v4;
use crate::support::Tiers;
use crate::support::source;
use crate::support::until;

const WARM_UP: [(&str, &str); 3] =
    [("warmup.top", "3"), ("warmup.after", "100ms"), ("warmup.pause", "100ms")];

fn runs(servers: &[&Stack], result: &str) -> f64 {
    let series = format!("maple_warmup_total{{result=\"{result}\"}}");
    servers.iter().map(|server| server.metric(&series)).sum()
}

/// Of yesterday, most wanted first.
fn seed(tiers: &Tiers, names: &[&str]) {
    let key = format!("popular:characters:{}", day(day_before(SystemClock::new().unix_ms())));
    for (behind, name) in names.iter().enumerate() {
        let score = (1_000 - behind).to_string();
        tiers.redis.command(&["ZADD", &key, &score, name]).unwrap();
    }
}

#[test]
fn row_72_one_of_two_processes_makes_yesterdays_most_wanted_ready() {
    let tiers = Tiers::start();
    let names = ["강은호", "아델", "섀도어", "넷째"];
    seed(&tiers, &names);
    let one = tiers.server(&WARM_UP);
    let other = tiers.beside(&one, &WARM_UP);
    let servers = [&one, &other];
    until("both have had their turn", || {
        runs(&servers, "success") + runs(&servers, "skipped") + runs(&servers, "failed") == 2.0
    });
    assert_eq!((runs(&servers, "success"), runs(&servers, "skipped")), (1.0, 1.0));
    let ready = |server: &Stack| server.metric("maple_warmup_characters_total{result=\"ready\"}");
    assert_eq!(ready(&one) + ready(&other), 3.0);
    let asked = || (one.sim_count("id"), one.sim_count("equipment"));
    assert_eq!(asked(), (3, 3));
    for server in servers {
        for name in &names[..3] {
            let reply = server.get(&v4(name));
            assert!(matches!(source(&reply), "HIT-L1" | "HIT-L2"), "{name}: {}", source(&reply));
        }
    }
    assert_eq!(asked(), (3, 3));
    assert_eq!(source(&one.get(&v4(names[3]))), "MISS", "beyond the top");
    // Counted is who was asked for by clients: twice, and the last once.
    let today = format!("popular:characters:{}", day(SystemClock::new().unix_ms()));
    let count = |name| tiers.redis.command(&["ZSCORE", &today, name]).unwrap();
    until("the answers are counted", || count(names[3]) == Reply::Text("1".to_owned()));
    until("those of the other, too", || count(names[0]) == Reply::Text("2".to_owned()));
    let first = servers.map(|server| server.metric("maple_locks_total{outcome=\"first\"}"));
    assert!(first.iter().sum::<f64>() >= 1.0, "under a lock: {first:?}");
}

#[test]
fn row_72_nobody_warms_up_unless_told_to() {
    let tiers = Tiers::start();
    seed(&tiers, &["강은호"]);
    let told = tiers.server(&[("warmup.top", "1"), ("warmup.after", "100ms")]);
    let untold = tiers.beside(&told, &[("warmup.after", "100ms")]);
    until("the one who is told to has", || runs(&[&told], "success") == 1.0);
    for result in ["success", "failed", "skipped"] {
        assert_eq!(runs(&[&untold], result), 0.0, "{result}");
    }
}

#[test]
fn row_173_the_sessions_of_the_locks_are_seen_under_both_names() {
    let tiers = Tiers::start();
    let server = tiers.server(&[]);
    let sessions = |state| server.metric(&format!("maple_lock_sessions{{state=\"{state}\"}}"));
    until("it has tried to meet", || sessions("active") + sessions("idle") >= 1.0);
    for outcome in ["first", "second", "busy", "closed", "lost"] {
        let series = format!("maple_locks_total{{outcome=\"{outcome}\"}}");
        assert_eq!(server.metric(&series), 0.0, "{outcome}");
    }
    let rules = include_str!("../../docker/prometheus/rules/older-names.yml");
    let (_, rule) = rules.split_once("record: hikaricp_connections_active").unwrap();
    let (_, expression) = rule.split_once("labels: { pool: MySQLLockPool }\n").unwrap();
    let expression = expression.lines().next().unwrap();
    assert!(expression.contains("maple_lock_sessions{state=\"active\"}"), "{expression}");
}
