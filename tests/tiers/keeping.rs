//! What is kept in SQL, and what happens while it is away.

use std::time::Duration;

use chaos::services::Reply;
use mysql_async::Value;

use crate::api_support::exchange;
use crate::api_support::v4;
use crate::support::Tiers;
use crate::support::source;
use crate::support::until;

const CHARACTERS: &str = "SELECT COUNT(*) FROM game_character WHERE user_ign IS NOT NULL";
const GEARS: &str = "SELECT COUNT(*) FROM character_equipment";
const SUMMARIES: &str = "SELECT COUNT(*) FROM equipment_expectation_summary";

/// Without Redis, which would answer first.
const ALONE: (&str, &str) = ("redis.url", "");

#[test]
fn row_69_gear_of_fourteen_minutes_is_fresh_and_of_sixteen_is_not() {
    let tiers = Tiers::start();
    let server = tiers.server(&[ALONE]);
    for name in ["열넷", "열여섯"] {
        assert_eq!(source(&server.get(&v4(name))), "MISS");
    }
    until("both are stored", || tiers.count(GEARS) == 2);
    for (name, minutes) in [("열넷", 14), ("열여섯", 16)] {
        tiers.rows::<(u64,)>(&format!(
            "UPDATE character_equipment JOIN game_character USING (ocid)
             SET character_equipment.updated_at = UTC_TIMESTAMP(3) - INTERVAL {minutes} MINUTE
             WHERE user_ign = '{name}'"
        ));
    }
    let server = tiers.restarted(server, &[ALONE]);
    assert_eq!(source(&server.get(&v4("열넷"))), "STORE");
    assert_eq!(server.sim_count("equipment"), 2);
    assert_eq!(source(&server.get(&v4("열여섯"))), "MISS");
    assert_eq!(server.sim_count("equipment"), 3);
}

#[test]
fn row_74_and_76_results_are_written_behind_once_per_preset_and_renewed() {
    const BURST: usize = 200;
    let tiers = Tiers::start();
    let server = tiers.server(&[("cache.force_cool_down", "0s")]);
    let names: Vec<String> = (0..BURST).map(|number| format!("n{number}")).collect();
    let address = server.server.address();
    let get = |name: &String| exchange(address, "GET", &v4(name), &[], b"").status;
    std::thread::scope(|scope| {
        for share in names.chunks(BURST / 8) {
            scope.spawn(|| share.iter().for_each(|name| assert_eq!(get(name), 200)));
        }
    });
    until("all is written", || tiers.count(SUMMARIES) == 3 * BURST as u64);
    assert_eq!((tiers.count(CHARACTERS), tiers.count(GEARS)), (BURST as u64, BURST as u64));
    let of_one = "SELECT s.id, preset_no, total_expected_cost, s.calculated_at
        FROM equipment_expectation_summary s JOIN game_character c ON c.id = s.game_character_id
        WHERE user_ign = 'n7' ORDER BY preset_no";
    type Summary = (u64, u8, String, Value);
    let before = tiers.rows::<Summary>(of_one);
    let forced = server.get(&format!("{}?force=true", v4("n7"))).json();
    let shown = |preset: usize| forced["presets"][preset]["totalExpectedCost"].to_string() + ".00";
    until("it is renewed", || tiers.rows::<Summary>(of_one)[2].3 > before[2].3);
    let after = tiers.rows::<Summary>(of_one);
    for (at, (old, new)) in before.iter().zip(&after).enumerate() {
        assert_eq!((old.0, old.1), (new.0, new.1), "the same row");
        assert_eq!((usize::from(new.1), &new.2), (at + 1, &shown(at)), "what the answer says");
    }
}

#[test]
fn row_75_and_131_what_was_answered_while_sql_was_away_is_there_afterwards() {
    let mut tiers = Tiers::start();
    let server = tiers.server(&[]);
    assert_eq!(source(&server.get(&v4("vor"))), "MISS");
    until("it is written", || tiers.count(SUMMARIES) == 3);
    tiers.maria.kill().unwrap();
    for number in 0..20 {
        assert_eq!(source(&server.get(&v4(&format!("n{number}")))), "MISS");
    }
    let state = |name| server.metric(&format!("maple_store_state{{state=\"{name}\"}}"));
    until("it is known to be away", || state("degraded") == 1.0);
    assert!(server.metric("maple_store_pending") > 0.0);
    assert_eq!(source(&server.get(&v4("vor"))), "HIT-L1");
    let gear_ttl = || {
        let Reply::List(keys) = tiers.redis.command(&["KEYS", "equipment::*"]).unwrap() else {
            panic!()
        };
        let Reply::Integer(ttl) = tiers.redis.command(&["TTL", keys[0].text().unwrap()]).unwrap()
        else {
            panic!()
        };
        ttl
    };
    until("what is shared is kept longer", || gear_ttl() > 80_000);
    tiers.maria.restart().unwrap();
    until("it is healthy again", || state("healthy") == 1.0);
    until("all is written", || tiers.count(SUMMARIES) == 3 * 21);
    until("what is shared ends in its time again", || gear_ttl() <= 600);
    assert_eq!((tiers.count(CHARACTERS), tiers.count(GEARS)), (21, 21));
    assert_eq!(server.metric("maple_store_given_up_total"), 0.0);
}

#[test]
fn row_77_gear_is_stored_as_gzip_and_plain_rows_are_read() {
    let tiers = Tiers::start();
    let server = tiers.server(&[ALONE]);
    let document = server.get(&format!(
        "{}/equipment",
        v4("강은호").replace("v4", "v3").replace("/expectation", "")
    ));
    assert_eq!(document.status, 200);
    until("it is stored", || tiers.count(GEARS) == 1);
    let rows = tiers.rows::<(Vec<u8>,)>("SELECT json_content FROM character_equipment");
    let stored = &rows[0].0;
    assert_eq!(stored[..2], [0x1f, 0x8b]);
    let share = stored.len() as f64 / document.body.len() as f64;
    assert!(share <= 0.10, "{share} of {} bytes", document.body.len());
    let mut plain = String::from("UPDATE character_equipment SET json_content = X'");
    for byte in &document.body {
        plain.push_str(&format!("{byte:02x}"));
    }
    tiers.rows::<(u64,)>(&(plain + "'"));
    let server = tiers.restarted(server, &[ALONE]);
    assert_eq!(source(&server.get(&v4("강은호"))), "STORE");
}

#[test]
fn row_154_an_empty_database_gets_its_schema_and_a_newer_one_refuses_the_start() {
    let tiers = Tiers::start();
    let server = tiers.server(&[ALONE]);
    for table in
        ["game_character", "character_equipment", "member", "donation_outbox", "nexon_api_dlq"]
    {
        assert_eq!(tiers.count(&format!("SELECT COUNT(*) FROM {table}")), 0, "{table}");
    }
    let server = tiers.restarted(server, &[ALONE]);
    server.server.stop(Duration::from_secs(5));
    tiers.rows::<(u64,)>(
        "INSERT INTO schema_migration (number, name, checksum) VALUES (99, 'of tomorrow', '0')",
    );
    let refused = std::panic::catch_unwind(|| tiers.server(&[ALONE]));
    let said = refused.err().expect("refused").downcast::<String>().unwrap();
    assert!(said.contains("store.url") && said.contains("99"), "{said}");
}
