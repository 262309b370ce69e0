//! The simulator as anybody sees it over HTTP: what it serves, its switches, its counters.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod upstream_http;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;

use flate2::read::GzDecoder;
use maple_expectation::upstream::sim::Fixture;
use maple_expectation::upstream::sim::Sim;
use maple_expectation::upstream::sim::SimConfig;
use maple_expectation::upstream::sim::SimHandle;
use serde_json::Value;
use serde_json::json;

use upstream_http::exchange;
use upstream_http::get;
use upstream_http::set;
use upstream_http::state;

fn start() -> SimHandle {
    Sim::start(SimConfig::default()).unwrap()
}

fn ocid(addr: SocketAddr, name: &str) -> String {
    let name: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let response = get(addr, &format!("/maplestory/v1/id?character_name={name}"));
    assert_eq!(response.status, 200, "{name}");
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    body["ocid"].as_str().unwrap().to_owned()
}

/// The document as plain bytes, fetched packed.
fn equipment(addr: SocketAddr, name: &str) -> Vec<u8> {
    let target = format!("/maplestory/v1/character/item-equipment?ocid={}", ocid(addr, name));
    let headers = "x-nxopen-api-key: test_key\r\nAccept-Encoding: gzip\r\n";
    let response = exchange(addr, "GET", &target, headers, "");
    assert_eq!(response.status, 200);
    assert!(response.head.contains("content-encoding: gzip"));
    let mut plain = Vec::new();
    GzDecoder::new(&response.body[..]).read_to_end(&mut plain).unwrap();
    plain
}

fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|index| format!("모험가{index}"))
}

fn error_of(response: &upstream_http::Response) -> (u16, String) {
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    (response.status, body["error"]["name"].as_str().unwrap().to_owned())
}

#[test]
fn a_name_is_the_same_character_in_every_process() {
    let (one, two) = (start(), start());
    for name in ["강은호", "Adventurer12", "가나다라마바사아자차카타"] {
        let first = equipment(one.addr(), name);
        assert!(first == equipment(one.addr(), name), "{name}: twice");
        assert!(first == equipment(two.addr(), name), "{name}: elsewhere");
    }
    // An OCID handed out by one works at the other.
    let target = format!("/maplestory/v1/character/basic?ocid={}", ocid(one.addr(), "강은호"));
    let basic: Value = serde_json::from_slice(&get(two.addr(), &target).body).unwrap();
    assert_eq!(basic["character_name"], "강은호");
}

#[test]
fn documents_have_the_size_of_real_ones() {
    let sim = start();
    for name in names(50) {
        let document = equipment(sim.addr(), &name);
        assert!((300_000..400_000).contains(&document.len()), "{name}: {}", document.len());
        serde_json::from_slice::<Value>(&document).unwrap();
    }
}

#[test]
fn two_hundred_characters_show_all_there_is() {
    let sim = start();
    let (mut jobs, mut grades, mut flags, mut seen) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for name in names(200) {
        let document: Value = serde_json::from_slice(&equipment(sim.addr(), &name)).unwrap();
        let preset = format!("item_equipment_preset_{}", document["preset_no"]);
        assert_eq!(document["item_equipment"], document[preset], "{name}");
        jobs.insert(document["character_class"].to_string());
        let mut worn = BTreeSet::new();
        for item in document["item_equipment"].as_array().unwrap() {
            assert!(worn.insert(item["item_name"].as_str().unwrap()), "{name}: twice {item}");
            grades.insert(item["potential_option_grade"].to_string());
            flags.insert(item["starforce_scroll_flag"].to_string());
            let text = item["item_name"].as_str().unwrap();
            seen.insert(text.split(' ').next().unwrap().to_owned());
            seen.insert(item["item_equipment_part"].as_str().unwrap().to_owned());
            totals_add_up(item);
            stars_are_possible(item);
        }
    }
    assert!(jobs.len() >= 20, "{jobs:?}");
    for job in ["제논", "데몬어벤져", "제로", "에반", "메카닉"] {
        assert!(jobs.contains(&format!("{job:?}")), "{job} of {jobs:?}");
    }
    assert_eq!(grades.len(), 5, "{grades:?}");
    assert_eq!(flags.len(), 2, "{flags:?}");
    for word in ["제네시스", "데스티니", "타일런트", "에테르넬", "컨티뉴어스", "한벌옷"]
    {
        assert!(seen.contains(word), "{word}");
    }
}

/// Every total is the sum of its parts; numbers are text.
fn totals_add_up(item: &Value) {
    let parts = ["item_base_option", "item_add_option", "item_etc_option", "item_starforce_option"];
    for stat in ["str", "int", "max_hp", "attack_power", "magic_power", "boss_damage", "all_stat"] {
        let value = |part: &str| -> i64 {
            item[part].get(stat).map_or(0, |value| value.as_str().unwrap().parse().unwrap())
        };
        let sum: i64 = parts.iter().map(|part| value(part)).sum();
        assert_eq!(value("item_total_option"), sum, "{stat} of {}", item["item_name"]);
    }
}

fn stars_are_possible(item: &Value) {
    let stars: i64 = item["starforce"].as_str().unwrap().parse().unwrap();
    let level = item["item_base_option"]["base_equipment_level"].as_i64().unwrap();
    let cap = match level {
        ..=94 => 5,
        95..=107 => 8,
        108..=117 => 10,
        118..=127 => 15,
        128..=137 => 20,
        _ => 30,
    };
    let scrolled = item["starforce_scroll_flag"] == "사용";
    assert!(if scrolled { stars <= 15 } else { stars <= cap }, "{} {stars}", item["item_name"]);
}

#[test]
fn the_showcase_shows() {
    let sim = start();
    let document: Value = serde_json::from_slice(&equipment(sim.addr(), "강은호")).unwrap();
    assert_eq!(document["character_class"], "비숍");
    for item in document["item_equipment"].as_array().unwrap() {
        let legendary = item["potential_option_grade"] == "레전드리";
        assert!(legendary || item["potential_option_grade"].is_null(), "{}", item["item_name"]);
        let armour = item["item_equipment_slot"] == "모자" || item["item_equipment_slot"] == "무기";
        assert!(!armour || legendary && item["starforce"] == "22");
    }
}

#[test]
fn refusals_are_those_of_the_real_api() {
    let sim = start();
    let addr = sim.addr();
    let id = "/maplestory/v1/id";
    let nobody = format!("{id}?character_name=%EC%97%86%EB%8A%94%EC%82%AC%EB%9E%8C");
    let long = format!("{id}?character_name={}", "a".repeat(13));
    let bad_parameter = (400, "OPENAPI00004".to_owned());
    for target in [id, &format!("{id}?character_name="), &nobody, &long] {
        assert_eq!(error_of(&get(addr, target)), bad_parameter, "{target}");
    }
    let basic = "/maplestory/v1/character/basic";
    assert_eq!(error_of(&get(addr, basic)), bad_parameter);
    let bad_identifier = (400, "OPENAPI00003".to_owned());
    assert_eq!(error_of(&get(addr, &format!("{basic}?ocid=12"))), bad_identifier);
    assert_eq!(error_of(&get(addr, "/elsewhere")), (400, "OPENAPI00006".to_owned()));
    let bad_key = (400, "OPENAPI00005".to_owned());
    for key in ["", "x-nxopen-api-key:  \r\n"] {
        assert_eq!(error_of(&exchange(addr, "GET", &nobody, key, "")), bad_key);
    }
}

#[test]
fn fixtures_are_served_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let made_up = folder.path().join("made-up.json");
    fs::write(&made_up, "{\n \"character_class\": \"아란\",\t\"item_equipment\": []\n}\n").unwrap();
    let real =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/equipment_evan.json"));
    let files = [made_up.as_path(), real].into_iter().filter(|file| file.exists());
    for file in files {
        let fixtures = vec![Fixture { name: "실물".to_owned(), file: file.to_owned() }];
        let sim = Sim::start(SimConfig { fixtures, ..SimConfig::default() }).unwrap();
        let expected = fs::read(file).unwrap();
        assert!(equipment(sim.addr(), "실물") == expected);
        let ocid = ocid(sim.addr(), "실물");
        let plain = format!("/maplestory/v1/character/item-equipment?ocid={ocid}");
        assert!(get(sim.addr(), &plain).body == expected);
        let basic = get(sim.addr(), &format!("/maplestory/v1/character/basic?ocid={ocid}")).body;
        let basic: Value = serde_json::from_slice(&basic).unwrap();
        let document: Value = serde_json::from_slice(&expected).unwrap();
        assert_eq!(basic["character_class"], document["character_class"]);
    }
    let missing = vec![Fixture { name: "a".to_owned(), file: folder.path().join("missing") }];
    assert!(Sim::start(SimConfig { fixtures: missing, ..SimConfig::default() }).is_err());
}

#[test]
fn a_character_can_change_its_gear_and_back() {
    let sim = start();
    let change = |body: &Value| {
        exchange(sim.addr(), "POST", "/_sim/character", "", &body.to_string()).status
    };
    let first = equipment(sim.addr(), "강은호");
    assert_eq!(change(&json!({ "name": "강은호", "revision": 1 })), 200);
    let second = equipment(sim.addr(), "강은호");
    assert!(first != second);
    let class = |document: &[u8]| {
        serde_json::from_slice::<Value>(document).unwrap()["character_class"].clone()
    };
    assert_eq!(class(&first), class(&second));
    assert_eq!(change(&json!({ "name": "강은호", "revision": 0 })), 200);
    assert!(first == equipment(sim.addr(), "강은호"));
    for bad in [
        json!({ "name": "a" }),
        json!({ "name": "a", "fixture": "unregistered" }),
        json!({ "name": "a", "fixture": "b", "revision": 1 }),
        json!({ "name": "a", "revison": 1 }),
    ] {
        assert_eq!(change(&bad), 400, "{bad}");
    }
}

#[test]
fn switches_are_checked_shown_and_reset() {
    let sim = Sim::start(SimConfig { latency_ms: 1, ..SimConfig::default() }).unwrap();
    let addr = sim.addr();
    let refused = exchange(addr, "POST", "/_sim/set", "", r#"{"latencyMS":1}"#);
    assert_eq!(refused.status, 400);
    assert!(String::from_utf8(refused.body).unwrap().contains("latencyMS"));
    set(addr, &json!({ "status": 503, "times": 1, "endpoint": "id" }));
    assert_eq!(get(addr, "/elsewhere").status, 400);
    let target = "/maplestory/v1/id?character_name=a";
    assert_eq!([(); 2].map(|()| get(addr, target).status), [503, 200]);
    let seen = state(addr);
    assert_eq!(seen["switches"]["status"], 503);
    assert_eq!(seen["counters"]["statuses"]["id"], json!({ "503": 1, "200": 1 }));
    assert_eq!(seen["counters"]["requests"], json!({ "id": 2, "other": 1 }));
    assert_eq!(seen["counters"]["keys"], json!({ "test***": 3 }));
    assert_eq!(exchange(addr, "POST", "/_sim/reset", "", "").status, 200);
    let seen = state(addr);
    assert_eq!(seen["counters"]["requests"], json!({}));
    assert_eq!(
        (&seen["switches"]["status"], &seen["switches"]["latencyMs"]),
        (&Value::Null, &json!(1))
    );
    assert_eq!(exchange(addr, "GET", "/_sim/set", "", "").status, 404);
}

#[test]
fn the_quota_refuses_what_is_too_much() {
    let sim = Sim::start(SimConfig { quota_per_second: Some(5), ..SimConfig::default() }).unwrap();
    let target = "/maplestory/v1/id?character_name=a";
    let answers: Vec<_> = (0..12).map(|_| get(sim.addr(), target)).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    // 12 requests take far less than the 1.4 s in which all of them would be allowed.
    assert!(!refused.is_empty() && refused.len() <= 7, "{}", refused.len());
    assert!(refused.iter().all(|answer| error_of(answer) == (429, "OPENAPI00007".to_owned())));
}

#[test]
fn a_stopped_simulator_frees_its_address() {
    let sim = start();
    let listen = sim.addr();
    assert_eq!(get(listen, "/maplestory/v1/id?character_name=a").status, 200);
    sim.shutdown();
    assert!(std::net::TcpStream::connect(listen).is_err());
    Sim::start(SimConfig { listen, ..SimConfig::default() }).unwrap();
}
