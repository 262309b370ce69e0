//! The simulator draws only potential lines that the official tables know.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod upstream_http;

use std::collections::BTreeSet;

use maple_expectation::upstream::sim::Sim;
use maple_expectation::upstream::sim::SimConfig;
use serde_json::Value;
use valuation::potential::Grade;
use valuation::potential::System;
use valuation::potential::Tables;
use valuation::potential::table_part;

use upstream_http::get;

/// Counts the lines of an item and collects those the tables do not know.
fn check(tables: &Tables, item: &Value, system: System, unknown: &mut BTreeSet<String>) -> usize {
    let prefix = match system {
        System::Regular => "potential_option",
        System::Additional => "additional_potential_option",
    };
    let Some(text) = item[format!("{prefix}_grade")].as_str() else { return 0 };
    let grade = Grade::of_korean(text).unwrap();
    let level = item["item_base_option"]["base_equipment_level"].as_u64().unwrap();
    let slot = item["item_equipment_slot"].as_str().unwrap();
    let part = table_part(slot, item["item_equipment_part"].as_str());
    let roll = tables.roll(system, grade, part, u32::try_from(level).unwrap());
    for line in 0..3 {
        let option = item[format!("{prefix}_{}", line + 1)].as_str().unwrap();
        let known = |roll| tables.rows(roll, line).any(|row| &*row.option.text == option);
        if !roll.is_some_and(known) {
            unknown.insert(format!("{prefix} {text} {part} {level}, line {line}: {option}"));
        }
    }
    3
}

#[test]
fn every_line_is_in_the_official_table_of_its_item() {
    let tables = Tables::builtin();
    let sim = Sim::start(SimConfig::default()).unwrap();
    let (mut lines, mut unknown) = (0, BTreeSet::new());
    for index in 0..150 {
        let id = get(sim.addr(), &format!("/maplestory/v1/id?character_name=Table{index}")).body;
        let id: Value = serde_json::from_slice(&id).unwrap();
        let ocid = id["ocid"].as_str().unwrap();
        let target = format!("/maplestory/v1/character/item-equipment?ocid={ocid}");
        let document: Value = serde_json::from_slice(&get(sim.addr(), &target).body).unwrap();
        for item in document["item_equipment"].as_array().unwrap() {
            for system in System::ALL {
                lines += check(&tables, item, system, &mut unknown);
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(lines > 10_000, "{lines}");
}
