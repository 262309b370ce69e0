//! The simulator draws only potential lines that the official tables know.
//! Needs the tables of the shared data folder; without them there is nothing to compare with.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod upstream_http;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use maple_expectation::upstream::sim::Sim;
use maple_expectation::upstream::sim::SimConfig;
use serde_json::Value;

use upstream_http::get;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");

/// Options of the three lines, by system, grade, part and first level of the band.
#[derive(Default)]
struct Tables {
    bands: BTreeMap<(String, String, String), BTreeMap<i64, [String; 3]>>,
    options: BTreeMap<String, BTreeSet<String>>,
}

impl Tables {
    fn read(folder: &Path) -> Self {
        let mut tables = Self::default();
        for row in fs::read_to_string(folder.join("potential_lines.csv")).unwrap().lines().skip(1) {
            let (table, rest) = row.split_once(',').unwrap();
            let option = rest.rsplitn(5, ',').nth(4).unwrap().trim_matches('"');
            tables.options.entry(table.to_owned()).or_default().insert(option.to_owned());
        }
        for row in fs::read_to_string(folder.join("potential_tables.csv")).unwrap().lines().skip(1)
        {
            let mut end = row.rsplitn(5, ',');
            let [third, second, first] = [(); 3].map(|()| end.next().unwrap().to_owned());
            let level = end.next().unwrap().parse().unwrap();
            let mut start = end.next().unwrap().splitn(3, ',');
            let [system, grade, part] =
                [(); 3].map(|()| start.next().unwrap().trim_matches('"').to_owned());
            let bands = tables.bands.entry((system, grade, part)).or_default();
            bands.insert(level, [first, second, third]);
        }
        tables
    }

    fn knows(&self, context: (&str, &str, &str), level: i64, line: usize, option: &str) -> bool {
        let (system, grade, part) = context;
        let key = (system.to_owned(), grade.to_owned(), part.to_owned());
        let Some((_, lines)) = self.bands.get(&key).and_then(|b| b.range(..=level).next_back())
        else {
            return false;
        };
        self.options[&lines[line]].contains(option)
    }
}

/// The part under which the tables list an item.
fn table_part(item: &Value) -> String {
    let part = item["item_equipment_part"].as_str().unwrap();
    match item["item_equipment_slot"].as_str().unwrap() {
        "보조무기" if part.contains("포스실드") || part.contains("소울링") => {
            "포스실드, 소울링".to_owned()
        }
        "보조무기" => "보조무기(포스실드, 소울링 제외)".to_owned(),
        "무기" => "무기".to_owned(),
        "기계 심장" => "기계심장".to_owned(),
        _ => part.to_owned(),
    }
}

/// Counts the lines of an item and collects those the tables do not know.
fn check(
    tables: &Tables,
    item: &Value,
    system: &str,
    prefix: &str,
    unknown: &mut BTreeSet<String>,
) -> usize {
    let Some(grade) = item[format!("{prefix}_grade")].as_str() else { return 0 };
    let grades =
        [("레어", "rare"), ("에픽", "epic"), ("유니크", "unique"), ("레전드리", "legendary")];
    let grade = grades.iter().find(|(text, _)| *text == grade).unwrap().1;
    let level = item["item_base_option"]["base_equipment_level"].as_i64().unwrap();
    let part = table_part(item);
    for line in 0..3 {
        let option = item[format!("{prefix}_{}", line + 1)].as_str().unwrap();
        if !tables.knows((system, grade, &part), level, line, option) {
            unknown.insert(format!("{system} {grade} {part} {level}, line {line}: {option}"));
        }
    }
    3
}

#[test]
fn every_line_is_in_the_official_table_of_its_item() {
    let folder = Path::new(DATA);
    if !folder.exists() {
        return;
    }
    let tables = Tables::read(folder);
    let sim = Sim::start(SimConfig::default()).unwrap();
    let (mut lines, mut unknown) = (0, BTreeSet::new());
    for index in 0..150 {
        let id = get(sim.addr(), &format!("/maplestory/v1/id?character_name=Table{index}")).body;
        let id: Value = serde_json::from_slice(&id).unwrap();
        let ocid = id["ocid"].as_str().unwrap();
        let target = format!("/maplestory/v1/character/item-equipment?ocid={ocid}");
        let document: Value = serde_json::from_slice(&get(sim.addr(), &target).body).unwrap();
        for item in document["item_equipment"].as_array().unwrap() {
            lines += check(&tables, item, "regular", "potential_option", &mut unknown);
            lines +=
                check(&tables, item, "additional", "additional_potential_option", &mut unknown);
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(lines > 10_000, "{lines}");
}
