//! The documents clients read: their fields in order, their codings, their validators.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod api_support;

use std::collections::BTreeSet;

use api_support::Stack;
use api_support::encoded;
use api_support::exchange;
use api_support::v4;
use serde_json::Value;

/// Keys in the order they are written: a JSON library's map would sort them.
fn keys(object: &str) -> Vec<String> {
    let (mut keys, mut depth, mut expecting) = (Vec::new(), 0, false);
    let mut chars = object.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '{' | '[' => {
                depth += 1;
                expecting = c == '{';
            }
            '}' | ']' => depth -= 1,
            ',' => expecting = true,
            ':' => expecting = false,
            '"' => {
                let mut escaped = false;
                let end = chars
                    .find(|(_, c)| {
                        let ends = *c == '"' && !escaped;
                        escaped = *c == '\\' && !escaped;
                        ends
                    })
                    .unwrap()
                    .0;
                if depth == 1 && expecting && object[end + 1..].starts_with(':') {
                    keys.push(object[at + 1..end].to_owned());
                }
            }
            _ => {}
        }
    }
    keys
}

/// The text of the first object that stands under `key`.
fn under<'a>(text: &'a str, key: &str) -> &'a str {
    let start = text.find(&format!("\"{key}\":")).unwrap() + key.len() + 3;
    let start = start + text[start..].find('{').unwrap();
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in text[start..].char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return &text[start..=start + at];
                }
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    panic!("{key} does not end");
}

#[test]
#[rustfmt::skip]
fn v4_keeps_its_fields_in_their_order_and_adds_ours_behind() {
    let stack = Stack::start(&[]);
    let reply = stack.get(&v4("강은호"));
    assert_eq!(reply.status, 200);
    let text = reply.text();
    assert_eq!(keys(&text), [
        "userIgn", "calculatedAt", "fromCache", "totalExpectedCost", "totalCostText", "totalCostBreakdown",
        "maxPresetNo", "presets",
        "ruleset", "stale", "dataAsOf", "partial", "tierUpCost", "flameCost", "unpriced", "notes",
    ]);
    assert_eq!(keys(under(&text, "totalCostBreakdown")), ["blackCubeCost", "redCubeCost", "additionalCubeCost", "starforceCost"]);
    let preset = under(&text, "presets");
    assert_eq!(keys(preset), [
        "presetNo", "totalExpectedCost", "totalCostText", "costBreakdown", "items",
        "partial", "tierUpCost", "flameCost", "unpriced", "notes",
    ]);
    let item = under(preset, "items");
    assert_eq!(keys(item), [
        "itemName", "itemIcon", "itemPart", "itemLevel", "expectedCost", "expectedCostText", "costBreakdown",
        "enhancePath", "potentialGrade", "additionalPotentialGrade", "currentStar", "targetStar",
        "specialRingLevel", "blackCubeExpectation", "additionalCubeExpectation", "starforceExpectation",
        "flameExpectation", "noljang",
        "partial", "tierUpCost", "flameCost", "unpriced", "notes",
    ]);
    for cube in ["blackCubeExpectation", "additionalCubeExpectation"] {
        assert_eq!(keys(under(item, cube)), [
            "expectedCost", "expectedCostText", "expectedTrials", "currentGrade", "targetGrade", "potential",
            "targets", "expectedResets", "tierUpCost",
        ]);
    }
    assert_eq!(keys(under(item, "starforceExpectation")), [
        "currentStar", "targetStar", "costWithoutDestroyPrevention", "costWithoutDestroyPreventionText",
        "expectedDestroyCountWithout", "costWithDestroyPrevention", "costWithDestroyPreventionText",
        "expectedDestroyCountWith", "noljang", "cheapestCost", "cheapestPolicy", "reason",
    ]);
    assert_eq!(keys(under(item, "flameExpectation")), ["powerfulFlameTrials", "eternalFlameTrials", "abyssFlameTrials", "reason"]);
}

#[test]
fn v4_adds_up() {
    let stack = Stack::start(&[]);
    let document = stack.get(&v4("강은호")).json();
    assert_eq!((&document["userIgn"], &document["fromCache"]), (&"강은호".into(), &false.into()));
    assert_eq!(document["ruleset"], "kms-2026-09");
    assert!(document["dataAsOf"].as_str().unwrap().ends_with("+09:00"));
    let presets = document["presets"].as_array().unwrap();
    assert_eq!(presets.len(), 3);
    let total = |of: &Value| of["totalExpectedCost"].as_u64().unwrap();
    let dearest = presets.iter().max_by_key(|preset| total(preset)).unwrap();
    assert_eq!(total(&document), total(dearest));
    assert_eq!(document["maxPresetNo"], dearest["presetNo"]);
    for preset in presets {
        let items = preset["items"].as_array().unwrap();
        let sum: u64 = items.iter().map(|item| item["expectedCost"].as_u64().unwrap()).sum();
        // Each number is rounded from its own exact value, so the parts may be off by half a meso each.
        assert!(sum.abs_diff(total(preset)) <= items.len() as u64, "{sum} {}", total(preset));
        for item in items {
            let (cube, grade) = (&item["blackCubeExpectation"], &item["potentialGrade"]);
            assert_eq!((&cube["currentGrade"], &cube["targetGrade"]), (grade, grade));
            assert_eq!(item["currentStar"], 0);
        }
    }
}

#[test]
fn both_codings_carry_the_same_bytes_and_different_validators() {
    let stack = Stack::start(&[]);
    for path in
        [v4("강은호"), v4("강은호") + "/preset/2", "/api/v3/characters/abc/equipment".to_owned()]
    {
        let plain = stack.get(&path);
        let gzip = stack.send("GET", &path, &[("Accept-Encoding", "br, GZIP;q=0.5")]);
        assert_eq!(plain.header("content-encoding"), None);
        assert!(gzip.gunzipped() == plain.body, "{path}");
        assert_eq!(
            (plain.header("x-cache"), gzip.header("x-cache")),
            (Some("MISS"), Some("HIT-L1"))
        );
        let refused = stack.send("GET", &path, &[("Accept-Encoding", "gzip;q=0")]);
        assert_eq!((refused.header("content-encoding"), &refused.body), (None, &plain.body));
        assert_ne!(plain.header("etag"), gzip.header("etag"));
        for (reply, coding) in [(&plain, "identity"), (&gzip, "gzip")] {
            assert_eq!(reply.header("vary"), Some("Accept-Encoding"));
            assert_eq!(reply.header("content-length"), Some(&*reply.body.len().to_string()));
            let etag = reply.header("etag").unwrap();
            let fields = [("Accept-Encoding", coding), ("If-None-Match", etag)];
            let unchanged = stack.send("GET", &path, &fields);
            assert_eq!((unchanged.status, unchanged.body.len()), (304, 0), "{path} {coding}");
            assert_eq!(unchanged.header("etag"), Some(etag));
        }
        let head = stack.send("HEAD", &path, &[]);
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), plain.header("content-length"));
    }
}

#[test]
fn presets_by_number() {
    let stack = Stack::start(&[]);
    let whole = stack.get(&v4("강은호")).json();
    let second = stack.get(&(v4("강은호") + "/preset/2")).json();
    assert_eq!(second["presets"], serde_json::json!([whole["presets"][1]]));
    assert_eq!(second["totalExpectedCost"], whole["presets"][1]["totalExpectedCost"]);
    assert_eq!(second["totalCostBreakdown"], whole["presets"][1]["costBreakdown"]);
    assert_eq!(
        (second["maxPresetNo"].as_i64(), second["totalCostText"].is_string()),
        (Some(2), true)
    );
    for stranger in ["9", "0", "-1", "99999999999"] {
        let reply = stack.get(&(v4("강은호") + "/preset/" + stranger));
        let document = reply.json();
        assert_eq!(
            (reply.status, &document["presets"]),
            (200, &serde_json::json!([])),
            "{stranger}"
        );
        assert_eq!(document["totalExpectedCost"], 0);
    }
    let wrong = stack.get(&(v4("강은호") + "/preset/two"));
    assert_eq!(wrong.problem(), (400, "C001".to_owned(), None));
    assert_eq!(wrong.json()["field"], "presetNo");
}

#[test]
fn v2_and_v3_list_the_worn_regular_potentials() {
    let stack = Stack::start(&[]);
    let [v2, v3] = ["v2", "v3"].map(|version| {
        stack.get(&format!("/api/{version}/characters/{}/expectation", encoded("강은호")))
    });
    assert_eq!(v2.body, v3.body);
    let document = v3.json();
    assert_eq!(keys(&v3.text()), ["userIgn", "totalCost", "totalCostText", "items"]);
    let items = document["items"].as_array().unwrap();
    assert!(items.len() > 10);
    let sum: u64 = items.iter().map(|item| item["expectedCost"].as_u64().unwrap()).sum();
    assert!(sum.abs_diff(document["totalCost"].as_u64().unwrap()) <= items.len() as u64);
    assert!(document["totalCostText"].as_str().unwrap().ends_with(" 메소"));
    let item = v3.text();
    let fields =
        ["part", "itemName", "potential", "expectedCost", "expectedCostText", "expectedCount"];
    assert_eq!(keys(under(&item, "items")), fields);
    assert!(!v3.text().contains("null"), "null members are left out");
}

#[test]
fn equipment_is_the_games_own_document() {
    let stack = Stack::start(&[]);
    let id = exchange(stack.sim.addr(), "GET", "/maplestory/v1/id?character_name=abc", KEY, b"");
    let ocid = id.json()["ocid"].as_str().unwrap().to_owned();
    let target = format!("/maplestory/v1/character/item-equipment?ocid={ocid}");
    let original = exchange(stack.sim.addr(), "GET", &target, KEY, b"");
    for version in ["v2", "v3"] {
        let served = stack.get(&format!("/api/{version}/characters/abc/equipment"));
        assert!(served.body == original.body, "{version}");
    }
}

const KEY: &[(&str, &str)] = &[("x-nxopen-api-key", "test")];

#[test]
fn v1_has_exactly_its_six_fields() {
    let stack = Stack::start(&[]);
    let reply = stack.get(&format!("/api/v1/characters/{}", encoded("강은호")));
    assert_eq!(reply.status, 200);
    let fields = ["userIgn", "ocid", "likeCount", "worldName", "characterClass", "characterImage"];
    assert_eq!(keys(&reply.text()), fields);
    assert_eq!(reply.json()["characterClass"], "비숍");
}

#[test]
fn the_openapi_document_is_true() {
    let stack = Stack::start(&[]);
    let document = stack.get("/v3/api-docs").json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut asked = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let target = path.replace("{userIgn}", "abc").replace("{presetNo}", "1");
            let reply = stack.send(&method.to_uppercase(), &target, &[]);
            let described = operation["responses"].as_object().unwrap();
            let status = reply.status.to_string();
            assert!(
                described.contains_key(&status),
                "{method} {target}: {status} is not described"
            );
            assert!(!matches!(reply.status, 404 | 405), "{method} {target}");
            asked.insert(format!("{method} {path}"));
        }
    }
    assert!(asked.len() >= 12, "{asked:?}");
}

#[test]
fn health_and_info_tell_what_runs() {
    let stack = Stack::start(&[]);
    assert_eq!(stack.get("/actuator/health").json()["status"], "UP");
    let info = stack.get("/actuator/info").json();
    assert_eq!(info["upstream"]["kind"], "http");
    assert_eq!(info["runtime"]["shards"], 2);
    assert!(info["runtime"]["driver"].as_str().unwrap().len() > 3);
    let accepted: u64 = info["shards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["connectionsAccepted"].as_u64().unwrap())
        .sum();
    assert!(accepted >= 2, "{info}");
}
